"""The contract of the command line: streams, exit codes, options before and after, signals, pipes, start-up."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
import typer

from openrag_cli import errors
from openrag_cli.cli import exit_codes as exits
from openrag_cli.cli import help_formatter as helptext
from openrag_cli.cli import main
from openrag_cli.cli.exit_codes import ExitCode

HEAVY = [
    "lancedb",
    "pyarrow",
    "onnxruntime",
    "tokenizers",
    "lxml",
    "olefile",
    "httpx",
    "fastapi",
    "numpy",
    "rich",
    "uvicorn",
    "asyncio",
    "prompt_toolkit",
]


def _error_classes(kind=errors.OpenRAGError):
    yield kind
    for child in kind.__subclasses__():
        yield from _error_classes(child)


@pytest.mark.parametrize("kind", list(_error_classes()), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_and_a_stable_code(kind):
    assert exits.exit_code(kind) in exits.ExitCode
    assert exits.exit_code(kind) is not exits.ExitCode.OK
    assert re.fullmatch(r"[a-z_]+", kind.code)


def test_error_codes_are_distinct():
    said = [kind for kind in _error_classes() if "code" in vars(kind)]
    assert len({kind.code for kind in said}) == len(said)
    public = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.OpenRAGError)
    }
    assert public <= set(said), "only a class that one module knows may speak with its parent's code"


def test_global_options_work_before_and_after_the_command(cli, handbook, tmp_path):
    other = tmp_path / "other"
    assert cli("--store", other, "file", "add", handbook).code == 0
    before = cli("--store", other, "--json", "file", "list").json
    assert cli("file", "list", "--json", f"--store={other}").json == before
    assert cli("file", "list").out == ""


def test_options_after_a_double_dash_are_text():
    assert main.move_global_options_first(["search", "--json", "--", "--store", "x"]) == [
        "--json",
        "search",
        "--",
        "--store",
        "x",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["serch", "x"], 2, "search"),
        (["file", "lst"], 2, "list"),
        (["search"], 2, "openrag search --help"),
        (["search", "x", "-k", "0"], 2, None),
        (["search", "  "], 2, "openrag search"),
        (["search", "x", "-p", "nowhere"], 66, "openrag partition list"),
        (["search", "x", "--filter", "year >"], 2, "year >= 2024"),
        (["file", "show", "nothing"], 66, "openrag file list"),
        (["task", "show", "0" * 48], 66, "openrag task list"),
        (["extract", "show", "none"], 66, None),
        (["file", "add"], 2, "openrag file add"),
        (["file", "sync", "nowhere"], 66, "mount"),
        (["file", "sync", ".", "--max-delete", "all"], 2, "20%"),
        (["file", "sync", ".", "--timeout", "-1"], 2, "openrag file sync --help"),
        (["file", "add", "x", "-m", "novalue"], 2, "-m year=2024"),
        (["task", "prune", "--older-than", "soon"], 2, "7d"),
        (["--threads", "0", "partition", "list"], 78, None),
        (["--embed-model", "nowhere", "search", "x"], 78, "manifest.json"),
    ],
)
def test_bad_input_gets_one_line_a_hint_and_its_exit_code(cli, arguments, code, hint):
    cli("partition", "create", "empty")
    result = cli(*arguments)
    assert result.code == code, result.err
    assert result.out == ""
    lines = result.err.splitlines()
    assert lines[0].startswith("error: ")
    assert len(lines) <= 2
    assert "Traceback" not in result.err
    if hint:
        assert hint in result.err
    in_json = cli("--json", *arguments)
    assert (in_json.code, in_json.out) == (code, "")
    assert '"schema": "openrag.error/1"' in in_json.err


def test_a_newer_store_and_another_model_are_refused(cli, handbook, tmp_path):
    import json
    import shutil
    import sqlite3

    from openrag_cli.inference.onnx_embedder import default_model_dir

    cli("file", "add", handbook)
    model = tmp_path / "model"
    shutil.copytree(default_model_dir(), model)
    manifest = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps(manifest | {"query_prefix": "query: "}))
    other = cli("--embed-model", model, "search", "keys")
    assert other.code == 78
    assert "made with the embedding model" in other.err
    connection = sqlite3.connect(tmp_path / "store" / "openrag.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    newer = cli("search", "keys")
    assert newer.code == 78
    assert "pip install --upgrade" in newer.err


def test_a_folder_of_other_files_is_not_a_store(cli, handbook):
    assert cli("--store", handbook, "partition", "list").code == 78
    assert not (handbook / "openrag.db").exists()


def test_search_modes_limits_and_lines(cli, handbook):
    cli("file", "add", handbook)
    for mode in ("hybrid", "dense", "text"):
        assert cli("search", "rotate api keys", "--mode", mode, "-l").out.splitlines()[0] == "handbook/ops/keys.md"
    hits = [__import__("json").loads(line) for line in cli("search", "keys", "-k", "2", "--jsonl").out.splitlines()]
    assert [hit["schema"] for hit in hits] == ["openrag.hit/1"] * 2
    assert cli("search", "keys", "--min-score", "0.99").code == 1
    assert cli("search", "leave", "-f", "ops/keys.md", "-l").out == "handbook/ops/keys.md\n"
    assert "dense_rank" in cli("search", "keys", "--explain").out
    cli("file", "edit", "ops/keys.md", "-m", "year=2024")
    assert cli("search", "leave", "--filter", "year >= 2024", "-l").out == "handbook/ops/keys.md\n"
    assert cli("search", "leave", "--filter", "year < 2024").code == 1


def test_nothing_found_is_exit_1_with_empty_json(cli):
    cli("partition", "create", "empty")
    result = cli("search", "anything", "--json")
    assert (result.code, result.json["hits"]) == (1, [])


def test_a_closed_pipe_ends_silently_with_141(process, handbook):
    assert process("file", "add", handbook).code == 0
    command = f"{sys.executable} -m openrag_cli search keys -k 100 --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "141"
    assert done.stderr == ""


def test_no_colour_and_no_rich_without_a_terminal(process, handbook):
    process("file", "add", handbook)
    assert "\x1b" not in process("search", "keys").out
    assert "\x1b[" in process("search", "keys", "--color", "always", env={"NO_COLOR": "1"}).out


def _on_a_terminal(*arguments, columns=80):
    parent, child = pty.openpty()
    os.environ["COLUMNS"] = str(columns)
    try:
        program = subprocess.Popen(
            [sys.executable, "-m", "openrag_cli", *arguments], stdout=child, stderr=child, stdin=child
        )
    finally:
        del os.environ["COLUMNS"]
    os.close(child)
    shown = b""
    while True:
        try:
            block = os.read(parent, 65536)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.close(parent)
    return program.wait(30), shown.decode()


def test_a_terminal_gets_tables_colour_and_no_line_wider_than_it_is(process, handbook):
    process("file", "add", handbook)
    code, shown = _on_a_terminal("file", "list")
    assert code == 0
    assert "FILE" in shown
    code, shown = _on_a_terminal("search", "rotate keys")
    assert "\x1b[1" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert max(len(line) for line in plain.splitlines()[1:] if line.startswith("   ")) <= 80
    code, shown = _on_a_terminal()
    assert "4 files" in shown


def test_ctrl_c_finishes_the_batch_in_hand_and_the_next_run_goes_on(process, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(700):
        (folder / f"{number}.md").write_text(
            f"# Note {number}\n\n" + f"word{number} in a sentence of note {number}. " * 20
        )
    program = subprocess.Popen(
        [sys.executable, "-m", "openrag_cli", "file", "add", str(folder)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while '"COMPLETED"' not in process("task", "list", "--json", "--limit", "-1", "--state", "COMPLETED").out:
        assert time.monotonic() < deadline, "no task was completed"
    program.send_signal(signal.SIGINT)
    _, shown = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "openrag task run" in shown
    n_kept = len(process("file", "list", "--json").json["files"])
    assert 0 < n_kept < 700
    again = process("file", "add", str(folder), "--json")
    assert (again.code, again.json["failed"]) == (0, 0)
    assert again.json["unchanged"] == n_kept
    assert len(process("file", "list", "--json").json["files"]) == 700


@pytest.mark.parametrize(
    "arguments", [["--help"], ["task", "list"], ["partition", "list"], ["file", "list"], ["--version"]]
)
def test_what_reads_only_the_catalog_imports_nothing_heavy(process, arguments):
    code = (
        "import sys\nfrom openrag_cli.cli.main import run\n"
        f"code = run({arguments!r})\nprint('MODULES', *sorted(sys.modules))\nsys.exit(code)"
    )
    assert process("partition", "create", "default").code == 0
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    modules = {name.split(".")[0] for name in done.stdout.split("MODULES", 1)[1].split()}
    assert not modules & set(HEAVY)


def test_a_search_imports_no_pandas(process, handbook):
    assert process("file", "add", handbook).code == 0
    code = (
        "import sys\nsys.argv = ['openrag', 'search', 'keys']\nfrom openrag_cli.__main__ import main\n"
        "try:\n    main()\nfinally:\n    print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    modules = done.stdout.split("MODULES", 1)[1].split()
    assert "lancedb" in modules
    assert "pandas" not in modules


@pytest.mark.parametrize(
    "words",
    [["partition"], ["file"], ["extract"], ["task"], ["search"], ["file", "add"], ["file", "sync"], ["serve"]],
)
def test_help_teaches_by_example(cli, words):
    shown = cli(*words, "--help")
    assert shown.code == 0
    assert "openrag " + " ".join(words) in shown.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["file", "add", "--files-from", "nowhere"], ExitCode.NOT_FOUND, "no such file"),
        (["file", "add", "--files-from", "."], ExitCode.USAGE, "cannot be read"),
        (["task", "list", "--limit", "9" * 30], ExitCode.USAGE, "too large"),
        (["file", "list", "-p", "p", "--limit", "9" * 30], ExitCode.USAGE, "too large"),
        (["partition", "show", "\udcff"], ExitCode.USAGE, "not valid Unicode"),
        (["extract", "show", "\udcff"], ExitCode.NOT_FOUND, "not found"),
        (["file", "edit", "a", "-p", "p", "-m", "k=\udcff"], ExitCode.BAD_DATA, "not valid JSON"),
        (["search", "x", "--min-score", "nan"], ExitCode.USAGE, "must be a number"),
        (["task", "wait", "x", "--timeout", "nan"], ExitCode.USAGE, "must be a number"),
        (["file"], ExitCode.USAGE, "Commands:"),
    ],
)
def test_an_odd_argument_is_a_mistake_of_the_caller_and_not_a_bug(cli, arguments, code, says):
    assert cli("partition", "create", "p").code == 0
    result = cli(*arguments)
    assert (result.code, result.out) == (code, "")
    assert says in result.err


@pytest.mark.parametrize("file_id", ["..a", "a/b..", "x" * 400 + ".md"])
def test_what_comes_from_stdin_may_have_any_legal_id(process, file_id):
    assert process("file", "add", "-", "--id", file_id, "-p", "p", stdin=b"# Notes\n\nhello\n").code == 0
    assert process("file", "show", file_id, "-p", "p", "--json").json["file_id"] == file_id


def test_the_log_level_of_the_environment_counts(process):
    assert "not 'loud'" in process("partition", "list", env={"OPENRAG_LOG_LEVEL": "loud"}).err


def test_help_and_a_command_load_no_other_commands_and_mistakes_are_told_by_the_whole_program(cli):
    script = (
        "import sys\nfrom openrag_cli.cli.main import run\nrun(sys.argv[1:])\n"
        "print(*sorted(m for m in sys.modules if m.startswith('openrag_cli')), file=sys.stderr)"
    )
    loaded = {}
    for words in (("--help",), ("-q", "task", "list", "--help"), ("file", "list", "--help")):
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
        loaded[words] = {name.removeprefix("openrag_cli.") for name in done.stderr.split()}
        assert not loaded[words] & {"engine", "store.database", "cli.commands.chat", "cli.commands.search"}
    assert "cli.commands.task" in loaded["-q", "task", "list", "--help"]
    assert "cli.commands.task" not in loaded[("--help",)]
    assert not loaded["file", "list", "--help"] & {"cli.commands.add", "cli.commands.sync", "ingest.discovery"}
    whole = cli("--help").out
    for name in (*main.COMMANDS, *main.GROUPS):
        assert re.search(rf"^  {name} +[A-Z]", whole, re.MULTILINE), name
    assert "did you mean 'openrag file list'" in cli("file", "lst").err
    assert "it is an option of 'openrag" in cli("--glob", "x").err
    assert "did you mean 'openrag config show'?" in cli("config", "list").err
    assert "did you mean '--help'?" in cli("search", "--helo").err


def test_what_is_told_of_commands_that_are_not_loaded_is_what_they_say():
    full, told = (typer.main.get_command(main.program(one)) for one in (None, ()))
    assert [*full.commands] == [*told.commands]
    for name, command in full.commands.items():
        assert helptext.read(told.commands[name]).summary == helptext.read(command).summary


@pytest.mark.parametrize("option", ["--color", "--store", "--threads"])
def test_a_global_option_at_the_end_without_its_value_is_told(cli, option):
    result = cli("search", "zebra", option)
    assert (result.code, result.out) == (2, "")
    assert f"error: Option '{option}' requires an argument." in result.err
    told = json.loads(cli("search", "zebra", "--json", option).err)
    assert (told["schema"], told["message"]) == ("openrag.error/1", f"Option '{option}' requires an argument.")
