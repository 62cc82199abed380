"""The text of a document taken by other means than its reader's: what the guard compares the reader's text with.

Each function yields the text nodes of one kind of document, as plainly as can be: no order, no form. Damage ends it
early; a reader that coped with more is no worse for that.
"""

import contextlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from openrag_cli.documents import media_types as formats
from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.readers.base import Source, read_bytes
from openrag_cli.documents.witness.ole import message_texts, workbook_strings

if TYPE_CHECKING:
    from email.message import Message

Witness = Callable[[Source], Iterator[str]]

MAX_PART_BYTES = 64 * 1024 * 1024
"""Larger parts are not looked at: the guard may not cost more than the reading."""

_DAMAGE = (zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError)
_INLINE = re.compile(rb"<(?:\w+:)?t(?:\s[^>]*)?>([^<]*)</")
_SHARED = re.compile(rb"<(?:\w+:)?c\s[^>]*\bt=[\"']s[\"'][^>]*>\s*<(?:\w+:)?v>(\d{1,9})<")
_STRING = re.compile(rb"<(?:\w+:)?si(?:\s[^>]*)?(?:/>|>.*?</(?:\w+:)?si>)", re.DOTALL)
_PHONETIC = re.compile(rb"<(?:\w+:)?rPh\b.*?</(?:\w+:)?rPh>", re.DOTALL)
_SHEET_STRING = re.compile(r"<(?:\w+:)?Data\s[^>]*\bType=[\"']String[\"'][^>]*>(.*?)</(?:\w+:)?Data>", re.DOTALL)
_ENVELOPE = re.compile(rb"^From [^\n]*\n", re.MULTILINE)


def xml_texts(content: bytes, without: frozenset[str], only: frozenset[str] = frozenset()) -> list[str]:
    """Return the texts within elements named in `only`, or in all, outside of elements named in `without`.

    Names are local, without their namespace.
    """
    from xml.parsers.expat import ExpatError, ParserCreate

    texts: list[str] = []
    n_within = n_without = 0

    def start(name: str, _: dict[str, str]) -> None:
        """Take note of an element that begins."""
        nonlocal n_within, n_without
        local = name.rpartition(" ")[2]
        n_within += local in only
        n_without += local in without

    def end(name: str) -> None:
        """Take note of an element that ends."""
        nonlocal n_within, n_without
        local = name.rpartition(" ")[2]
        n_within -= local in only
        n_without -= local in without

    def text(data: str) -> None:
        """Take its letters."""
        if not n_without and (n_within or not only):
            texts.append(data)

    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    with contextlib.suppress(ExpatError, LookupError):  # an encoding that there is not
        parser.Parse(content, True)  # noqa: FBT003 - its second parameter has no name
    return texts


def parts_of(source: Source, is_wanted: Callable[[str], object]) -> Iterator[bytes]:
    """Yield the parts of a zip archive whose names are wanted."""
    import zipfile

    damage = (zipfile.BadZipFile, *_DAMAGE)
    with contextlib.suppress(*damage), zipfile.ZipFile(source.path) as archive:
        for part in archive.infolist():
            if is_wanted(part.filename) and part.file_size <= MAX_PART_BYTES:
                with contextlib.suppress(*damage):
                    yield archive.read(part)


def _word_texts(source: Source) -> Iterator[str]:
    parts = {f"word/{name}.xml" for name in ("document", "footnotes", "endnotes", "comments")}
    for content in parts_of(source, parts.__contains__):
        yield from xml_texts(content, frozenset({"del", "moveFrom", "Fallback"}), frozenset({"t"}))


def _odt_texts(source: Source) -> Iterator[str]:
    for content in parts_of(source, "content.xml".__eq__):
        yield from xml_texts(content, frozenset({"tracked-changes", "automatic-styles", "forms", "change-info"}))


def page_texts(page: str) -> list[str]:
    """Return the texts of a web page, without scripts, styles and its head."""
    from openrag_cli.documents.witness.page import texts_of

    return texts_of(page)


def _html_texts(source: Source) -> Iterator[str]:
    with contextlib.suppress(NotText):
        yield from page_texts(decode_text(read_bytes(source, limit=source.limits.max_markup_bytes)[0])[0])


def _epub_texts(source: Source) -> Iterator[str]:
    for content in parts_of(source, lambda name: name.lower().endswith((".xhtml", ".html", ".htm"))):
        with contextlib.suppress(NotText):
            yield from page_texts(decode_text(content)[0])


def _mail_texts(source: Source) -> Iterator[str]:
    """Yield the texts of a mail whose parts all say something of their own."""
    yield from _message_texts(read_bytes(source, limit=source.limits.max_bytes)[0])


def _mailbox_texts(source: Source) -> Iterator[str]:
    for content in _ENVELOPE.split(read_bytes(source, limit=source.limits.max_bytes)[0]):
        yield from _message_texts(content)


def _message_texts(content: bytes) -> Iterator[str]:
    from email import message_from_bytes, policy

    parts = list(message_from_bytes(content, policy=policy.compat32).walk())
    if any(part.get_content_type() == "multipart/alternative" or _is_encoded_message(part) for part in parts):
        return
    for part in parts:
        decoded = part.get_payload(decode=True)
        is_shown = part.get_content_disposition() != "attachment"
        if is_shown and isinstance(decoded, bytes) and part.get_content_type() in {"text/plain", "text/html"}:
            with contextlib.suppress(NotText):
                text = decode_text(decoded)[0]
                yield from page_texts(text) if part.get_content_subtype() == "html" else [text]


