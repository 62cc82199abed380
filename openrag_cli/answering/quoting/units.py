"""What an answer is made of: a sentence, a list item with the line that announces it, a table row with its head, code.

A unit is a stretch of a passage and the Markdown that shows it. What ends in a colon brings what follows; headings are
the context of a unit, never one themselves.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from openrag_cli.answering.quoting.blocks import MARKER, Block, Kind, blocks, indent_of
from openrag_cli.answering.quoting.cleaned import Cleaned
from openrag_cli.answering.quoting.figures import rows
from openrag_cli.answering.quoting.records import SEPARATED, rows_of
from openrag_cli.answering.quoting.source_code import dedented, is_source_code, stretches_of
from openrag_cli.answering.sentences import split
from openrag_cli.domain import Passage

MAX_CODE_LINES = 40
MAX_CODE_WORDS = 90
MAX_LIST_WORDS = 75
MAX_GRID_LINES = 30
MAX_TABLE_ROWS = 8
MIN_LETTERS = 2
_HEADING_MARKS = re.compile(r"^\s*#{1,6}\s+|\s+#+\s*$")
_TAG = re.compile(r"(?<![`\w])</?[A-Za-z][\w.]*(?:\s[\w-]+=[^<>]*)?/?>(?!`)|(?<=\w)<[A-Za-z][\w.]*>(?!`)")
_FORMATTING = re.compile(
    r"(?<!`)</?(?:i|b|em|strong|sub|sup|u|s|small|big|br|span|font|tt|cite|ref|mark|del|ins|abbr|q)(?:\s[^<>`]*)?/?>(?!`)",
    re.IGNORECASE,
)
"""Tags of HTML that say how a word looks, in a text that is none."""

_TARGET = re.compile(r"(?<=`)_{1,2}(?![\w`])|[ ]?\[[\w#*.-]+\]_(?!\w)")
"""What is left of a link or a footnote of reStructuredText."""

_LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters `start` to `end` of the document of a passage, as Markdown in `shown`.

    `text` is what it says, for scoring: without the line that announces it. `lead` is that line,
    which `shown` begins with; `label` the name of a row, `heading` what it stands under, `kind` the block it was made from.
    """

    passage: Passage
    start: int
    end: int
    shown: str
    text: str
    kind: Kind
    heading: tuple[str, ...] = ()
    label: str = ""
    lead: str = ""


