"""Which kind of document a file is: by its first bytes, and by its extension where bytes cannot tell.

Pure: nothing here opens a file. The extension decides only between kinds of text; a magic number always wins.
"""

import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from openrag_cli import limits
from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.foreign import Kind, foreign_name, foreign_ole, foreign_start, foreign_zip
from openrag_cli.errors import UnsupportedFormat

HEAD_BYTES = 64 * 1024
"""How many first bytes `media_type_of` wants."""

_OOXML = "application/vnd.openxmlformats-officedocument."
PDF = "application/pdf"
DOCX = _OOXML + "wordprocessingml.document"
PPTX = _OOXML + "presentationml.presentation"
XLSX = _OOXML + "spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
EPUB = "application/epub+zip"
XLS = "application/vnd.ms-excel"
MSG = "application/vnd.ms-outlook"
EML = "message/rfc822"
MBOX = "application/mbox"
HTML = "text/html"
RSS = "application/rss+xml"
IPYNB = "application/x-ipynb+json"
JSON = "application/json"
JSONL = "application/jsonl"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
RST = "text/x-rst"
CALENDAR = "text/calendar"
CONTACT = "text/vcard"
PROPERTIES = "text/x-properties"
XML = "application/xml"
SVG = "image/svg+xml"
ROFF = "text/troff"
TEXINFO = "text/x-texinfo"
FLAT_ODT = "application/vnd.oasis.opendocument.text-flat-xml"
FLAT_ODS = "application/vnd.oasis.opendocument.spreadsheet-flat-xml"
WORD_XML = "application/vnd.ms-wordml"
SHEET_XML = "application/vnd.ms-spreadsheetml"
SLIDES_XML = "application/vnd.ms-presentationml"
DOCBOOK = "application/docbook+xml"

FLAT = frozenset({FLAT_ODT, FLAT_ODS, WORD_XML, SLIDES_XML})
"""Office documents of parts that are one file of XML."""
_MARKUP = frozenset({HTML, RSS, SVG, SHEET_XML, DOCBOOK, *FLAT})
"""What is parsed whole, so that its size has a bound of its own."""

_DOCUMENTS = {
    "pdf": PDF, "docx": DOCX, "pptx": PPTX, "xlsx": XLSX, "xlsm": XLSX, "xltx": XLSX, "xltm": XLSX,
    "pptm": PPTX, "ppsx": PPTX, "ppsm": PPTX, "potx": PPTX, "potm": PPTX, "ods": ODS, "odt": ODT, "epub": EPUB, "xls": XLS,
    "msg": MSG, "eml": EML, "html": HTML, "htm": HTML, "xhtml": HTML, "rss": RSS, "atom": RSS, "xml": XML,
    "ipynb": IPYNB, "json": JSON, "jsonl": JSONL, "ndjson": JSONL, "csv": "text/csv",
    "tsv": "text/tab-separated-values", "md": MARKDOWN, "markdown": MARKDOWN, "mdx": MARKDOWN, "mkd": MARKDOWN,
    "txt": PLAIN, "text": PLAIN, "log": PLAIN, "rst": "text/x-rst", "tex": "text/x-tex", "adoc": "text/asciidoc",
    "asciidoc": "text/asciidoc", "org": "text/org", "srt": PLAIN, "vtt": "text/vtt", "diff": "text/x-diff",
    "patch": "text/x-diff", "bib": "text/x-bibtex", "ics": CALENDAR, "ifb": CALENDAR, "ical": CALENDAR,
    "textile": "text/x-textile", "mediawiki": "text/x-mediawiki", "wiki": "text/x-mediawiki", "wikitext": "text/x-mediawiki",
    "bbcode": "text/x-bbcode", "pod": "text/x-pod", "man": ROFF, "roff": ROFF, "ms": ROFF, "mdoc": ROFF,
    "mbox": MBOX, "mbx": MBOX, "vcf": CONTACT, "vcard": CONTACT, "mht": EML, "mhtml": EML, "svg": SVG,
    "fodt": FLAT_ODT, "fods": FLAT_ODS, "dbk": DOCBOOK, "docbook": DOCBOOK, "texi": TEXINFO, "texinfo": TEXINFO, "txi": TEXINFO,
}  # fmt: skip
_CODE = {
    "py": "python", "pyi": "python", "js": "javascript", "mjs": "javascript", "cjs": "javascript",
    "jsx": "javascript", "ts": "typescript", "tsx": "typescript", "java": "java", "kt": "kotlin", "kts": "kotlin",
    "scala": "scala", "groovy": "groovy", "gradle": "groovy", "c": "c", "h": "c", "cpp": "c++", "cc": "c++",
    "cxx": "c++", "hpp": "c++", "hh": "c++", "cs": "csharp", "fs": "fsharp", "vb": "vb", "go": "go", "rs": "rust",
    "swift": "swift", "m": "objc", "rb": "ruby", "php": "php", "pl": "perl", "pm": "perl", "lua": "lua", "r": "r",
    "jl": "julia", "hs": "haskell", "ml": "ocaml", "ex": "elixir", "exs": "elixir", "erl": "erlang",
    "clj": "clojure", "lisp": "lisp", "el": "lisp", "dart": "dart", "zig": "zig", "nim": "nim", "f90": "fortran",
    "for": "fortran", "asm": "asm", "s": "asm", "sh": "shellscript", "bash": "shellscript", "zsh": "shellscript",
    "fish": "shellscript", "ps1": "powershell", "bat": "bat", "sql": "sql", "graphql": "graphql",
    "proto": "protobuf", "thrift": "thrift", "css": "css", "scss": "scss", "less": "less", "vue": "vue",
    "svelte": "svelte", "yaml": "yaml", "yml": "yaml", "toml": "toml", "ini": "ini", "cfg": "ini", "conf": "ini",
    "properties": "properties", "env": "ini", "tf": "terraform", "cmake": "cmake", "mk": "makefile",
    "dockerfile": "dockerfile",
}  # fmt: skip

