"""`file sync` from the command line: a partition follows a folder, and nothing else is touched."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import open_engine, opened_below

from openrag_cli.errors import IngestError, PathNotFound
from openrag_cli.ingest.stable_read import read_steadily
from openrag_cli.store.database import Database
from openrag_cli.sync.outcome import SyncOptions
from openrag_cli.sync.root import local_root
from openrag_cli.sync.state import SyncState

COUNTS = ("added", "replaced", "moved", "deleted", "unchanged", "failed")


@pytest.fixture
def notes(tmp_path):
    """A folder of five short notes."""
    folder = tmp_path / "notes"
    (folder / "trees").mkdir(parents=True)
    for name in ("acacia", "birch", "cedar", "elder"):
        (folder / "trees" / f"{name}.md").write_text(f"# On the {name}\n\nThe {name} is a tree.\n")
    (folder / "index.txt").write_text("an index of trees\n")
    return folder


@pytest.fixture
def sync(cli, notes):
    """`sync(*options)` syncs the notes and returns the counts of what it did, in the order of COUNTS."""

    def call(*options, code=0):
        result = cli("file", "sync", notes, "-p", "notes", "--json", *options)
        assert result.code == code, result.err
        assert result.json["schema"] == "openrag.report/1"
        return tuple(result.json[name] for name in COUNTS)

    return call


def state_of(store):
    """Return every file of a store with its size and time of change."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in Path(store).rglob("*") if path.is_file()
    }


def ids(cli, partition="notes"):
    return [file["file_id"] for file in cli("file", "list", "-p", partition, "--json").json["files"]]


def revisions(cli):
    return {file["revision"] for file in cli("file", "list", "-p", "notes", "--json").json["files"]}


def found(cli, text, *options):
    hits = cli("search", text, "--mode", "text", "-p", "notes", "--json", *options).json["hits"]
    return [(hit["file_id"], hit["chunk_id"]) for hit in hits]


def test_a_partition_follows_a_folder(cli, sync, notes):
    assert sync() == (5, 0, 0, 0, 0, 0)
    (notes / "index.txt").write_text("an index of trees, and of zebras\n")
    (notes / "trees/fir.md").write_text("The fir is a tree.\n")
    (notes / "trees/birch.md").unlink()
    assert sync() == (1, 1, 0, 0, 3, 0)
    assert "trees/birch.md" in ids(cli)
    assert sync("--delete") == (0, 0, 0, 1, 5, 0)
    assert sync("--delete") == (0, 0, 0, 0, 5, 0)
    assert ids(cli) == sorted(str(path.relative_to(notes)) for path in notes.rglob("*") if path.is_file())
    assert [name for name, _ in found(cli, "zebras")] == ["index.txt"]
    assert found(cli, "birch") == []


