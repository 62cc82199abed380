"""PDF, page by page, with PDFium.

Measured on a 307-page filing: 1.05 s, against 103 s with markitdown, which also loses the page numbers. PDFium is not
thread-safe: one process at a time.
"""

import io
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from openrag_cli.documents.media_types import PDF
from openrag_cli.documents.notes import counted
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.pdf_pages.annotations import annotation_lines
from openrag_cli.documents.readers.pdf_pages.broken_words import without_breaks
from openrag_cli.documents.readers.pdf_pages.glyphs import is_glyph_codes, without_private
from openrag_cli.documents.readers.pdf_pages.marginals import marginal_lines
from openrag_cli.documents.readers.pdf_pages.numbered import numbered_headings
from openrag_cli.documents.readers.pdf_pages.objects import may_hide_layers, rebuilt
from openrag_cli.documents.readers.pdf_pages.outline import outline_of
from openrag_cli.documents.readers.pdf_pages.page import page_text
from openrag_cli.documents.readers.pdf_pages.ruled import Drawn
from openrag_cli.documents.readers.pdf_pages.title import date_of_pdf, title_of_pdf
from openrag_cli.documents.readers.unseen.pdf_drawn import DrawingTime
from openrag_cli.domain import Document, DocumentWarning, Page
from openrag_cli.errors import IngestError

PAGE_BREAK = "\n\n"
_OCR_HINT = "run OCR first, for example with ocrmypdf, and add the PDF that it makes"
_LEAST_LOST = 3  # letters; fewer may be signs of a list that stand close to its words
_RESAVE_HINT = "open it in a PDF program, save it again, and add that"
_XFA_PLACEHOLDERS = ("please wait", "adobe reader", "adobe acrobat", "veuillez patienter", "bitte warten")


@dataclass(slots=True)
class _Pages:
    """The pages that were read, and what is to be said of them."""

    n_pages: int
    texts: list[str] = field(default_factory=list)
    with_picture: set[int] = field(default_factory=set)
    glyph_codes: list[int] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)  # page -> letters that its fonts do not name
    unreadable: list[int] = field(default_factory=list)
    outline: list[tuple[int, int, str]] = field(default_factory=list)  # level, page from 0, title
    title: str | None = None
    table: Drawn | None = None  # that ends the page that was read last
    modified: str | None = None


def read_pdf(source: Source) -> Document:
    """Read the text of each page; `pages` gives its characters. Text is as PDFium orders it, hyphens kept.

    Below it stand the values of form fields and the comments of the page. What cannot be seen is left out. Running
    heads and feet are masked after their first page; the outline gives the headings.

    Raises:
        IngestError: encrypted, corrupt, or no_text where no page has any.
    """
    read = _read(source)
    if not any(text.strip() for text in read.texts):
        raise _no_text(read, is_damaged=_is_damaged(source))
    markdown, pages = join_pages(read.texts)
    outline = outline_of(markdown, pages, read.outline) or numbered_headings(markdown)
    headings = {heading.start for heading in outline if heading.end > heading.start}
    masked = [
        (page.start + start, page.start + end)
        for page, lines in zip(pages, marginal_lines(read.texts), strict=True)
        for start, end in lines
        if page.start + start not in headings
    ]
    return Document(
        markdown,
        pages=pages,
        media_type=PDF,
        warnings=tuple(_warnings(read, is_damaged=_is_damaged(source))),
        outline=outline,
        masked=tuple(masked),
        metadata={key: value for key, value in (("title", read.title), ("modified", read.modified)) if value},
    )


def _warnings(read: _Pages, *, is_damaged: bool) -> list[DocumentWarning]:
    told = []
    blank = [
        number
        for number, text in enumerate(read.texts, start=1)
        if not text.strip() and number not in read.glyph_codes and number not in read.unreadable
    ]
    if blank:
        has_picture = any(number in read.with_picture for number in blank)
        kinds = ["scanned"] * has_picture + ["blank"] + ["lost"] * is_damaged
        kind = " or ".join(kinds)
        hint = f"; {_OCR_HINT}" if has_picture else ""
        message = f"no text on {_ranges(blank)} of {read.n_pages:,}: {kind}{hint}"
        told.append(DocumentWarning("no_text_on_page", message))
    if read.glyph_codes:
        message = (
            f"the text on {_ranges(read.glyph_codes)} is codes of glyphs and no letters, and left out; {_OCR_HINT}"
        )
        told.append(DocumentWarning("glyph_codes", message))
    if sum(read.lost.values()) >= _LEAST_LOST:
        n, where = counted(sum(read.lost.values()), "letter"), _ranges(list(read.lost))
        message = f"{n} on {where} left out: the fonts do not say which letters they draw; {_OCR_HINT}"
        told.append(DocumentWarning("letters_missing", message))
    if read.unreadable:
        message = f"{_ranges(read.unreadable)} of {read.n_pages:,} cannot be read; {_RESAVE_HINT}"
        told.append(DocumentWarning("page_unreadable", message))
    if len(read.texts) < read.n_pages:
        message = f"only the first {len(read.texts):,} of {read.n_pages:,} pages are indexed; the rest is left out"
        told.append(DocumentWarning("text_cut", message))
    return told


