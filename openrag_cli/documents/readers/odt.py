"""OpenDocument texts, in one walk: what an element holds, in its order, tails after children.

What was deleted while changes were tracked is no part of the text. Notes and comments follow their paragraph, boxes
stand in their place, and what is not known is walked like a piece of its paragraph.
"""

from collections.abc import Callable
from typing import Any

from openrag_cli.documents.inline import BlockWriter, fenced, indented, joined_blocks
from openrag_cli.documents.mathml import mathml_text
from openrag_cli.documents.readers.archive import needs_password
from openrag_cli.documents.readers.base import Source, cut, parser_errors
from openrag_cli.documents.readers.drawings import meta_properties
from openrag_cli.documents.readers.odt_styles import Styles
from openrag_cli.documents.readers.package import (
    Package,
    attribute,
    child_of,
    local,
    number_of,
    open_package,
    plain_text,
)
from openrag_cli.documents.tables import Cell, build_table
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

_SKIPPED = frozenset(
    {
        "tracked-changes", "change", "change-start", "change-end", "forms", "sequence-decls", "variable-decls",
        "user-field-decls", "dde-connection-decls", "alphabetical-index-auto-mark-file", "annotation-end", "script",
        "event-listeners", "table-of-content-source", "alphabetical-index-source", "illustration-index-source",
        "table-index-source", "object-index-source", "user-index-source", "bibliography-source", "shapes", "desc",
        "binary-data",
    }
)  # fmt: skip
_MAX_REPEATED = 1000
_MAX_DEPTH = 100


def read_odt(source: Source) -> Document:
    """Read an OpenDocument text: headings, paragraphs, lists, tables, boxes, notes, comments, heads and feet.

    Raises:
        IngestError: encrypted, corrupt or too_large.
    """
    with open_package(source, "ODT") as package, parser_errors("ODT"):
        manifest = package.read("META-INF/manifest.xml") or b""
        if b"encryption-data" in manifest[: 1 << 20]:
            raise needs_password("ODT")
        content = package.xml("content.xml")
        if content is None:
            raise IngestError("the ODT has no content.xml: it is damaged", reason="corrupt")
        styles = package.xml("styles.xml")
        walker = _Walker(source, package, Styles(styles, content))
        body = next((element for element in content.iter() if local(element) == "body"), content)
        heads, feet = _margins(walker, styles)
        text = joined_blocks([*heads, *walker.inner(body), *feet])
        metadata = meta_properties(package)
    markdown, warnings = cut(text, source.limits.max_chars)
    return Document(markdown, media_type=source.media_type, has_headings=True, warnings=warnings, metadata=metadata)


def _margins(walker: "_Walker", styles: Any) -> tuple[list[str], list[str]]:
    """Return the different heads and feet of the pages."""
    heads: dict[str, None] = {}
    feet: dict[str, None] = {}
    for page in styles.iter() if styles is not None else ():
        if local(page) == "master-page":
            for part in page:
                name = local(part)
                if name.startswith(("header", "footer")):
                    (heads if name.startswith("header") else feet).update(dict.fromkeys(walker.inner(part)))
    return list(heads), list(feet)


