"""The numbers that Word writes before paragraphs by itself: `1.`, `1.2`, `Article 3`, `(iv)`."""

import re
from dataclasses import dataclass, field
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local, number_of

_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_CHINESE = "〇一二三四五六七八九"
_CHINESE_FORMATS = frozenset({"chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting",
                              "taiwaneseCountingThousand", "ideographDigital", "japaneseDigitalTenThousand"})  # fmt: skip


_BOXES = frozenset("☐☑☒✓✔✗✘")
"""Bullets that say something of their item."""


@dataclass(slots=True)
class _Level:
    form: str = "decimal"
    text: str = ""
    start: int = 1
    style: str = ""


@dataclass(slots=True)
class _List:
    levels: dict[int, _Level] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)


class Numbers:
    """Counts the numbered paragraphs of one document, in its order."""

    def __init__(self, root: Any) -> None:
        self._lists: dict[str, _List] = {}
        self._of_number: dict[str, tuple[str, dict[int, int]]] = {}
        self._started: set[tuple[str, int]] = set()
        abstract = {}
        for element in root if root is not None else ():
            if local(element) == "abstractNum":
                abstract[attribute(element, "abstractNumId")] = element
                self._lists[attribute(element, "abstractNumId")] = _List(_levels(element))
            elif local(element) == "num":
                self._note(element)

    def _note(self, element: Any) -> None:
        link = child_of(element, "abstractNumId")
        starts: dict[int, int] = {}
        own: dict[int, _Level] = {}
        for override in element:
            if local(override) == "lvlOverride":
                level = number_of(attribute(override, "ilvl"), 0)
                start = child_of(override, "startOverride")
                if start is not None:
                    starts[level] = number_of(attribute(start, "val"), 1)
                own |= _levels(override)
        shared = attribute(link, "val") if link is not None else ""
        number = attribute(element, "numId")
        if own and shared in self._lists:
            known = self._lists[shared]
            self._lists[f"{shared}/{number}"] = _List(known.levels | own, known.counts)
            shared = f"{shared}/{number}"
        self._of_number[number] = (shared, starts)

    def level_of_style(self, number: str, style: str) -> int:
        """Return the level of a list that belongs to a style of paragraphs; 0 where none does."""
        known = self._lists.get(self._of_number.get(number, ("", {}))[0])
        return next((place for place, level in known.levels.items() if level.style == style), 0) if known else 0

    def next_label(self, number: str, level: int) -> str:
        """Count one more paragraph of a list and return what stands before it: `-` for a bullet, or nothing."""
        shared, starts = self._of_number.get(number, ("", {}))
        known = self._lists.get(shared)
        if known is None or level not in known.levels:
            return "-" if number not in {"", "0"} else ""
        form = known.levels[level].form
        if form == "bullet":
            sign = known.levels[level].text
            return f"- {sign}" if sign in _BOXES else "-" if sign.strip() or not sign else ""
        self._count(number, level, known, starts)
        return "" if form == "none" and not known.levels[level].text.strip() else self._label(known, level)

    def _count(self, number: str, level: int, known: _List, starts: dict[int, int]) -> None:
        counts = known.counts
        is_new = level not in counts
        if level in starts and (number, level) not in self._started:
            counts[level], is_new = starts[level] - 1, False
        self._started.add((number, level))
        counts[level] = known.levels[level].start if is_new else counts[level] + 1
        for deeper in [place for place in counts if place > level]:
            del counts[deeper]

    def _label(self, known: _List, level: int) -> str:
        def shown(match: re.Match[str]) -> str:
            """Return a number as its list shows it."""
            place = int(match[1]) - 1
            other = known.levels.get(place, _Level())
            return written(known.counts.get(place, other.start), other.form)

        return _PLACE.sub(shown, known.levels[level].text).strip()


def _levels(element: Any) -> dict[int, _Level]:
    levels = {}
    for part in element:
        if local(part) != "lvl":
            continue
        level = _Level()
        for entry in part:
            name, value = local(entry), attribute(entry, "val")
            if name == "numFmt":
                level.form = value
            elif name == "lvlText":
                level.text = value
            elif name == "start":
                level.start = number_of(value, 1)
            elif name == "pStyle":
                level.style = value
        levels[number_of(attribute(part, "ilvl"), 0)] = level
    return levels


def written(number: int, form: str) -> str:
    """Return a number in one of Word's forms; those that are not known are decimal."""
    if form in {"lowerLetter", "upperLetter"} and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * min(10, 1 + (number - 1) // 26)
        return letter if form == "lowerLetter" else letter.upper()
    if form in {"lowerRoman", "upperRoman"} and 0 < number < 5000:
        return roman(number) if form == "lowerRoman" else roman(number).upper()
    if form == "decimalZero":
        return f"{number:02}"
    if form in _CHINESE_FORMATS and 0 < number < 100:
        tens, ones = divmod(number, 10)
        return ("" if tens < 2 else _CHINESE[tens]) + ("十" if tens else "") + (_CHINESE[ones] if ones else "")
    return "" if form in {"none", "bullet"} else str(number)


def roman(number: int) -> str:
    """Return a number from 1 in small Roman digits."""
    text = ""
    for value, letters in _ROMAN:
        text += letters * (number // value)
        number %= value
    return text
