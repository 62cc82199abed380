r"""POD, the documentation of Perl: what a reader does not see, headings, and the title.

Commands, marks of formatting and targets of links are masked; `E<eacute>` is shown as the letter. Code keeps its lines.
"""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.languages.characters import plain_names
from openrag_cli.documents.chunking.languages.closings import Closings
from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_PARAGRAPH = re.compile(r"(?:[^\n]*[^\s][^\n]*(?:\n|\Z))+")
_COMMAND = re.compile(r"=(?P<name>[a-zA-Z]\w*)[ \t]*")
_BLOCK = re.compile(r"=begin[ \t]+[^\s:]\S*[^\n]*\n")
_MARK = re.compile(r"(?P<open>[A-Z]<(?:<+(?=\s))?)|(?P<close>>+)")
_ESCAPE = re.compile(r"E<\w{1,12}>")
_HEADING = re.compile(r"^=head(?P<level>[1-6])[ \t]+(?P<title>[^\n]*(?:\n[^\n=]*\S[^\n]*){0,5})", re.MULTILINE)
_NAME = re.compile(r"^=head1[ \t]+NAME[ \t]*\n\s*([^\s=][^\n]*(?:\n[^\n=]*\S[^\n]*){0,3})", re.MULTILINE)
_SHOWN = frozenset({"head1", "head2", "head3", "head4", "head5", "head6", "item"})
_MAX_PARAGRAPH_CHARS = 50_000


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not shown."""
    position, closings = 0, Closings(text)
    while found := _PARAGRAPH.search(text, position):
        start, position = found.span()
        end = position - 1 if text.endswith("\n", start, position) else position
        if text[start] in " \t":
            continue
        block = _BLOCK.match(text, start) if text.startswith("=begin", start) else None
        closing = closings.after(block.end(), r"^=end\b[^\n]*") if block else None
        if closing:  # of another format: HTML, man
            position = closing.end()
            yield start, position
            continue
        command = _COMMAND.match(text, start, end)
        if command is None:
            yield from _marks(text, start, end)
        elif command["name"] in _SHOWN:
            yield command.span()
            yield from _marks(text, command.end(), end)
        else:
            yield start, end


def _marks(text: str, start: int, end: int) -> Iterator[Mask]:
    """Yield the marks of formatting in a paragraph, with the targets of links and entries of the index."""
    end = min(end, start + _MAX_PARAGRAPH_CHARS)
    stack: list[tuple[str, int, int]] = []  # letter, number of brackets, where it begins
    position = start
    while found := _MARK.search(text, position, end):
        position = found.end()
        if found["open"]:
            escape = _ESCAPE.match(text, found.start(), end)
            if escape:
                position = escape.end()
                yield escape.span()
                continue
            opened = found["open"]
            blank = 1 if len(opened) > 2 else 0
            stack.append((opened[0], len(opened) - 1, found.start()))
            position += blank
            yield found.start(), position
        elif stack and len(found["close"]) >= stack[-1][1]:
            letter, n_brackets, opened_at = stack.pop()
            close = found.start()
            position = close + n_brackets
            first = close - 1 if n_brackets > 1 and text[close - 1].isspace() else close
            yield first, position
            yield from _hidden(text, letter, opened_at, opened_at + 1 + n_brackets, close, position)


def _hidden(text: str, letter: str, start: int, inside: int, close: int, end: int) -> Iterator[Mask]:
    if letter in "XZ":
        yield start, end
    elif letter == "L":
        bar = text.find("|", inside, close)
        if bar >= 0:
            yield bar, end


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles."""
    for found in _HEADING.finditer(text):
        yield Heading(found.start(), found.end(), int(found["level"]), _plain(found["title"]))


def fields(text: str) -> dict[str, object]:
    """Return what the document calls itself: what stands under NAME."""
    name = _NAME.search(text[:100_000])
    return {"title": _plain(name[1])} if name else {}


def _plain(text: str) -> str:
    shown, position = "", 0
    for start, end in sorted(mask for mask in _marks(text, 0, len(text))):
        shown += text[position:start] if start > position else ""
        escape = _ESCAPE.fullmatch(text, start, end)
        shown += plain_names(escape[0]) if escape else ""
        position = max(position, end)
    return " ".join((shown + text[position:]).split())
