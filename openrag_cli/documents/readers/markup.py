"""HTML, and what all files of markup share: their size, their encoding."""

import html
import re
from dataclasses import replace

from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.media_types import HTML
from openrag_cli.documents.readers.base import Source, cut, read_bytes
from openrag_cli.documents.readers.html import page_markdown
from openrag_cli.domain import Document, Metadata
from openrag_cli.errors import IngestError, UnsupportedFormat

MARKUP_BYTES_PER_PAGE = 30_000
"""What counts as a page of HTML or XML for the time that it may take: an honest file of 12 MB takes 27 s."""

_HEAD_CHARS = 500_000
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>\s*")
_META = re.compile(r"<meta\b([^>]{1,2000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_LINKED_DATES = re.compile(r'"(dateModified|datePublished)"\s*:\s*"([^"]{4,40})"')
_DATE_NAMES = dict.fromkeys(
    ("article:modified_time", "og:updated_time", "last-modified", "last_modified", "lastmod", "revised", "datemodified",
     "dcterms.modified", "dc.date.modified"), "modified",
) | dict.fromkeys(
    ("article:published_time", "date", "dc.date", "dcterms.date", "dcterms.created", "dc.date.issued", "pubdate",
     "publish_date", "publication_date", "citation_publication_date", "datepublished"), "date",
)  # fmt: skip
"""What pages call their dates, in lower case, and the key of metadata that it is."""

_DATA_IMAGE = re.compile(r"!\[([^\]\n]*)\]\(data:[^)\s]*(?:\s+\"[^\"\n]*\")?\)")


_TRAILING_SPACE = re.compile(r"[ \t]+\n")
_BLANK_LINES = re.compile(r"\n{3,}")


def read_html(source: Source) -> Document:
    """Read a web page, scripts and styles left out; its title becomes the first heading unless the text has it."""
    page = markup_of(source, "web page")
    return replace(_document(source, page_markdown(page, source), HTML), metadata=dates_of_page(page))


def dates_of_page(page: str) -> Metadata:
    """Return when a web page says that it was changed and published: its `meta` elements, or else its JSON-LD."""
    found: Metadata = {}
    content = _COMMENT.sub("", page[:_HEAD_CHARS])
    for tag in _META.findall(content):
        said = {
            name.lower(): html.unescape(one or other or bare) for name, one, other, bare in _ATTRIBUTE.findall(tag)
        }
        name = next((said[key].lower() for key in ("property", "name", "itemprop", "http-equiv") if key in said), "")
        key = _DATE_NAMES.get(name)
        if key and said.get("content", "").strip():
            found.setdefault(key, said["content"].strip())
    for name, value in _LINKED_DATES.findall(content):
        found.setdefault(_DATE_NAMES[name.lower()], value)
    return found


def markup_of(source: Source, kind: str) -> str:
    """Return the text of a file of markup. Raises: IngestError: too_large. UnsupportedFormat: it is no text."""
    try:
        return decode_text(bytes_of(source, kind))[0]
    except NotText as exc:
        raise UnsupportedFormat(f"this is not text: {exc}") from exc


def xml_of(source: Source, kind: str) -> str:
    """Return the text of a file of XML without its declaration, whose encoding is that of the file, not of the text.

    Raises:
        IngestError: too_large.
        UnsupportedFormat: it is no text.
    """
    return _XML_DECLARATION.sub("", markup_of(source, kind))


def bytes_of(source: Source, kind: str) -> bytes:
    """Return the bytes of a file of markup. Raises: IngestError: too_large."""
    content, is_all = read_bytes(source, limit=source.limits.max_markup_bytes)
    if not is_all:
        raise IngestError(
            f"the {kind} is larger than {source.limits.max_markup_bytes:,} bytes, the most that is read of one",
            reason="too_large",
            hint="split it and add the parts",
        )
    source.report_pages(len(content) // MARKUP_BYTES_PER_PAGE)
    return content


def _tidied(markdown: str) -> str:
    """Drop what parsers add and no one searches: images as data, spaces at line ends, more than one blank line."""
    text = _DATA_IMAGE.sub(r"\1", markdown.replace("\r\n", "\n").replace("\r", "\n"))
    return _BLANK_LINES.sub("\n\n", _TRAILING_SPACE.sub("\n", text))


def _document(source: Source, markdown: str, media_type: str) -> Document:
    text, warnings_ = cut(_tidied(markdown).strip(), source.limits.max_chars)
    return Document(text, media_type=media_type, has_headings=True, warnings=warnings_)