SUPPORTED: Mapping[str, str] = MappingProxyType(
    dict(sorted((_DOCUMENTS | {extension: f"text/x-{name}" for extension, name in _CODE.items()}).items()))
)
"""File extension (lower case, no dot) -> media type. Text under any other extension is read as text/plain."""

SOURCE_CODE = frozenset(f"text/x-{name}" for name in _CODE.values())
"""Media types of programs and of files of settings, whose lines are no sentences."""

# Names of streams in an OLE compound file, as the file spells them.
_OLE_STREAMS = (
    ("EncryptedPackage", "encrypted"),
    ("__properties_version1.0", MSG),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", XLS),
    ("Book", XLS),
)
_OLDEST_WORKBOOKS = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
"""How workbooks of Excel 2 to 4 begin, which are no OLE files."""
_ZIP_PARTS = (
    (re.compile(rb"word/document\d*\.xml"), DOCX),
    (re.compile(rb"ppt/presentation\.xml"), PPTX),
    (re.compile(rb"xl/workbook\.xml"), XLSX),
)
_PROLOG_ENDS = {"<?": "?>", "<!--": "-->"}
_MAX_PROLOG_PARTS = 50
_HTML_ROOT = re.compile(r"<(?:!doctype\s+html|html|head)\b", re.IGNORECASE)
_FEED_ROOT = re.compile(r"<(?:rss|feed|rdf:RDF)[\s>]")
_XML_ROOTS = (
    (re.compile(r"<(?:\w+:)?Workbook\s[^>]*urn:schemas-microsoft-com:office:spreadsheet"), SHEET_XML),
    (re.compile(r"<(?:\w+:)?wordDocument\s[^>]*schemas\.microsoft\.com/office/word/2003/wordml"), WORD_XML),
    (re.compile(r"<(?:\w+:)?package\s[^>]*schemas\.microsoft\.com/office/2006/xmlPackage"), "package"),
    (re.compile(r"<(?:\w+:)?document\s[^>]*urn:oasis:names:tc:opendocument:xmlns:office:1\.0"), "flat"),
    (re.compile(r"<!DOCTYPE\s+[\w:.-]+\s+PUBLIC\s+[\"'][^\"']*DocBook", re.IGNORECASE), DOCBOOK),
    (re.compile(r"<(?:(\w+):)?[\w.-]+\s[^>]*xmlns(?(1):\1)\s*=\s*[\"']http://docbook\.org/ns/docbook"), DOCBOOK),
    (re.compile(r"<(?:book|article|part|chapter|appendix|preface|section|sect[1-5]|refentry|reference|glossary|set)[\s>](?=.*<(?:para|simpara|refnamediv)[\s>])",
                re.DOTALL), DOCBOOK),
)  # fmt: skip
_PACKAGES = (("wordprocessingml.document", WORD_XML), ("presentationml.presentation", SLIDES_XML))
_FLAT_KIND = re.compile(r"\s[\w-]+:mimetype=[\"']([^\"']*)")
_MAIL_START = re.compile(
    r"From |(?:Return-Path|Received|From|MIME-Version|Delivered-To|Message-ID): ?\S", re.IGNORECASE
)

