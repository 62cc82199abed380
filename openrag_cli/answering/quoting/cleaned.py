"""A passage's text without what is masked, where each character still knows its place in the document."""

import re
from dataclasses import dataclass

from openrag_cli.domain import Passage

_LITERAL = "``"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text[at]` stands at character `origin[at]` of the document; `origin` has one entry more, the end."""

    text: str
    origin: tuple[int, ...]

    @classmethod
    def of(cls, passage: Passage) -> "Cleaned":
        """Return a passage without its markup: what `Passage.quotable` has a NUL for."""
        shown = passage.quotable or passage.text
        pieces: list[str] = []
        origin: list[int] = []
        at = 0
        for found in re.finditer("\0+", shown):
            pieces.append(shown[at : found.start()])
            origin += range(passage.start + at, passage.start + found.start())
            if passage.text[found.start() : found.end()] == _LITERAL:
                pieces.append("`")  # code of reStructuredText, as Markdown has it
                origin.append(passage.start + found.start())
            at = found.end()
        return cls("".join([*pieces, shown[at:]]), (*origin, *range(passage.start + at, passage.end + 1)))
