"""A list of what was found, with warnings beside it."""

from collections.abc import Iterable
from typing import TypeVar

from openrag_cli.domain import DocumentWarning

Found = TypeVar("Found")


class Results(list[Found]):
    """What was found, with what there is to say of how it was asked for."""

    def __init__(self, found: Iterable[Found] = (), warnings: Iterable[DocumentWarning] = ()) -> None:
        super().__init__(found)
        self.warnings = tuple(warnings)
