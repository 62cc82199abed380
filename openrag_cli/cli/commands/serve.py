"""`openrag serve`: the HTTP API on the same store."""

import os
from typing import Annotated

import typer

from openrag_cli.cli.commands.context import Context
from openrag_cli.contract import to_json as render
from openrag_cli.store.access.permissions import belongs_to_another, not_writable, umask_for

HostOption = Annotated[str | None, typer.Option(help="Address to bind. Default: OPENRAG_HOST, or 127.0.0.1.")]
PortOption = Annotated[int | None, typer.Option(help="Port; 0 takes any. Default: OPENRAG_PORT, or 8080.")]
WorkersOption = Annotated[
    int | None, typer.Option(metavar="N", help="Indexing processes; 0 for none. Default: OPENRAG_WORKERS, or 1.")
]
RootPathOption = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Path under which a proxy serves this. Default: OPENRAG_ROOT_PATH."),
]
AllowedHostOption = Annotated[
    list[str],
    typer.Option(
        metavar="NAME",
        help="Name in the Host header to answer to as well. Repeatable. Default: OPENRAG_ALLOWED_HOSTS.",
    ),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Allow an address of the network without a token. Default: refuse.")
]


def serve(
    context: Context,
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
    root_path: RootPathOption = None,
    allowed_host: AllowedHostOption = [],  # noqa: B006 - Typer reads the defaults, nobody changes them
    insecure: InsecureOption = False,
) -> None:
    """Serve the HTTP API: partitions, uploads, search, extracts, chat. The token is AUTH_TOKEN in the environment.

    With --json the address is one object on standard output, and log lines are JSON.

    Examples:

        openrag serve

        AUTH_TOKEN=… openrag serve --host 0.0.0.0 --port 8080

        ENABLE_RAY_SERVE=true RAY_SERVE_NUM_REPLICAS=2 openrag serve
    """
    log_format = "json" if context.out.is_json else None
    context.override(
        {
            "host": host,
            "port": port,
            "workers": workers,
            "root_path": root_path,
            "allowed_hosts": allowed_host or None,
            "log_format": log_format,
        }
    )
    from openrag_cli.config.cpu import require_cpu
    from openrag_cli.server import uvicorn_server as run

    require_cpu()
    context.goes_on()

    settings = context.settings
    if belongs_to_another(settings.store):
        raise not_writable(settings.store)
    os.umask(umask_for(settings.store))
    host = settings.ray_host if settings.ray_enabled else settings.host
    run.check_exposure(host, settings, is_insecure=insecure, warn=context.out.warn)
    if settings.ray_enabled:
        from openrag_cli.server import ray_server as ray

        ray.serve(settings, lambda url: _announce(context, url, " with Ray Serve"))
    else:
        run.serve(settings, lambda url: _announce(context, url))


def _announce(context: Context, url: str, how: str = "") -> None:
    store = context.settings.store
    if context.out.is_json:
        context.out.json_lines([render.document("serving", {"url": url, "store": str(store), "pid": os.getpid()})])
        context.out.flush()
    else:
        context.out.warn(f"openrag serves {store} on {url}{how}")