class _Walker:
    """Writes one document, or a part of it."""

    def __init__(
        self, source: Source, package: Package, styles: Styles, *, depth: int = 0, in_cell: bool = False
    ) -> None:
        self._source = source
        self._package = package
        self._styles = styles
        self._depth = depth
        self._in_cell = in_cell
        self._list_styles: list[str] = []
        self._after: list[str] = []
        self._code: list[str] = []
        self.writer = BlockWriter(keeps_spaces=True)

    def inner(self, element: Any, *, in_cell: bool = False) -> list[str]:
        """Return the blocks of an element, written apart."""
        inner = _Walker(
            self._source, self._package, self._styles, depth=self._depth + 1, in_cell=in_cell or self._in_cell
        )
        inner._list_styles = self._list_styles
        inner.walk(element)
        inner._end()
        return inner.writer.blocks

    def walk(self, element: Any) -> None:
        """Write what an element holds."""
        is_text = local(element) in _TEXT_HOLDERS or self._depth == 0
        if element.text and is_text:
            self.writer.add(_spaces(element.text))
        for child in element:
            self._element(child)
            if child.tail and is_text:
                self.writer.add(_spaces(child.tail))

    def _element(self, element: Any) -> None:
        name = local(element)
        if not name or name in _SKIPPED:
            return
        if self._depth > _MAX_DEPTH:
            self.writer.add(plain_text(element))
            return
        self._depth += 1
        handle = _HANDLERS.get(name)
        if handle:
            handle(self, element)
        elif name in _HOLDERS:
            self._end()
            self.walk(element)
            self._end()
        else:
            self._unknown(element)
        self._depth -= 1

    def _unknown(self, element: Any) -> None:
        """Walk an element that nothing is known of, as a piece of its paragraph."""
        if element.text:
            self.writer.add(_spaces(element.text))
        for child in element:
            self._element(child)
            if child.tail:
                self.writer.add(_spaces(child.tail))

    def _end(self) -> None:
        self.writer.end_line()
        if self._code:
            self.writer.blocks.append(fenced("\n".join(self._code)))
            self._code = []
        self.writer.blocks += self._after
        self._after = []

    # --- blocks

    def paragraph(self, element: Any) -> None:
        """Write a paragraph, then its notes and boxes."""
        style = attribute(element, "style-name")
        if self._is_hidden(element, "paragraph"):
            return
        if self._styles.is_code(style) and not self._in_cell:
            self.writer.end_line()
            self.walk(element)
            self._code.append(self.writer.line(has_marks=False))
            return
        self._end()
        self.walk(element)
        if self._styles.is_title(style) and not self._in_cell:
            self.writer.end_heading(1)
        self._end()

    def heading(self, element: Any) -> None:
        """Write a heading of its level."""
        if self._is_hidden(element, "paragraph"):
            return
        self._end()
        self.walk(element)
        if not self._in_cell:
            self.writer.end_heading(number_of(attribute(element, "outline-level"), 1))
        self._end()

    def section(self, element: Any) -> None:
        """Write what a section holds."""
        self._end()
        if attribute(element, "display") != "none" or not self._source.is_hidden(plain_text(element)):
            self.walk(element)
        self._end()

    def list_(self, element: Any) -> None:
        """Write a list with its marks."""
        self._end()
        self._list_styles = [*self._list_styles, attribute(element, "style-name") or (self._list_styles or [""])[-1]]
        is_numbered = self._styles.is_numbered(self._list_styles[-1], len(self._list_styles))
        number, items = 1, []
        for item in element:
            blocks = self.inner(item)
            number = number_of(attribute(item, "start-value"), number)
            mark = f"{number}. " if is_numbered else "- "
            is_item = local(item) == "list-item"
            if blocks:
                text = joined_blocks(blocks, is_item=True)
                items.append(indented(text, "" if self._in_cell or not is_item else mark))
            number += is_item
        self._list_styles = self._list_styles[:-1]
        self.writer.blocks += items

    def table(self, element: Any) -> None:
        """Write a table."""
        self._end()
        rows: list[list[Cell]] = []
        self._rows(element, rows, is_head=False)
        if self._in_cell:
            lines = ["; ".join(cell.text for cell in row if cell.text) for row in rows]
            self.writer.add_block("; ".join(filter(None, lines)))
        else:
            self.writer.add_block(build_table(rows).markdown())

    def _rows(self, element: Any, rows: list[list[Cell]], *, is_head: bool) -> None:
        for child in element:
            name = local(child)
            if name in {"table-header-rows", "table-rows", "table-row-group"}:
                self._rows(child, rows, is_head=is_head or name == "table-header-rows")
            elif name == "table-row":
                row = self._row(child, is_head=is_head)
                n_repeated = min(_MAX_REPEATED, number_of(attribute(child, "number-rows-repeated"), 1))
                rows += [row] * (n_repeated if any(cell.text for cell in row) else 1)

    def _row(self, element: Any, *, is_head: bool) -> list[Cell]:
        row: list[Cell] = []
        for cell in element:
            if local(cell) != "table-cell":  # the covered ones are spanned by another
                continue
            text = " ".join(" ".join(self.inner(cell, in_cell=True)).split())
            n_columns = number_of(attribute(cell, "number-columns-spanned"), 1)
            n_rows = number_of(attribute(cell, "number-rows-spanned"), 1)
            n_repeated = number_of(attribute(cell, "number-columns-repeated"), 1)
            row += [Cell(text, n_rows, min(n_columns, _MAX_REPEATED), is_head)] * max(
                1, min(n_repeated, _MAX_REPEATED)
            )
        return row

    # --- inline

    def span(self, element: Any) -> None:
        """Write a run of text."""
        look = self._styles.look("text", attribute(element, "style-name"))
        if self._styles.is_unseen(element, "text") and self._source.is_hidden(plain_text(element)):
            return
        known = {
            "is_bold": look.is_bold,
            "is_italic": look.is_italic,
            "is_struck": look.is_struck,
            "shift": look.shift,
        }
        with self.writer.styled(**{name: value for name, value in known.items() if value is not None}):
            self.walk(element)

    def link(self, element: Any) -> None:
        """Write the words of a link."""
        with self.writer.styled(url=attribute(element, "href")):
            self.walk(element)

    def blanks(self, element: Any) -> None:
        """Write as many blanks as it says."""
        self.writer.add(" " * max(1, min(number_of(attribute(element, "c"), 1), 200)))

    def tab(self, element: Any) -> None:
        """Write a tab."""
        del element
        self.writer.add("\t")

    def line_break(self, element: Any) -> None:
        """End the line."""
        del element
        self.writer.add(" " if self._in_cell else "\n")

    def ruby(self, element: Any) -> None:
        """Write a word with its reading."""
        base, reading = child_of(element, "ruby-base"), child_of(element, "ruby-text")
        if base is not None:
            self.walk(base)
        text = plain_text(reading) if reading is not None else ""
        self.writer.add(f"({text})" if text else "")

    def note(self, element: Any) -> None:
        """Keep a note for the end of its paragraph."""
        citation, body = child_of(element, "note-citation"), child_of(element, "note-body")
        mark = plain_text(citation) if citation is not None else "*"
        self.writer.space()
        self.writer.add(f"[{mark}]")
        blocks = self.inner(body) if body is not None else []
        if blocks:
            self._after.append(f"[{mark}] {joined_blocks(blocks)}")

    def comment(self, element: Any) -> None:
        """Keep a comment for the end of its paragraph."""
        author = child_of(element, "creator")
        by = f" ({plain_text(author)})" if author is not None else ""
        paragraphs = [child for child in element if local(child) in {"p", "h", "list"}]
        texts = [text for each in paragraphs if (text := " ".join(self.inner(each)))]
        for skipped in element:
            if local(skipped) not in {"p", "h", "list"}:
                self._source.notes.ignore(plain_text(skipped))
        if texts:
            self._after.append(f"Comment{by}: {' '.join(texts)}")

    def box(self, element: Any) -> None:
        """Keep a box for the end of its paragraph."""
        blocks = self.inner(element)
        if blocks:
            self.writer.end_line()
            self.writer.blocks += blocks

    def frame(self, element: Any) -> None:
        """Write the first form of a frame that has text: the others show the same (a formula and its picture)."""
        title = child_of(element, "title") if child_of(element, "title") is not None else child_of(element, "desc")
        has_content = False
        for child in element:
            name = local(child)
            if name in {"text-box", "table"} or (name == "object" and not has_content):
                self._element(child)
                has_content = True
        for child in element:
            if local(child) in {"title", "desc"} and child is not title:
                self._source.notes.ignore(plain_text(child))
        alt = plain_text(title) if title is not None else ""
        if alt and not self._in_cell:
            self.writer.add(f"![{alt}]()" if not has_content else f" {alt} ")
        elif alt:
            self.writer.add(alt)

    def object_(self, element: Any) -> None:
        """Write a formula, or the table behind a chart, which have parts of their own."""
        root = next(iter(element), None)
        href = attribute(element, "href").removeprefix("./").strip("/")
        if root is None and href:
            root = self._package.xml(f"{href}/content.xml")
        if root is None:
            return
        if local(root) == "math":
            self.formula(root)
            return
        body = next((part for part in root.iter() if local(part) == "chart"), None)
        if body is not None:
            self.box(body)

    def formula(self, element: Any) -> None:
        """Write a formula."""
        self.writer.space()
        self.writer.add(" ".join(mathml_text(element).split()))
        self.writer.space()

    def page_number(self, element: Any) -> None:
        """Write the number of a page, but not of one's own in a head or foot: text has no pages."""
        if any(local(above).startswith(("header", "footer")) for above in element.iterancestors()):
            self._source.notes.ignore(plain_text(element))
        else:
            self.writer.add(plain_text(element))

    def hidden_text(self, element: Any) -> None:
        """Leave hidden text out, and count it."""
        text = attribute(element, "string-value") or plain_text(element)
        is_shown = attribute(element, "is-hidden") == "false"
        if is_shown or not self._source.is_hidden(text):
            self.writer.add(text)

    def _is_hidden(self, element: Any, family: str) -> bool:
        has_mark = any(
            local(part) == "hidden-paragraph" and attribute(part, "is-hidden") == "true" for part in element
        )
        is_unseen = has_mark or self._styles.is_unseen(element, family)
        return is_unseen and self._source.is_hidden(plain_text(element))


