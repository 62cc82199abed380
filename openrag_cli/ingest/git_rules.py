"""The ignore rules that hold in a folder before it is looked into: those of the folders above it, and those that git is
told in files of its own (gitignore(5)): `.git/info/exclude` and the one that `core.excludesFile` names.

What a rule means does not depend on where a command stands: entries are compared by their whole path.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from openrag_cli.config.git_files import git_config_files, git_ignore_file
from openrag_cli.errors import IngestError
from openrag_cli.ingest.gitignore import Rule, parse_rules

IGNORE_FILES = (".gitignore", ".openragignore")
RuleList = list[tuple[str, list[Rule]]]

_MAX_CONFIG_BYTES = 1 << 20
_MAX_INCLUDES = 10
_SECTION = re.compile(r'\s*\[\s*([^\s\]"]+)\s*(?:"((?:[^"\\]|\\.)*)")?\s*\]')
_ENTRY = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*=\s*(.*)")


def whole_path(folder: Path) -> str:
    """Return a resolved folder as rules see it: its path from `/`, without the first slash and with one at the end."""
    return f"{os.fspath(folder).strip('/')}/".removeprefix("/")


def rules_above(folder: Path) -> RuleList:
    """Return the rules that hold in a resolved folder, weakest first, without those of its own ignore files.

    `.gitignore` counts up to the root of the repository that the folder is in, `.openragignore` from everywhere above.

    Raises:
        IngestError: a file of rules cannot be read, so that what it leaves out is not known.
    """
    top = next((one for one in (folder, *folder.parents) if _is_there(one / ".git")), None)
    rules: RuleList = []
    if top is not None:
        rules += rules_of_repository(top)
    for above in reversed(folder.parents):
        is_inside = top is not None and above.is_relative_to(top)
        for name in IGNORE_FILES if is_inside else IGNORE_FILES[1:]:
            rules.append((whole_path(above), read_rules(above / name)))
    return [(prefix, own) for prefix, own in rules if own]


def rules_of_repository(top: Path) -> RuleList:
    """Return what git leaves out of the repository at `top` by files of its own, weakest first. Raises: IngestError."""
    git = _common_folder(top / ".git")
    files = (_excludes_file(git, top), git / "info" / "exclude")
    return [(whole_path(top), own) for path in files if path and (own := read_rules(path))]


def read_rules(path: Path) -> list[Rule]:
    """Read a file of ignore rules as git does: a line that is no pattern, or a file that is none, says nothing.

    Raises:
        IngestError: it is there and cannot be read.
    """
    content = _read(path)
    return parse_rules(content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape"))


def _read(path: Path) -> bytes:
    """Return the content of a regular file; nothing, where there is none."""
    try:
        return path.read_bytes() if stat.S_ISREG(path.stat().st_mode) else b""
    except OSError as exc:
        if exc.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return b""
        reason = "forbidden" if isinstance(exc, PermissionError) else "unreadable"
        message = f"its ignore rules cannot be read ({(exc.strerror or 'no reason given').lower()})"
        raise IngestError(
            f"{message}: nothing that they may leave out is taken", reason=reason, hint=f"make {path} readable"
        ) from exc


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _common_folder(git: Path) -> Path:
    """Return the folder of a repository that all its work trees share; `.git` may be a file that names another."""
    found = _read(git)
    if found.startswith(b"gitdir:"):
        git = git.parent / os.fsdecode(found.removeprefix(b"gitdir:").strip())
    common = _read(git / "commondir").strip()
    return git / os.fsdecode(common) if common else git


def _excludes_file(git: Path, top: Path) -> Path | None:
    """Return the file that `core.excludesFile` names, in the last of git's configuration files that does."""
    found: str | None = None
    for path in (*git_config_files(), git / "config"):
        for value in _values(path, "core", "excludesfile", _MAX_INCLUDES):
            found = value
    if found is None:
        return git_ignore_file()
    return top / os.path.expanduser(found) if found else None  # noqa: PTH111 - a home that nobody has stays as it is


def _values(path: Path, section: str, key: str, n_includes: int) -> Iterator[str]:
    """Yield the values of a key in a file of git's configuration (git-config(1)), included files where they stand."""
    here = ""
    lines = _read(path)[:_MAX_CONFIG_BYTES].decode("utf-8", "surrogateescape").replace("\\\n", "").split("\n")
    for line in lines:
        head = _SECTION.match(line)
        if head:
            here = head[1].lower() if head[2] is None else f"{head[1].lower()}.{head[2]}"
        entry = _ENTRY.match(line, head.end() if head else 0)
        if entry is None:
            continue
        value = _unquoted(entry[2])
        if here == section and entry[1].lower() == key:
            yield value
        elif here == "include" and entry[1].lower() == "path" and n_includes:
            included = path.parent / os.path.expanduser(value)  # noqa: PTH111
            yield from _values(included, section, key, n_includes - 1)


def _unquoted(text: str) -> str:
    """Return a value without its quotes, escapes, comment and the blanks at its end."""
    found, is_quoted, kept = "", False, 0
    chars = iter(text)
    for char in chars:
        if char == '"':
            is_quoted = not is_quoted
        elif char == "\\":
            follower = next(chars, "")
            found += {"n": "\n", "t": "\t", "b": "\b"}.get(follower, follower)
        elif char in "#;" and not is_quoted:
            break
        else:
            found += char
            if char.isspace() and not is_quoted:
                continue
        kept = len(found)
    return found[:kept]
