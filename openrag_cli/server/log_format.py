"""The server's log on stderr: lines of text, or one JSON object a line for every record."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from openrag_cli.terminal import for_json, for_terminal


class TextFormatter(logging.Formatter):
    """Time, level, logger and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, as a terminal may show it."""
        return for_terminal(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - its name
        """Return the time as RFC 3339 in UTC."""
        del datefmt
        return _time(record)


class JsonFormatter(logging.Formatter):
    """An object with `at`, `level`, `logger`, and either the record's own `fields` or its `message`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        body: dict[str, Any] = {"at": _time(record), "level": record.levelname, "logger": record.name}
        body |= getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info:
            body["traceback"] = self.formatException(record.exc_info)
        return for_json(json.dumps(body, ensure_ascii=False))


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(log_format: str) -> None:
    """Log everything of ours from INFO on to stderr, as `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("openrag_cli").setLevel(logging.INFO)
