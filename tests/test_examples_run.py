"""What the README and the man pages show is typed here, and works: each line that can be run without a network."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import make_pdf
from test_manual import COMMANDS

ROOT = Path(__file__).parent.parent

CANNOT = {
    r"\bserve\b|localhost|http://|https://|OPENRAG_SERVER|--server": "needs a server, or the network",
    r"…": "needs an id of that very store",
    r"^\*/": "is a line of a crontab",
    r"--watch|task log": "does not end",
    r"fpath|\$EDITOR|\bpass\b|journalctl|^make|^pip|^docker|^ssh|^sudo|systemctl": "needs another shell, program or machine",
    r"make_wheel|python -m": "is of a developer",
}
"""What a line has that cannot be run here, and why."""

PROGRAMS = ("jq", "zstd", "git", "curl", "less", "xargs")
LAST = re.compile(r"(?:file|partition|session|view) delete|restore|partition create|task prune")
"""What is typed after all else: it takes away what others read."""

CODES = {
    "| openrag restore -": {73},  # the store is there: the line before has restored another
    "partition create": {0, 73},
    "git diff": {0, 1},
    "file list -p handbook --filter": {0, 1},
    "-l -0 | xargs": {0, 123},  # an id that was renamed above is no path
    "file refresh report.pdf": {0, 3},
    'tag = "ops"': {0, 1},  # on the server of that block; here the files are unchanged, and keep their metadata
    "config trust": {0, 66},
    "doctor": {0, 1},
}
"""Codes of lines that may say no, or that it is so already."""


def _why_not(line):
    for pattern, why in CANNOT.items():
        if re.search(pattern, line):
            return why
    return next(
        (f"needs {name}" for name in PROGRAMS if re.search(rf"\b{name}\b", line) and not shutil.which(name)), None
    )


def _world(tmp_path, environment):
    """A home with folders, a working folder with files, and `openrag` on the path."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    shutil.copytree(ROOT / "examples" / "handbook", home / "docs")
    for name, text in (
        ("notes/a.md", "# Notes\n\nA note.\n"),
        ("papers/b.md", "# Paper\n\nA paper.\n"),
        ("src/c.py", "c = 1\n"),
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    for folder in (".local/share/bash-completion/completions", ".config/fish/completions"):
        (home / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "examples", work / "examples")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "openrag"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m openrag_cli "$@"\n')
    program.chmod(0o755)
    environment.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    environment.setenv("HOME", str(home))
    environment.setenv("VISUAL", "true")
    environment.setenv("PYTHONPATH", str(ROOT))
    (home / "config.toml").touch()
    environment.setenv("OPENRAG_CONFIG", str(home / "config.toml"))
    environment.chdir(work)
    return work


def _typed(cli, environment, line):
    """Run a line as a shell would: a plain call of the program in this process, all else in bash."""
    words = shlex.split(line, comments=True)
    is_plain = words[:1] == ["openrag"] and not re.search(r"[|;&<>`$~]|\\\n", line)
    if is_plain:
        environment.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"who rotates the keys?\n")))
        result = cli(*words[1:])
        return result.code, result.err
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], input=b"", capture_output=True, timeout=120, check=False
    )
    return done.returncode, done.stderr.decode()


def _check(cli, environment, lines):
    wrong = []
    n_run = 0
    for line in lines:
        if _why_not(line):
            continue
        code, err = _typed(cli, environment, line)
        n_run += 1
        allowed = next((codes for part, codes in CODES.items() if part in line), {0})
        if code not in allowed:
            wrong.append((line, code, err[-300:]))
    assert not wrong, "\n".join(map(str, wrong))
    return n_run


def test_every_example_of_the_man_pages_that_can_be_run_works(cli, environment, tmp_path):
    work = _world(tmp_path, environment)
    (work / "policy.pdf").write_bytes(make_pdf(["The policy of the house."]))
    (work / "new").mkdir()
    (work / "new" / "policy.pdf").write_bytes(make_pdf(["The new policy of the house."]))
    (work / "report.pdf").write_bytes(make_pdf(["The report of the year."]))
    for name in ("old.md", "older.md", "x.md"):
        (work / name).write_text(f"# {name}\n\nSome text of {name}.\n")
    (work / "invoice.md").write_text("# Invoice 2024\n\nThe invoice 2024 of Jane Doe.\n")
    (work / "questions.jsonl").write_text(
        '{"question": "how often do we rotate keys?", "relevant": ["ops/keys.md"]}\n'
    )
    (work / "openrag.toml").write_text("top_k = 5\n")
    subprocess.run("git init -q . && git add x.md old.md", shell=True, check=True)
    (work / "x.md").write_text("# x\n\nSome other text, about how the keys are rotated.\n")
    assert cli("file", "add", tmp_path / "home" / "docs", "-p", "handbook", "-m", "year=2026").code == 0
    assert (
        cli(
            "file", "add", "policy.pdf", "report.pdf", "old.md", "older.md", "x.md", "-p", "handbook", "-m", "draft=1"
        ).code
        == 0
    )
    assert cli("file", "add", "invoice.md", "-p", "finance").code == 0
    assert cli("file", "add", "x.md", "-p", "tmp").code == 0
    environment.setattr("sys.stdin", io.StringIO("who rotates api keys?\n"))
    assert cli("chat", "-p", "handbook", "--session", "keys").code == 0
    lines = [example for page in COMMANDS for example in page.examples]
    lines.sort(key=lambda line: bool(LAST.search(line)))
    lines.insert(lines.index("openrag open 2"), "openrag search keys -p handbook --filter year=2026 --all")
    unset = lines.index("openrag config unset llm.model")
    lines.insert(unset, "openrag config set llm.model some-model")  # no earlier: what asks would ask an LLM
    assert _check(cli, environment, lines) > 40


def _blocks(text):
    """Yield the lines of the indented blocks of a Markdown text that call the program."""
    for line in re.findall(r"(?m)^    (?:\$ )?((?:[A-Z_]+=\S+ )*openrag .*|git .*openrag.*)$", text):
        yield line.strip()


@pytest.mark.parametrize("page", ["README.md"])
def test_every_line_of_the_readme_that_can_be_run_works_as_typed(cli, environment, tmp_path, page):
    _world(tmp_path, environment)
    lines = list(_blocks((ROOT / page).read_text()))
    assert lines[0].startswith("openrag file add examples/handbook -p handbook")
    assert _check(cli, environment, lines) >= 11
