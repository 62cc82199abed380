"""HTML as Markdown, with libxml2's parser and a walk of our own.

What a browser does not show is left out with a note, form controls stand apart, a table is a rectangle and a table that
only makes the layout is text. A long page of Wikipedia takes less than half of the time that markitdown took.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from openrag_cli.documents.inline import BlockWriter, fenced, indented, joined_blocks
from openrag_cli.documents.mathml import mathml_text
from openrag_cli.documents.readers.base import Source, parser_errors
from openrag_cli.documents.readers.html_rules import (
    APART,
    BLOCKS,
    HEADINGS,
    MAX_COLSPAN,
    SHOWN_INPUTS,
    WITHOUT_TEXT,
    is_layout,
    line_marks,
    state_shifts,
)
from openrag_cli.documents.readers.unseen.page import Hide, take_out
from openrag_cli.documents.tables import Cell, build_table

_SPACE = re.compile(r"[ \t\r\n\f]+")
_LANGUAGE = re.compile(r"\b(?:language|lang|highlight-source|brush:)[- ]?([\w+#]+)")
_SELF_CLOSED = re.compile(r"<(script|style|title|textarea|iframe|a|div|span|p|td|i|b|em)\b([^<>]*)/>", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_SOFT_HYPHEN = "\u00ad"
_MAX_DEPTH = 100


def page_markdown(html: str, source: Source) -> str:
    """Return the text of an HTML page; its title becomes the first heading unless the text has it.

    Raises:
        IngestError: the parser gave up on it.
    """
    with parser_errors("web page"):
        tree = html_tree(html)
        if tree is None:
            return ""
        title = " ".join("".join(tree.xpath("(//head/title|//title[not(ancestor::svg)])[1]//text()")).split())
        markdown = tree_markdown(tree, source.is_hidden)
    return f"# {title}\n\n{markdown}" if title and title not in markdown else markdown


def fragment_markdown(html: str, source: Source, sheets: Iterable[str] | None = ()) -> str:
    """Return the text of a piece of HTML, without its title; see `take_out` for `sheets`.

    Raises:
        IngestError: the parser gave up on it.
    """
    with parser_errors("web page"):
        tree = html_tree(html)
        return "" if tree is None else tree_markdown(tree, source.is_hidden, sheets)


def html_tree(html: str, *, is_xhtml: bool = False) -> Any:
    """Return the root of a page, or None where there is nothing; XHTML is tried as XML first."""
    from lxml import etree

    content = _XML_DECLARATION.sub("", html)
    if not content.strip():
        return None
    if is_xhtml:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
        try:
            root = etree.fromstring(content.encode("utf-8", "replace"), parser)
        except etree.XMLSyntaxError:
            content = _SELF_CLOSED.sub(r"<\1\2></\1>", content)
        else:
            return _without_namespaces(root)
    page_parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    return etree.fromstring(content.encode("utf-8", "replace"), page_parser)


def _without_namespaces(root: Any) -> Any:
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2].lower()
    return root


def tree_markdown(root: Any, hide: Hide, sheets: Iterable[str] | None = ()) -> str:
    """Return the text of a page that `html_tree` returned; what is not shown is taken out of it first, see `take_out`."""
    given = None if sheets is None else list(sheets)
    state_shifts(root, given or ())
    take_out(root, hide, given)
    walker = _Walker()
    walker.walk(root)
    return walker.writer.text()


class _Walker:
    """Writes one page, or (`in_cell`) one cell of a table, in which only inline marks have a place."""

    def __init__(self, *, in_cell: bool = False, depth: int = 0) -> None:
        self._in_cell = in_cell
        self._depth = depth
        self.writer = BlockWriter()

    def walk(self, element: Any) -> None:
        """Write what is in an element."""
        self._text(element.text)
        for child in element:
            self._element(child)
            self._text(child.tail)

    def _text(self, text: str | None) -> None:
        if text:
            self.writer.add(_SPACE.sub(" ", text).replace(_SOFT_HYPHEN, ""))

    def _element(self, element: Any) -> None:
        tag = element.tag
        if not isinstance(tag, str):  # an entity that the document defines
            self._text(getattr(element, "text", None))
            return
        if tag in WITHOUT_TEXT:
            return
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._text(" ".join("".join(element.itertext()).split()))
        elif handle := _HANDLERS.get(tag):
            handle(self, element)
        elif tag in BLOCKS:
            self.writer.end_line()
            self.walk(element)
            self.writer.end_line()
        else:
            self._inline(element, tag)
        self._depth -= 1

    def _inline(self, element: Any, tag: str) -> None:
        is_apart = tag in APART or "-" in tag
        if is_apart:
            self.writer.space()
        with self.writer.styled(**line_marks(element)):
            self.walk(element)
        if is_apart:
            self.writer.space()

    def _inner(self, element: Any, *, in_cell: bool = False) -> list[str]:
        """Return the blocks of an element, written apart."""
        inner = _Walker(in_cell=self._in_cell or in_cell, depth=self._depth)
        inner.writer.style = self.writer.style
        inner.walk(element)
        inner.writer.end_line()
        return inner.writer.blocks

    # --- blocks

    def heading(self, element: Any) -> None:
        """Write a heading of its level."""
        self.writer.end_line()
        if self._in_cell:
            self.walk(element)
            self.writer.end_line()
            return
        blocks = self._inner(element)
        text = " ".join(" ".join(blocks).replace("**", "").split())
        self.writer.add_block(f"{'#' * HEADINGS[element.tag]} {text}" if text else "")

    def list_(self, element: Any) -> None:
        """Write a list with its marks."""
        self.writer.end_line()
        number = _integer(element.get("start"), 1)
        items = []
        for child in element:
            if not isinstance(child.tag, str) or child.tag in WITHOUT_TEXT:
                continue
            blocks = self._inner(child)
            number = _integer(child.get("value"), number)
            mark = f"{number}. " if element.tag == "ol" else "- "
            if child.tag == "li":
                number += 1
                items += (
                    [indented(joined_blocks(blocks, is_item=True), "" if self._in_cell else mark)] if blocks else []
                )
            else:
                items += blocks
            if (child.tail or "").strip():
                items.append(_SPACE.sub(" ", child.tail).strip())
        self.writer.blocks += items

    def definition(self, element: Any) -> None:
        """Write what a term means."""
        blocks = self._inner(element)
        if blocks:
            self.writer.add_block(joined_blocks(blocks) if self._in_cell else indented(joined_blocks(blocks), ": "))

    def quotation(self, element: Any) -> None:
        """Write a quotation."""
        text = joined_blocks(self._inner(element))
        self.writer.add_block(text if self._in_cell else "> " + text.replace("\n", "\n> ") if text else "")

    def preformatted(self, element: Any) -> None:
        """Write code as it stands."""
        for line_break in element.iter("br"):
            line_break.tail = "\n" + (line_break.tail or "")
        code = "".join(element.itertext()).replace("\r\n", "\n").strip("\n").rstrip()
        if self._in_cell:
            self.writer.add_block(" ".join(code.split()))
            return
        classes = " ".join([element.get("class", ""), *(child.get("class", "") for child in element.iter("code"))])
        language = _LANGUAGE.search(classes)
        self.writer.add_block(fenced(code, language[1] if language else "") if code else "")

    def rule(self, element: Any) -> None:
        """Write a rule."""
        del element
        self.writer.add_block("" if self._in_cell else "---")

    # --- tables

    def table(self, element: Any) -> None:
        """Write a table."""
        self.writer.end_line()
        rows = list(_rows(element))
        if self._in_cell:
            lines = ["; ".join(filter(None, (self._cell_text(cell) for cell in cells))) for _, cells in rows]
            self.writer.add_block("; ".join(filter(None, lines)))
        elif is_layout(element, rows):
            for _, cells in rows:
                for cell in cells:
                    self.writer.blocks += self._inner(cell)
        else:
            self._data_table(element, rows)

    def _data_table(self, element: Any, rows: list[tuple[Any, list[Any]]]) -> None:
        caption = element.find("caption")
        title = " ".join(self._inner(caption, in_cell=True)) if caption is not None else ""
        grid = [[self._cell(cell) for cell in cells] for _, cells in rows]
        self.writer.add_block(build_table(grid, caption=title).markdown())

    def _cell(self, cell: Any) -> Cell:
        n_columns = min(MAX_COLSPAN, max(1, _integer(cell.get("colspan"), 1)))
        n_rows = min(1000, max(1, _integer(cell.get("rowspan"), 1)))
        return Cell(self._cell_text(cell), n_rows, n_columns, is_head=cell.tag == "th")

    def _cell_text(self, cell: Any) -> str:
        return " ".join(" ".join(self._inner(cell, in_cell=True)).split())

    # --- inline

    def line_break(self, element: Any) -> None:
        """End the line."""
        del element
        self.writer.add(" " if self._in_cell else "\n")

    def link(self, element: Any) -> None:
        """Write the words of a link."""
        with self.writer.styled(url=(element.get("href") or "").strip(), **line_marks(element)):
            self.walk(element)

    def image(self, element: Any) -> None:
        """Write what an image is called."""
        alt = " ".join((element.get("alt") or "").split()).replace("]", " ")
        address = (element.get("src") or "").strip()
        if alt:
            is_named = address and not address.startswith("data:") and not self._in_cell
            self._text(f"![{alt}]({address.replace(' ', '%20').replace(')', '%29')})" if is_named else alt)

    def field(self, element: Any) -> None:
        """Write the value of a field."""
        if (element.get("type") or "text").lower() in SHOWN_INPUTS:
            self.writer.space()
            self._text(element.get("value"))
            self.writer.space()

    def choice(self, element: Any) -> None:
        """Write what is chosen."""
        options = [" ".join("".join(option.itertext()).split()) for option in element.iter("option")]
        self.writer.space()
        self._text(", ".join(option for option in options if option))
        self.writer.space()

    def reading(self, element: Any) -> None:
        """Write the reading of a word (ruby) in parentheses behind it."""
        text = "".join(element.itertext()).strip()
        self.writer.add(f"({text})" if text else "")

    def quoted(self, element: Any) -> None:
        """Write words in quotation marks."""
        self.writer.add("“")
        self.walk(element)
        self.writer.add("”")

    def code(self, element: Any) -> None:
        """Write code inside a line."""
        with self.writer.styled(is_code=True, is_bold=False, is_italic=False):
            self.walk(element)

    def formula(self, element: Any) -> None:
        """Write a formula, in its line unless it is displayed."""
        text = " ".join(mathml_text(element).split())
        is_apart = (element.get("display") or "").lower() == "block" and not self._in_cell
        if is_apart:
            self.writer.end_line()
        self.writer.add(text)
        if is_apart:
            self.writer.end_line()


_HANDLERS: dict[str, Callable[[_Walker, Any], None]] = {
    **dict.fromkeys(HEADINGS, _Walker.heading),
    **dict.fromkeys(("ul", "ol", "menu", "dir"), _Walker.list_),
    **dict.fromkeys(("pre", "listing", "xmp"), _Walker.preformatted),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), _Walker.code),
    "a": _Walker.link, "blockquote": _Walker.quotation, "br": _Walker.line_break, "dd": _Walker.definition,
    "hr": _Walker.rule, "image": _Walker.image, "img": _Walker.image, "input": _Walker.field, "math": _Walker.formula,
    "q": _Walker.quoted, "rt": _Walker.reading, "select": _Walker.choice, "table": _Walker.table,
}  # fmt: skip


def _rows(table: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield (row, its cells) of a table, not of the tables in it; text that stands between cells is none of them."""
    for child in table:
        if child.tag == "tr":
            yield child, [cell for cell in child if cell.tag in {"td", "th"}]
        elif child.tag in {"thead", "tbody", "tfoot"}:
            yield from _rows(child)


def _integer(text: str | None, default: int) -> int:
    digits = (text or "").strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 7 else default
