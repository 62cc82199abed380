"""The index: chunks, vectors and full text in LanceDB. Derived: the catalog decides what is visible (I1).

Rows are keyed by revision and by the catalog's number of the partition, so no text of a user ever reaches a filter.
Every write happens under the store's write lock, held by the caller, and is on the disk when it returns (I4, I8):
Lance itself never calls fsync on a local disk.
"""

import contextlib
import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.domain import Chunk, Span
from openrag_cli.errors import StoreDamaged, os_errors
from openrag_cli.failpoints import failpoint
from openrag_cli.fsync import files_below, fsync, fsync_below
from openrag_cli.index.import_shim import without_package
from openrag_cli.index.lance_errors import RESTORE, lance_errors

if TYPE_CHECKING:
    import numpy as np

TABLE = "chunks"
KEEP_VERSIONS = timedelta(hours=1)
"""Versions younger than this stay: a reader in another process may be on one (I4)."""
_TESTED = ((0, 40), (0, 41))
_REST_CLIENT = "lance_namespace_urllib3_client"
_MAX_ROWS = (1 << 32) - 1
_MANIFEST_END = b"LANC"
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
    with without_package(_REST_CLIENT):
        import lancedb
    return lancedb


def _is_tested_version() -> bool:
    from importlib.metadata import version

    parts = tuple(int(part) for part in version("lancedb").split(".")[:2])
    return _TESTED[0] <= parts < _TESTED[1]


