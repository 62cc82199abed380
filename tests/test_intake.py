"""Which files a command means: git is the oracle of ignore rules, and no name is too odd."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openrag_cli.errors import InvalidInput
from openrag_cli.ingest.discovery import Choice, FileList, collect, read_path_list, readable
from openrag_cli.store.names import check_file_id
from openrag_cli.terminal import percent_decoded

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, the oracle of ignore rules")


def make_tree(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def ids(found: FileList) -> list[str]:
    return [source.file_id for source in found.sources]


def test_a_folder_gives_its_files_in_order_with_ids_relative_to_it(tmp_path: Path) -> None:
    make_tree(tmp_path, {"b.txt": "", "a/z.md": "", "a/sub/y": "", "c d/é.txt": "", "B": ""})
    found = collect([tmp_path])
    assert ids(found) == ["B", "a/sub/y", "a/z.md", "b.txt", "c d/é.txt"]
    assert all(source.path == tmp_path / source.file_id for source in found.sources)
    assert found.failures == []


def test_a_file_named_alone_has_its_name_as_id_even_when_hidden_or_ignored(tmp_path: Path) -> None:
    make_tree(tmp_path, {".gitignore": "*.log", ".hidden": "", "x.log": ""})
    assert ids(collect([tmp_path / ".hidden", tmp_path / "x.log"])) == [".hidden", "x.log"]


def test_what_leads_nowhere_is_a_failure_and_the_rest_goes_on(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.txt": ""})
    os.mkfifo(tmp_path / "pipe")
    found = collect([tmp_path / "none", Path("x" * 5000), tmp_path / "pipe", tmp_path / "a.txt", Path("nul\0byte")])
    assert ids(found) == ["a.txt"]
    assert [failure.code for failure in found.failures] == [
        "path_not_found", "unreadable", "unreadable", "path_not_found",
    ]  # fmt: skip


def test_hidden_entries_pipes_and_sockets_are_left_out(tmp_path: Path) -> None:
    make_tree(tmp_path, {".git/config": "", ".x": "", "a/.y/z": "", "keep": ""})
    os.mkfifo(tmp_path / "pipe")
    assert ids(collect([tmp_path])) == ["keep"]


def test_links_are_followed_to_files_inside_the_folder_only(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root", {"real.txt": "", "dir/inner.txt": ""})
    make_tree(tmp_path, {"outside.txt": "secret", "away/more.txt": "secret"})
    (root / "inside-link").symlink_to("real.txt")
    (root / "outside-link").symlink_to(tmp_path / "outside.txt")
    (root / "up-link").symlink_to("../outside.txt")
    (root / "dir-link").symlink_to("dir")
    (root / "away-link").symlink_to(tmp_path / "away")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("none")
    assert ids(collect([root])) == ["dir/inner.txt", "inside-link", "real.txt"]
    (tmp_path / "alias").symlink_to(root)
    assert ids(collect([tmp_path / "alias"])) == ["dir/inner.txt", "inside-link", "real.txt"]


def test_globs_choose_files_and_excludes_leave_files_and_folders_out(tmp_path: Path) -> None:
    make_tree(tmp_path, {"a.md": "", "a.txt": "", "sub/b.md": "", "sub/c.md": "", "build/d.md": ""})
    assert ids(collect([tmp_path], Choice(["*.md"]))) == ["a.md", "build/d.md", "sub/b.md", "sub/c.md"]
    assert ids(collect([tmp_path], Choice(["*.md"], ["build/", "/sub/c.md"]))) == ["a.md", "sub/b.md"]
    with pytest.raises(InvalidInput):
        collect([tmp_path], Choice(["!"]))


def test_openragignore_speaks_after_gitignore(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {".gitignore": "*.log\n", ".openragignore": "!keep.log\n*.tmp\n", "keep.log": "", "b.log": "", "c.tmp": ""},
    )
    assert ids(collect([tmp_path])) == ["keep.log"]


@pytest.mark.parametrize("kind", ["folder", "dangling link", "bad pattern", "not utf-8"])
def test_an_odd_ignore_file_stops_nothing(tmp_path: Path, kind: str) -> None:
    make_tree(tmp_path, {"a.txt": "", "b.log": ""})
    path = tmp_path / ".gitignore"
    if kind == "folder":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to("none")
    else:
        path.write_bytes(b"!\n*.log\n" if kind == "bad pattern" else b"caf\xe9\n*.log\n")
    expected = ["a.txt", "b.log"] if kind in {"folder", "dangling link"} else ["a.txt"]
    assert ids(collect([tmp_path])) == expected


UNREADABLE = """
import json, os, sys
from pathlib import Path
import pathspec
from openrag_cli.ingest.discovery import collect
if os.geteuid() == 0:
    os.seteuid(65534)
