"""Every exit code of the command line, produced by the real process, and nothing where there should be nothing."""

import fcntl
import json
import os
import py_compile
import re
import resource
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import open_engine, put
from stub_llm import stub_llm

from openrag_cli import __version__
from openrag_cli.cli.commands.context import Context
from openrag_cli.cli.exit_codes import ExitCode

PROGRAM = [sys.executable, "-m", "openrag_cli"]
SEEN: set[ExitCode] = set()
"""The codes that the tests below have produced; the last test asks for all."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("codes")
    with open_engine(folder / "store") as engine:
        for n in range(200):
            put(engine, "p", f"{n}.md", f"# Note {n}\n\nThe pump number {n} weighs {n} tons.\n")
        engine.drain()
    return folder / "store"


@pytest.fixture
def run(environment, store, tmp_path):
    environment.setenv("OPENRAG_STORE", str(store))
    (tmp_path / "note.md").write_text("# Fresh\n\na note\n")

    def call(*arguments, code, **options):
        done = subprocess.run([*PROGRAM, *arguments], capture_output=True, timeout=120, check=False, **options)
        assert done.returncode == code, (arguments, done.stderr.decode())
        assert b"Traceback" not in done.stderr
        SEEN.add(ExitCode(code))
        return done

    return call


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["search", "pump"], ExitCode.OK),
        (["search", "pump", "--filter", "year = 1"], ExitCode.NO),
        (["partition", "delete", "p"], ExitCode.USAGE),
        (["serch"], ExitCode.USAGE),
        (["file", "add", "note.md", "bad.pdf", "-p", "q", "--if-exists", "replace"], ExitCode.PARTIAL),
        (["file", "add", "bad.pdf", "-p", "r"], ExitCode.BAD_DATA),
        (["file", "show", "none", "-p", "p"], ExitCode.NOT_FOUND),
        (["--server", "http://127.0.0.1:1", "partition", "list"], ExitCode.UNAVAILABLE),
        (["partition", "create", "p"], ExitCode.EXISTS),
        (["--threads", "0", "search", "x"], ExitCode.CONFIG),
    ],
)
def test_a_code_that_needs_no_more_than_arguments(run, tmp_path, arguments, code):
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    run(*arguments, code=code)


def test_a_bug_is_70_and_says_so(run, environment, tmp_path):
    """A bug is made: a broken copy of a module of ours that is found first."""
    (tmp_path / "bug").mkdir()
    (tmp_path / "bug" / "sitecustomize.py").write_text(
        "import openrag_cli.store.catalog as catalog\n"
        "def broken(self):\n    raise ZeroDivisionError('made on purpose')\n"
        "catalog.Catalog.partitions = broken\n"
    )
    environment.setenv("PYTHONPATH", str(tmp_path / "bug"))
    done = run("partition", "list", code=ExitCode.BUG)
    assert b"a bug in openrag: ZeroDivisionError" in done.stderr
    (path,) = re.findall(r"with the end of (.+)\n", done.stderr.decode())
    text = Path(path).read_text()
    assert "made on purpose" in text
    assert f"openrag {__version__}" in text
    assert Path(path).stat().st_mode & 0o077 == 0


def test_a_compiled_file_that_a_full_disk_cut_is_named_and_not_called_an_interruption(run, environment, tmp_path):
    """Typer takes every EOFError for a Ctrl-D; the one of a cut compiled file would come back at every run."""
    (tmp_path / "cut").mkdir()
    source = tmp_path / "cut" / "cut_short.py"
    source.write_text("words = ['a', 'b', 'c']\n")
    compiled = Path(py_compile.compile(str(source), doraise=True))
    compiled.write_bytes(compiled.read_bytes()[:40])
    (tmp_path / "cut" / "sitecustomize.py").write_text(
        "import openrag_cli.store.catalog as catalog\n"
        "def broken(self):\n    import cut_short\n"
        "catalog.Catalog.partitions = broken\n"
    )
    environment.setenv("PYTHONPATH", str(tmp_path / "cut"))
    done = run("partition", "list", code=ExitCode.BUG)
    assert b"interrupted" not in done.stderr
    assert f"{compiled} is cut short" in done.stderr.decode()
    compiled.unlink()
    (tmp_path / "cut" / "cut_short.py").write_text("raise EOFError('no more')\n")
    done = run("partition", "list", code=ExitCode.BUG)
    assert b"a bug in openrag: EOFError('no more')" in done.stderr


def test_a_wrong_token_is_4(run, environment, tmp_path_factory):
    from server.conftest import start

    server = start(tmp_path_factory.mktemp("token") / "store", env={"AUTH_TOKEN": "right"})
    try:
        environment.setenv("OPENRAG_TOKEN", "wrong")
        run("--server", server.url, "partition", "list", code=ExitCode.NOT_AUTHENTICATED)
    finally:
        assert server.stop() == 0


def test_a_full_disk_is_74_and_loses_nothing(run, environment, tmp_path):
    environment.setenv("OPENRAG_STORE", str(tmp_path / "small"))
    environment.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a module's code cut off at the limit would break all others
    (tmp_path / "big.md").write_text("# Big\n\n" + "a word and another. " * 40_000)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    run("file", "add", "big.md", "-p", "full", code=ExitCode.IO, preexec_fn=limit)
    run("file", "add", "big.md", "-p", "full", code=ExitCode.OK)


def test_a_folder_that_is_being_synced_is_75(run, environment, tmp_path):
    environment.setenv("OPENRAG_STORE", str(tmp_path / "own"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\ntext\n")
    run("file", "sync", "docs", "-p", "s", code=ExitCode.OK)
    locks = [
        path
        for path in (tmp_path / "own").rglob("*")
        if path.is_file() and "lock" in f"{path.parent.name}/{path.name}"
    ]
    held = [path.open("rb") for path in locks]
    try:
        for stream in held:
            fcntl.flock(stream, fcntl.LOCK_EX)
        (tmp_path / "docs" / "b.md").write_text("# B\n\ntext\n")
        run("file", "sync", "docs", "-p", "s", "--lock-timeout", "0", code=ExitCode.BUSY)
    finally:
        for stream in held:
            stream.close()
    run("file", "sync", "docs", "-p", "s", code=ExitCode.OK)


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="/sys, where nobody may make a folder, is Linux's")
def test_a_place_where_nobody_may_write_is_77(run, environment):
    environment.setenv("OPENRAG_STORE", "/sys/openrag")
    run("partition", "create", "p", code=ExitCode.FORBIDDEN)


def test_a_task_that_takes_longer_than_the_timeout_is_124(run, environment, tmp_path):
    environment.setenv("OPENRAG_STORE", str(tmp_path / "waiting"))
    run("file", "add", "note.md", "-p", "p", "--detach", code=ExitCode.OK)
    listed = json.loads(run("task", "list", "--json", code=ExitCode.OK).stdout)
    run("task", "wait", listed["tasks"][0]["task_id"], "--timeout", "0.2", code=ExitCode.TIMEOUT)


def test_an_interrupt_is_130(run, environment, store):
    with stub_llm() as stub:
        environment.setenv("OPENRAG_LLM_BASE_URL", stub.url)
        environment.setenv("OPENRAG_LLM_MODEL", "endless")
        child = subprocess.Popen([*PROGRAM, "ask", "pump?"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.read(5) == b"word0"
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
        assert child.returncode == ExitCode.INTERRUPTED, told
        assert told.decode().endswith("interrupted\n")
        assert b"Traceback" not in told
        SEEN.add(ExitCode.INTERRUPTED)


@pytest.mark.parametrize(
    "arguments",
    [["file", "list", "-p", "p"], ["file", "list", "-p", "p", "--jsonl"], ["task", "list", "--limit", "-1"]],
)
def test_a_pipe_that_closes_ends_in_silence_with_141(run, arguments):
    command = f"{' '.join(PROGRAM)} {' '.join(arguments)} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    assert int(done.stdout.split()[-1]) in {ExitCode.CLOSED_PIPE, ExitCode.OK}  # a short list fits into the pipe
    child = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    assert child.wait(60) == ExitCode.CLOSED_PIPE
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stderr.close()
    SEEN.add(ExitCode.CLOSED_PIPE)


def test_sigterm_asks_a_command_to_stop_and_is_told_apart_from_ctrl_c():
    for number, is_terminated in ((signal.SIGINT, False), (signal.SIGTERM, True)):
        context = Context()
        with context.stopping() as should_stop:
            assert not should_stop()
            signal.raise_signal(number)
            assert should_stop()
        assert context.is_terminated is is_terminated
    SEEN.add(ExitCode.TERMINATED)


def test_json_goes_through_a_pipe_with_stderr_closed(run):
    count = "import json, sys; print(len(json.load(sys.stdin)['hits']))"
    command = f'{" ".join(PROGRAM)} search pump --json 2>&- | {sys.executable} -c "{count}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "5", done.stderr


def test_no_message_goes_into_the_data_when_stderr_is_closed(run):
    command = f"{' '.join(PROGRAM)} search pump -p nowhere --json 2>&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.NOT_FOUND, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
@pytest.mark.parametrize("arguments", [["help", "output"], ["search", "pump"], ["file", "list", "-p", "p", "--json"]])
def test_a_full_disk_behind_stdout_is_74(run, arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == ExitCode.IO, done.stderr
    assert b"the output cannot be written: " in done.stderr
    assert done.stderr.count(b"\n") <= 2


@pytest.mark.parametrize("answer", [b"<html>not openrag</html>", b"{}", b"[]", b'{"partitions": [{}]}'])
def test_a_server_that_is_not_ours_is_69(run, answer):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            done = run("--server", url, "partition", "list", code=ExitCode.UNAVAILABLE)
        finally:
            server.shutdown()
    assert b"no openrag server" in done.stderr


def test_an_interrupt_while_the_program_is_loaded_is_130(run, environment, tmp_path):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "typer.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    environment.setenv("PYTHONPATH", str(tmp_path / "slow"))
    child = subprocess.Popen([*PROGRAM, "partition", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"loading\n"
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert (child.returncode, told) == (ExitCode.INTERRUPTED, b"")


def test_a_log_that_is_followed_reaches_the_pipe_at_once(run, environment, tmp_path):
    environment.setenv("OPENRAG_STORE", str(tmp_path / "followed"))
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nonsense")
    run("file", "add", "bad.pdf", "-p", "p", code=ExitCode.BAD_DATA)
    task_id = json.loads(run("task", "list", "--json", code=ExitCode.OK).stdout)["tasks"][0]["task_id"]
    run("task", "retry", task_id, code=ExitCode.OK)  # nobody runs it: there is no end to follow to
    child = subprocess.Popen([*PROGRAM, "task", "log", task_id, "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == ExitCode.INTERRUPTED


def test_all_codes_were_seen(request):
    expected = set(ExitCode) - (set() if os.path.isdir("/sys/kernel") else {ExitCode.FORBIDDEN})
    if len(request.session.items) < 15:
        pytest.skip("only with the rest of this file")
    assert expected == SEEN
