r"""Roff, the language of manual pages (man, mdoc) and of papers (ms): what is printed, headings, and fields.

Requests, comments, definitions and changes of font are masked; the arguments of macros that print them stay, and names
of characters (`\(em`) are shown as these. Text lines keep their breaks.
"""

import re
from collections.abc import Iterator

from openrag_cli.documents.chunking.languages.characters import ROFF_CALL, ROFF_FONT, ROFF_NAME, plain_names
from openrag_cli.documents.chunking.languages.closings import Closings
from openrag_cli.documents.chunking.masks import Mask
from openrag_cli.documents.headings import Heading

_HEAD_CHARS = 100_000
_CONTROL = re.compile(r"[.'][ \t]*(?P<name>\\[\"#]|[^\s\"\\]{1,24}|\\\})?(?P<space>[ \t]*)")
_ARGUMENT = re.compile(r'"(?P<quoted>(?:[^"\n]|"")*)"?|(?P<bare>(?:\\ |[^ \t\n])+)')
_END_OF_DEFINITION, _END_OF_PICTURE = r"^[.'][ \t]*(?:\.|(?-i:end)\b)[^\n]*$", r"^\.(?-i:P[EF])\b[^\n]*$"
_TABLE_FORMAT = re.compile(r"\n(?:(?![.'])[^\n]*\n){0,20}?(?![.'])[^\n]*\.[ \t]*(?=\n|\Z)")
_CALLED = re.compile(
    rf"(?P<before>{ROFF_CALL})[^\n]{{0,500}}?(?P<after>\"\])"
)  # a string that prints what it is given
_LINK = re.compile(r"\.pdfhref[ \t]+[WL][ \t](?:[^\n]*\\\n)?[^\n]*?--[ \t]+\"?(?P<text>[^\"\n]+)")
_ESCAPE = re.compile(
    rf"""
      (?P<remark>\\["#][^\n]*)
    | (?P<name>{ROFF_NAME}) | {ROFF_FONT}
    | \\[hvlLDwbXZxACRHBSYo]'[^'\n]{{0,200}}'
    | \\[nVk](?:[+-]?(?:\([^\s]{{2}}|\[[^\]\n]{{0,30}}\]|[^\s]))
    | \\m(?:\[[^\]\n]{{0,30}}\]|\([^\s]{{2}}|[^\s])
    | (?P<kept>\\)(?=[-.'`_ ~0])
    | (?P<backslash>\\e) | \\[cudtzap{{}}rE\\!] | \\$ | ^T\}} | (?:(?<=\W)|^)T\{{$
    """,
    re.VERBOSE | re.MULTILINE,
)
_JOINED = frozenset({"BR", "RB", "IR", "RI", "BI", "IB"})
"""Macros that print their arguments without blanks between them."""

_FIRST_ALONE = frozenset({"IP", "TQ", "SY", "LI"})
"""Macros of whose arguments only the first is printed, if any: the others are widths."""

_BLOCKS = frozenset({"de", "de1", "dei", "am", "am1", "ig", "PS"})
_NUMBERED = frozenset({"NH", "SH", "sh"})
"""Macros of headings whose first argument may be their level."""

_SILENT_WORDS = """
    ad af aln als ami am as bd bp br break brp c2 cc ce cflags ch char chop close color continue cp cs cu da de1 de di
    do ds ec ecr ecs eo ev evc ex fam fc fchar fcolor fi fl fp fspecial ft ftr fzoom gcolor hc hcode hlm hpf hpfa hw
    hy hym hys ie if el in it itc kern lc length lf lg linetabs ll ls lsm lt mc mk mso msoquiet na ne nf nh nm nn nop
    nr nroff ns nx open opena os output pc pev pi pl pm pn pnr po ps psbb pso ptr pvs rchar rd return rfschar rj rm rn
    rnn rr rs rt schar shc shift sizes so sp special spreadwarn ss stringdown sty substring sv sy ta tag tc ti tkf tl
    tm tm1 tmc tr trf trin trnt troff uf ul vs warn wh while write writec PP P LP TP HP RS RE PD DT AT UC EX EE IX Vb
    Ve Sp AS YS ME UE TS TE EQ EN PS PE KS KE KF DE FS FE AU AI AB AE TL QP QS QE XP RP ND DA AM TC PX XS XE XA B1 B2
    1C 2C MC LG NL CW BS BE CS CE VS VE Bl El Bd Ed Pp Bk Ek Sm Bf Ef Rs Re Bt Ud Lp defcolor pdfview pdfinfo pdfhref
    pdfsync INDENT UNINDENT LINKSTYLE T& MT UR BLURB NOP
    PSPIC XX Db Hf Tp"""
_SILENT = frozenset(_SILENT_WORDS.split())
"""Requests and macros that print none of their arguments."""

_UNBROKEN_WORDS = """
    pdfhref ad als am as cs ds ec eo fam ft hc hw hy in it kern ll lf mso na ne nh nr ns ps rm rn rr rs so ss ta tm tr
    vs IX PD UC Sm Bk Ek Ns AS"""
