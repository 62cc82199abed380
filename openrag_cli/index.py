"""The index: chunks, vectors and full text in LanceDB. Derived: the catalog decides what is visible (I1).

Rows are keyed by revision and by the catalog's number of the partition, so no text of a user ever reaches a filter.
Every write happens under the store's write lock, held by the caller, and is on the disk when it returns (I4, I8):
Lance itself never calls fsync on a local disk.
"""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.domain import Chunk, Span
from openrag_cli.errors import StoreDamaged, StoreError, StoreFull, os_errors

if TYPE_CHECKING:
    import numpy as np

TABLE = "chunks"
KEEP_VERSIONS = timedelta(hours=1)
"""Versions younger than this stay: a reader in another process may be on one (I4)."""

_TESTED = ((0, 40), (0, 41))
_PLACE = ["start", "end", "line_start", "line_end", "page", "heading"]
_COLUMNS = ["id", "partition_id", "revision", "ordinal", "passage", "text_at", *_PLACE]


@dataclass(frozen=True, slots=True)
class Row:
    """A chunk to be indexed: `passage` is what is embedded and searched, its text begins at `text_at`."""

    chunk: Chunk
    partition_id: int
    passage: str
    vector: "np.ndarray"


@dataclass(frozen=True, slots=True)
class Match:
    """A row found, before the join with the catalog; `score` is cosine similarity or BM25: higher is better."""

    id: str
    revision: str
    ordinal: int
    span: Span
    score: float


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows a search may see; None means all."""

    partition_ids: Sequence[int] | None = None
    revisions: Sequence[str] | None = None


def import_lancedb() -> Any:
    """Import lancedb, without the generated REST client that a local store never calls.

    `lance_namespace_urllib3_client` is more than half of lancedb's import time (0.40). For the tested versions an
    empty stand-in takes its place while lancedb is imported; any other version gets the plain import.
    """
    if "lancedb" in sys.modules or not _is_tested_version():
        import lancedb

        return lancedb
    with _without_rest_client():
        import lancedb
    return lancedb


def _is_tested_version() -> bool:
    from importlib.metadata import version

    parts = tuple(int(part) for part in version("lancedb").split(".")[:2])
    return _TESTED[0] <= parts < _TESTED[1]


class _StandIn(types.ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for the REST client and each of its submodules."""

    root = "lance_namespace_urllib3_client"

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".", maxsplit=1)[0] != self.root:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


@contextlib.contextmanager
def _without_rest_client() -> Iterator[None]:
    finder = _StandInFinder()
    if finder.root in sys.modules:
        yield
        return
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == finder.root]:
            del sys.modules[name]


@contextlib.contextmanager
def _lance_errors(what: str) -> Iterator[None]:
    """Lance tells its errors apart by text alone (0.40): one place knows the texts."""
    try:
        with os_errors(what):
            yield
    except (RuntimeError, ValueError) as exc:
        text = str(exc)
        if any(sign in text for sign in ("No space left", "os error 28", "File too large", "os error 27")):
            raise StoreFull(f"{what}: no space left for the store", hint="free some space, then try again") from exc
        if any(
            sign in text for sign in ("not found", "Not found", "corrupt", "Corrupt", "invalid magic", "manifest")
        ):
            raise StoreDamaged(f"{what}: the index is damaged: {text.splitlines()[0][:200]}") from exc
        raise StoreError(f"{what}: {text.splitlines()[0][:300]}") from exc