def test_a_sync_with_nothing_to_do_writes_nothing_and_imports_nothing_heavy(sync, notes, tmp_path):
    sync()
    before = state_of(tmp_path / "store")
    code = (
        "import sys; from openrag_cli.cli import main; "
        f"code = main.run(['-q', 'file', 'sync', {str(notes)!r}, '-p', 'notes', '--delete']); "
        "heavy = {'lancedb', 'pyarrow', 'onnxruntime', 'tokenizers', 'numpy', 'pathspec', 'httpx', 'rich'}; "
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
        assert (done.stdout, done.stderr) == (b"0 []\n", b"")
    assert state_of(tmp_path / "store") == before


def test_a_renamed_folder_is_not_indexed_again_and_is_found_under_its_new_name(cli, sync, notes):
    sync()
    before, hits = revisions(cli), found(cli, "birch")
    n_tasks = len(cli("task", "list", "--json").json["tasks"])
    (notes / "trees").rename(notes / "wood")
    (notes / "index.txt").rename(notes / "contents.txt")
    assert sync("--delete", "--max-delete", "0") == (0, 0, 5, 0, 0, 0)
    assert revisions(cli) == before
    assert len(cli("task", "list", "--json").json["tasks"]) == n_tasks
    assert found(cli, "birch") == found(cli, "birch", "-f", "wood/birch.md") == [("wood/birch.md", hits[0][1])]
    assert cli("search", "birch", "-f", "trees/birch.md").code == 66
    assert cli("extract", "show", hits[0][1], "--json").json["file_id"] == "wood/birch.md"
    assert "The birch" in cli("file", "get", "wood/birch.md", "-p", "notes").out
    assert cli("file", "show", "contents.txt", "-p", "notes", "--json").json["filename"] == "contents.txt"
    assert sync() == (0, 0, 0, 0, 5, 0)


def test_files_that_change_places_keep_their_chunks(cli, sync, notes):
    sync()
    before = revisions(cli)
    trees = notes / "trees"
    (trees / "acacia.md").rename(trees / "tmp")
    (trees / "cedar.md").rename(trees / "acacia.md")
    (trees / "tmp").rename(trees / "cedar.md")
    (trees / "birch.md").rename(trees / "elder.md")  # what was there is gone
    assert sync() == (0, 0, 3, 0, 1, 0)
    assert revisions(cli) < before
    assert [name for name, _ in found(cli, "acacia")] == ["trees/cedar.md"]
    assert [name for name, _ in found(cli, "birch")] == ["trees/elder.md"]
    assert found(cli, "elder") == []
    assert sync() == (0, 0, 0, 0, 4, 0)


def test_more_deletions_than_allowed_change_nothing_and_the_message_says_how(cli, sync, notes, tmp_path):
    sync()
    for name in ("acacia", "birch"):
        (notes / "trees" / f"{name}.md").unlink()
    (notes / "new.md").write_text("new\n")
    before = state_of(tmp_path / "store")
    refused = cli("file", "sync", notes, "-p", "notes", "--delete")
    assert (refused.code, refused.out) == (3, "")
    assert "2 of the 5 files" in refused.err
    assert "--max-delete 20%: nothing was changed" in refused.err
    assert "run it again with --max-delete 2" in refused.err
    assert cli("file", "sync", notes, "-p", "notes", "--delete", "--max-delete", "39%").code == 3
    assert state_of(tmp_path / "store") == before
    assert sync("--delete", "--max-delete", "2") == (1, 0, 0, 2, 3, 0)


def test_a_missing_or_empty_folder_never_empties_a_partition(cli, sync, notes, tmp_path):
    sync()
    notes.rename(tmp_path / "elsewhere")
    missing = cli("file", "sync", notes, "-p", "notes", "--delete", "--max-delete", "100%")
    assert missing.code == 66
    assert "mount" in missing.err
    notes.mkdir()
    (notes / ".hidden").write_text("not a document")
    empty = cli("file", "sync", notes, "-p", "notes", "--delete", "--max-delete", "100%")
    assert empty.code == 3
    assert "is empty" in empty.err
    assert "openrag partition delete notes" in empty.err
    assert sync() == (0, 0, 0, 0, 0, 0)
    assert len(ids(cli)) == 5
    assert cli("file", "sync", tmp_path / "elsewhere" / "index.txt").code == 66


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that nobody can read")
def test_when_a_part_of_the_folder_cannot_be_read_nothing_is_taken_for_gone(cli, sync, notes):
    sync()
    (notes / "trees/birch.md").unlink()
    (notes / "trees/.openragignore").symlink_to("/proc/self/mem")
    assert sync("--delete", code=3) == (0, 0, 0, 0, 1, 1)
    assert "trees/birch.md" in ids(cli)
    (notes / "trees/.openragignore").unlink()
    assert sync("--delete") == (0, 0, 0, 1, 4, 0)


def test_files_that_came_another_way_are_never_touched(cli, sync, notes, tmp_path):
    letter = tmp_path / "letter.md"
    letter.write_text("A letter from the zoo.\n")
    cli("file", "add", letter, "-p", "notes")
    cli("file", "add", letter, "-p", "notes", "--id", "index.txt")
    assert sync("--delete", code=3) == (4, 0, 0, 0, 0, 1)
    conflict = cli("file", "sync", notes, "-p", "notes", "--delete")
    assert "did not come from this folder" in conflict.err
    (notes / "index.txt").unlink()
    shutil.copy(letter, notes / "trees/letter.md")
    assert sync("--delete", "--max-delete", "100%") == (1, 0, 0, 0, 4, 0)
    assert {"letter.md", "index.txt"} < set(ids(cli))
    assert found(cli, "zoo", "-f", "index.txt")


def test_a_conflict_ends_as_its_hint_says(cli, sync, notes, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("other\n")
    cli("file", "add", other, "-p", "notes", "--id", "index.txt")
    sync(code=3)
    hint = cli("file", "sync", notes, "-p", "notes").err.split("hint: keep both: openrag ")[1]
    assert cli(*hint.replace("NAME", "notes").split()).code == 0
    assert sync() == (0, 0, 0, 0, 5, 0)
    assert ids(cli)[0] == "index.txt"
    assert ids(cli)[1] == "notes/index.txt"


def test_what_file_add_brought_is_taken_over_and_follows_the_folder_from_then_on(cli, sync, notes):
    cli("file", "add", notes, "-p", "notes")
    assert sync("--delete") == (0, 0, 0, 0, 5, 0)
    (notes / "index.txt").unlink()
    assert sync("--delete") == (0, 0, 0, 1, 4, 0)


def test_metadata_outlives_a_replacement_and_a_move(cli, sync, notes):
    sync()
    cli("file", "edit", "index.txt", "-p", "notes", "-m", "year=2024")
    (notes / "index.txt").write_text("another index\n")
    assert sync()[1] == 1
    (notes / "index.txt").rename(notes / "list.txt")
    assert sync()[2] == 1
    assert cli("file", "show", "list.txt", "-p", "notes", "--json").json["metadata"] == {"year": 2024}


OTHER = "AN index of trees\n"  # of the same size


def copied_over(path, other):
    subprocess.run(["cp", "-p", other, path], check=True)


def moved_over(path, other):
    os.replace(other, path)


def written_over(path, other):
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(other.read_text())
    os.utime(path, ns=times)


@pytest.mark.parametrize("put", [copied_over, moved_over, written_over])
def test_other_content_of_the_same_size_and_time_is_found(cli, sync, notes, tmp_path, put):
    path, other = notes / "index.txt", tmp_path / "other.txt"
    sync()
    other.write_text(OTHER)
    shutil.copystat(path, other)
    before = path.stat()
    put(path, other)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert sync() == (0, 1, 0, 0, 4, 0)
    assert cli("file", "get", "index.txt", "-p", "notes").out == OTHER
    assert sync() == (0, 0, 0, 0, 5, 0)


def touched(path):
    os.utime(path, (1, 1))


def made_private(path):
    path.chmod(0o600)


def linked(path):
    path.with_name("index-2.md").hardlink_to(path)
    path.with_name("index-2.md").unlink()


def copied_to_itself(path):
    shutil.copy2(path, path.with_name("new"))
    path.with_name("new").rename(path)


@pytest.mark.parametrize("change", [touched, made_private, linked, copied_to_itself])
def test_a_file_that_looks_changed_is_read_once_and_indexed_only_when_its_bytes_are_other(sync, notes, cli, change):
    sync()
    change(notes / "index.txt")
    before = revisions(cli)
    assert opened_below(notes, sync) == [notes / "index.txt"]
    assert opened_below(notes, sync) == []
    assert revisions(cli) == before
    assert len(opened_below(notes, lambda: sync("--checksum"))) == 5


def test_a_store_that_knows_no_inodes_reads_each_file_once(sync, notes, tmp_path):
    sync()
    database = Database(tmp_path / "store" / "openrag.db")
    with database.transaction() as connection:
        connection.execute("ALTER TABLE folder_file DROP COLUMN inode")
        connection.execute("ALTER TABLE folder_file DROP COLUMN ctime_ns")
        connection.execute("ALTER TABLE file DROP COLUMN source_path")
        connection.execute("ALTER TABLE task DROP COLUMN source_path")
        connection.execute("DROP TABLE gram")
        connection.execute("PRAGMA user_version = 21")
    database.close()
    (notes / "index.txt").write_text(OTHER)
    assert len(set(opened_below(notes, sync))) == 5
    assert opened_below(notes, sync) == []


def test_what_the_rules_exclude_from_now_on_is_deleted_and_links_out_are_not_followed(cli, sync, notes, tmp_path):
    (tmp_path / "secret.md").write_text("secret\n")
    (notes / "out.md").symlink_to(tmp_path / "secret.md")
    (notes / "folder").symlink_to(tmp_path)
    (notes / "same.md").symlink_to(notes / "trees/birch.md")
    (notes / "nowhere.md").symlink_to("nowhere")
    assert sync() == (6, 0, 0, 0, 0, 0)
    assert "same.md" in ids(cli)
    (notes / ".openragignore").write_text("index.txt\n")
    assert sync("--delete") == (0, 0, 0, 1, 5, 0)


def test_names_are_any_bytes_and_two_that_read_alike_have_ids_of_their_own(cli, sync, notes):
    names = [b"\xff.md", b"a\nb.md", "né 木 '\".md".encode(), b"trees/\xe9t\xe9.md"]
    for n, name in enumerate(names):
        Path(os.fsdecode(bytes(notes) + b"/" + name)).write_text(f"odd {n}\n")
    assert sync() == (9, 0, 0, 0, 0, 0)
    assert {"%FF.md", "a%0Ab.md", "né 木 '\".md", "trees/%E9t%E9.md"} < set(ids(cli))
    assert sync("--delete") == (0, 0, 0, 0, 9, 0)
    (notes / "%FF.md").write_text("the twin\n")
    assert sync() == (1, 0, 0, 0, 9, 0)
    assert {"%FF.md", "%25FF.md"} < set(ids(cli))


def test_a_failed_file_is_reported_by_every_run_and_tried_again_when_it_changes(cli, sync, notes):
    bad = notes / "bad.pdf"
    bad.write_bytes(b"%PDF-1.7\nnot really")
    (notes / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    first = cli("file", "sync", notes, "-p", "notes")
    assert first.code == 3
    assert "5 added, 1 failed" in first.err
    assert "bad.pdf: " in first.err
    n_tasks = len(cli("task", "list", "--json").json["tasks"])
    again = cli("file", "sync", notes, "-p", "notes")
    assert (again.code, len(again.err.splitlines())) == (3, 2)
    assert "1 failed earlier, 5 unchanged" in again.err
    assert {
        one["file_id"] for one in cli("file", "sync", notes, "-p", "notes", "--strict", "--json").json["failures"]
    } == {"bad.pdf", "picture.png"}
    assert len(cli("task", "list", "--json").json["tasks"]) == n_tasks
    bad.write_text("Now it is text.\n")
    (notes / "picture.png").unlink()
    assert sync() == (1, 0, 0, 0, 5, 0)


def test_a_file_in_quarantine_waits_for_task_retry(cli, sync, notes):
    path = notes / "index.txt"
    sync()
    for content in (b"%PDF-1.7\none", b"%PDF-1.7\ntwo"):
        path.write_bytes(content)
        assert sync("--quarantine-after", "2", code=3)[5] == 1
    path.write_text("whole again\n")
    assert sync("--quarantine-after", "2", code=3) == (0, 0, 0, 0, 4, 1)
    assert found(cli, "index") != [], "the old version stays"
    task_id = cli("file", "sync", notes, "-p", "notes", "--quarantine-after", "2", "--json").json["failures"][0][
        "task_id"
    ]
    assert cli("task", "retry", task_id).code == 0
    assert sync("--quarantine-after", "2") == (0, 1, 0, 0, 4, 0)
    assert [name for name, _ in found(cli, "whole")] == ["index.txt"]


def test_one_sync_of_a_folder_runs_at_a_time(cli, sync, notes, tmp_path):
    sync()
    database = Database(tmp_path / "store" / "openrag.db")
    with SyncState(database, "notes", local_root(notes)).lock(0):
        link = tmp_path / "link"
        link.symlink_to(notes)
        for path in (notes, link):
            busy = cli("file", "sync", path, "-p", "notes", "--lock-timeout", "0.01")
            assert busy.code == 75
            assert "--lock-timeout" in busy.err
        assert cli("file", "sync", notes, "-p", "other", "--dry-run").code == 0
        assert cli("file", "sync", notes, "-p", "notes", "--dry-run").code == 0
    database.close()
    assert sync() == (0, 0, 0, 0, 5, 0)


def test_time_up_is_124_and_the_next_run_goes_on(cli, sync, notes):
    late = cli("file", "sync", notes, "-p", "notes", "--timeout", "0", "--json")
    assert (late.code, late.json["added"]) == (124, 0)
    assert sync() == (5, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("n_looks", [1, 2, 4, 6, 9])
def test_a_sync_stopped_anywhere_keeps_what_is_done_and_goes_on_next_time(environment, notes, tmp_path, n_looks):
    stops = iter([False] * n_looks)
    with open_engine(tmp_path / "store") as engine:
        options = SyncOptions(notes, "notes")
        engine.sync_folder(options, should_stop=lambda: next(stops, True))
        n_tasks = len(engine.tasks())
        outcome = engine.sync_folder(SyncOptions(notes, "notes"))
        assert len(engine.tasks()) == 5
        assert outcome.report.added + outcome.plan.n_unchanged == 5
        assert n_tasks in {0, 5}
        done = engine.sync_folder(SyncOptions(notes, "notes"))
        assert (done.report.added, done.report.unchanged) == (0, 5)


def test_what_was_hashed_before_the_time_was_up_is_not_hashed_again(environment, notes, tmp_path):
    with open_engine(tmp_path / "store") as engine:
        engine.sync_folder(SyncOptions(notes, "notes"))
        for path in notes.rglob("*.*"):
            os.utime(path, (1, 1))
        stops = iter([False] * 3)
        engine.sync_folder(SyncOptions(notes, "notes"), should_stop=lambda: next(stops, True))
        rows = SyncState(engine.parts.database, "notes", local_root(notes)).load().rows.values()
        assert sum(row.mtime_ns == 10**9 for row in rows) == 3


def test_a_dry_run_prints_the_plan_and_makes_not_even_a_store(cli, notes, tmp_path):
    plan = cli("file", "sync", notes, "-p", "notes", "--dry-run")
    assert plan.code == 0
    assert plan.out.splitlines()[0] == "add\tindex.txt"
    assert not (tmp_path / "store").exists()
    cli("-q", "file", "sync", notes, "-p", "notes")
    (notes / "index.txt").rename(notes / "list.txt")
    (notes / "trees/birch.md").write_text("changed\n")
    (notes / "trees/cedar.md").unlink()
    before = state_of(tmp_path / "store")
    as_json = cli("file", "sync", notes, "-p", "notes", "--dry-run", "--delete", "--json").json
    assert as_json["plan"] == {
        "add": [],
        "replace": ["trees/birch.md"],
        "move": [{"from": "index.txt", "to": "list.txt"}],
        "delete": ["trees/cedar.md"],
    }
    assert (as_json["dry_run"], as_json["moved"], as_json["deleted"]) == (True, 1, 1)
    refused = cli("file", "sync", notes, "-p", "notes", "--dry-run", "--delete", "--max-delete", "0")
    assert refused.code == 3
    assert "delete\ttrees/cedar.md" in refused.out
    assert state_of(tmp_path / "store") == before


def test_quiet_is_silent_and_the_summary_is_one_line(cli, notes):
    quiet = cli("-q", "file", "sync", notes, "-p", "notes")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    again = cli("file", "sync", notes, "-p", "notes")
    assert (again.code, again.out) == (0, "")
    assert again.err.startswith("synced 5 files in ")
    assert again.err.endswith(": 5 unchanged\n")


def test_a_file_held_by_two_folders_stays_until_its_own_gives_it_up(cli, sync, notes, tmp_path):
    sync()
    twin = tmp_path / "twin"
    twin.mkdir()
    for name in ("index.txt", "only.txt"):
        shutil.copy(notes / "index.txt", twin / name)
    with open_engine(tmp_path / "store") as engine, engine.parts.database.transaction() as connection:
        connection.execute(  # 0.1.0 knew no prefixes
            "INSERT INTO folder (partition_id, path, is_settled) SELECT id, ?, 1 FROM partition", (os.fsencode(twin),)
        )
    second = cli("file", "sync", twin, "-p", "notes", "--delete", "--json").json
    assert (second["added"], second["unchanged"]) == (1, 1)
    (twin / "index.txt").unlink()
    assert cli("file", "sync", twin, "-p", "notes", "--delete", "--json").json["deleted"] == 0
    assert sync("--delete") == (0, 0, 0, 0, 5, 0)
    shutil.rmtree(notes)
    shutil.copy(twin / "only.txt", twin / "index.txt")
    cli("file", "sync", twin, "-p", "notes")
    (twin / "index.txt").unlink()
    gone = cli("file", "sync", twin, "-p", "notes", "--delete", "--max-delete", "1", "--json").json
    assert gone["deleted"] == 1, "its first folder is no more: the second had it"


def test_a_partition_made_again_is_filled_again(cli, sync):
    sync()
    cli("partition", "delete", "notes", "--yes")
    assert sync("--delete") == (5, 0, 0, 0, 0, 0)


def test_the_store_inside_the_folder_is_not_indexed(cli, notes):
    result = cli("--store", notes / "store", "file", "sync", notes, "--json")
    assert result.json["added"] == 5
    assert cli("--store", notes / "store", "file", "sync", notes, "--json").json["unchanged"] == 5


def test_a_file_too_large_is_not_read_and_its_old_version_stays(cli, sync, notes, environment):
    sync()
    (notes / "index.txt").write_text("long " * 1000)
    environment.setenv("OPENRAG_MAX_FILE_BYTES", "1000")
    assert sync("--delete", code=3) == (0, 0, 0, 0, 4, 1)
    assert "index.txt" in ids(cli)


def test_a_move_waits_while_another_command_works_on_the_file(cli, sync, notes, tmp_path):
    sync()
    new = tmp_path / "new.txt"
    new.write_text("new\n")
    with open_engine(tmp_path / "store") as engine:
        from harness import submit

        from openrag_cli.domain import TaskKind

        task_id = submit(engine, "notes", "index.txt", "new", TaskKind.REPLACE)
        (notes / "index.txt").rename(notes / "list.txt")
        assert sync("--delete", code=3) == (0, 0, 0, 0, 4, 1)
        engine.cancel_task(task_id)
    assert sync("--delete") == (0, 0, 1, 0, 4, 0)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path):
    path = tmp_path / "shrinking.txt"
    path.write_text("three")
    dropped = []

    def read(stream):
        content = stream.read()
        if len(content) > 3:
            path.write_bytes(content[:-1])
        return content

    content, stat = read_steadily(path, read, discard=dropped.append)
    assert (content, dropped) == (b"thr", [b"three", b"thre"])
    assert (stat.st_size, stat.is_cut) == (3, False)
    path.write_text("a longer text")
    with pytest.raises(IngestError, match="changes while it is read"):
        read_steadily(path, lambda stream: path.write_bytes(stream.read()[:-1]))
    with pytest.raises(PathNotFound):
        read_steadily(tmp_path / "gone", lambda stream: stream.read())


def test_the_report_names_its_fields(cli, notes):
    body = json.loads(cli("file", "sync", notes, "--json").out)
    assert next(iter(body)) == "schema"
    assert {*COUNTS, "chunks", "seconds", "failures", "files", "gone", "dry_run", "queued"} <= set(body)
