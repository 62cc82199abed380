"""The same application through Ray Serve: replicas share the store, and one of them supervises its workers.

The only module that knows Ray. `RAY_ADDRESS` names a cluster (every node must see the store); without it a local one
is started, bound to loopback, without a dashboard.
"""

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.types import ASGIApp

from openrag_cli.config.settings import Settings
from openrag_cli.config.silence import silence_libraries
from openrag_cli.engine import Engine
from openrag_cli.errors import ConfigError, UpstreamError
from openrag_cli.server.app import create_app
from openrag_cli.server.uvicorn_server import listen, make_supervisor, options_of

REPLICA_CPUS = 0.1
"""What a replica asks of the cluster: requests wait for the store more than they compute."""

MAX_REQUESTS = 100
APPLICATION = "openrag"


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, on `ray_host` and `ray_port` with `ray_replicas` replicas.

    Raises:
        ConfigError: ray is not installed, or the port is taken. UpstreamError: the cluster cannot be reached.
    """
    ray, ray_serve = _import_ray()
    settings = replace(settings, host=settings.ray_host, port=settings.ray_port, store=settings.store.resolve())
    listen(settings.host, settings.port).close()  # a taken port is one clear line here, and a long story from Ray
    stopped = threading.Event()
    _connect(ray, settings)
    try:
        options = {"host": settings.host, "port": settings.port, "root_path": ""}
        ray_serve.start(http_options=options, proxy_location="HeadOnly")
        ray_serve.run(_deployment(ray_serve, settings).bind(), name=APPLICATION, route_prefix="/")
        for number in (signal.SIGTERM, signal.SIGINT):  # after Ray has set its own
            signal.signal(number, lambda *_: stopped.set())
        announce(f"http://{settings.host}:{settings.port}")
        stopped.wait()
    finally:
        ray_serve.shutdown()
        ray.shutdown()


def _import_ray() -> tuple[Any, Any]:
    silence_libraries()
    try:
        import ray
        from ray import serve as ray_serve
    except ImportError as exc:
        raise ConfigError("Ray Serve is not installed", hint="pip install 'openrag-cli[ray]'") from exc
    return ray, ray_serve


def _connect(ray: Any, settings: Settings) -> None:
    try:
        if settings.ray_address:
            ray.init(address=settings.ray_address.reveal(), logging_level=logging.WARNING, log_to_driver=False)
        else:
            ray.init(
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                logging_level=logging.WARNING,
                log_to_driver=False,
                object_store_memory=100 << 20,
            )
    except (ConnectionError, RuntimeError, ValueError) as exc:
        hint = "check RAY_ADDRESS, or unset it to start a local cluster"
        why = settings.ray_address.hidden_in(str(exc)) if settings.ray_address else str(exc)
        raise UpstreamError(f"Ray cannot be reached or started: {why}", hint=hint) from exc


def _deployment(ray_serve: Any, settings: Settings) -> Any:
    def build() -> ASGIApp:
        """Make the application in the replica: nothing of it can be pickled."""
        options = replace(options_of(settings), tags_answers=False)  # Ray's proxy sets x-request-id itself
        return create_app(Engine(settings), options, make_supervisor(settings))

    ingress = ray_serve.ingress(build)()
    return ray_serve.deployment(
        ingress,
        name=APPLICATION,
        num_replicas=settings.ray_replicas,
        max_ongoing_requests=MAX_REQUESTS,
        ray_actor_options={"num_cpus": REPLICA_CPUS},
        graceful_shutdown_timeout_s=30,
    )