class Index:
    """The chunk table under `root`, opened on first use. `dimension` is that of the store's model."""

    def __init__(self, root: Path, *, dimension: int, language: str) -> None:
        self._root = root
        self._dimension = dimension
        self._language = language
        self._table: Any = None
        self._durable: set[Path] = set()

    # --- opening

    @property
    def exists(self) -> bool:
        """Whether a table has been made."""
        return (self._root / f"{TABLE}.lance").exists()

    def create(self) -> None:
        """Make the empty table with its full-text index, if there is none; the caller holds the write lock.

        Raises:
            StoreDamaged: a folder is there but holds no table: nothing is written over it.
        """
        if self._table is not None:
            return
        if self.exists:
            self._open()
            return
        import pyarrow as pa

        lancedb = import_lancedb()
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._durably(), _lance_errors("making the index"):
            table = self._connect(lancedb).create_table(TABLE, schema=_schema(pa, self._dimension))
            table.set_unenforced_primary_key("id")
            table.create_index("passage", config=_full_text(lancedb, self._language))
            self._table = table

    def _connect(self, lancedb: Any) -> Any:
        # With the default interval a reader never sees what other processes commit (lancedb 0.40).
        return lancedb.connect(self._root, read_consistency_interval=timedelta(0))

    def _open(self) -> Any:
        if self._table is None:
            if not any((self._root / f"{TABLE}.lance" / "_versions").glob("*.manifest")):
                raise StoreDamaged(
                    f"the index {self._root} has lost its versions", hint="restore the store from a backup"
                )
            lancedb = import_lancedb()
            with _lance_errors("opening the index"):
                self._table = self._connect(lancedb).open_table(TABLE)
        return self._table

    # --- writing, under the write lock

    def put(self, rows: Sequence[Row]) -> None:
        """Add the chunks of whole revisions in one commit; rows that are there already are written again."""
        if not rows:
            return
        self.create()
        with self._durably(), _lance_errors("writing to the index"):
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(self._batch(rows))

    def drop(self, revisions: Sequence[str]) -> None:
        """Delete the chunks of revisions in one commit."""
        if not revisions or not self.exists:
            return
        from lancedb.expr import col

        table = self._open()
        with self._durably(), _lance_errors("deleting from the index"):
            table.delete(col("revision").isin(list(revisions)))

    def optimize(self) -> None:
        """Merge small fragments, bring the full-text index up to date, and delete versions older than an hour."""
        if not self.exists:
            return
        table = self._open()
        with self._durably(), _lance_errors("compacting the index"):
            table.optimize(cleanup_older_than=KEEP_VERSIONS)

    def _batch(self, rows: Sequence[Row]) -> Any:
        import numpy as np
        import pyarrow as pa

        chunks = [row.chunk for row in rows]
        spans = [chunk.span for chunk in chunks]
        vectors = np.stack([row.vector for row in rows]).astype(np.float16)
        columns = {
            "id": [chunk.id for chunk in chunks],
            "partition_id": [row.partition_id for row in rows],
            "revision": [chunk.revision for chunk in chunks],
            "ordinal": [chunk.ordinal for chunk in chunks],
            "passage": [row.passage for row in rows],
            "text_at": [len(row.passage) - len(row.chunk.span.text) for row in rows],
            "start": [span.start for span in spans],
            "end": [span.end for span in spans],
            "line_start": [span.line_start for span in spans],
            "line_end": [span.line_end for span in spans],
            "page": [span.page for span in spans],
            "heading": [list(span.heading) for span in spans],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), self._dimension),
        }
        return pa.table(columns, schema=_schema(pa, self._dimension))

    @contextlib.contextmanager
    def _durably(self) -> Iterator[None]:
        """Fsync every file that the block made, and the folders that hold them."""
        before = self._durable or set(_files(self._root))
        yield
        after = set(_files(self._root))
        created = after - before
        with os_errors("writing to the index"):
            for path in created:
                _fsync(path)
            for folder in {parent for path in created for parent in (path.parent, path.parent.parent)}:
                _fsync(folder)
        self._durable = after

    # --- reading

    def dense(self, vector: "np.ndarray", limit: int, scope: Scope) -> list[Match]:
        """Return the rows nearest to `vector` (float32[dim], L2-normalised) by cosine similarity, best first."""
        if not self.exists:
            return []
        query = self._open().search(vector).distance_type("cosine")
        rows = self._run(query.select([*_COLUMNS, "_distance"]), limit, scope)
        return [_match(row, 1.0 - row["_distance"]) for row in rows]

    def text(self, query: str, limit: int, scope: Scope) -> list[Match]:
        """Return the rows with the best BM25 scores for the words of `query`, best first."""
        if not self.exists or not query.strip():
            return []
        table = self._open()
        search = table.search(query, query_type="fts", fts_columns="passage")
        return [_match(row, row["_score"]) for row in self._run(search.select([*_COLUMNS, "_score"]), limit, scope)]

    def _run(self, query: Any, limit: int, scope: Scope) -> list[dict[str, Any]]:
        where = _where(scope)
        with _lance_errors("searching the index"):
            if where is not None:
                query = query.where(where)
            rows: list[dict[str, Any]] = query.limit(limit).to_list()
        return rows

    def chunks(self, *, ids: Sequence[str] = (), revision: str | None = None) -> list[Match]:
        """Return rows by chunk id, or all rows of a revision in order; their score is 0."""
        if not self.exists:
            return []
        table = self._open()
        from lancedb.expr import col, lit

        where = col("revision") == lit(revision) if revision else col("id").isin(list(ids))
        with _lance_errors("reading the index"):
            rows = table.search().where(where).select(_COLUMNS).limit(1 << 30).to_list()
        return [_match(row, 0.0) for row in sorted(rows, key=lambda row: row["ordinal"])]

    def revisions(self) -> dict[str, int]:
        """Return how many rows each revision has."""
        if not self.exists:
            return {}
        with _lance_errors("reading the index"):
            table = self._open().search().select(["revision"]).limit(1 << 40).to_arrow()
        counts = table.column("revision").value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counts}

    def backlog(self) -> tuple[int, int]:
        """Return (number of fragments, rows not yet in the full-text index): what `optimize` would put in order."""
        if not self.exists:
            return 0, 0
        table = self._open()
        with _lance_errors("reading the index"):
            fragments = int(table.stats()["fragment_stats"]["num_fragments"])
            statistics = table.index_stats("passage_idx")
        return fragments, int(statistics.num_unindexed_rows) if statistics else 0

    def version(self) -> int:
        """Return the number of the newest version; each commit makes one."""
        return int(self._open().version) if self.exists else 0


