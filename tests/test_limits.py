"""The one table of limits, and the doors that ask it."""

import io
import json
import subprocess
import zipfile

import pytest
from documents import docx_paragraph, make_docx
from harness import open_engine

from openrag_cli import limits
from openrag_cli.config.settings import SETTINGS
from openrag_cli.errors import IngestError, InvalidInput, OpenRAGError, StoreBusy, TooLarge
from openrag_cli.ingest.upload import new_upload
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.store.metadata import check_metadata
from openrag_cli.store.names import check_file_id, check_partition
from openrag_cli.store.sessions import check_session_name

REFUSING = [limit for limit in limits.TABLE if limit.error]


@pytest.mark.parametrize("limit", REFUSING, ids=lambda limit: limit.key)
def test_a_limit_lets_its_number_pass_and_refuses_one_more_with_its_own_error(limit):
    limits.check(limit.key, limit.most)
    with pytest.raises(limit.error, match=f"at most {limit.most:,} are taken") as caught:
        limits.check(limit.key, limit.most + 1)
    code = caught.value.reason if isinstance(caught.value, IngestError) else caught.value.code
    assert code == limit.code
    assert caught.value.hint


@pytest.mark.parametrize("limit", limits.TABLE, ids=lambda limit: limit.key)
def test_a_limit_that_can_be_set_has_the_default_of_its_setting(limit):
    if limit.setting:
        setting = next(one for one in SETTINGS if one.key == limit.setting)
        assert setting.default == limit.most
        limits.check(limit.key, limit.most + 1, allowed=limit.most + 1)
    elif limit.error is None:
        limits.check(limit.key, limit.most + 1)  # it is cut by the reader


def test_help_prints_every_limit(cli):
    told = cli("help", "limits")
    assert told.code == 0
    for limit in limits.TABLE:
        assert any(
            limit.what in line and f"{limit.most:,} {limit.unit}" in line and limit.code in line
            for line in told.out.splitlines()
        ), limit


def nested(levels):
    value = 1
    for _ in range(levels - 1):
        value = [value]
    return {"k": value}


DOORS = [
    ("partition_chars", check_partition, lambda n: "p" * n),
    ("file_id_chars", check_file_id, lambda n: "f" * n),
    ("session_chars", check_session_name, lambda n: "s" * n),
    ("metadata_bytes", check_metadata, lambda n: {"k": "x" * (n - len('{"k": ""}'))}),
    ("metadata_depth", check_metadata, nested),
    ("metadata_keys", check_metadata, lambda n: {str(i): 1 for i in range(n)}),
    ("query_chars", SearchRequest.check, lambda n: SearchRequest("q" * n)),
    ("hits", SearchRequest.check, lambda n: SearchRequest("q", top_k=n)),
    ("json_depth", lambda text: limits.read_json(text, "it"), lambda n: "[" * n + "]" * n),
]


@pytest.mark.parametrize(("key", "door", "made"), DOORS, ids=[key for key, _, _ in DOORS])
def test_a_door_keeps_to_the_table(key, door, made):
    door(made(limits.most(key)))
    with pytest.raises(OpenRAGError):
        door(made(limits.most(key) + 1))


@pytest.mark.parametrize("levels", [33, 300, 100_000])
def test_metadata_that_is_too_deep_is_bad_data_at_the_command_line(cli, tmp_path, levels):
    (tmp_path / "a.md").write_text("keys rotate")
    refused = cli("file", "add", "a.md", "-p", "p", "-m", "k=" + "[" * levels + "]" * levels, "--json")
    assert refused.code == 65
    assert json.loads(refused.err)["code"] == "invalid_metadata"


def test_edits_cannot_pile_metadata_up_beyond_the_limit(tmp_path):
    with open_engine(tmp_path / "store") as engine:
        engine.submit(new_upload("p", "f", "f.md"), io.BytesIO(b"keys rotate"))
        engine.drain()
        engine.edit_file("p", "f", {"a": "x" * 40_000})
        with pytest.raises(InvalidInput, match="bytes"):
            engine.edit_file("p", "f", {"b": "x" * 40_000})
        assert engine.file("p", "f").metadata == {"a": "x" * 40_000}


def test_a_file_that_its_reader_would_refuse_is_refused_before_it_is_kept(tmp_path):
    page = b"<html><body><p>keys rotate</p></body></html>" + b" " * 500
    with open_engine(tmp_path / "store", max_markup_bytes=400) as engine:
        with pytest.raises(TooLarge, match="HTML"):
            engine.submit(new_upload("p", "f", "f.html"), io.BytesIO(page))
        assert engine.tasks() == []
        assert list(engine.parts.blobs.stored()) == []


def test_the_reader_takes_what_the_setting_lets_in(tmp_path):
    page = b"<html><body><p>keys rotate</p></body></html>" + b" " * 500
    with open_engine(tmp_path / "store", max_markup_bytes=1000, max_file_bytes=1000) as engine:
        task = engine.submit(new_upload("p", "f", "f.html"), io.BytesIO(page))
        engine.drain()
        assert engine.task(task.id).state == "COMPLETED"
    assert limits.most("file_bytes") == 256 << 20, "what the converters read of one file"


