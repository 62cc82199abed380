"""The command line on a server: the same output as on a store."""

import io
import json

import pytest

from openrag_cli.cli.exit_codes import ExitCode

from .conftest import start


@pytest.fixture
def remote(cli, server):
    """The command line on the common server."""

    def call(*arguments):
        return cli("--server", server.url, *arguments)

    return call


VOLATILE = {
    "revision", "created_at", "indexed_at", "updated_at", "chunk_id", "seconds", "task_id", "at", "timings", "source", "path",
}  # fmt: skip


def _stable(value):
    """Return JSON without what differs between two stores that hold the same."""
    if isinstance(value, dict):
        return {key: _stable(entry) for key, entry in value.items() if key not in VOLATILE}
    return [_stable(entry) for entry in value] if isinstance(value, list) else value


@pytest.fixture
def alone(cli, tmp_path):
    """The command line on a server whose store holds nothing else: words are weighed over the whole store."""
    (tmp_path / "alone").mkdir()
    running = start(tmp_path / "alone" / "store")
    yield lambda *arguments: cli("--server", running.url, *arguments)
    assert running.stop() == 0


def test_the_same_commands_give_the_same_output_on_a_store_and_on_a_server(
    cli, alone, handbook, partition, monkeypatch
):
    (handbook / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    mail = "Subject: Keys\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nRotate.\n--x\nContent-Type: a/b\n\nz\n--x--\n"
    (handbook / "warned.eml").write_text(mail)
    p = ("-p", partition)
    for arguments in (
        ["file", "add", handbook, *p, "-m", "year=2024", "--json"],
        ["file", "add", handbook / "people", *p, "--exclude", "*", "--json"],
        ["file", "list", *p, "--json"],
        ["file", "list", *p, "--json", "--limit", "2"],
        ["file", "show", "ops/keys.md", *p, "--json"],
        ["file", "show", "warned.eml", *p, "--json"],
        ["task", "list", "--json"],
        ["file", "get", "ops/keys.md", *p],
        ["file", "get", "ops/keys.md", *p, "--json"],
        ["file", "get", "ops/keys.md", *p, "--raw"],
        ["search", "rotate api keys", *p, "--json"],
        ["search", "rotate api keys", *p, "-f", "ops/keys.md", "-f", "people/leave.md", "--json"],
        ["search", "leave", *p, "--filter", "year = 2024", "--per-file", "1", "--mode", "text", "--jsonl"],
        ["search", "leave", *p, "--filter", "year = 2025", "--json"],
        ["search", "leave", *p],
        ["search", "leave", *p, "--context", "1", "--json"],
        ["search", "leave", *p, "--context", "2", "--all"],
        ["ask", "how often do we rotate keys?", *p, "--json", "--context", "1"],
        ["ask", "how often do we rotate keys?", *p],
        ["ask", "how often do we rotate keys?", *p, "--json", "-k", "3", "--filter", "year = 2024"],
        ["ask", "how often do we rotate keys?", *p, "--show-context", "--no-llm"],
        ["ask", "zzz qqq", "-p", "nowhere"],
        ["session", "show", "keys"],
        ["chat", "--session", "keys", *p, "--json"],
        ["chat", "--session", "keys"],
        ["session", "show", "keys"],
        ["session", "show", "keys", "--json"],
        ["session", "export", "keys"],
        ["session", "list", "--json"],
        ["session", "delete", "keys", "--yes", "--json"],
        ["session", "delete", "keys", "--yes"],
        ["file", "edit", "ops/keys.md", *p, "-m", "tag=x", "--remove", "year", "--json"],
        ["file", "rename", "ops/keys.md", "ops/secrets.md", *p, "--json"],
        ["file", "rename", "nothing", "x.md", *p],
        ["file", "rename", "ops/secrets.md", "ops/backups.md", *p],
        ["file", "refresh", *p, "--dry-run", "--json"],
        ["file", "refresh", "ops/secrets.md", "nothing", *p, "--json"],
        ["file", "refresh", "--outdated", "-p", "all", "--json"],
        ["task", "prune", "--older-than", "0s", "--state", "CANCELLED", "--json"],
        ["file", "delete", "people/leave.md", "nothing", *p, "--yes", "--json"],
        ["file", "show", "people/leave.md", *p, "--json"],
        ["partition", "show", partition, "--json"],
        ["partition", "create", partition],
        ["search", "x", "-p", "nowhere"],
        ["task", "show", "0" * 48],
        ["extract", "show", "nothing"],
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO("how often do we rotate keys?\nand who does it?\n"))
        here = cli(*arguments)
        monkeypatch.setattr("sys.stdin", io.StringIO("how often do we rotate keys?\nand who does it?\n"))
        there = alone(*arguments)
        assert there.code == here.code, (arguments, here, there)
        assert there.err.splitlines()[:1] == here.err.splitlines()[:1] or "indexed" in here.err, arguments
        if here.out.startswith("{"):
            assert [_stable(json.loads(line)) for line in there.out.splitlines()] == [
                _stable(json.loads(line)) for line in here.out.splitlines()
            ], arguments
        else:
            inside = f"{handbook.name}/"  # a path from here, where the file is of this machine; else its id
            assert there.out.replace(inside, "") == here.out.replace(inside, ""), arguments


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


def test_what_is_done_where_the_store_is_says_the_line_to_type(remote, tmp_path):
    for arguments, line in (
        (["backup", "x.tar"], "ssh 127.0.0.1 openrag backup - > backup.tar"),
        (["restore", "x.tar"], "ssh 127.0.0.1 openrag restore - < backup.tar"),
        (["export", "-p", "p", "-o", "x"], "ssh 127.0.0.1 openrag export -p 'p' -o DIR"),
        (["import", "x"], "ssh 127.0.0.1 openrag import DIR"),
        (["file", "sync", tmp_path, "-p", "p"], "ssh 127.0.0.1 openrag file sync DIR"),
        (["task", "run"], "ssh 127.0.0.1 openrag task run"),
    ):
        refused = remote(*arguments)
        assert refused.code == 2, refused
        assert line in refused.err
        assert not (tmp_path / "store").exists()


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
