"""A list of what was found, with warnings beside it, and with where it goes on."""

from collections.abc import Iterable
from typing import TypeVar

from openrag_cli.domain import DocumentWarning

Found = TypeVar("Found")


class Results(list[Found]):
    """What was found, with what there is to say of how it was asked for.

    Of a listing it is a page of `total`, and `next` is the token of the page that follows; None for the last.
    """

    def __init__(
        self,
        found: Iterable[Found] = (),
        warnings: Iterable[DocumentWarning] = (),
        *,
        total: int = 0,
        next: str | None = None,  # noqa: A002 - as HTTP calls it
    ) -> None:
        super().__init__(found)
        self.warnings = tuple(warnings)
        self.total = total
        self.next = next
