"""What is made from the command tree: equal to its sources, in order for their readers, and alive in each shell."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import build_docs as manual
import httpx
import jsonschema
import pexpect
import pytest
import typer.main
from harness import open_engine, put

from openrag_cli.cli import help_topics as topics
from openrag_cli.cli import main
from openrag_cli.cli.completion_scripts import PATHS
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.config.settings import SETTINGS
from openrag_cli.contract import schemas as contract
from openrag_cli.domain import TaskState

ROOT = Path(__file__).parent.parent
PAGES = list(manual.pages(manual.tree()))
COMMANDS = [page for page in PAGES if page.path and not page.children]


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


# --- files


def test_every_file_is_what_its_sources_make():
    for name, text in manual.made().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: python scripts/build_docs.py makes it"
    known = set(manual.made())
    for path in (*ROOT.glob("man/*/*"), *ROOT.glob("completions/*")):
        assert str(path.relative_to(ROOT)) in known


def test_the_man_pages_are_clean():
    mandoc = needs("mandoc")
    pages = sorted(map(str, ROOT.glob("man/*/*")))
    done = subprocess.run([mandoc, "-T", "lint", *pages], capture_output=True, text=True, timeout=60, check=False)
    # Pages that refer to each other are not installed here.
    told = [line for line in done.stdout.splitlines() if "referenced manual not found: Xr openrag" not in line]
    assert told == []


def test_there_is_a_page_for_every_command_and_every_option_is_on_it():
    for page in PAGES:
        text = (ROOT / "man" / "man1" / f"{'-'.join(['openrag', *page.path.split()])}.1").read_text()
        for option in page.options:
            for flag in option.opts:
                assert f"Fl {flag.removeprefix('-').replace('-', chr(92) + '-')}" in text
    config = (ROOT / "man/man5/openrag-config.5").read_text()
    assert all(setting.key in config and setting.env[0] in config for setting in SETTINGS)


def test_every_option_has_help_and_every_value_a_default_or_a_reason():
    for page in PAGES:
        for parameter in (*page.options, *page.arguments):
            assert parameter.help, f"{page.path}: {parameter.name}"
        for option in page.options:
            told = "Default:" in option.help or "Repeatable" in option.help or option.name in {"help", "version"}
            assert told or option.required or option.default not in (None, [], ""), (
                f"{page.path}: {option.opts} tells no default"
            )


def _calls(example: str):
    """Yield the words of each call of openrag in a line of shell."""
    lexer = shlex.shlex(
        re.sub(r'"?[$<]\(', "; ", example).replace(')"', "").replace(")", ""), posix=True, punctuation_chars="|;&><"
    )
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word[0] not in "|;&><":
            words.append(word)
            continue
        if "openrag" in words:  # after variables, `sudo`, or the times of a crontab
            yield words[words.index("openrag") + 1 :]
        words = []


@pytest.mark.parametrize("page", COMMANDS, ids=lambda page: page.path)
def test_every_command_has_examples_that_the_program_can_read(page):
    assert page.examples
    root = typer.main.get_command(main.program())
    for example in page.examples:
        calls = list(_calls(example))
        assert any(" ".join(main.move_global_options_first(words)).find(page.path) >= 0 for words in calls), example
        for words in calls:
            context = root.make_context("openrag", main.move_global_options_first(words))
            rest = [*context._protected_args, *context.args]
            while rest and hasattr(context.command, "commands"):
                name, command, rest = context.command.resolve_command(context, rest)
                context = command.make_context(name, rest, parent=context)
                rest = [*getattr(context, "_protected_args", []), *context.args]
            assert not hasattr(context.command, "commands"), "it calls a group"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path or "openrag")
def test_help_shows_examples_before_anything_long(cli, page):
    shown = cli(*page.path.split(), "--help")
    assert shown.code == 0
    assert 0 < shown.out.index("Examples:\n") < shown.out.index("Options:\n")
    assert all(f"  {example}\n" in shown.out for example in page.examples)
    text = [line for line in shown.out.splitlines() if line.strip() not in page.examples]
    assert max(map(len, text)) <= 80


# --- the contract


def test_every_command_has_a_schema_and_every_schema_a_use():
    names = {page.path for page in COMMANDS} | {""}
    assert names == contract.COMMANDS.keys()
    used = {name for all_of in contract.COMMANDS.values() for name in all_of.values()} | {"error"}
    assert used == contract.SHAPES.keys()
    for name in contract.SHAPES:
        jsonschema.Draft202012Validator.check_schema(contract.schema_of(name))


@pytest.fixture
def filled(environment, tmp_path):
    with open_engine(tmp_path / "store") as engine:
        put(engine, "été 1", "dir/a note.md", "# Note\n\nThe pump weighs three tons.\n")
        put(engine, "ops", "keys.md", "# Keys\n\nRotate every API key every 90 days.\n")
        engine.drain()
        engine.sessions.open("my talk", [])
        engine.sessions.append_answered("my talk", "hello", "yes?")
    return environment


def closed(schema):
    """Return a schema that allows no key that it does not name: what is printed must be published."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {
        key: {name: closed(entry) for name, entry in value.items()} if key == "properties" else closed(value)
        for key, value in schema.items()
    }
    return inner | ({"additionalProperties": False} if "properties" in schema else {})


