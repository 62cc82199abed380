"""A document tells nothing to a terminal: escapes in every command, and nobody's letters harmed."""

import contextlib
import io
import json
import os
import pty
import re
import sqlite3
import sys
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_llm import StubLlm

from openrag_cli.cli import main
from openrag_cli.cli.answer_view import AnswerView
from openrag_cli.cli.output import Output
from openrag_cli.contract.schemas import COMMANDS
from openrag_cli.errors import InvalidFileId, InvalidInput
from openrag_cli.server.error_handlers import PlainJSON
from openrag_cli.server.log_format import JsonFormatter, TextFormatter
from openrag_cli.store.names import check_file_id
from openrag_cli.terminal import for_json, for_terminal, percent_encoded, quoted_name

PACKAGE = Path(main.__file__).parent.parent
UNSAFE = [
    *map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160)), "\u2028", "\u2029",
    *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)),
]  # fmt: skip
ATTACK = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x1b]0;owned\x07\x9b31m\x85\x7f\u202egpj.exe\u202c\u2066x\u2069\u2028\u2029"
LETTERS = "می‌خواهم कर्म‍ण 👨‍👩‍👧 ❤️ co\u00adop \u200eL\u200f \u061c مرحبا"
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;(?:file:///[!-~]*)?\x1b\\|\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh]|\r")
"""What the program itself tells a terminal: styles, links to files, and redrawing the line in progress."""


def is_unsafe(text: str) -> bool:
    return any(char in text for char in UNSAFE)


# --- the functions


def test_exactly_these_characters_are_escaped():
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        is_shown = for_terminal(char) == char
        assert is_shown == (char not in UNSAFE and unicodedata.category(char) != "Cs"), hex(code)


def test_letters_of_people_stay_as_they_are():
    assert for_terminal(LETTERS) == LETTERS
    assert percent_encoded(LETTERS) == LETTERS
    assert quoted_name(LETTERS) == LETTERS
    assert check_file_id(LETTERS) == LETTERS


def test_an_escape_can_be_read():
    assert for_terminal("a\x1b[1mb\u202ec\r\nd") == "a\\x1b[1mb\\u202ec\nd"


@given(st.text())
def test_json_says_the_same_with_its_own_escapes(text):
    shown = for_json(json.dumps({"x": text}, ensure_ascii=False))
    assert not is_unsafe(shown)
    assert json.loads(shown) == {"x": text}
    body = PlainJSON({"x": text}).body
    assert json.loads(body) == {"x": text}
    assert not is_unsafe(body.decode())


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("a b.md", "a b.md"),
        ("é.md", "é.md"),
        ('say "x".md', 'say "x".md'),
        ("e\x1bsc.md", '"e\\033sc.md"'),
        ("tab\there\n", '"tab\\there\\n"'),
        ('\u202e"\\', '"\\342\\200\\256\\"\\\\"'),
        ('"x"', '"\\"x\\""'),
    ],
)
def test_a_name_on_a_line_is_quoted_as_git_does(name, quoted):
    assert quoted_name(name) == quoted


@pytest.mark.parametrize("char", [*UNSAFE, "\t", "\n", "\ufffd"])
def test_an_id_with_such_a_character_is_refused(char):
    with pytest.raises(InvalidFileId):
        check_file_id(f"a{char}b")


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=100))
def test_what_a_folder_gives_is_an_id(name):
    encoded = percent_encoded(name)
    try:
        check_file_id(encoded)
    except InvalidFileId:
        raise
    except InvalidInput as exc:  # a slash at an end, or too long
        assert "/" in exc.message or "more than" in exc.message  # noqa: PT017


# --- one way out


WRITERS = re.compile(
    r"(?<!\.)\bprint\(|sys\.std(out|err)\b(?!\.isatty)|typer\.(echo|secho|confirm|prompt)\b|\bConsole\(|StreamHandler|print_exc"
)
ALLOWED = {
    "cli/output.py": None,
    "cli/answer_view.py": {"console(sys.stdout)"},
    "cli/completion.py": {"for_terminal(what)"},
    "__init__.py": {"            print(hit.file.file_id"},  # an example for its reader
    "matching/child.py": {"sys.stdin.buffer, sys.stdout.buffer"},  # a pipe to its parent
    "server/log_format.py": {"logging.StreamHandler()"},
    "cli/log_lines.py": {"logging.StreamHandler[TextIO]", "self.stream = sys.stderr"},  # for what its formatter made safe
    "terminal.py": {"stream = sys.stdout", "os.dup2(devnull, sys.stdout.fileno())"},  # how it is written, not what
}  # fmt: skip