@pytest.mark.parametrize("name", ["f.txt", "f.md", "f.csv", "f.json", "f.html", "f.xml", "f.eml", "f.py"])
def test_a_file_of_exactly_the_limit_is_read_and_one_byte_more_is_not_kept(tmp_path, name):
    start = {"f.json": b'{"keys": "rotate"}', "f.xml": b"<a>keys rotate</a>", "f.html": b"<p>keys rotate</p>"}
    content = start.get(name, b"keys: rotate\n\nthem\n")
    content += b" " * (1000 - len(content))
    with open_engine(tmp_path / "store", max_markup_bytes=1000, max_file_bytes=1000) as engine:
        task = engine.submit(new_upload("p", "f", name), io.BytesIO(content))
        with pytest.raises(TooLarge):
            engine.submit(new_upload("p", "g", name), io.BytesIO(content + b" "))
        engine.drain()
        assert engine.task(task.id).state == "COMPLETED"
        assert engine.file("p", "f").size == 1000
        assert len(list(engine.parts.blobs.stored())) == 1


def test_a_file_over_the_default_is_refused_at_the_door_and_read_where_the_setting_lets_it_in(
    cli, tmp_path, environment
):
    """What 0.1.0 stored, queued, and then always failed at: 256 MiB were read, and 1 GiB were let in."""
    size = limits.most("file_bytes") + (1 << 20)
    with zipfile.ZipFile(tmp_path / "large.docx", "w") as archive:
        with zipfile.ZipFile(io.BytesIO(make_docx(docx_paragraph("keys rotate")))) as small:
            for part in small.infolist():
                archive.writestr(part, small.read(part))
        with archive.open(zipfile.ZipInfo("word/media/film.bin"), "w", force_zip64=True) as film:
            for _ in range(size >> 20):
                film.write(bytes(1 << 20))
    refused = cli("file", "add", "large.docx", "-p", "p", "--json")
    assert [failure["code"] for failure in refused.json["failures"]] == ["too_large"]
    assert not list((tmp_path / "store" / "spool").iterdir())
    environment.setenv("OPENRAG_MAX_FILE_BYTES", str(size + (1 << 20)))
    assert cli("file", "add", "large.docx", "-p", "p", "--json").json["added"] == 1


def test_a_large_page_of_a_folder_fails_alone_and_leaves_nothing_behind(cli, tmp_path, environment):
    environment.setenv("OPENRAG_MAX_MARKUP_BYTES", "400")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.html").write_bytes(b"<html><body><p>keys</p></body></html>" + b" " * 500)
    (tmp_path / "docs" / "b.md").write_text("keys rotate")
    report = cli("file", "add", "docs", "-p", "p", "--json")
    assert report.code == 3
    assert [failure["code"] for failure in report.json["failures"]] == ["too_large"]
    assert report.json["added"] == 1


def test_a_full_queue_says_so_and_keeps_nothing(tmp_path):
    with open_engine(tmp_path / "store", max_queued_tasks=2) as engine:
        for name in ("a", "b"):
            engine.submit(new_upload("p", name, "f.md"), io.BytesIO(b"keys rotate"))
        with pytest.raises(StoreBusy, match="at most 2"):
            engine.submit(new_upload("p", "c", "f.md"), io.BytesIO(b"keys rotate"))
        assert len(list(engine.parts.blobs.stored())) == 2
        engine.cancel_task(engine.tasks()[0].id)
        engine.submit(new_upload("p", "c", "f.md"), io.BytesIO(b"keys rotate"))


def test_a_folder_a_thousand_levels_deep_does_not_keep_the_rest_out(cli, tmp_path):
    import os

    top = tmp_path / "docs"
    top.mkdir()
    (top / "good.md").write_text("keys rotate")
    before = os.getcwd()
    try:
        os.chdir(top)
        for _ in range(1100):
            os.mkdir("d")
            os.chdir("d")
        with open("deep.md", "w") as deep:
            deep.write("keys rotate")
    finally:
        os.chdir(before)
    report = cli("file", "add", "docs", "-p", "p", "--json")
    assert report.code == 3
    assert report.json["added"] == 1
    assert [failure["code"] for failure in report.json["failures"]] == ["invalid_input"]
    synced = cli("file", "sync", "docs", "-p", "q", "--json")
    assert (synced.code, synced.json["added"]) == (3, 1)
    subprocess.run(["rm", "-rf", str(top)], check=True)  # shutil gives up on folders as deep as this


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_output_that_is_not_utf8_never_fails(process, tmp_path, encoding):
    (tmp_path / "clé 日本.md").write_text("la clé tourne, naïve 日本")
    narrow = {"PYTHONIOENCODING": encoding}
    assert process("file", "add", "clé 日本.md", "-p", "é日", env=narrow).code == 0
    found = process("file", "list", "-p", "é日", "--json", env=narrow)
    assert found.code == 0
    assert found.json["files"][0]["file_id"] == "clé 日本.md"
    assert process("search", "clé", "--mode", "text", env={"PYTHONIOENCODING": "ascii"}).code == 0


def test_a_number_of_five_thousand_digits_is_no_bug(cli, tmp_path):
    (tmp_path / "a.md").write_text("keys rotate")
    assert cli("file", "add", "a.md", "-p", "p", "-m", "year=2024").code == 0
    many = "9" * 5000
    assert cli("search", "keys", "-p", "p", "--mode", "text", "--filter", f"year < {many}", "-l").out == "a.md\n"
    assert cli("search", "keys", "-p", "p", "--mode", "text", "--filter", f"year > {many}").code == 1
