"""What a command did to many files: counts, failures and warnings."""

from dataclasses import dataclass, field

from openrag_cli.domain import DocumentWarning


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
    """What a command did to many files."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    moved: int = 0
    deleted: int = 0
    chunks: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    warned: list[WarnedFile] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many inputs failed."""
        return len(self.failures)
