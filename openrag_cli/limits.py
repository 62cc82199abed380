"""Every limit on what is taken in, in one table: what it holds for, how much, which setting moves it, which error it is.

The command line, the routes, import and restore ask `check` before they read; `openrag help limits` prints the table.
Limits of readers, beyond which a document is cut with a warning, stand here too, so that there is one place to look.
"""

import json
from dataclasses import dataclass
from typing import Any

from openrag_cli.errors import IngestError, InvalidInput, InvalidMetadata, OpenRAGError, StoreBusy, TooLarge

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: `what` has at most `most` of `unit`; over it is `error`, or (None) it is cut with a warning."""

    key: str
    what: str
    most: int
    unit: str
    error: type[OpenRAGError] | None = InvalidInput
    setting: str | None = None

    @property
    def code(self) -> str:
        """The stable code of the error, or `cut`."""
        if self.error is IngestError:
            return "too_large"
        return self.error.code if self.error else "cut"


TABLE: tuple[Limit, ...] = (
    Limit("file_bytes", "a file", 256 * MIB, "bytes", TooLarge, "max_file_bytes"),
    Limit("markup_bytes", "a file of HTML or XML", 32 * MIB, "bytes", TooLarge, "max_markup_bytes"),
    Limit("unpacked_bytes", "the parts of an office document, unpacked", 512 * MIB, "bytes", IngestError),
    Limit("text_chars", "the text of a document", 10_000_000, "characters", None),
    Limit("pages", "a document with pages", 10_000, "pages", None),
    Limit("rows", "a workbook", 200_000, "rows", None),
    Limit("cells", "the cells of a workbook", 5_000_000, "cells", None),
    Limit("partition_chars", "the name of a partition", 128, "characters"),
    Limit("file_id_chars", "the id of a file", 512, "characters"),
    Limit("session_chars", "the name of a session", 128, "characters"),
    Limit("metadata_bytes", "the metadata of a file, as JSON", 64 * 1024, "bytes", InvalidMetadata),
    Limit("metadata_depth", "the metadata of a file", 32, "levels", InvalidMetadata),
    Limit("metadata_keys", "the metadata of a file", 1000, "keys", InvalidMetadata),
    Limit("query_chars", "a query", 10_000, "characters"),
    Limit("filter_chars", "a filter", 10_000, "characters"),
    Limit("filter_depth", "a filter", 50, "levels"),
    Limit("hits", "a search", 1000, "hits"),
    Limit("json_bytes", "the JSON body of a request", 10_000_000, "bytes", TooLarge),
    Limit("json_depth", "JSON that is taken in", 100, "levels"),
    Limit("json_values", "JSON that is taken in", 100_000, "values", TooLarge),
    Limit("chat_bytes", "the body of a chat request", 10_000_000, "bytes", TooLarge),
    Limit("chat_messages", "a conversation", 1000, "messages", TooLarge),
    Limit("chat_chars", "a conversation", 2_000_000, "characters", TooLarge),
    Limit("embedding_texts", "a request for embeddings", 2048, "texts"),
    Limit("export_text_chars", "the text of a document in an export", 20_000_000, "characters", TooLarge),
    Limit("backup_members", "a backup", 2_000_000, "members", TooLarge),
    Limit("listing_files", "the listing of a synced folder", 1_000_000, "files", TooLarge),
    Limit("listing_line_bytes", "a line of such a listing", 64 * 1024, "bytes", TooLarge),
    Limit("queued_tasks", "the queue", 1_000_000, "unfinished tasks", StoreBusy, "max_queued_tasks"),
)
_BY_KEY = {limit.key: limit for limit in TABLE}


def most(key: str) -> int:
    """Return the default of a limit."""
    return _BY_KEY[key].most


def check(key: str, n: int, *, allowed: int | None = None) -> None:
    """Refuse `n` of something where a limit (or `allowed`, where a setting moves it) is lower.

    Raises:
        OpenRAGError: the error of the limit's row.
    """
    limit = _BY_KEY[key]
    ceiling = limit.most if allowed is None else allowed
    if n <= ceiling or limit.error is None:
        return
    message = f"{limit.what} has {n:,} {limit.unit}; at most {ceiling:,} are taken"
    hint = f"raise {limit.setting} in the configuration" if limit.setting else "see: openrag help limits"
    if limit.error is IngestError:
        raise IngestError(message, reason="too_large", hint=hint)
    raise limit.error(message, hint=hint)


def depth(value: Any) -> int:
    """Return how many lists and objects lie within each other in a JSON value; a number or a text has 0."""
    level = [value]
    n_levels = 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        n_levels += 1
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return n_levels


def read_json(text: str | bytes, what: str) -> Any:
    """Return a JSON text's value; `what` names it in errors, such as `metadata`.

    Raises:
        InvalidInput: it is not JSON, deeper than `json_depth`, or has a number of thousands of digits.
    """
    try:
        value = json.loads(text)
    except RecursionError as exc:
        raise InvalidInput(f"{what} is nested too deeply", hint="see: openrag help limits") from exc
    except ValueError as exc:
        raise InvalidInput(f"{what} is not valid JSON", hint='for example {"year": 2024}') from exc
    check("json_depth", depth(value))
    return value
