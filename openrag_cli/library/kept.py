"""What a library holds besides files, as one interface for a store here and one behind a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openrag_cli.domain import File, Metadata, Session, Turn
    from openrag_cli.ingest.refresh import RefreshRun
    from openrag_cli.ingest.report import Failure, Report
    from openrag_cli.store.searching.views import View


class KeptSessions(Protocol):
    """The conversations that are kept: see `store.sessions.Sessions`."""

    def all(self) -> list[Session]:
        """Return every session, the one used last first."""

    def get(self, name: str) -> Session:
        """Return one session. Raises: SessionNotFound."""

    def last(self) -> Session:
        """Return the session used last. Raises: SessionNotFound."""

    def open(self, name: str | None, partitions: Sequence[str], scope: Metadata | None = None) -> Session:
        """Return the session of that name, made now if there is none; `scope` is set where one is given."""

    def turns(self, name: str) -> list[Turn]:
        """Return the messages of a session in order. Raises: SessionNotFound."""

    def append_answered(
        self,
        name: str,
        question: str,
        answer: str,
        citations: Sequence[Metadata] = (),
        *,
        replaces_last: bool = False,
    ) -> None:
        """Add a question with its answer, both or neither. Raises: SessionNotFound."""

    def rename(self, name: str, new_name: str) -> None:
        """Give a session another name. Raises: SessionNotFound, InvalidInput, Conflict."""

    def delete(self, name: str) -> None:
        """Delete a session with its messages. Raises: SessionNotFound."""


class KeptViews(Protocol):
    """The named views: see `store.searching.views.Views`."""

    def all(self) -> list[View]:
        """Return every view, by name."""

    def get(self, name: str) -> View:
        """Return one view. Raises: ViewNotFound."""

    def create(self, name: str, partitions: Sequence[str], condition: str = "") -> View:
        """Make a view. Raises: InvalidInput, PartitionNotFound, Conflict."""

    def delete(self, name: str) -> None:
        """Delete a view; its files stay. Raises: ViewNotFound."""


class Refreshing(Protocol):
    """Reading files again: see `ingest.refresh.Refresher`."""

    def named(
        self, partition: str, file_ids: Sequence[str], *, is_outdated: bool = False
    ) -> tuple[list[File], list[Failure]]:
        """Return the files of those ids, or all, and the ids that are not there. Raises: PartitionNotFound."""

    def count_outdated(self) -> int:
        """Return how many files were made by older readers, another chunker or another model."""

    def refresh(self, files: Sequence[File], run: RefreshRun) -> Report:
        """Read `files` again; return how many were replaced, and which failed."""
