"""Textile: what a reader of the page does not see, headings.

Marks of blocks and phrases, attributes and targets of links are masked. Code, tables and lists keep their lines and bars.
"""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.languages.characters import ENTITY
from openrag_cli.documents.chunking.languages.closings import Closings
from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_ATTRIBUTES = r"(?:\([^()\n]{0,200}\)|\{[^{}\n]{0,300}\}|\[[^\[\]\n]{0,40}\]|[<>=]{1,2}(?=[.({\[])|[()]+(?=\.))*"
_BLOCK = re.compile(
    rf"^(?P<name>h[1-6]|p|bq|bc|pre|notextile|fn\d+|\#\#\#|table|div|dl){_ATTRIBUTES}(?P<dots>\.\.?)(?::\S+)?[ \t]+(?=\S)",
    re.MULTILINE,
)
_SIGNATURE = re.compile(
    rf"^(?:h[1-6]|p|bq|bc|pre|notextile|fn\d+|\#\#\#|table){_ATTRIBUTES}\.\.?(?::\S+)?[ \t]", re.MULTILINE
)
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")
_SPAN = (
    r"(?P<{0}>(?<![\w{1}]){1}{{1,2}}(?:\([^()\n]{{0,100}}\)|\{{[^{{}}\n]{{0,200}}\}})?)(?=[^\s{1}])"
    r"(?P<{0}_text>[^\n]{{0,2000}}?[^\s{1}])(?P<{0}_end>{1}{{1,2}})(?![\w{1}])"
)
_PHRASES = {"strong": r"\*", "emphasis": "_", "cite": r"\?", "inserted": r"\+", "span": "%"}
_MARKUP = re.compile(
    rf"""
      (?P<code><(?P<kind>pre|code|notextile|script|style)\b[^<>\n]{{0,200}}>)
    | (?P<literal>(?<![\w@])@)(?=[^\s@])(?:\|[\w+-]+\|)?(?P<inside>[^@\n]+)(?P<literal_end>@)(?!\w)
    | (?P<raw>(?<![\w=])==)(?=\S)(?P<raw_text>[^=\n]+)(?P<raw_end>==)(?![\w=])
    | (?P<tag></?[a-zA-Z][\w-]{{0,20}}(?:\s[^<>]{{0,1000}})?/?>|<!--.{{0,2000}}?-->)
    | (?P<definition>^\[[^\]\s]{{1,60}}\](?:https?://|mailto:|/)\S+$)
    | (?P<picture>(?<![\w!])!(?:[<>=]|\([^()\n]{{0,100}}\)|\{{[^{{}}\n]{{0,200}}\}})*
        [^\s!()]{{1,500}}(?:\((?P<alt>[^()\n]{{1,300}})\))?!(?:\:\S+)?)
    | (?P<quote>(?<!\w)\[?")(?P<style>\([^()\n]{{1,100}}\))?(?P<text>[^"\n]{{1,500}}?)
        (?P<target>(?:(?<!\s)\([^()\n]{{1,300}}\))?":(?:(?:(?!&[lg]t;)[^\s\]])*[\w/\#=&%-]))(?P<bracket>\])?
    | (?P<cells>^\|?(?:[ \t]*table{_ATTRIBUTES}\.[ \t]*)$)
    | (?P<cell>(?<=\|)(?:_|[\\/]\d+|[<>=~^-]|\([^()|\n]{{1,100}}\)|\{{[^{{}}|\n]{{1,200}}\}})+\.(?=[ \t]))
    | (?P<row>^(?:\([^()|\n]{{1,100}}\)|\{{[^{{}}|\n]{{1,200}}\}})+\.[ \t]*(?=\|))
    | (?P<raise_open>\[(?=\^[^\s^\]]+\^\]))|(?P<raised>(?<=\w)\^\])
    | (?P<lowered>\[~)(?P<low>[^\s~\]]{{1,100}})(?P<low_end>~\])
    | (?P<entity>{ENTITY})
    | (?P<anchor>^[*\#]+\([^()\n]{{1,60}}\)(?=[ \t]))
    | {" | ".join(_SPAN.format(name, mark) for name, mark in _PHRASES.items())}
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_ENTITY = re.compile(ENTITY)
_WITHIN_CODE = re.compile(rf"{ENTITY}|</?code\b[^<>\n]{{0,200}}>")
_SHOWN = {"inside": ("literal", "literal_end"), "raw_text": ("raw", "raw_end"), "low": ("lowered", "low_end"),
          **{f"{name}_text": (name, f"{name}_end") for name in _PHRASES}}  # fmt: skip
_NESTED = frozenset(f"{name}_text" for name in _PHRASES)


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not shown."""
    position, closings = 0, Closings(text)
    while position < len(text):
        block = _BLOCK.search(text, position)
        start = block.start() if block else len(text)
        yield from _phrases(text, position, start, closings)
        if block is None:
            return
        position = block.end()
        if block["name"] == "###":
            position = _end_of_block(text, block)
            yield start, position
            continue
        yield block.span()
        if block["name"] in {"bc", "pre", "notextile"}:
            position = _end_of_block(text, block)
            yield from (entity.span() for entity in _ENTITY.finditer(text, block.end(), position))


def _end_of_block(text: str, block: re.Match[str]) -> int:
    """Return where a block ends: at a blank line, or, if it has two dots, before the next block with a mark."""
    if block["dots"] == "..":
        following = _SIGNATURE.search(text, block.end())
        return following.start() if following else len(text)
    blank = _PARAGRAPH_END.search(text, block.end())
    return blank.start() if blank else len(text)


def _phrases(text: str, position: int, end: int, closings: Closings) -> Iterator[Mask]:
    while found := _MARKUP.search(text, position, end):
        position = found.end()
        if found["code"]:
            yield found.span()
            first, position = closings.span_after(position, rf"</{found['kind']}\s*>")
            yield from (inner.span() for inner in _WITHIN_CODE.finditer(text, found.end(), first))
            yield (found.start(), position) if found["kind"] in {"script", "style"} else (first, position)
        elif found["picture"]:
            yield (found.start(), found.start("alt")) if found["alt"] else found.span()
            yield (found.end("alt"), found.end()) if found["alt"] else found.span()
        elif found["quote"]:
            yield found.start(), found.start("text")
            yield found.start("target"), found.end()
            position = found.start("text")
        elif kept := next((name for name in _SHOWN if found[name] is not None), None):
            before, after = _SHOWN[kept]
            yield found.span(before)
            yield found.span(after)
            yield from (entity.span() for entity in _ENTITY.finditer(text, *found.span(kept)))
            position = found.end(before) if kept in _NESTED else position
        elif found["anchor"]:
            yield found.start() + found[0].index("("), found.end()
        else:
            yield found.span()


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles."""
    position = 0
    while found := _BLOCK.search(text, position):
        position = found.end()
        if found["name"][0] == "h":
            end = text.find("\n", position)
            title = text[position : end if end >= 0 else None]
            yield Heading(found.start(), position + len(title), int(found["name"][1]), _plain(title))
        elif found["name"] in {"bc", "pre", "notextile", "###"}:
            position = max(position, _end_of_block(text, found))


def fields(text: str) -> dict[str, object]:
    """Return nothing: Textile says nothing of a document."""
    del text
    return {}


def _plain(title: str) -> str:
    shown, position = "", 0
    for start, end in sorted(_phrases(title, 0, len(title), Closings(title))):
        shown += title[position:start] if start > position else ""
        position = max(position, end)
    return " ".join((shown + title[position:]).split())