def test_no_other_module_writes_to_a_terminal():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            allowed = ALLOWED.get(name, set())
            if WRITERS.search(line) and allowed is not None and not any(part in line for part in allowed):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found


# --- every command, on a terminal


@contextlib.contextmanager
def terminal(monkeypatch):
    """Give the block a list that fills with what a terminal was sent by this process."""
    parent, child = pty.openpty()
    sent: list[str] = []
    blocks: list[bytes] = []

    def read():
        with contextlib.suppress(OSError):
            while block := os.read(parent, 65536):
                blocks.append(block)

    reader = threading.Thread(target=read)
    reader.start()
    with open(child, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        yield sent
        stream.flush()
    reader.join()
    os.close(parent)
    sent.append(b"".join(blocks).decode())


@pytest.fixture(scope="module")
def llm():
    with StubLlm() as stub:
        yield stub


@pytest.fixture
def hostile(cli, tmp_path):
    """A store whose every text comes from somebody who attacks the terminal."""
    folder = tmp_path / "docs"
    folder.mkdir()
    text = (
        f"# Pump {ATTACK} valve\n\nThe pump weighs 40 kg {ATTACK} and &#27;[31mred&#x202e; too.\n\n"
        + "More words. " * 90
    )
    page = {"cells": [{"cell_type": "markdown", "source": text}], "metadata": {}, "nbformat": 4}
    (folder / f"e{ATTACK.replace('/', '')}.ipynb").write_text(json.dumps(page))
    (folder / "letters.md").write_text(f"# {LETTERS}\n\nA pump of {LETTERS}.\n")
    (folder / "bad\x1b[2J\u202e.pdf").write_bytes(b"%PDF-1.4 nonsense")
    asked = {"question": f"how heavy is the pump {ATTACK}?", "relevant": [ATTACK], "answers": [f"40 kg {ATTACK}"]}
    (tmp_path / "questions.jsonl").write_text(json.dumps(asked))
    assert cli("file", "add", folder, "-p", "p").code == 3
    (file,) = [
        entry for entry in cli("file", "list", "-p", "p", "--json").json["files"] if "ipynb" in entry["file_id"]
    ]
    assert cli("file", "edit", file["file_id"], "-p", "p", "-m", f"note={ATTACK}").code == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "openrag.db")) as database:
        # As 0.1.0 may have stored it.
        database.execute("UPDATE file SET filename = ? WHERE file_id = ?", (ATTACK, file["file_id"]))
        database.execute("UPDATE task SET filename = ?", (ATTACK,))
        database.commit()
    return file["file_id"]


