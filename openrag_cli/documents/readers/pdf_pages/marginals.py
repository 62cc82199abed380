"""Running heads and feet: lines that stand at the top or bottom of page after page."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

MIN_PAGES = 3
"""A line at the edge of fewer pages is text."""

_MIN_SHARE = 0.1  # of all pages
_EDGE_LINES = 3
_MAX_CHARS = 120
_NUMBER = re.compile(
    r"^\W*\d+\W*(?=\s|$)|(?:(?<=\s)|^)\W*\d+(?:\s*(?:of|von|aus|de|sur|di|van|/)\s*\d+)?\W*$|\b[ivxlc]+$"
)
_YEARS = re.compile(r"\b(?:19|20|21)\d\d\s+(?:19|20|21)\d\d\b")  # names of columns
_LINE = re.compile(r"[^\n]+")

Range = tuple[int, int]


def marginal_lines(texts: Sequence[str]) -> list[list[Range]]:
    """Return for each page where its running heads and feet are, without those of the page where each stands first."""
    edges = [[*_edge(text, is_top=True), *_edge(text, is_top=False)] for text in texts]
    counts = Counter(key for edge in edges for key in {key for key, _ in edge})
    least = max(MIN_PAGES, _MIN_SHARE * len(texts))
    known: set[str] = set()
    found: list[list[Range]] = []
    for edge in edges:
        repeated = [(key, place) for key, place in edge if counts[key] >= least]
        found.append(sorted({place for key, place in repeated if key in known or key.endswith(":#")}))
        known |= {key for key, _ in repeated}
    return found


def _edge(text: str, *, is_top: bool) -> Iterator[tuple[str, Range]]:
    """Yield (what makes the line the same on other pages, its place) of the outermost lines of a page."""
    lines = [found for found in _LINE.finditer(text) if found[0].strip()]
    if len(lines) <= _EDGE_LINES:
        return
    for line in lines[:_EDGE_LINES] if is_top else lines[: -_EDGE_LINES - 1 : -1]:
        shown = " ".join(line[0].split())
        if shown.startswith("|"):  # a row of a table
            return
        if len(shown) > _MAX_CHARS:
            return
        key = shown if _YEARS.search(shown) else _NUMBER.sub("#", shown)
        yield f"{'top' if is_top else 'foot'}:{key}", line.span()