_TEXT_HOLDERS = frozenset({"p", "h", "span", "a", "ruby-base", "meta", "meta-field"})
_HOLDERS = frozenset(
    {
        "body", "text", "list-item", "list-header", "note-body", "index-body", "index-title", "text-box", "chart",
        "header", "footer", "header-left", "footer-left", "header-first", "footer-first", "table-cell", "shape",
        "custom-shape", "rect", "numbered-paragraph", "table-of-content", "alphabetical-index", "bibliography",
        "illustration-index", "table-index", "object-index", "user-index", "soft-page-break", "plot-area", "subtitle",
    }
)  # fmt: skip
_HANDLERS: dict[str, Callable[[_Walker, Any], None]] = {
    "p": _Walker.paragraph, "h": _Walker.heading, "section": _Walker.section, "list": _Walker.list_,
    "table": _Walker.table, "span": _Walker.span, "a": _Walker.link, "s": _Walker.blanks, "tab": _Walker.tab,
    "line-break": _Walker.line_break, "ruby": _Walker.ruby, "note": _Walker.note, "annotation": _Walker.comment,
    "frame": _Walker.frame, "object": _Walker.object_, "math": _Walker.formula, "hidden-text": _Walker.hidden_text,
    "custom-shape": _Walker.box, "rect": _Walker.box, "text-box": _Walker.box,
    "page-number": _Walker.page_number,
}  # fmt: skip


def _spaces(text: str) -> str:
    """Return text with its white space as OpenDocument has it: one blank for several; soft hyphens out."""
    plain = text.replace("\u00ad", "")
    if "\n" not in plain and "\t" not in plain and "  " not in plain and "\r" not in plain:
        return plain
    joined = " ".join(plain.split())
    return f"{' ' if plain[0].isspace() else ''}{joined}{' ' if plain[-1].isspace() and joined else ''}"