def validated(result, name):
    """Check the output of a command, one object or lines of them, against its schema, strictly; return it."""
    bodies = [json.loads(line) for line in result.out.splitlines()]
    assert bodies, result.err
    for body in bodies:
        jsonschema.validate(body, closed(contract.schema_of(name)))
        assert next(iter(body)) == "schema"
    return bodies[0]


def test_every_command_prints_what_its_schema_says(filled, cli, tmp_path):
    (tmp_path / "new.md").write_text("# New\n\nfresh\n")
    (tmp_path / "newer.md").write_text("# Newer\n\nfresher\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("# One\n\nonly\n")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    ran = set()

    def run(command, *arguments, option="--json", codes=(0,)):
        result = cli(*command.split(), *arguments, *option.split())
        assert result.code in codes, result.err
        ran.add((command, option))
        return validated(result, contract.COMMANDS[command][option])

    hit = run("search", "pump")["hits"][0]
    run("search", "pump", "--context", "1")
    run("search", "pump", option="--jsonl")
    run("ask", "how heavy is the pump?")
    run("extract show", hit["chunk_id"], "--context", "1")
    run("file add", "new.md", "bad.pdf", "-p", "ops", codes=(3,))
    run("file add", "newer.md", "-p", "ops", "--dry-run")
    run("open", "new.md", "-p", "ops")
    run("grep", "fresh")
    run("file delete", "keys.md", "-p", "ops", "--dry-run")
    run("file add", "newer.md", "-p", "ops", "--detach")
    run("task run")
    run("file keys", "-p", "ops")
    run("file list", "-p", "ops")
    run("file list", "-p", "ops", option="--jsonl")
    run("file show", "keys.md", "-p", "ops")
    run("file get", "keys.md", "-p", "ops")
    run("file edit", "keys.md", "-p", "ops", "-m", "year=2024")
    run("file replace", "keys.md", "newer.md", "-p", "ops")
    run("file refresh", "-p", "ops", "--dry-run")
    run("file refresh", "keys.md", "-p", "ops")
    run("file rename", "keys.md", "old/keys.md", "-p", "ops")
    run("file rename", "old/keys.md", "keys.md", "-p", "ops")
    run("task list")
    run("task list", option="--jsonl")
    failed = run("task list", "--state", "FAILED")["tasks"][0]["task_id"]
    for command in ("task show", "task log", "task error"):
        run(command, failed)
    run("task retry", failed)
    run("task cancel", failed)
    run("task wait", failed, codes=(0, 3))
    run("task prune")
    run("file sync", "docs", "-p", "ops", "--dry-run")
    run("file sync", "docs", "-p", "ops")
    run("file sync", option="--list --json")
    run("file delete", "keys.md", "none.md", "-p", "ops", "--yes", codes=(3,))
    for command in ("partition list", "partition show ops", "session list", "session show", "session export"):
        name = command if command in contract.COMMANDS else "partition show"
        run(name, *(["ops"] if name == "partition show" else ["my talk"] if "list" not in name else []))
    run("session search", "HELLO")
    (tmp_path / "q.jsonl").write_text(
        '{"question": "how heavy is the pump?", "relevant": ["keys.md"], "answers": ["9"]}'
    )
    run("eval run", tmp_path / "q.jsonl", "-p", "ops", "-k", "5", "--fail-under", "mrr@5=1", codes=(0, 1))
    run("partition create", "fresh")
    run("partition delete", "fresh", "--yes")
    run("session delete", "my talk", "--yes")
    run("view create", "mine", "-p", "ops", "--filter", "year = 2024")
    run("view list")
    run("view show", "mine")
    run("view delete", "mine", "--yes")
    run("")
    for command in ("help", "help filters", "help file add", "completion zsh"):
        name = command.split()[0]
        validated(cli(*command.split(), "--json"), contract.COMMANDS[name]["--json"])
        ran.add((name, "--json"))
    for command in ("config show", "config path", "config validate", "schema", "doctor"):
        run(command)
    run("config set", "threads", "2")
    run("config get", "threads")
    run("config unset", "threads")
    (tmp_path / "openrag.toml").write_text("threads = 2\n")
    run("config trust")
    run("config untrust")
    run("store optimize")
    run("export", "-p", "ops", "-o", "out")
    run("import", "out", "-p", "again")
    run("backup", "b.tar")
    run("restore", "b.tar", "--store", "other")
    expected = {(command, option) for command, all_of in contract.COMMANDS.items() for option in all_of}
    assert expected - ran == {("chat", "--json"), ("serve", "--json")}  # below


def test_a_chat_prints_an_object_for_each_question(filled, process):
    done = process(
        "chat", "--json", stdin=b"how heavy is the pump?\n\n/sources\n/partition ops\nhow often do keys rotate?\n"
    )
    validated(done, "answer")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [entry["citations"][0]["file_id"] for entry in answers] == ["dir/a note.md", "keys.md"]
    assert done.code == ExitCode.USAGE  # /sources
    told = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    assert [entry["code"] for entry in told] == ["invalid_input"]


def test_a_server_prints_where_it_is(filled):
    command = [sys.executable, "-m", "openrag_cli", "serve", "--port", "0", "--workers", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            body = json.loads(server.stdout.readline())
            jsonschema.validate(body, closed(contract.schema_of("serving")))
            assert body["pid"] == server.pid
            assert httpx.get(f"{body['url']}/livez").status_code == 200
        finally:
            server.terminate()
        for line in server.stderr.read().splitlines():
            json.loads(line)
        assert server.wait(60) == 0  # though it had hardly begun to load the model


@pytest.mark.parametrize(
    "arguments", [["partition", "show", "none"], ["serch"], ["search"], ["task", "show", "x"], ["file"]]
)
def test_an_error_is_an_object_on_stderr(filled, cli, arguments):
    result = cli(*arguments, "--json")
    assert result.out == ""
    jsonschema.validate(json.loads(result.err), closed(contract.schema_of("error")))


def test_schema_prints_what_is_checked_here(cli):
    assert json.loads(cli("schema", "file", "list", "--jsonl").out) == contract.schema_of("file")
    assert json.loads(cli("schema", "search").out) == contract.schema_of("search")
    assert json.loads(cli("schema", "openrag.error/1").out)["$id"] == "openrag.error/1"
    assert cli("schema", "nonsense").code == ExitCode.NOT_FOUND


# --- help


@pytest.mark.parametrize("topic", topics.TOPICS)
def test_every_topic_tells_all_there_is(cli, topic):
    text = cli("help", topic).out
    needles = {
        "exit-codes": [str(code.value) for code in ExitCode],
        "environment": [name for setting in SETTINGS for name in setting.env],
        "output": list(contract.SHAPES),
        "filters": ["contains", "exists", "not"],
        "limits": ["max_file_bytes", "invalid_metadata", "cut"],
        "trust": ["config trust", "top_k", "llm.base_url"],
    }[topic]
    assert all(needle in text for needle in needles)
    assert max(map(len, text.splitlines())) <= 130


def test_a_group_without_a_command_shows_its_help_on_stderr(cli):
    shown = cli("task")
    assert (shown.code, shown.out) == (ExitCode.USAGE, "")
    assert shown.err.rstrip() == cli("task", "--help").out.rstrip()


def test_every_exit_code_has_a_meaning():
    assert topics.MEANINGS.keys() == set(ExitCode)


def test_help_of_a_command_is_its_help(cli):
    assert cli("help", "file", "add").out.strip() == cli("file", "add", "--help").out.strip()
    assert cli("help", "nonsense").code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["serch", "x"], "did you mean 'openrag search'?"),
        (["search", "x", "-n", "3"], "did you mean '-k'?"),
        (["ask", "x", "--limit", "3"], "did you mean '--top-k'?"),
        (["file", "ad", "x"], "did you mean 'openrag file add'?"),
        (["search", "x", "--top"], "did you mean '--top-k'?"),
        (["search", "x", "--stroe", "y"], "did you mean '--store'?"),
        (["search", "x", "--xyzzy"], "hint: openrag search --help"),
        (["--partition", "x", "search", "y"], "it is an option of 'openrag search': write it after that"),
        (["retry", "x"], "did you mean 'openrag task retry'?"),
        (["xyzzy"], "hint: openrag --help"),
    ],
)
def test_a_typo_is_answered_with_the_nearest(cli, arguments, hint):
    result = cli(*arguments)
    assert result.code == ExitCode.USAGE
    assert hint in result.err


