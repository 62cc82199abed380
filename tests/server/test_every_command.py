"""Every command on a store and on a server: the same JSON, but for times, ids and what is of one machine alone.

A command that stands in none of the three tables below fails `test_every_command_is_covered`.
"""

import io
import json
import re

import pytest
import typer

from openrag_cli.cli import main
from openrag_cli.contract.schemas import COMMANDS

from .conftest import start

TIMES_AND_IDS = {
    "revision", "created_at", "indexed_at", "updated_at", "chunk_id", "others", "seconds", "task_id", "at", "timings",
    "synced_at",
}  # fmt: skip
ID = re.compile(r"[0-9a-f]{48}|[0-9a-f]{32}(?![0-9a-f])|[\w.-]+:\d+:[\w.]+:[0-9a-f]{8}")  # the last is a worker's
OF_ONE_MACHINE = {"source", "path", "store"}
"""A file that is sent is an upload, and has no path where it is kept; `openrag` alone names its store."""


class Side:
    """The program on one of the two, and what its answers say of tasks and chunks."""

    def __init__(self, cli, monkeypatch, *options):
        self._cli = cli
        self._monkeypatch = monkeypatch
        self._options = options

    def __call__(self, *arguments, stdin=""):
        self._monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        found = [one(self) if callable(one) else one for one in arguments]
        return self._cli(*self._options, "--json", *found)

    def task(self, file_id, state=None):
        tasks = self("task", "list", "--limit", "-1").json["tasks"]
        wanted = (task for task in tasks if task["file_id"] == file_id and state in {None, task["state"]})
        return next(wanted)["task_id"]


def task(file_id, state=None):
    return lambda side: side.task(file_id, state)


def chunk(query):
    return lambda side: side("search", query, "-k", "1").json["hits"][0]["chunk_id"]


