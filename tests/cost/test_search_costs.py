"""What searches and reading cost at 200,000 chunks: rows of the index, statements, nothing written and nothing left open."""

import zlib

import pytest
from conftest import CHUNKS_PER_FILE, N_FILES, SMALL  # type: ignore[import-not-found]
from synthetic_store import file_id, revision

from openrag_cli.domain import SearchMode, TaskState, chunk_id
from openrag_cli.index.policy import Lists
from openrag_cli.index.rows import Scope
from openrag_cli.matching.grep import GrepRequest
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.search import DEPTH, NAMED_DEPTH
from openrag_cli.store.searching.grams import signature

pytestmark = pytest.mark.timeout(1800)  # the first one makes the store

QUERY = "w00003 w00040 w00500 w06000"
LEGS = 2
MOST_ROWS = LEGS * (DEPTH + NAMED_DEPTH)


def assert_reads_only(cost) -> None:
    assert cost.versions == 0
    assert cost.bytes_written <= 65_536  # what threads tell each other counts too
    assert cost.descriptors <= 2  # a file of the index that stays open for the next search
    assert not [one for one in cost.statements if one.lstrip().split()[0] in {"INSERT", "UPDATE", "DELETE"}]


def warm(engine) -> None:
    engine.search(SearchRequest(QUERY))


@pytest.mark.parametrize(
    ("request_of", "kilosteps"),
    [
        ({}, 60),
        ({"mode": SearchMode.TEXT}, 60),
        ({"mode": SearchMode.DENSE}, 60),
        ({"top_k": 50}, 60),
        ({"per_file": 1}, 60),
        ({"partitions": ("tenth",)}, 60),
        ({"partitions": SMALL}, 60),
        ({"filter": "year = 2003"}, 160),  # so many steps for each of its 3,333 files
        ({"filter": "year != 2003"}, 160),
        ({"filter": "year = 2003", "per_file": 1}, 160),
    ],
    ids=str,
)
def test_a_search_reads_so_many_rows_whatever_narrows_it(read_only, counting, request_of, kilosteps):
    warm(read_only)
    with counting(read_only) as cost:
        hits = read_only.search(SearchRequest(QUERY, **request_of))
    assert len(hits) == request_of.get("top_k", 5)
    assert cost.index_rows <= MOST_ROWS
    assert len(cost.statements) <= 30, cost.statements
    assert cost.kilosteps <= kilosteps
    assert_reads_only(cost)


def test_a_search_of_one_small_file_a_hit_each_ends_when_each_has_given_one(read_only, counting):
    warm(read_only)
    with counting(read_only) as cost:
        hits = read_only.search(SearchRequest(QUERY, partitions=("small3",), per_file=1, top_k=300))
    assert len(hits) == N_FILES // 1000
    assert cost.index_rows <= 2 * N_FILES // 1000 * CHUNKS_PER_FILE


def test_a_deleted_partition_that_is_not_swept_yet_costs_a_search_nothing(big, counting):
    warm(big)
    big.parts.catalog.delete_partition("big")
    assert len(big.parts.catalog.tombstones()) == 89_000
    with counting(big) as cost:
        hits = big.search(SearchRequest(QUERY))
    assert len(hits) == 5
    assert {hit.file.partition for hit in hits} <= {"tenth", *SMALL}
    assert cost.index_rows <= MOST_ROWS
    assert len(cost.statements) <= 30, cost.statements
    assert_reads_only(cost)


def test_grep_reads_the_texts_that_may_match_and_of_the_others_a_signature(big, counting):
    words, n_kinds, every = ["lion", "tiger", "bear", "seal", "otter", "badger", "ferret", "walrus"], 8, 10_000
    texts = [f"# Animals\n\nA {word} and a {words[at - 1]}.\n" for at, word in enumerate(words)] + [
        "# Rare\n\nA zebra.\n"
    ]
    kinds = [(zlib.compress(text.encode()), signature(text)) for text in texts]
    with big.parts.database.transaction() as connection:
        for n in range(N_FILES):
            packed, signed = kinds[-1 if n % every == 7 else n % n_kinds]
            connection.execute("INSERT INTO document VALUES (?, ?, '[]')", (revision(n), packed))
            connection.execute("INSERT INTO gram VALUES (?, ?)", (revision(n), signed))
    with counting(big) as cost:
        *found, end = big.grep(GrepRequest(r"\b[Zz]ebras?\b"))
    assert (len(found), end.n_read, end.n_searched) == (N_FILES // every, N_FILES // every, N_FILES)
    assert len(cost.statements) <= 10 + 6 * len(found)
    assert cost.kilosteps <= 30 * N_FILES / 1000
    assert_reads_only(cost)


def test_the_vectors_are_searched_by_their_index(read_only):
    assert read_only.parts.index.statistics().lists == Lists(512)
    table = read_only.parts.index._open()
    from openrag_cli.index import vectors
    from openrag_cli.index.import_shim import run

    vector = read_only.parts.embedder.embed_query(QUERY)
    query = next(vectors.looks(table, vectors.lists_of(table), vector, DEPTH, Scope())).limit(DEPTH)
    assert "ANN" in run(query.explain_plan())


def test_a_page_of_chunks_at_the_far_end_reads_its_own_rows(read_only, counting):
    total = N_FILES * CHUNKS_PER_FILE
    page = read_only.partition_chunks("all", limit=10, offset=total - 20)
    with counting(read_only) as cost:
        last = read_only.partition_chunks("all", limit=10, after=page.next)
    assert (len(last), last.total, last.next) == (10, total, None)
    assert cost.index_rows <= 10 + 2 * CHUNKS_PER_FILE
    assert len(cost.statements) <= 40
    assert cost.kilosteps <= 10 * N_FILES / 1000, "to count all chunks is to look at each file once"
    assert_reads_only(cost)


def test_a_page_of_tasks_is_read_without_the_rest(big, counting):
    from test_costs import queue_many

    queue_many(big, n=20_000)
    first = big.tasks(limit=50)
    with counting(big) as cost:
        page = big.tasks([TaskState.QUEUED], limit=50, after=first.next)
    assert (len(page), page.total) == (50, 20_000)
    assert len(cost.statements) <= 3
    assert cost.kilosteps <= 20_000 * 8 / 1000, "to count them is to look at each entry of an index"
    assert_reads_only(cost)


def test_an_extract_with_its_neighbours_reads_its_file_alone(read_only, counting):
    n = 70_000
    key = chunk_id("big", file_id(n), revision(n), 1)
    with counting(read_only) as cost:
        extract = read_only.extract(key, context=1)
    assert [chunk.ordinal for chunk in extract.before] == [0]
    assert cost.index_rows <= 1 + CHUNKS_PER_FILE
    assert len(cost.statements) <= 3
    assert cost.kilosteps <= 1
    assert_reads_only(cost)
