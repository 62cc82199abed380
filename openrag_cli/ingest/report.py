"""What a command did to many files: counts, failures and warnings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openrag_cli.domain import DocumentWarning
from openrag_cli.errors import UnsupportedFormat

if TYPE_CHECKING:
    from collections.abc import Collection

    from openrag_cli.domain import Task, TaskError
    from openrag_cli.ingest.naming import Source
    from openrag_cli.ingest.stable_read import FileState

_KINDS = (
    ("recording", "sound|video|audio"),
    ("archive", "archive"),
    ("picture", "image|icon"),
    ("program", "program"),
    ("database", "database|table"),
    ("drawing", "drawing|model document"),
    ("data file", "data file"),
    ("document of another kind", "document|PostScript|OpenDocument|old binary|OLE"),
    ("font", "font"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One input that could not be processed, for a report."""

    file_id: str
    path: str | None
    task_id: str | None
    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class WarnedFile:
    """One file that was indexed, but not all of it as it stands: what its reader tells of it."""

    file_id: str
    path: str | None
    task_id: str | None
    warnings: tuple[DocumentWarning, ...]


@dataclass(slots=True)
class Report:
    """What a command did to many files; `known_as` are ids whose bytes are there under another, with that one."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    moved: int = 0
    deleted: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    known_as: list[tuple[str, str]] = field(default_factory=list)
    warned: list[WarnedFile] = field(default_factory=list)
    skipped: list[Failure] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """How many inputs failed."""
        return len(self.failures)

    def note_growing(self, source: Source, task_id: str, state: FileState) -> None:
        """Tell of a file that grew while it was read, and of which only the beginning was taken."""
        if state.is_cut:
            why = f"it grows while it is read: its first {state.st_size:,} bytes are taken"
            told = (DocumentWarning("growing", why),)
            self.warned.append(WarnedFile(source.file_id, source.shown, task_id, told))

    def skip_unread_kinds(self, named: Collection[str] = ()) -> None:
        """Count files of kinds that no reader knows as skipped, not as failed, but for the paths in `named`."""
        kept: list[Failure] = []
        for one in self.failures:
            is_unread = one.code == UnsupportedFormat.code and one.path not in named
            (self.skipped if is_unread else kept).append(one)
        self.failures = kept

    def skipped_kinds(self) -> dict[str, int]:
        """Return how many files of each kind were skipped or left out of a folder, the most frequent kind first."""
        return dict((Counter(kind_of(one.message) for one in self.skipped) + self.left_out).most_common())


def kind_of(message: str) -> str:
    """Return the noun for a kind of file from the sentence that says it is not read."""
    return next((noun for noun, words in _KINDS if re.search(words, message)), "other file")


# --- while it goes on


@dataclass(frozen=True, slots=True)
class TaskDone:
    """One task reached its end: its chunks, its error, or (`is_lost`) it was cancelled or taken over."""

    task: Task
    n_chunks: int = 0
    error: TaskError | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """So many files, of so many bytes, wait to be indexed."""

    n_files: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Begun:
    """A document is being read."""

    task: Task


@dataclass(frozen=True, slots=True)
class Read:
    """A document was read, and cut into so many chunks."""

    task: Task
    n_chunks: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """So many more chunks were embedded."""

    n_chunks: int


@dataclass(frozen=True, slots=True)
class Looked:
    """So many files of a folder were looked at; or the bytes of so many, of the `n_changed` that look changed."""

    n_files: int
    n_changed: int | None = None


Progressed = Looked | Work | Begun | Read | Embedded | TaskDone
Listener = Callable[[Progressed], None]
