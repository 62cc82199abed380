"""`openrag doctor`: each thing that can be wrong is found, named, and mended where it can be."""

import os
import shutil
import sqlite3

import pytest
from harness import check, open_engine, put
from stub_llm import stub_llm

from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.engine import Engine
from openrag_cli.retrieval.request import SearchRequest

TEXT = "# Note {n}\n\nThe pump number {n} weighs {n} tons.\n"


@pytest.fixture
def filled(tmp_path, environment):
    with open_engine(tmp_path / "store") as engine:
        for n in range(3):
            put(engine, "p", f"note{n}.md", TEXT.format(n=n))
        engine.drain()
    return tmp_path / "store"


@pytest.fixture
def examine(cli):
    def run(*arguments):
        result = cli("doctor", "--json", *arguments)
        body = result.json
        assert body["schema"] == "openrag.doctor/1"
        assert (result.code == ExitCode.NO) == any(entry["status"] == "failed" for entry in body["findings"])
        return body

    return run


def bad(body):
    return {entry["name"]: entry for entry in body["findings"] if entry["status"] != "ok" and entry["name"] != "disk"}


def engine_on(store) -> Engine:
    return open_engine(store)


def test_a_store_in_order_has_nothing_to_tell(filled, examine, cli):
    body = examine()
    assert bad(body) == {}
    assert [entry["name"] for entry in body["findings"]] == [
        "settings", "platform", "sandbox", "command", "model", "llm", "disk", "access", "store", "tasks", "originals",
        "readers", "index",
    ]  # fmt: skip
    shown = cli("doctor").out
    assert "3 files, 3 chunks, 1 partition" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_no_store_yet_is_in_order_and_none_is_made(examine, tmp_path):
    body = examine()
    assert "not made yet" in body["findings"][-1]["text"]
    assert not (tmp_path / "store").exists()


def test_wrong_settings_are_told(filled, examine, environment):
    environment.setenv("OPENRAG_PORT", "many")
    assert "port must be a whole number" in bad(examine())["settings"]["text"]


def test_another_program_of_the_same_name_is_told(filled, examine, environment, tmp_path):
    foreign = tmp_path / "bin" / "openrag"
    foreign.parent.mkdir()
    foreign.write_text("#!/bin/sh\necho I am another\n")
    foreign.chmod(0o755)
    environment.setenv("PATH", f"{foreign.parent}{os.pathsep}{os.environ['PATH']}")
    found = bad(examine())["command"]
    assert (found["status"], str(foreign) in found["text"]) == ("warning", True)
    assert "found first" in found["text"]


def test_a_changed_model_file_is_told(filled, examine, environment, tmp_path):
    from openrag_cli.inference.onnx_embedder import default_model_dir

    model = tmp_path / "model"
    shutil.copytree(default_model_dir(), model)
    with (model / "model.onnx").open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"x")
    environment.setenv("OPENRAG_EMBED_MODEL", str(model))
    assert "not what its manifest says" in bad(examine())["model"]["text"]


def test_an_llm_is_reached_or_told(filled, examine, environment):
    with stub_llm() as stub:
        environment.setenv("OPENRAG_LLM_BASE_URL", stub.url)
        assert bad(examine()) == {}
        environment.setenv("OPENRAG_LLM_MODEL", "other")
        assert bad(examine())["llm"]["fix"] == "openrag config set llm.model cites"
    assert "cannot be reached" in bad(examine())["llm"]["text"]


def test_files_that_failed_are_a_warning(filled, examine, process, tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    assert process("file", "add", str(tmp_path / "broken.pdf")).code == 65
    found = bad(examine())["tasks"]
    assert (found["status"], found["text"]) == ("warning", "0 waiting or running, 1 failed")
    assert found["fix"] == "openrag task list --state FAILED"


def test_a_task_of_a_dead_worker_is_given_back(filled, examine, process):
    with open_engine(filled) as engine:
        put(engine, "p", "new.md", "# New\n\nfresh\n")
    assert process("task", "run", env={"OPENRAG_FAILPOINT": "claimed"}).code < 0  # killed
    found = bad(examine())["tasks"]
    assert (found["status"], found["can_mend"]) == ("warning", True)
    body = examine("--fix")
    assert "leases are ended" in body["mended"][0]
    with open_engine(filled) as engine:
        engine.drain()
        check(engine)
        assert len(engine.files("p")) == 4


def test_a_damaged_original_is_named(filled, examine):
    with open_engine(filled) as engine:
        path = engine.parts.blobs.path(engine.file("p", "note1.md").revision)
        path.write_bytes(b"x" * path.stat().st_size)
    found = bad(examine())["originals"]
    assert found["text"].startswith("p/note1.md")
    assert (found["status"], found["can_mend"]) == ("failed", False)


def test_missing_chunks_are_read_again_and_foreign_rows_dropped(filled, examine):
    with open_engine(filled) as engine:
        lost, kept = (engine.file("p", f"note{n}.md").revision for n in (0, 1))
        with engine.parts.database.write_lock():
            engine.parts.index.drop([lost])
        connection = sqlite3.connect(filled / "openrag.db")
        connection.execute("DELETE FROM file WHERE revision = ?", (kept,))
        connection.execute("DELETE FROM task WHERE id = ?", (kept,))
        connection.commit()
        connection.close()
    body = examine()
    assert [entry["text"] for entry in body["findings"] if entry["name"] == "index"] == [
        "p/note0.md: chunks are missing in the index",
        "rows of 1 files that are gone are still in the index; searches leave them out",
    ]
    fixed = examine("--fix")
    assert bad(fixed) == {}
    assert len(fixed["mended"]) == 2
    with open_engine(filled) as engine:
        check(engine)
        hits = engine.search(SearchRequest("how heavy is pump number 0?", top_k=10))
        assert hits[0].file.file_id == "note0.md"


def test_a_lost_index_is_made_again_from_the_originals(filled, examine, cli):
    shutil.rmtree(filled / "lance")
    assert cli("search", "pump").code == ExitCode.IO
    assert bad(examine())["index"]["text"] == "the index is lost (the folder lance)"
    assert bad(examine("--fix")) == {}
    with open_engine(filled) as engine:
        check(engine)
        assert len(engine.search(SearchRequest("pump", top_k=10))) == 3


def test_a_damaged_head_is_set_aside(filled, examine):
    newest = min((filled / "lance").rglob("*.manifest"))
    newest.write_bytes(b"")
    assert "newest version" in bad(examine())["index"]["text"]
    body = examine(
        "--fix",
    )
    assert "set aside" in body["mended"][0]
    assert bad(examine("--fix")) == {}
    with open_engine(filled) as engine:
        check(engine)


def test_a_damaged_catalog_is_told(filled, examine):
    data = bytearray((filled / "openrag.db").read_bytes())
    data[4096:12288] = os.urandom(8192)
    (filled / "openrag.db").write_bytes(data)
    assert any("damaged" in entry["text"] for entry in bad(examine()).values())