P = ("-p", "p")
QUESTION = "how often do we rotate keys?"
BOTH: list[tuple[str, tuple, int]] = [
    # command, its arguments, exit code
    ("", (), 0),
    ("partition create", ("empty",), 0),
    ("partition create", ("empty",), 73),
    ("file add", ("handbook", *P, "-m", "year=2024", "--dry-run"), 0),
    ("file add", ("handbook", *P, "-m", "year=2024"), 3),
    ("file add", ("handbook", *P, "-m", "year=2024"), 3),
    ("file add", ("later.md", *P, "--detach"), 0),
    ("", (), 0),
    ("task list", ("--state", "QUEUED"), 0),
    ("task run", (), 0),
    ("task run", (), 0),
    ("file add", ("later2.md", *P, "--detach"), 0),
    ("task cancel", (task("later2.md"),), 0),
    ("task cancel", (task("later2.md"),), 73),
    ("task retry", (task("later2.md"),), 0),
    ("task wait", (task("later2.md"), "--timeout", "0"), 124),
    ("task run", (), 0),
    ("task wait", (task("later2.md"),), 0),
    ("task show", (task("broken.pdf"),), 0),
    ("task show", ("0" * 48,), 66),
    ("task error", (task("broken.pdf"),), 0),
    ("task log", (task("broken.pdf"),), 0),
    ("task retry", (task("broken.pdf"),), 0),
    ("task run", (), 3),
    ("task list", (), 0),
    ("file list", P, 0),
    ("file list", (*P, "--limit", "2", "--filter", "year = 2024"), 0),
    ("file list", ("-p", "nowhere"), 66),
    ("file keys", P, 0),
    ("file show", ("ops/keys.md", *P), 0),
    ("file show", ("warned.eml", *P), 0),
    ("file show", ("nothing", *P), 66),
    ("file get", ("ops/keys.md", *P), 0),
    ("search", ("rotate api keys", *P), 0),
    ("search", ("rotate api keys", *P, "-f", "ops/keys.md", "-f", "people/leave.md"), 0),
    ("search", ("leave", *P, "--filter", "yaer = 2024"), 1),
    ("search", ("leave", *P, "--context", "1"), 0),
    ("search", ("leave", "-p", "nowhere"), 66),
    ("view create", ("ours", *P, "--filter", "year = 2024"), 0),
    ("view create", ("ours", *P), 73),
    ("view show", ("ours",), 0),
    ("view show", ("nothing",), 66),
    ("view list", (), 0),
    ("search", ("leave", "-p", "ours"), 0),
    ("view delete", ("ours", "--yes"), 0),
    ("view delete", ("ours", "--yes"), 66),
    ("open", ("1",), 2),
    ("grep", ("rotate", *P), 0),
    ("grep", ("rotate.*keys", *P, "-C", "1"), 1),
    ("extract show", (chunk("rotate api keys"), "--context", "1"), 0),
    ("extract show", ("nothing",), 66),
    ("ask", (QUESTION, *P), 0),
    ("ask", (QUESTION, *P, "--context", "1"), 0),
    ("ask", (QUESTION, *P, "-k", "3", "--filter", "year = 2024", "--no-llm"), 0),
    ("ask", ("zzz qqq", "-p", "nowhere"), 66),
    ("chat", ("--session", "keys", *P), 0),
    ("chat", ("--session", "keys"), 0),
    ("session show", ("keys",), 0),
    ("session show", ("nothing",), 66),
    ("session search", ("rotate",), 0),
    ("session search", ("xylophone",), 1),
    ("session export", ("keys",), 0),
    ("session list", (), 0),
    ("session delete", ("keys", "--yes"), 0),
    ("session delete", ("keys", "--yes"), 66),
    ("file edit", ("ops/keys.md", *P, "-m", "tag=x", "--remove", "year"), 0),
    ("file rename", ("ops/keys.md", "ops/secrets.md", *P), 0),
    ("file rename", ("nothing", "x.md", *P), 66),
    ("file rename", ("ops/secrets.md", "ops/backups.md", *P), 73),
    ("file replace", ("ops/secrets.md", "later.md", *P), 0),
    ("file refresh", (*P, "--dry-run"), 0),
    ("file refresh", ("ops/secrets.md", "nothing", *P), 3),
    ("file refresh", ("--outdated", "-p", "all"), 0),
    ("file sync", ("notes", "-p", "notes", "--dry-run"), 0),
    ("file sync", ("notes", "-p", "notes"), 3),
    ("file sync", ("notes", "-p", "notes", "--refresh", "5"), 3),
    ("file sync", ("more/notes", "-p", "notes"), 0),
    ("file sync", ("more/notes", "-p", "notes", "--prefix", ""), 2),
    ("file list", ("-p", "notes"), 0),
    ("file sync", ("nowhere", "-p", "notes"), 66),
    ("file sync", ("--list",), 0),
    ("file sync", (), 3),  # in one of them a file is broken
    ("file sync", ("--forget", "more/notes"), 0),
    ("file sync", ("--forget", "more/notes"), 66),
    ("eval run", ("questions.jsonl", *P, "-k", "5"), 0),
    ("eval run", ("questions.jsonl", "-p", "nowhere"), 66),
    ("task prune", ("--older-than", "0s", "--state", "FAILED"), 0),
    ("file delete", ("people/leave.md", "nothing", *P, "--yes"), 3),
    ("partition show", ("p",), 0),
    ("partition list", (), 0),
    ("partition delete", ("p", "--yes"), 0),
    ("partition delete", ("p", "--yes"), 66),
    ("doctor", (), None),
]
HERE = [
    # what is of this machine, whatever server is named
    ("completion", ("bash",)),
    ("config get", ("store",)),
    ("config path", ()),
    ("config set", ("--project", "top_k", "7")),
    ("config show", ()),
    ("config trust", ()),
    ("config untrust", ()),
    ("config unset", ("--project", "top_k")),
    ("config validate", ()),
    ("help", ("limits",)),
    ("schema", ("search",)),
]
UNDONE = {"config unset": ("config", "set", "--project", "top_k", "7"), "config untrust": ("config", "trust")}
"""What is to be done before, so that there is something to undo."""
WHERE_THE_STORE_IS = {
    # what is done on the machine of the store, with the line to type there
    "backup": (("x.tar",), "openrag backup - > backup.tar"),
    "restore": (("x.tar",), "openrag restore - < backup.tar"),
    "export": ((*P, "-o", "x"), "openrag export -p p -o DIR"),
    "import": (("x",), "openrag import DIR"),
    "store optimize": ((), "openrag store optimize"),
}
STARTED = {"serve"}
"""The server itself: every test here starts it."""


def commands_of(group, path=""):
    for name, command in group.commands.items():
        whole = f"{path} {name}".strip()
        if isinstance(command, typer.core.TyperGroup):
            yield from commands_of(command, whole)
        else:
            yield whole


