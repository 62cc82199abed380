"""Which files a request may see: partitions, files by name, and a filter on metadata."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from openrag_cli.domain import DocumentWarning, File
from openrag_cli.errors import DocumentNotFound
from openrag_cli.index.rows import Scope
from openrag_cli.retrieval import filters
from openrag_cli.retrieval.filter_notes import filter_notes
from openrag_cli.store.catalog import Catalog
from openrag_cli.store.files.conditions import AllOf, Condition, Ordered
from openrag_cli.store.files.filtered_files import KeyFacts
from openrag_cli.store.files.results import Results
from openrag_cli.store.metadata import resolved, rfc3339


class Scoped(Protocol):
    """What narrows a request; see `SearchRequest`."""

    @property
    def partitions(self) -> Sequence[str]:
        """Names; `all` means every one."""

    @property
    def file_ids(self) -> Sequence[str]:
        """Ids of files; none means every one."""

    @property
    def filter(self) -> str:
        """A condition on metadata; blank means none."""

    @property
    def since(self) -> datetime | None:
        """The date of the oldest document."""

    @property
    def until(self) -> datetime | None:
        """The date of the newest document."""


def _condition(request: Scoped) -> Condition | None:
    """Return what a request asks of the metadata of files; None for nothing. Raises: InvalidInput."""
    parts: list[Condition] = [filters.parse(request.filter)] if request.filter.strip() else []
    for sign, moment in ((">=", request.since), ("<=", request.until)):
        if moment is not None:
            parts.append(Ordered("modified_at", sign, rfc3339(moment.astimezone(UTC))))
    return AllOf(tuple(parts)) if len(parts) > 1 else next(iter(parts), None)


class Scopes:
    """Narrows requests to what the catalog of one store says."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def scope(self, request: Scoped) -> Scope:
        """Return the rows of the index that a request may see.

        Raises:
            InvalidInput: the filter. PartitionNotFound, DocumentNotFound: a name is unknown.
        """
        wanted = self._catalog.partition_ids(request.partitions)
        named = self._named(request, wanted) if request.file_ids else None
        condition = _condition(request)
        if condition is None:
            return Scope(revisions=named) if named is not None else Scope(self._swept(wanted))
        files = self._catalog.filtered
        found = files.selection(condition, files.partition_ids(wanted))
        if named is not None:
            chosen = set(found.revisions)
            return Scope(revisions=[one for one in named if (one in chosen) is not found.is_excluded])
        if not found.is_excluded:
            return Scope(wanted, sorted(found.revisions))
        return Scope(self._swept(wanted), excluded=sorted(found.revisions))

    def _swept(self, wanted: Sequence[int] | None) -> Sequence[int] | None:
        """Return partitions none of which is deleted: its rows, until they are swept, would be all that a search finds."""
        if wanted is not None or not self._catalog.has_tombstones():
            return wanted
        return self._catalog.filtered.partition_ids(None)

    def _named(self, request: Scoped, wanted: Sequence[int] | None) -> list[str]:
        revisions: list[str] = []
        for file_id in dict.fromkeys(request.file_ids):
            found = self._catalog.revisions_of(file_id, wanted)
            if not found:
                raise DocumentNotFound(file_id, ", ".join(request.partitions))
            revisions += found
        return revisions

    def lets_through(self, request: Scoped, files: Sequence[File]) -> bool:
        """Whether the filter and the dates of a request hold for all of these files as they are now."""
        condition = _condition(request)
        return condition is None or all(filters.evaluate(condition, resolved(file)) for file in files)

    def notes(self, partitions: Sequence[str], text: str) -> tuple[DocumentWarning, ...]:
        """Return what a filter may have got wrong. Raises: InvalidInput, PartitionNotFound."""
        if not text.strip():
            return ()
        files = self._catalog.filtered
        wanted = files.partition_ids(self._catalog.partition_ids(partitions))
        return tuple(filter_notes(filters.parse(text), files, wanted))

    def files(self, partition: str, text: str, *, limit: int, offset: int, after: str = "") -> Results[File]:
        """Return files of a partition, or of `all`, by id, as far as a filter lets them through.

        Raises:
            InvalidInput: the filter, or `after` names no page. PartitionNotFound.
        """
        condition = filters.parse(text) if text.strip() else None
        found = self._catalog.files(partition, limit=limit, offset=offset, after=after, condition=condition)
        return Results(found, self.notes([partition], text), total=found.total, next=found.next)

    def keys(self, partition: str) -> list[KeyFacts]:
        """Return the keys of metadata that the files of a partition, or of `all`, have. Raises: PartitionNotFound."""
        files = self._catalog.filtered
        return files.key_facts(files.partition_ids(self._catalog.partition_ids([partition])))
