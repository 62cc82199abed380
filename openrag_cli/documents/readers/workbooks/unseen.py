"""Which cell styles of a workbook show nothing: letters in the colour of their ground, and formats that leave texts out
(`;;;`)."""

import re
from collections.abc import Mapping
from typing import IO
from xml.etree import ElementTree as ET

_WHITE_THEME = "0"  # the first colour of a theme is that of its paper
_WHITE_INDEX = frozenset({"1", "9"})
_WHITE = re.compile(r"(?:[0-9A-F]{2})?F[A-F](?:F[A-F]){2}", re.IGNORECASE)
_COLOUR = re.compile(r"[0-9A-F]{6}", re.IGNORECASE)
_NEAR = 10  # of 255
_GROUND = re.compile(rb"<(?:\w+:)?(?:tableParts|conditionalFormatting|picture)\b")
_BLOCK_BYTES = 1 << 20
_N_SECTIONS = 4  # of a format: above nought, below, nought, text


def unseen_styles(root: ET.Element, codes: Mapping[int, str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the numbers of the cell styles in the colour of their ground, and of those whose format shows no text."""
    fonts, fills, styles = (_children(root, name) for name in ("fonts", "fills", "cellXfs"))
    white, silent = set(), set()
    for number, style in enumerate(styles):
        kind = style.get("numFmtId", "")
        code = codes.get(int(kind), "") if kind.isdigit() else ""
        if is_silent(code):
            silent.add(str(number))
        font, fill = _of(fonts, style.get("fontId")), _of(fills, style.get("fillId"))
        colour = _named(font, "color") if font is not None else None
        if colour is not None and ((_is_white(colour) and not _is_filled(fill)) or _is_filled_with(fill, colour)):
            white.add(str(number))
    return frozenset(white), frozenset(silent)


def is_silent(code: str) -> bool:
    """Whether a format shows no text."""
    return code.count(";") == _N_SECTIONS - 1 and code.endswith(";")


def are_near(one: str, other: str) -> bool:
    """Whether two colours (six hexadecimal digits, red first) cannot be told apart."""
    if not (_COLOUR.fullmatch(one) and _COLOUR.fullmatch(other)):
        return False
    pairs = zip(bytes.fromhex(one), bytes.fromhex(other), strict=True)
    return all(abs(a - b) <= _NEAR for a, b in pairs)


def has_grounds(content: IO[bytes]) -> bool:
    """Whether a sheet's cells may have a ground that is not in their styles: of a table, by a condition, a picture."""
    before = b""
    while block := content.read(_BLOCK_BYTES):
        if _GROUND.search(before + block):
            return True
        before = block[-64:]
    return False


def _children(root: ET.Element, name: str) -> list[ET.Element]:
    return next((list(node) for node in root if node.tag.rpartition("}")[2] == name), [])


def _of(elements: list[ET.Element], number: str | None) -> ET.Element | None:
    at = int(number) if number and number.isdigit() else 0
    return elements[at] if at < len(elements) else None


def _named(element: ET.Element, name: str) -> ET.Element | None:
    return next((node for node in element.iter() if node.tag.rpartition("}")[2] == name), None)


def _is_white(colour: ET.Element | None) -> bool:
    if colour is None:
        return False
    if colour.get("theme") is not None:
        return colour.get("theme") == _WHITE_THEME and not colour.get("tint")
    return bool(_WHITE.fullmatch(colour.get("rgb", ""))) or colour.get("indexed") in _WHITE_INDEX


def _is_filled(fill: ET.Element | None) -> bool:
    pattern = _named(fill, "patternFill") if fill is not None else None
    if pattern is None:
        return fill is not None  # a gradient
    if pattern.get("patternType", "none") == "none":
        return False
    return not (pattern.get("patternType") == "solid" and _is_white(_named(pattern, "fgColor")))


def _is_filled_with(fill: ET.Element | None, colour: ET.Element) -> bool:
    """Whether a fill is of one colour, and of that one."""
    pattern = _named(fill, "patternFill") if fill is not None else None
    ground = _named(pattern, "fgColor") if pattern is not None and pattern.get("patternType") == "solid" else None
    if ground is None:
        return False
    shades = colour.get("rgb", "")[-6:], ground.get("rgb", "")[-6:]
    return are_near(*shades) or (not any(shades) and dict(colour.attrib) == dict(ground.attrib))
