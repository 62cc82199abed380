"""What of a folder is a source: git's rules wherever one stands, never the store, links counted, empty files left out."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from openrag_cli.ingest.discovery import Choice, Walk, collect

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, the oracle of ignore rules")
FILES = ("a.md", "private/p.md", "x.secret.md", "scratch.md", "global-1.md", "deep/er/y.secret.md", "deep/keep.md")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without any configuration of git."""
    for name in [name for name in os.environ if name.startswith("GIT_") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def repository(home, tmp_path):
    """A repository with files in docs/ that every kind of rule leaves out."""
    top = tmp_path / "repo"
    top.mkdir()
    git(top, "init", "-q", ".")
    for name in FILES:
        path = top / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}\n")
    (top / ".gitignore").write_text("docs/private/\n*.secret.md\n")
    (top / ".git/info").mkdir(exist_ok=True)
    (top / ".git/info/exclude").write_text("docs/scratch.md\n")
    return top


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
    return done.stdout.decode()


def kept_by_git(folder):
    listed = git(folder, "ls-files", "-z", "-o", "--exclude-standard", ".").split("\0")
    return sorted(name for name in listed if name and not name.startswith("."))


def taken(*paths, **choice):
    return sorted(source.file_id for source in collect(paths, Choice(**choice)).sources)


@needs_git
def test_what_is_left_out_does_not_depend_on_where_one_stands(repository, monkeypatch, tmp_path):
    assert taken(repository / "docs") == kept_by_git(repository / "docs") == ["a.md", "deep/keep.md", "global-1.md"]
    (tmp_path / "alias").symlink_to(repository / "docs")
    assert taken(tmp_path / "alias") == taken(repository / "docs")
    monkeypatch.chdir(repository / "docs" / "deep")
    assert taken(Path(), Path("../deep")) == ["keep.md", "keep.md"]
    assert len(taken(repository)) == 3


@needs_git
@pytest.mark.parametrize("place", ["repository", "home", "xdg", "default", "include", "quoted"])
def test_the_global_file_is_obeyed_wherever_it_is_named(repository, home, monkeypatch, place):
    rules = home / "my rules"
    rules.write_text("global-*.md\n")
    config = {
        "repository": repository / ".git/config",
        "home": home / ".gitconfig",
        "xdg": home / ".config/git/config",
        "include": home / "more",
        "quoted": home / ".gitconfig",
        "default": home / ".config/git/ignore",
    }[place]
    config.parent.mkdir(parents=True, exist_ok=True)
    if place == "default":
        rules.rename(config)
    else:
        value = '"~/my rules" ; a comment' if place == "quoted" else "~/my rules"
        with config.open("a") as stream:
            stream.write(f"[user]\n\tname = x\n[core]\n\texcludesFile = {value}\n")
    if place == "include":
        (home / ".gitconfig").write_text("[include]\n\tpath = more\n")
    assert taken(repository / "docs") == kept_by_git(repository / "docs") == ["a.md", "deep/keep.md"]


@needs_git
def test_a_work_tree_and_a_repository_inside_have_the_rules_that_git_gives_them(repository, tmp_path):
    git(repository, "add", "docs/a.md")
    git(repository, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "one")
    tree = tmp_path / "tree"
    git(repository, "worktree", "add", "-q", str(tree))
    (tree / "docs/scratch.md").write_text("left out by info/exclude\n")
    (tree / "docs/new.md").write_text("new\n")
    assert taken(tree / "docs") == ["a.md", "new.md"]
    inner = repository / "docs/inner"
    inner.mkdir()
    git(inner, "init", "-q", ".")
    (inner / ".git/info/exclude").write_text("own.md\n")
    (inner / "own.md").write_text("left out\n")
    (inner / "in.md").write_text("taken\n")
    assert [one for one in taken(repository / "docs") if one.startswith("inner")] == ["inner/in.md"]


