"""AsciiDoc: what a reader of the page does not see, headings, and what the header of the document says.

Attributes, remarks, marks of blocks and targets of links are masked. Code, tables and lists keep their lines.
"""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_CODE_BLOCK = r"(?P<code>^(?P<fence>-{4,}|\.{4,}|\+{4,}|`{3,})[^\n]*$)"
_COMMENT_BLOCK = r"(?P<comment>^(?P<slashes>/{4,})[ \t]*$)"
_NAME = r"[\w:./@%?&=+#~,;!$-]{0,500}"
_MARKUP = re.compile(
    rf"""
      {_CODE_BLOCK} | {_COMMENT_BLOCK}
    | (?P<line>^(?://(?!/)[^\n]*|:!?\w[\w-]*!?:(?:[ \t][^\n]*\\\n)*(?:[ \t][^\n]*)?|={{4,}}|\*{{4,}}|_{{4,}}|--|[|,:!]={{3,}}
        |'{{3}}|<{{3}}|\+|\[\[[^\]\n]*\]\]|(?:include|ifdef|ifndef|ifeval|endif|toc|video|audio)::[^\[\n]*\[[^\n]*\])[ \t]*$)
    | (?P<quoted>^\[(?:quote|verse),[ \t]*)(?P<source>[^\]\n]*)(?P<after>\][ \t]*$)
    | (?P<attributes>^\[[^\]\n]*\][ \t]*$)
    | (?P<marks>^={{1,6}}[ \t]+(?=\S))
    | (?P<title>^\.(?=[^\s.]))
    | (?P<picture>\bimage::?{_NAME}\[)(?P<alt>[^\],\n]{{0,500}})(?P<rest>(?:,[^\]\n]{{0,500}})?\])
    | (?P<literal>(?<![\w`])`\+?)(?P<inside>[^`\n]+?)(?P<end>\+?`(?![\w`]))
    | (?P<reference><<)(?P<to>[^<>,\n]+)(?:,(?P<shown>[^<>\n]+))?(?P<close>>>)
    | (?P<open>(?:\b(?:link|xref|mailto|footnote|footnoteref|kbd|btn|menu|icon|pass|stem|latexmath|asciimath):{_NAME}
        |\bhttps?://[^\s\[\]<>]{{1,500}})\[)(?P<text>[^\]\n]{{0,1000}}?)(?P<shut>\^?(?:,[ \t]*\w+=[^\]\n]{{0,200}})?\])
    | (?P<hidden>\[\[[\w:.,[ ]-]{{1,200}}\]\]|\(\(\([^()\n]*\)\)\)|\b(?:indexterm|anchor):[^\[\s]{{0,200}}\[[^\]\n]{{0,200}}\]
        |\{{(?:empty|nbsp|zwsp|sp)\}}
        |(?<=[ \t])\+$)
    | (?P<term>\(\()(?P<word>[^()\n]+)(?P<done>\)\))
    | (?P<role>\[[.\#][\w. \#-]+\](?=[\#*_`]))
    | (?P<strong>(?<![\w*])\*\*?|(?<![\w_])__?|(?<![\w\#])\#\#?)(?=\S)
        (?P<stressed>[^\n*_\#|]*[^\s*_\#|])(?P<strength>(?P=strong))(?!\w)
    """,
    re.VERBOSE | re.MULTILINE,
)
_ADDRESS = re.compile(r"(?:link:|mailto:)?(?P<shown>[^\[\n]+)")  # is shown where a link has no text
_SHOWN = {"source": ("quoted", "after"), "alt": ("picture", "rest"), "inside": ("literal", "end"), "text": ("open", "shut"),
          "word": ("term", "done"), "stressed": ("strong", "strength")}  # fmt: skip
