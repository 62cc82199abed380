"""A line of text with its marks, as Markdown: bold, italics, struck, code, links, raised and lowered text.

Readers of every marked-up format give runs and get a line. A mark that would cut a word in two (a bold first letter)
is left out. Raised text is never glued to what it stands on: 10⁶ read as 106 is a wrong number.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

_RAISED = dict(zip("0123456789+-\u2212=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ", strict=True))
_LOWERED = dict(zip("0123456789+-\u2212=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))
_SIGNS = {"TM": "™", "SM": "℠", "®": "®", "©": "©", "°": "°", "™": "™", "℠": "℠"}
_ORDINALS = frozenset(
    {
        "st", "nd", "rd", "th", "er", "re", "ère", "eme", "ème", "e", "es", "o", "os", "a", "as", "me", "mes", "mme",
        "lle", "lles", "de", "d", "gr", "r", "rs", "ters", "bis",
    })  # fmt: skip
_UNIT_LETTERS = 3
"""Raised digits on words of so few letters are powers of units (m², km³, CO₂); on longer ones they are note marks."""

_PLAIN_SHIFT = re.compile(r"[-+\u2212]?[\w.,]*")
_SPACES = re.compile(r"[ \t\r\f\v]+")
_AROUND_BREAK = re.compile(r" *\n *")


@dataclass(frozen=True, slots=True)
class Style:
    """The form of a piece of text. `shift` is 1 for raised text, -1 for lowered; `url` is the target of a link."""

    is_bold: bool = False
    is_italic: bool = False
    is_struck: bool = False
    is_code: bool = False
    shift: int = 0
    url: str = ""


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one form."""

    text: str
    style: Style = PLAIN


def line_of(runs: Sequence[Run], *, has_marks: bool = True) -> str:
    """Return the Markdown of runs; without `has_marks` the text alone, as in a heading. White space is kept."""
    if all(run.style is PLAIN for run in runs):
        return "".join(run.text for run in runs)
    merged = _alike(_shifted(_alike([run for run in runs if run.text])))
    if not has_marks:
        return "".join(run.text for run in merged)
    pieces = []
    for url, group in groupby(_between_words(merged), key=lambda run: run.style.url):
        text = "".join(map(_marked, group))
        pieces.append(_linked(text, url) if url else text)
    return "".join(pieces)


def collapsed(text: str) -> str:
    """Return a line as browsers and word processors show it: one blank where there are several, none at its ends."""
    return _AROUND_BREAK.sub("\n", _SPACES.sub(" ", text)).strip()


def _alike(runs: Sequence[Run]) -> list[Run]:
    """Return runs in which neighbours of one form are one."""
    return [
        Run("".join(run.text for run in group), style) for style, group in groupby(runs, key=lambda run: run.style)
    ]


def _shifted(runs: Sequence[Run]) -> list[Run]:
    """Return runs in which raised and lowered text is written with `^`, `_` or as Unicode."""
    if not any(run.style.shift for run in runs):
        return list(runs)
    done: list[Run] = []
    before = ""
    for run in runs:
        text = shifted(before, run.text, run.style.shift)
        done.append(Run(text, replace(run.style, shift=0)))
        before = (before + text)[-40:]
    return done


def shifted(before: str, text: str, shift: int) -> str:
    """Return `text` as it is written behind `before`: raised for a `shift` of 1, lowered for -1."""
    core = text.strip()
    if not shift or not core:
        return text
    written = core if not before or before[-1].isspace() or before[-1] in "([{" else _written(before, core, shift)
    return text.replace(core, written, 1)


def _written(before: str, core: str, shift: int) -> str:
    if core in _SIGNS:
        return _SIGNS[core]
    if shift > 0 and core.rstrip(".").lower() in _ORDINALS and (before[-1].isdigit() or len(core) > 1):
        return core
    forms = _RAISED if shift > 0 else _LOWERED
    word = re.search(r"[^\W\d_\u2070-\u209c\u00b2\u00b3\u00b9]*$", before)
    n_letters = len(word[0]) if word else 0
    if 0 < n_letters <= _UNIT_LETTERS and all(char in forms for char in core):
        return "".join(forms[char] for char in core)
    if core[0] in "[(*†‡§¶":  # the mark of a note
        return f" {core}" if before[-1].isalnum() else core
    mark = "^" if shift > 0 else "_"
    return f"{mark}{core}" if _PLAIN_SHIFT.fullmatch(core) else f"{mark}({core})"