class Index:
    """The chunk table under `root`, opened on first use. `dimension` is that of the store's model."""

    def __init__(self, root: Path, *, dimension: int, language: str) -> None:
        self._root = root
        self._folder = root / f"{TABLE}.lance"
        self._dimension = dimension
        self._language = language
        self._table: Any = None
        self._durable: set[str] = set()

    # --- opening

    @property
    def exists(self) -> bool:
        """Whether a table has been made."""
        return self._folder.exists()

    def create(self) -> None:
        """Make the empty table with its full-text index, if there is none; the caller holds the write lock.

        It is made aside and renamed: a crash leaves a whole table or none.

        Raises:
            StoreDamaged: a folder is there but holds no table: nothing is written over it.
        """
        if self._table is None and not self.exists:
            self._make()
        self._open()

    def _make(self) -> None:
        import pyarrow as pa

        lancedb = import_lancedb()
        aside = self._root / "making"
        with os_errors("making the index"):
            shutil.rmtree(aside, ignore_errors=True)  # what a crash left
            aside.mkdir(parents=True, mode=0o700)
        with self._durably(), lance_errors("making the index"):
            table = lancedb.connect(aside).create_table(TABLE, schema=_schema(pa, self._dimension))
            table.set_unenforced_primary_key("id")
            failpoint("creating")
            table.create_index("passage", config=_full_text(lancedb, self._language))
            fsync_below(aside, files_below(aside))
            (aside / self._folder.name).rename(self._folder)
            aside.rmdir()

    def _connect(self, lancedb: Any) -> Any:
        # With the default interval a reader never sees what other processes commit (lancedb 0.40).
        return lancedb.connect(self._root, read_consistency_interval=timedelta(0))

    def _open(self) -> Any:
        if self._table is None:
            if not self._manifests():
                raise StoreDamaged(f"the index {self._root} has lost its versions", hint=RESTORE)
            lancedb = import_lancedb()
            with lance_errors("opening the index"):
                self._table = self._connect(lancedb).open_table(TABLE)
        return self._table

    # --- after a power cut

    def _manifests(self) -> list[Path]:
        """Return the manifests, newest first: Lance counts their names down (0.40)."""
        return sorted((self._folder / "_versions").glob("*.manifest"))

    @property
    def has_bad_head(self) -> bool:
        """Whether the newest manifest is not whole: then Lance cannot open the table. A cheap look at its end."""
        newest = self._manifests()[:1]
        return bool(newest) and not _is_whole(newest[0])

    def set_aside_bad_head(self) -> list[Path]:
        """Rename manifests that are not whole, newest first, until one is; the caller holds the write lock.

        The version before is then the newest. Such a manifest was never acknowledged, or the disk has lost it.

        Raises:
            StoreDamaged: none is whole; nothing is renamed.
        """
        manifests = self._manifests()
        bad = list(itertools.takewhile(lambda path: not _is_whole(path), manifests))
        if manifests and len(bad) == len(manifests):
            raise StoreDamaged(f"the index {self._root} has no whole version", hint=RESTORE)
        with os_errors("setting a damaged version aside"):
            for path in bad:
                path.rename(path.with_name(path.name + ".bad"))
            fsync(self._folder / "_versions")
        return bad

    # --- writing, under the write lock

    def put(self, rows: Sequence[Row]) -> None:
        """Add the chunks of whole revisions in one commit; rows that are there already are written again."""
        if not rows:
            return
        self.create()
        with self._durably(), lance_errors("writing to the index"):
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(self._batch(rows))

    def drop(self, revisions: Sequence[str]) -> None:
        """Delete the chunks of revisions in one commit; none is made when there are no such chunks."""
        if not revisions or not self.exists:
            return
        table = self._open()
        from lancedb.expr import col

        where = col("revision").isin(list(revisions))
        with lance_errors("reading the index"):
            if not table.search().where(where).select(["revision"]).limit(1).to_list():
                return
        with self._durably(), lance_errors("deleting from the index"):
            table.delete(where)

    def optimize(self) -> None:
        """Merge small fragments, bring the full-text index up to date, and delete versions older than an hour."""
        if not self.exists:
            return
        table = self._open()
        with self._durably(), lance_errors("compacting the index"):
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
        """Fsync every file that is new since this process last did, and the folders that hold it.

        The first time that is every file: a process that was killed between Lance's commit and its fsync may have
        left some that later versions build on.
        """
        yield
        after = set(files_below(self._root))
        with os_errors("writing to the index"):
            fsync_below(self._root, after - self._durable)
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
        with lance_errors("searching the index"):
            if where is not None:
                query = query.where(where)
            rows: list[dict[str, Any]] = query.limit(limit).to_list()
        return rows

    def chunks(self, *, ids: Sequence[str] = (), revisions: Sequence[str] = ()) -> list[Match]:
        """Return rows by chunk id, or all rows of revisions; each revision's in order. Their score is 0."""
        column, values = ("id", ids) if ids else ("revision", revisions)
        rows = self._rows(column, values, _COLUMNS).to_pylist() if self.exists and values else []
        return [_match(row, 0.0) for row in sorted(rows, key=lambda row: row["ordinal"])]

    def vectors(self, revisions: Sequence[str]) -> "dict[str, np.ndarray]":
        """Return the vectors of each revision's chunks in order, float16[n, dimension]."""
        import numpy as np

        rows = self._rows("revision", revisions, ["revision", "ordinal", "vector"]).sort_by("ordinal")
        flat = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        matrix = np.asarray(flat, dtype=np.float16).reshape(-1, self._dimension)
        owners = np.array(rows.column("revision").to_pylist())
        return {revision: matrix[owners == revision] for revision in revisions}

    def _rows(self, column: str, values: Sequence[str], columns: Sequence[str]) -> Any:
        """Return an Arrow table of the rows where a column has one of the values."""
        from lancedb.expr import col

        with lance_errors("reading the index"):
            found = self._open().search().where(col(column).isin(list(values))).select(list(columns))
            return found.limit(_MAX_ROWS).to_arrow()

    def revisions(self) -> dict[str, int]:
        """Return how many rows each revision has."""
        if not self.exists:
            return {}
        with lance_errors("reading the index"):
            table = self._open().search().select(["revision"]).limit(_MAX_ROWS).to_arrow()
        counts = table.column("revision").value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counts}

    def backlog(self) -> tuple[int, int, int]:
        """Return (fragments, rows not yet in the full-text index, rows): what `optimize` would put in order, of what."""
        if not self.exists:
            return 0, 0, 0
        table = self._open()
        with lance_errors("reading the index"):
            fragments = int(table.stats()["fragment_stats"]["num_fragments"])
            statistics = table.index_stats("passage_idx")
            n_rows = int(table.count_rows())
        return fragments, int(statistics.num_unindexed_rows) if statistics else 0, n_rows

    def version(self) -> int:
        """Return the number of the newest version; each commit makes one."""
        return int(self._open().version) if self.exists else 0


def _is_whole(manifest: Path) -> bool:
    with os_errors("reading the index"), manifest.open("rb") as stream:
        return stream.read()[-len(_MANIFEST_END) :] == _MANIFEST_END


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