_OBJECT_START = re.compile(r"BEGIN:(VCALENDAR|VCARD)\s", re.IGNORECASE)

_ROFF_START = re.compile(r"\s*(?:[.'][ \t]*(?:\\[\"#}]|[A-Za-z]{1,3}\d?(?=\s|$)|(?=\n))|\\\")")
_ROFF_MACRO = re.compile(r"^[.'][ \t]*(?:TH|SH|SS|PP|LP|IP|NH|TL|AU|Dd|Dt|Sh|so)(?=\s|$)", re.MULTILINE)


def extension_of(filename: str) -> str:
    """Return the extension of `filename` in lower case without its dot, or an empty string."""
    return PurePosixPath(filename.replace("\\", "/")).suffix[1:].lower()


def is_zip(head: bytes) -> bool:
    """Whether the file is a zip archive, as DOCX, PPTX, XLSX, EPUB, ODT and ODS are."""
    return head.startswith(b"PK\x03\x04")


def is_ole(head: bytes) -> bool:
    """Whether the file is an OLE compound file, as XLS, MSG and encrypted office documents are."""
    return head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


def media_type_of(filename: str, head: bytes) -> str:
    """Return the media type of a file from its name and its first bytes (HEAD_BYTES of them, or all).

    Content wins over the name: a PDF named `.txt` is a PDF. For a zip archive or an OLE file pass the whole file, or
    its list of parts, where they are not within the first bytes.

    Raises:
        UnsupportedFormat: a kind of file that has no reader, such as an image, an archive or unknown binary bytes.
    """
    extension = extension_of(filename)
    declared = SUPPORTED.get(extension)
    if not head:
        return declared or PLAIN
    if b"%PDF-" in head[:1024]:
        return PDF
    if is_zip(head):
        return _zip_type(filename, head)
    if is_ole(head):
        return _ole_type(filename, head)
    if head.startswith(_OLDEST_WORKBOOKS):
        return XLS
    _refuse_foreign(head)
    return _text_type(filename, head)


def _refuse_foreign(head: bytes) -> None:
    kind = foreign_start(head, is_text=False)
    if kind is not None and _is_text(head):
        kind = foreign_start(head, is_text=True)
    if kind is not None:
        raise _foreign(kind)


def _foreign(kind: Kind) -> UnsupportedFormat:
    return UnsupportedFormat(f"this is {kind[0]}, which openrag does not read", hint=kind[1])


def _is_text(head: bytes) -> bool:
    try:
        decode_text(head, complete=False)
    except NotText:
        return False
    return True


