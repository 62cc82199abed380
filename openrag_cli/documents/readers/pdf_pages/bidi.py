"""Lines with Hebrew or Arabic in the order in which they are read, from where their letters stand.

PDFium turns the letters of a line round, but not what stands between them: "A-1099" beside a Hebrew label became
"-1099A", and the parts of a mixed line changed places. Here a line goes by UAX #9, backwards: what is drawn from left
to right, numbers and other scripts, stays; the rest is read from the right.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
MAX_CHARS = 40_000
"""A page of more characters is left as it is."""

_ARABIC = re.compile("[\u0600-\u06ff\u0750-\u08ff\ufb50-\ufdff\ufe70-\ufefc]")
_SEPARATORS, _SIGNS, _UNITS = frozenset(",.:/\u00a0"), frozenset("+-\u2212"), frozenset("%$€£¥₪#°\u2030")
_PAIRS = ("()", "[]", "{}", "«»")
_WIDE = 1.5  # times the height of letters: a gap between two columns
_SPACE = 0.15  # times the height of letters: a gap between two words


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character where it is drawn; those of one ligature have one place. `height` is the size of its font."""

    char: str
    left: float
    right: float
    base: float
    height: float


def glyphs_of(text_page: Any) -> list[list[Glyph]]:
    """Return the characters of a page by its lines, without those that PDFium made up.

    Some writers say the letters of a word at one of its glyphs, and nothing at the others: their codes are no letters.
    """
    from pypdfium2 import raw

    lines: list[list[Glyph]] = [[]]
    for at in range(min(text_page.count_chars(), MAX_CHARS)):
        char = chr(raw.FPDFText_GetUnicode(text_page, at))
        is_code = raw.FPDFText_HasUnicodeMapError(text_page, at) == 1
        if char == "\n":
            lines.append([])
        elif char != "\r" and not is_code and raw.FPDFText_IsGenerated(text_page, at) != 1:
            left, bottom, right, top = text_page.get_charbox(at, loose=True)
            lines[-1].append(Glyph(char, left, right, bottom, max(top - bottom, 0.1)))
    return lines


def with_lines_turned(text: str, glyphs: Callable[[], list[list[Glyph]]]) -> str:
    """Return the text of a page with its right-to-left lines in order; `glyphs` gives the characters of its lines."""
    if not RIGHT_TO_LEFT.search(text):
        return text
    lines = text.split("\n")
    drawn = glyphs()
    if len(lines) != len(drawn):
        return text
    done = []
    for line, row in zip(lines, drawn, strict=True):
        is_turned = RIGHT_TO_LEFT.search(line) and _is_one_line(row)
        done.append(_turned(row) if is_turned else line)
    return "\n".join(done)


def _is_one_line(row: Sequence[Glyph]) -> bool:
    heights = [glyph.height for glyph in row]
    bases = [glyph.base for glyph in row if not glyph.char.isspace()]
    return bool(bases) and max(bases) - min(bases) < 0.6 * max(heights)


def _words(text: str) -> tuple[int, int]:
    """Return how many words have letters that run from the right, and from the left."""
    words = text.split()
    right = [word for word in words if RIGHT_TO_LEFT.search(word)]
    return len(right), sum(1 for word in words if any(map(str.isalpha, word))) - len(right)


def _turned(row: Sequence[Glyph]) -> str:
    cells = _spaced(_in_place(row))
    n_right, n_left = _words("".join(cells))
    outermost = next(cell for cell in reversed(cells) if RIGHT_TO_LEFT.match(cell) or _is_left(cell))
    if n_right > n_left or (n_right == n_left and RIGHT_TO_LEFT.match(outermost)):
        return _mended(" ".join("".join(_read_from_right(cells)).split()))
    return " ".join("".join(_read_from_left(cells)).split())


def _in_place(row: Sequence[Glyph]) -> list[Glyph]:
    """Return the characters from left to right; marks follow their letter, ligatures are one."""
    places: dict[tuple[int, int], list[Glyph]] = {_place(one): [] for one in row if not _is_mark(one)}
    marks: list[Glyph] = []
    for glyph in row:
        places.get(_place(glyph), marks).append(glyph)
    found = []
    for group in places.values():
        is_turned = any(RIGHT_TO_LEFT.match(glyph.char) for glyph in group)
        chars = "".join(glyph.char for glyph in (reversed(group) if is_turned else group))
        found.append(Glyph(chars, group[0].left, group[0].right, group[0].base, group[0].height))
    found = [_without_echo(glyph, found) for glyph in found]
    found.sort(key=lambda glyph: glyph.left + glyph.right)
    for mark in marks:
        if found:
            middle = (mark.left + mark.right) / 2
            at = min(range(len(found)), key=lambda at: abs((found[at].left + found[at].right) / 2 - middle))
            letter = found[at]
            found[at] = Glyph(letter.char + mark.char, letter.left, letter.right, letter.base, letter.height)
    return found