def test_every_command_is_covered():
    covered = {command for command, *_ in BOTH} | {command for command, _ in HERE} | set(WHERE_THE_STORE_IS) | STARTED
    assert covered == {*commands_of(typer.main.get_command(main.program())), ""}
    assert covered == set(COMMANDS)


@pytest.fixture
def files(tmp_path, handbook):
    """The handbook with a broken file and one that is not read whole; and folders to sync."""
    (handbook / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    mail = "Subject: Keys\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nRotate.\n--x\nContent-Type: a/b\n\nz\n--x--\n"
    (handbook / "warned.eml").write_text(mail)
    for name in ("later.md", "later2.md"):
        (tmp_path / name).write_text(f"# {name}\n\nWhat comes later.\n")
    question = {"question": QUESTION, "relevant": ["warned.eml"], "answers": ["every 90 days"]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question) + "\n")
    for folder in ("notes", "more/notes"):
        (tmp_path / folder).mkdir(parents=True)
        for tree in ("acacia", "birch"):
            (tmp_path / folder / f"{tree}.md").write_text(
                f"# On the {tree}\n\nThe {tree} is a tree, as {folder} says.\n"
            )
    (tmp_path / "notes" / "broken.pdf").write_bytes(b"%PDF-1.7 broken too")
    (tmp_path / "notes" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 64)
    (tmp_path / "notes" / "empty.md").touch()


@pytest.fixture
def sides(cli, tmp_path, monkeypatch, files):
    """A store, and a server on another that runs nothing by itself: what is queued waits until it is told to run."""
    (tmp_path / "there").mkdir()
    running = start(tmp_path / "there" / "store", "--workers", "0")
    yield Side(cli, monkeypatch), Side(cli, monkeypatch, "--server", running.url)
    assert running.stop() == 0


def stable(value):
    """Return JSON without times, ids, and what is of one machine alone."""
    if isinstance(value, dict):
        if value.get("key") in TIMES_AND_IDS:  # the commonest values of a key of metadata
            return value["key"]
        return {
            key: stable(entry)
            for key, entry in value.items()
            if key not in TIMES_AND_IDS and key not in OF_ONE_MACHINE
        }
    return [stable(entry) for entry in value] if isinstance(value, list) else value


def told(text):
    """Return the objects of an output, one a line."""
    named = ID.sub("ID", text)
    return [stable(json.loads(line)) for line in named.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_every_command_gives_the_same_json_on_a_store_and_on_a_server(sides):
    here, there = sides
    different = []
    for command, arguments, code in BOTH:
        stdin = f"{QUESTION}\nand who does it?\n" if command == "chat" else ""
        mine, theirs = (side(*command.split(), *arguments, stdin=stdin) for side in (here, there))
        if command == "doctor":  # each looks at its own machine: the same checks
            names = [[finding["name"] for finding in side.json["findings"]] for side in (mine, theirs)]
            assert names[0] == names[1], (mine, theirs)
            continue
        assert mine.code == code, (command, arguments, mine)
        assert told(mine.out) or told(mine.err), (command, mine)
        if (mine.code, told(mine.out), told(mine.err)) != (theirs.code, told(theirs.out), told(theirs.err)):
            different.append(f"{command} {arguments}:\n{mine}\n{theirs}")
    assert not different, "\n\n".join(different)


def test_what_is_of_this_machine_is_the_same_whatever_server_is_named(cli, monkeypatch):
    here, there = Side(cli, monkeypatch), Side(cli, monkeypatch, "--server", "http://127.0.0.1:9")
    for command, arguments in HERE:
        found = []
        for side in (here, there):
            if command in UNDONE:
                assert side(*UNDONE[command]).code == 0
            found.append(side(*command.split(), *arguments))
        mine, theirs = found
        assert mine.code == theirs.code == 0, (command, mine, theirs)
        mine, theirs = (
            {**side.json, "settings": [one for one in side.json.get("settings", []) if one["key"] != "server"]}
            for side in (mine, theirs)
        )
        assert mine == theirs, command


def test_what_is_done_where_the_store_is_says_the_line_to_type(cli, monkeypatch, tmp_path):
    there = Side(cli, monkeypatch, "--server", "http://team.example:1")
    for command, (arguments, line) in WHERE_THE_STORE_IS.items():
        refused = there(*command.split(), *arguments)
        assert refused.code == 2, (command, refused)
        assert json.loads(refused.err)["hint"] == f"on the server's machine: ssh team.example {line}"
    assert not (tmp_path / "store").exists()
