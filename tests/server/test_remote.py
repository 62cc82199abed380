"""The command line on a server: the same output as on a store."""

import json
import shutil

import pytest
from harness import opened_below

from openrag_cli.cli.exit_codes import ExitCode

from .conftest import start


@pytest.fixture
def remote(cli, server):
    """The command line on the common server."""

    def call(*arguments):
        return cli("--server", server.url, *arguments)

    return call


def test_tasks_on_a_server_are_listed_shown_and_retried(remote, tmp_path, partition):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    assert remote("file", "add", tmp_path / "broken.pdf", "-p", partition).code == 65
    task = next(t for t in remote("task", "list", "--json").json["tasks"] if t["partition"] == partition)
    shown = remote("task", "show", task["task_id"], "--json").json
    assert shown["error"]["code"] == "corrupt"
    assert remote("task", "error", task["task_id"]).code == 0
    assert "ERROR" in remote("task", "log", task["task_id"]).out
    assert remote("task", "retry", task["task_id"]).code == 0
    assert remote("task", "wait", task["task_id"]).code == 3
    assert remote("task", "prune", "--older-than", "9999d", "--json").json == {
        "schema": "openrag.pruned/1",
        "tasks": 0,
    }
    assert remote("file", "refresh", "-p", partition, "--json").code == 0


def test_the_doctor_of_a_server_reports_on_the_server(remote):
    report = remote("doctor", "--json").json
    assert {finding["name"] for finding in report["findings"]} >= {"store", "index"}
    assert report["mended"] == []


def test_replacing_over_the_network(remote, tmp_path, partition):
    (tmp_path / "a.md").write_text("# One\n\nThe first.\n")
    assert remote("file", "add", tmp_path / "a.md", "-p", partition).code == 0
    (tmp_path / "a.md").write_text("# Two\n\nThe second, of a xylophone.\n")
    assert remote("file", "add", tmp_path / "a.md", "-p", partition).code == 73
    assert (
        remote("file", "add", tmp_path / "a.md", "-p", partition, "--if-exists", "replace", "--json").json["replaced"]
        == 1
    )
    assert "xylophone" in remote("search", "second", "-p", partition).out
    hit = remote("search", "second", "-p", partition, "--json").json["hits"][0]
    assert remote("extract", "show", hit["chunk_id"], "--context", "1", "--json").json["text"] == hit["text"]


def test_a_server_that_is_not_there_or_wants_a_token_is_said_so(cli, environment, tmp_path):
    gone = cli("--server", "http://127.0.0.1:9", "partition", "list")
    assert gone.code == 69
    assert "cannot be reached" in gone.err
    assert cli("--server", "nonsense", "partition", "list").code == 78
    (tmp_path / "guarded").mkdir()
    guarded = start(tmp_path / "guarded" / "store", env={"AUTH_TOKEN": "é-token"})
    try:
        refused = cli("--server", guarded.url, "partition", "list")
        assert refused.code == 4
        assert "OPENRAG_TOKEN" in refused.err
        environment.setenv("OPENRAG_TOKEN", "é-token")
        assert cli("--server", guarded.url, "partition", "list").code == 0
    finally:
        assert guarded.stop() == 0


@pytest.mark.parametrize(
    ("proxy", "code", "words"),
    [
        (
            "http://me:pl4nted@127.0.0.1:9",
            ExitCode.UNAVAILABLE,
            "through the proxy http://********@127.0.0.1:9 (ALL_PROXY)",
        ),
        ("socks5://me:pl4nted@127.0.0.1:9", ExitCode.CONFIG, "SOCKS needs a package more"),
        ("nonsense://me:pl4nted@h", ExitCode.CONFIG, "which cannot be used"),
        ("me:pl4nted@h:xx", ExitCode.CONFIG, "which cannot be used"),
    ],
)
def test_a_proxy_that_fails_is_named_without_its_password(cli, environment, proxy, code, words):
    environment.setenv("ALL_PROXY", proxy)
    environment.delenv("HTTP_PROXY", raising=False)
    for front in ([], ["--debug"]):
        done = cli("--server", "http://rag.example", *front, "file", "list")
        assert done.code == code
        assert words in done.err
        assert "pl4nted" not in done.err


def test_a_server_on_this_machine_is_asked_without_a_proxy(cli, environment, client, server):
    environment.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert cli("--server", server.url, "partition", "list").code == 0


def test_an_address_that_is_none_is_told_whatever_the_proxy(cli, environment):
    environment.setenv("ALL_PROXY", "http://127.0.0.1:9")
    done = cli("--server", "http://h:xx", "file", "list")
    assert (done.code, "not a server's URL" in done.err) == (ExitCode.CONFIG, True)