# --- completion


@pytest.fixture
def complete(filled, process):
    def run(*words):
        result = process("__complete", "--", *words)
        return result.code, [line.split("\t")[0] for line in result.out.splitlines()]

    return run


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["se"], ["search", "session", "serve"]),
        (["file", "ad"], ["add"]),
        (["search", "-p", "é"], ["été 1"]),
        (["search", "--partition=é"], ["--partition=été 1"]),
        (["partition", "show", ""], ["ops", "été 1"]),
        (["file", "show", "-p", "ops", "k"], ["keys.md"]),
        (["file", "show", "dir/"], ["dir/a note.md"]),
        (["open", "-p", "ops", "k"], ["keys.md"]),
        (["session", "show", "my"], ["my talk"]),
        (["task", "list", "--state", "fa"], ["FAILED"]),
        (["task", "list", "--state", ""], [str(state) for state in TaskState]),
        (["config", "get", "llm.b"], ["llm.base_url"]),
        (["help", "x"], []),
        (["search", "--filter", "media_t"], ["media_type"]),
        (["file", "list", "-p", "ops", "--filter", "not (size > 1) and chunk"], ["not (size > 1) and chunk_count"]),
        (["search", "--filter", "size > 1 "], []),
        (["search", "--mo"], ["--mode"]),
        (["--store", "nowhere", "partition", "show", ""], []),
        (["completion", "z"], ["zsh"]),
    ],
)  # fmt: skip
def test_a_word_is_completed_from_the_tree_and_the_catalog(complete, words, found):
    code, values = complete(*words)
    assert (code, sorted(values)) == (0, sorted(found))


