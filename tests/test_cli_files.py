"""Adding, listing, getting, editing, replacing and deleting files from the command line."""

import json
import os
import subprocess
import sys

import pytest


def test_a_folder_is_indexed_and_a_passage_is_found_with_its_line(cli, handbook):
    added = cli("file", "add", handbook, "-p", "handbook", "--json")
    assert (added.code, added.json["added"], added.json["failed"]) == (0, 4, 0)
    assert added.json["schema"] == "openrag.report/1"
    found = cli("search", "how often do we rotate api keys?", "-p", "handbook", "--json").json
    best = found["hits"][0]
    assert (found["schema"], best["file_id"], best["partition"], best["rank"]) == (
        "openrag.search/1",
        "ops/keys.md",
        "handbook",
        1,
    )
    text = (handbook / "ops/keys.md").read_text()
    assert text[best["start"] : best["end"]] == best["text"]
    assert text.splitlines()[best["line_start"] - 1] == best["text"].splitlines()[0]


def test_adding_again_skips_what_has_not_changed(cli, handbook):
    cli("file", "add", handbook)
    again = cli("file", "add", handbook, "--json").json
    assert (again["added"], again["replaced"], again["unchanged"]) == (0, 0, 4)


def test_changed_content_is_refused_skipped_or_replaced_as_asked(cli, handbook):
    path = handbook / "ops/keys.md"
    cli("file", "add", path, "--root", path.parent)
    path.write_text("# Keys\n\nRotate the zanzibar keys daily.\n")
    refused = cli("file", "add", path, "--root", path.parent)
    assert refused.code == 73
    assert "already exists" in refused.err
    assert "--if-exists replace" in refused.err
    assert cli("file", "add", path, "--root", path.parent, "--if-exists", "skip", "--json").json["unchanged"] == 1
    assert cli("search", "zanzibar", "--mode", "text").code == 1
    assert cli("file", "add", path, "--root", path.parent, "--if-exists", "replace", "--json").json["replaced"] == 1
    assert cli("search", "zanzibar", "--mode", "text", "-l").out == "handbook/ops/keys.md\n"


@pytest.mark.parametrize(
    "query", ['"api key"', '"keys"', '"rotate" or "keys"', "'api keys'", "keys:*", "(keys", "keys AND"]
)
def test_no_query_is_syntax(cli, handbook, query):
    cli("file", "add", handbook)
    for words in (("search", query), ("search", query, "--mode", "text"), ("ask", query)):
        found = cli(*words)
        assert (found.code, "damaged" in found.err) == (0, False), words


def test_a_processor_that_cannot_run_the_index_is_one_line_and_78(cli, handbook, tmp_path):
    cli("file", "add", handbook)
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx\n")
    program = (
        "import sys, platform; from pathlib import Path; platform.machine = lambda: 'x86_64'\n"
        "from openrag_cli.config import cpu; cpu.CPUINFO = Path(sys.argv[1])\n"
        "from openrag_cli.cli.main import run; sys.exit(run(['search', 'keys']))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cpuinfo")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert "no AVX2 and no FMA, which LanceDB needs" in done.stderr.splitlines()[0]


