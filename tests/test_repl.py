"""`openrag ask` and `openrag chat` as a person uses them: on a real terminal, and through pipes."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from harness import open_engine, put
from stub_llm import StubLlm, stub_llm, wait_until

from openrag_cli.cli.exit_codes import ExitCode

KEYS = (
    "# Key rotation\n\nRotate every API key every 90 days with `kms rotate --all`.\n\nAfter a leak rotate at once.\n"
)
ANSWER_S = 30
READY = ">(?: |\x08|\x1b\\[)"
"""The prompt, as the line editor draws it."""


@pytest.fixture(scope="module")
def stub() -> Iterator[StubLlm]:
    with stub_llm() as running:
        yield running


@pytest.fixture
def filled(environment, tmp_path):
    """A store with one file, which the environment names."""
    with open_engine(tmp_path / "store") as engine:
        put(engine, "ops", "keys.md", KEYS)
        put(engine, "été 2", "bread.md", "# Bread\n\nSourdough rises for twelve hours.\n")
        engine.drain()
    return environment


@pytest.fixture
def terminal(filled):
    """Start the program on a terminal of its own."""
    started = []

    def start(*arguments: str, columns: int = 80, env: dict[str, str] | None = None) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            ["-m", "openrag_cli", *arguments],
            env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", "PROMPT_TOOLKIT_NO_CPR": "1", **(env or {})},
            dimensions=(24, columns),
            encoding="utf-8",
            timeout=ANSWER_S,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def plain(text: str) -> str:
    """Return what a terminal would show of `text`, roughly: without escapes."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]", "", text).replace("\r", "")


def say(child: pexpect.spawn, text: str) -> None:
    child.expect(READY)
    child.send(f"{text}\r")


def leave(child: pexpect.spawn) -> str:
    child.expect(READY)
    child.sendeof()
    child.expect(pexpect.EOF)
    child.wait()
    return plain(child.before)


# --- ask


def test_ask_prints_the_answer_and_then_what_it_cites(filled, process):
    result = process("ask", "How often are API keys rotated?", "-p", "ops")
    assert result.code == 0, result.err
    answer, _, sources = result.out.strip().rpartition("\n\n")
    assert answer.startswith("Rotate every API key every 90 days with `kms rotate --all`. [1]")
    assert sources.startswith("[1] keys.md:3")
    assert result.err == ""


def test_ask_reads_stdin_and_gives_json(filled, process):
    result = process("ask", "-", "--json", stdin=b"How often are API keys rotated?\n")
    body = result.json
    assert (body["schema"], body["question"], body["model"]) == (
        "openrag.answer/1",
        "How often are API keys rotated?",
        "extractive",
    )
    assert body["citations"][0]["text"] in KEYS
    assert body["sources"][0]["cited"] is True
    assert set(body["timings"]) == {"retrieval_s", "first_s", "total_s"}


def test_ask_shows_the_passages_when_told(filled, process):
    shown = process("ask", "How often are API keys rotated?", "--show-context").out
    assert "keys.md:1-5" in shown
    assert KEYS.strip() in shown


def test_strict_exits_1_when_nothing_is_cited(filled, process):
    assert process("ask", "Which planet has the most moons?", "--strict").code == ExitCode.NO
    assert process("ask", "Which planet has the most moons?").code == ExitCode.NO


def test_ask_uses_the_llm_unless_told_not_to(filled, process, stub):
    env = {"OPENAI_BASE_URL": stub.url, "OPENAI_MODEL": "cites"}
    result = process("ask", "How often are API keys rotated?", "-p", "ops", env=env)
    assert result.out.startswith("Every 90 days [1]. And more.\n\n[1] keys.md:1-5")
    assert "99" in result.err
    assert process("ask", "How often are API keys rotated?", "--no-llm", env=env).out.startswith("Rotate every")
    assert process("ask", "How often?", "--model", "whole", env=env).out.startswith("In one piece")


@pytest.mark.parametrize(
    ("model", "code"), [("failing", ExitCode.UNAVAILABLE), ("busy", ExitCode.BUSY), ("breaks", ExitCode.UNAVAILABLE)]
)
def test_an_llm_that_fails_is_one_line_and_a_hint(filled, process, stub, model, code):
    env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": model, "OPENRAG_LLM_RETRIES": "0"}
    result = process("ask", "How often are API keys rotated?", env=env)
    assert result.code == code
    assert result.err.startswith("error: the LLM at http://127.0.0.1")
    assert "Traceback" not in result.err


