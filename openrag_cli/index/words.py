"""The words of chunks in the table: a column that names the version of what made them, and its full-text index.

The words are made elsewhere (retrieval/tokens.py) and stand in the column with a blank between two: Lance only looks
them up. A table of another version keeps answering by what it has until its column of this version is filled and
indexed aside; then one commit gives the column its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openrag_cli.index.import_shim import import_lancedb

WORDS_VERSION = 2
"""The version of the words. It is raised when `retrieval/tokens.py` makes something else of a text."""

COLUMN = f"words_{WORDS_VERSION}"
MAKING = f"making_{COLUMN}"
INDEX = f"{COLUMN}_idx"
OLD_INDEX = "passage_idx"
"""The full-text index of format 4 and older, over the passages themselves."""


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