def _place(glyph: Glyph) -> tuple[int, int]:
    return round(10 * glyph.left), round(10 * glyph.right)


def _is_mark(glyph: Glyph) -> bool:
    return bool(unicodedata.combining(glyph.char))


def _without_echo(glyph: Glyph, others: Sequence[Glyph]) -> Glyph:
    """Return a Latin letter without the right-to-left word that its glyph is said to stand for as well, where that
    word has a glyph of its own."""
    word, _, letter = glyph.char.rpartition(" ")
    if not word or not letter.isascii() or all(other is glyph or other.char.strip() != word for other in others):
        return glyph
    return replace(glyph, char=letter)


def _spaced(glyphs: Sequence[Glyph]) -> list[str]:
    """Return the characters with a blank where there is a gap, and two where it is one between columns."""
    cells: list[str] = []
    right = None
    for glyph in glyphs:
        if glyph.char.isspace():
            continue
        gap = 0.0 if right is None else (glyph.left - right) / glyph.height
        if gap > _SPACE:
            cells += [" "] * (2 if gap > _WIDE else 1)
        cells.append(glyph.char)
        right = max(glyph.right, right or glyph.right)
    return cells


def _is_left(cell: str) -> bool:
    return cell[0].isalpha() and not RIGHT_TO_LEFT.match(cell)


def _read_from_right(cells: Sequence[str]) -> list[str]:
    """Return the cells of a right-to-left line: stretches that run from the left are kept, the others turned."""
    read: list[str] = []
    at = len(cells) - 1
    is_arabic = False
    while at >= 0:
        if not (_is_left(cells[at]) or cells[at][0].isdecimal() or cells[at][0] in _UNITS):
            if RIGHT_TO_LEFT.match(cells[at]):
                is_arabic = bool(_ARABIC.match(cells[at]))
            read.append(cells[at])
            at -= 1
            continue
        start = _start_of(cells, at, is_arabic=is_arabic)
        read += cells[start : at + 1]
        at = start - 1
    return read


def _start_of(cells: Sequence[str], end: int, *, is_arabic: bool) -> int:
    """Return where the stretch begins that runs from the left and ends at `end`."""
    start = at = end
    while at > 0:
        at -= 1
        cell = cells[at]
        if RIGHT_TO_LEFT.match(cell) or (cell == " " and cells[at - 1 : at] == [" "]):
            break
        if _is_left(cell) or cell[0].isdecimal():
            if _joins(cells[at], cells[at + 1 : start], cells[start], is_arabic=is_arabic):
                start = at
            else:
                break
    while start > 0 and not is_arabic and cells[start - 1][0] in _UNITS and cells[start][0].isdecimal():
        start -= 1
    return start


def _joins(left: str, between: Sequence[str], right: str, *, is_arabic: bool) -> bool:
    """Whether two letters or digits, and what stands between them, run from the left together."""
    if not between or not (left[0].isdecimal() and right[0].isdecimal()):
        return not (is_arabic and left[0].isdecimal() and _is_left(right) and bool(between))
    if len(between) > 1:
        return False
    return between[0] in _SEPARATORS or (not is_arabic and between[0] in _SIGNS)


def _read_from_left(cells: Sequence[str]) -> list[str]:
    """Return the cells of a left-to-right line, its right-to-left stretches turned; a number at their left end is
    the last of them."""
    read: list[str] = []
    at = 0
    places = [place for place, cell in enumerate(cells) if RIGHT_TO_LEFT.match(cell)]
    while at < len(cells):
        first = next((place for place in places if place >= at), None)
        if first is None:
            return [*read, *cells[at:]]
        last = first
        while (after := next((place for place in places if place > last), None)) is not None and not any(
            map(_is_left, cells[last + 1 : after])
        ):
            last = after
        start = _with_number(cells, at, first)
        read += [*cells[at:start], *_read_from_right(cells[start : last + 1])]
        at = last + 1
    return read


def _with_number(cells: Sequence[str], floor: int, first: int) -> int:
    """Return where a right-to-left stretch begins: at a number before its first letter, if one stands there."""
    at = first
    while at > floor and cells[at - 1] == " ":
        at -= 1
    start = at
    while start > floor and (cells[start - 1][0].isdecimal() or cells[start - 1] in _SEPARATORS):
        start -= 1
    is_number = start < at and any(cell.isdecimal() for cell in cells[start:at])
    is_alone = start > floor and not _is_left(cells[start - 1]) and any(cells[start - 1 : start])
    return start if is_number and is_alone else first


def _mended(line: str) -> str:
    """Return a line with its brackets the right way round: some writers draw the mirrored ones, or one of a pair."""
    chars = list(line)
    for pair in _PAIRS:
        places = [at for at, char in enumerate(chars) if char in pair]
        depth = least = 0
        for at in places:
            depth += 1 if chars[at] == pair[0] else -1
            least = min(least, depth)
        if len(places) % 2 == 0 and (depth or least):
            for number, at in enumerate(places):
                chars[at] = pair[number % 2]
    return "".join(chars)