@dataclass(slots=True)
class _Reader:
    passage: Passage
    cleaned: Cleaned
    lines: list[str]
    starts: list[int]
    found: list[Block]
    headings: dict[int, str] = field(default_factory=dict)

    def units(self) -> Iterator[Unit]:
        """Return the units of what is read so far."""
        for at, block in enumerate(self.found):
            if block.kind is Kind.HEADING:
                self._head(block)
            elif block.kind is Kind.PROSE:
                yield from self._prose(at, block)
            elif block.kind is Kind.ITEM:
                yield from self._item(at, block)
            elif block.kind is Kind.TABLE:
                yield from self._table(at, block)
            elif block.kind is Kind.FIGURES:
                yield from self._figures(block)
            else:
                yield from self._code(at, block)

    # --- each kind

    def _head(self, block: Block) -> None:
        lines = [line for line in self.lines[block.first : block.last] if _LETTER.search(line)]
        if not lines:
            return
        marks = re.match(r"\s*(#{1,6})\s", lines[0])
        rule = self.lines[block.last - 1].strip()[:1]
        level = len(marks[1]) if marks else {"=": 1, "-": 2}.get(rule, 3)
        self.headings = {known: text for known, text in self.headings.items() if known < level}
        self.headings[level] = _HEADING_MARKS.sub("", lines[0]).strip()

    def _prose(self, at: int, block: Block) -> Iterator[Unit]:
        low = self.starts[block.first]
        text = self._text(block)
        for start, end in split(text):
            sentence = text[start:end]
            if _is_open(sentence):
                if end == len(text.rstrip()):
                    yield from self._opened(at, low + start, _flat(sentence))
                continue
            yield self._unit(low + start, low + end, _flat(sentence), Kind.PROSE)

    def _item(self, at: int, block: Block) -> Iterator[Unit]:
        shown = _item_text(self._text(block))
        start = self.starts[block.first]
        if _is_open(shown):
            yield from self._opened(at, start, shown)
            return
        lead, lead_at = self._lead(at)
        if len(shown.split()) > MAX_LIST_WORDS:
            yield from self._long_item(block)
            return
        whole = f"{lead}\n\n{shown}" if lead else shown
        yield self._unit(
            start if lead_at is None else lead_at, self._end(block), whole, Kind.ITEM, lead=lead, text=shown
        )

    def _long_item(self, block: Block) -> Iterator[Unit]:
        text, low = self._text(block), self.starts[block.first]
        for start, end in split(text):
            sentence = MARKER.sub("", _flat(text[start:end]))
            if not _is_open(sentence):
                yield self._unit(low + start, low + end, sentence, Kind.PROSE)

    def _table(self, at: int, block: Block) -> Iterator[Unit]:
        lines = self.lines[block.first : block.last]
        has_head = len(lines) > 1 and not _LETTER.search(lines[1])
        head = lines[:2] if has_head else []
        lead, lead_at = self._lead(at)
        prefix = f"{lead}\n\n" if lead else ""
        first = block.first + len(head)
        for number in range(first, block.last):
            line = self.lines[number]
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not any(_LETTER.search(cell) for cell in cells):
                continue
            body = (
                "\n".join([*(one.strip() for one in head), line.strip()])
                if head
                else " \u2013 ".join(filter(None, cells))
            )
            text = f"{' '.join(head[:1])} {' '.join(cells)}"
            start, end = self.starts[number], self.starts[number] + len(line)
            yield self._unit(start, end, prefix + body, Kind.TABLE, text=text, label=cells[0], lead=lead)
        if head and 1 < block.last - first <= MAX_TABLE_ROWS:
            body = "\n".join(line.strip() for line in lines)
            begin = self.starts[block.first] if lead_at is None else lead_at
            yield self._unit(begin, self._end(block), prefix + body, Kind.GRID, text=f"{lead} {' '.join(lines)}")

    def _figures(self, block: Block) -> Iterator[Unit]:
        lines = self.lines[block.first : block.last]
        above = self.passage.head if block.first == 0 else ()
        for row in rows(lines, above):
            start = self.starts[block.first + row.number]
            end = start + len(lines[row.number])
            text = f"{row.title} {row.label} {lines[row.number]}"
            yield self._unit(start, end, row.shown, Kind.FIGURES, text=text, label=row.label)

    def _code(self, at: int, block: Block) -> Iterator[Unit]:
        n_lines = block.last - block.first
        is_cut = block.is_fenced and not _closes(self.lines, block)
        if is_cut or n_lines > (MAX_GRID_LINES if block.kind is Kind.GRID else MAX_CODE_LINES):
            return
        before = self.found[at - 1] if at else None
        if before and _is_open(self._text(before)) and before.kind in {Kind.PROSE, Kind.ITEM}:
            return  # the sentence before has brought it
        lead, lead_at = self._last_sentence(before) if before else ("", None)
        shown = f"{lead}\n\n{self._fenced(block)}" if lead else self._fenced(block)
        start = self.starts[block.first] if lead_at is None else lead_at
        yield self._unit(start, self._end(block), shown, block.kind)

    # --- what stands around

    def _opened(self, at: int, start: int, lead: str) -> Iterator[Unit]:
        """Yield a sentence or item that ends in a colon with what follows; nothing where the passage ends there."""
        following = self.found[at + 1] if at + 1 < len(self.found) else None
        lead = re.sub(r":+$", ":", lead)
        if following is None or following.kind is Kind.HEADING:
            return
        if following.kind is Kind.ITEM:
            items, last = self._items(at + 1, MAX_LIST_WORDS - len(lead.split()))
            if items:
                yield self._unit(start, self._end(last), f"{lead}\n\n{items}", Kind.GRID)
            return
        if following.kind is Kind.PROSE:
            text = _flat(self._text(following))
            if not _is_open(text) and len(text.split()) <= MAX_LIST_WORDS:
                yield self._unit(start, self._end(following), f"{lead}\n\n{text}", Kind.CODE)
            return
        is_cut = following.is_fenced and not _closes(self.lines, following)
        is_whole = following.last - following.first <= MAX_CODE_LINES and not is_cut
        if following.kind in {Kind.CODE, Kind.GRID} and is_whole:
            shown = f"{lead}\n\n{self._fenced(following)}"
            yield self._unit(start, self._end(following), shown, following.kind)

    def _items(self, at: int, n_words: int) -> tuple[str, Block]:
        """Return the items from block `at` on, as many as fit, and the last of them."""
        shown: list[str] = []
        last = self.found[at]
        for block in self.found[at:]:
            text = _item_text(self._text(block))
            n_words -= len(text.split())
            if block.kind is not Kind.ITEM or n_words < 0 or _is_open(text):
                break
            shown.append(text)
            last = block
        return "\n".join(shown), last

    def _lead(self, at: int) -> tuple[str, int | None]:
        """Return the line that announces the list or table that block `at` belongs to, and where it begins."""
        number = at - 1
        while number >= 0 and self.found[number].kind is Kind.ITEM:
            if _is_open(self._text(self.found[number])):
                break
            number -= 1
        block = self.found[number] if number >= 0 else None
        if block is None or block.kind not in {Kind.PROSE, Kind.ITEM} or not _is_open(self._text(block)):
            return "", None
        lead, _ = self._last_sentence(block)
        # The whole stretch from the announcing line on is cited only where the item stands right below it.
        return re.sub(r":+$", ":", lead), self._last_sentence(block)[1] if number == at - 1 else None

    def _last_sentence(self, block: Block) -> tuple[str, int | None]:
        if block.kind not in {Kind.PROSE, Kind.ITEM}:
            return "", None
        text = self._text(block)
        spans = list(split(text))
        if not spans:
            return "", None
        start, end = spans[-1]
        return MARKER.sub("", _flat(text[start:end])), self.starts[block.first] + start

    def _fenced(self, block: Block) -> str:
        lines = self.lines[block.first : block.last]
        if block.is_fenced:
            return textwrap.dedent("\n".join(line.rstrip() for line in lines))
        body = dedented(lines, is_first=not block.first)
        return f"```\n{body}\n```"

    def _text(self, block: Block) -> str:
        return "\n".join(self.lines[block.first : block.last])

    def _end(self, block: Block) -> int:
        return self.starts[block.last - 1] + len(self.lines[block.last - 1])

    def _unit(self, start: int, end: int, shown: str, kind: Kind, **more: str) -> Unit:
        origin = self.cleaned.origin
        while end > start + 1 and self.cleaned.text[end - 1].isspace():
            end -= 1
        heading = (*self.passage.heading, *self.headings.values())
        text = more.pop("text", shown)
        return Unit(self.passage, origin[start], origin[end - 1] + 1, shown, text, kind, heading, **more)


