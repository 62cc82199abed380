"""The index: chunks, vectors and full text in LanceDB. Derived: the catalog decides what is visible (I1).

Rows are keyed by revision and by the catalog's number of the partition, so no text of a user ever reaches a filter.
Every write happens under the store's write lock, held by the caller, and is on the disk when it returns (I4, I8):
Lance itself never calls fsync on a local disk. How it is opened, and what keeps a version while it is read: opened.py.
"""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.config.pins import Pins
from openrag_cli.errors import os_errors
from openrag_cli.failpoints import failpoint
from openrag_cli.fsync import files_below, fsync, fsync_below
from openrag_cli.index import integrity, upkeep, vectors, words
from openrag_cli.index.import_shim import import_lancedb
from openrag_cli.index.looks import Ask, Looked, Opened, Snapshot
from openrag_cli.index.opened import TABLE, OpenTable
from openrag_cli.index.policy import Lists, Statistics
from openrag_cli.index.rows import ADDED, COLUMNS, MADE_OF, Match, Row, add_missing, batch, match, schema

if TYPE_CHECKING:
    import numpy as np

_MAX_ROWS = (1 << 32) - 1
_KEYS_AT_ONCE = 1000
_MAX_BEGINNINGS = 100


class Index(OpenTable):
    """The chunk table under `root`, opened on first use. `dimension` is that of the store's model."""

    def __init__(self, root: Path, *, dimension: int) -> None:
        super().__init__(root)
        self._dimension = dimension
        self._known_columns: list[str] | None = None
        self._durable: set[str] = set()

    # --- making it

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
        lancedb = import_lancedb()
        aside = self._root / "making"
        with os_errors("making the index"):
            shutil.rmtree(aside, ignore_errors=True)  # what a crash left
            aside.mkdir(parents=True, mode=0o770)
        with self._durably(), self._errors("making the index"):
            table = lancedb.connect(aside).create_table(TABLE, schema=schema(self._dimension, [words.COLUMN]))
            table.set_unenforced_primary_key("id")
            failpoint("creating")
            table.create_index(words.COLUMN, config=words.full_text(), name=words.INDEX)
            upkeep.let_readers_pin(aside / self._folder.name, has_known_readers=True)
            fsync_below(aside, files_below(aside))
            (aside / self._folder.name).rename(self._folder)
            aside.rmdir()

    def remake(self) -> Path | None:
        """Set a damaged table aside and make an empty one; the caller holds the write lock.

        When the rows can be read the indices alone are made again from them, and nothing is set aside.
        Return the folder that was set aside, None for the other case.
        """
        is_open = bool(self._manifests()) and not self.has_bad_head
        if is_open and integrity.unreadable_rows(self._fresh) is None:
            with self._durably(), self._errors("making the full-text index again"):
                words.index_again(self._fresh())
                vectors.drop(self._fresh())
            self._table = self._known_columns = self._snapshot = None
            return None
        aside = next(path for n in itertools.count(1) if not (path := self._root / f"{TABLE}.damaged-{n}").exists())
        with os_errors("setting the damaged index aside"):
            self._folder.rename(aside)
            fsync(self._root)
        self._table = self._known_columns = self._snapshot = None
        self.create()
        return aside

    # --- writing, under the write lock

    def put(self, rows: Sequence[Row]) -> None:
        """Add the chunks of whole revisions in one commit; rows that are there already are written again."""
        if not rows:
            return
        self.create()
        with self._durably(), self._errors("writing to the index"):
            add_missing(self._table)
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.execute(batch(rows, self._dimension, words.columns(self._open())))

    def drop(self, revisions: Sequence[str]) -> None:
        """Delete the chunks of revisions in one commit; none is made when there are no such chunks."""
        if not revisions or not self.exists:
            return
        table = self._open()
        import_lancedb()
        from lancedb.expr import col

        where = col("revision").isin(list(revisions))
        with self._errors("reading the index"):
            if not table.search().where(where).select(["revision"]).limit(1).to_list():
                return
        with self._durably(), self._errors("deleting from the index"):
            table.delete(where)

    # --- the words of another version

    @property
    def has_words(self) -> bool:
        """Whether the words of its rows are those of this version; of an empty place they will be."""
        return not self.exists or words.COLUMN in self._columns()

    def begin_words(self) -> None:
        """Prepare for the words of this version; the caller holds the write lock."""
        with self._durably(), self._errors("preparing the words of the index"):
            words.begin(self._open())

    def without_words(self, limit: int) -> list[str]:
        """Return the revisions of up to `limit` rows whose words of this version are not made."""
        with self._reading() as table:
            return words.pending(table, limit)

    def put_words(self, made: Sequence[tuple[str, str]]) -> None:
        """Give rows, by id, their words, in one commit; the caller holds the write lock."""
        with self._durably(), self._errors("writing words to the index"):
            words.fill(self._open(), made)

    def finish_words(self) -> None:
        """Index the words that were made and search by them from now on; the caller holds the write lock."""
        with self._durably(), self._errors("indexing words"):
            words.finish(self._open())

    def words_of(self, revisions: Sequence[str]) -> list[tuple[str, str]]:
        """Return (revision, words) of each row of revisions."""
        if not self.exists or not self.has_words:
            return []
        rows = self._rows("revision", revisions, ["revision", words.COLUMN])
        return list(zip(rows.column("revision").to_pylist(), rows.column(words.COLUMN).to_pylist(), strict=True))

    def passages(self, revisions: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return (id, revision, passage) of each row of revisions."""
        rows = self._rows("revision", revisions, ["id", "revision", "passage"])
        return [(row["id"], row["revision"], row["passage"]) for row in rows.to_pylist()]

    def optimize(self) -> None:
        """Bring the indices up to date, merge what Lance merges, and delete versions that nobody reads."""
        if not self.exists:
            return
        with self._durably():
            upkeep.let_readers_pin(self._folder)
        if not self._tried("compacting the index", upkeep.optimize):
            with self._durably(), self._errors("compacting the index"):
                upkeep.optimize_only(self._open())
        self._tried("deleting versions of the index", upkeep.clean_up)
        upkeep.give_back_memory()

    def _tried(self, what: str, act: Callable[[Any, Path, Pins], bool]) -> bool:
        """Try what deletes versions; each time that there is one on the disk is made sure of before."""
        for _ in range(upkeep.TRIES):
            with self._durably(), self._errors(what):
                if act(self._open(), self._folder, self._pins):
                    return True
        return False

    def merge(self, fragments: Sequence[int]) -> None:
        """Write the rows of fragments, by number, again as one; the caller holds the write lock."""
        with self._durably(), self._errors("merging parts of the index"):
            upkeep.merge_fragments(self._open(), fragments)

    def has_deleted(self) -> bool:
        """Whether rows that were deleted are still in the files."""
        with self._reading() as table:
            return upkeep.count_deleted(table) > 0

    def split_off_a_row(self) -> None:
        """Let the second `optimize` from now on write all rows again; the caller holds the write lock."""
        with self._durably(), self._errors("writing to the index"):
            upkeep.split_off_a_row(self._open())

    def ensure_keys(self) -> None:
        """Make the indices of ids, revisions and partitions that are missing; the caller holds the write lock."""
        with self._durably(), self._errors("indexing keys"):
            upkeep.ensure_key_indices(self._open())

    def sort_vectors(self, lists: Lists) -> None:
        """Index the vectors anew; the caller holds the write lock. Searches go on by what there is until then."""
        with self._durably(), self._errors("indexing vectors"):
            vectors.build(self._open(), lists)

    def recall(self) -> float | None:
        """Return which share of the nearest rows a search finds; None where it measures all. It reads every vector."""
        if not self.exists:
            return None
        with self._reading() as table:
            return vectors.recall(table)

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

    def look(self, ask: Ask) -> Looked:
        """Return the best rows of each leg, of the table as it is now."""
        return self.snapshot().look(ask)

    def snapshot(self) -> Snapshot:
        """Return the table as it is now, for several looks."""
        if not self.exists:
            return Snapshot(None, self._dimension, self._errors)
        with self._errors("opening the index"):
            (version, pin), snapshot = self._pin(), self._snapshot
            if snapshot is None or snapshot.version != version:
                table = self._connect(import_lancedb()).open_table(TABLE)
                table.checkout(version)
                snapshot = self._snapshot = Opened(version, table, table.schema.names)
        return Snapshot(snapshot, self._dimension, self._errors, pin)

    def _place(self) -> list[str]:
        return [name for name in self._columns() if name in {*COLUMNS, *ADDED}]

    def _columns(self) -> list[str]:
        """Return the columns of a match that the table has; asked of Lance until it has them all."""
        if self._known_columns is None:
            with self._errors("reading the index"):
                names = set(self._open().schema.names)
            found = [name for name in (*COLUMNS, *ADDED, words.COLUMN, "vector") if name in names]
            if len(found) < len(COLUMNS) + len(ADDED) + 2:
                return found
            self._known_columns = found
        return self._known_columns

    def chunks(self, *, ids: Sequence[str] = (), revisions: Sequence[str] = ()) -> list[Match]:
        """Return rows by chunk id, or all rows of revisions; each revision's in order. Their score is 0."""
        column, values = ("id", ids) if ids else ("revision", revisions)
        rows = self._rows(column, values, self._place()).to_pylist() if self.exists and values else []
        return [match(row, 0.0) for row in sorted(rows, key=lambda row: row["ordinal"])]

    def ids_from(self, beginning: str, below: str) -> list[str]:
        """Return ids of chunks that are not before one text and are before another: `_MAX_BEGINNINGS` at most."""
        import_lancedb()
        from lancedb.expr import col, lit

        within = (col("id") >= lit(beginning)) & (col("id") < lit(below))
        with self._reading() as table:
            return list(
                table.search().where(within).select(["id"]).limit(_MAX_BEGINNINGS).to_arrow()["id"].to_pylist()
            )

    def first_headings(self, revisions: Sequence[str]) -> dict[str, str]:
        """Return the outermost heading above the first chunk of each revision that has one."""
        if not self.exists or not revisions:
            return {}
        import_lancedb()
        from lancedb.expr import col, lit

        first = col("revision").isin(list(revisions)) & (col("ordinal") == lit(0))
        with self._reading() as table:
            found = table.search().where(first).select(["revision", "heading"]).limit(_MAX_ROWS).to_arrow()
        return {row["revision"]: row["heading"][0] for row in found.to_pylist() if row["heading"]}

    def vectors(self, revisions: Sequence[str]) -> "dict[str, np.ndarray]":
        """Return the vectors of each revision's chunks in order, float16[n, dimension]."""
        import numpy as np

        rows = self._rows("revision", revisions, ["revision", "ordinal", "vector"]).sort_by("ordinal")
        made = vectors.matrix(rows)
        owners = np.array(rows.column("revision").to_pylist())
        return {revision: made[owners == revision] for revision in revisions}

    def vectors_made_of(self, keys: Collection[str]) -> "dict[str, np.ndarray]":
        """Return a vector of those rows that were made of what has one of these hashes, float16[dimension], by hash."""
        known: dict[str, np.ndarray] = {}
        wanted = list(keys) if self.exists and MADE_OF in self._open().schema.names else []
        for begin in range(0, len(wanted), _KEYS_AT_ONCE):
            rows = self._rows(MADE_OF, wanted[begin : begin + _KEYS_AT_ONCE], [MADE_OF, "vector"])
            known |= zip(rows.column(MADE_OF).to_pylist(), vectors.matrix(rows), strict=True)
        return known

    def _rows(self, column: str, values: Sequence[str], columns: Sequence[str]) -> Any:
        """Return an Arrow table of the rows where a column has one of the values."""
        import_lancedb()
        from lancedb.expr import col

        with self._reading() as table:
            found = table.search().where(col(column).isin(list(values))).select(list(columns))
            return found.limit(_MAX_ROWS).to_arrow()

    def revisions(self) -> dict[str, int]:
        """Return how many rows each revision has."""
        if not self.exists:
            return {}
        with self._reading() as table:
            found = table.search().select(["revision"]).limit(_MAX_ROWS).to_arrow()
        counts = found.column("revision").value_counts().to_pylist()
        return {entry["values"]: entry["counts"] for entry in counts}

    def statistics(self) -> Statistics:
        """Return what there is to put in order, of how much; no row is read."""
        if not self.exists:
            return Statistics()
        with self._reading() as table:
            return upkeep.statistics(table, upkeep.count_stale(self._manifests(), self._pins))

    def fragments(self) -> dict[int, int]:
        """Return how many rows each fragment has, by its number."""
        with self._errors("reading the index"):
            return upkeep.rows_of_fragments(self._open()) if self.exists else {}
