"""DocBook, of version 3 to 5, in XML and (where no tag is left out) in SGML: titles, lists, tables, code, notes.

Its elements become those of a web page, whose reader knows the rest. Files and entities outside of it are never opened.
"""

import re
from html.entities import html5
from typing import Any

from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.html import tree_markdown
from openrag_cli.documents.readers.markup import xml_of
from openrag_cli.documents.readers.package import child_of, local, plain_text
from openrag_cli.documents.readers.xml_files.docbook_page import Page
from openrag_cli.documents.readers.xml_files.docbook_tags import NAMES
from openrag_cli.domain import Document, Metadata
from openrag_cli.errors import IngestError

_DOCTYPE = re.compile(r"<!DOCTYPE\s+[\w:.-]+\s+PUBLIC\s+[\"']([^\"']*)[\"']", re.IGNORECASE)
_WITHOUT_SYSTEM = re.compile(r"(<!DOCTYPE\s+[\w:.-]+\s+PUBLIC\s+([\"'])[^\"']*\2)(?=\s*[\[>])", re.IGNORECASE)
_EMPTY = re.compile(
    r"<((?:xref|anchor|colspec|spanspec|co|area|sbr|void|varargs|beginpage|footnoteref|graphic|inlinegraphic|imagedata)\b[^<>]*)(?<!/)>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"<!ENTITY\s+([\w:.-]+)\s+(SYSTEM|PUBLIC|[\"'])")
_REFERENCE = re.compile(r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|&(?P<name>[A-Za-z_][\w:.-]{0,100});", re.DOTALL)
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_QUOTES = frozenset({'"', "'"})
_HEAD_CHARS = 10_000
_INFO = ("info", "bookinfo", "articleinfo", "setinfo", "chapterinfo", "refentryinfo", "artheader")
_DATES = ("pubdate", "date")


def read_docbook(source: Source) -> Document:
    """Read a DocBook file; what is not well-formed is read as far as it is, with a warning.

    Raises:
        IngestError: corrupt or too_large.
        UnsupportedFormat: it is no text.
    """
    with parser_errors("DocBook file"):
        root, is_whole = _parsed(xml_of(source, "DocBook file"), source)
        if root is None:
            raise IngestError("the DocBook file is damaged and cannot be read", reason="corrupt")
        if not is_whole:
            source.notes.warn("damaged_part", "the XML is not well-formed; what could be read is in the text")
        metadata = _metadata(root)
        text = tree_markdown(Page(root, source).page(), source.is_hidden)
    markdown, warnings = cut(text, source.limits.max_chars)
    return Document(markdown, media_type=source.media_type, has_headings=True, warnings=warnings, metadata=metadata)


def _parsed(text: str, source: Source) -> tuple[Any, bool]:
    """Return (the root as far as it is well-formed, whether all of it is); entities are those that it defines itself."""
    from lxml import etree

    doctype = _DOCTYPE.search(text[:_HEAD_CHARS])
    if doctype and "XML" not in doctype[1]:
        text = _EMPTY.sub(r"<\1/>", _WITHOUT_SYSTEM.sub(r'\1 ""', text, count=1))
    content = _with_entities(text, source).encode("utf-8", "replace")
    parser = etree.XMLParser(
        recover=True, resolve_entities="internal", no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None, False
    return root, root is not None and all(error.level < etree.ErrorLevels.FATAL for error in parser.error_log)


def _with_entities(text: str, source: Source) -> str:
    """Return a text in which entities that it does not define are characters, or stand as their names.

    One that is a file of its own is left out, with a note.
    """
    defined = dict(_ENTITY.findall(text))

    def shown(found: re.Match[str]) -> str:
        """Return what an entity stands for."""
        name = found["name"]
        if name is None or name in _OF_XML or defined.get(name, "") in _QUOTES:
            return found[0]
        if name in defined:
            source.notes.leave_out("part in a file of its own")
            return ""
        return html5.get(f"{name};") or name

    return _REFERENCE.sub(shown, text)


def _metadata(root: Any) -> Metadata:
    """Return title, authors and date of the document."""
    info = next((child for child in root if local(child).lower() in _INFO), root)
    titles = [child_of(holder, "title") for holder in (root, info)]
    title = next((plain_text(each) for each in titles if each is not None and plain_text(each)), "")
    authors = [name for each in info.iter() if local(each) == "author" and (name := _name(each))]
    date = next((plain_text(each) for each in info if local(each) in _DATES and info is not root), "")
    said = {"title": title, "author": ", ".join(authors), "date": date}
    return {key: value for key, value in said.items() if value}


def _name(author: Any) -> str:
    parts = [plain_text(part) for name in NAMES for part in author.iter() if local(part) == name]
    person = child_of(author, "personname")
    return " ".join(filter(None, parts)) or (plain_text(person) if person is not None else "")