def _is_encoded_message(part: "Message") -> bool:
    kind, encoding = (str(part.get(name, "")).lower() for name in ("Content-Type", "Content-Transfer-Encoding"))
    return kind.startswith("message/rfc822") and encoding.strip() in {"base64", "quoted-printable"}


def _slide_texts(source: Source) -> Iterator[str]:
    """Yield the texts of slides and their notes, without the fields that number and date them."""
    for content in parts_of(source, re.compile(r"ppt/(?:slides|notesSlides)/[^/]+\.xml").fullmatch):
        yield from xml_texts(content, frozenset({"fld", "Fallback"}), frozenset({"t"}))


def _workbook_texts(source: Source) -> Iterator[str]:
    """Yield the strings of a workbook that its cells use, each once; its numbers are shown in another form than stored."""
    from html import unescape

    used: set[int] = set()
    for content in parts_of(source, lambda name: name.lower().startswith("xl/worksheets/")):
        used.update(map(int, _SHARED.findall(content)))
        if b"inlineStr" in content:
            yield from (unescape(text.decode("utf-8", "replace")) for text in _INLINE.findall(content))
    for content in parts_of(source, lambda name: name.lower() == "xl/sharedstrings.xml"):
        for number, string in enumerate(_STRING.finditer(content)):
            texts = _INLINE.findall(_PHONETIC.sub(b"", string[0])) if number in used else ()
            yield from (unescape(text.decode("utf-8", "replace")) for text in texts)


def _spreadsheet_texts(source: Source) -> Iterator[str]:
    for content in parts_of(source, "content.xml".__eq__):
        yield from xml_texts(content, frozenset({"tracked-changes", "forms"}), frozenset({"p"}))


def _feed_texts(source: Source) -> Iterator[str]:
    """Yield the titles and texts of a feed; those that a reader leaves out since they stand twice are known to it."""
    content = read_bytes(source, limit=source.limits.max_markup_bytes)[0]
    wanted = frozenset({"title", "description", "encoded", "summary", "content", "subtitle"})
    for text in xml_texts(content, frozenset(), wanted):
        yield from page_texts(text) if "<" in text or "&" in text else [text]


def _notebook_texts(source: Source) -> Iterator[str]:
    with contextlib.suppress(*_DAMAGE, RecursionError):
        notebook = json.loads(read_bytes(source, limit=source.limits.max_bytes)[0])
        for cell in notebook.get("cells", []) if isinstance(notebook, dict) else []:
            text = cell.get("source", "") if isinstance(cell, dict) else ""
            yield "".join(map(str, text)) if isinstance(text, list) else str(text)


def _drawing_texts(source: Source) -> Iterator[str]:
    content = read_bytes(source, limit=source.limits.max_markup_bytes)[0]
    yield from xml_texts(content, frozenset({"script", "style", "metadata"}), frozenset({"title", "desc", "text"}))


def _flat_texts(source: Source) -> Iterator[str]:
    """Yield the texts of a document that is one file of XML, by the elements that hold what is read."""
    content = read_bytes(source, limit=source.limits.max_markup_bytes)[0]
    without, only = _FLAT[source.media_type]
    yield from xml_texts(content, without, only)


def _sheet_texts(source: Source) -> Iterator[str]:
    """Yield the strings of a workbook in XML; its numbers are shown in another form than stored."""
    content = read_bytes(source, limit=source.limits.max_markup_bytes)[0]
    with contextlib.suppress(NotText):
        for found in _SHEET_STRING.finditer(decode_text(content)[0]):
            yield from page_texts(found[1])


_NO_TEXT = frozenset({"tracked-changes", "automatic-styles", "forms", "change-info", "binary-data", "object"})
_FLAT = {
    formats.FLAT_ODT: (_NO_TEXT, frozenset({"body"})),
    formats.FLAT_ODS: (_NO_TEXT, frozenset({"p"})),
    formats.WORD_XML: (frozenset({"del", "moveFrom", "Fallback", "delText"}), frozenset({"t"})),
    formats.DOCBOOK: (frozenset({"indexterm", "remark", "comment", "titleabbrev", "alt"}), frozenset()),
    formats.SLIDES_XML: (frozenset({"fld", "Fallback", "sldMaster", "sldLayout", "notesMaster"}), frozenset({"t"})),
}


WITNESSES: Mapping[str, Witness] = MappingProxyType(
    {
        formats.DOCX: _word_texts,
        formats.ODT: _odt_texts,
        formats.HTML: _html_texts,
        formats.EPUB: _epub_texts,
        formats.EML: _mail_texts,
        formats.MBOX: _mailbox_texts,
        formats.MSG: message_texts,
        formats.PPTX: _slide_texts,
        formats.XLSX: _workbook_texts,
        formats.XLS: workbook_strings,
        formats.ODS: _spreadsheet_texts,
        formats.RSS: _feed_texts,
        formats.IPYNB: _notebook_texts,
        formats.SVG: _drawing_texts,
        formats.SHEET_XML: _sheet_texts,
        **dict.fromkeys(_FLAT, _flat_texts),
    }
)
"""Media type -> its witness; kinds that are kept verbatim need none. A page of a PDF is held against its letters where
it is read (`pdf_pages/page.py`), and of two bodies of a message the fuller one is taken."""
