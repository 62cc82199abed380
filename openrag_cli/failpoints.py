"""Failpoints: places of the ingest protocol where a crash test kills the process."""

import os
import signal

from openrag_cli.config.settings import failpoint_name


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL when the environment names this point; otherwise do nothing."""
    if failpoint_name() == name:
        os.kill(os.getpid(), signal.SIGKILL)
