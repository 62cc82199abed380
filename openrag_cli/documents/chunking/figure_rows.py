"""Rows of figures as they are embedded: the label and the first figure, since a meaning has no use for the others.

"Net sales 1,820.5 1,705.1 1,640.0" takes 17 tokens of the model, 15 of them for figures, between which a vector of the
page tells no difference but which drown what the row is about. All are still searched by words, quoted and shown; only
the vector is made without them.
"""

import re

_ENDS = frozenset("0123456789%)|\u2014\u2013")
_FIGURE = re.compile(r"[-\u2212(+]{0,3}[$€£¥]?[-\u2212(+]{0,3}(?:\d[\d.,\u2019']*)?\d[%)]{0,2}")
_YEAR = re.compile(r"(?:19|20|21)\d\d")
_BETWEEN = frozenset(("|", "$", "€", "£", "¥", "%", ")", "(", "-", "\u2212", "\u2013", "\u2014", ")%"))
_LETTER = re.compile(r"[^\W\d_]")


def first_figures(text: str) -> str:
    """Return a text whose lines of a label and figures keep the first of these, and every year."""
    if not _LETTER.search(text):
        return text
    return "\n".join(_first_figure(line) if line.rstrip()[-1:] in _ENDS else line for line in text.split("\n"))


def _first_figure(line: str) -> str:
    words = line.split()
    end = len(words)
    figures = []
    while end and ((is_figure := bool(_FIGURE.fullmatch(words[end - 1]))) or words[end - 1] in _BETWEEN):
        end -= 1
        if is_figure:
            figures.append(end)
    if len(figures) < 2 or not _LETTER.search(" ".join(words[:end])):
        return line
    first = next((at for at in reversed(figures) if not _YEAR.fullmatch(words[at])), figures[0])
    return " ".join([*words[: first + 1], *filter(_YEAR.fullmatch, words[first + 1 :])])
