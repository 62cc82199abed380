"""Which files of this machine a command means: folders walked, ignore rules obeyed, ids made from paths."""

import os
import re
import shlex
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from openrag_cli.errors import IngestError, InvalidInput, OpenRAGError
from openrag_cli.ingest.git_rules import (
    IGNORE_FILES,
    RuleList,
    read_rules,
    rules_above,
    rules_of_repository,
    whole_path,
)
from openrag_cli.ingest.gitignore import compile_patterns, is_ignored
from openrag_cli.ingest.naming import Source, folder_source, named, prefix_of, readable
from openrag_cli.ingest.report import Failure

_FILE_ADDRESS = re.compile(r"file:/+(?:localhost/)?(.+)", re.DOTALL)
_ADDRESS = re.compile(r"(https?|s?ftp|ftps):/+(.+)", re.DOTALL)

LINKED_FOLDER, LINKED_FILE, STORE, EMPTY_FILE = "linked folder", "linked file", "store", "empty file"
"""What is left out of a folder and counted, as nouns for a report."""


@dataclass(slots=True)
class FileList:
    """What paths led to: files in order, the paths that led nowhere, and how many entries of which kind were left out."""

    sources: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a folder is taken. `globs` and `excludes` are patterns in the manner of .gitignore, relative to it.

    `own` are folders of openrag itself, that are never read. With `follows` links lead to folders, and to files outside
    the folder; without it, to files inside alone. `skips_empty` leaves files of no bytes out.
    """

    globs: Sequence[str] = ()
    excludes: Sequence[str] = ()
    own: Sequence[Path] = ()
    follows: bool = False
    skips_empty: bool = False


def collect(paths: Iterable[Path], choice: Choice = Choice(), *, root: Path | None = None) -> FileList:
    """Find the files that `paths` name: files as they are, folders recursively, in the order of their names.

    In folders, hidden entries, what git's rules and `.openragignore` exclude, stores of openrag, and anything but
    regular files is left out. Ids are paths below `root`; without it see naming.py.
    """
    found = FileList()
    own = [folder.resolve() for folder in choice.own]
    paths = list(paths)
    folders = {_absolute(path) for path in paths if os.path.isdir(path)}  # noqa: PTH112 - never raises
    is_alone = len(folders) < 2
    for path in paths:
        try:
            mode = path.stat().st_mode
            real = path.resolve()  # a folder that was deleted while one stands in it has no path any more
            is_own = any(real.is_relative_to(folder) for folder in own)
        except (FileNotFoundError, ValueError):  # ValueError: a NUL in the path
            found.failures.append(_not_there(path))
        except OSError as exc:
            found.failures.append(_failure_of(path, exc))
        else:
            if is_own:
                why, hint = "it belongs to the store, which is no source", "name what lies outside of the store"
                found.failures.append(_unreadable(path, why, "unreadable", hint))
            elif stat.S_ISDIR(mode):
                walk = Walk(path, choice)
                prefix, origin = prefix_of(path, root, is_alone=is_alone), folder_source(path)
                found.sources += (
                    Source(one.path, prefix + one.file_id, replace(origin, path=one.file_id)) for one in walk.files()
                )
                found.failures += walk.failures
                found.left_out += walk.left_out
            elif stat.S_ISREG(mode):
                found.sources.append(named(path, root))
            else:
                is_pipe = stat.S_ISFIFO(mode)
                what = "it is a pipe" if is_pipe else "neither a file nor a folder"
                how = "read it with: COMMAND | openrag file add - --id NAME" if is_pipe else None
                found.failures.append(_unreadable(path, what, "unreadable", how))
    return found


def _absolute(path: Path) -> str:
    try:
        return os.path.abspath(path)  # noqa: PTH100
    except FileNotFoundError:  # the current folder was deleted
        return os.fspath(path)


def failure(source: Source, exc: OpenRAGError, task_id: str | None = None) -> Failure:
    """Return the failure of one file, for a report."""
    code = exc.reason if isinstance(exc, IngestError) else exc.code
    return Failure(source.file_id, source.shown, task_id, code, exc.message, exc.hint)


def _not_there(path: Path) -> Failure:
    if address := _FILE_ADDRESS.fullmatch(str(path)):
        from urllib.parse import unquote

        hint = f"openrag file add {shlex.quote('/' + unquote(address[1]))}"
        return _unreadable(path, "an address, and no path", "path_not_found", hint)
    address = _ADDRESS.fullmatch(str(path))
    if address is None:
        return _unreadable(path, "no such file or folder", "path_not_found")
    name = f"{address[1]}://{address[2]}"
    shown, file_id = readable(name), readable(address[2].rstrip("/").rpartition("/")[2])
    return Failure(
        file_id=shown,
        path=shown,
        task_id=None,
        code="path_not_found",
        message="an address of the web, and no path of this machine",
        hint=f"curl -L {shlex.quote(shown)} | openrag file add - --id {shlex.quote(file_id)}",
    )


def _unreadable(path: Path, why: str, code: str, hint: str | None = None) -> Failure:
    name = readable(str(path))
    hint = hint or "check the path and its mode"
    return Failure(file_id=name, path=name, task_id=None, code=code, message=why, hint=hint)


def _failure_of(path: Path, exc: OSError) -> Failure:
    code = "forbidden" if isinstance(exc, PermissionError) else "unreadable"
    return _unreadable(path, (exc.strerror or "cannot be read").lower(), code)


class _Folder(NamedTuple):
    """A folder to be walked: `prefix` is its path below the root, `rules` what the folders above it ignore, `way` the
    identities (device, inode) of the folders that links led through."""

    path: Path
    prefix: str
    rules: RuleList
    way: frozenset[tuple[int, int]]


class Walk:
    """One folder, walked once; `failures` holds what could not be read, `left_out` counts what was not taken, `links`
    holds the ids of the links that were not followed, or lead nowhere."""

    def __init__(self, root: Path, choice: Choice = Choice()) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._base = whole_path(self._real_root)
        self._wanted = compile_patterns(choice.globs) if choice.globs else None
        self._excluded = compile_patterns(choice.excludes) if choice.excludes else None
        self._own = [folder.resolve() for folder in choice.own]
        self._choice = choice
        self.failures: list[Failure] = []
        self.left_out: Counter[str] = Counter()
        self.links: set[str] = set()

    def files(self) -> Iterator[Source]:
        """Yield the folder's files in the order of their names."""
        return (source for source, _ in self.entries())

    def entries(self) -> Iterator[tuple[Source, os.stat_result]]:
        """Yield the folder's files in the order of their names, each with its stat."""
        try:
            above = rules_above(self._real_root)
        except IngestError as exc:
            self._fail_closed(self._root, exc)
            return
        # By hand, not by recursion: folders may lie 1,000 deep.
        pending = [self._folder(_Folder(self._root, "", above, frozenset()))]
        while pending:
            found = next(pending[-1], None)
            if found is None:
                pending.pop()
            elif isinstance(found, _Folder):
                pending.append(self._folder(found))
            else:
                yield found

    def _folder(self, folder: _Folder) -> "Iterator[tuple[Source, os.stat_result] | _Folder]":
        """Yield the files of one folder and, where they stand between them, the folders in it."""
        entries, rules = self._looked_into(folder)
        for entry in entries:
            relative = folder.prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(".") or self._is_left_out(relative, rules, is_folder=is_folder):
                continue
            if is_folder:
                if not self._is_own(self._real_root / relative):
                    yield _Folder(Path(entry.path), f"{relative}/", rules, folder.way)
            elif entry.is_symlink() and (inner := self._behind_link(entry, relative, rules, folder.way)):
                yield inner
            elif self._is_wanted(relative) and (found := self._regular(entry, relative)):
                yield Source(Path(entry.path), readable(relative)), found

    def _looked_into(self, folder: _Folder) -> "tuple[list[os.DirEntry[str]], RuleList]":
        """Return the entries of a folder in order, and the rules for them; none, where it is not to be walked."""
        try:
            with os.scandir(folder.path) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
            names = {entry.name for entry in ordered}
            if "openrag.db" not in names or names.isdisjoint({"lance", "blobs"}):
                return ordered, self._rules_in(folder, names)
            self.left_out[STORE] += 1
        except OSError as exc:
            self.failures.append(_failure_of(folder.path, exc))
        except IngestError as exc:
            self._fail_closed(folder.path, exc)
        return [], []

    def _rules_in(self, folder: _Folder, names: set[str]) -> RuleList:
        """Return the rules that hold for what is in a folder. Raises: IngestError, when some cannot be read."""
        prefix = self._base + folder.prefix
        inner = rules_of_repository(folder.path) if ".git" in names and folder.prefix else []
        own = [(prefix, read_rules(folder.path / name)) for name in IGNORE_FILES if name in names]
        return [*folder.rules, *((prefix, rules) for _, rules in inner), *own]

    def _fail_closed(self, folder: Path, exc: IngestError) -> None:
        """Tell that nothing of a folder is taken, since what its rules leave out is not known."""
        path = readable(str(folder))
        self.failures.append(Failure(path, path, None, exc.reason, exc.message, exc.hint))

    def _behind_link(
        self, entry: "os.DirEntry[str]", relative: str, rules: RuleList, way: frozenset[tuple[int, int]]
    ) -> _Folder | None:
        """Return the folder that a link leads to, where links are followed; else count it."""
        try:
            if not entry.is_dir():
                return None
            found = entry.stat()
            target = Path(entry.path).resolve()
        except (OSError, RuntimeError):  # a link to nothing, or to itself
            return None
        identity = (found.st_dev, found.st_ino)
        is_round = identity in way or self._real_root.is_relative_to(target)
        if self._is_left_out(relative, rules, is_folder=True):
            return None
        if not self._choice.follows or is_round:
            self.left_out[LINKED_FOLDER] += 1
            self.links.add(readable(relative))
            return None
        return None if self._is_own(target) else _Folder(Path(entry.path), f"{relative}/", rules, way | {identity})

    def _is_own(self, folder: Path) -> bool:
        if folder not in self._own:
            return False
        self.left_out[STORE] += 1
        return True

    def _is_left_out(self, relative: str, rules: RuleList, *, is_folder: bool) -> bool:
        name = relative + "/" * is_folder
        if is_ignored(self._base + name, rules):
            return True
        return self._excluded is not None and bool(self._excluded.match_file(name))

    def _is_wanted(self, relative: str) -> bool:
        return self._wanted is None or bool(self._wanted.match_file(relative))

    def _regular(self, entry: "os.DirEntry[str]", relative: str) -> os.stat_result | None:
        """Return the stat of a regular file, or of one that a link inside the folder names; None for the rest."""
        try:
            found = entry.stat()
            if not stat.S_ISREG(found.st_mode):
                return None
            if entry.is_symlink() and not self._may_follow(Path(entry.path).resolve()):
                self.left_out[LINKED_FILE] += 1
                self.links.add(readable(relative))
                return None
        except (OSError, RuntimeError) as exc:  # RuntimeError: a link to itself
            if entry.is_symlink() and not isinstance(exc, PermissionError):  # its disk may not be mounted
                self.links.add(readable(relative))
            elif isinstance(exc, OSError) and not isinstance(exc, FileNotFoundError):
                self.failures.append(_failure_of(Path(entry.path), exc))
            return None
        if found.st_size == 0 and self._choice.skips_empty:
            self.left_out[EMPTY_FILE] += 1
            return None
        return found

    def _may_follow(self, target: Path) -> bool:
        if any(target.is_relative_to(folder) for folder in self._own):
            return False
        return self._choice.follows or target.is_relative_to(self._real_root)


def read_path_list(data: bytes, *, is_null_separated: bool) -> list[Path]:
    """Return the paths of a list: one a line, or separated by NUL bytes; empty entries are skipped.

    Raises:
        InvalidInput: it is separated the other way, or is UTF-16.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput("the list of paths is UTF-16", hint="write it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not is_null_separated and b"\0" in data:
        raise InvalidInput("the list of paths is separated by NUL bytes", hint="say so with --null (-0)")
    if is_null_separated and b"\n" in data and b"\0" not in data:
        raise InvalidInput("the list of paths has lines and no NUL byte", hint="leave out --null (-0)")
    parts = data.split(b"\0") if is_null_separated else data.splitlines()
    return [Path(os.fsdecode(part)) for part in parts if part.strip()]
