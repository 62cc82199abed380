"""Progress that is true: what is told of indexing, how long the rest takes, and how soon a stop is obeyed."""

import io
import json
import logging
import sys
from pathlib import Path

import pexpect
import pytest
from harness import open_engine
from rich.console import Console

from openrag_cli.cli.log_lines import StderrHandler
from openrag_cli.cli.progress import Forecast, Progress, bar_of
from openrag_cli.domain import Task, TaskKind, TaskState, new_task_id
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions
from openrag_cli.ingest.report import Begun, Embedded, Looked, Read, TaskDone, Work
from openrag_cli.ingest.upload import new_upload
from openrag_cli.sync.outcome import SyncOptions

RECORDED = sorted((Path(__file__).parent / "fixtures").glob("progress-*.jsonl"))


def _task(name, size=1000):
    from dataclasses import replace
    from datetime import UTC, datetime

    upload = replace(new_upload("p", name, name), size=size)
    return Task(
        new_task_id(), TaskKind.ADD, TaskState.QUEUED, upload, 1, None, None, datetime.now(UTC), datetime.now(UTC)
    )


def _events(path):
    """Return (seconds, event) of a run that was recorded: time, kind, files or chunks, bytes, task."""
    tasks = {}
    for line in path.read_text().splitlines():
        at, kind, n, n_bytes, key = json.loads(line)
        if kind == "Work":
            yield at, Work(n, n_bytes)
        elif kind == "Embedded":
            yield at, Embedded(n)
        else:
            task = tasks.setdefault(key, _task(key, n_bytes))
            yield (
                at,
                {"Begun": lambda t=task: Begun(t), "Read": lambda t=task, n=n: Read(t, n)}.get(
                    kind, lambda t=task, n=n: TaskDone(t, n)
                )(),
            )


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_time_left_is_right_within_a_factor_of_two_after_the_first_tenth(path):
    events = list(_events(path))
    began, ended = events[0][0], events[-1][0]
    forecast = Forecast()
    n_told = 0
    for at, event in events:
        forecast.take(event, at)
        left = ended - at
        if at - began < 0.1 * (ended - began) or left < 1.0:
            continue
        told = forecast.seconds_left(at)
        assert told is not None
        assert left / 2 <= told + 1.0
        assert told <= 2 * left + 1.0
        n_told += 1
    assert n_told > 5
    assert forecast.share == 1.0


def test_a_document_that_takes_long_is_named():
    forecast = Forecast()
    forecast.take(Work(2, 2000), 0.0)
    slow, quick = _task("slow.pdf"), _task("quick.md")
    forecast.take(Begun(slow), 0.0)
    forecast.take(Begun(quick), 1.0)
    assert forecast.slow(2.0) is None
    assert forecast.slow(4.0) == "slow.pdf"
    forecast.take(Read(slow, 9), 5.0)
    assert forecast.slow(6.0) == "quick.md"
    forecast.take(TaskDone(quick, is_lost=True), 6.0)
    assert forecast.slow(60.0) is None


def test_what_is_told_names_files_and_chunks():
    progress = Progress("indexing")
    progress.scan(2300)
    assert progress.text() == "scanning 2,300 files"
    progress.expect(2)
    progress.take(Work(2, 2000))
    task = _task("a.md")
    progress.take(Read(task, 10))
    progress.take(Embedded(4))
    assert progress.text() == "indexing 0 of 2 files, 4 of about 20 chunks"
    progress.take(Embedded(6))
    progress.take(TaskDone(task, 10))
    assert progress.text() == "indexing 1 of 2 files, 10 of about 20 chunks"


def test_what_a_sync_looks_at_is_counted_while_it_looks():
    progress, drawn = Progress("scanning docs"), []
    progress.draw = lambda done, total: drawn.append((done, total))
    progress.take(Looked(1))
    assert progress.text() == "scanning 1 file"
    progress.take(Looked(2300))
    assert progress.text() == "scanning 2,300 files"
    progress.take(Looked(3, 40))
    assert progress.text() == "reading 3 of 40 files"
    assert drawn == [(1, None), (2300, None), (3, 40)]