def test_ctrl_c_ends_ask_with_130(filled, terminal, stub):
    child = terminal("ask", "How often?", env={"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "endless"})
    child.expect("word5")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == ExitCode.INTERRUPTED
    assert "Traceback" not in plain(child.before)


def test_ask_on_a_terminal_renders_markdown(terminal, stub):
    child = terminal("ask", "stub:echo **bold** words", "--top-k", "1", columns=200)
    child.expect(pexpect.EOF)
    assert "Nothing in the documents" in plain(child.before)


# --- chat without a terminal


def test_each_line_of_a_pipe_is_a_question(filled, process):
    result = process("chat", "-p", "ops", stdin=b"How often are API keys rotated?\n\nand after a leak?\n/sources\n")
    assert result.code == 0, result.err
    assert "every 90 days" in result.out
    assert "rotate at once" in result.out
    listed = process("session", "list", "--json").json["sessions"]
    assert [(entry["messages"], entry["partitions"]) for entry in listed] == [(4, ["ops"])]


def test_a_kept_file_that_is_not_in_the_partition_is_told_with_the_way_out(filled, process):
    lines = b"/partition ops\n/file keys.md\n/partition empty\nhow often are keys rotated?\n"
    process(
        "file",
        "add",
        "-",
        "--id",
        "keys.md",
        "-p",
        "ops",
        "--if-exists",
        "skip",
        stdin=b"Keys are rotated every 90 days.\n",
    )
    process("file", "add", "-", "--id", "x.md", "-p", "empty", stdin=b"Nothing.\n")
    result = process("chat", stdin=lines)
    assert "/file off searches every file" in result.err
    assert result.code == 66


def test_a_session_that_nobody_named_is_not_kept_when_nothing_was_said(filled, process):
    assert process("chat", "-p", "ops", stdin=b"").code == 0
    assert process("chat", "-p", "ops", stdin=b"/k 3\n\n").code == 0
    assert process("session", "list", "--json").json["sessions"] == []
    assert process("chat", "-p", "ops", "--session", "mine", stdin=b"/k 3\n").code == 0
    assert process("chat", "-p", "ops", stdin=b"/save yours\n").code == 0
    assert process("chat", "-p", "ops", "--continue", stdin=b"").code == 0
    kept = process("session", "list", "--json").json["sessions"]
    assert sorted(entry["session"] for entry in kept) == ["mine", "yours"]


def test_a_session_is_gone_on_with_shown_exported_and_deleted(filled, process, tmp_path):
    process("chat", "-p", "ops", "--session", "keys", stdin=b"How often are API keys rotated?\n")
    assert process("chat", "--continue", stdin=b"and after a leak?\n").code == 0
    shown = process("session", "show", "keys", "--json").json
    assert [turn["role"] for turn in shown["turns"]] == ["user", "assistant"] * 2
    assert shown["turns"][1]["citations"][0]["file_id"] == "keys.md"
    assert process("session", "export", "keys", "-o", "talk.md").code == 0
    text = (tmp_path / "talk.md").read_text()
    assert text.startswith("# keys\n\n> How often are API keys rotated?\n\nRotate every API key")
    assert "- [1] keys.md:3" in text
    assert process("session", "delete", "keys").code == ExitCode.USAGE  # nobody to ask
    assert process("session", "delete", "keys", "--yes").code == 0
    assert process("session", "show", "keys").code == ExitCode.NOT_FOUND
    assert process("chat", "--continue", stdin=b"x\n").code == ExitCode.NOT_FOUND


def test_an_error_in_a_pipe_is_told_by_the_exit_code_and_the_rest_goes_on(filled, process):
    result = process("chat", "-p", "ops", stdin=b"/nonsense\nHow often are API keys rotated?\n")
    assert result.code == ExitCode.USAGE
    assert "there is no command /nonsense" in result.err
    assert "90 days" in result.out


def test_a_question_that_failed_is_not_kept_and_a_broken_answer_is_kept_with_its_question(filled, process, stub):
    env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "cites", "OPENRAG_LLM_RETRIES": "0"}
    asked = ("stub:refuses how often are keys rotated?", "stub:breaks how often?", "stub:refuses when?", "/retry")
    failed = process("chat", "-p", "ops", "--session", "s", stdin="\n".join(asked).encode(), env=env)
    assert failed.code == ExitCode.CONFIG
    assert failed.err.count("refuses the key (401)") == 3, "what failed can be tried again"
    kept = process("session", "show", "s", "--json").json["turns"]
    assert [(turn["role"], turn["content"].strip()) for turn in kept] == [
        ("user", asked[1]),
        ("assistant", "Half an  [broken off]"),
    ]
    with open_engine(Path(os.environ["OPENRAG_STORE"])) as engine:
        engine.sessions.append_answered("s", "left alone by an older version", "")
        with engine.parts.database.transaction() as connection:
            connection.execute("DELETE FROM message WHERE content = ''")
    assert process("chat", "--session", "s", stdin=b"stub:cites how often?\n", env=env).code == 0
    roles = [message["role"] for message in stub.last()["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


def test_retry_puts_its_answer_in_the_place_of_the_last_one(filled, process, stub):
    env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "whole"}
    assert process("chat", "-p", "ops", "--session", "r", stdin=b"how often?\n/retry\n", env=env).code == 0
    kept = process("session", "show", "r", "--json").json["turns"]
    assert [turn["role"] for turn in kept] == ["user", "assistant"]
    assert [message["role"] for message in stub.last()["messages"]] == ["system", "user"]


# --- chat on a terminal


@pytest.mark.parametrize("columns", [80, 200])
def test_a_conversation_on_a_terminal(terminal, columns):
    child = terminal("chat", "-p", "ops", columns=columns)
    child.expect("answers are sentences of your documents")
    say(child, "How often are API keys rotated?")
    child.expect(r"\[1\] keys.md:3")
    shown = plain(child.before)
    assert "every 90 days" in " ".join(shown.split())
    say(child, "/open 1")
    child.expect("After a leak rotate at once")
    say(child, "/partition été 2")
    child.expect("searching: été 2")
    say(child, "/model x")
    child.expect("no LLM is set up")
    say(child, "/open 7")
    child.expect("there is no passage '7'")
    assert "kept as session" in leave(child)
    assert child.exitstatus == 0


def test_the_arrow_brings_back_what_was_asked(terminal):
    child = terminal("chat", "-p", "ops")
    say(child, "How often are API keys rotated?")
    child.expect(r"\[1\] keys.md")
    leave(child)
    again = terminal("chat", "-p", "ops")
    again.expect(READY)
    again.send("\x1b[A\r")
    again.expect(r"\[1\] keys.md")
    leave(again)


def test_tab_completes_commands_and_partitions(terminal):
    child = terminal("chat")
    child.expect(READY)
    child.send("/part\t")
    child.expect("/partition")
    child.send(" op\t")
    child.expect("s")
    child.send("\r")
    child.expect("searching: ops")
    leave(child)


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal, stub):
    env = {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": "endless"}
    child = terminal("chat", "--session", "s", env=env)
    n_broken = stub.n_broken
    say(child, "How often?")
    child.expect("word9")
    child.sendintr()
    child.expect("stopped")
    wait_until(lambda: stub.n_broken > n_broken)
    say(child, "stub:whole and now?")
    child.expect("In one piece")
    say(child, "/retry")
    child.expect("In one piece")
    leave(child)
    assert child.exitstatus == 0


def test_a_session_survives_kill_9(terminal, process, stub):
    child = terminal("chat", "--session", "hardy", "-p", "ops")
    say(child, "How often are API keys rotated?")
    child.expect(r"\[1\] keys.md")
    child.expect(READY)
    child.kill(signal.SIGKILL)
    child.wait()
    again = terminal("chat", "--session", "hardy")
    again.expect("session hardy, 2 messages so far")
    say(again, "and after a leak?")
    again.expect("rotate at once")
    leave(again)
    assert len(process("session", "show", "hardy", "--json").json["turns"]) == 4


def test_a_session_is_saved_under_a_name_and_exported(terminal, tmp_path):
    child = terminal("chat", "-p", "ops")
    say(child, "How often are API keys rotated?")
    child.expect(r"\[1\] keys.md")
    say(child, "/save my keys")
    child.expect("this is session my keys now")
    say(child, "/export talk.md")
    child.expect("wrote talk.md")
    assert "openrag chat --session 'my keys'" in leave(child)
    assert (tmp_path / "talk.md").read_text().startswith("# my keys")


def test_alt_enter_begins_a_new_line(terminal, process):
    child = terminal("chat", "--session", "lines", "-p", "ops")
    child.expect(READY)
    child.send("How often are\x1b\rAPI keys rotated?\r")
    child.expect(r"\[1\] keys.md")
    leave(child)
    assert (
        process("session", "show", "lines", "--json").json["turns"][0]["content"]
        == "How often are\nAPI keys rotated?"
    )
