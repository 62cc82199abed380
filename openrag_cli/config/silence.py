"""What keeps libraries from telling others that they are used, and from what they say on stderr: set before any of them
is imported, for children too."""

import os

SILENCE = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime's wheels since 1.29 look up a host and write a device id otherwise
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # of huggingface_hub, which tokenizers brings along
    "LANCEDB_LOG": "error",  # it warns of each empty list of an index of vectors
}
"""The variables of the environment that each library reads when it is imported."""


def silence_libraries() -> None:
    """Set them in this process's environment, whatever stood there."""
    os.environ.update(SILENCE)
