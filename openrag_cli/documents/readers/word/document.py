"""A Word document: its parts gathered, its body walked, heads before it and feet behind it."""

import io
import posixpath
import zipfile
from typing import Any

from openrag_cli.documents.inline import joined_blocks
from openrag_cli.documents.media_types import DOCX
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.documents.readers.package import (
    DAMAGE,
    Package,
    attribute,
    child_of,
    local,
    open_package,
    plain_text,
)
from openrag_cli.documents.readers.plain import decoded_text
from openrag_cli.documents.readers.word.numbers import Numbers, roman
from openrag_cli.documents.readers.word.styles import Styles
from openrag_cli.documents.readers.word.tables import write_table
from openrag_cli.documents.readers.word.walker import Context, Walker
from openrag_cli.documents.tables import Cell, build_table
from openrag_cli.domain import Document, Metadata
from openrag_cli.errors import IngestError, OpenRAGError

__all__ = ["read_docx", "write_table"]

_MAIN = "word/document.xml"
_HTML = frozenset({"html", "htm", "xhtml", "xht"})
_NOTES = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}


def read_docx(source: Source) -> Document:
    """Read a Word document: body, tables, boxes, notes, comments, heads and feet, equations, charts, diagrams.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    with open_package(source, "DOCX") as package, parser_errors("DOCX"):
        text = joined_blocks(_blocks(source, package))
        metadata = _core_properties(package)
    markdown, warnings = cut(text.strip("\n"), source.limits.max_chars)
    return Document(markdown, media_type=DOCX, has_headings=True, warnings=warnings, metadata=metadata)


def _blocks(source: Source, package: Package, *, depth: int = 0) -> list[str]:
    main = next((target for kind, target, _ in package.relations("").values() if kind == "officeDocument"), _MAIN)
    root = package.xml(main if package.has(main) else _MAIN)
    if root is None:
        raise IngestError("the DOCX has no main part: it is damaged", reason="corrupt")
    relations = package.relations(main)
    parts = {kind: target for kind, target, is_outside in relations.values() if not is_outside}
    folder = posixpath.dirname(main)

    def part(kind: str) -> Any:
        return package.xml(parts.get(kind, f"{folder}/{kind}.xml"))

    context = Context(source, package, Styles(part("styles")), Numbers(part("numbering")))
    context.write_part = _PartWriter(depth).write
    for kind, single in _NOTES.items():
        context.note_relations[single] = package.relations(parts.get(kind, f"{folder}/{kind}.xml"))
        notes = part(kind)
        context.notes |= {
            (single, attribute(note, "id")): note
            for note in (notes if notes is not None else ())
            if local(note) == single
        }
    context.marks = _marks(root)
    body = child_of(root, "body")
    walker = Walker(context, relations)
    walker.children(body if body is not None else root)
    heads, feet = _margins(context, root, relations)
    return [*heads, *walker.finish(), *feet]


def _marks(root: Any) -> dict[tuple[str, str], str]:
    """Return the mark of each note by its order in the text: 1, 2 for footnotes, i, ii for endnotes."""
    marks: dict[tuple[str, str], str] = {}
    counts = {"footnote": 0, "endnote": 0}
    for element in root.iter():
        name = local(element)
        if name in {"footnoteReference", "endnoteReference"}:
            kind = name.removesuffix("Reference")
            key = (kind, attribute(element, "id"))
            if key not in marks:
                counts[kind] += 1
                marks[key] = str(counts[kind]) if kind == "footnote" else roman(counts[kind])
    return marks


def _margins(context: Context, root: Any, relations: dict[str, tuple[str, str, bool]]) -> tuple[list[str], list[str]]:
    """Return the different heads and feet of the sections."""
    found: dict[str, dict[str, None]] = {"headerReference": {}, "footerReference": {}}
    for element in root.iter():
        name = local(element)
        if name not in found:
            continue
        _, target, is_outside = relations.get(attribute(element, "id"), ("", "", True))
        part = None if is_outside else context.package.xml(target)
        if part is None:
            context.source.notes.leave_out(f"missing {name.removesuffix('Reference')}")
            continue
        walker = Walker(context, context.package.relations(target))
        walker.children(part)
        blocks = [block for block in walker.finish() if any(char.isalpha() for char in block)]
        found[name] |= dict.fromkeys(blocks)
    return list(found["headerReference"]), list(found["footerReference"])


class _PartWriter:
    """Writes what a document holds in parts of their own."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    def write(self, walker: Walker, element: Any, name: str) -> None:
        """Write the part that an element names: a chart, a diagram (`relIds`) or another document (`altChunk`)."""
        identity = attribute(element, "dm") if name == "relIds" else attribute(element, "id")
        _, target, is_outside = walker.relations.get(identity, ("", "", True))
        kind = {"chart": "chart", "relIds": "diagram", "altChunk": "embedded document"}[name]
        if is_outside or not walker.context.package.has(target):
            walker.source.notes.leave_out(f"missing {kind}")
        elif name == "altChunk":
            walker.end()
            walker.writer.blocks += self._other_document(walker, target)
        else:
            root = walker.context.package.xml(target)
            if root is not None:
                blocks = _chart(root) if name == "chart" else _diagram(root)
                walker.after += [" ".join(blocks)] if walker.in_cell else blocks

    def _other_document(self, walker: Walker, target: str) -> list[str]:
        content = walker.context.package.read(target) or b""
        extension = posixpath.splitext(target)[1].lower().lstrip(".")
        source = walker.source
        try:
            if extension == "docx" and self._depth < 2:
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    return _blocks(source, Package(archive, source), depth=self._depth + 1)
            if extension in _HTML:
                return [fragment_markdown(decoded_text(content, source.notes), source)]
            if extension == "txt":
                return [decoded_text(content, source.notes).strip()]
        except (OpenRAGError, *DAMAGE):
            source.notes.leave_out("damaged embedded document", code="damaged_part")
            return []
        source.notes.leave_out(f"embedded {extension.upper() or 'document'}")
        return []


