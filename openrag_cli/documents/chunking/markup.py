"""Markup that a reader of the document does not see: front matter, tags, link targets, roles and directives.

It stays in the stored text, so that offsets and lines are those of the user's file, and is masked: neither embedded,
nor searched by words, nor quoted. Code stays whole.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from openrag_cli.documents.chunking.front_matter import fields_of_lines, front_matter_end, front_matter_fields
from openrag_cli.documents.chunking.masks import Mask, instead, merged
from openrag_cli.documents.readers.pdf_pages.marginals import marginal_lines
from openrag_cli.domain import Document, Page

_RST = "text/x-rst"
MARKED_UP = {
    "text/asciidoc": "asciidoc",
    "text/org": "org",
    "text/troff": "roff",
    "text/x-bbcode": "bbcode",
    "text/x-mediawiki": "mediawiki",
    "text/x-pod": "pod",
    "text/x-tex": "latex",
    "text/x-texinfo": "texinfo",
    "text/x-textile": "textile",
}
"""Media types of markup of other kinds, and the module of `languages/` that tells its masks, headings and fields."""

_MAX_TAG_CHARS = 2_000
_NOT_BREAK = re.compile(r"[^\n]")
WITHOUT_HEADINGS = frozenset(
    {
        "text/plain",
        "text/csv",
        "text/tab-separated-values",
        "application/pdf",
        "application/json",
        "application/jsonl",
    }
    | {"application/xml", "text/vtt", "text/calendar", "text/vcard"}
    | set(MARKED_UP)
)
"""Media types whose text is no Markdown; those that begin with `text/x-` are code."""

FIELD_HEAD = re.compile(r"(?:(?::[\w -]{1,40}:|[A-Z][\w-]{0,40}:)(?:[ \t].*)?\n(?:[ \t]+\S.*\n)*){2,}(?=[ \t]*\n|\Z)")
"""Fields at the very beginning of a reStructuredText document, as PEPs and field lists have them."""

_HTML_TAGS = (
    "a|abbr|article|aside|audio|b|blockquote|br|button|caption|center|cite|code|col|colgroup|dd|del|details|div|dl|dt|em|"
    "figcaption|figure|font|footer|form|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|nav|ol|"
    "option|p|picture|pre|q|s|samp|section|select|small|source|span|strong|style|sub|summary|sup|svg|table|tbody|td|tfoot|"
    "th|thead|tr|tt|u|ul|var|video|wbr"
)
_ATTRIBUTES = r"(?:\s+(?:[^<>{}\"']|\"[^\"]*\"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*\})*)?"
_MARKDOWN = re.compile(
    rf"""
      ^[ ]{{0,3}}(?P<fence>`{{3,}}|~{{3,}})[^\n]*(?:\n|\Z)
    | (?P<code>(?<!`)(?P<ticks>`+)(?!`)[^`\n](?:[^\n]*?[^`\n])?(?P=ticks)(?!`))
    | (?P<comment><!--.{{0,2000}}?-->|\{{/\*.{{0,2000}}?\*/\}})
    | (?P<module>^(?:import\s[^\n]*\sfrom\s+['"][^'"\n]*['"];?|import\s+['"][^'"\n]*['"];?|export\s+(?:const|default)\s[^\n]*)$)
    | (?P<definition>^[ ]{{0,3}}\[(?!\^)[^\]\n]+\]:[ \t]+(?:<[^>\n]*>|[^\s<]*[/#:][^\s]*)
        (?:[ \t]+(?:"[^"\n]*"|'[^'\n]*'|\([^)\n]*\)))?[ \t]*$)
    | (?P<admonition>^[ ]{{0,3}}:{{3,}}[ \t]*(?:\{{?[\w-]+\}}?)?)
    | (?P<anchor>(?<=[ \t])\{{\#[\w:.-]+\}}[ \t]*$)
    | (?P<tag></?(?:{_HTML_TAGS}){_ATTRIBUTES}\s*/?>)
    | (?P<component></[A-Z][\w.]*>|^[ \t]*<[A-Z][\w.]*\s*/?>|<[A-Z][\w.]*\s+\w[\w-]*=
        (?:[^<>{{}}"']|"[^"]*"|'[^']*'|\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}})*>)
    | (?P<open>!?\[)(?P<label>[^\[\]\n]*(?:!\[[^\[\]\n]*\]\([^()\n]*\)[^\[\]\n]*)?)(?P<target>\]\((?:[^()\n]|\([^()\n]*\))*\))
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_RST_MARKUP = re.compile(
    r"""
      (?P<literal>``)(?P<inside>[^`\n]+)(?P<after>``)
    | (?P<role>:[a-zA-Z][\w:+.-]*:`~?!?)(?P<text>[^`<\n]*?)(?P<to>(?:\s*<[^<>`]*>)?`)
    | (?P<ref>(?<![\w:`])`)(?P<shown>[^`<\n]+?)(?P<url>\s*<[^<>`]*>`__?|`__?)
    | (?P<named>^[ \t]+:(?:alt|caption|title):[ \t]+)
    | (?P<option>^[ \t]+:[\w-]+:(?:[ \t][^\n]*)?$)
    | (?P<page>^:(?:orphan|nosearch|nocomments|tocdepth):[^\n]*$)
    | (?P<anchor>^[ \t]*\.\.[ \t]+(?:_[^\n]*:|\|[^|\n]*\|)[^\n]*$)
    | (?P<file>^[ \t]*\.\.[ \t]+(?:code-block|code|sourcecode|highlight|image|figure|include|literalinclude|raw|role|
        default-role|only|toctree|contents|parsed-literal|math|meta)::[^\n]*$)
    | (?P<directive>^[ \t]*\.\.[ \t]+[\w:+.-]+::[ \t]*)
    | (?P<note>^\.\.[ \t]+(?=\[))
    | (?P<remark>^\.\.(?:[ \t]+(?![\[_|])[^\n:]*(?::(?!:)[^\n]*)?)?$)
    """,
    re.VERBOSE | re.MULTILINE,
)


def language(media_type: str) -> Any:
    """Return the module of a media type of `MARKED_UP`; imported now, since most runs meet few of them."""
    return import_module(f"openrag_cli.documents.chunking.languages.{MARKED_UP[media_type]}")


def masks_of(document: Document) -> tuple[Mask, ...]:
    """Return what is masked of a document: what its reader masked, and its markup; nothing where that would be all."""
    text = document.markdown
    found = list(document.masked)
    if document.media_type in MARKED_UP:
        found += [(0, front_matter_end(text))]
        found += language(document.media_type).masks(text)
    elif document.media_type == _RST:
        found += _rst(text)
    elif document.has_headings:
        found += _markdown(text, is_source=document.media_type == "text/markdown")
    masks = merged(found)
    rest = len(text) - sum(end - start for start, end in masks)
    return masks if rest and _is_text_left(text, masks) else ()


def quotable(markdown: str, media_type: str, pages: Sequence[Page] = ()) -> str:
    """Return a stored text in which each masked character is a NUL (line breaks stay): offsets are those of the text.

    The first of them is a blank, `^` or `_` where what stands around them would be glued otherwise.

    Text is quoted without its NULs. Of a text with pages the running heads and feet are masked after their first page.
    """
    has_headings = media_type not in WITHOUT_HEADINGS and not media_type.startswith("text/x-")
    document = Document(markdown, media_type=media_type, has_headings=has_headings)
    heads = marginal_lines([markdown[page.start : page.end] for page in pages])
    running = [(page.start + a, page.start + b) for page, lines in zip(pages, heads, strict=True) for a, b in lines]
    pieces, position = [], 0
    for start, end in merged([*masks_of(document), *running]):
        apart = instead(markdown, start, end)
        blank = _NOT_BREAK.sub("\0", markdown[start + len(apart) : end])
        pieces += [markdown[position:start], apart, blank]
        position = end
    return "".join([*pieces, markdown[position:]])


def _is_text_left(text: str, masks: tuple[Mask, ...]) -> bool:
    position = 0
    for start, end in masks:
        if not text[position:start].isspace() and position < start:
            return True
        position = end
    return bool(text[position:].strip())


def _markdown(text: str, *, is_source: bool) -> Iterator[Mask]:
    position, fence = front_matter_end(text) if is_source else 0, ""
    yield 0, position
    while found := _MARKDOWN.search(text, position):
        position = found.end()
        if found["fence"]:
            fence = found["fence"]
            position = _fence_end(text, found.end(), fence)
        elif found["open"]:
            yield found.span("open")
            yield from _inner_image(text, found.start("label"), found.end("label"))
            yield found.span("target")
        elif not found["code"] and (is_source or not found["module"]) and len(found[0]) <= _MAX_TAG_CHARS:
            yield found.span()


def _inner_image(text: str, start: int, end: int) -> Iterator[Mask]:
    """Yield the marks of a picture that is itself a link."""
    for found in re.finditer(r"(!\[)[^\[\]\n]*(\]\([^()\n]*\))", text[start:end]):
        for group in (1, 2):
            yield start + found.start(group), start + found.end(group)


def _fence_end(text: str, start: int, fence: str) -> int:
    closing = re.compile(rf"^[ ]{{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
    found = closing.search(text, start)
    return found.end() if found else len(text)


def _rst(text: str) -> Iterator[Mask]:
    head = FIELD_HEAD.match(text)
    if head:
        yield head.span()
    for found in _RST_MARKUP.finditer(text, head.end() if head else 0):
        kept = next((name for name in ("inside", "text", "shown") if found[name]), None)
        if kept:
            yield found.start(), found.start(kept)
            yield found.end(kept), found.end()
        elif not found["literal"]:
            yield found.span()


def fields_of(text: str, media_type: str) -> dict[str, object]:
    """Return the fields of the front matter (or of the head of a document in other markup): texts and lists of texts."""
    said: dict[str, object] = language(media_type).fields(text) if media_type in MARKED_UP else {}
    if media_type != _RST:
        return said | front_matter_fields(text)
    head = FIELD_HEAD.match(text)
    return said | (fields_of_lines(head[0]) if head else {})
