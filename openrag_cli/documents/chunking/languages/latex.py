r"""LaTeX: what a reader of the printed page does not see, headings, and what the document says of itself.

Commands, their braces and what they hide (labels, keys, lengths, the preamble, remarks) are masked; what they print
stays, and so do formulas, but for the marks around them, and listings. Letters that are written as commands (`\"u`,
`\ss`) stay: they are read as letters by the search.
"""

import re
from collections.abc import Generator, Iterator

from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_MAX_ARGUMENT_CHARS = 2_000
_MAX_FORMULA_CHARS = 5_000
_LEVELS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_HEADING = re.compile(
    r"^[ \t]*\\(?P<command>" + "|".join(_LEVELS) + r")\*?[ \t]*(?:\[[^\]\n]*\])?\{(?P<title>[^\n]*)\}", re.MULTILINE
)
_FIELD = re.compile(r"\\(title|author|date)\b[ \t]*(?:\[[^\]\n]*\])?\{")
_BEGIN = re.compile(r"\\begin[ \t]*\{document\}")

_VERBATIM = "comment|verbatim|Verbatim|lstlisting|minted|alltt|filecontents"
_FORMULAS = "equation|align|alignat|gather|multline|eqnarray|displaymath|math|flalign|split"
_TOKEN = re.compile(
    rf"""
      (?P<remark>(?<!\\)(?:(?<=\n)[ \t]*)?%[^\n]*)
    | (?P<code>\\begin\{{(?P<kind>(?:{_VERBATIM})\*?)\}}(?:\[[^\]]{{0,400}}\])?(?:\{{[^}}\n]*\}})?)
    | (?P<formula>\\begin\{{(?P<name>(?:{_FORMULAS})\*?)\}}(?:\{{\d\}})?|\\\[|\\\(|(?<!\\)\$\$?)
    | (?P<verb>\\(?:verb|lstinline)\*?(?P<bar>[^a-zA-Z\s*{{]))
    | (?P<last>\\end[ \t]*\{{document\}}.*)
    | (?P<border>\\(?:begin|end)[ \t]*\{{(?P<environment>[\w*-]+)\}})
    | (?P<letter>\\(?:["'`^~=.](?:\\?[A-Za-z]|\{{\\?[A-Za-z]\}})|[cvuHrkdb]\{{\\?[A-Za-z]\}}|[cvHk][ ][A-Za-z]
        |(?:ss|ae|AE|oe|OE|aa|AA|o|O|l|L|i|j|dh|DH|th|TH|dj|DJ|ng|NG)(?![A-Za-z])(?:\{{\}})?))
    | (?P<sign>\\)(?=[%&_\#$\{{\}}]|(?:La)?TeX\b|BibTeX\b)
    | (?P<escaped>(?<=\\)[%&_\#$\{{\}}])
    | \\(?P<command>[A-Za-z@]+)\*?
    | (?P<other>\\\\(?:\*|\[[^\]\n]{{0,40}}\])?|\\.|~|&)
    | (?P<brace>[{{}}])
    """,
    re.VERBOSE | re.DOTALL,
)
_WITH_ONE = """
    label ref eqref pageref autoref cref Cref nameref cite citep citet citeauthor citeyear autocite parencite textcite footcite
    nocite index glsadd includegraphics input include subfile bibliography bibliographystyle addbibresource usepackage
    RequirePackage documentclass vspace hspace vskip hskip pagestyle thispagestyle hypersetup geometry graphicspath
    linespread color pagecolor pagenumbering cline cmidrule phantom hphantom vphantom thanks bibitem href textcolor colorbox
    scalebox rotatebox raisebox parbox makebox framebox selectlanguage foreignlanguage fontfamily captionsetup
    theoremstyle hyphenation lstset tikzset usetikzlibrary allowdisplaybreaks special"""
_WITH_TWO = """
    setlength addtolength setcounter addtocounter newcommand renewcommand providecommand definecolor rule fontsize newtheorem
    DeclareMathOperator addcontentsline multirow multicolumn resizebox def let newcounter numberwithin"""
_N_HIDDEN = dict.fromkeys(_WITH_ONE.split(), 1) | dict.fromkeys(_WITH_TWO.split(), 2)
_N_HIDDEN |= {"newenvironment": 3, "renewenvironment": 3}
"""Command -> how many of its arguments are not printed. What else a command has is printed."""

