"""What the words before a bracket say of it: a pattern, an interval or a list of values is no citation."""

import re

_OF_VALUES = (
    r"reg(?:ex|exp|exes|exps|ular expressions?)|patterns?|character class(?:es)?|class(?:es)?|globs?|intervals?"
    r"|arrays?|vectors?|tuples?|tensors?|matri(?:x|ces)|shapes?|sequences?|slices?|between|digits?|exit codes?|codes?"
    r"|rows?|columns?|lines?|pages?|chapters?|scores?|expressions? r\u00e9guli\u00e8res?|motifs?|classes? de caract\u00e8res"
    r"|intervalles?|tableaux?|vecteurs?|plages?|entre|lignes?|chapitres?|regul\u00e4re[rn]? ausdr[u\u00fc]ck\w*|muster"
    r"|zeichenklassen?|intervalle?s?|vektor(?:en)?|tupel|zwischen|zeilen?|seiten?|kapitel"
    r"|expresi(?:\u00f3n|ones) regular(?:es)?|patr(?:\u00f3n|ones)|intervalos?|arreglos?|vectores|l\u00edneas?|p\u00e1ginas?"
    r"|espression[ei] regolar[ei]|intervall[oi]|righe|pagine"
)
_OF_ONE = (
    r"argv|index|indices|elements?|items?|slots?|positions?|press|type|enter|options?|registers?|bits?|bytes?|ports?"
    r"|channels?|jobs?|versions?|rows?|columns?|lines?|chapters?"
)
_PERHAPS = r"lists?|sets?|ranges?|outputs?|results?|values?|keys?|ids?|numbers?|listen?|mengen?|bereiche?|werte?|liste[sn]?|listas?|rangos?"
_BEFORE_VALUES = (
    r"in|between|of|is|are|was|were|be|from|to|with|like|as|equals?|gives?|prints?|returns?|yields?|contains?|into|for|than"
    r"|est|sont|dans|de|comme|vaut|donne|renvoie|affiche|ist|sind|von|zu|wie|liefert|ergibt|es|son|en|como|devuelve"
    r"|\u00e8|sono|come|da"
)
_SIGNS = "\u2208\u2209\u2282\u2286\u222a\u2229\u00d7\u2192\u21d2\u2264\u2265\u2260\u00b1\u2261\u2248"
_LINK = r"(?:[ \t]+(?:is|are|such|as|like|of|for|named|called|est|sont|comme|ist|sind|wie|es|son|como))"
_VALUES = re.compile(rf"(?i)(?<!\w)(?:{_OF_VALUES}){_LINK}{{0,2}}[ \t]*:?[ \t]*\Z")
_ONE = re.compile(rf"(?i)(?<![\w])(?:{_OF_ONE})[ \t]*\Z")
_LISTED = re.compile(rf"(?i)(?<!\w)(?:{_PERHAPS})[ \t]*\Z")
_VALUE_NEXT = re.compile(rf"(?i)(?<!\w)(?:{_BEFORE_VALUES})[ \t]*\Z")
_QUOTED = re.compile(r"(?:\A|[\s(\[:,=])[\"'\u201c\u2018\u00ab\u201e]\Z")

CHARS = 48
"""How much of the text before a bracket is looked at."""


def announced(before: str, after: str, *, is_many: bool) -> str | None:
    """Return what the text before a bracket makes of it: "none", "beside" (it may be one), or None: it says nothing.

    `after` is what follows, as far as it is known; `is_many`: several numbers stand in the bracket, or a range.
    """
    if before.rstrip(" \t")[-1:] in _SIGNS or _QUOTED.search(before):
        return "none" if before.strip() else None
    if not is_many:
        return "beside" if _ONE.search(before) else None
    if _VALUES.search(before):
        return "none"
    if _LISTED.search(before):
        return "none" if after[:1] == " " and after[1:2].isalpha() else "beside"
    return "beside" if _VALUE_NEXT.search(before) else None
