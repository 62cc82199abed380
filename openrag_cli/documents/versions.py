"""The versions of what makes a text and cuts it: every file remembers them, so that old texts can be found and made again.

Raise a number here in the same commit that changes what its reader makes of any document, or where the chunker cuts,
or what a chunk's passage holds. `openrag doctor` then counts the files that the change would reach, and
`openrag file refresh --outdated` reads them again from the kept originals.
"""

from collections.abc import Mapping

from openrag_cli.documents import media_types as formats
from openrag_cli.domain import MadeBy

CHUNKER_VERSION = 5
"""Of the chunks and of the passage that is embedded for each."""

TEXT = "text"
"""The reader of every type that no other reads: the text as it is."""

READER_VERSIONS: Mapping[str, int] = {
    TEXT: 4,
    "asciidoc": 1,
    "bbcode": 1,
    "calendar": 2,
    "docbook": 1,
    "docx": 5,
    "epub": 4,
    "excel2003": 1,
    "feed": 4,
    "html": 4,
    "json": 2,
    "mail": 5,
    "mbox": 2,
    "mediawiki": 1,
    "msg": 5,
    "notebook": 2,
    "ods": 4,
    "odt": 6,
    "org": 1,
    "pdf": 13,
    "pod": 1,
    "pptx": 6,
    "roff": 1,
    "svg": 3,
    "tex": 1,
    "texinfo": 1,
    "textile": 1,
    "xls": 7,
    "xlsx": 8,
}

READERS: Mapping[str, str] = {
    formats.PDF: "pdf",
    formats.DOCX: "docx",
    formats.PPTX: "pptx",
    formats.XLSX: "xlsx",
    formats.XLS: "xls",
    formats.ODT: "odt",
    formats.ODS: "ods",
    formats.EPUB: "epub",
    formats.FLAT_ODT: "odt",
    formats.FLAT_ODS: "ods",
    formats.WORD_XML: "docx",
    formats.SLIDES_XML: "pptx",
    formats.SHEET_XML: "excel2003",
    formats.DOCBOOK: "docbook",
    formats.TEXINFO: "texinfo",
    formats.MSG: "msg",
    formats.EML: "mail",
    formats.MBOX: "mbox",
    formats.HTML: "html",
    formats.RSS: "feed",
    formats.SVG: "svg",
    formats.IPYNB: "notebook",
    formats.JSON: "json",
    formats.JSONL: "json",
    formats.PROPERTIES: "json",
    formats.CALENDAR: "calendar",
    formats.CONTACT: "calendar",
    "text/asciidoc": "asciidoc",
    "text/org": "org",
    "text/troff": "roff",
    "text/x-bbcode": "bbcode",
    "text/x-mediawiki": "mediawiki",
    "text/x-pod": "pod",
    "text/x-tex": "tex",
    "text/x-textile": "textile",
}
"""The reader of each media type; every other type is text."""


def reader_of(media_type: str) -> str:
    """Return the reader of a media type with its version, such as `pdf@1`."""
    name = READERS.get(media_type, TEXT)
    return f"{name}@{READER_VERSIONS[name]}"


def chunker() -> str:
    """Return the chunker with its version, such as `chunks@1`."""
    return f"chunks@{CHUNKER_VERSION}"


def is_current(made_by: MadeBy | None, media_type: str, model: str) -> bool:
    """Whether a file of that type, read now by the same reader, would get the same text, chunks and vectors.

    A type that was read as plain text and has a reader of its own since is outdated too.
    """
    if made_by is None or (made_by.chunker, made_by.model) != (chunker(), model):
        return False
    name = made_by.reader.rpartition("@")[0]
    if made_by.reader != f"{name}@{READER_VERSIONS.get(name)}":
        return False
    return name != TEXT or READERS.get(media_type, TEXT) == TEXT
