"""Office documents that are one file of XML, as the archive of parts that their readers know.

OpenDocument's flat files hold all parts in one; Word's and PowerPoint's XML names each; Word 2003 has elements of its own.
"""

import base64
import binascii
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from openrag_cli.documents import media_types as formats
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.markup import bytes_of
from openrag_cli.documents.readers.package import attribute, child_of, local, xml_root
from openrag_cli.errors import IngestError

Parts = Mapping[str, bytes]


def archive_of(source: Source, kind: str) -> zipfile.ZipFile:
    """Return the parts of a flat document. Raises: IngestError: corrupt or too_large."""
    root = root_of(source, kind)
    content = io.BytesIO()
    with parser_errors(kind), zipfile.ZipFile(content, "w") as archive:
        for name, part in _FORMS[source.media_type](root, source).items():
            archive.writestr(name.lstrip("/"), part)
    return zipfile.ZipFile(content)


def root_of(source: Source, kind: str) -> Any:
    """Return the root of a file of XML, as far as it is well-formed, with a warning where that is not all.

    Raises:
        IngestError: corrupt or too_large.
    """
    root, is_whole = xml_root(bytes_of(source, kind))
    if not is_whole:
        source.notes.warn("damaged_part", "the XML is not well-formed; what could be read is in the text")
    if root is None:
        raise IngestError(f"the {kind} is damaged and cannot be read", reason="corrupt")
    return root


def _open_document(root: Any, source: Source) -> Parts:
    """Return the parts of a document, without its pictures and what was deleted while changes were tracked."""
    from lxml import etree

    for data in _named(root, "binary-data"):
        data.text = None
    source.notes.ignore("".join(_take_deleted(root)))
    content = etree.tostring(root)
    meta = child_of(root, "meta")
    return {
        "content.xml": content,
        "styles.xml": content,
        "meta.xml": etree.tostring(meta) if meta is not None else b"",
    }


def _take_deleted(root: Any) -> Iterator[str]:
    """Take out what stands between the marks of a deletion, and yield it: flat files keep it in its place."""
    from lxml import etree

    deleted = {
        attribute(each, "id") for each in _named(root, "changed-region") if child_of(each, "deletion") is not None
    }
    within: set[str] = set()
    for event, element in etree.iterwalk(root, events=("start", "end")) if deleted else ():
        identity = attribute(element, "change-id")
        if event == "start" and local(element) == "change-start" and identity in deleted:
            within.add(identity)
        elif event == "start" and local(element) == "change-end":
            within.discard(identity)
        where = "text" if event == "start" else "tail"
        if within and getattr(element, where):
            yield getattr(element, where)
            setattr(element, where, None)


def _spreadsheet(root: Any, source: Source) -> Parts:
    """Return the part of a spreadsheet without the charts in it, whose tables repeat its cells."""
    for document in _named(root, "document"):
        parent = document.getparent()
        if parent is not None:
            parent.remove(document)
    return _open_document(root, source)


def _named(root: Any, name: str) -> Iterator[Any]:
    return (element for element in list(root.iter()) if local(element) == name)


def _package(root: Any, source: Source) -> Parts:
    """Return the parts of Word's or PowerPoint's XML, each of which it names."""
    from lxml import etree

    del source
    parts: dict[str, bytes] = {}
    for part in root:
        for data in part:
            if local(data) == "xmlData" and len(data):
                parts[attribute(part, "name")] = etree.tostring(data[0])
            elif local(data) == "binaryData":
                parts[attribute(part, "name")] = _bytes(data.text or "")
    return parts


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""


def _word(root: Any, source: Source) -> Parts:
    from openrag_cli.documents.readers.xml_files.word_2003 import parts_of

    return _package(root, source) if local(root) == "package" else parts_of(root)


_FORMS: dict[str, Callable[[Any, Source], Parts]] = {
    formats.FLAT_ODT: _open_document,
    formats.FLAT_ODS: _spreadsheet,
    formats.WORD_XML: _word,
    formats.SLIDES_XML: _package,
}