def _no_text(read: _Pages, *, is_damaged: bool) -> IngestError:
    """Return why a PDF has no text, in a sentence that is true."""
    where = "its page" if read.n_pages == 1 else f"its {read.n_pages:,} pages"
    if read.glyph_codes:
        return IngestError(
            f"the text on {where} is codes of glyphs and no letters: its fonts do not say which letters they draw",
            reason="no_text",
            hint=_OCR_HINT,
        )
    if read.unreadable:
        return IngestError(
            "the PDF is damaged and none of its pages can be read", reason="corrupt", hint=_RESAVE_HINT
        )
    if is_damaged and not read.with_picture:
        return IngestError(
            "the PDF is damaged or its end is missing, and no text is left in it",
            reason="corrupt",
            hint=_RESAVE_HINT,
        )
    if read.with_picture:
        return IngestError(f"no text in {where}: it seems to be a scan", reason="no_text", hint=_OCR_HINT)
    return IngestError(
        f"no text and no picture in {where}: there is nothing on it to read",
        reason="no_text",
        hint="where its letters are drawn as lines, run OCR first, for example with ocrmypdf",
    )


def join_pages(texts: list[str]) -> tuple[str, tuple[Page, ...]]:
    """Return (text, pages): each page ends where the next begins, so that they cover the text."""
    pages, start = [], 0
    for number, text in enumerate(texts, start=1):
        end = start + len(text) + (len(PAGE_BREAK) if number < len(texts) else 0)
        pages.append(Page(number, start, end))
        start = end
    return PAGE_BREAK.join(texts), tuple(pages)


def _read(source: Source) -> _Pages:
    with parser_errors("PDF"), ExitStack() as stack:
        pdf = _open(source)
        stack.callback(pdf.close)
        read = _read_pages(source, pdf)
        if read.unreadable and (again := _put_together(source.path.read_bytes())) is not None:
            stack.callback(again.close)
            mended = _read_pages(source, again)
            if len(mended.texts) - len(mended.unreadable) > len(read.texts) - len(read.unreadable):
                _tell_damage(source, mended.n_pages)
                read = mended
        _refuse_placeholder(read)
        return read


def _read_pages(source: Source, pdf: Any) -> _Pages:
    n_pages = len(pdf)
    if not n_pages:
        raise IngestError("the PDF has no pages", reason="empty")
    read = _Pages(n_pages)
    read.title = title_of_pdf(pdf, source.filename)
    read.modified = date_of_pdf(pdf)
    source.report_pages(min(n_pages, source.limits.max_pages))
    form = _form(pdf)
    off = cache(lambda: may_hide_layers(_plain_bytes(source, pdf)))
    reading = _Reading(form, off, DrawingTime())
    n_chars = 0
    for index in range(min(n_pages, source.limits.max_pages)):
        read.texts.append(_page(source, pdf, index, read, reading))
        n_chars += len(read.texts[-1])
        if n_chars > source.limits.max_chars:
            break
    read.texts = without_breaks(read.texts)
    read.outline = _outline(pdf)
    return read


@dataclass(frozen=True, slots=True)
class _Reading:
    """What all pages of a document share."""

    form: Any
    has_layers_off: Callable[[], bool]
    time: DrawingTime


