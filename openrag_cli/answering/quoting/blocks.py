"""The blocks of a text without its markup: headings, paragraphs, list items, tables, code, rows of figures.

Lines are read one after the other, so that a text of any form has blocks, and every block is a run of whole lines.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a block is."""

    HEADING = auto()
    PROSE = auto()
    ITEM = auto()
    TABLE = auto()  # a Markdown table
    GRID = auto()  # a table drawn with signs, of reStructuredText
    CODE = auto()
    FIGURES = auto()  # lines of a statement that end in numbers, and the lines above that name the columns


@dataclass(frozen=True, slots=True)
class Block:
    """Lines `first` to `last` (excluded) of a text; `indent` counts blanks, `is_fenced` is true of code with its fences."""

    kind: Kind
    first: int
    last: int
    indent: int = 0
    is_fenced: bool = False


MARKER = re.compile(r"[ \t]*(?:[-*+•‣◦]|\d{1,3}[.)]|#\.|\([a-z0-9]\))[ \t]+(?=\S)")
_FURTHER_NUMBER = re.compile(r"[ \t]*(?!1[.)])\d{1,3}[.)]")
_GOES_ON = re.compile(r"(?!.*\b(?:and|or|et|ou)$).{40,}[^\W\d_]")
"""A line of prose that is full, and ends within a sentence."""

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_ATX = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+\S")
_RULE = re.compile(r"[ \t]*([-=~^\"'*+#_`:.])\1{2,}[ \t]*$")
_SIMPLE = re.compile(r"[ \t]*=+(?: +=+)+[ \t]*$")
_GRID = re.compile(r"[ \t]*\+[-=+]{3,}\+[ \t]*$")
_SEPARATOR = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*$")
_ADMONITION = re.compile(r"[ \t]*:::|[ \t]*\[\[?[A-Z ]+\]?\][ \t]*$")
_CODE_LIKE = re.compile(
    r"^\s*(?:>>>|\$ |def |class |import |from \w+ import|return\b|@\w|#!|[\w.\[\]]+ ?[-+*/]?= ?\S|[\w.]+\([^)]*\)\s*:?$|"
    r"if .*:$|for .*:$|while .*:$|try:|except.*:|else:|elif .*:|[{}\[\]();]+$)"
)
_ENDS_IN_FIGURES = re.compile(
    r"^(?P<label>.{2,110}?\D)\s*(?P<figures>(?<=\s)[$(\u2212-]?\s?(?:[-\u2212(]?[$€£¥]?\s?[-\u2212(]?\d[\d.,]*\s?[%)]{0,2}|[\u2014\u2013])"
    r"(?:\s+[$€£¥]?\s?(?:[-\u2212(]?[$€£¥]?\s?\d[\d.,]*\s?[%)]{0,2}|[\u2014\u2013]))*)\s*$"
)
STAMPED = re.compile(
    r"\s*[\[<(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d\d:\d\d:\d\d)\b"
)
"""The beginning of an entry of a log: each is a block, with the lines that follow it without a time of their own."""

_YEARS = re.compile(r"\b(?:19|20)\d\d\b")
MIN_FIGURE_ROWS = 3
MIN_INDENT = 2
MIN_RULE = 3


def indent_of(line: str) -> int:
    """Return how many blanks begin a line, a tab for four."""
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip(" "))


def figures_of(line: str) -> tuple[str, str] | None:
    """Return (label, figures) of a line of a statement; None for any other line."""
    stripped = line.strip()
    found = _ENDS_IN_FIGURES.match(stripped) if stripped and stripped[-1] in "0123456789)%\u2014\u2013" else None
    if found is None or not re.search(r"[^\W\d_]{2}", found["label"]) or _YEARS.fullmatch(found["figures"].strip()):
        return None
    if len(_YEARS.findall(found["figures"])) == len(found["figures"].split()):
        return None
    return found["label"].strip(), found["figures"].strip()


def blocks(lines: Sequence[str]) -> list[Block]:
    """Return the blocks of a text in order."""
    found: list[Block] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip() or _ADMONITION.match(lines[at]):
            at += 1
            continue
        block = _block(lines, at, found[-1] if found else None)
        if block is None:
            at += 1
            continue
        found.append(block)
        at = block.last
    return found


def _block(lines: Sequence[str], at: int, before: Block | None) -> Block | None:
    """Return the block that begins at a line; None where nothing but a rule does."""
    line, indent = lines[at], indent_of(lines[at])
    if fence := _FENCE.match(line):
        return Block(Kind.CODE, at, _fence_end(lines, at, fence[1]), indent, is_fenced=True)
    if _SIMPLE.match(line) or _GRID.match(line):
        return Block(Kind.GRID, at, _grid_end(lines, at), indent)
    if _RULE.match(line):
        is_over = at + 2 < len(lines) and bool(lines[at + 1].strip()) and bool(_RULE.match(lines[at + 2]))
        return Block(Kind.HEADING, at, at + 3) if is_over else None
    if n_lines := _heading_lines(lines, at):
        return Block(Kind.HEADING, at, at + n_lines)
    return _unruled(lines, at, before)


def _heading_lines(lines: Sequence[str], at: int) -> int:
    line = lines[at]
    if _ATX.match(line):
        return 1
    following = lines[at + 1] if at + 1 < len(lines) else ""
    is_ruled = _RULE.match(following) and len(following.strip()) >= MIN_RULE
    return 2 if is_ruled and not MARKER.match(line) and "|" not in line else 0


