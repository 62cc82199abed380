"""A heading of a document."""

from typing import NamedTuple


class Heading(NamedTuple):
    """Its line is characters `start` to `end` (none where it has no line), its level counts from 1."""

    start: int
    end: int
    level: int
    title: str
