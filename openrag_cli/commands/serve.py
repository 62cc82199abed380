"""`openrag serve`: the HTTP API on the same store."""

from typing import Annotated

import typer

from openrag_cli.commands.context import Context


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to bind. Default: OPENRAG_HOST, or 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes any. Default: OPENRAG_PORT, or 8080.")] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Indexing processes; 0 for none. Default: OPENRAG_WORKERS, or 1.")
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Path under which a proxy serves this. Default: OPENRAG_ROOT_PATH."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow an address of the network without a token. Default: refuse.")
    ] = False,
) -> None:
    """Serve the HTTP API: partitions, uploads, search, extracts. The token is AUTH_TOKEN in the environment.

    Examples:

        openrag serve

        AUTH_TOKEN=… openrag serve --host 0.0.0.0 --port 8080

        ENABLE_RAY_SERVE=true RAY_SERVE_NUM_REPLICAS=2 openrag serve
    """
    context: Context = ctx.obj
    context.override({"host": host, "port": port, "workers": workers, "root_path": root_path})
    from openrag_cli.server import run

    settings = context.settings
    run.check_exposure(settings.ray_host if settings.ray_enabled else settings.host, settings, is_insecure=insecure)
    if settings.ray_enabled:
        from openrag_cli.server import ray

        ray.serve(settings, context.out.warn)
    else:
        run.serve(settings, context.out.warn)