_UNBROKEN = frozenset(_UNBROKEN_WORDS.split())
"""Of these, those that do not end a paragraph: their line goes whole."""

_CALLABLE_WORDS = """
    Ac Ad An Ao Ap Aq Ar At Bc Bo Bq Brc Bro Brq Bsx Bx Cd Cm Dc Dl Do Dq Dv Dx Ec Em En Eo Er Es Ev Fa Fc Fl Fn Fo Fr
    Ft Fx Ic In Lb Li Lk Ms Mt Nd Nm No Ns Nx Oc Oo Op Ot Ox Pa Pc Pf Po Pq Qc Ql Qo Qq Sc So Sq Sx Sy Ta Tn Ux Va Vt
    Xc Xo Xr"""
_CALLABLE = frozenset(_CALLABLE_WORDS.split())
"""Macros of mdoc, which may stand in the arguments of others."""

_UNSEEN = _CALLABLE | {"$Mdocdate:", "$"}
_PUNCTUATION = frozenset({".", ",", ":", ";", ")", "]", "?", "!"})
_MDOC = _CALLABLE | {"Dd", "Dt", "Ex", "It", "Os", "Rv", "Sh", "Ss", "St", "D1", "Fd"}
_HEADING = re.compile(
    r"^[.'][ \t]*(?P<name>TH|Dt|SH|SS|Sh|Ss|NH|TL|sh)(?:[ \t]+(?P<title>[^\n]*))?$(?P<below>(?:\n(?![.'])[^\n]+){0,3})"
    r"|^[.'][ \t]*(?P<hides>de1?|am|ig)\b[^\n]*$",
    re.MULTILINE,
)
_LEVELS = {"TH": 1, "Dt": 1, "TL": 1, "SH": 2, "Sh": 2, "NH": 2, "sh": 2, "SS": 3, "Ss": 3}
_PAGE = re.compile(r"^[.'][ \t]*(?:TH|Dt)[ \t]+([^\n]+)$", re.MULTILINE)
_NAME_SECTION = re.compile(
    r"^[.'][ \t]*S[Hh][ \t]+\"?\w+\"?[ \t]*\n(?P<lines>(?:(?![.'][ \t]*S[HhSs]\b)[^\n]*\n){1,12})", re.MULTILINE
)
_DASH = re.compile(r"[ \t](?:\\-{1,2}|\\\(e[mn]|\\\[e[mn]\]|-{1,2}|[\u2013\u2014])[ \t\n]+(.{1,300})", re.DOTALL)
_DATE = re.compile(r"^[.'][ \t]*Dd[ \t]+(?:\$Mdocdate:[ \t]*)?([^\n$]+)", re.MULTILINE)
_AUTHOR = re.compile(r"^[.'][ \t]*AU[ \t]*\n([^.'\n][^\n]*)", re.MULTILINE)


def masks(text: str) -> Iterator[Mask]:
    """Yield what is not printed."""
    position, length, closings = 0, len(text), Closings(text)
    while position < length:
        end = text.find("\n", position)
        end = length if end < 0 else end
        line = _CONTROL.match(text, position, end) if text[position] in ".'" else None
        if line is None:
            yield from _escapes(text, position, end)
        elif (name := line["name"] or "") in _BLOCKS or name.startswith(("\\", ".")):
            end = _end_of_block(closings, name, end)
            yield position, min(end + 1, length)
        elif name == "TS":
            end = _end_of_format(text, end)
            yield position, end
        else:
            yield from _control(text, line, end)
        position = end + 1


def _end_of_block(closings: Closings, name: str, end: int) -> int:
    """Return where the line ends that ends a definition, a drawing or what is ignored; `end` where none does."""
    if name.startswith(("\\", ".")):
        return end
    found = closings.after(end, _END_OF_PICTURE if name == "PS" else _END_OF_DEFINITION)
    return found.end() if found else end


def _end_of_format(text: str, end: int) -> int:
    """Return where the lines end that say how the columns of a table look."""
    format_lines = _TABLE_FORMAT.match(text, end)
    return format_lines.end() if format_lines else end


def _control(text: str, line: re.Match[str], end: int) -> Iterator[Mask]:
    """Yield what is not printed of a line that begins with a dot."""
    name, position = line["name"] or "", line.end()
    link = _LINK.match(text, line.start()) if name == "pdfhref" else None
    if link:
        yield line.start(), link.start("text")
        yield link.end("text"), text.find("\n", link.end("text")) % (len(text) + 1)
        return
    if position == end or name in _SILENT:
        is_unbroken = (name in _UNBROKEN or not name or name not in _SILENT) and end < len(text)
        if name in {"UR", "MT"} and text.startswith(("\n.UE", "\n.ME"), end):  # an address without a text is shown
            yield line.start(), position
        else:
            yield line.start(), end + is_unbroken
        return
    yield line.start(), position
    arguments = list(_ARGUMENT.finditer(text, position, end))
    is_mdoc = name in _MDOC
    for n, argument in enumerate(arguments):
        if text.startswith('\\"', argument.start()):
            yield argument.start(), end
            return
        words = [found["bare"] or "" for found in arguments[max(n - 1, 0) : n + 1]]
        if n and (name in _JOINED or (is_mdoc and (words[1] in _PUNCTUATION or "Ns" in words))):
            yield arguments[n - 1].end(), argument.start()
        if _is_hidden(name, n, len(arguments), argument[0]) or (is_mdoc and words[-1] in _UNSEEN):
            yield argument.start(), _next_word(argument, arguments, n)
        else:
            start, last = argument.span("bare" if argument["quoted"] is None else "quoted")
            yield argument.start(), start
            yield from _escapes(text, start, last)
            yield last, argument.end()