_ENVIRONMENTS = {
    "tabular": 1, "tabular*": 2, "tabularx": 2, "array": 1, "longtable": 1, "supertabular": 1, "minipage": 1,
    "multicols": 1, "wrapfigure": 2, "thebibliography": 1, "adjustwidth": 2, "tabulary": 2, "spacing": 1,
}  # fmt: skip
_PLACED = {"figure", "table", "figure*", "table*", "enumerate", "itemize", "description", "longtable", "tikzpicture"}
_LABEL = re.compile(r"[ \t]*\[(?P<text>[^\]\n]{0,400})\]")
_UNPRINTED = re.compile(r"\\(?:label\{[^}\n]*\}|nonumber\b|notag\b)")
_BRACE = re.compile(r"(?<!\\)[{}]")
_NAME = re.compile(r"[ \t]*\\[A-Za-z@]+[#\d]*")
_OPTION = re.compile(r"[ \t]*\[[^\]]{0,400}\]")


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not printed."""
    begin = _BEGIN.search(text)
    if begin is None:
        yield from _body(text, 0, len(text))
        return
    position = 0
    for start, end in _printed_fields(text, begin.start()):
        # Title, authors and date stand on lines of their own.
        line = text.find("\n", position, start) if position else -1
        yield from [(position, line), (line + 1, start)] if line >= 0 else [(position, start)]
        yield from _body(text, start, end)
        position = end
    yield position, begin.end()
    yield from _body(text, begin.end(), len(text))


def _printed_fields(text: str, end: int) -> Iterator[Mask]:
    """Yield where the title, the authors and the date stand in what comes before the document."""
    position = 0
    for field in _FIELD.finditer(text, 0, end):
        close = _closing(text, field.end() - 1)
        if field.start() >= position and close is not None:
            yield field.end(), close - 1
            position = close


def _body(text: str, position: int, end: int) -> Iterator[Mask]:
    while found := _TOKEN.search(text, position, end):
        position = found.end()
        if found["formula"]:
            position = yield from _formula(text, found)
        elif found["code"] or found["verb"]:
            position = yield from _verbatim(text, found)
        elif found["command"] == "item" and (label := _LABEL.match(text, position)):
            position = label.start("text")
            yield found.start(), position
            yield label.end("text"), label.end()
        elif found["command"] or found["border"]:
            position = _end_of_hidden(text, found)
            yield found.start(), position
        elif not (found["letter"] or found["escaped"]):
            yield found.span()


def _verbatim(text: str, found: re.Match[str]) -> Generator[Mask, None, int]:
    """Yield the marks around what is printed as it is, or all of a remark; return where it ends."""
    end = rf"\end{{{found['kind']}}}" if found["code"] else found["bar"]
    at = text.find(end, found.end())
    if found["verb"] and (at < 0 or "\n" in text[found.end() : at]):
        yield found.span()
        return found.end()
    last = at if at >= 0 else len(text)
    if found["kind"] == "comment":
        yield found.start(), last
    yield found.span()
    yield last, min(last + len(end), len(text))
    return min(last + len(end), len(text))


def _formula(text: str, found: re.Match[str]) -> Generator[Mask, None, int]:
    """Yield the marks around a formula, and labels in it; return where it ends."""
    mark = found["formula"]
    end = rf"\end{{{found['name']}}}" if found["name"] else {"\\[": "\\]", "\\(": "\\)"}.get(mark, mark)
    at = text.find(end, found.end(), found.end() + _MAX_FORMULA_CHARS)
    if at < 0 or "\n\n" in text[found.end() : at]:
        if mark[0] != "$":
            yield found.span()
        return found.end()
    yield found.span()
    yield from (label.span() for label in _UNPRINTED.finditer(text, found.end(), at))
    yield at, at + len(end)
    return at + len(end)


def _end_of_hidden(text: str, found: re.Match[str]) -> int:
    """Return where a command ends, with the arguments of it that are not printed."""
    environment = found["environment"]
    if environment:
        is_begin = found["border"].startswith("\\begin")
        n_hidden = _ENVIRONMENTS.get(environment, 0) if is_begin else 0
        has_options = is_begin and (n_hidden > 0 or environment in _PLACED)
    else:
        n_hidden = _N_HIDDEN.get(found["command"], 0)
        has_options = n_hidden > 0 or found["command"] in {"caption", *_LEVELS}
    position = found.end()
    for _ in range(n_hidden + 1):
        while has_options and (option := _OPTION.match(text, position)):
            position = option.end()
        if not n_hidden:
            break
        n_hidden -= 1
        close = _closing(text, position)
        if close is None:
            name = _NAME.match(text, position)  # \def\name{...}
            close = name.end() if name and found["command"] in {"def", "let", "newcommand", "renewcommand"} else None
        if close is None:
            break
        position = close
    return position


def _closing(text: str, position: int) -> int | None:
    """Return where the braces end that open at a position; None where none do."""
    if text[position : position + 1] != "{":
        return None
    depth = 0
    for brace in _BRACE.finditer(text, position, position + _MAX_ARGUMENT_CHARS):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
    return None


def headings(text: str) -> Iterator[Heading]:
    """Yield the title and the sectioning commands."""
    for line in _HEADING.finditer(text):
        title = line["title"].partition(r"\label")[0]
        yield Heading(line.start(), line.end(), _LEVELS.index(line["command"]) + 1, _plain(title))


def fields(text: str) -> dict[str, object]:
    """Return title, author and date, where the document has them."""
    found: dict[str, object] = {}
    for field in _FIELD.finditer(text[:100_000]):
        close = _closing(text, field.end() - 1)
        value = _plain(text[field.end() : close - 1]) if close else ""
        if value and field[1] not in found:
            found[field[1]] = value
    return found


def _plain(text: str) -> str:
    without = re.sub(r"\\(?:thanks|footnote|inst)\{[^{}]*\}|\\today\b|\\\\|\\and\b|~", " ", text[:800])
    return " ".join(re.sub(r"\\[a-zA-Z]+\*?[ ]?|[{}]", "", without).split())
