"""What an export must be before anything of it is taken in: it may come from anybody.

Each function raises ValueError with what is wrong; the reader of exports says it as damage, with the folder's name.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from openrag_cli import limits
from openrag_cli.domain import Page, Span
from openrag_cli.maintenance.parquet import MAX_DIMENSION
from openrag_cli.store.names import check_partition

if TYPE_CHECKING:
    import numpy as np

MAX_HEAD_BYTES = 1 << 20
MAX_LINE_CHARS = 64 << 20
MAX_NAME_CHARS = 512
NORM_TOLERANCE = 0.02
"""Vectors are L2-normalised and written as float16: a longer one would stand before every other in a search."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"(?:[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:; ?[\w-]+=[\w\".-]+)*)?", re.ASCII)


def check_head(head: Any, names: tuple[str, ...]) -> None:
    """Check what `partition.json` says: the name, the model, the counts, and the sums of exactly these files."""
    if not isinstance(head, dict):
        raise ValueError("its head is no object")  # noqa: TRY004 - one error type for every check
    check_partition(_text(head, "partition"))
    _text(head, "model")
    for key in ("files", "chunks"):
        _whole(head.get(key), f"'{key}'", least=0)
    sums = head.get("sha256")
    if not isinstance(sums, dict) or set(sums) != set(names):
        raise ValueError(f"its head has no sums of {', '.join(names)}")
    if not all(isinstance(value, str) and _SHA256.fullmatch(value) for value in sums.values()):
        raise ValueError("a sum in its head is no sha256")


def plain_file(path: Path) -> Path:
    """Return a path that no link leads away from the folder it stands in."""
    if path.is_symlink() or path.parent.is_symlink():
        raise ValueError(f"{path.name} is a link")
    return path


def lines(stream: IO[str], name: str) -> Iterator[str]:
    """Yield the lines of a file, none of which may be longer than a document can be."""
    while line := stream.readline(MAX_LINE_CHARS + 1):
        if len(line) > MAX_LINE_CHARS:
            raise ValueError(f"a line of {name} has over {MAX_LINE_CHARS:,} characters")
        yield line


def check_entry(entry: Any) -> dict[str, Any]:
    """Return what a line says of a file, with every value of its type."""
    if not isinstance(entry, dict):
        raise ValueError("a line is no object")  # noqa: TRY004 - as above
    _check_names(entry)
    text = entry.get("text")
    if not isinstance(text, str):
        raise ValueError("a document has no text")  # noqa: TRY004 - as above
    limits.check("export_text_chars", len(text))
    for key, kind in (("metadata", dict), ("document_metadata", dict), ("pages", list), ("warnings", list)):
        if not isinstance(entry.get(key, kind()), kind):
            raise ValueError(f"'{key}' is of another type")  # noqa: TRY004 - as above
    for warning in entry.get("warnings", ()):
        is_one = isinstance(warning, dict) and set(warning) <= {"code", "message", "place"}
        if not is_one or not all(value is None or isinstance(value, str) for value in warning.values()):
            raise ValueError("a warning is of another type")
    return entry


def _check_names(entry: dict[str, Any]) -> None:
    for key in ("file_id", "filename"):
        _text(entry, key)
    for key in ("reader", "chunker"):
        _text({key: "", **entry}, key, least=0)
    if not isinstance(entry.get("media_type"), str) or not _MEDIA_TYPE.fullmatch(entry["media_type"]):
        raise ValueError(f"the media type {str(entry.get('media_type'))[:80]!r} is none")
    if not isinstance(entry.get("sha256"), str) or not _SHA256.fullmatch(entry["sha256"]):
        raise ValueError(f"{str(entry.get('sha256'))[:80]!r} is no sha256")


def pages_of(entry: dict[str, Any]) -> tuple[Page, ...]:
    """Return the pages of a file, each within its text."""
    found = []
    for page in entry["pages"]:
        if not isinstance(page, list) or len(page) != 3:
            raise ValueError("a page is not three numbers")
        number = _whole(page[0], "a page's number", least=1)
        found.append(Page(number, *_range(page[1], page[2], len(entry["text"]))))
    return tuple(found)


def check_spans(spans: list[Span], text: str) -> None:
    """Check that each chunk is what stands in the text at its place."""
    if not spans:
        raise ValueError("a file has no chunks")
    for span in spans:
        start, end = _range(span.start, span.end, len(text))
        if span.text != text[start:end]:
            raise ValueError("a chunk is not what stands in its document")
        _whole(span.line_end, "a line", least=_whole(span.line_start, "a line", least=1))
        if span.page is not None:
            _whole(span.page, "a chunk's page", least=1)
        if not all(isinstance(part, str) for part in (*span.heading, *span.head, span.plain or "")):
            raise ValueError("a heading is no text")


def check_vectors(rows: "np.ndarray", dimension: int | None) -> None:
    """Check vectors, float16[n, d]: numbers, of length 1, and of `dimension` where it is known."""
    import numpy as np

    if rows.ndim != 2 or not 1 <= rows.shape[1] <= MAX_DIMENSION or dimension not in {None, rows.shape[1]}:
        raise ValueError(f"vectors of {rows.shape[-1]} numbers are not those of the model")
    norms = np.linalg.norm(rows.astype(np.float32), axis=1)
    if not np.isfinite(norms).all():
        raise ValueError("a vector holds what is no number")
    if (np.abs(norms - 1) > NORM_TOLERANCE).any():
        raise ValueError("a vector is not of length 1")


def _text(entry: dict[str, Any], key: str, *, least: int = 1) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not least <= len(value) <= MAX_NAME_CHARS:
        raise ValueError(f"'{key}' is no text of at most {MAX_NAME_CHARS} characters")
    return value


def _whole(value: Any, what: str, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 53:
        raise ValueError(f"{what} is no whole number from {least:,} on")
    return value


def _range(start: Any, end: Any, length: int) -> tuple[int, int]:
    begin = _whole(start, "an offset", least=0)
    if _whole(end, "an offset", least=begin) > length:
        raise ValueError("an offset leads beyond its document")
    return begin, end