def _zip_type(filename: str, head: bytes) -> str:
    kind = head[30:110]
    if kind.startswith(b"mimetypeapplication/epub+zip"):
        return EPUB
    if kind.startswith(b"mimetypeapplication/vnd.oasis.opendocument."):
        if kind.startswith(b"mimetypeapplication/vnd.oasis.opendocument.text"):
            return ODT
        if kind.startswith(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet"):
            return ODS
    for pattern, media_type in _ZIP_PARTS:
        if pattern.search(head):
            return media_type
    if b"META-INF/container.xml" in head and b"application/oebps" in head:
        return EPUB
    declared = SUPPORTED.get(extension_of(filename))
    if declared in {DOCX, PPTX, XLSX, EPUB, ODT, ODS}:
        return declared
    raise _foreign(foreign_zip(extension_of(filename), head))


def _ole_type(filename: str, head: bytes) -> str:
    found = [kind for name, kind in _OLE_STREAMS if name.encode("utf-16-le") + b"\x00\x00" in head]
    if len(set(found)) > 1:  # one document within another
        found = _outermost(head) or found
    if found:
        return _of_streams(filename, found[0])
    declared = SUPPORTED.get(extension_of(filename))
    if declared in {XLS, MSG}:
        return declared
    if (kind := foreign_ole(extension_of(filename), head)) is not None:
        raise _foreign(kind)
    raise UnsupportedFormat("this is an OLE file of a kind that openrag does not read")


def _of_streams(filename: str, media_type: str) -> str:
    if media_type == "encrypted":
        return SUPPORTED.get(extension_of(filename), DOCX)
    if media_type in {MSG, XLS}:
        return media_type
    new = "DOCX" if "msword" in media_type else "PPTX"
    raise UnsupportedFormat(
        "this is in the old binary Word or PowerPoint format, which openrag does not read",
        hint=f"open it in an office program and save it as {new}, then add that",
    )


def _outermost(content: bytes) -> list[str]:
    """Return the kinds whose streams stand at the root of an OLE file; none where its folders cannot be read."""
    import olefile

    with contextlib.suppress(OSError, ValueError, IndexError), olefile.OleFileIO(io.BytesIO(content)) as ole:
        return [kind for name, kind in _OLE_STREAMS if ole.exists(name)]
    return []


def _text_type(filename: str, head: bytes) -> str:
    extension = extension_of(filename)
    declared = SUPPORTED.get(extension)
    try:
        text = decode_text(head[:HEAD_BYTES], complete=False)[0].lstrip()
    except NotText as exc:
        if not declared and (kind := foreign_name(extension)) is not None:
            raise _foreign(kind) from exc
        named = f"this is not {_article(extension)} file, nor text" if declared else "this is not text"
        raise UnsupportedFormat(
            f"{named} in any encoding that openrag knows: {exc}",
            hint="check that the file is whole; openrag supports PDF, office documents, HTML, mail and text",
        ) from exc
    is_vague = declared is None or declared in {PLAIN, XML, HTML, RSS} or not _is_text_type(declared)
    if is_vague and (marked := _markup_type(_after_prolog(text))) is not None:
        return marked
    if declared in {None, PLAIN} and (known := _OBJECT_START.match(text)):
        return CALENDAR if known[1].upper() == "VCALENDAR" else CONTACT
    if declared is None and _MAIL_START.match(text):
        return MBOX if text.startswith("From ") else EML
    if declared in {None, ROFF} and _is_roff(text):
        return ROFF
    if declared == ROFF:
        return PLAIN
    if declared is None or not _is_text_type(declared):
        return XML if text.startswith("<?xml") else PLAIN
    return XML if declared == RSS else declared


def _markup_type(root: str) -> str | None:
    """Return the media type of markup by its doctype or root element; None where these say nothing."""
    if _FEED_ROOT.match(root):
        return RSS
    if _HTML_ROOT.match(root):
        return HTML
    kind = next((kind for pattern, kind in _XML_ROOTS if pattern.match(root)), None) if root[:1] == "<" else None
    if kind == "package":
        return next((media_type for part, media_type in _PACKAGES if part in root), None)
    if kind != "flat":
        return kind
    stated = _FLAT_KIND.search(root, 0, root.find(">"))
    name = stated[1] if stated else "application/vnd.oasis.opendocument.text"
    for start, media_type in (("text", FLAT_ODT), ("spreadsheet", FLAT_ODS)):
        if name.startswith(f"application/vnd.oasis.opendocument.{start}"):
            return media_type
    raise _foreign(foreign_zip("", b"mimetype" + name.encode()))


def _is_roff(text: str) -> bool:
    """Whether a text is roff by its lines: it begins with a request or a comment of it, and has a macro of documents.

    The suffix of a manual page (.1) is that of a rotated log, too.
    """
    return _ROFF_START.match(text) is not None and _ROFF_MACRO.search(text) is not None


def _after_prolog(text: str) -> str:
    """Return what follows the XML declaration, processing instructions and comments: the doctype or root element."""
    for _ in range(_MAX_PROLOG_PARTS):
        end = next((end for start, end in _PROLOG_ENDS.items() if text.startswith(start)), None)
        if end is None or end not in text:
            break
        text = text.partition(end)[2].lstrip()
    return text


def _is_text_type(media_type: str) -> bool:
    return media_type not in {PDF, DOCX, PPTX, XLSX, XLS, ODT, ODS, EPUB, MSG}


def _article(extension: str) -> str:
    return f"{'an' if extension[0] in 'aeiorxlmn' else 'a'} {extension.upper()}"


def check_size(media_type: str, size: int, *, max_markup_bytes: int) -> None:
    """Refuse a file that its reader would not read, before it is kept. Raises: TooLarge."""
    if media_type in _MARKUP:
        limits.check("markup_bytes", size, allowed=max_markup_bytes)
