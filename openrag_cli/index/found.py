"""Rows that were found, column by column: only what is shown is made a `Match` of."""

from collections.abc import Callable, Container, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from openrag_cli.index import words
from openrag_cli.index.rows import ADDED, COLUMNS, Match, match
from openrag_cli.index.word_table import WordTable

if TYPE_CHECKING:
    import numpy as np

ROW_ID = "_rowid"
OTHERS = [name for name in (*COLUMNS, *ADDED) if name not in {"id", "revision", "partition_id"}]
"""Columns that a `Match` is made of besides those that every row is found with."""

Read = Callable[[Sequence[int], Sequence[str]], Any]


class Found(Sequence[Match]):
    """Rows with what their scores are made of: columns of an Arrow table; None for no row.

    `read` gives other columns of rows, in the order of their numbers (`ROW_ID`): to read a wide column of a row costs
    more than to find it, so passages are read only where they are looked at.
    """

    def __init__(self, columns: Any = None, read: Read | None = None, dimension: int = 0) -> None:
        self.columns = columns
        self.read = read
        self.dimension = dimension

    @overload
    def __getitem__(self, at: int) -> Match: ...
    @overload
    def __getitem__(self, at: slice) -> list[Match]: ...
    def __getitem__(self, at: int | slice) -> Match | list[Match]:
        """Return rows by their place."""
        if isinstance(at, slice):
            return self.matches(range(*at.indices(len(self))))
        return self.matches([range(len(self))[at]])[0]

    def __len__(self) -> int:
        return 0 if self.columns is None else len(self.columns)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the chunks."""
        return self._list("id")

    @cached_property
    def revisions(self) -> list[str]:
        """The revision of each row."""
        return self._list("revision")

    @cached_property
    def ordinals(self) -> list[int]:
        """The place of each row among those of its revision."""
        return self._list("ordinal")

    @property
    def keys(self) -> Iterable[tuple[str, str]]:
        """The id and the revision of each row."""
        return zip(self.ids, self.revisions, strict=True)

    def texts(self, places: Sequence[int]) -> dict[int, str]:
        """Return by its place the text of a chunk as it stands in the document."""
        rows = self._others(places, ["passage", "text_at", "raw"])
        return {
            at: row["passage"][row["text_at"] :] if row.get("raw") is None else row["raw"]
            for at, row in zip(places, rows, strict=True)
        }

    @cached_property
    def words(self) -> WordTable:
        """The words of each row as they are indexed."""
        import numpy as np

        if not len(self):
            return WordTable.of([])
        column = self.columns.column(words.COLUMN).combine_chunks()
        _, offsets, letters = column.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)[column.offset : column.offset + len(column) + 1].astype(
            np.int64
        )
        return WordTable(np.frombuffer(letters or b"", dtype=np.uint8)[ends[0] : ends[-1]], ends - ends[0])

    @cached_property
    def vectors(self) -> "np.ndarray":
        """The vector of each row, float32[n, dimension]."""
        import numpy as np

        if not len(self):
            return np.zeros((0, self.dimension), dtype=np.float32)
        flat = self.columns.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, dtype=np.float32).reshape(-1, self.dimension)

    def matches(self, places: Sequence[int]) -> list[Match]:
        """Return rows by their places."""
        texts = self.columns.column(words.COLUMN).take(list(places)).to_pylist() if self._has_words else None
        rows = self._others(places, OTHERS)
        known = [(self.ids[at], self.revisions[at]) for at in places]
        return [
            match({**row, "id": key, "revision": revision, "words": texts[at] if texts else ""}, 0.0)
            for at, (row, (key, revision)) in enumerate(zip(rows, known, strict=True))
        ]

    @property
    def _has_words(self) -> bool:
        return len(self) > 0 and words.COLUMN in self.columns.column_names

    def _others(self, places: Sequence[int], names: Sequence[str]) -> list[dict[str, Any]]:
        """Return other columns of rows, by their places."""
        if not places or self.read is None:
            return []
        numbers = self.columns.column(ROW_ID).take(list(places)).to_pylist()
        rows = self.read(sorted(numbers), names)
        by_number = dict(zip(rows.column(ROW_ID).to_pylist(), rows.drop_columns([ROW_ID]).to_pylist(), strict=True))
        return [by_number[number] for number in numbers]

    def _list(self, name: str) -> list[Any]:
        return list(self.columns.column(name).to_pylist()) if len(self) else []


def each_once(parts: Iterable[Found], live: Container[str]) -> Found:
    """Return the rows of several looks at one version that are of live revisions, each once."""
    import pyarrow as pa

    found = [part for part in parts if len(part)]
    places: dict[str, int] = {}
    n_before = 0
    for part in found:
        for at, (key, revision) in enumerate(part.keys, n_before):
            if revision in live:
                places.setdefault(key, at)
        n_before += len(part)
    if not places:
        return Found()
    if len(found) == 1 and len(places) == len(found[0]):
        return found[0]
    kept = list(places.values())
    table = pa.concat_tables([part.columns for part in found]).take(kept)
    return Found(table, found[0].read, found[0].dimension)
