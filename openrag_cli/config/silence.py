"""What keeps libraries from telling others that they are used, and from what they say on stderr: set before any of them
is imported, for children too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SILENCE = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime's wheels since 1.29 look up a host and write a device id otherwise
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # of huggingface_hub, which tokenizers brings along
    "LANCEDB_LOG": "error",  # it warns of each empty list of an index of vectors
}
"""The variables of the environment that each library reads when it is imported."""

_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


def silence_libraries() -> None:
    """Set them in this process's environment, whatever stood there."""
    os.environ.update(SILENCE)


def let_threads_sleep() -> None:
    """Let the threads of OpenBLAS sleep as soon as they have no work, where nobody has said how long they wait for it.

    Else each turns round for 2 to the 26th cycles from numpy's import on, about 20 ms of CPU for each processor.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


@contextmanager
def without_plugins() -> Iterator[None]:
    """While the block imports, let pydantic not look through all that is installed for plugins of its own."""
    before = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        del os.environ[_PLUGINS]
        if before is not None:
            os.environ[_PLUGINS] = before
