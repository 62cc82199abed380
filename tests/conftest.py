"""Fixtures that several test files share: the program as a function, and the real documents."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from openrag_cli.cli import main

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

# The suite draws the same examples each time, so that a change is judged by what it changes. New ones are drawn by
# --hypothesis-profile random, and without an end by benchmarks/fuzz.py.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the crash and concurrency tests for hours, not seconds")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether the long runs of the harness were asked for."""
    return bool(request.config.getoption("--long"))


@dataclass(frozen=True)
class Result:
    """What a run of the program gave."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The environment of a machine that has no openrag configuration, with its own store."""
    for name in list(os.environ):
        if name.startswith(("OPENRAG_", "OPENAI_")) or name in {"AUTH_TOKEN", "NO_COLOR"}:
            monkeypatch.delenv(name)
    for name, folder in {"OPENRAG_STORE": "store", "OPENRAG_CACHE": "cache", "OPENRAG_CONFIG": "none.toml"}.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    (tmp_path / "none.toml").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("OPENRAG_THREADS", "2")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.fixture
def cli(environment, capfd):
    """The program in this process: `cli("search", "x") -> Result`."""
    umask = os.umask(0o077)

    def call(*arguments):
        capfd.readouterr()
        code = main.run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    yield call
    os.umask(umask)


@pytest.fixture
def process(environment):
    """The program as a real process: `process("search", "x", stdin=b"") -> Result`."""

    def call(*arguments, stdin=b"", env=None):
        done = subprocess.run(
            [sys.executable, "-m", "openrag_cli", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            timeout=120,
            env={**os.environ, **(env or {})},
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


@pytest.fixture
def handbook(tmp_path):
    """A copy of the example documents."""
    import shutil

    return Path(shutil.copytree(ROOT / "examples" / "handbook", tmp_path / "handbook"))


@pytest.fixture(scope="session")
def shared():
    """The folder of real documents."""
    if not SHARED.is_dir():
        pytest.skip(f"the real documents are not at {SHARED}")
    return SHARED
