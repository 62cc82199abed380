"""The hits of the last search, so that `openrag open 2` knows which file is meant. They stay on this machine."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from openrag_cli.config.atomic_file import replace_file
from openrag_cli.errors import Forbidden, InvalidInput, StoreError


@dataclass(frozen=True, slots=True)
class Found:
    """A hit as it was shown: `line` and `page` count from 1."""

    partition: str
    file_id: str
    line: int
    page: int | None


def remember(folder: Path, found: Sequence[Found]) -> None:
    """Keep the hits of this search; a folder that cannot be written keeps none, which is no reason to fail."""
    with contextlib.suppress(Forbidden, StoreError):
        replace_file(_path(folder), json.dumps([asdict(one) for one in found]))


def recall(folder: Path, number: int) -> Found:
    """Return hit `number` of the last search, counted from 1. Raises: InvalidInput, when there is none."""
    try:
        entries = [Found(**entry) for entry in json.loads(_path(folder).read_bytes())]
    except (OSError, ValueError, TypeError):
        entries = []
    if not 1 <= number <= len(entries):
        raise InvalidInput(
            f"the last search has no hit {number}" if entries else "no search is remembered here",
            hint="search first, or give a file id",
        )
    return entries[number - 1]


def _path(folder: Path) -> Path:
    return folder / "last-search.json"