def _between_words(runs: Sequence[Run]) -> list[Run]:
    """Return runs without the marks that would stand inside a word."""
    done = []
    for place, run in enumerate(runs):
        before = runs[place - 1].text[-1] if place else " "
        after = runs[place + 1].text[0] if place + 1 < len(runs) else " "
        is_cut = (before.isalnum() and run.text[0].isalnum()) or (after.isalnum() and run.text[-1].isalnum())
        style = (
            replace(run.style, is_bold=False, is_italic=False) if is_cut else run.style
        )  # what is struck never joins
        done.append(Run(run.text, style))
    return done


def _marked(run: Run) -> str:
    core, style = run.text.strip(), run.style
    if not core or not (style.is_bold or style.is_italic or style.is_struck or style.is_code):
        return run.text
    if style.is_code:
        fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", core)), default=0))
        pad = " " if "`" in core else ""
        marked = f"{fence}{pad}{core}{pad}{fence}"
    else:
        marks = "~~" * style.is_struck + "**" * style.is_bold + "*" * style.is_italic
        marked = f"{marks}{core}{marks[::-1]}" if "\n" not in core else core
    return run.text.replace(core, marked, 1)


def _linked(text: str, url: str) -> str:
    core = text.strip()
    target = url.strip()
    plain = not core or core == target or "\n" in core or target.startswith(("javascript:", "data:", "#"))
    if plain:
        return text
    return text.replace(core, f"[{core}]({target.replace(' ', '%20').replace(')', '%29')})", 1)


class BlockWriter:
    """Gathers runs into lines, and lines into the blocks of a Markdown text.

    `style` is the form that added text has. With `keeps_spaces` a line keeps its blanks, as in code.
    """

    def __init__(self, *, keeps_spaces: bool = False) -> None:
        self.blocks: list[str] = []
        self.style = PLAIN
        self._runs: list[Run] = []
        self._keeps_spaces = keeps_spaces
        self._is_apart = False

    def add(self, text: str) -> None:
        """Add text to the line in hand."""
        if not text:
            return
        if self._is_apart and self._runs and (text[0].isalnum() or text[0] in "([{"):
            is_open = self._runs[-1].text[-1].isspace() or self._runs[-1].text[-1] in "([{"
            self._runs += [] if is_open else [Run(" ", self.style)]
        self._is_apart = False
        self._runs.append(Run(text, self.style))

    def space(self) -> None:
        """Keep what comes next apart from what stands there, by a blank unless there is one, or a sign follows."""
        self._is_apart = True

    @contextmanager
    def styled(self, **changes: Any) -> Iterator[None]:
        """Give the text that the block adds another form; see `Style`."""
        before = self.style
        self.style = replace(before, **changes)
        try:
            yield
        finally:
            self.style = before

    def line(self, *, has_marks: bool = True) -> str:
        """Return the line in hand, and begin a new one."""
        runs, self._runs = self._runs, []
        self._is_apart = False
        line = line_of(runs, has_marks=has_marks)
        return line.rstrip() if self._keeps_spaces else collapsed(line)

    def end_line(self) -> None:
        """Make the line in hand a block, unless it is blank."""
        if self._runs:
            line = self.line()
            if line.strip():
                self.blocks.append(line)

    def add_block(self, block: str) -> None:
        """End the line in hand and add a block below it, unless that is blank."""
        self.end_line()
        if block.strip():
            self.blocks.append(block)

    def end_heading(self, level: int) -> None:
        """Make the line in hand a heading of level 1 to 6."""
        line = " ".join(self.line(has_marks=False).split())
        if line:
            self.blocks.append(f"{'#' * min(6, max(1, level))} {line}")

    def text(self) -> str:
        """Return the blocks with a blank line between them; those of one list or one quotation stand together."""
        self.end_line()
        return joined_blocks(self.blocks)


_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s")


def joined_blocks(blocks: Sequence[str], *, is_item: bool = False) -> str:
    """Return blocks with a blank line between them; items of a list follow each other, and (`is_item`) their head."""
    if not any(map(_ITEM.match, blocks)):
        return "\n\n".join(blocks)
    pieces = []
    for place, block in enumerate(blocks):
        is_next_item = place and _ITEM.match(block) and (is_item or _ITEM.match(blocks[place - 1]))
        pieces.append(("\n" if is_next_item else "\n\n") + block if place else block)
    return "".join(pieces)


def indented(block: str, mark: str) -> str:
    """Return a block as an item of a list: `mark` before its first line, the other lines below its text."""
    return mark + block.replace("\n", "\n" + " " * len(mark))


def fenced(code: str, language: str = "") -> str:
    """Return code in a fence that is longer than any in it."""
    ticks = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{code}\n{fence}"
