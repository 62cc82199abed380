"""The sections of a document: where its headings are and what stands under which.

Markdown (CommonMark's ATX and setext headings, outside fences and front matter), reStructuredText (underlined titles;
the order in which adornments appear is the order of levels), and the languages of `languages/`. Any other text is one
section; plain text is under its first line when that stands alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from openrag_cli.documents.chunking.front_matter import front_matter_end, front_matter_fields
from openrag_cli.documents.chunking.markup import MARKED_UP, language
from openrag_cli.documents.headings import Heading
from openrag_cli.domain import Document

MAX_TITLE_CHARS = 200
"""A longer title is cut: it is a paragraph that looks like a heading."""


@dataclass(frozen=True, slots=True)
class Section:
    """Characters `start` to `end` of a document: a heading and the text up to the next one, which begins at `body`.

    `path` is the titles above the text, outermost first, its own included.
    """

    start: int
    body: int
    end: int
    path: tuple[str, ...]


def sections(document: Document) -> list[Section]:
    """Return the sections of `document`, in order; together they are the whole text."""
    text = document.markdown
    finder = _finder(document)
    title = _preamble_title(text) if finder else _first_line(document)
    headings = list(finder(text)) if finder else [Heading(*entry) for entry in document.outline]
    stack = [Heading(0, 0, 0, title)] if title else []
    ends = [*(heading.start for heading in headings), len(text)]
    found = [Section(0, 0, ends[0], _path(stack))]
    for heading, end in zip(headings, ends[1:], strict=True):
        stack = [*(above for above in stack if above.level < heading.level), heading]
        found.append(Section(heading.start, heading.end, end, _path(stack)))
    return [section for section in found if section.start < section.end]


def _path(stack: list[Heading]) -> tuple[str, ...]:
    """Return the titles, without one that repeats the title above it (front matter and first heading often do)."""
    titles = [heading.title for heading in stack if heading.title]
    return tuple(title for above, title in zip(["", *titles], titles, strict=False) if title != above)


_TITLE_FIELD = re.compile(r"^:?title:[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE)


def _preamble_title(text: str) -> str | None:
    """Return the `title:` of the front matter (or of the header fields of a reStructuredText document)."""
    end = front_matter_end(text)
    if end and text.startswith(("+++", "{")):
        title = front_matter_fields(text).get("title")
        return _plain(title) if isinstance(title, str) else None
    field = _TITLE_FIELD.search(text, 0, end or max(text.find("\n\n"), 0))
    return _plain(field[1].strip().strip("\"'")) if field else None


_FIRST_LINE = re.compile(rf"\s*(\S[^\n]{{0,{MAX_TITLE_CHARS - 1}}})\n[ \t]*\n\s*\S")


def _first_line(document: Document) -> str | None:
    """Return the first line of plain text that stands alone above the rest: what its author would call the title.

    Without it the later chunks of a text do not say what they are about: SciFact, nDCG@10: full text 0.668 to 0.680,
    dense 0.651 to 0.661.
    """
    line = _FIRST_LINE.match(document.markdown) if document.media_type == "text/plain" else None
    return _plain(line[1]) if line else None


_MARKDOWN_LINE = re.compile(
    r"""^[ ]{0,3}(?:
        (?P<fence>`{3,}(?=[^`\n]*$)|~{3,})(?P<info>.*)
      | (?P<marks>\#{1,6})(?:[ \t]+(?P<atx>.*)|$)
      | (?P<underline>=+|-+)[ \t]*$
    )""",
    re.MULTILINE | re.VERBOSE,
)
_NOT_A_PARAGRAPH = re.compile(r" {4}|\t|[ ]{0,3}(?:[-*+>|<]|#{1,6}[ \t]|\d+[.)][ \t]|`{3}|~{3})")


def _markdown_headings(text: str) -> Iterator[Heading]:
    position, fence = front_matter_end(text), ""
    for line in _MARKDOWN_LINE.finditer(text, position):
        if fence:
            if line["fence"] and line["fence"].startswith(fence) and not line["info"].strip():
                fence = ""
        elif line["fence"]:
            fence = line["fence"]
        elif line["marks"]:
            title = (line["atx"] or "")[: 4 * MAX_TITLE_CHARS].strip()
            yield Heading(line.start(), line.end(), len(line["marks"]), _plain(re.sub(r"(^|[ \t])#+$", "", title)))
        elif line["underline"]:
            above = _line_above(text, line.start(), position)
            if above and not _NOT_A_PARAGRAPH.match(above[1]):
                yield Heading(above[0], line.end(), 1 if line["underline"][0] == "=" else 2, _plain(above[1]))


def _line_above(text: str, start: int, first: int) -> tuple[int, str] | None:
    """Return the line above `start` and where it begins, if it is a paragraph by itself."""
    if start <= first:
        return None
    begin = max(text.rfind("\n", first, start - 1) + 1, first)
    line = text[begin : start - 1]
    before = text[max(text.rfind("\n", first, begin - 1) + 1, first) : begin] if begin > first else ""
    is_alone = not before.strip() or re.match(r" {0,3}#{1,6}\s", before) is not None
    return (begin, line) if line.strip() and is_alone else None


_RST_UNDERLINE = re.compile(r"^(?P<mark>[!-/:-@\[-`{-~])(?P=mark)+[ \t]*$", re.MULTILINE)


def _rst_headings(text: str) -> Iterator[Heading]:
    levels: dict[tuple[str, bool], int] = {}
    previous: re.Match[str] | None = None
    for line in _RST_UNDERLINE.finditer(text):
        title_start = text.rfind("\n", 0, max(line.start() - 1, 0)) + 1
        title = text[title_start : max(line.start() - 1, 0)]
        overline = previous if previous and previous.end() + 1 == title_start else None
        has_overline = overline is not None and overline[0].strip() == line[0].strip()
        start = overline.start() if overline and has_overline else title_start
        previous = line
        if _is_rst_title(title, line[0].strip(), has_overline=has_overline) and _is_blank_above(text, start):
            level = levels.setdefault((line["mark"], has_overline), len(levels) + 1)
            yield Heading(start, line.end(), level, _plain(title))


def _is_rst_title(title: str, underline: str, *, has_overline: bool) -> bool:
    is_text = bool(title.strip()) and not _RST_UNDERLINE.fullmatch(title)
    return is_text and len(underline) >= len(title.strip()) and (has_overline or not title[0].isspace())


def _is_blank_above(text: str, start: int) -> bool:
    return not text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start].strip()


def _headings_of(finder: Callable[[str], Iterator[Heading]], text: str) -> Iterator[Heading]:
    for heading in finder(text):
        yield heading._replace(title=_plain(heading.title))


def _finder(document: Document) -> Callable[[str], Iterator[Heading]] | None:
    if document.media_type in MARKED_UP:
        return partial(_headings_of, language(document.media_type).headings)
    if document.media_type == "text/x-rst":
        return _rst_headings
    return _markdown_headings if document.has_headings else None


_MARKUP = (
    (re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)"), r"\1"),  # [text](target), ![text](image)
    (re.compile(r"<[^<>]*>"), ""),  # <a name="x"></a>
    (re.compile(r"[ \t]*\{#[^{}]*\}$"), ""),  # {#anchor}
    (re.compile(r"(\*\*|__|``|\*|`)(?=\S)([^*`]*?\S)\1"), r"\2"),
)


def _plain(title: str) -> str:
    """Return a title as one line without inline markup, cut to `MAX_TITLE_CHARS`."""
    title = title[: 4 * MAX_TITLE_CHARS].strip()
    for pattern, replacement in _MARKUP:
        title = pattern.sub(replacement, title)
    return " ".join(title.split())[:MAX_TITLE_CHARS].rstrip()
