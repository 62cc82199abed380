"""What to add and how, as every door says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from openrag_cli import limits
from openrag_cli.domain import File, Metadata, Upload
from openrag_cli.errors import UnsupportedFormat
from openrag_cli.ingest.naming import Source
from openrag_cli.ingest.stable_read import FileState


class IfExists(StrEnum):
    """What to do with a file whose id is taken and whose content differs."""

    FAIL = "fail"
    SKIP = "skip"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class QueuedUpload:
    """A file as it was read: what is to be queued, and the state that it was in.

    A kind of file that no reader knows is not read whole: its upload has no hash, and `refusal` says why. `replaces` is
    the revision that the file had when it was looked for.
    """

    source: Source
    upload: Upload
    state: FileState
    refusal: UnsupportedFormat | None = None
    replaces: str | None = None


def _anything(_: File) -> bool:
    return True


def _nothing(_: Sequence[QueuedUpload]) -> None:
    return


@dataclass(frozen=True, slots=True)
class AddOptions:
    """How files are added; `batch` names this command's tasks.

    A file that exists is replaced only if `may_replace` it; with `keeps_metadata` the new version has what the old one
    has when it goes. With `is_guarded` nothing takes the place of what another command has put, or is putting, since
    it was looked for. `on_stored` is told of each group of files before it is queued, `on_looked` of each
    file that was looked at.
    """

    partition: str
    batch: str
    metadata: Metadata = field(default_factory=dict)
    if_exists: IfExists = IfExists.FAIL
    max_bytes: int = limits.most("file_bytes")
    max_markup_bytes: int = limits.most("markup_bytes")
    may_replace: Callable[[File], bool] = _anything
    keeps_metadata: bool = False
    is_guarded: bool = False
    on_stored: Callable[[Sequence[QueuedUpload]], None] = _nothing
    on_looked: Callable[[], None] = lambda: None
