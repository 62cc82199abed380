"""Versions of the index go as soon as nobody reads them, by the clock of no machine, and not while anybody does."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_index import by_words, make_index, make_rows, manifests

from openrag_cli.config.pins import Pins
from openrag_cli.index import upkeep
from openrag_cli.index.integrity import version_of
from openrag_cli.index.looks import Ask
from openrag_cli.index.rows import Scope
from openrag_cli.index.table import Index

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere versions stay for an hour")

ENOUGH_S = 60.0
SLACK_S = 0.2
N_ROWS = 40

READER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_index import Ask, Scope, make_index
index = make_index(Path(sys.argv[1]))
looked = index.snapshot().look(Ask(40, Scope(), weights={"common": 1.0}))
print(index.version(), len(looked.rows), flush=True)
sys.stdin.readline()
print(sorted(looked.rows.texts(range(len(looked.rows))).values()), flush=True)
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setattr(upkeep, "_MAX_SLACK_S", SLACK_S)
    index = make_index(tmp_path)
    index.put([row for n in range(N_ROWS) for row in make_rows(f"old{n}", [f"common word{n}"])])
    return index


@pytest.fixture
def reader(index: Index, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is in the middle of a search: it has found rows and has still to read their texts."""
    command = [sys.executable, "-c", READER, str(tmp_path), str(Path(__file__).parent)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == f"{index.version()} {N_ROWS}\n"
    yield process
    process.kill()
    process.communicate()


def versions(root: Path) -> list[int]:
    return [version_of(path) for path in manifests(root)]


def replace_all(index: Index, number: int) -> None:
    """Replace every row, so that nothing of the versions before is needed."""
    before = list(index.revisions())
    index.put([row for n in range(N_ROWS) for row in make_rows(f"new{number}-{n}", ["common fresh"])])
    index.drop(before)
    index.optimize()


def replace_until(index: Index, is_done: Callable[[], bool]) -> None:
    """Replace rows, at least three times, until something is so."""
    until = time.monotonic() + ENOUGH_S
    number = 0
    while number < 3 or not is_done():
        assert time.monotonic() < until, "it did not come"
        replace_all(index, number)
        number += 1


def outlive(index: Index, root: Path, version: int) -> None:
    """Replace rows until a version would have been deleted long since, if it were to be."""
    made_at = next(path for path in manifests(root) if version_of(path) == version).stat().st_mtime
    replace_until(index, lambda: time.time() > made_at + 5 * SLACK_S)
    replace_all(index, -1)


def test_what_nobody_reads_is_gone_long_before_an_hour_and_a_torn_version_has_one_before_it(
    index: Index, tmp_path: Path
) -> None:
    first = index.version()
    replace_until(index, lambda: first not in versions(tmp_path))
    index.optimize()
    before = index.version()
    index.put(make_rows("late", ["late"]))
    manifests(tmp_path)[0].write_bytes(b"")  # as a power cut leaves what was not acknowledged
    again = make_index(tmp_path)
    again.set_aside_bad_head()
    assert again.version() == before
    assert len(by_words(again, {"fresh": 1.0}, 100)) == N_ROWS


def test_the_folder_does_not_grow_with_what_was_replaced(index: Index, tmp_path: Path) -> None:
    sizes = []
    for number in range(24):
        replace_all(index, number)
        sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
    assert max(sizes[12:]) <= 1.5 * max(sizes[:12])


def test_a_version_stays_while_another_process_reads_it_and_no_longer(
    index: Index, reader: subprocess.Popen[str], tmp_path: Path
) -> None:
    held = index.version()
    outlive(index, tmp_path, held)
    assert held in versions(tmp_path)
    texts, _ = reader.communicate("\n", timeout=60)
    assert texts == f"{sorted(f'common word{n}' for n in range(N_ROWS))}\n"
    replace_until(index, lambda: held not in versions(tmp_path))


def test_a_reader_that_is_killed_holds_nothing(index: Index, reader: subprocess.Popen[str], tmp_path: Path) -> None:
    held = index.version()
    reader.kill()
    reader.wait()
    replace_until(index, lambda: held not in versions(tmp_path))


def test_a_search_in_the_same_process_holds_its_version_until_nobody_has_what_it_found(
    index: Index, tmp_path: Path
) -> None:
    held = index.version()
    looked = index.look(Ask(N_ROWS, Scope(), weights={"common": 1.0}))
    outlive(index, tmp_path, held)
    assert held in versions(tmp_path)
    assert sorted(looked.rows.texts(range(N_ROWS)).values()) == sorted(f"common word{n}" for n in range(N_ROWS))
    del looked
    replace_until(index, lambda: held not in versions(tmp_path))


def test_versions_that_somebody_reads_are_no_reason_for_maintenance(index: Index, tmp_path: Path) -> None:
    looked = index.look(Ask(N_ROWS, Scope(), weights={"common": 1.0}))
    for number in range(6):
        index.put(make_rows(f"late{number}", ["common"]))
    assert index.statistics().n_stale_versions <= len(versions(tmp_path)) - 7
    n_read = index.statistics().n_stale_versions
    del looked
    assert index.statistics().n_stale_versions == len(versions(tmp_path)) - 1 > n_read


def test_a_table_whose_readers_may_know_nothing_of_this_keeps_an_hour(index: Index, tmp_path: Path) -> None:
    readers = tmp_path / "lance" / "chunks.lance" / upkeep.READERS
    readers.unlink()  # as an older openrag made it
    first = index.version()
    outlive(index, tmp_path, first)
    assert first in versions(tmp_path)
    assert readers.exists()
    os.utime(readers, (time.time() - 3601, time.time() - 3601))
    replace_until(index, lambda: first not in versions(tmp_path))


def test_a_clock_that_says_too_much_deletes_nothing_and_the_indices_are_brought_up_to_date(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = index.version()
    looked = index.look(Ask(N_ROWS, Scope(), weights={"common": 1.0}))
    monkeypatch.setattr(upkeep, "_MAX_SLACK_S", -3600.0)  # as if an hour had passed between our clock and Lance's
    outlive(index, tmp_path, held)
    assert index.statistics().n_unindexed == 0
    assert held in versions(tmp_path)
    assert len(looked.rows.texts(range(N_ROWS))) == N_ROWS
    assert not index._open().tags.list()


def test_what_a_killed_clean_up_left_is_in_the_way_of_none(index: Index, tmp_path: Path) -> None:
    first = index.version()
    index._open().tags.create("kept", first)
    replace_until(index, lambda: first not in versions(tmp_path))


def test_numbers_are_held_and_freed(tmp_path: Path) -> None:
    path = tmp_path / "pins"
    pins = Pins(path)
    assert pins.hold(3) is not None
    assert pins.oldest(7) is None, "without the file nobody knows"
    path.touch(mode=0o400)
    with pins.free_below(7) as oldest:
        assert oldest in {None, 7}  # root may write to it
    path.chmod(0o600)
    held = [pins.hold(number) for number in (9, 5, 5)]
    assert (pins.oldest(4), pins.oldest(20)) == (4, 5)
    with pins.free_below(20) as oldest:
        assert oldest == 5
        assert pins.hold(4) is None
        held.append(pins.hold(6))
        assert held[-1] is not None
    assert pins.hold(4) is not None
    for _ in range(2):
        assert pins.oldest(20) == 5
        one = held.pop(1)
        assert one is not None
        one.release()
    assert pins.oldest(20) == 6
    held.clear()
    assert pins.oldest(20) == 20
