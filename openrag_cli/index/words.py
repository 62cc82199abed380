"""The words of chunks in the table: a column that names the version of what made them, and its full-text index.

The words are made elsewhere (retrieval/tokens.py) and stand in the column with a blank between two: Lance only looks
them up. A table of another version keeps answering by what it has until its column of this version is filled and
indexed aside; then one commit gives the column its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openrag_cli.index.import_shim import asynchronous, import_lancedb, run
from openrag_cli.index.rows import Scope
from openrag_cli.index.word_table import WordTable

WORDS_VERSION = 2
"""The version of the words. It is raised when `retrieval/tokens.py` makes something else of a text."""

COLUMN = f"words_{WORDS_VERSION}"
MAKING = f"making_{COLUMN}"
INDEX = f"{COLUMN}_idx"
OLD_INDEX = "passage_idx"
"""The full-text index of format 4 and older, over the passages themselves."""

K1, B = 1.2, 0.75
"""The constants of BM25, Lance's and ours."""

MAX_YOUNG = 4096
"""Rows outside the full-text index up to which they are looked through here; more are left to Lance."""

_ROWS_OF_FRAGMENT = 1 << 32


def is_ready(table: Any) -> bool:
    """Whether the table's words are of this version."""
    return COLUMN in table.schema.names


def index_again(table: Any) -> None:
    """Make the full-text index again from the words; of a table without them it is dropped, for new ones to be made."""
    if is_ready(table):
        table.create_index(COLUMN, config=full_text(), name=INDEX, replace=True)
    elif any(index.name == OLD_INDEX for index in table.list_indices()):
        table.drop_index(OLD_INDEX)


def columns(table: Any) -> list[str]:
    """Return the columns of words that a new row fills: that of this version, of one before it, and one being made."""
    return [name for name in table.schema.names if name.startswith(("words_", "making_words_"))]


def full_text() -> Any:
    """Return the index over words: as they are, every one of them. Positions are off: compaction crashed with them."""
    return import_lancedb().index.FTS(
        base_tokenizer="whitespace",
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
        max_token_length=None,
        with_position=False,
    )


def query(weights: Mapping[str, float], required: Iterable[str] = ()) -> Any:
    """Return a query for rows with any of the words, each worth its BM25 score times its weight, and all required."""
    import_lancedb()
    from lancedb.query import BooleanQuery, MatchQuery, Occur

    def matching(word: str, weight: float) -> Any:
        """Return the query of one word."""
        return MatchQuery(word, COLUMN, boost=weight)  # type: ignore[call-arg]  # defaults not in its types (0.40)

    needed = set(required)
    terms = [(Occur.MUST, matching(word, weights.get(word, 1.0))) for word in sorted(needed)]
    terms += [(Occur.SHOULD, matching(word, weight)) for word, weight in weights.items() if word not in needed]
    return BooleanQuery(terms)


def begin(table: Any) -> None:
    """Add the column that is to be filled, if it is not there."""
    if MAKING not in table.schema.names:
        table.add_columns({MAKING: "cast(null as string)"})


def pending(table: Any, limit: int) -> list[str]:
    """Return the revisions of up to `limit` rows whose words are not made yet."""
    found = table.search().where(f"{MAKING} IS NULL").select(["revision"]).limit(limit).to_arrow()
    return sorted(set(found.column("revision").to_pylist()))


def fill(table: Any, words: Sequence[tuple[str, str]]) -> None:
    """Give rows, by id, their words."""
    import pyarrow as pa

    ids, texts = zip(*words, strict=True)
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field(MAKING, pa.string())])
    rows = pa.table({"id": list(ids), MAKING: list(texts)}, schema=schema)
    table.merge_insert("id").when_matched_update_all().execute(rows)