def calls(cli, file_id):
    hit = cli("search", "pump", "--json").json["hits"][0]["chunk_id"]
    tasks = cli("task", "list", "--json").json["tasks"]
    failed = next(task["task_id"] for task in tasks if task["state"] == "FAILED")
    here = ("-p", "p")
    return [
        (),
        ("search", "pump weighs"),
        ("search", ATTACK),
        ("search", "pump", "--explain"),
        ("search", "pump", "-l"),
        ("search", "pump", "-l", "-0"),
        ("search", "pump", "--jsonl"),
        ("search", "pump", "--vimgrep"),
        ("open", "1", "--print"),
        ("grep", "-i", "pump|valve"),
        ("grep", "pump", "-l"),
        ("grep", ATTACK),
        ("open", ATTACK),
        ("ask", "how heavy is the pump?", "--no-llm"),
        ("ask", "how heavy is the pump?", "--show-context", "--no-llm"),
        ("chat", "--session", "s", "--no-llm"),
        ("session", "search", "pump"),
        ("session", "search", ATTACK),
        ("view", "create", "v", *here, "--filter", f"note = '{ATTACK}'"),
        ("view", "list"),
        ("view", "delete", ATTACK, "--yes"),
        ("view", "create", ATTACK, "-p", ATTACK),
        ("view", "show", ATTACK),
        ("session", "list"),
        ("session", "show", "s"),
        ("session", "export", "s"),
        ("session", "export", "s", "-o", f"no{ATTACK[:9]}/x.md"),
        ("session", "delete", ATTACK, "--yes"),
        ("file", "list", *here),
        ("file", "list", *here, "-0"),
        ("file", "list", *here, "--jsonl"),
        ("file", "show", file_id, *here),
        ("file", "get", file_id, *here),
        ("file", "get", file_id, *here, "--raw"),
        ("file", "get", ATTACK, *here),
        ("file", "add", "docs", *here),
        ("file", "add", "docs", *here, "--dry-run", "--if-exists", "replace"),
        ("file", "add", "-", "--id", ATTACK),
        ("file", "edit", file_id, *here, "-m", f"{ATTACK}={ATTACK}"),
        ("file", "sync", "docs", "-p", "q", "--dry-run"),
        ("file", "refresh", "--all", *here),
        ("file", "replace", file_id, f"docs/{ATTACK}", *here),
        ("file", "delete", ATTACK, *here, "--yes"),
        ("file", "delete", file_id, *here, "--dry-run"),
        ("file", "rename", ATTACK, "x", *here),
        ("extract", "show", hit, "--context", "1"),
        ("extract", "show", ATTACK),
        ("file", "keys", *here),
        ("task", "list"),
        ("task", "show", failed),
        ("task", "log", failed),
        ("task", "error", failed, "--traceback"),
        ("task", "wait", failed),
        ("task", "retry", failed),
        ("task", "run"),
        ("task", "cancel", ATTACK),
        ("task", "prune", "--older-than", ATTACK),
        ("partition", "create", ATTACK),
        ("partition", "list"),
        ("partition", "show", ATTACK),
        ("partition", "delete", ATTACK, "--yes"),
        ("eval", "run", "questions.jsonl", *here, "--no-llm"),
        ("eval", "run", ATTACK, *here),
        ("doctor",),
        ("backup", "-"),
        ("backup", f"{ATTACK}/b.tar"),
        ("store", "optimize"),
        ("restore", ATTACK),
        ("export", *here, "-o", f"x{ATTACK[:4]}"),
        ("import", ATTACK, "-p", "r"),
        ("config", "show"),
        ("config", "get", ATTACK),
        ("config", "set", "llm.model", ATTACK),
        ("config", "get", "llm.model"),
        ("config", "unset", ATTACK),
        ("config", "path"),
        ("config", "validate"),
        ("config", "trust"),
        ("config", "untrust"),
        ("help", ATTACK),
        ("schema", ATTACK),
        ("completion", ATTACK),
        ("serve", "--host", ATTACK),
        (ATTACK,),
        ("search", f"--{ATTACK}"),
    ]


def test_no_command_passes_on_what_a_document_tells_the_terminal(cli, hostile, environment, monkeypatch, tmp_path):
    (tmp_path / "openrag.toml").write_text(f"{json.dumps(ATTACK)} = 1\n")
    wanted = calls(cli, hostile)
    covered = {" ".join(words[:2]) for words in wanted} | {" ".join(words[:1]) for words in wanted}
    assert set(COMMANDS) <= covered, f"add them to the matrix: {set(COMMANDS) - covered}"
    for words in wanted:
        for extra in ((), ("--json",), ("--debug",)):
            if words[:1] == ("backup",) and extra == ("--json",):
                continue
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"how heavy is the pump?\n")))
            with terminal(monkeypatch) as sent:
                main.run([*words, *extra])
            rest = OURS.sub("", sent[0])
            left = {char for char in UNSAFE if char in rest and not (char == "\0" and "-0" in words)}
            assert not left, f"{words} {extra}: {[hex(ord(char)) for char in left]}\n{sent[0]!r}"