def test_a_folder_of_a_client_is_synced_and_where_it_lies_stays_with_it(remote, server, tmp_path, partition):
    folder = tmp_path / "secret place" / "notes"
    folder.mkdir(parents=True)
    for name in ("one", "two", "three"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nThis is note {name}.\n")
    p = ("-p", partition)
    assert remote("file", "sync", folder, *p, "--json").json["added"] == 3
    before = {file["file_id"]: file["revision"] for file in remote("file", "list", *p, "--json").json["files"]}
    (folder / "one.md").rename(folder / "first.md")
    (folder / "two.md").write_text("# two\n\nThis is another note.\n")
    report = remote("file", "sync", folder, *p, "--json").json
    assert [report[key] for key in ("added", "replaced", "moved", "unchanged")] == [0, 1, 1, 1]
    files = {file["file_id"]: file for file in remote("file", "list", *p, "--json").json["files"]}
    assert files["first.md"]["revision"] == before["one.md"]
    assert files["two.md"]["revision"] != before["two.md"]
    assert files["two.md"]["source"] == {"kind": "folder", "label": "notes"}
    catalog = b"".join(path.read_bytes() for path in server.store.glob("openrag.db*"))
    assert b"secret place" not in catalog
    (folder / "two.md").unlink()
    (folder / "first.md").unlink()
    refused = remote("file", "sync", folder, *p, "--delete")
    assert (refused.code, "would be deleted (67%)" in refused.err) == (3, True)
    assert str(folder) in refused.err
    assert remote("file", "sync", folder, *p, "--delete", "--max-delete", "2", "--json").json["deleted"] == 2


def test_other_content_of_the_same_size_and_time_is_found_in_a_folder_of_a_client(remote, tmp_path, partition):
    folder, p = tmp_path / "notes", ("-p", partition)
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.md").write_text(f"This is note {name}.\n")
    assert remote("file", "sync", folder, *p, "--json").json["added"] == 2
    assert opened_below(folder, lambda: remote("file", "sync", folder, *p)) == []
    (tmp_path / "other.md").write_text("This is note six.\n")
    shutil.copystat(folder / "one.md", tmp_path / "other.md")
    shutil.copy2(tmp_path / "other.md", folder / "one.md")
    (folder / "two.md").chmod(0o600)
    report = remote("file", "sync", folder, *p, "--json").json
    assert [report[key] for key in ("replaced", "unchanged")] == [1, 1]
    assert "note six" in remote("file", "get", "one.md", *p).out
    assert opened_below(folder, lambda: remote("file", "sync", folder, *p)) == []


@pytest.mark.parametrize("identity", ["", ", null, null"])
def test_a_client_that_knows_no_inodes_may_list_a_folder(client, partition, identity):
    order = {"source": "0" * 32, "label": "x", "batch": "0" * 48, "is_dry_run": True}
    listing = f'["a.md", 5, 1700000000000000000, null{identity}]\n'.encode()
    url = f"/indexer/partition/{partition}/sync"
    planned = client.post(url, files={"file": ("listing", listing)}, data={"options": json.dumps(order)})
    assert planned.json()["plan"]["adds"] == ["a.md"]


def test_another_way_to_a_synced_folder_is_the_same_folder_and_a_copy_is_another(remote, tmp_path, partition):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.md").write_text("# one\n\nA note.\n")
    assert remote("file", "sync", folder, "-p", partition, "--json").json["added"] == 1
    (tmp_path / "link").symlink_to(folder)
    assert remote("file", "sync", tmp_path / "link", "-p", partition, "--json").json["unchanged"] == 1
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "one.md").write_text("# one\n\nAnother note.\n")
    assert remote("file", "sync", copy, "-p", partition, "--json").json["added"] == 1
    assert remote("file", "sync", copy, "-p", partition, "--json").json["unchanged"] == 1
    ids = [file["file_id"] for file in remote("file", "list", "-p", partition, "--json").json["files"]]
    assert ids == ["copy/one.md", "one.md"]


def test_a_file_that_another_put_there_meanwhile_stays_and_is_a_conflict(remote, client, tmp_path, partition):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.md").write_text("# one\n\nA note.\n")
    assert remote("file", "sync", folder, "-p", partition).code == 0
    put = client.put(
        f"/indexer/partition/{partition}/file/one.md", files={"file": ("one.md", b"# one\n\nOf somebody else.\n")}
    )
    assert put.status_code == 202
    assert remote("task", "wait", put.json()["task_status_url"].rsplit("/", 1)[1]).code == 0
    (folder / "one.md").write_text("# one\n\nChanged here.\n")
    report = remote("file", "sync", folder, "-p", partition, "--json")
    assert (report.code, report.json["failures"][0]["code"]) == (3, "conflict")
    assert "somebody else" in remote("file", "get", "one.md", "-p", partition).out


@pytest.mark.parametrize(
    ("options", "listing"),
    [
        ("{}", b""),
        ("not json", b""),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '"}', b"[1]\n"),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '"}', b'["a", -1, 0, null]\n'),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '"}', b'["a", 1, 0, "g"]\n'),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '"}', b'["a", 1, 0, null, 1, "x"]\n'),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '"}', b'["a", 1, 0, null, -1, 1]\n'),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '"}', b'["a"]\n["a"]\n'),
        ('{"source": "' + "0" * 32 + '", "label": "x", "batch": "' + "0" * 48 + '", "max_delete": "-1"}', b""),
    ],
)
def test_a_wrong_listing_is_refused_and_changes_nothing(client, partition, options, listing):
    url = f"/indexer/partition/{partition}/sync"
    refused = client.post(url, files={"file": ("listing", listing)}, data={"options": options})
    assert refused.status_code == 400, refused.text
    assert client.get(f"/partition/{partition}").status_code == 404
