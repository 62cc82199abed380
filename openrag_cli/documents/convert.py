"""A file to a `Document`: decide what it is, check its size, call its reader.

`convert_file` may be called in any process, but for files that others wrote use `sandbox.ConverterPool`, which puts
it into a child that can be killed.
"""

import mmap
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from openrag_cli.documents import media_types as formats
from openrag_cli.documents.media_types import HEAD_BYTES, SUPPORTED, media_type_of
from openrag_cli.documents.notes import bounded
from openrag_cli.documents.readers.base import Limits, Source
from openrag_cli.documents.versions import reader_of
from openrag_cli.domain import Document, DocumentWarning
from openrag_cli.errors import IngestError
from openrag_cli.store.metadata import document_metadata

__all__ = ["SUPPORTED", "Limits", "convert_file", "media_type_of"]

Reader = Callable[[Source], Document]


def convert_file(
    path: Path,
    filename: str,
    *,
    limits: Limits | None = None,
    report_pages: Callable[[int], None] | None = None,
    keeps_hidden: bool = False,
) -> Document:
    """Return the text of the file at `path`, which its owner calls `filename`.

    Text, CSV, JSON and code keep their lines; a PDF has pages, and so do slides; the rest becomes Markdown.
    `report_pages` is told the number of pages when it is known. Text that a person who opens the document does not
    see is left out unless `keeps_hidden`; `warnings` of the document tell of that and of all else that is not in it.

    Raises:
        UnsupportedFormat: no reader for this kind of file.
        IngestError: the file is empty, damaged, encrypted, over a limit, or holds no text; `reason` says which.
    """
    limits = limits or Limits()
    _check_size(path, limits)
    media_type = _media_type(path, filename)
    source = Source(path, filename, media_type, limits, report_pages or _ignore_pages, keeps_hidden)
    document = _with_metadata(_cleaned(_reader(media_type)(source)))
    document = replace(document, reader=reader_of(media_type))
    if not document.markdown.strip():
        raise IngestError("no text was found in it", reason="no_text")
    return replace(document, warnings=_warnings(source, document))


def _warnings(source: Source, document: Document) -> tuple[DocumentWarning, ...]:
    """Return what the reader said and, where it is known what the document's text is, whether too little came through."""
    told = [*document.warnings, *source.notes.told()]
    witness = _witness(document.media_type)
    if witness is not None and not any(warning.code == "text_cut" for warning in told):
        lost = source.notes.lost(witness(source), document.markdown)
        told += [lost] if lost else []
    return bounded(told)


def _witness(media_type: str) -> Callable[[Source], Iterator[str]] | None:
    if media_type not in _READERS:
        return None
    from openrag_cli.documents.witness.texts import WITNESSES

    return WITNESSES.get(media_type)


def _ignore_pages(n_pages: int) -> None:
    del n_pages


def _check_size(path: Path, limits: Limits) -> None:
    size = path.stat().st_size
    if size == 0:
        raise IngestError("the file is empty", reason="empty")
    if size > limits.max_bytes:
        raise IngestError(
            f"the file has {size:,} bytes; at most {limits.max_bytes:,} are read",
            reason="too_large",
            hint="split it and add the parts",
        )


def _media_type(path: Path, filename: str) -> str:
    """Return the media type; a zip or OLE file is searched whole, because its parts are listed at its end."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if not (formats.is_zip(head) or formats.is_ole(head)):
            return media_type_of(filename, head)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            return media_type_of(filename, whole[:])


_READERS: dict[str, tuple[str, str]] = {
    formats.PDF: ("pdf_pages.document", "read_pdf"),
    formats.DOCX: ("word.document", "read_docx"),
    formats.PPTX: ("slides.document", "read_pptx"),
    formats.XLSX: ("workbooks.xlsx", "read_xlsx"),
    formats.XLS: ("workbooks.xls", "read_xls"),
    formats.ODT: ("odt", "read_odt"),
    formats.ODS: ("workbooks.ods", "read_ods"),
    formats.EPUB: ("epub", "read_epub"),
    formats.FLAT_ODT: ("odt", "read_odt"),
    formats.FLAT_ODS: ("workbooks.ods", "read_ods"),
    formats.WORD_XML: ("word.document", "read_docx"),
    formats.SLIDES_XML: ("slides.document", "read_pptx"),
    formats.SHEET_XML: ("workbooks.excel_2003", "read_excel_2003"),
    formats.DOCBOOK: ("xml_files.docbook", "read_docbook"),
    formats.MSG: ("mails.outlook", "read_msg"),
    formats.EML: ("mails.mail", "read_mail"),
    formats.MBOX: ("mails.mailbox", "read_mailbox"),
    formats.HTML: ("markup", "read_html"),
    formats.RSS: ("feed", "read_feed"),
    formats.SVG: ("svg", "read_svg"),
    formats.IPYNB: ("notebook", "read_notebook"),
    formats.JSON: ("plain", "read_json"),
    formats.JSONL: ("plain", "read_json"),
    formats.PROPERTIES: ("plain", "read_json"),
    formats.CALENDAR: ("plain", "read_calendar"),
    formats.CONTACT: ("plain", "read_calendar"),
    **dict.fromkeys(
        (
            "text/asciidoc",
            "text/org",
            "text/troff",
            "text/x-bbcode",
            "text/x-mediawiki",
            "text/x-pod",
            "text/x-tex",
            formats.TEXINFO,
            "text/x-textile",
        ),
        ("plain", "read_text"),
    ),
}  # every other type is text, kept as it is
_TEXT = ("plain", "read_text")


def _reader(media_type: str) -> Reader:
    """Return the reader of a kind; imported now, since most runs meet few kinds."""
    module, name = _READERS.get(media_type, _TEXT)
    reader: Reader = getattr(import_module(f"openrag_cli.documents.readers.{module}"), name)
    return reader


_BAD_CHARS = dict.fromkeys(range(0xD800, 0xE000), "\ufffd") | {0: " "}


def _cleaned(document: Document) -> Document:
    """Return the document without NULs and lone surrogates, which neither SQLite nor UTF-8 can hold."""
    try:
        document.markdown.encode()
    except UnicodeEncodeError:
        return replace(document, markdown=document.markdown.translate(_BAD_CHARS))
    if "\x00" in document.markdown:
        return replace(document, markdown=document.markdown.replace("\x00", " "))
    return document


def _with_metadata(document: Document) -> Document:
    """Return the document with what it says of itself as it can be kept, and a warning for what cannot."""
    if not document.metadata:
        return document
    kept, warnings = document_metadata(document.metadata)
    return replace(document, metadata=kept, warnings=(*document.warnings, *warnings))
