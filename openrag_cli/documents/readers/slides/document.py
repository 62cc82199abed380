"""PPTX and its kin (shows, templates, with macros): the slides from their XML, each a page."""

import re
from collections.abc import Iterator
from typing import Any

from openrag_cli.documents.inline import PLAIN, Run, Style, collapsed, line_of
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.drawings import chart_blocks, core_properties, diagram_blocks
from openrag_cli.documents.readers.package import Package, attribute, child_of, local, number_of, open_package
from openrag_cli.documents.readers.pdf_pages.document import join_pages
from openrag_cli.documents.readers.slides.order import Box, reading_order
from openrag_cli.documents.readers.slides.unseen import is_beside, is_white_slide, slide_size, take_out_words
from openrag_cli.documents.readers.word.formula import formula_text
from openrag_cli.documents.tables import Cell, build_table
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})
_SHAPES = frozenset({"sp", "grpSp", "graphicFrame", "pic"})
_CHOICES = ("Choice", "Fallback")
_MAX_DEPTH = 30
_UNFILLED = re.compile("[<\u2039][^<>\u2039\u203a]{0,12}[>\u203a]")
"""What programs write where the number of a slide or a date will be: `<#>`, `<number>`."""
_MAX_LEVEL = 8


def read_pptx(source: Source) -> Document:
    """Read a presentation; each slide is a page: title, boxes in reading order, tables, charts, notes.

    Hidden slides are left out with a warning; their pages stay, so that page numbers are those of the slides.

    Raises:
        IngestError: encrypted, corrupt, too_large, or no_text where no slide has any.
    """
    with open_package(source, "PPTX") as package, parser_errors("PPTX"):
        main, parts = _slide_parts(package)
        source.report_pages(len(parts))
        size = slide_size(package, main)
        slides = [_Slide(source, package, part).text(size) for part in parts]
        metadata = core_properties(package)
        has_pictures = bool(package.names("ppt/media/"))
    if not any(slides):
        raise _no_text(len(slides), has_pictures=has_pictures)
    text, pages = join_pages(slides)
    if len(text) > source.limits.max_chars:
        raise IngestError(
            f"its slides hold {len(text):,} characters; at most {source.limits.max_chars:,} are read",
            reason="too_large",
            hint="split it and add the parts",
        )
    return Document(text, pages=pages, media_type=source.media_type, has_headings=True, metadata=metadata)


def _no_text(n_slides: int, *, has_pictures: bool) -> IngestError:
    """Return why a presentation has no text, in a sentence that is true."""
    if not n_slides:
        return IngestError("the presentation has no slides", reason="empty")
    where = "its slide" if n_slides == 1 else f"its {n_slides:,} slides"
    if not has_pictures:
        return IngestError(f"no text on {where}, and no picture", reason="no_text")
    return IngestError(
        f"no text on {where}, but pictures",
        reason="no_text",
        hint="export it as PDF, run OCR, for example with ocrmypdf, and add that",
    )


def _slide_parts(package: Package) -> tuple[str, list[str]]:
    """Return the name of the presentation's own part, and those of the slides in the order of the show."""
    found = [target for kind, target, _ in package.relations("").values() if kind == "officeDocument"]
    main = found[0] if found and package.has(found[0]) else "ppt/presentation.xml"
    root, relations = package.xml(main), package.relations(main)
    listed = child_of(root, "sldIdLst") if root is not None else None
    parts = [relations.get(_relation_id(node), ("", "", True)) for node in (listed if listed is not None else ())]
    names = [target for _, target, is_outside in parts if not is_outside and package.has(target)]
    return main, names or [name for name in package.names("ppt/slides/slide") if name.endswith(".xml")]


def _relation_id(node: Any) -> str:
    """Return the id of a relation, which has a namespace; a plain `id` is another number."""
    return next((str(value) for key, value in node.attrib.items() if key.endswith("}id")), "")


