"""Org: what a reader of the page does not see, headings, and what the document says of itself.

Keywords, drawers, remarks, marks of blocks and targets of links are masked. Code, tables and lists keep their lines.
"""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_BLOCK = r"(?P<block>^[ \t]*\#\+begin_(?P<kind>src|example|export|comment)\b[^\n]*$)"
_BEFORE, _BEHIND = r"(?<![^\s('\"{-])", r"(?![^\s.,;:!?')\"}\[-])"  # a stretch of marked text
_MARKUP = re.compile(
    rf"""
      {_BLOCK}
    | (?P<drawer>^[ \t]*:(?:PROPERTIES|LOGBOOK):[ \t]*\n(?:[^\n]*\n){{0,200}}?[ \t]*:END:[ \t]*$)
    | (?P<shown>^[ \t]*\#\+(?:title|subtitle|author|date|caption)(?:\[[^\]\n]*\])?:[ \t]*)
    | (?P<keyword>^[ \t]*(?:\#\+[\w-]+(?:\[[^\]\n]*\])?:?[^\n]*|\#[ \t][^\n]*|\#|:[\w-]+:)[ \t]*$)
    | (?P<stars>^\*+[ \t]+(?=\S))
    | (?P<picture>\[\[(?:file:|attachment:|[./~])[^\]\n]{{0,500}}\]\])
    | (?P<target>\[\[[^\]\n]{{0,1000}}\]\[)(?P<text>[^\]\n]{{0,1000}})(?P<after>\]\])
    | (?P<open>\[\[|<<<?)(?P<inside>[^\]\[<>\n]+)(?P<close>\]\]|>>>?)
    | (?P<note>\[fn:[\w-]*:[ \t]*)(?P<remark>[^\]\n]{{0,1000}})(?P<done>\])
    | (?P<macro>\{{\{{\{{[^{{}}\n]*\}}\}}\}})
    | (?P<break>\\\\[ \t]*$)
    | (?P<mark>{_BEFORE}[*_=~+/])(?=[^\s*_=~+/|])(?P<stressed>[^\n*_=~+/|]*[^\s*_=~+/|])(?P<end>(?P=mark)){_BEHIND}
    | (?P<literal>{_BEFORE}[=~])(?=[^\s|])(?P<code>[^\n=~|]*[^\s=~|])(?P<last>(?P=literal)){_BEHIND}
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_SHOWN = {"text": ("target", "after"), "inside": ("open", "close"), "remark": ("note", "done"), "stressed": ("mark", "end"),
          "code": ("literal", "last")}  # fmt: skip
_HEADING = re.compile(
    rf"{_BLOCK}|^(?P<stars>\*+)[ \t]+(?P<title>\S[^\n]*)$", re.MULTILINE | re.IGNORECASE | re.VERBOSE
)
_FIELD = re.compile(r"^#\+(title|subtitle|author|date|email|description|keywords|filetags|language):[ \t]*(\S.*)$",
                    re.MULTILINE | re.IGNORECASE)  # fmt: skip
_HEAD_CHARS = 20_000


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not shown, in order."""
    position = 0
    while found := _MARKUP.search(text, position):
        position = found.end()
        if found["block"]:
            start, position = _block_end(text, found)
            if found["kind"].lower() in {"comment", "export"}:
                yield found.start(), position
            else:
                yield found.span()
                yield start, position
        elif kept := next((name for name in _SHOWN if found[name] is not None), None):
            before, after = _SHOWN[kept]
            is_file = kept == "inside" and found[before] == "<<" and found[after] == ">>"
            yield (found.span() if is_file else found.span(before))
            yield found.span(after)
        else:
            yield found.span()


def _block_end(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Return where the line that ends a block begins and ends; without one the block is the rest of the text."""
    closing = re.compile(rf"^[ \t]*#\+end_{found['kind']}\b[^\n]*$", re.MULTILINE | re.IGNORECASE)
    end = closing.search(text, found.end())
    return end.span() if end else (len(text), len(text))


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles behind stars."""
    position = 0
    while found := _HEADING.search(text, position):
        position = found.end()
        if found["block"]:
            position = max(position, _block_end(text, found)[1])
        else:
            yield Heading(found.start(), found.end(), len(found["stars"]), _plain(found["title"]))


def fields(text: str) -> dict[str, object]:
    """Return what the keywords say of the document."""
    found: dict[str, object] = {}
    for field in _FIELD.finditer(text[:_HEAD_CHARS]):
        key = field[1].lower()
        tags = [tag for tag in field[2].strip().split(":") if tag] if key == "filetags" else None
        found.setdefault("tags" if tags else key, tags or _plain(field[2]))
    return found


def _plain(title: str) -> str:
    title = re.sub(
        r"^(?:TODO|DONE|NEXT|WAITING)[ \t]+|\[#\w\][ \t]*|[ \t]+:[\w@#%:]+:[ \t]*$|\[\d*[/%]\d*\]", "", title
    )
    title = re.sub(r"\[\[[^\]\n]*\]\[([^\]\n]*)\]\]|\[\[([^\]\n]*)\]\]", r"\1\2", title)
    return re.sub(r"(?<!\w)([*_=~+/])(\S(?:[^\n]*?\S)?)\1(?!\w)", r"\2", title).strip()