def test_openragignore_of_a_folder_above_counts_without_a_repository(home, tmp_path):
    (tmp_path / "docs/sub").mkdir(parents=True)
    for name in ("a.md", "b.draft.md"):
        (tmp_path / "docs/sub" / name).write_text("text\n")
    (tmp_path / "docs/.openragignore").write_text("*.draft.md\n")
    (tmp_path / "docs/.gitignore").write_text("a.md\n")
    assert taken(tmp_path / "docs/sub") == ["a.md"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that nobody can read")
@pytest.mark.parametrize("rules", [".gitignore", ".git/info/exclude", "docs/.openragignore", "home"])
def test_rules_that_cannot_be_read_leave_everything_out_that_they_may_mean(cli, repository, home, rules):
    path = home / ".config/git/ignore" if rules == "home" else repository / rules
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to("/proc/self/mem")
    result = cli("file", "add", repository / "docs", "-p", "p", "--json")
    assert result.code != 0
    assert result.json["added"] == 0
    assert "ignore rules cannot be read" in result.json["failures"][0]["message"]
    assert str(path) in result.json["failures"][0]["hint"]


def test_the_store_is_never_a_source(cli, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "o.md").write_text("orchard note\n")
    inside = ("--store", docs / "store", "--json")
    assert cli("file", "add", docs, "-p", "a", *inside).json["added"] == 1
    again = cli("file", "add", docs, "-p", "b", *inside)
    assert (again.code, again.json["added"], again.json["skipped"]) == (0, 1, {"store": 1})
    assert cli("file", "sync", docs, "-p", "c", *inside).json["skipped"] == {"store": 1}
    other = cli("file", "add", docs, "-p", "d", "--json")  # the store of somebody else
    assert (other.json["added"], other.json["skipped"]) == (1, {"store": 1})
    (tmp_path / "link").symlink_to(docs / "store")
    for path in (docs / "store", docs / "store/openrag.db", tmp_path / "link" / "openrag.db"):
        named = cli("file", "add", path, "-p", "e", *inside)
        assert named.code != 0
        assert "no source" in named.json["failures"][0]["message"]


def test_links_are_counted_and_followed_when_asked(cli, tmp_path):
    docs, away = tmp_path / "docs", tmp_path / "away"
    docs.mkdir()
    away.mkdir()
    (docs / "a.md").write_text("one\n")
    (away / "b.md").write_text("two\n")
    (docs / "linked").symlink_to(away)
    (docs / "round").symlink_to(docs)
    (away / "back").symlink_to(away)
    (docs / "file.md").symlink_to(away / "b.md")
    told = cli("file", "add", docs, "-p", "p")
    assert told.code == 0
    assert "skipped: 2 linked folders, 1 linked file (--follow follows links)" in told.err
    followed = cli("file", "add", docs, "-p", "q", "--follow", "--json").json
    assert followed["added"] == 3
    assert followed["skipped"] == {"linked folder": 2}
    assert cli("file", "sync", docs, "-p", "r", "--follow", "--json").json["added"] == 3


@pytest.mark.parametrize(
    ("what", "is_there", "skipped"),
    [("a.md", True, {"linked file": 1}), ("d", True, {"linked folder": 1}), ("a.md", False, {}), ("d", False, {})],
)
def test_what_is_a_link_now_is_not_gone(cli, tmp_path, what, is_there, skipped):
    docs = tmp_path / "docs"
    (docs / "d" / "e").mkdir(parents=True)
    for name in ("a.md", "b.md", "d/c.md", "d/e/f.md"):
        (docs / name).write_text(f"text of {name}\n")
    assert cli("file", "sync", docs, "-p", "p", "--prefix", "x").code == 0
    (docs / what).rename(tmp_path / what)
    (docs / what).symlink_to(tmp_path / what if is_there else tmp_path / "not mounted")
    (docs / "b.md").unlink()
    after = cli("file", "sync", docs, "-p", "p", "--delete", "--max-delete", "100%", "--json").json
    assert (after["deleted"], after["gone"], after["skipped"]) == (1, 0, skipped)


def test_a_file_that_a_new_rule_leaves_out_is_told(cli, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("a.md", "b.md", "c.md"):
        (docs / name).write_text(f"text of {name}\n")
    assert cli("file", "sync", docs, "-p", "p").code == 0
    (docs / ".openragignore").write_text("b.md\n")
    (docs / "c.md").unlink()
    told = cli("file", "sync", docs, "-p", "p")
    assert "1 file is ignored now but still searchable; --delete" in told.err
    assert cli("file", "sync", docs, "-p", "p", "--json").json["ignored_now"] == 1
    assert cli("file", "sync", docs, "-p", "p", "--delete", "--max-delete", "9", "--json").json["deleted"] == 2


def test_empty_files_of_a_folder_are_skipped_and_counted(cli, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "main.py").write_text("print('hello')\n")
    for command in ("add", "sync"):
        result = cli("file", command, package, "-p", command)
        assert result.code == 0
        assert "skipped: 1 empty file" in result.err
        assert cli("file", command, package, "-p", f"{command}2", "--strict").code == 3
    assert cli("file", "sync", package, "-p", "sync").code == 0
    assert cli("file", "add", package / "__init__.py", "-p", "alone").code == 65
    (package / "main.py").write_text("")
    lost = cli("file", "sync", package, "-p", "sync", "--json")  # what was in it is still searchable: told
    assert lost.code == 3
    assert not Walk(package, Choice(skips_empty=True)).failures
