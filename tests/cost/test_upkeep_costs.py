"""What uploads, deletion, maintenance and doctor cost at 200,000 chunks."""

import pytest
from conftest import CHUNKS_PER_FILE, N_FILES  # type: ignore[import-not-found]
from harness import open_engine, put

from openrag_cli.domain import SearchMode
from openrag_cli.retrieval.request import SearchRequest

pytestmark = pytest.mark.timeout(1800)  # the first one makes the store

MB = 1_000_000


@pytest.fixture
def empty(tmp_path):
    with open_engine(tmp_path / "empty") as engine:
        put(engine, "big", "first", "# A title\n\nThe first text of all.\n")
        engine.drain()
        yield engine


def upload(engine, counting):
    with counting(engine) as cost:
        put(engine, "big", "new.md", "# Keys\n\nRotate every key every 90 days.\n")
        engine.drain()
    [hit, *_] = engine.search(SearchRequest("how often are keys rotated?", mode=SearchMode.DENSE))
    assert hit.file.file_id == "new.md"
    return cost


def test_an_upload_costs_what_it_costs_in_an_empty_store(big, empty, counting):
    big.search(SearchRequest("warm"))
    few, many = upload(empty, counting), upload(big, counting)
    assert len(many.statements) <= len(few.statements) + 10, set(many.statements) - set(few.statements)
    assert many.kilosteps <= few.kilosteps + 10
    assert many.index_rows <= few.index_rows + 10
    assert many.versions == 1
    assert many.bytes_written <= few.bytes_written + 2 * MB
    assert many.descriptors <= few.descriptors + 10  # files of the index that stay open for the next search


def test_maintenance_with_nothing_to_do_costs_nothing(big, counting):
    big.maintain()
    with counting(big) as cost:
        done = big.maintain()
    assert not done.is_optimized
    assert len(cost.statements) <= 15, cost.statements
    assert cost.kilosteps <= 5
    assert (cost.index_rows, cost.versions) == (0, 0)
    assert cost.bytes_written <= 4096
    assert cost.descriptors <= 0


def test_a_partition_is_deleted_at_so_much_a_file_and_in_one_version_of_the_index(big, counting):
    n = N_FILES // 10
    with counting(big) as cost:
        assert big.delete_partition("tenth") == n
    assert len(cost.statements) <= 50 * n  # those of triggers too
    assert cost.kilosteps <= 2 * n
    assert cost.index_rows <= 2 * n * CHUNKS_PER_FILE
    assert cost.versions <= 1
    assert cost.bytes_written <= 90_000 * n  # most of it what each statement keeps to take itself back
    assert big.parts.catalog.tombstones() == []
    assert big.parts.index.statistics().n_rows == (N_FILES - n) * CHUNKS_PER_FILE


def test_doctor_reads_everything_once_and_remembers_what_it_measured(big, counting):
    for n_measured in (1, 0):
        with counting(big) as cost:
            found = [finding for finding in big.examine() if "nearest chunks" in finding.text]
        assert len(found) == 1
        assert len(cost.statements) <= 60 + n_measured
        assert cost.kilosteps <= 400 * N_FILES / 1000  # SQLite looks at every page of its own
        assert cost.versions == 0
        assert cost.bytes_written <= 10 * MB
        assert cost.descriptors <= 20
