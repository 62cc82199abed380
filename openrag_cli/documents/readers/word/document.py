"""A Word document: its parts gathered, its body walked, heads before it and feet behind it."""

import io
import posixpath
import zipfile
from typing import Any

from openrag_cli.documents.inline import joined_blocks
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.drawings import chart_blocks, core_properties, diagram_blocks
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.documents.readers.mails.mail import archive_text
from openrag_cli.documents.readers.mails.rich_text import text_of
from openrag_cli.documents.readers.package import (
    DAMAGE,
    Package,
    attribute,
    child_of,
    local,
    open_package,
)
from openrag_cli.documents.readers.plain import decoded_text
from openrag_cli.documents.readers.word.ground import has_backdrop
from openrag_cli.documents.readers.word.numbers import Numbers, roman
from openrag_cli.documents.readers.word.styles import Styles
from openrag_cli.documents.readers.word.tables import write_table
from openrag_cli.documents.readers.word.walker import Context, Walker
from openrag_cli.domain import Document
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
        metadata = core_properties(package)
    markdown, warnings = cut(text.strip("\n"), source.limits.max_chars)
    return Document(markdown, media_type=source.media_type, has_headings=True, warnings=warnings, metadata=metadata)


def _blocks(source: Source, package: Package, *, depth: int = 0) -> list[str]:
    main = next((target for kind, target, _ in package.relations("").values() if kind == "officeDocument"), _MAIN)
    root = package.xml(main if package.has(main) else _MAIN)
    if root is None:
        raise IngestError("the DOCX has no main part: it is damaged", reason="corrupt")
    relations = package.relations(main)
    parts = {kind: target for kind, target, is_outside in relations.values() if not is_outside}
    folder = posixpath.dirname(main)

    def part(kind: str) -> Any:
        """Return a part of the document that another names."""
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
    context.has_backdrop = has_backdrop(root)
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
                blocks = chart_blocks(root) if name == "chart" else diagram_blocks(root)
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
            if extension in {"mht", "mhtml"}:
                return [archive_text(content, source)]
            if extension == "rtf":
                text, is_html = text_of(content)
                return [fragment_markdown(text, source) if is_html else text.strip()]
            if extension == "txt":
                return [decoded_text(content, source.notes).strip()]
        except (OpenRAGError, *DAMAGE):
            source.notes.leave_out("damaged embedded document", code="damaged_part")
            return []
        source.notes.leave_out(f"embedded {extension.upper() or 'document'}")
        return []