class _Slide:
    """Reads one slide."""

    def __init__(self, source: Source, package: Package, part: str) -> None:
        self._source = source
        self._package = package
        self._part = part
        self._relations = package.relations(part)
        self._root = package.xml(part)
        self._places = self._placeholder_places()

    def text(self, size: tuple[int, int]) -> str:
        """Return the slide, of that width and height, as Markdown; nothing where it is hidden."""
        tree = child_of(self._root, "cSld", "spTree") if self._root is not None else None
        if tree is None:
            return ""
        shapes = self._seen(list(self._shapes(tree, depth=0)), size)
        titles = [shape for shape in shapes if _placeholder(shape)[0] in _TITLES]
        others = [shape for shape in shapes if shape not in titles]
        order = reading_order([self._box(shape, place) for place, shape in enumerate(others)])
        blocks = [
            f"# {title}" for shape in titles[:1] if (title := " ".join(self._paragraphs(shape)).replace("\n", " "))
        ]
        for shape in [*titles[1:], *(others[place] for place in order)]:
            blocks += self._blocks(shape, depth=0)
        blocks += self._notes()
        text = "\n\n".join(block for block in blocks if block.strip())
        if attribute(self._root, "show", "1") in {"0", "false"} and self._source.is_hidden(text):
            return ""
        return text

    def _shapes(self, tree: Any, *, depth: int) -> Iterator[Any]:
        """Yield what stands on the slide; of an alternative the first that is understood."""
        for node in tree:
            name = local(node)
            if name == "AlternateContent" and depth < _MAX_DEPTH:
                parts = {local(part): part for part in node}
                chosen = next((parts[choice] for choice in _CHOICES if choice in parts and len(parts[choice])), None)
                if chosen is not None:
                    yield from self._shapes(chosen, depth=depth + 1)
            elif name in _SHAPES and _placeholder(node)[0] not in _FURNITURE and not self._is_hidden(node):
                yield node

    def _is_hidden(self, shape: Any) -> bool:
        named = next((node for part in shape for node in part if local(node) == "cNvPr"), None)
        if named is None or attribute(named, "hidden") not in {"1", "true"}:
            return False
        return self._source.is_hidden(" ".join(_texts(shape)))

    def _seen(self, shapes: list[Any], size: tuple[int, int]) -> list[Any]:
        """Return the shapes that stand on the slide, without words in them that cannot be read."""
        hide = self._source.is_hidden
        placed = [(shape, self._box(shape, place)) for place, shape in enumerate(shapes)]
        seen = [one for one in placed if not (is_beside(one[1], size) and hide(" ".join(_texts(one[0]))))]
        take_out_words(seen, hide, is_white_slide=is_white_slide(self._package, self._part))
        return [shape for shape, _ in seen]

    def _placeholder_places(self) -> dict[tuple[str, str], Any]:
        """Return where the layout puts its placeholders: (kind, index) -> the element with the place."""
        layout = next((target for kind, target, _ in self._relations.values() if kind == "slideLayout"), "")
        root = self._package.xml(layout) if layout and self._package.has(layout) else None
        tree = child_of(root, "cSld", "spTree") if root is not None else None
        places: dict[tuple[str, str], Any] = {}
        for shape in tree if tree is not None else ():
            kind = _placeholder(shape)
            if kind != ("", "") and (place := _transform(shape)) is not None:
                places.setdefault(kind, place)
                places.setdefault(("", kind[1]), place)
        return places

    def _box(self, shape: Any, place: int) -> Box:
        transform = _transform(shape)
        if transform is None:
            kind = _placeholder(shape)
            transform = self._places.get(kind, self._places.get(("", kind[1])) if kind != ("", "") else None)
        start, size = child_of(transform, "off"), child_of(transform, "ext")
        x, y = (number_of(attribute(start, key), 0) if start is not None else 0 for key in "xy")
        width, height = (number_of(attribute(size, key), 0) if size is not None else 0 for key in ("cx", "cy"))
        return Box(x, y, width, height, place)

    def _blocks(self, shape: Any, *, depth: int) -> list[str]:
        name = local(shape)
        if name == "sp":
            return ["\n".join(self._paragraphs(shape))]
        if name == "grpSp" and depth < _MAX_DEPTH:
            members = list(self._shapes(shape, depth=depth))
            order = reading_order([self._box(member, place) for place, member in enumerate(members)])
            return [block for place in order for block in self._blocks(members[place], depth=depth + 1)]
        if name == "pic":
            named = child_of(shape, "nvPicPr", "cNvPr")
            text = " ".join(attribute(named, "descr").split()) if named is not None else ""
            return [text] if text else []
        if name == "graphicFrame":
            return self._graphic(shape)
        return []

    def _graphic(self, frame: Any) -> list[str]:
        """Return the table, the chart or the diagram of a frame."""
        for node in frame.iter():
            name = local(node)
            if name == "tbl":
                return [_table(node)]
            if name in {"chart", "relIds"}:
                key = attribute(node, "dm") if name == "relIds" else _relation_id(node)
                _, target, is_outside = self._relations.get(key, ("", "", True))
                if is_outside or not self._package.has(target):
                    self._source.notes.leave_out(f"missing {'chart' if name == 'chart' else 'diagram'}")
                    return []
                root = self._package.xml(target)
                return (
                    []
                    if root is None
                    else chart_blocks(root)
                    if name == "chart"
                    else ["\n".join(diagram_blocks(root))]
                )
        return []

    def _paragraphs(self, shape: Any) -> list[str]:
        body = child_of(shape, "txBody")
        return _body_lines(body) if body is not None else []

    def _notes(self) -> list[str]:
        """Return the speaker's notes under a heading."""
        part = next((target for kind, target, _ in self._relations.values() if kind == "notesSlide"), "")
        root = self._package.xml(part) if part and self._package.has(part) else None
        tree = child_of(root, "cSld", "spTree") if root is not None else None
        lines = [
            line
            for shape in (tree if tree is not None else ())
            if _placeholder(shape)[0] not in _FURNITURE
            for line in self._paragraphs(shape)
        ]
        return ["### Notes:", "\n".join(lines)] if lines else []