@pytest.mark.parametrize("words", [["file", "add", ""], ["--store", ""], ["restore", "b"]])
def test_where_a_file_is_wanted_the_shell_is_asked_for_it(complete, words):
    assert complete(*words) == (3, [])


def test_completion_makes_no_store_and_imports_nothing_heavy(environment, tmp_path):
    program = (
        "import sys; from openrag_cli.cli.completion import run; run(['--', 'partition', 'show', '']);"
        "print([name for name in ('typer', 'rich', 'lancedb', 'numpy', 'httpx', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
    assert not (tmp_path / "store").exists()


@pytest.fixture
def shell(filled, tmp_path):
    """Start a shell in which `openrag` is this program, with the script of that shell loaded."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "openrag"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m openrag_cli "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8",
        "HOME": str(tmp_path), "PS1": "READY$ ", "fish_features": "no-query-term",
    }  # fmt: skip
    started = []

    def start(command, *arguments):
        child = pexpect.spawn(
            needs(command), list(arguments), env=environment, encoding="utf-8", timeout=20, dimensions=(40, 200)
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def test_bash_completes_a_partition_with_an_accent_and_a_space(shell):
    child = shell("bash", "--norc", "-i")
    child.sendline(f"bind 'set bell-style none'; source {ROOT}/completions/openrag.bash; echo LOAD''ED")
    child.expect("LOADED")
    child.send("openrag partition show é\t\r")
    child.expect("chunks +1")
    child.send("openrag partition show 'é\t\r")
    child.expect("chunks +1")


TYPED = [
    ("file show -p signs a:", "a:b c.md"),
    ("file show -p signs 'a:", "a:b c.md"),
    ('file show -p signs "a:b', "a:b c.md"),
    ("file show -p signs k=", "k=v.md"),
    ("file show -p signs it", "it's.md"),
    ("file show --partition=signs it", "it's.md"),
    ("file show -p signs 'it", "it's.md"),
    ('file show -p signs "q', 'q"r.md'),
    ('file show -p signs "$', "$x.md"),
]
"""What is typed before the key, and the file that it comes to."""


@pytest.fixture
def signs(filled, process, tmp_path):
    """Files whose names have what shells read otherwise."""
    folder = tmp_path / "signs"
    folder.mkdir()
    for _, name in TYPED:
        (folder / name).write_text(f"# {name}")
    assert process("file", "add", folder, "-p", "signs").code == 0


def complete_all(child, typed_names):
    for typed, name in typed_names:
        child.send(f"openrag {typed}\t --json\r")
        child.expect_exact(f'"file_id": {json.dumps(name)}')


def test_bash_completes_behind_a_colon_an_equals_sign_and_a_quote(shell, signs):
    child = shell("bash", "--norc", "-i")
    child.sendline(f"bind 'set bell-style none'; source {ROOT}/completions/openrag.bash; echo LOAD''ED")
    child.expect("LOADED")
    complete_all(child, TYPED)


def test_zsh_completes_behind_a_colon_an_equals_sign_and_a_quote(shell, signs, tmp_path):
    child = shell("zsh", "-f", "-i")
    child.sendline(f"fpath=({ROOT}/completions $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump")
    child.sendline("echo LOAD''ED")
    child.expect("LOADED")
    complete_all(child, TYPED[:-1])  # behind a $ in quotes it completes its own parameters


def test_zsh_completes_a_partition_with_an_accent_and_a_space(shell, tmp_path):
    child = shell("zsh", "-f", "-i")
    child.sendline(f"fpath=({ROOT}/completions $fpath); autoload -Uz compinit; compinit -u -d {tmp_path}/dump")
    child.sendline("echo LOAD''ED")
    child.expect("LOADED")
    child.send("openrag partition show é\t\r")
    child.expect("chunks +1")


def test_fish_completes_a_partition_with_an_accent_and_a_space(shell):
    fish = needs("fish")
    script = f"source {ROOT}/completions/openrag.fish; complete -C 'openrag partition show é'"
    done = subprocess.run(
        [fish, "--no-config", "-c", script],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PATH": f"{_program_folder()}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["été 1\t1 file"], done.stderr


def _program_folder() -> Path:
    return Path(sys.executable).parent


def test_the_scripts_are_printed_by_the_command(cli):
    for shell_name, path in PATHS.items():
        assert cli("completion", shell_name).out == (ROOT / path).read_text()


def test_no_two_commands_share_an_example():
    examples = list(itertools.chain.from_iterable(page.examples for page in COMMANDS))
    assert len(examples) == len(set(examples))
