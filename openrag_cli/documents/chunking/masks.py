"""Stretches of a document that stand in its text and not in what is embedded, searched and quoted."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

Mask = tuple[int, int]

_BLANKS = re.compile(r"(?<=\S)[ \t]{2,}(?=\S)")
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def merged(masks: Iterable[Mask]) -> tuple[Mask, ...]:
    """Return masks in order that do not overlap; those that touch are one."""
    found: list[Mask] = []
    for start, end in sorted(masks):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif start < end:
            found.append((start, end))
    return tuple(found)


def unmasked(text: str, start: int, end: int, masks: Sequence[Mask]) -> str | None:
    """Return characters `start` to `end` of a text without what is masked; None where nothing is.

    `masks` are in order and do not overlap. Blank lines that a mask leaves are closed up.
    """
    at = bisect_left(masks, start, key=lambda mask: mask[1])
    pieces: list[str] = []
    position = start
    while at < len(masks) and masks[at][0] < end:
        first, last = masks[at]
        if last > position:
            pieces.append(text[position : max(first, position)])
            position = min(last, end)
        at += 1
    if position == start and not pieces:
        return None
    plain = "".join([*pieces, text[position:end]])
    return _BLANK_LINES.sub("\n\n", plain).strip("\n")
