"""A worker process: runs tasks as they come until it is told to stop, or its supervisor is gone."""

import argparse
import logging
import os
import signal
import sys
import threading

from openrag_cli.config import settings as config
from openrag_cli.engine import Engine
from openrag_cli.errors import OpenRAGError
from openrag_cli.ingest.report import Progressed, TaskDone
from openrag_cli.server import log_format as logs
from openrag_cli.store.access.permissions import umask_for

logger = logging.getLogger("openrag_cli.worker")  # this module runs as __main__


def _tell(event: Progressed) -> None:
    """Log the end of a task: which file it was, and what came of it."""
    if isinstance(event, TaskDone) and not event.is_lost:
        name = f"{event.task.upload.partition}/{event.task.upload.file_id}"
        if event.error is not None:
            logger.warning("failed: %s: %s (task %s)", name, event.error.message, event.task.id)
        else:
            logger.info("indexed %s: %d chunks (task %s)", name, event.n_chunks, event.task.id)


def main() -> None:
    """Work until SIGTERM or the end of standard input; what is held then goes back to the queue."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("store", "cache", "threads", "embed-model", "log-format", "once"):
        parser.add_argument(f"--{name}")
    flags = {key: value for key, value in vars(parser.parse_args()).items() if value is not None}
    is_once = bool(flags.pop("once", None))
    logs.configure(flags.get("log_format", "text"))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle

    def watch() -> None:
        """Stop when the parent is gone."""
        while os.read(0, 1):  # returns nothing when the supervisor has closed its end, or died
            pass
        stopped.set()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        settings = config.load(flags).settings
        os.umask(umask_for(settings.store))
        with Engine(settings) as engine:
            logger.info("worker %d starts", os.getpid())
            (engine.drain if is_once else engine.work)(listener=_tell, should_stop=stopped.is_set)
            logger.info("worker %d stops", os.getpid())
    except OpenRAGError as exc:
        logger.error("%s", exc.message)  # noqa: TRY400 - a sentence says it; the rest is in the task
        sys.exit(1)


if __name__ == "__main__":
    main()