_HEADING = re.compile(
    rf"""
      {_CODE_BLOCK} | {_COMMENT_BLOCK}
    | ^(?P<level>={{1,6}}|\#{{1,6}})[ \t]+(?P<title>\S[^\n]*)$
    | ^(?P<above>[\w"'(][^\n]*)\n(?P<underline>={{2,}}|-{{2,}}|~{{2,}}|\^{{2,}})[ \t]*$
    """,
    re.VERBOSE | re.MULTILINE,
)
_HEADER = re.compile(r"(?:(?://[^\n]*|[ \t]*|:[^\n]*)\n)*=[ \t]+(?P<title>[^\n]+)\n(?P<rest>(?:[^\n]*\S[^\n]*\n?)*)")
_AUTHOR = re.compile(r"((?:[^\W\d_][\w.'-]*[ \t]+){1,3}[^\W\d_][\w.'-]*)(?:[ \t]*<[^>\n]*>)?[ \t]*(?:\n|\Z)")
_FIELD = re.compile(r"^:(\w[\w-]*):[ \t]+(\S.*)$", re.MULTILINE)


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not shown."""
    position = 0
    while found := _MARKUP.search(text, position):
        position = found.end()
        if found["fence"] or found["slashes"]:
            if _is_underline(text, found):
                yield found.span()
                continue
            last, position = _last_line(text, found)
            yield from [(found.start(), position)] if found["slashes"] else [found.span(), (last, position)]
        elif found["reference"]:
            yield found.start(), found.start("shown") if found["shown"] else found.end("to")
            yield found.start("close"), found.end()
        elif kept := next((name for name in _SHOWN if found[name] is not None), None):
            before, after = _SHOWN[kept]
            address = _ADDRESS.match(text, found.start(), found.end(before)) if found["text"] == "" else None
            yield (found.start(), address.start("shown")) if address else found.span(before)
            yield (address.end("shown"), found.end(before)) if address else (found.end(), found.end())
            yield found.span(after)
            position = found.end(before) if kept in {"text", "stressed"} else position
        else:
            yield found.span()


def _last_line(text: str, found: re.Match[str]) -> Mask:
    """Return where the line that ends a block begins and ends; without one the block is the rest of the text."""
    fence = re.escape(found["fence"] or found["slashes"])
    closing = re.compile(rf"^{fence}[ \t]*$", re.MULTILINE).search(text, found.end())
    return closing.span() if closing else (len(text), len(text))


def _is_underline(text: str, found: re.Match[str]) -> bool:
    """Whether a line of dashes or the like stands under a title, and begins no block."""
    start = text.rfind("\n", 0, max(found.start() - 1, 0)) + 1
    return _is_title(text, start, text[start : max(found.start() - 1, 0)], found[0].strip())


def _is_title(text: str, start: int, title: str, underline: str) -> bool:
    is_text = re.match(r"[\w\"'(]", title) is not None and abs(len(underline) - len(title.rstrip())) <= 1
    above = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start].strip()
    return is_text and (not above or above.startswith(("[", ":", "//")))


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles, with marks before them or lines under them."""
    position = 0
    while found := _HEADING.search(text, position):
        position = found.end()
        if found["level"]:
            yield Heading(found.start(), found.end(), len(found["level"]), _plain(found["title"]))
        elif found["above"]:
            if _is_title(text, found.start(), found["above"], found["underline"]):
                level = "=-~^".index(found["underline"][0]) + 1
                yield Heading(found.start(), found.end(), level, _plain(found["above"]))
            else:
                position = found.end("above")
        else:
            position = _last_line(text, found)[1]


def fields(text: str) -> dict[str, object]:
    """Return the title and the attributes of the header."""
    header = _HEADER.match(text)
    if header is None:
        return {}
    found: dict[str, object] = {"title": _plain(header["title"])}
    author = _AUTHOR.match(header["rest"])
    if author:
        found["author"] = author[1]
    found |= {field[1]: field[2].strip() for field in _FIELD.finditer(header[0]) if field[1] not in found}
    return found


def _plain(title: str) -> str:
    title = re.sub(r"\[\[[^\]\n]*\]\]|\s=+$", "", title)
    title = re.sub(rf"(?:\b(?:link|xref):{_NAME}|\bhttps?://[^\s\[\]]+)\[([^\]\n]*)\]", r"\1", title)
    return re.sub(r"(?<!\w)([*_`#])(\S(?:[^\n]*?\S)?)\1(?!\w)", r"\2", title).strip()