def _chart(root: Any) -> list[str]:
    """Return the title of a chart and the table of its series."""
    title = next((plain_text(element) for element in root.iter() if local(element) == "title"), "")
    names, columns = [], []
    categories: dict[str, str] = {}
    for series in root.iter():
        if local(series) != "ser":
            continue
        name = child_of(series, "tx")
        names.append(" ".join(_points(name).values()) or (plain_text(name) if name is not None else ""))
        for kind in ("cat", "xVal"):
            categories = _points(child_of(series, kind)) or categories
        columns.append(_points(child_of(series, "val")) or _points(child_of(series, "yVal")))
    places = list(dict.fromkeys(place for points in [categories, *columns] for place in points))
    head = [Cell("", is_head=True), *(Cell(name, is_head=True) for name in names)]
    rows = [
        [Cell(categories.get(place, "")), *(Cell(points.get(place, "")) for points in columns)] for place in places
    ]
    return [block for block in (build_table([head, *rows], caption=title).markdown(),) if block]


def _points(element: Any) -> dict[str, str]:
    """Return the cached points of a series by their place."""
    points = {}
    for point in element.iter() if element is not None else ():
        if local(point) == "pt":
            value = child_of(point, "v")
            points[attribute(point, "idx")] = plain_text(value) if value is not None else ""
    return points


def _diagram(root: Any) -> list[str]:
    """Return the texts of a SmartArt diagram as items of a list."""
    items = []
    for point in root.iter():
        if local(point) == "pt" and child_of(point, "t") is not None:
            text = " ".join(plain_text(part) for part in child_of(point, "t") if local(part) == "p").strip()
            items += [f"- {text}"] if text else []
    return items


def _core_properties(package: Package) -> Metadata:
    """Return what the document says of itself: title, author, date, keywords."""
    root = package.xml("docProps/core.xml")
    known = {"title": "title", "creator": "author", "created": "date", "keywords": "keywords", "subject": "subject"}
    found: Metadata = {}
    for element in root if root is not None else ():
        key, value = known.get(local(element)), plain_text(element)
        if key and value:
            found[key] = value
    return found
