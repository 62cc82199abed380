r"""Texinfo: what a reader of the manual does not see, headings, and what the document says of itself.

Commands and their braces, nodes, menus, index entries, remarks and what is meant for one kind of output (`@tex`, `@html`)
are masked; what the manual prints stays, with code and tables in their lines.
"""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.languages.characters import TEXINFO_CHARACTER, plain_names
from openrag_cli.documents.chunking.languages.closings import Closings
from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_MAX_ARGUMENT_CHARS = 2_000
_HEAD_CHARS = 100_000
_TITLES = (
    "top part chapter unnumbered appendix chapheading majorheading centerchap",
    "section unnumberedsec appendixsec appendixsection heading",
    "subsection unnumberedsubsec appendixsubsec subheading",
    "subsubsection unnumberedsubsubsec appendixsubsubsec subsubheading",
)
_LEVELS = {command: level for level, commands in enumerate(_TITLES, 1) for command in commands.split()}
_LEFT_OUT = (
    "ignore|iftex|tex|ifhtml|html|ifdocbook|docbook|ifxml|xml|iflatex|latex|ifnotinfo|ifnotplaintext|r?macro|linemacro|"
    "menu|detailmenu|direntry|documentdescription|nodedescriptionblock"
)
_UNSEEN_LINES = (
    "c|comment|setfilename|settitle|node|include|set|clear|documentencoding|documentlanguage|documentscript|dircategory|"
    "[a-z]{1,12}index|synindex|syncodeindex|setchapternewpage|headings|contents|shortcontents|summarycontents|"
    "[a-z]*paragraphindent|exampleindent|page|need|sp|vskip|noindent|indent|refill|bye|finalout|smallbook|afour\\w*|"
    "raisesections|lowersections|ifset|ifclear|ifcommand\\w+|if(?:info|plaintext|nottex|nothtml|notdocbook|notxml|notlatex)|end|"
    "copying|insertcopying|titlepage|[ivf]?table|multitable|itemize|enumerate|small\\w+|example|lisp|display|format|indented\\w+|"
    "flushleft|flushright|raggedright|group|float|cartouche|listoffloats|caption|shortcaption|alias|definfoenclosure|"
    "everyheading|everyfooting|evenheading|oddheading|evenfooting|oddfooting|frenchspacing|kbdinputstyle|allowcodebreaks|"
    "codequote\\w+|deftypefnnewline|xrefautomaticsectiontitle|clickstyle|pagesizes|fonttextsize|validatemenus|novalidate|"
    "setcontentsaftertitlepage|setshortcontentsaftertitlepage|microtype|urefbreakstyle|subentry|nodedescription|verbatiminclude"
)
_TOKEN = re.compile(
    rf"""
      (?P<start>\A[ \t]*\\input[^\n]*)
    | ^[ \t]*@(?P<verbatim>verbatim)[ \t]*$
    | ^[ \t]*@(?P<block>{_LEFT_OUT})(?![A-Za-z])[^\n]*
    | (?P<line>^[ \t]*@(?:{_UNSEEN_LINES})(?![A-Za-z{{])[^\n]*)
    | (?P<remark>@(?:c|comment)(?![A-Za-z{{])[^\n]*)
    | (?P<character>{TEXINFO_CHARACTER})
    | @verb\{{(?P<bar>[^\w\s])
    | @(?P<hidden>anchor|image|value|w?inlineraw|U|errormsg)\{{
    | @(?P<link>x?ref|pxref|inforef|uref|url|email|abbr|acronym)\{{
    | (?P<open>@[A-Za-z]+\{{|\{{)
    | (?P<close>\}})
    | (?P<single>@(?=[@{{}}.!?]))
    | (?P<break>@[*:/-])
    | (?P<command>@[A-Za-z]+[ \t]*)
    | (?P<blank>@(?=[ \t\n]))
    """,
    re.VERBOSE | re.MULTILINE,
)
_ESCAPED = re.compile(r"@[@{}]|[{}]")
_HEADING = re.compile(rf"^@(?P<command>{'|'.join(_LEVELS)})(?![A-Za-z])[ \t]*(?P<title>[^\n]*)$", re.MULTILINE)
_FIELD = re.compile(r"^@(settitle|title|author|subtitle)[ \t]+([^\n]*\S)[ \t]*$", re.MULTILINE)
_REMARK = re.compile(r"@(?:c|comment)(?![A-Za-z{]).*")
_SHOWN = re.compile(r"@[A-Za-z]+\{?|[{}]|@(?=[@{}.!?])|@[*:/-]")


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not printed, in order."""
    closings = Closings(text)
    position = 0
    while found := _TOKEN.search(text, position):
        position = found.end()
        if found["verbatim"]:
            end = closings.after(position, r"^[ \t]*@end[ \t]+verbatim\b[^\n]*")
            yield found.span()
            position = end.end() if end else len(text)
            yield (end.span() if end else (position, position))
        elif found["block"]:
            name = found["block"]
            end = closings.after(position, rf"^[ \t]*@end[ \t]+{name}\b[^\n]*")
            position = end.end() if end else position
            yield found.start(), position
        elif found["bar"]:
            end_of_code = text.find(found["bar"] + "}", position, position + _MAX_ARGUMENT_CHARS)
            yield found.span()
            if end_of_code >= 0:
                position = end_of_code + 2
                yield end_of_code, position
        elif found["hidden"]:
            position = _closing(text, position) or position
            yield found.start(), position
        elif found["link"]:
            yield from _link(text, found)
        else:
            position += found["single"] is not None
            yield found.span()


def _closing(text: str, position: int) -> int | None:
    """Return where the braces end that opened before a position; None where none do."""
    depth = 1
    for brace in _ESCAPED.finditer(text, position, position + _MAX_ARGUMENT_CHARS):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return brace.end()
    return None


def _link(text: str, found: re.Match[str]) -> Iterator[Mask]:
    """Yield the mark of a link and all its arguments but the one that is printed; its closing brace comes by itself."""
    close = _closing(text, found.end())
    if close is None:
        yield found.span()
        return
    arguments = _arguments(text, found.end(), close - 1)
    order = (0, 1) if found["link"] in {"abbr", "acronym"} else (2, 1, 0) if "ref" in found["link"] else (1, 0)
    if found["link"] == "uref":
        order = (2, 1, 0)
    shown = next((arguments[at] for at in order if at < len(arguments) and text[slice(*arguments[at])].strip()), None)
    if shown is None:
        yield found.start(), close
        return
    start, end = shown
    start += len(text[start:end]) - len(text[start:end].lstrip())
    yield found.start(), start
    yield end, close - 1


def _arguments(text: str, start: int, end: int) -> list[Mask]:
    found, depth, first = [], 0, start
    for at in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if text[at] == "," and not depth:
            found.append((first, at))
            first = at + 1
    return [*found, (first, end)]


def headings(text: str) -> Iterator[Heading]:
    """Yield the titles of chapters and sections."""
    for found in _HEADING.finditer(text):
        title = _plain(found["title"])
        if title:
            yield Heading(found.start(), found.end(), _LEVELS[found["command"]], title)


def fields(text: str) -> dict[str, object]:
    """Return title and authors, where the document has them."""
    found: dict[str, object] = {}
    for name, value in _FIELD.findall(text[:_HEAD_CHARS]):
        key = "title" if name == "settitle" else name
        plain = _plain(value)
        found[key] = f"{found[key]}, {plain}" if key == "author" and key in found else found.get(key) or plain
    return {key: value for key, value in found.items() if value}


def _plain(text: str) -> str:
    return " ".join(_SHOWN.sub("", plain_names(_REMARK.sub("", text))).split())
