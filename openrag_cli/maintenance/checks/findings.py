"""What a check found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in one sentence. `fix` is what a person does; `mend` does it, and says so, where it can."""

    name: str
    status: Status
    text: str
    fix: str | None = None
    mend: Callable[[], str] | None = None
