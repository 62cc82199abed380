"""The index's own look at itself: whether it is whole, and what is not."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openrag_cli.errors import StoreError, StoreFull, os_errors
from openrag_cli.fsync import fsync
from openrag_cli.index import vectors, words
from openrag_cli.index.import_shim import import_lancedb
from openrag_cli.index.lance_errors import EXAMINE, lance_errors

_MANIFEST_END = b"LANC"
_MAX_ROWS = (1 << 32) - 1
_CHECK_ROWS = 4096
_CHECK_TEXTS = 20


def unreadable_rows(open_table: Callable[[], Any]) -> str | None:
    """Read every row; return what Lance says where it cannot, None when all is there."""
    try:
        with lance_errors("its rows cannot be read"):
            for _ in open_table().search().limit(_MAX_ROWS).to_batches(batch_size=_CHECK_ROWS):
                pass
    except StoreError as exc:
        return _damage(exc)
    return None


def unreadable_text(open_table: Callable[[], Any]) -> str | None:
    """Ask the full-text index for the words of some rows, spread over the table; return as `unreadable_rows`."""
    try:
        with lance_errors("its full-text index cannot be read"):
            table = open_table()
            is_ready = words.is_ready(table)
            column = words.COLUMN if is_ready else "passage"
            step = max(1, table.count_rows() // _CHECK_TEXTS)
            for at in range(0, table.count_rows(), step):
                for row in table.search().select([column]).offset(at).limit(1).to_list():
                    asked = (
                        words.query(dict.fromkeys(row[column].split(), 1.0))
                        if is_ready
                        else passage_words(row[column])
                    )
                    table.search(asked, query_type="fts").limit(1).to_list()
    except StoreError as exc:
        return _damage(exc)
    return None


def unreadable_vectors(open_table: Callable[[], Any]) -> str | None:
    """Look for some rows by their own vectors in the index of vectors, if there is one; return as `unreadable_rows`."""
    try:
        with lance_errors("its index of vectors cannot be read"):
            table = open_table()
            if vectors.lists_of(table) is None:
                return None
            step = max(1, table.count_rows() // _CHECK_TEXTS)
            for at in range(0, table.count_rows(), step):
                for row in table.search().select(["vector"]).offset(at).limit(1).to_list():
                    table.search(row["vector"]).nprobes(vectors.MIN_PROBES).limit(1).to_list()
    except StoreError as exc:
        return _damage(exc)
    return None


def passage_words(text: str) -> Any:
    """Return a query for the words of a text in a table of format 4 or older.

    A string would be parsed: quotes in it ask for positions.
    """
    import_lancedb()
    from lancedb.query import MatchQuery

    return MatchQuery(text, "passage")  # type: ignore[call-arg]  # its defaults are not in its types (0.40)


def _damage(error: StoreError) -> str | None:
    """Return what an error says of the index; None where it is the machine's: no space, no descriptors."""
    return None if isinstance(error, StoreFull) or error.hint != EXAMINE else error.message


def version_of(manifest: Path) -> int:
    """Return the number of the version that a manifest describes: Lance's names count down (0.40)."""
    return (1 << 64) - 1 - int(manifest.stem)


def is_whole(manifest: Path) -> bool:
    """Whether a manifest has its end: Lance cannot open a version without."""
    with os_errors("reading the index"), manifest.open("rb") as stream:
        return stream.read()[-len(_MANIFEST_END) :] == _MANIFEST_END


def set_aside(manifests: Sequence[Path], none_whole: StoreError) -> list[Path]:
    """Rename manifests that are not whole, newest first, until one is; raise `none_whole` when there is no such one."""
    bad = list(itertools.takewhile(lambda path: not is_whole(path), manifests))
    if manifests and len(bad) == len(manifests):
        raise none_whole
    with os_errors("setting a damaged version aside"):
        for path in bad:
            path.rename(path.with_name(path.name + ".bad"))
        for folder in {path.parent for path in bad}:
            fsync(folder)
    return bad
