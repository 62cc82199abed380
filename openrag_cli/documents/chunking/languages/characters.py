"""Characters that roff, POD and wikis write as names: without its markup, a text has them as a reader sees them."""

import html
import re
import unicodedata

ROFF_NAME = r"\\(?:\([^\s\\][^\s\\]|\[[^\]\s]{1,40}\]|\*(?:\([^\s\\][^\s\\]|\[[^\]\s]{0,40}\]|[^\s(\[\\]))"
"""A character or a string of roff: `\\(em`, `\\[u2014]`, `\\*(lq`."""

ROFF_FONT = r"\\(?:[fFgM](?:\([^\s]{2}|\[[^\]\n]{0,30}\]|[^\n])|s[+-]?(?:\(\d\d|\[[^\]\n]{0,9}\]|\d{1,2})|[&|^/,%:])"
"""A change of font or size, or a break of no width."""

_MAY_BE_NAMED = re.compile(r"\\[(\[*]|E<|Fl[ \t]|&[#\w]+;|@(?:[A-Za-z]+\{|[\"'`^~=,])")
ROFF_CALL = r"\\\*\[\w{1,40}[ ]\""
"""The beginning of a string of roff that prints what it is given: `\\*[Code "x = 1"]`."""

_ROFF = re.compile(rf"(?:[.'][ \t]*[A-Z]{{1,3}}[ \t]+)?(?:{ROFF_FONT}|{ROFF_CALL}|{ROFF_NAME}|\"\]|[ \t\"])+")
_ROFF_PARTS = re.compile(ROFF_NAME)
_FLAG = re.compile(r"[. \t]*(?:[A-Z][a-z][ \t]+)*Fl[ \t]+")
_POD = re.compile(r"(?:E<\w{1,12}>|[A-Z]<+[ \t]?|[ \t]?>+)+")
ENTITY = r"&(?:\#\d{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_ENTITIES = re.compile(rf"(?:{ENTITY}|<[^<>\n]{{1,200}}>|['\"@*_\[\]])+")
_ENTITY_PARTS = re.compile(ENTITY)
_POD_PARTS = re.compile(r"E<(?:0?x([0-9a-fA-F]{1,6})|(\d{1,7})|(\w+))>")

_LATIN, _GREEK = "abgdezyhiklmncoprstufxqw", "αβγδεζηθικλμνξοπρστυφχψω"
_SIGNS = {
    "em": "—", "en": "–", "hy": "-", "aq": "'", "dq": '"', "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "bq": "‚", "Bq": "„",
    "Fo": "«", "Fc": "»", "fo": "‹", "fc": "›", "ga": "`", "aa": "´", "ha": "^", "ti": "~", "rs": "\\", "sl": "/", "at": "@",
    "sh": "#", "Do": "$", "bv": "|", "br": "|", "ba": "|", "ul": "_", "ru": "_", "lB": "[", "rB": "]", "lC": "{", "rC": "}",
    "la": "⟨", "ra": "⟩", "bu": "•", "ci": "○", "sq": "□", "dg": "†", "sc": "§", "ps": "¶", "co": "©", "rg": "®", "tm": "™",
    "de": "°", "mc": "µ", "+-": "±", "mu": "×", "di": "÷", "pl": "+", "mi": "−", "eq": "=", "**": "*", "!=": "≠", "<=": "≤",
    ">=": "≥", "->": "→", "<-": "←", "if": "∞", "12": "½", "14": "¼", "34": "¾", "Eu": "€", "Po": "£", "Ye": "¥", "ct": "¢",
    "ss": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "/o": "ø", "/O": "Ø", "/l": "ł", "/L": "Ł", "oa": "å", "oA": "Å",
    "-D": "Ð", "Sd": "ð", "Tp": "þ", "TP": "Þ", "r!": "¡", "r?": "¿", "ff": "ff", "fi": "fi", "fl": "fl", "no": "¬",
} | {f"*{latin}": greek for latin, greek in zip(_LATIN, _GREEK, strict=True)}  # fmt: skip
_STRINGS = {"Aq": "'", 'L"': "“", 'R"': "”", "--": "-", "C+": "C++", "lq": "“", "rq": "”", "R": "®", "Tm": "™", "Lt": "<",
            "Gt": ">", "Am": "&", "q": '"', "``": "“", "''": "”", "C`": "", "C'": ""}  # fmt: skip
_ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", ":": "\u0308", "~": "\u0303", ",": "\u0327", "v": "\u030c"}
_POD_NAMES = {"sol": "/", "verbar": "|", "lchevron": "«", "rchevron": "»"}


_TEXINFO_SIGNS = {
    "dots": "…", "enddots": "…", "copyright": "©", "registeredsymbol": "®", "TeX": "TeX", "LaTeX": "LaTeX", "result": "⇒",
    "expansion": "→", "print": "⊣", "error": "error", "equiv": "≡", "point": "⋆", "bullet": "•", "minus": "-", "pounds": "£",
    "euro": "€", "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ",
    "OE": "Œ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "exclamdown": "¡", "questiondown": "¿", "quoteleft": "‘",
    "quoteright": "’", "quotedblleft": "“", "quotedblright": "”", "quotedblbase": "„", "quotesinglbase": "‚",
    "guillemetleft": "«", "guillemetright": "»", "guilsinglleft": "‹", "guilsinglright": "›", "atchar": "@",
    "lbracechar": "{", "rbracechar": "}", "backslashchar": "\\", "hashchar": "#", "comma": ",", "tie": " ", "arrow": "→",
    "geq": "≥", "leq": "≤", "textdegree": "°", "ordf": "ª", "ordm": "º", "click": "→", "today": "",
}  # fmt: skip
_TEXINFO_MARKS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "=": "\u0304", ",": "\u0327",
                  "u": "\u0306", "v": "\u030c", "H": "\u030b", "ringaccent": "\u030a", "dotaccent": "\u0307",
                  "ogonek": "\u0328", "udotaccent": "\u0323", "ubaraccent": "\u0331"}  # fmt: skip
TEXINFO_CHARACTER = (
    rf"@(?:{'|'.join(_TEXINFO_SIGNS)})\{{\}}"
    r"|@(?:[\"'`^~=,]|(?:u|v|H|ringaccent|dotaccent|ogonek|udotaccent|ubaraccent)(?=\{))"
    r"(?:\{(?:@dotless\{[ij]\}|[A-Za-z])\}|[A-Za-z])"
)
"""A sign or a letter with its accent in Texinfo: `@copyright{}`, `@"u`, `@v{c}`."""
_TEXINFO_PARTS = re.compile(TEXINFO_CHARACTER)
_TEXINFO = re.compile(rf"(?:{TEXINFO_CHARACTER}|@[A-Za-z]+\{{?|[{{}} \t])+")
_TEXINFO_LETTER = re.compile(r"@([\"'`^~=,]|[A-Za-z]+)(?:\{(?:@dotless\{([ij])\}|([A-Za-z]))\}|([A-Za-z]))")


def named(text: str, start: int, end: int) -> str | None:
    """Return the characters that a stretch of markup names, if it holds nothing else; never more than its length."""
    if _MAY_BE_NAMED.search(text, start, end) is None:
        return None
    if _FLAG.fullmatch(text, start, end):  # mdoc: `Fl a` is shown as -a
        return "-"
    if _ROFF.fullmatch(text, start, end):
        return "".join(_of_roff(found[0]) for found in _ROFF_PARTS.finditer(text, start, end))
    if _POD.fullmatch(text, start, end):
        return "".join(_of_pod(*found.groups()) for found in _POD_PARTS.finditer(text, start, end))
    if text[start] in "@{}" and _TEXINFO_PARTS.search(text, start, end) and _TEXINFO.fullmatch(text, start, end):
        return "".join(_of_texinfo(found[0]) for found in _TEXINFO_PARTS.finditer(text, start, end))
    if _ENTITIES.fullmatch(text, start, end):
        return "".join(html.unescape(found[0]) for found in _ENTITY_PARTS.finditer(text, start, end))
    return None


def plain_names(text: str) -> str:
    """Return a text (a title) with characters for all their names."""
    text = _ROFF_PARTS.sub(lambda found: _of_roff(found[0]), text)
    text = _TEXINFO_PARTS.sub(lambda found: _of_texinfo(found[0]), text)
    return _POD_PARTS.sub(lambda found: _of_pod(*found.groups()), text)


def _of_roff(name: str) -> str:
    is_string = name[1] == "*"
    name = name[2:] if is_string else name[1:]
    name = name[1:-1] if name[0] == "[" else name.removeprefix("(")
    if is_string:
        return _STRINGS.get(name, "")
    if re.fullmatch(r"u[0-9A-F]{4,6}(?:_[0-9A-F]{4,6})*", name):
        return unicodedata.normalize("NFC", "".join(_character(int(code, 16)) for code in name[1:].split("_")))
    if len(name) == 2 and name[0] in _ACCENTS and name[1].isalpha():
        return unicodedata.normalize("NFC", name[1] + _ACCENTS[name[0]])
    return _SIGNS.get(name, "")


def _of_texinfo(command: str) -> str:
    if command.endswith("{}"):
        return _TEXINFO_SIGNS.get(command[1:-2], "")
    found = _TEXINFO_LETTER.fullmatch(command)
    return (
        unicodedata.normalize("NFC", (found[2] or found[3] or found[4]) + _TEXINFO_MARKS[found[1]]) if found else ""
    )


def _of_pod(code: str | None, number: str | None, name: str | None) -> str:
    if code or number:
        return _character(int(code, 16) if code else int(number or "0"))
    known = _POD_NAMES.get(name or "") or html.unescape(f"&{name};")
    return known if len(known) == 1 else ""


def _character(number: int) -> str:
    return chr(number) if 31 < number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