def _unruled(lines: Sequence[str], at: int, before: Block | None) -> Block:
    line, indent = lines[at], indent_of(lines[at])
    following = lines[at + 1] if at + 1 < len(lines) else ""
    if not at and not indent and indent_of(following) >= MIN_INDENT and _is_code(line) and _is_code(following):
        return Block(Kind.CODE, at, _indented_end(lines, at + 1, indent_of(following)))  # it was cut within its code
    if line.lstrip().startswith("|") or ("|" in line and _SEPARATOR.match(following) and "|" in following):
        return Block(Kind.TABLE, at, max(at + 1, _while_cells(lines, at)))
    if MARKER.match(line) and not _is_announced(lines, at, before, needs_code=True):
        return Block(Kind.ITEM, at, _item_end(lines, at), indent)
    if indent >= MIN_INDENT and _is_announced(
        lines, at, before, needs_code=before is None or before.kind is not Kind.CODE
    ):
        return Block(Kind.CODE, at, _indented_end(lines, at, indent), indent)
    if not STAMPED.match(line) and (end := _figures_end(lines, at)):
        return Block(Kind.FIGURES, at, end)
    return Block(Kind.PROSE, at, _prose_end(lines, at), indent)


def _is_announced(lines: Sequence[str], at: int, before: Block | None, *, needs_code: bool) -> bool:
    """Whether an indented line begins code: "::" stands before it, or it looks so."""
    last = lines[before.last - 1].rstrip() if before else ""
    is_literal = last.endswith("::") and indent_of(lines[at]) > (before.indent if before else 0)
    if is_literal:
        return True
    return indent_of(lines[at]) >= MIN_INDENT and _is_code(lines[at]) and (needs_code or last.endswith(":"))


def _is_code(line: str) -> bool:
    return bool(_CODE_LIKE.match(line)) and not MARKER.match(line)


def _while_cells(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and "|" in lines[at]:
        at += 1
    return at


def _fence_end(lines: Sequence[str], at: int, fence: str) -> int:
    for end in range(at + 1, len(lines)):
        if lines[end].strip().startswith(fence) and not lines[end].strip().strip(fence[0]):
            return end + 1
    return len(lines)


def _grid_end(lines: Sequence[str], at: int) -> int:
    is_grid = bool(_GRID.match(lines[at]))
    end = at + 1
    while end < len(lines) and lines[end].strip():
        end += 1
    while not is_grid and end < len(lines) and not _SIMPLE.match(lines[end - 1]) and end - at < 60:
        end += 1  # rows of a simple table may have blank lines between them
    return end


def _item_end(lines: Sequence[str], at: int) -> int:
    indent = indent_of(lines[at])
    end = at + 1
    while end < len(lines):
        line = lines[end]
        if not line.strip():
            following = next((text for text in lines[end + 1 : end + 3] if text.strip()), "")
            if indent_of(following) <= indent or not lines[end + 1 : end + 2] or MARKER.match(following):
                return end
        elif (
            (MARKER.match(line) and indent_of(line) <= indent)
            or _FENCE.match(line)
            or (indent_of(line) <= indent and (_ATX.match(line) or _RULE.match(line)))
        ):
            return end
        end += 1
    return end


def _indented_end(lines: Sequence[str], at: int, indent: int) -> int:
    end = at
    while end < len(lines) and (not lines[end].strip() or indent_of(lines[end]) >= indent):
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return end


def _figures_end(lines: Sequence[str], at: int) -> int:
    """Return where a statement that begins at a line ends; 0 where none begins there.

    It may begin with lines that have no figures: up to six short ones, which name it and its columns.
    """
    first = at
    while first < len(lines) and first - at <= 6 and figures_of(lines[first]) is None:
        text = lines[first].strip()
        if not text or len(text) > 110 or text.endswith("."):
            return 0
        first += 1
    end, n_rows, gap = first, 0, 0
    for number in range(first, len(lines)):
        text = lines[number].strip()
        if figures_of(text):
            n_rows, gap, end = n_rows + 1, 0, number + 1
        else:
            gap += 1
            if not text or gap > 2 or len(text) > 110 or text.endswith("."):
                break
    return end if n_rows >= MIN_FIGURE_ROWS else 0


def _is_item(line: str, before: str) -> bool:
    """Whether a line of a paragraph begins an item: not after a comma, nor with a number that a sentence goes on with."""
    if not MARKER.match(line) or before.endswith(","):
        return False
    return not (_FURTHER_NUMBER.match(line) and _GOES_ON.fullmatch(before))


def _prose_end(lines: Sequence[str], at: int) -> int:
    end = at + 1
    while end < len(lines) and lines[end].strip():
        line = lines[end]
        if _FENCE.match(line) or _ATX.match(line) or _SIMPLE.match(line) or _GRID.match(line) or STAMPED.match(line):
            return end
        if line.lstrip().startswith("|") or _is_item(line, lines[end - 1].rstrip()):
            return end
        if end + 1 < len(lines) and _RULE.match(lines[end + 1]):
            return end
        if figures_of(line) and _figures_end(lines, max(at, end - 3)):
            return max(at + 1, end - 3)
        end += 1
    return end
