"""Office documents as archives of XML parts: a part that is missing or damaged costs itself, and is told.

Elements and attributes go by their local names: the transitional and the strict kind of OOXML, and the versions of
OpenDocument, differ in their namespaces alone.
"""

import contextlib
import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from openrag_cli.documents.readers.archive import open_archive
from openrag_cli.documents.readers.base import Source

DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError)


class Package:
    """The parts of one document. Use `open_package`."""

    def __init__(self, archive: zipfile.ZipFile, source: Source) -> None:
        self._archive = archive
        self._source = source
        self._names = {name.lower(): name for name in reversed(archive.namelist())}

    def has(self, name: str) -> bool:
        """Whether there is a part of that name, whatever its case."""
        return name.lower() in self._names

    def names(self, start: str) -> list[str]:
        """Return the names of the parts that begin with `start`, in the order of the archive."""
        return [name for name in self._archive.namelist() if name.lower().startswith(start.lower())]

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a part; None when it is not there or damaged, and the latter is noted."""
        known = self._names.get(name.lower())
        if known is None:
            return None
        pieces = []
        try:
            with self._archive.open(known) as part:
                while piece := part.read(1 << 20):
                    pieces.append(piece)
        except DAMAGE:
            self._source.notes.warn(
                "damaged_part", "this part is damaged; what could be read of it is in the text", known
            )
        return b"".join(pieces)

    def xml(self, name: str) -> Any:
        """Return the root element of an XML part, as far as it is well formed; None when there is nothing."""
        content = self.read(name)
        return None if not content else self._parsed(content, name)

    def _parsed(self, content: bytes, name: str) -> Any:
        root, is_whole = xml_root(content)
        if not is_whole:
            self._source.notes.warn(
                "damaged_part", "this part is not well-formed; what could be read is in the text", name
            )
        return root

    def relations(self, part: str) -> dict[str, tuple[str, str, bool]]:
        """Return the OOXML relations of a part by id: (kind, target, whether it is outside the document).

        A target inside is the full name of a part. Nothing outside is ever opened.
        """
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, tuple[str, str, bool]] = {}
        for relation in root if root is not None else ():
            identity, target = relation.get("Id"), relation.get("Target")
            if not isinstance(relation.tag, str) or not identity or target is None:
                continue
            kind = (relation.get("Type") or "").rpartition("/")[2]
            is_outside = (relation.get("TargetMode") or "").lower() == "external"
            if not is_outside:
                target = posixpath.normpath(posixpath.join("/" + folder, unquote(target))).lstrip("/")
            found[identity] = (kind, target, is_outside)
        return found


def xml_root(content: bytes) -> tuple[Any, bool]:
    """Return (the root of XML as far as it is well-formed, None where there is nothing; whether it is all)."""
    from lxml import etree

    parser = etree.XMLParser(
        recover=True,
        resolve_entities=False,
        no_network=True,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        root = None
    return root, root is not None and all(error.level < etree.ErrorLevels.FATAL for error in parser.error_log)


@contextlib.contextmanager
def open_package(source: Source, kind: str) -> Iterator[Package]:
    """Give the block the parts of an office document. Raises: IngestError: encrypted, corrupt or too_large."""
    with open_archive(source, kind) as archive:
        yield Package(archive, source)


def local(element: Any) -> str:
    """Return the name of an element without its namespace; an empty string for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str, default: str = "") -> str:
    """Return the attribute of that local name, in whatever namespace."""
    for key, value in element.attrib.items():
        if key == name or key.endswith("}" + name):
            return str(value)
    return default


def child_of(element: Any, *names: str) -> Any:
    """Return the first descendant along a path of local names; None when there is none."""
    for name in names:
        element = next((child for child in element if local(child) == name), None) if element is not None else None
    return element


def number_of(text: str, default: int) -> int:
    """Return a whole number as documents state it, within bounds; the default for anything else."""
    digits = text.strip().lstrip("+")
    if (
        digits.lstrip("-").isdigit()
        and digits.isascii()
        and len(digits) < 10
        and digits.count("-") <= digits.startswith("-")
    ):
        return int(digits)
    return default


def plain_text(element: Any) -> str:
    """Return all the text within an element, white space as one blank."""
    return " ".join("".join(element.itertext()).split())