def _is_hidden(name: str, n: int, n_arguments: int, argument: str) -> bool:
    """Whether argument `n` of a macro of man or ms is no text: a width, a level, an address that has a text."""
    if n:
        return name in _FIRST_ALONE
    return (name in _NUMBERED and argument.isdigit()) or (name in {"URL", "Lk"} and n_arguments > 1)


def _next_word(argument: re.Match[str], arguments: list[re.Match[str]], n: int) -> int:
    """Return where the argument after one that is not shown begins."""
    return arguments[n + 1].start() if n + 1 < len(arguments) else argument.end()


def _escapes(text: str, start: int, end: int) -> Iterator[Mask]:
    for called in _CALLED.finditer(text, start, end):
        yield called.span("before")
        yield called.span("after")
    for found in _ESCAPE.finditer(text, start, end):
        yield (found.start() + 1, found.end()) if found["backslash"] else found.span()


def headings(text: str) -> Iterator[Heading]:
    """Yield the name of the page, and the titles of its parts."""
    closings, hidden_to = Closings(text), 0
    for found in _HEADING.finditer(text):
        if found.start() < hidden_to:
            continue
        if found["hides"]:
            hidden_to = _end_of_block(closings, "de", found.end())
            continue
        name, said, end = found["name"], found["title"] or "", found.end("name")
        level = _LEVELS[name]
        if name in {"TH", "Dt"}:
            yield Heading(found.start(), found.start("below"), level, _page_title(text))
            continue
        if name in _NUMBERED:
            number = re.match(r"\"?(\d)\"?[ \t]*", said)
            level += max(int(number[1]) - 1, 0) if number else 0
            said = said[number.end() :] if number else said
        is_below = not said.strip() or name in {"NH", "TL"}
        title = found["below"] if is_below else said
        end = found.end() if is_below else found.start("below")
        if name != "TL":  # the title of a paper is that of its first line below
            title = title.strip().partition("\n")[0] if is_below else title
        yield Heading(found.start(), end, level, _plain(title))


def _page_title(text: str) -> str:
    """Return what a manual page calls itself and what it says that it is about: "LS(1): list directory contents"."""
    page = _PAGE.search(text)
    words = _words(page[1]) if page else []
    title = f"{words[0]}({words[1]})" if len(words) > 1 else "".join(words[:1])
    about = _description(text)
    return f"{title}: {about}" if title and about else title or about


def _description(text: str) -> str:
    section = _NAME_SECTION.search(text, 0, _HEAD_CHARS)
    if section is None:
        return ""
    about = re.search(r"^\.[ \t]*Nd[ \t]+([^\n]+)", section["lines"], re.MULTILINE)
    if about:
        return _plain(about[1])
    lines = re.sub(
        r"^[.']\\\"[^\n]*\n|^[.'][ \t]*[a-z]\w*\b[^\n]*\n|^[.'][ \t]*[A-Z]+(?:[ \t]+|$)",
        "",
        section["lines"],
        flags=re.MULTILINE,
    )
    found = _DASH.search(lines)
    return _plain(found[1].partition("\n\n")[0]) if found else ""


def fields(text: str) -> dict[str, object]:
    """Return title, section and date of a manual page; title and author of a paper."""
    head = text[:_HEAD_CHARS]
    found: dict[str, object] = {}
    page = _PAGE.search(head)
    words = _words(page[1]) if page else []
    if page:
        found["title"] = _page_title(head)
    elif paper := re.search(r"^[.'][ \t]*TL[^\n]*((?:\n(?![.'])[^\n]+){1,3})", head, re.MULTILINE):
        found["title"] = _plain(paper[1])
    if len(words) > 1:
        found["section"] = words[1]
    date = _DATE.search(head)
    said = _plain(date[1]) if date else words[2] if len(words) > 2 else ""
    if said:
        found["date"] = said
    if author := _AUTHOR.search(head):
        found["author"] = _plain(author[1])
    return found


def _words(arguments: str) -> list[str]:
    found = _ARGUMENT.finditer(arguments)
    return [_plain(word["quoted"] if word["quoted"] is not None else word["bare"]) for word in found]


def _plain(text: str) -> str:
    """Return a title as one line without marks."""
    text = re.sub(r"^[.'][ \t]*[A-Z]{1,2}[ \t]+", "", text.strip(), flags=re.MULTILINE)
    text = plain_names(text).replace('"', "")
    return " ".join(_ESCAPE.sub("", text).split())