def test_what_a_pipe_gets_as_it_is_and_what_is_escaped_there_too(cli, hostile):
    text = cli("file", "get", hostile, "-p", "p").out
    assert "\x1b]52;c;ZXZpbA==\x07" in text
    assert "\u202egpj" in text
    for words in (
        ("search", "pump weighs"),
        ("ask", "how heavy is the pump?", "--no-llm"),
        ("file", "show", hostile, "-p", "p"),
    ):
        shown = cli(*words)
        assert not is_unsafe(shown.out + shown.err), words
    assert "\\x1b]52" in cli("ask", "how heavy is the pump?", "--show-context", "--no-llm").out
    shown = cli("file", "get", hostile, "-p", "p", "--json")
    assert not is_unsafe(shown.out)
    assert shown.json["text"].rstrip("\n") == text.rstrip("\n")


def test_letters_reach_a_terminal_and_a_pipe_as_they_are(cli, hostile, monkeypatch):
    hit = cli("search", "pump of", "-f", "letters.md", "--json").json["hits"][0]["chunk_id"]
    for words in (
        ("file", "get", "letters.md", "-p", "p"),
        ("search", "pump of", "-f", "letters.md"),
        ("extract", "show", hit),
    ):
        assert LETTERS in cli(*words).out
        with terminal(monkeypatch) as sent:
            assert main.run([*words]) == 0
        assert LETTERS in OURS.sub("", sent[0]).replace("\n", " ").replace("    ", " ")


def test_an_answer_of_an_llm_is_shown_safely_though_markdown_knows_entities(cli, monkeypatch):
    with terminal(monkeypatch) as sent:
        view = AnswerView(Output())
        for piece in (ATTACK, " **bold** &#27;[2J &#x9b;31m &#x202e;x\n\n", "```\n", ATTACK, "\n```\n\nend"):
            view.feed(piece)
        view.close()
    assert not is_unsafe(OURS.sub("", sent[0]))
    shown = "".join(OURS.sub("", sent[0]).split())
    assert "\\u202egpj" in shown
    assert "**" not in shown
    assert "end" in shown


def test_blocks_of_an_answer_stand_apart_by_one_line_and_none_is_cut(cli, monkeypatch):
    address = "https://okapi.example/" + "x" * 120
    text = f"First.\n\n- one [1]\n- two [1]\n\nAfter.\n\n| a | b |\n|---|---|\n| z | {address} |\n\n```\nx = 1\n```\n\nLast.\n"
    with terminal(monkeypatch) as sent:
        view = AnswerView(Output())
        view.feed(text)
        view.close()
    settled = re.sub(r"\r?\n\x1b\[\?25h\r?\x1b\[1A\x1b\[2K", "", sent[0])  # where the block in progress stood
    lines = OURS.sub("", settled).replace("\r", "").split("\n")
    assert all(line == line.rstrip() for line in lines)
    shown = "\n".join(line.strip() for line in lines)
    assert "First.\n\n• one [1]\n• two [1]\n\nAfter.\n\na" in shown
    assert "x = 1\n\nLast." in shown
    assert address in "".join(shown.split())


def test_no_file_is_left_out_for_its_name(cli, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    names = [
        "e\x1bsc.md",
        "\u202egpj.md",
        "tab\t.md",
        "new\nline.md",
        "new%0Aline.md",
        "\u2028.md",
        "\x85.md",
        "\ufffd.md",
        " ",
        "\u2066",
        LETTERS,
    ]
    for name in names:
        (folder / name).write_text(f"The text of {names.index(name)}.\n")
    report = cli("file", "add", folder, "--json").json
    assert (report["added"], report["failed"]) == (len(names), 0)
    ids = {file["file_id"] for file in cli("file", "list", "--json").json["files"]}
    assert {"e%1Bsc.md", "new%250Aline.md", "%E2%80%AEgpj.md", "tab%09.md", "new%0Aline.md", "%20", LETTERS} <= ids


@pytest.mark.parametrize("char", ["\x1b", "\u202e", "\u2066", "\u2028", "\t", "\n", "\x85"])
def test_an_id_of_the_command_line_is_refused_with_65(cli, tmp_path, char):
    (tmp_path / "a.md").write_text("text\n")
    assert cli("file", "add", "a.md", "--id", f"a{char}b.md").code == 65
    assert cli("task", "list").code == 66  # no store was made of it


def test_log_lines_of_the_server_are_safe():
    import logging

    record = logging.LogRecord("x", logging.INFO, __file__, 1, "%s", (ATTACK,), None)
    for formatter in (TextFormatter(), JsonFormatter()):
        assert not is_unsafe(formatter.format(record))