def test_each_file_that_a_sync_looks_at_or_reads_is_told(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.md").write_text(f"The zebra {n}.\n")
    events = []
    with open_engine(tmp_path / "store") as engine:
        for _ in range(2):
            events.clear()
            engine.sync_folder(SyncOptions(folder, "p"), listener=events.append)
            (folder / "1.md").chmod(0o600)
    assert events == [Looked(1), Looked(2), Looked(3), Looked(1, 1)]


def test_every_step_of_indexing_is_told(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.md").write_text(f"# Zebra {n}\n\n" + f"The zebra {n} eats hay. " * 400)
    events, looked = [], []
    with open_engine(tmp_path / "store") as engine:
        options = AddOptions("p", new_task_id(), on_looked=lambda: looked.append(1))
        engine.add_sources(collect([folder]).sources, options, listener=events.append)
        n_chunks = engine.partition("p").chunk_count
    assert len(looked) == 3
    assert events[0] == Work(3, sum(path.stat().st_size for path in folder.iterdir()))
    assert sum(event.n_chunks for event in events if isinstance(event, Embedded)) == n_chunks
    assert sum(event.n_chunks for event in events if isinstance(event, Read)) == n_chunks
    assert max(event.n_chunks for event in events if isinstance(event, Embedded)) < n_chunks
    for kind in (Begun, Read, TaskDone):
        assert sum(isinstance(event, kind) for event in events) == 3


def test_a_stop_commits_what_is_embedded_and_leaves_the_rest(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for n in range(6):
        (folder / f"{n}.md").write_text(f"# Zebra {n}\n\n" + f"The zebra {n} eats hay in stable {n}. " * 1500)
    seen = []
    with open_engine(tmp_path / "store") as engine:
        options = AddOptions("p", new_task_id())

        def listen(event):
            if isinstance(event, Embedded):
                seen.append(event)

        engine.add_sources(collect([folder]).sources, options, listener=listen, should_stop=lambda: len(seen) > 0)
        n_after_stop = len(seen)
        files = engine.files("p")
        assert 1 <= len(files) < 6
        assert sum(file.chunk_count for file in files) == sum(event.n_chunks for event in seen)
        assert engine.count_live(options.batch) == 6 - len(files)
        engine.drain(batch=options.batch)
        assert len(engine.files("p")) == 6
    assert n_after_stop >= 1


def test_a_person_sees_what_is_scanned_and_indexed_and_a_spinner_before_the_answer(environment, tmp_path):
    (tmp_path / "docs").mkdir()
    for n in range(4):
        (tmp_path / "docs" / f"{n}.md").write_text(f"# Zebra {n}\n\n" + f"The zebra {n} eats hay. " * 300)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "openrag_cli", "file", "add", "docs"],
        encoding="utf-8",
        timeout=120,
        dimensions=(24, 140),
    )
    shown = child.read()
    assert "scanning 4 files" in shown
    assert "of 4 files" in shown
    child = pexpect.spawn(
        sys.executable, ["-m", "openrag_cli", "ask", "what does the zebra eat?"], encoding="utf-8", timeout=120
    )
    assert "searching" in child.read()


def test_a_log_line_goes_where_standard_error_is_by_then(monkeypatch):
    handler = StderrHandler()
    monkeypatch.setattr(sys, "stderr", bar := io.StringIO())
    handler.emit(logging.makeLogRecord({"msg": "waiting", "levelno": logging.WARNING}))
    assert bar.getvalue() == "waiting\n"


def test_the_bar_leaves_room_for_what_a_terminal_writes_at_ctrl_c():
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    bar = bar_of(Progress("indexing a good deal of files that have long names, " * 3), console)
    bar.add_task("indexing", total=None)
    lines = console.render_lines(bar.get_renderable(), pad=False)
    assert len(lines) > 1
    assert max(sum(segment.cell_length for segment in line) for line in lines) <= 60 - len(" ^C")
