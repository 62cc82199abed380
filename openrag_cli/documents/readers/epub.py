"""Books (EPUB 2 and 3): the chapters in reading order, each by our walk of HTML.

Elements go by their local names, addresses are decoded and found whatever their case; a chapter that is not there is a
warning, and a book without a reading order is read in that of its list of parts.
"""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.documents.inline import joined_blocks
from openrag_cli.documents.media_types import EPUB
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.html import html_tree, tree_markdown
from openrag_cli.documents.readers.package import Package, attribute, local, open_package, plain_text
from openrag_cli.documents.readers.unseen.css import is_shown_medium
from openrag_cli.domain import Document, Metadata
from openrag_cli.errors import IngestError

_PAGES = (".xhtml", ".html", ".htm", ".xml")
_PAGE_TYPES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_METADATA = {"title": "title", "creator": "author", "date": "date", "language": "language", "publisher": "publisher"}


def read_epub(source: Source) -> Document:
    """Read a book: its title and authors, then the chapters.

    Raises:
        IngestError: encrypted, corrupt, too_large, or no_text where no chapter is there.
    """
    with open_package(source, "EPUB") as package, parser_errors("EPUB"):
        place = _package_document(package)
        root = package.xml(place) if place else None
        metadata = _metadata(root)
        locked = _locked(package)
        chapters = list(_chapters(package, root, place or "", source))
        readable = [name for name in chapters if name.lower() not in locked]
        if chapters and not readable:
            raise IngestError(
                "the EPUB is protected against copying (DRM)",
                reason="encrypted",
                hint="add a copy without protection",
            )
        for name in set(chapters) - set(readable):
            source.notes.warn("encrypted_part", "this chapter is protected (DRM) and left out", name)
        blocks = [_head(metadata), *(_chapter(package, name, source) for name in readable)]
    markdown, warnings = cut(joined_blocks([block for block in blocks if block.strip()]), source.limits.max_chars)
    return Document(markdown, media_type=EPUB, has_headings=True, warnings=warnings, metadata=metadata)


def _package_document(package: Package) -> str | None:
    container = package.xml("META-INF/container.xml")
    for element in container.iter() if container is not None else ():
        if local(element) == "rootfile" and package.has(unquote(attribute(element, "full-path"))):
            return unquote(attribute(element, "full-path"))
    return next((name for name in package.names("") if name.lower().endswith(".opf")), None)


def _metadata(root: Any) -> Metadata:
    found: dict[str, list[str]] = {}
    for element in root.iter() if root is not None else ():
        key, value = _METADATA.get(local(element)), ""
        if key:
            value = plain_text(element)
        if key and value:
            found.setdefault(key, []).append(value)
    return {key: ", ".join(values) if key == "author" else values[0] for key, values in found.items()}


def _head(metadata: Metadata) -> str:
    lines = [f"# {metadata['title']}" if "title" in metadata else "", str(metadata.get("author", ""))]
    return "\n\n".join(line for line in lines if line)


def _chapters(package: Package, root: Any, place: str, source: Source) -> Iterator[str]:
    """Yield the names of the parts in reading order; one that is not there is noted."""
    folder = posixpath.dirname(place)
    elements = list(root.iter()) if root is not None else []
    items = {attribute(item, "id"): item for item in elements if local(item) == "item"}
    order = [attribute(entry, "idref") for entry in elements if local(entry) == "itemref"]
    if not order:
        source.notes.warn("no_reading_order", "the book states no order of its chapters: that of its parts was taken")
        order = [key for key, item in items.items() if attribute(item, "media-type") in _PAGE_TYPES]
    if not order:
        yield from (name for name in package.names("") if name.lower().endswith(_PAGES) and "META-INF" not in name)
        return
    seen: set[str] = set()
    for identity in order:
        item = items.get(identity)
        href = unquote(attribute(item, "href").partition("#")[0]) if item is not None else ""
        name = posixpath.normpath(posixpath.join("/" + folder, href)).lstrip("/")
        if not href or not package.has(name):
            source.notes.warn("missing_part", "this chapter is not in the book", href or identity)
        elif name.lower() not in seen:
            seen.add(name.lower())
            yield name


def _locked(package: Package) -> set[str]:
    """Return the parts that are encrypted, in lower case."""
    root = package.xml("META-INF/encryption.xml") if package.has("META-INF/encryption.xml") else None
    elements = root.iter() if root is not None else ()
    return {
        unquote(attribute(element, "URI")).lstrip("/").lower()
        for element in elements
        if local(element) == "CipherReference"
    }


def _chapter(package: Package, name: str, source: Source) -> str:
    try:
        text = decode_text(package.read(name) or b"")[0]
    except NotText:
        source.notes.warn("damaged_part", "this chapter is no text and left out", name)
        return ""
    tree = html_tree(text, is_xhtml=True)
    return "" if tree is None else tree_markdown(tree, source.is_hidden, _sheets(package, name, tree))


def _sheets(package: Package, name: str, tree: Any) -> list[str] | None:
    """Return the style sheets that a chapter names; None where one is not in the book."""
    found = []
    for link in tree.iter("link"):
        if "stylesheet" in (link.get("rel") or "").lower() and is_shown_medium(link.get("media")):
            href = unquote((link.get("href") or "").partition("#")[0])
            place = posixpath.normpath(posixpath.join("/" + posixpath.dirname(name), href)).lstrip("/")
            if not package.has(place):
                return None
            found.append((package.read(place) or b"").decode("utf-8", "replace"))
    return found
