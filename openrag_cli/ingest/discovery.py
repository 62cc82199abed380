"""Which files of this machine a command means: folders walked, ignore rules obeyed, ids made from paths."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from openrag_cli.errors import IngestError, OpenRAGError
from openrag_cli.ingest.gitignore import Rule, compile_patterns, is_ignored, parse_rules
from openrag_cli.ingest.naming import Source, folder_source, named, prefix_of, readable
from openrag_cli.ingest.report import Failure

IGNORE_FILES = (".gitignore", ".openragignore")


@dataclass(slots=True)
class FileList:
    """What paths led to: files in order, and the paths that led nowhere."""

    sources: list[Source] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def collect(
    paths: Iterable[Path], *, globs: Sequence[str] = (), excludes: Sequence[str] = (), root: Path | None = None
) -> FileList:
    """Find the files that `paths` name: files as they are, folders recursively, in the order of their names.

    In folders, hidden entries, what `.gitignore` and `.openragignore` exclude, and anything but regular files is left
    out; links are followed to files inside the folder only. `globs` and `excludes` are patterns in the manner of
    .gitignore, relative to each folder. Ids are paths below `root`; without it see naming.py.
    """
    found = FileList()
    paths = list(paths)
    folders = {os.path.abspath(path) for path in paths if os.path.isdir(path)}  # noqa: PTH100, PTH112 - never raises
    is_alone = len(folders) < 2
    for path in paths:
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, ValueError):  # ValueError: a NUL in the path
            found.failures.append(_unreadable(path, "no such file or folder", "path_not_found"))
        except OSError as exc:
            found.failures.append(_failure_of(path, exc))
        else:
            if stat.S_ISDIR(mode):
                walk = Walk(path, globs=globs, excludes=excludes)
                prefix, origin = prefix_of(path, root, is_alone=is_alone), folder_source(path)
                found.sources += (Source(one.path, prefix + one.file_id, origin) for one in walk.files())
                found.failures += walk.failures
            elif stat.S_ISREG(mode):
                found.sources.append(named(path, root))
            else:
                found.failures.append(_unreadable(path, "neither a file nor a folder", "unreadable"))
    return found


def failure(source: Source, exc: OpenRAGError, task_id: str | None = None) -> Failure:
    """Return the failure of one file, for a report."""
    code = exc.reason if isinstance(exc, IngestError) else exc.code
    return Failure(source.file_id, readable(str(source.path)), task_id, code, exc.message, exc.hint)


def _unreadable(path: Path, why: str, code: str) -> Failure:
    name = readable(str(path))
    return Failure(file_id=name, path=name, task_id=None, code=code, message=why, hint="check the path and its mode")


def _failure_of(path: Path, exc: OSError) -> Failure:
    code = "forbidden" if isinstance(exc, PermissionError) else "unreadable"
    return _unreadable(path, (exc.strerror or "cannot be read").lower(), code)


class _Folder(NamedTuple):
    """A folder to be walked: `prefix` is its path below the root, `rules` what the folders above it ignore."""

    path: Path
    prefix: str
    rules: list[tuple[str, list[Rule]]]


class Walk:
    """One folder, walked once; `failures` holds what could not be read. `without` is a folder that is left out."""

    def __init__(
        self, root: Path, *, globs: Sequence[str] = (), excludes: Sequence[str] = (), without: Path | None = None
    ) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._wanted = compile_patterns(globs) if globs else None
        self._excluded = compile_patterns(excludes) if excludes else None
        self._without = without.resolve() if without else None
        self.failures: list[Failure] = []

    def files(self) -> Iterator[Source]:
        """Yield the folder's files in the order of their names."""
        return (source for source, _ in self.entries())

    def entries(self) -> Iterator[tuple[Source, os.stat_result]]:
        """Yield the folder's files in the order of their names, each with its stat."""
        pending = [self._folder(self._root, "", [])]  # by hand, not by recursion: folders may lie 1,000 deep
        while pending:
            found = next(pending[-1], None)
            if found is None:
                pending.pop()
            elif isinstance(found, _Folder):
                pending.append(self._folder(*found))
            else:
                yield found

    def _folder(
        self, folder: Path, prefix: str, rules: list[tuple[str, list[Rule]]]
    ) -> "Iterator[tuple[Source, os.stat_result] | _Folder]":
        """Yield the files of one folder and, where they stand between them, the folders in it."""
        try:
            with os.scandir(folder) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError as exc:
            self.failures.append(_failure_of(folder, exc))
            return
        names = {entry.name for entry in ordered}
        here = [*rules, *((prefix, self._read_rules(folder / name)) for name in IGNORE_FILES if name in names)]
        for entry in ordered:
            if entry.name.startswith("."):
                continue
            relative = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_ignored(relative + "/" * is_folder, here) or self._is_excluded(relative, is_folder=is_folder):
                continue
            if is_folder:
                if self._without is None or self._real_root / relative != self._without:
                    yield _Folder(Path(entry.path), f"{relative}/", here)
            elif self._is_wanted(relative) and (found := self._regular(entry)):
                yield Source(Path(entry.path), readable(relative)), found

    def _read_rules(self, path: Path) -> list[Rule]:
        """Read a file of ignore rules as git does: a line that is no pattern, or a file that is none, says nothing."""
        if not path.is_file():
            return []
        try:
            text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        except OSError as exc:
            self.failures.append(_failure_of(path, exc))
            return []
        return parse_rules(text)

    def _is_excluded(self, relative: str, *, is_folder: bool) -> bool:
        return self._excluded is not None and bool(self._excluded.match_file(relative + "/" * is_folder))

    def _is_wanted(self, relative: str) -> bool:
        return self._wanted is None or bool(self._wanted.match_file(relative))

    def _regular(self, entry: "os.DirEntry[str]") -> os.stat_result | None:
        """Return the stat of a regular file, or of one that a link inside the folder names; None for the rest."""
        try:
            if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(self._real_root):
                return None
            found = entry.stat()
        except (FileNotFoundError, RuntimeError):  # a link to nothing or to itself (RuntimeError), or gone since
            return None
        except OSError as exc:
            if exc.errno != errno.ELOOP:
                self.failures.append(_failure_of(Path(entry.path), exc))
            return None
        return found if stat.S_ISREG(found.st_mode) else None


def read_path_list(data: bytes, *, is_null_separated: bool) -> list[Path]:
    """Return the paths of a list: one a line, or separated by NUL bytes; empty entries are skipped."""
    parts = data.split(b"\0") if is_null_separated else data.splitlines()
    return [Path(os.fsdecode(part)) for part in parts if part.strip()]
