"""The hits of the last search, or the sources of the last answer: what `openrag open 2` means. They stay on this machine."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from openrag_cli.config.atomic_file import replace_file
from openrag_cli.errors import Forbidden, InvalidInput, StoreError


@dataclass(frozen=True, slots=True)
class Found:
    """A hit or a source as it was shown, with its number; `line` and `page` count from 1."""

    n: int
    partition: str
    file_id: str
    line: int
    page: int | None


def remember(folder: Path, found: Sequence[Found]) -> None:
    """Keep what was shown; a folder that cannot be written keeps none, which is no reason to fail."""
    with contextlib.suppress(Forbidden, StoreError):
        replace_file(_path(folder), json.dumps([asdict(one) for one in found]))


def recall(folder: Path, number: int) -> Found:
    """Return what had this number. Raises: InvalidInput, when nothing had it."""
    try:
        entries = [Found(**entry) for entry in json.loads(_path(folder).read_bytes())]
    except (OSError, ValueError, TypeError):
        entries = []
    for entry in entries:
        if entry.n == number:
            return entry
    raise InvalidInput(
        f"the last search or answer has no {number}" if entries else "no search is remembered here",
        hint="search or ask first, or give a file id",
    )


def _path(folder: Path) -> Path:
    return folder / "last-search.json"
