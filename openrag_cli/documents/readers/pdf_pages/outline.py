"""The outline (bookmarks) of a PDF as headings of its text."""

import re
from collections.abc import Sequence

from openrag_cli.documents.headings import Heading
from openrag_cli.domain import Page

MAX_ENTRIES = 5_000
_MAX_TITLE_CHARS = 200


def outline_of(text: str, pages: Sequence[Page], entries: Sequence[tuple[int, int, str]]) -> tuple[Heading, ...]:
    """Return the headings that (level from 0, page from 0, title) entries name, in order.

    A heading is the line of its page that reads as its title; where none does, it stands at the page's beginning.
    """
    found: list[Heading] = []
    for level, index, title in entries[:MAX_ENTRIES]:
        shown = " ".join(title.split())[:_MAX_TITLE_CHARS]
        if not shown or index >= len(pages):
            continue
        page = pages[index]
        floor = found[-1].end if found and found[-1].end > page.start else page.start
        line = _line_of(text, shown, floor, page.end)
        start, end = line or (floor, floor)
        found.append(Heading(start, end, level + 1, shown))
    return tuple(sorted(found, key=lambda heading: heading.start))


def _line_of(text: str, title: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where the lines are that read as the title, numbers before it allowed."""
    words = [re.escape(word) for word in title.split()]
    title_line = r"\s+".join(words)
    pattern = re.compile(rf"^[ \t]*(?:[\dA-Z.]{{1,12}}[ \t]+)?{title_line}[ \t]*$", re.MULTILINE | re.IGNORECASE)
    found = pattern.search(text, start, end)
    return found.span() if found else None