def _placeholder(shape: Any) -> tuple[str, str]:
    """Return (kind, index) of a placeholder; empty for a shape that is none."""
    for part in shape:
        if local(part).startswith("nv"):
            place = child_of(part, "nvPr", "ph")
            if place is not None:
                return attribute(place, "type", "obj"), attribute(place, "idx", "0")
    return "", ""


def _transform(shape: Any) -> Any:
    for part in shape:
        name = local(part)
        if name == "xfrm":
            return part
        if name in {"spPr", "grpSpPr"}:
            return child_of(part, "xfrm")
    return None


def _texts(element: Any) -> Iterator[str]:
    for node in element.iter():
        if local(node) == "t" and node.text:
            yield str(node.text)


def _body_lines(body: Any) -> list[str]:
    """Return the paragraphs of a box, those of a lower level as items under the one above."""
    lines = []
    for paragraph in body:
        if local(paragraph) != "p":
            continue
        text = _line(paragraph)
        if not text:
            continue
        properties = child_of(paragraph, "pPr")
        level = number_of(attribute(properties, "lvl"), 0) if properties is not None else 0
        level = min(max(level, 0), _MAX_LEVEL)
        indent = "  " * (level - 1)
        lines.append(f"{indent}- {text}".replace("\n", f"\n{indent}  ") if level else text)
    return lines


def _line(paragraph: Any) -> str:
    runs: list[Run] = []
    for node in paragraph:
        name = local(node)
        if name == "br":
            runs.append(Run("\n", PLAIN))
        elif name in {"r", "fld"}:
            properties = child_of(node, "rPr")
            baseline = number_of(attribute(properties, "baseline"), 0) if properties is not None else 0
            style = Style(shift=(baseline > 0) - (baseline < 0))
            stated = child_of(node, "t")
            text = (stated.text or "").replace("\v", "\n") if stated is not None else ""
            runs.append(Run("" if name == "fld" and _UNFILLED.fullmatch(text) else text, style))
        elif name in {"m", "AlternateContent"}:
            formulas = [part for part in node.iter() if local(part) == "oMath"]
            shown = [formula_text(part) for part in formulas] or [*_texts(node)]
            runs.append(Run(f" {' '.join(shown)} ", PLAIN))
    return collapsed(line_of(runs, has_marks=False))


def _table(table: Any) -> str:
    rows: list[list[Cell]] = []
    properties = child_of(table, "tblPr")
    has_head = properties is not None and attribute(properties, "firstRow") in {"1", "true"}
    for row in table:
        if local(row) != "tr":
            continue
        is_head = has_head and not rows
        rows.append([_cell(cell, is_head=is_head) for cell in row if local(cell) == "tc" and not _is_covered(cell)])
    return build_table(rows).markdown()


def _is_covered(cell: Any) -> bool:
    return any(attribute(cell, name) in {"1", "true"} for name in ("hMerge", "vMerge"))


def _cell(cell: Any, *, is_head: bool) -> Cell:
    body = child_of(cell, "txBody")
    text = " ".join(_body_lines(body)) if body is not None else ""
    return Cell(
        text,
        n_rows=number_of(attribute(cell, "rowSpan"), 1),
        n_columns=number_of(attribute(cell, "gridSpan"), 1),
        is_head=is_head,
    )