def test_one_bad_file_fails_alone(cli, handbook):
    (handbook / "broken.pdf").write_bytes(b"%PDF-1.7\nnot really")
    (handbook / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    report = cli("file", "add", handbook, "--json")
    assert (report.code, report.json["added"], report.json["failed"]) == (3, 4, 1)
    for failure in report.json["failures"]:
        error = cli("task", "error", failure["task_id"], "--json").json
        assert error["message"] == failure["message"]
    assert {failure["file_id"] for failure in report.json["failures"]} == {"broken.pdf"}
    assert report.json["skipped"] == {"picture": 1}


def test_kinds_without_a_reader_are_counted_in_a_folder_and_fail_where_they_are_named(cli, handbook):
    for name in ("a.png", "b.png"):
        (handbook / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    (handbook / "c.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (handbook / "d.mp3").write_bytes(b"ID3" + bytes(64))
    (handbook / "e.bin").write_bytes(bytes(range(256)))
    for name in ("f.rtf", "g.rtf"):
        (handbook / name).write_bytes(b"{\\rtf1 Words.}")
    said = cli("file", "add", handbook)
    assert said.code == 0
    assert "skipped: 2 pictures, 2 documents of another kind, 1 archive, 1 recording, 1 other file\n" in said.err
    assert "failed" not in said.err
    strict = cli("file", "add", handbook, "--strict")
    assert strict.code == 3
    assert "a.png: this is a PNG image" in strict.err
    assert cli("file", "add", handbook / "a.png").code == 65
    synced = cli("file", "sync", handbook, "-p", "synced")
    assert (synced.code, "skipped: 2 pictures" in synced.err) == (0, True)
    again = cli("file", "sync", handbook, "-p", "synced", "--json")
    assert (again.code, again.json["failed"], sum(again.json["skipped"].values())) == (0, 0, 7)
    assert cli("file", "sync", handbook, "-p", "synced", "--strict").code == 3
    assert cli("task", "list", "--state", "FAILED", "--json").json["tasks"] == []
    assert {task["state"] for task in cli("task", "list", "--json").json["tasks"]} == {"COMPLETED"}
    assert "0 failed" in next(line for line in cli("doctor").out.splitlines() if "tasks" in line)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.txt", b"", 65),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(64), 65),
        ("broken.pdf", b"%PDF-1.7 no", 65),
    ],
)
def test_a_single_input_that_cannot_be_read_gives_its_own_exit_code(cli, tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    result = cli("file", "add", tmp_path / name)
    assert result.code == code
    assert "failed:" in result.err


def test_a_missing_path_is_66_and_the_rest_of_several_goes_on(cli, handbook):
    assert cli("file", "add", "nowhere.txt").code == 66
    both = cli("file", "add", "nowhere.txt", handbook / "ops/keys.md", "--json")
    assert (both.code, both.json["added"], both.json["failures"][0]["code"]) == (3, 1, "path_not_found")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_77(cli, handbook):
    path = handbook / "ops/keys.md"
    path.chmod(0)
    assert cli("file", "add", path).code == 77


def test_standard_input_and_lists_of_paths_are_read(process, handbook):
    piped = process("file", "add", "-", "--id", "notes/piped.md", stdin=b"# Piped\n\nThe quokka is a marsupial.\n")
    assert piped.code == 0, piped.err
    names = b"\0".join(os.fsencode(path) for path in sorted(handbook.rglob("*.md")))
    listed = process("file", "add", "--files-from", "-", "-0", "--json", stdin=names)
    assert listed.json["added"] == 3
    assert process("file", "list", "-0").out.split("\0")[:-1] == [
        "handbook/ops/backups.md",
        "handbook/ops/keys.md",
        "handbook/people/leave.md",
        "notes/piped.md",
    ]


def test_ignored_and_excluded_files_are_left_out(cli, handbook):
    (handbook / ".gitignore").write_text("people/\n")
    (handbook / "ops" / ".hidden.md").write_text("hidden")
    assert cli("file", "add", handbook, "--exclude", "backups.md", "--json").json["added"] == 1
    assert cli("file", "add", handbook, "--glob", "*.csv", "--json").code == 2


def test_a_file_is_shown_got_edited_and_deleted(cli, handbook):
    path = handbook / "ops/keys.md"
    cli("file", "add", path, "--root", path.parent, "-p", "p q", "-m", "year=2024", "-m", "tag=ops")
    shown = cli("file", "show", "keys.md", "-p", "p q", "--json").json
    assert shown["metadata"] == {"year": 2024, "tag": "ops"}
    assert shown["size"] == path.stat().st_size
    assert cli("file", "get", "keys.md", "-p", "p q").out == path.read_text()
    assert cli("file", "get", "keys.md", "-p", "p q", "--raw").out == path.read_text()
    chunk = cli("search", "keys", "-p", "p q", "--json").json["hits"][0]["chunk_id"]
    edited = cli("file", "edit", "keys.md", "-p", "p q", "-m", 'tag="x"', "--remove", "year", "--json").json
    assert edited["metadata"] == {"tag": "x"}
    hit = cli("search", "keys", "-p", "p q", "--json").json["hits"][0]
    assert (hit["chunk_id"], hit["metadata"]) == (chunk, {"tag": "x"})
    assert cli("extract", "show", chunk, "--json").json["text"] == hit["text"]
    assert cli("file", "delete", "keys.md", "-p", "p q").code == 2
    assert cli("file", "delete", "keys.md", "-p", "p q", "--yes").code == 0
    assert cli("search", "keys", "-p", "p q").code == 1
    assert cli("extract", "show", chunk).code == 66
    assert cli("file", "delete", "keys.md", "-p", "p q", "--yes").code == 66


def test_a_replacement_that_cannot_be_read_leaves_the_old_version(cli, handbook, tmp_path):
    cli("file", "add", handbook / "ops/keys.md", "--root", handbook / "ops")
    (tmp_path / "new.pdf").write_bytes(b"%PDF-1.7 broken")
    assert cli("file", "replace", "keys.md", tmp_path / "new.pdf").code == 65
    assert cli("search", "rotate keys", "-l").out == "handbook/ops/keys.md\n"
    (tmp_path / "new.md").write_text("# New\n\nAll keys are made of xylophone wood.\n")
    assert cli("file", "replace", "keys.md", tmp_path / "new.md", "--json").json["replaced"] == 1
    assert "xylophone" in cli("search", "rotate keys").out
    assert cli("file", "replace", "nothing.md", tmp_path / "new.md").code == 66


def test_detached_files_wait_in_the_queue_until_it_is_run(cli, handbook):
    assert cli("file", "add", handbook, "--detach", "--json").json["queued"] == 4
    assert cli("search", "rotate keys").code == 1
    tasks = cli("task", "list", "--state", "queued", "--json").json["tasks"]
    assert len(tasks) == 4
    assert cli("task", "cancel", tasks[0]["task_id"]).code == 0
    assert cli("task", "cancel", tasks[0]["task_id"]).code == 73
    ran = cli("task", "run", "--json")
    assert (ran.code, ran.json["completed"], ran.json["left"]) == (0, 3, 0)
    assert cli("task", "wait", tasks[1]["task_id"]).code == 0
    assert cli("task", "wait", tasks[0]["task_id"], tasks[1]["task_id"]).code == 3
    assert cli("task", "retry", tasks[0]["task_id"]).code == 0
    assert cli("task", "wait", tasks[0]["task_id"], "--timeout", "0.01").code == 124
    assert cli("task", "run").code == 0
    assert len(cli("file", "list", "--json").json["files"]) == 4
    log = cli("task", "log", tasks[0]["task_id"], "--json").json["lines"]
    assert [line["level"] for line in log] == ["INFO"] * len(log)
    assert "chunks indexed" in log[-1]["message"]
    assert cli("task", "prune", "--older-than", "0s", "--json").json["tasks"] == 4
    assert cli("task", "show", tasks[0]["task_id"]).code == 66


def test_partitions_are_created_listed_shown_and_deleted(cli, handbook):
    assert cli("partition", "create", "empty").code == 0
    assert cli("partition", "create", "empty").code == 73
    assert cli("partition", "create", "a/b").code == 2
    cli("file", "add", handbook, "-p", "Büro №1")
    listed = cli("partition", "list", "--json").json["partitions"]
    assert [(entry["partition"], entry["files"]) for entry in listed] == [("Büro №1", 4), ("empty", 0)]
    assert cli("partition", "show", "Büro №1", "--json").json["chunks"] >= 4
    assert cli("partition", "delete", "Büro №1").code == 2
    assert cli("partition", "delete", "Büro №1", "--yes").code == 0
    assert cli("partition", "show", "Büro №1").code == 66
    assert cli("search", "keys", "-p", "Büro №1").code == 66
    cli("file", "add", handbook / "ops", "-p", "Büro №1")
    assert json.loads(cli("file", "list", "-p", "Büro №1", "--json").out)["files"][0]["file_id"] == "backups.md"


def test_a_dry_run_says_what_adding_and_deleting_would_do_and_does_nothing(cli, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("same", "changed", "new"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nThe text of {name}.\n")
    assert cli("file", "add", folder, "--dry-run", "--json").json["plan"]["add"] == [
        "changed.md",
        "new.md",
        "same.md",
    ]
    assert not (tmp_path / "store").exists()
    assert cli("file", "add", folder / "same.md", folder / "changed.md", "--root", folder).code == 0
    before = cli("file", "list", "--json").json
    (folder / "changed.md").write_text("# changed\n\nOther words.\n")
    refused = cli("file", "add", folder, "--dry-run", "--json")
    assert refused.code == 3
    assert [entry["file_id"] for entry in refused.json["failures"]] == ["changed.md"]
    told = cli("file", "add", folder, folder / "none.md", "--if-exists", "replace", "--dry-run", "--json")
    assert (told.code, told.json["dry_run"], told.json["unchanged"]) == (3, True, 1)
    assert told.json["plan"] == {"add": ["new.md"], "replace": ["changed.md"], "move": [], "delete": []}
    deleting = cli("file", "delete", "same.md", "none.md", "--dry-run", "--json")
    assert (deleting.code, deleting.json["plan"]["delete"]) == (3, ["same.md"])
    assert cli("file", "list", "--json").json == before
    assert cli("task", "list", "--json").json["tasks"][0]["state"] == "COMPLETED"
    done = cli("file", "add", folder, "--if-exists", "replace", "--json").json
    assert (done["added"], done["replaced"], done["unchanged"]) == (1, 1, 1)


def test_a_dry_run_skips_the_kinds_that_adding_would_skip(cli, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "new.md").write_text("# New\n")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    told = cli("file", "add", folder, "--dry-run")
    assert (told.code, told.out) == (0, "add\tnew.md\n")
    assert "1 to add" in told.err
    assert "skipped: 1 picture" in told.err
    assert cli("file", "add", folder, "--dry-run", "--strict").code == 3
    named = cli("file", "add", folder / "photo.png", "--dry-run")
    assert (named.code, named.out) == (65, "")