def _where(scope: Scope) -> Any:
    from lancedb.expr import col

    parts = []
    if scope.partition_ids is not None:
        parts.append(col("partition_id").isin(list(scope.partition_ids)))
    if scope.revisions is not None:
        parts.append(col("revision").isin(list(scope.revisions)))
    if len(parts) == 2:
        return parts[0] & parts[1]
    return parts[0] if parts else None


def _match(row: dict[str, Any], score: float) -> Match:
    span = Span(
        text=row["passage"][row["text_at"] :],
        start=row["start"],
        end=row["end"],
        line_start=row["line_start"],
        line_end=row["line_end"],
        page=row["page"],
        heading=tuple(row["heading"]),
    )
    return Match(id=row["id"], revision=row["revision"], ordinal=row["ordinal"], span=span, score=float(score))


def _schema(pa: Any, dimension: int) -> Any:
    def required(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    whole = [required(name, pa.int32()) for name in ("ordinal", "text_at", "start", "end", "line_start", "line_end")]
    return pa.schema(
        [
            required("id", pa.string()),
            required("partition_id", pa.int64()),
            required("revision", pa.string()),
            required("passage", pa.string()),
            *whole,
            pa.field("page", pa.int32()),
            required("heading", pa.list_(pa.string())),
            required("vector", pa.list_(pa.float16(), dimension)),
        ]
    )


def _full_text(lancedb: Any, language: str) -> Any:
    """Unicode words, split at punctuation and stemmed, stop words kept.

    Measured (lancedb 0.40, nDCG@10): SciFact 0.685 against 0.684 for the default tokenizer and 0.662 unstemmed;
    PIAF 0.786, 0.789 and 0.749. It alone of them also finds CJK words, versions like 1.0.21, phrases of stop words
    and identifiers over 40 characters. Positions are off: compaction crashed with them.
    """
    return lancedb.index.FTS(
        base_tokenizer="icu/split",
        language=language,
        stem=True,
        remove_stop_words=False,
        max_token_length=None,
        with_position=False,
    )


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            yield Path(folder, name)


def _fsync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # a version that clean-up has taken away since
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
