"""Log lines for a terminal."""

import logging
import sys
from typing import TextIO

from openrag_cli.terminal import for_terminal


class StderrHandler(logging.StreamHandler[TextIO]):
    """Prints records on what standard error is by then: a progress bar takes its place, and puts lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        self.stream = sys.stderr
        super().emit(record)


class TerminalFormatter(logging.Formatter):
    """Log lines, as a terminal may show them: those of the level WARNING as `warning` says, which is for people."""

    def __init__(self, form: str, *, warning: str | None = None) -> None:
        super().__init__(form)
        self._warning = logging.Formatter(warning or form)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text."""
        is_warning = record.levelno == logging.WARNING
        return for_terminal(self._warning.format(record) if is_warning else super().format(record))
