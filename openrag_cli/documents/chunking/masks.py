"""Stretches of a document that stand in its text and not in what is embedded, searched and quoted."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from openrag_cli.documents.chunking.languages.characters import named

Mask = tuple[int, int]

_INLINE_TAG = re.compile(
    r"</?(?:a|abbr|b|cite|code|del|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strong|sub|sup|tt|u|var|wbr|[A-Z][\w.]*)\b"
)
_SHIFT_TAG = re.compile(r"<su([bp])\b")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|e|er|re|ème|o|a|os|as)\b")
_COMMAND_WITHIN_WORD = re.compile(
    r"\\(?:text(?:bf|it|tt|sc|sf|sl|rm|up|md|normal)|emph|underline|mbox|[-/,&|^%:]|f(?:[A-Z1-9](?![a-z])|[(\[])|s[-+]?\d|c\Z)"
)
_SHIFT_COMMAND = re.compile(r"\\text(super|sub)script\{")
_CELL = re.compile(r"\[/?(?:td|th|tr|li|br|quote)[\]=]")
_QUOTED_AUTHOR = re.compile(r"\[quote[ \t]*=[^\[\]\n]*$", re.IGNORECASE)
_NOTE_TAG = re.compile(r"<(?:/?ref|br|/?li|/?p|/?div)\b")
_SHIFT_BRACKET = re.compile(r"\[(?:su([bp])\]|~)")
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


def instead(text: str, start: int, end: int) -> str:
    """Return what stands where markup is masked, so that nothing is glued that a reader sees apart: a blank for a
    break or the end of a cell, `^` and `_` before raised and lowered text, characters for their names, else nothing."""
    characters = named(text, start, end)
    if characters is not None:
        return characters
    if not text[start - 1 : start].strip() or not text[end : end + 1].strip():
        return ""
    # Two arguments of an unknown command of TeX, `}{`, are two words.
    if text.startswith(("footnote", "@footnote", "@*", "[fn:", "}{"), start):
        return " "
    if text[start] in "\\&~":
        return _instead_of_command(text, start, end)
    return _instead_of_tag(text, start, end) if text[start] == "<" else _instead_of_bracket(text, start, end)


def _instead_of_tag(text: str, start: int, end: int) -> str:
    """Return what stands where tags of HTML are masked, between two characters that are no blanks."""
    if len(_INLINE_TAG.findall(text, start, end)) < text.count("<", start, end):
        return " "
    shift = _SHIFT_TAG.search(text, start, end)
    if shift is None or not (text[start - 1].isalnum() or text[start - 1] in ")]"):
        return ""
    is_word = bool(_ORDINAL.match(text, end)) and text[start - 1].isdigit()
    return "" if is_word else {"p": "^", "b": "_"}[shift[1]]


def _instead_of_command(text: str, start: int, end: int) -> str:
    """Return what stands where a command of TeX is masked, between two characters that are no blanks."""
    shift = _SHIFT_COMMAND.match(text, start, end)
    if shift:
        return "^" if shift[1] == "super" else "_"
    if text.startswith("~]", start):
        return ""
    if text[start] == "~":  # what binds two words, or ends a stretch of code in Org
        return "" if text[end] in ".,;:!?')\"}[-" else " "
    is_between = text[start - 1].isalnum() and text[end].isalnum()
    return "" if text[start] == "\\" and (not is_between or _COMMAND_WITHIN_WORD.match(text, start, end)) else " "


def _instead_of_bracket(text: str, start: int, end: int) -> str:
    """Return what stands where a tag of BBCode, a raised text of Textile or a template of MediaWiki is masked."""
    if text[start] not in "[]{|'\",;":
        return ""
    if text[start] in "|{":
        is_template = text.startswith("{{", start) and text[start - 1] in ".,;:!?" and text[end].isalnum()
        return " " if is_template or (text[start] == "|" and text[end - 1] == "=") else ""
    shift = _SHIFT_BRACKET.match(text, start, end)
    if shift:
        return "^" if shift[1] == "p" else "_"
    if text[end - 1] == "]" and _QUOTED_AUTHOR.search(text[max(start - 120, 0) : start]):
        return " "
    return " " if _CELL.search(text, start, end) or _NOTE_TAG.search(text, start, end) else ""


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
            if first > start and last < end:
                pieces.append(instead(text, first, last))
        at += 1
    if position == start and not pieces:
        return None
    plain = "".join([*pieces, text[position:end]])
    return _BLANK_LINES.sub("\n\n", plain).strip("\n")
