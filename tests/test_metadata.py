"""Three layers of metadata, and the one view of them that everything shows."""

import datetime as dt
import importlib.resources
import io
import json
import sqlite3

import pytest
from harness import open_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from openrag_cli import limits
from openrag_cli.contract import to_json as render
from openrag_cli.documents.sandbox import protocol
from openrag_cli.domain import Document
from openrag_cli.errors import InvalidMetadata
from openrag_cli.ingest.upload import new_upload
from openrag_cli.store.metadata import RESERVED, check_metadata, document_metadata, resolved, tame
from openrag_cli.store.publish import Completion


@pytest.mark.parametrize("key", RESERVED)
def test_what_is_ours_is_refused_with_the_list(cli, tmp_path, key):
    (tmp_path / "a.md").write_text("keys rotate")
    refused = cli("file", "add", "a.md", "-p", "p", "-m", f"{key}=1", "--json")
    assert refused.code == 65
    told = json.loads(refused.err)
    assert told["code"] == "invalid_metadata"
    assert all(name in told["message"] for name in RESERVED)
    assert cli("file", "add", "a.md", "-p", "p").code == 0
    assert cli("file", "edit", "a.md", "-p", "p", "-m", f"{key}=1").code == 65
    assert cli("file", "replace", "a.md", "a.md", "-p", "p", "-m", f"{key}=1").code == 65


def test_a_user_wins_over_us_and_ours_stays_readable(cli, tmp_path):
    (tmp_path / "a.md").write_text("keys rotate")
    said = [
        "-m",
        "created_at=2001-01-01",
        "-m",
        "filename=b.md",
        "-m",
        "title=T",
        "-m",
        "date=1999",
        "-m",
        'tags=["x"]',
    ]
    assert cli("file", "add", "a.md", "-p", "p", *said).code == 0
    listed = cli("file", "list", "-p", "p", "--json").json["files"][0]
    shown = cli("file", "show", "a.md", "-p", "p", "--json").json
    hit = cli("search", "keys", "-p", "p", "--json").json["hits"][0]
    for view in (listed, shown, hit):
        assert (view["filename"], view["created_at"]) == ("b.md", "2001-01-01")
        assert view["stored_as"] == "a.md"
        assert view["indexed_at"] > "2020"
        assert view["metadata"] == {
            "created_at": "2001-01-01", "filename": "b.md", "title": "T", "date": 1999, "tags": ["x"],
        }  # fmt: skip
    assert cli("search", "keys", "-p", "p", "-l", "--filter", 'filename = "b.md" and created_at < "2002"').code == 0
    assert cli("search", "keys", "-p", "p", "-l", "--filter", 'filename = "a.md"').code == 1


def complete(engine, document):
    """Finish the one queued task as if its reader had found `document`."""
    (task,) = engine.parts.queue.claim("w", limit=1)
    engine.parts.queue.complete([Completion(task, document, 0)])


def test_the_user_stands_above_the_document_and_both_are_kept_apart(tmp_path):
    own = {"title": "Own", "author": "Ann"}
    with open_engine(tmp_path / "store") as engine:
        engine.submit(new_upload("p", "f", "f.md", {"title": "Mine"}), io.BytesIO(b"keys"))
        complete(engine, Document("keys", metadata=own))
        file = engine.file("p", "f")
        assert (file.metadata, file.document_metadata) == ({"title": "Mine"}, own)
        assert render.file(file)["metadata"] == {"title": "Mine", "author": "Ann"}
        after = engine.edit_file("p", "f", {"year": 1}, remove=["title"])
        assert resolved(after)["title"] == "Own", "the document's word is there again"
        assert after.document_metadata == own
        assert after.metadata == {"year": 1}
        engine.submit(new_upload("p", "f", "f.md", after.metadata), io.BytesIO(b"keys"), kind="replace")
        complete(engine, Document("keys"))
        assert engine.file("p", "f").document_metadata == {}, "a new version speaks for itself"


def test_what_a_document_says_crosses_the_pipe_and_what_cannot_be_kept_is_a_warning():
    deep = "x"
    for _ in range(40):
        deep = [deep]
    found = {
        "title": "T", "date": dt.date(2024, 5, 1), "tags": ("a", "b"), "file_id": "evil", "deep": deep,
        "filename": 5, "nan": float("nan"), 7: "seven",
    }  # fmt: skip
    kept, warnings = document_metadata(found)
    assert kept == {"title": "T", "date": "2024-05-01", "tags": ["a", "b"], "7": "seven"}
    assert {warning.code for warning in warnings} == {"metadata_dropped"}
    told = " ".join(warning.message for warning in warnings)
    assert all(key in told for key in ("file_id", "deep", "filename", "nan"))
    message = protocol.parse(protocol.frame(protocol.done_message(Document("x", metadata=kept), []))[4:])
    assert protocol.converted_from(message).document.metadata == kept
    message["document"]["metadata"]["score"] = 1
    hostile = protocol.converted_from(message).document
    assert "score" not in hostile.metadata
    assert hostile.warnings


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
)
def test_whatever_a_document_says_what_is_kept_is_within_the_rules(found):
    kept, _ = document_metadata(found)
    assert check_metadata(kept) == kept


def test_a_thousand_keys_too_many_are_cut_with_a_warning():
    kept, warnings = document_metadata({str(i): i for i in range(3000)})
    assert len(kept) == limits.most("metadata_keys")
    assert "2,000" in warnings[0].message


def test_a_store_of_before_is_brought_within_the_rules(tmp_path):
    deep = "[" * 300 + "]" * 300
    old = json.dumps({"score": 3, "deep": json.loads(deep), "year": 1})
    store_of_format_5(tmp_path / "store", old)
    with open_engine(tmp_path / "store") as engine:
        file = engine.file("p", "f")
        assert file.metadata == {"user.score": 3, "deep": deep, "year": 1}
        assert check_metadata(file.metadata)
        assert engine.tasks()[0].upload.metadata == file.metadata
        assert [one.file_id for one in engine.files("p", filter="year = 1 and user.score = 3")] == ["f"]
        assert engine.files("p", filter="indexed_at < '2020'") == [file]


def store_of_format_5(folder, metadata):
    """Make the catalog of a store as it was before there were layers, with one file and the task that made it."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "openrag.db")
    schema = importlib.resources.files("openrag_cli.store") / "schema"
    for script in sorted(entry.name for entry in schema.iterdir() if entry.name < "006"):
        connection.executescript((schema / script).read_text(encoding="utf-8"))
    connection.execute("INSERT INTO partition (name, created_at) VALUES ('p', 1)")
    connection.execute(
        "INSERT INTO file (partition_id, file_id, revision, filename, media_type, size, sha256, metadata, chunk_count, "
        "created_at, updated_at) VALUES (1, 'f', ?, 'f.md', 'text/markdown', 1, '', ?, 1, 1, 1)",
        ("0" * 48, metadata),
    )
    connection.execute(
        "INSERT INTO task (id, kind, state, partition_id, partition, file_id, filename, media_type, size, sha256, "
        "metadata, batch, created_at, updated_at) VALUES (?, 'add', 'COMPLETED', 1, 'p', 'f', 'f.md', 'text/markdown', "
        "1, '', ?, 'b', 1, 1)",
        ("0" * 48, metadata),
    )
    connection.execute("PRAGMA user_version = 5")
    connection.commit()
    connection.close()


def test_metadata_of_an_old_export_is_brought_within_the_rules():
    assert tame({"link": 1, "a": 2}) == {"user.link": 1, "a": 2}
    with pytest.raises(InvalidMetadata):
        check_metadata({"link": 1})