def _page(source: Source, pdf: Any, index: int, read: _Pages, reading: _Reading) -> str:
    """Return the text of a page; an empty one where it cannot be read or is no text."""
    import pypdfium2

    try:
        page = pdf[index]
    except pypdfium2.PdfiumError:
        read.unreadable.append(index + 1)
        return ""
    try:
        found = page_text(
            source, pdf, page, has_layers_off=reading.has_layers_off, time=reading.time, before=read.table
        )
        lines = annotation_lines(page, reading.form)
    except pypdfium2.PdfiumError:
        read.unreadable.append(index + 1)
        return ""
    finally:
        page.close()
    read.table = found.table
    if found.has_picture:
        read.with_picture.add(index + 1)
    text = found.text
    if found.is_codes or is_glyph_codes(text):
        read.glyph_codes.append(index + 1)
        source.notes.ignore(text)
        text = ""
    else:
        text, n_private = without_private(text)
        if found.n_lost + n_private:
            read.lost[index + 1] = found.n_lost + n_private
    return "\n\n".join(part for part in (text, "\n".join(lines)) if part.strip()) or text


def _plain_bytes(source: Source, pdf: Any) -> bytes:
    """Return the bytes of a document, decrypted where it can be read without a password."""
    from pypdfium2 import raw

    content = source.path.read_bytes()
    if b"/Encrypt" not in content:
        return content
    plain = io.BytesIO()
    pdf.save(plain, flags=raw.FPDF_REMOVE_SECURITY)
    return plain.getvalue()


def _form(pdf: Any) -> Any:
    """Return the environment that knows the document's form fields; None for a document without a form."""
    from pypdfium2 import raw

    if pdf.get_formtype() == raw.FORMTYPE_NONE:
        return None
    pdf.init_forms()
    return pdf.formenv


def _outline(pdf: Any) -> list[tuple[int, int, str]]:
    import pypdfium2

    found: list[tuple[int, int, str]] = []
    try:
        for entry in pdf.get_toc(max_depth=6):
            target = entry.get_dest()
            index = target.get_index() if target is not None else None
            if index is not None:
                found.append((int(entry.level), int(index), str(entry.get_title())))
    except (pypdfium2.PdfiumError, UnicodeDecodeError):  # a damaged outline loses itself alone
        return found
    return found


def _refuse_placeholder(read: _Pages) -> None:
    """Refuse an XFA form of which the file holds only the page that says which program is needed.

    Raises:
        IngestError: it is one.
    """
    text = "\n".join(read.texts[:2]).lower()
    if len(read.texts) <= 2 and len(text) < 2_000 and sum(word in text for word in _XFA_PLACEHOLDERS) >= 2:
        raise IngestError(
            "the PDF is an XFA form: its only page says that another program is needed to show the form",
            reason="no_text",
            hint="open it in Adobe Acrobat or Reader, print it to a PDF, and add that",
        )


def _open(source: Source) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(source.path)
    except pypdfium2.PdfiumError as exc:
        content = source.path.read_bytes()
        # PDFium keeps its last error: what it says may be of the document before.
        if b"/Encrypt" in content:
            message = str(exc).lower()
            if "security" in message:
                raise IngestError("the PDF is encrypted in a way that cannot be read", reason="encrypted") from exc
            raise IngestError(
                "the PDF needs a password",
                reason="encrypted",
                hint="save a copy without a password, for example with `qpdf --decrypt`, and add that",
            ) from exc
        return _mended(source, content)


def _mended(source: Source, content: bytes) -> Any:
    """Open the pages that are there of a file that PDFium does not open, such as one whose end is missing."""
    pdf = _put_together(content)
    if pdf is None:
        raise IngestError("the PDF is damaged and cannot be read", reason="corrupt", hint=_RESAVE_HINT)
    _tell_damage(source, len(pdf))
    return pdf


def _put_together(content: bytes) -> Any:
    """Open a document of the pages whose objects are there; None where there are none."""
    import pypdfium2

    whole = rebuilt(content)
    try:
        return pypdfium2.PdfDocument(whole) if whole is not None else None
    except pypdfium2.PdfiumError:
        return None


def _tell_damage(source: Source, n_pages: int) -> None:
    pages = "its page" if n_pages == 1 else f"its {n_pages:,} pages"
    message = f"the file is damaged or its end is missing; what is there of {pages} is read"
    source.notes.warn("damaged_end", message)


def _is_damaged(source: Source) -> bool:
    return any(warning.code == "damaged_end" for warning in source.notes.told())


def _ranges(numbers: list[int]) -> str:
    """Return "page 3" or "pages 1-4, 9" for page numbers in order."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:20])
    more = f" and {len(runs) - 20} more ranges" if len(runs) > 20 else ""
    return f"{'page' if len(numbers) == 1 else 'pages'} {shown}{more}"
