"""The title of a PDF: the one it declares, where that is a title, or the lines in the largest letters of its first page."""

import contextlib
import re
from datetime import datetime
from typing import Any

from openrag_cli.store.searching.titles import MAX_TITLE_CHARS, is_title, title_of

MAX_CHARS = 4000
"""Characters of the first page that are looked at."""

LARGE = 1.25
"""A line is large whose letters are that many times as high as those of the middle line."""

_PDF_DATE = re.compile(
    r"(?:D:)?(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\d{2})?)?)?)?)?(?:([+\-Z])(?:(\d{2})'?(\d{2})?'?)?)?"
)

NEAR_LARGEST = 0.6
MAX_LINES = 5


def title_of_pdf(pdf: Any, filename: str) -> str | None:
    """Return the title of an open PDF of at least one page, None when nothing on it is one.

    The largest lines stand in for a name that says nothing: beside one that does they are as often a letterhead.
    """
    declared = " ".join(str(pdf.get_metadata_value("Title") or "").split())
    if is_title(declared):
        return declared[:MAX_TITLE_CHARS]
    if is_title(title_of(filename, None)):
        return None
    lines = _lines(pdf[0])
    if not lines:
        return None
    from statistics import median

    sizes = [size for _, size in lines]
    least = max(LARGE * median(sizes), NEAR_LARGEST * max(sizes))
    large = [text for text, size in lines if size >= least and is_title(text)]
    title = " ".join(dict.fromkeys(large[:MAX_LINES]))
    return title[:MAX_TITLE_CHARS] or None


def date_of_pdf(pdf: Any) -> str | None:
    """Return when a PDF says that it was changed, or else made, as ISO 8601 writes it; None when it does not.

    PDF 32000-1, 7.9.4: D:YYYYMMDDHHmmSSOHH'mm, of which all but the year may be left out.
    """
    for key in ("ModDate", "CreationDate"):
        match = _PDF_DATE.match(str(pdf.get_metadata_value(key) or "").strip())
        if match is None:
            continue
        year, month, day, hour, minute, second, sign, off_h, off_m = match.groups()
        zone = f"{sign}{off_h}:{off_m or '00'}" if sign in {"+", "-"} and off_h else "+00:00"
        text = f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}"
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(text).isoformat()
    return None


def _lines(page: Any) -> list[tuple[str, float]]:
    """Return the lines of a page, from the top of its text, with the size of their letters."""
    from pypdfium2 import raw

    text_page = page.get_textpage()
    try:
        lines: list[tuple[str, float]] = []
        line: list[tuple[str, float]] = []
        for at in range(min(text_page.count_chars(), MAX_CHARS)):
            char = chr(raw.FPDFText_GetUnicode(text_page, at))
            if char in "\r\n":
                lines += _line(line)
                line = []
            else:
                line.append((char, 0.0 if char.isspace() else raw.FPDFText_GetFontSize(text_page, at)))
        return lines + _line(line)
    finally:
        text_page.close()


def _line(letters: list[tuple[str, float]]) -> list[tuple[str, float]]:
    from statistics import median  # imported where it is needed: it takes as long as all of this package

    sizes = [size for _, size in letters if size]
    text = " ".join("".join(char for char, _ in letters).split())
    return [(text, median(sizes))] if sizes and text else []