def finish(table: Any) -> None:
    """Index the filled column, give it its name, and drop what it replaces."""
    table.create_index(MAKING, config=full_text(), name=INDEX)
    table.alter_columns({"path": MAKING, "rename": COLUMN})
    for index in table.list_indices():
        if index.index_type == "FTS" and index.name != INDEX:
            table.drop_index(index.name)
    stale = [name for name in columns(table) if name != COLUMN]
    if stale:
        table.drop_columns(stale)


class Young:
    """Rows that the full-text index does not hold yet. Lance would read all of them again for each word of a query."""

    def __init__(self, rows: Any) -> None:
        self._numbers: list[int] = rows.column("_rowid").to_pylist()
        self._partitions = rows.column("partition_id").to_pylist()
        self._revisions = rows.column("revision").to_pylist()
        self._words = WordTable.of([text or "" for text in rows.column(COLUMN).to_pylist()])

    def __len__(self) -> int:
        return len(self._numbers)

    def scores(
        self, weights: Mapping[str, float], required: Iterable[str], mean_words: float, scope: Scope
    ) -> dict[int, float]:
        """Return the BM25 scores of the rows in scope that have any of the words and all required, by their numbers;
        `weights` are the words' inverse document frequencies, times what else they are worth."""
        import numpy as np

        needed = list(required)
        counts = self._words.counts({*weights, *needed})
        norms = K1 * (1 - B + B * self._words.n_words / mean_words)
        totals = np.zeros(len(self))
        for word, found in counts.items():
            totals += weights.get(word, 1.0) * (K1 + 1) * found / (found + norms)
        is_in = totals > 0
        for word in needed:
            is_in &= counts[word] > 0
        partitions = None if scope.partition_ids is None else set(scope.partition_ids)
        revisions = None if scope.revisions is None else set(scope.revisions)
        excluded = set(scope.excluded)
        return {
            self._numbers[at]: float(totals[at])
            for at in np.flatnonzero(is_in).tolist()
            if (partitions is None or self._partitions[at] in partitions)
            and (revisions is None or self._revisions[at] in revisions)
            and self._revisions[at] not in excluded
        }


def young(table: Any) -> Young | None:
    """Return the rows that the full-text index does not hold; None where they are left to Lance.

    They are the last of the table, as what is added comes last; but after compacting, until the index is brought up to
    date, there may be others. Where the last ones are not, or not all, outside the index they are left to Lance.
    """
    found = table.index_stats(INDEX) if is_ready(table) else None
    n_rows, n_young = int(table.count_rows()), int(found.num_unindexed_rows) if found else 0
    if not 0 < n_young <= min(MAX_YOUNG, n_rows):
        return None
    first = n_rows - n_young
    offsets = list(range(max(0, first - 1), n_rows))
    rows = table.take_offsets(offsets).select([COLUMN, "partition_id", "revision"]).with_row_id().to_arrow()
    if first:
        before, begin = (number // _ROWS_OF_FRAGMENT for number in rows.column("_rowid")[:2].to_pylist())
        if before == begin:
            return None
        rows = rows[1:]
    return None if _may_hold(table, rows) else Young(rows)


def _may_hold(table: Any, rows: Any) -> bool:
    """Whether the full-text index may hold any of the fragments that rows are of: it holds all of one, or none of it.

    It is asked for a word of a row of each.
    """
    asked: dict[int, tuple[int, str] | None] = {}
    for number, text in zip(rows.column("_rowid").to_pylist(), rows.column(COLUMN).to_pylist(), strict=True):
        fragment = number // _ROWS_OF_FRAGMENT
        asked[fragment] = asked.get(fragment) or ((number, max(text.split(), key=len)) if text else None)
    known = [found for found in asked.values() if found is not None]
    if len(known) < len(asked):
        return True
    where = f"_rowid IN ({', '.join(str(number) for number, _ in known)})"
    matching = asynchronous(table).query().nearest_to_text(query(dict.fromkeys((word for _, word in known), 1.0)))
    return len(run(matching.fast_search().where(where).select(["_score"]).limit(1).to_arrow())) > 0