found = collect([Path(sys.argv[1]), Path(sys.argv[1]) / "closed" / "x"])
print(json.dumps([[s.file_id for s in found.sources], [[f.path, f.code] for f in found.failures]]))
"""


def test_unreadable_folders_and_rules_are_failures_and_the_rest_is_found() -> None:
    root = Path(tempfile.mkdtemp())
    try:
        make_tree(root, {"a.txt": "", "closed/x": "", "sub/.gitignore": "*.log", "sub/b.log": "", "z.txt": ""})
        root.chmod(0o755)
        (root / "sub").chmod(0o755)
        (root / "closed").chmod(0)
        (root / "sub" / ".gitignore").chmod(0)
        result = subprocess.run(
            [sys.executable, "-c", UNREADABLE, str(root)], capture_output=True, text=True, check=True, timeout=60
        )
        found, failures = json.loads(result.stdout)
        assert found == ["a.txt", "z.txt"]
        assert failures == [
            [str(root / "closed"), "forbidden"],
            [str(root / "sub"), "forbidden"],
            [str(root / "closed" / "x"), "forbidden"],
        ]
    finally:
        (root / "closed").chmod(0o700)
        shutil.rmtree(root)


# --- odd names


@given(
    raw=st.binary(min_size=1, max_size=40).filter(lambda raw: b"/" not in raw and b"\0" not in raw and raw.strip())
)
@example(raw=b"caf\xe9.txt")
@example(raw=b"line\nbreak\x7f")
@example(raw=b"\xed\xa0\x80")
@example(raw="\x85".encode())
def test_any_file_name_becomes_text_that_may_be_an_id(raw: bytes) -> None:
    name = readable(os.fsdecode(raw))
    name.encode("utf-8")
    if "\ufffd" not in name and name.strip():
        assert check_file_id(name) == name


PIECES = [b"%", b"25", b"%25", b"0A", b"%0A", b"\n", b"%C3", b"%A9", b"\xc3", b"\xa9", b"%E2%80%AE", "\u202e".encode(), b"\x85",
          "\x85".encode(), b"%85", b" ", b"%20", b"a", "\ufffd".encode(), b"%EF%BF%BD"]  # fmt: skip


@given(one=st.lists(st.sampled_from(PIECES), min_size=1), other=st.lists(st.sampled_from(PIECES), min_size=1))
@example(one=[b"a", b"\n"], other=[b"a", b"%0A"])
@example(one=[b"%0A"], other=[b"%25", b"0A"])
@example(one=[b" "], other=[b"%20"])
def test_no_two_names_give_one_id(one: list[bytes], other: list[bytes]) -> None:
    names = [os.fsdecode(b"".join(pieces)) for pieces in (one, other)]
    encoded = [readable(name) for name in names]
    assert (encoded[0] == encoded[1]) is (names[0] == names[1])
    assert [percent_decoded(name) for name in encoded] == names


def test_readable_changes_nothing_in_a_readable_name() -> None:
    for name in ("a b.txt", "é漢字.md", "100%.txt", "a'b\"c", "caf%C3%A9.html", "a%20b.md"):
        assert readable(name) == name
    assert readable(os.fsdecode(b"caf\xe9")) == "caf%E9"
    assert readable("a\nb") == "a%0Ab"


def test_files_with_undecodable_names_are_found_and_can_be_opened(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    with open(raw, "wb") as stream:
        stream.write(b"text")
    found = collect([tmp_path])
    assert ids(found) == ["caf%E9.txt"]
    assert found.sources[0].filename == "caf%E9.txt"
    assert found.sources[0].path.read_bytes() == b"text"


def test_an_ignore_rule_can_name_an_undecodable_file(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb"):
        pass
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9.txt\n")
    assert ids(collect([tmp_path])) == []


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw and raw.strip()), max_size=5))
def test_a_null_separated_list_keeps_every_name(names: list[bytes]) -> None:
    marks = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")  # what a list may begin with, and no name of ours
    names = [name for name in names if not name.startswith(marks)]
    paths = read_path_list(b"".join(name + b"\0" for name in names), is_null_separated=True)
    assert paths == [Path(os.fsdecode(name)) for name in names]


def test_a_list_of_lines_skips_empty_ones_and_splits_at_line_ends_only() -> None:
    data = "a.txt\n\nb c.txt\r\nd\u2028e\x0cf.txt\n".encode()
    assert read_path_list(data, is_null_separated=False) == [
        Path("a.txt"),
        Path("b c.txt"),
        Path("d\u2028e\x0cf.txt"),
    ]


# --- git as the oracle


NAMES = ["a", "b", "foo", "bar.md", "x.log", "build"]
FOLDERS = ["", "a/", "foo/", "foo/bar/", "build/"]
PATTERN_PARTS = st.sampled_from(
    [
        "a",
        "b",
        "foo",
        "*.md",
        "*.log",
        "*",
        "**",
        "build",
        "?oo",
        "[ab]",
        "foo*",
        "bar.md",
        "\\!a",
        "[!a]",
        "x.*",
        " ",
    ]
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    body = "/".join(draw(st.lists(PATTERN_PARTS, min_size=1, max_size=3)))
    prefix = draw(st.sampled_from(["", "", "!", "/", "!/", "#"]))
    return prefix + body + draw(st.sampled_from(["", "", "/", " ", "/**", "\r"]))


RULES = st.lists(patterns(), max_size=5).map(lambda lines: "\n".join(lines) + "\n")


def not_ignored(root: Path) -> set[str]:
    """Return the files below `root` that git would not ignore."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q"], cwd=root, env=environment, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore"],
        cwd=root, env=environment, check=True, capture_output=True,
    ).stdout  # fmt: skip
    names = [os.fsdecode(raw) for raw in listed.split(b"\0") if raw]
    return {name for name in names if not any(part.startswith(".") for part in name.split("/"))}


@needs_git
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    top=RULES, inner=RULES, files=st.sets(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES)), max_size=12)
)
def test_ignore_rules_are_those_of_git(top: str, inner: str, files: set[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory(prefix="openrag-intake-") as name:
        root = Path(name)
        (root / ".gitignore").write_bytes(top.encode())
        for folder, leaf in sorted(files):
            path = root / folder / leaf
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except OSError:  # its folder is a file already
                continue
        if (root / "foo").is_dir():
            (root / "foo" / ".gitignore").write_bytes(inner.encode())
        assert set(ids(collect([root]))) == not_ignored(root), (top, inner)
