"""BBCode: what a reader of the page does not see, headings. Tags that nobody knows stay: brackets are common in text."""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.languages.closings import Closings
from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_KEPT = (
    "b|i|u|s|strike|del|ins|em|strong|sup|sub|size|color|colour|font|face|style|highlight|bgcolor|background|center|left|right|"
    "justify|align|indent|float|dir|spoiler|hide|hidden|collapse|expand|url|link|iurl|email|mail|anchor|goto|post|topic|thread|"
    "user|member|mention|quote|q|cite|bq|blockquote|list|ul|ol|li|olist|\\*|table|thead|tbody|tr|td|th|caption|row|cell|col|"
    "h[1-6]|heading|header|subtitle|title|p|br|hr|line|tt|mono|small|big|abbr|acronym|note|warning|tip|info|box|section|"
    "plain|icode|c|kbd|glow|shadow|move|marquee|noedit|me|tab|tabs"
)
_VERBATIM = "code|php|html|xml|sql|css|js|pre|noparse|nobbc|plain|icode|codebox|syntax|source|tex|latex|math"
_UNSEEN = "img|image|youtube|video|media|vimeo|flash|audio|attach|attachment|gallery|gif|embed|soundcloud|twitter|tweet|comment"
_OPTION = (
    r"(?:[ \t]*=[ \t]*(?:\"[^\"\n\]]{0,300}\"|'[^'\n\]]{0,300}'|[^\]\n]{0,300}+)|(?:[ \t]+[\w-]++=[^\]\n]{0,300}+))?"
)
_TAG = re.compile(
    rf"""
      (?P<verbatim>\[(?P<code>{_VERBATIM}){_OPTION}\])
    | (?P<unseen>\[(?P<media>{_UNSEEN}){_OPTION}\])
    | (?P<quote>\[quote[ \t]*=[ \t]*["']?)(?P<author>[^"'\];,\n]{{1,100}}+)(?P<rest>[^\]\n]{{0,300}}+\])
    | (?P<bullet>\[)\*(?P<bullet_end>\])
    | (?P<tag>\[/?(?P<name>{_KEPT}|{_VERBATIM}|{_UNSEEN}){_OPTION}\])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CLOSED = re.compile(r"\[/([\w*]{1,20})\]")
_ALONE = frozenset({"br", "hr", "line", "li", "tab", "anchor"})
_ALT = re.compile(r"\balt=(?:\"([^\"\n\]]+)\"|'([^'\n\]]+)')", re.IGNORECASE)
_HEADING = re.compile(
    r"^[ \t]*\[(?P<name>h[1-6]|heading|header|title|subtitle)(?:=(?P<level>[1-6]))?\]"
    r"(?P<title>[^\n]{1,400}?)\[/(?P=name)\][ \t]*$"
    rf"|(?P<verbatim>\[(?P<code>{_VERBATIM}){_OPTION}\])",
    re.MULTILINE | re.IGNORECASE,
)


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not shown: of tags that need one that closes them, those that have one (`x[i]` is no tag)."""
    closed = {name.lower() for name in _CLOSED.findall(text)} | _ALONE
    position, closings = 0, Closings(text)
    while found := _TAG.search(text, position):
        position = found.end()
        name = found["code"] or found["media"] or found["name"]
        if name and name.lower() not in closed:
            continue
        if found["verbatim"]:
            yield found.span()
            end, position = closings.span_after(found.end(), rf"\[/{found['code'].lower()}\]")
            yield end, position
        elif found["unseen"]:
            mark = rf"\[/{found['media'].lower()}\]"
            end, position = closings.span_after(found.end(), mark, within=2_000)
            alt = _ALT.search(text, found.start(), found.end())
            if alt:
                yield found.start(), alt.start(alt.lastindex or 0)
                yield alt.end(alt.lastindex or 0), position
            else:
                yield found.start(), position
        elif found["quote"]:
            yield found.span("quote")
            yield found.span("rest")
        elif found["bullet"]:
            yield found.span("bullet")
            yield found.span("bullet_end")
        else:
            yield found.span()


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles that stand on lines of their own."""
    position, closings = 0, Closings(text)
    while found := _HEADING.search(text, position):
        position = found.end()
        if found["verbatim"]:
            position = closings.span_after(found.end(), rf"\[/{found['code'].lower()}\]")[1]
        else:
            name = found["name"].lower()
            level = int(
                found["level"] or (name[1] if name[0] == "h" and len(name) == 2 else {"subtitle": 2}.get(name, 1))
            )
            yield Heading(found.start(), found.end(), level, _TAG.sub("", found["title"]).strip())


def fields(text: str) -> dict[str, object]:
    """Return nothing: BBCode says nothing of a document."""
    del text
    return {}
