"""The ids of local files: what each is called in a partition, so that no file is lost by its name."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openrag_cli.domain import FileSource
from openrag_cli.errors import WrongUsage
from openrag_cli.terminal import percent_encoded


@dataclass(frozen=True, slots=True)
class Source:
    """A local file to index. `file_id` is its path below the folder given, below the root or working directory, or
    (`is_elsewhere`) its bare name. `name` is what it is called where it came from, if not as here."""

    path: Path
    file_id: str
    origin: FileSource | None = None
    is_elsewhere: bool = False
    name: str = ""

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that we made, to which nobody else writes."""
        return bool(self.name)

    @property
    def shown(self) -> str | None:
        """Its path, as people see it; None for a copy, whose path nobody knows."""
        return None if self.is_copy else readable(str(self.path))

    @property
    def filename(self) -> str:
        """Its last part, without bytes that no text can hold."""
        return readable(self.name or self.path.name)


def readable(name: str) -> str:
    """Return a name as text that an id may be: bytes that are not UTF-8, and what no name may have, become `%XX`."""
    return percent_encoded(os.fsencode(name).decode("utf-8", "surrogateescape"))


def folder_source(folder: Path) -> FileSource:
    """Return the source of the files of a folder."""
    real = os.path.realpath(folder)
    return FileSource("folder", readable(os.path.basename(real)) or "/", os.fsencode(real))  # noqa: PTH119


def file_source(path: Path, base: Path | None) -> FileSource:
    """Return the source of a file named by itself: the folder below which its id is, or else its own."""
    folder = base if base is not None else path.parent
    root = os.fsencode(os.path.realpath(folder))
    return FileSource("file", readable(path.name), root, below(path, folder) or readable(path.name))


def below(path: Path, base: Path) -> str | None:
    """Return the path of a file below a folder, with slashes, as text; None when it lies elsewhere."""
    parts = Path(os.path.relpath(os.path.abspath(path), os.path.abspath(base))).parts  # noqa: PTH100 - links are kept
    return readable("/".join(parts)) if parts and os.pardir not in parts else None


def named(path: Path, root: Path | None) -> Source:
    """Return a file named by itself: its id is its path below `root`, or below the working directory, or its name."""
    base = root if root is not None else _current_folder()
    file_id = below(path, base) if base else None
    if file_id is None:
        return Source(path, readable(path.name), file_source(path, None), is_elsewhere=True)
    return Source(path, file_id, file_source(path, base))


def _current_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted
        return None


def prefix_of(folder: Path, root: Path | None, *, is_alone: bool) -> str:
    """Return what the ids of a folder's files begin with: nothing for the only one, else its name, or its place in `root`."""
    if root is not None:
        place = below(folder, root)
        return f"{place}/" if place else ""
    return "" if is_alone else f"{readable(Path(os.path.realpath(folder)).name)}/"


def check_distinct(sources: Sequence[Source]) -> list[Source]:
    """Return the sources, each file once.

    Raises:
        WrongUsage: two files would have one id; nothing is stored.
    """
    by_id: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        same = by_id[source.file_id]
        if all(os.path.abspath(source.path) != os.path.abspath(other.path) for other in same):  # noqa: PTH100
            same.append(source)
    twins = [same for same in by_id.values() if len(same) > 1]
    if twins:
        raise WrongUsage(
            f"{len(twins[0]):,} files would have the id '{twins[0][0].file_id}': {_paths(twins[0])}; nothing was stored",
            hint="give ids that tell them apart: --root with the folder above them, or one at a time with --id",
        )
    return [same[0] for same in by_id.values()]


def _paths(sources: Iterable[Source]) -> str:
    return " and ".join(readable(str(source.path)) for source in sources)