def units(passage: Passage) -> list[Unit]:
    """Return the units of a passage, in reading order."""
    if passage.file.media_type in SEPARATED:
        return list(_of_records(passage))
    if is_source_code(passage.file):
        return list(_of_source_code(passage))
    cleaned = Cleaned.of(passage)
    lines = cleaned.text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    reader = _Reader(passage, cleaned, lines, starts, blocks(lines))
    return [
        unit for unit in reader.units() if len(_LETTER.findall(unit.text)) > MIN_LETTERS and not _is_too_long(unit)
    ]


def _of_records(passage: Passage) -> Iterator[Unit]:
    """Yield the units of a passage of CSV or TSV: its rows."""
    for found in rows_of(passage, MAX_TABLE_ROWS):
        kind = Kind.TABLE if len(found.cells) == 1 else Kind.GRID
        label = found.cells[0][0] if kind is Kind.TABLE else ""
        yield Unit(passage, found.start, found.end, found.shown, found.text, kind, passage.heading, label)


def _of_source_code(passage: Passage) -> Iterator[Unit]:
    for found in stretches_of(passage):
        if len(_LETTER.findall(found.text)) > MIN_LETTERS:
            yield Unit(passage, found.start, found.end, found.shown, found.text, Kind.CODE, passage.heading)


def _is_too_long(unit: Unit) -> bool:
    return unit.kind is Kind.CODE and n_words(unit.shown) > MAX_CODE_WORDS


def _closes(lines: Sequence[str], block: Block) -> bool:
    return block.last - block.first > 1 and lines[block.last - 1].strip() in {"```", "~~~", "````"}


def _is_open(text: str) -> bool:
    return text.rstrip().endswith((":", "\uff1a"))


def _flat(text: str) -> str:
    return " ".join(_plain(text).split())


def _plain(text: str) -> str:
    """Return prose without what is left of markup; what looks like a tag and is none, a <name> to fill in, as code."""
    return _TAG.sub(r"`\g<0>`", _TARGET.sub("", _FORMATTING.sub("", text)))


def _item_text(text: str) -> str:
    """Return a list item with the lines it goes over joined, those below it kept as items of their own."""
    out: list[str] = []
    base = indent_of(text.split("\n", 1)[0])
    for line in _plain(text).split("\n"):
        marker = MARKER.match(line)
        if marker:
            depth = max(0, (indent_of(line) - base) // 2)
            out.append(f"{'  ' * min(depth, 3)}{_mark(marker[0])} {line[marker.end() :].strip()}")
        elif line.strip():
            out[-1:] = [f"{out[-1]} {line.strip()}"] if out else [line.strip()]
    return "\n".join(out)


def _mark(marker: str) -> str:
    mark = marker.strip()
    return mark if mark[:1].isdigit() else "-"


def n_words(text: str) -> int:
    """Return how many words a text has for its reader, numbers among them; marks of tables and lists are none."""
    return sum(any(char.isalnum() for char in word) for word in text.split())


def is_block(unit: Unit) -> bool:
    """Whether a unit is shown as a block: code, a table, a list."""
    return "\n" in unit.shown


def is_title(unit: Unit) -> bool:
    """Whether a unit is the line that its passage stands under, which looks like prose in a text without markup."""
    return unit.kind is Kind.PROSE and unit.shown in unit.passage.heading
