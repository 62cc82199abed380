"""The text of one page: what can be seen of it, in reading order, and whether pictures stand on it."""

import ctypes
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.notes import letters
from openrag_cli.documents.readers.base import Source
from openrag_cli.documents.readers.pdf_pages.bidi import RIGHT_TO_LEFT, glyphs_of, with_lines_turned
from openrag_cli.documents.readers.pdf_pages.broken_words import BROKEN, spaced_pieces
from openrag_cli.documents.readers.pdf_pages.columns import MAX_RUNS, Run, aligned_tables, rows_of, woven_columns
from openrag_cli.documents.readers.pdf_pages.glyphs import lost_letters
from openrag_cli.documents.readers.pdf_pages.raised import raised_pieces, replaced
from openrag_cli.documents.readers.pdf_pages.ruled import Drawn, Grid, grids, pieces_of, with_tables
from openrag_cli.documents.readers.unseen import pdf_calls
from openrag_cli.documents.readers.unseen.pdf_drawn import DrawingTime, has_ink, not_seen, switch
from openrag_cli.documents.readers.unseen.pdf_suspects import PageObjects, Suspects

# Control characters come from fonts without a Unicode map.
_BROKEN = re.compile("[\ufffe\x02]+")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\uffff\ud800-\udfff]")
_HYPHEN_AT_END = re.compile(r"(?<=[^\W\d_])\u2010\n(?=[^\W\d_])")  # PDFium knows the one of ASCII alone
_SAMPLE = 400  # stretches
_TOO_SLOW = "its pages take long to draw: of the last ones, text that is drawn over or in white may be indexed"
_LEAST_CHARS = 80  # of a page that may have columns


@dataclass(frozen=True, slots=True)
class PageText:
    """A page: its text and, for one without, whether a picture stands on it."""

    text: str
    has_picture: bool
    table: Drawn | None = None
    """The table that ends the page."""
    n_lost: int = 0
    """How many letters within words its fonts do not name."""
    is_codes: bool = False
    """Whether they name hardly any."""


def page_text(
    source: Source,
    document: Any,
    page: Any,
    *,
    has_layers_off: Callable[[], bool],
    time: DrawingTime,
    before: Drawn | None = None,
) -> PageText:
    """Return the text of an open page; `has_layers_off` says whether layers of the document are off, `before` is the
    table that ends the page before."""
    objects = PageObjects(page)
    with ExitStack() as stack:
        text_page = stack.enter_context(_text_page(page))
        text, runs = _text_and_runs(text_page)
        found = (
            Suspects()
            if source.keeps_hidden
            else objects.suspects(runs, has_layers_off, lambda runs: has_ink(page, runs))
        )
        if (found.hidden or found.odd) and _take_off(source, document, page, text_page, found, time):
            stack.close()
            text_page = stack.enter_context(_text_page(page))
            text, runs = _text_and_runs(text_page)
        tables = grids(objects.drawings())
        n_lost, is_codes = lost_letters(text)
        text, table = _arranged(text, runs, text_page, tables, before)
    return PageText(text.strip("\n"), objects.has_picture, table, n_lost, is_codes)


def _arranged(
    text: str, runs: Sequence[Run], text_page: Any, tables: Sequence[Grid], before: Drawn | None
) -> tuple[str, Drawn | None]:
    """Return the text of a page as it is read (raised pieces apart, tables in rows, columns one after the other), and
    the table that ends it."""
    table = None
    plain = text
    spaced = spaced_pieces(text, text_page)
    raised = raised_pieces(text, runs, text_page) if len(runs) <= MAX_RUNS and not spaced else spaced
    if tables and not RIGHT_TO_LEFT.search(text):
        text, table = with_tables(*pieces_of(text, raised, text_page), tables, before)
    else:
        text = replaced(text, raised)
        if len(text) > _LEAST_CHARS and not spaced and 0 < len(runs) == text_page.count_rects():
            text = _by_places(text, runs, text_page) or text
    if text != plain and (letters(plain) - letters(text)).total() * 20 > len(plain):
        text, table = plain, None  # better out of order than not there
    return with_lines_turned(_cleaned(text), lambda: glyphs_of(text_page)), table


def _by_places(text: str, runs: Sequence[Run], text_page: Any) -> str | None:
    """Return the text of a page with its columns, or else its tables, by where its stretches are; None without any."""

    def bounded(box: tuple[float, float, float, float]) -> str:
        """Return the text in a box."""
        return str(text_page.get_text_bounded(*box))

    rows = rows_of(runs)
    return woven_columns(rows, bounded) or aligned_tables(text, rows, bounded)


def _text_and_runs(text_page: Any) -> tuple[str, list[Run]]:
    """Return the text of a page and where its stretches are; of more than `MAX_RUNS` some."""
    text = str(text_page.get_text_range())
    n_runs = text_page.count_rects() if text.strip() else 0
    step = 1 if n_runs <= MAX_RUNS else n_runs // _SAMPLE
    boxes = pdf_calls.stretches(pdf_calls.address(text_page.raw), range(0, n_runs, step))
    return text, list(map(Run._make, boxes))


def _take_off(source: Source, document: Any, page: Any, text_page: Any, found: Suspects, time: DrawingTime) -> bool:
    """Take text that cannot be seen off the page; whether there was some."""
    texts = {text: _object_text(text.handle, text_page) for text in (*found.hidden, *found.odd)}
    odd = [text for text in found.odd if texts[text]]
    hidden = [text for text in found.hidden if texts[text]]
    if odd and time.left_s > 0:
        hidden += not_seen(document, page, odd, time)
    elif odd:
        source.notes.warn("hidden_text_unchecked", _TOO_SLOW)
    switch(hidden, on=False)
    return bool(hidden) and source.is_hidden(" ".join(texts[text] for text in hidden))


class _text_page:  # noqa: N801 - used as a function
    """Open the text of a page and close it again."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def __enter__(self) -> Any:
        self._text_page = self._page.get_textpage()
        return self._text_page

    def __exit__(self, *_: object) -> None:
        self._text_page.close()


def _cleaned(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xad\n", "-\n").replace("\xad", "")
    if "\u2010\n" in text:
        text = _HYPHEN_AT_END.sub(BROKEN, text)
    if "\x02" in text or 2 * BROKEN in text:
        text = _BROKEN.sub(BROKEN, text)
    return _CONTROLS.sub("", text)


def _object_text(each: Any, text_page: Any) -> str:
    from pypdfium2 import raw

    size = raw.FPDFTextObj_GetText(each, text_page, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    raw.FPDFTextObj_GetText(each, text_page, buffer, size)
    return bytes(buffer)[: size - 2].decode("utf-16-le", "replace").strip()
