"""One walk over the body of a Word document, or over a note, a head, a box: what is not known is walked through.

A reference that leads nowhere, a linked picture, an odd shape costs itself, with a note, and not the document. What
lies outside the document is never opened.
"""

# ruff: noqa: SLF001 - the table of its own methods, at the end

from collections.abc import Callable
from typing import Any

from openrag_cli.documents.inline import BlockWriter, fenced, joined_blocks
from openrag_cli.documents.readers.base import Source
from openrag_cli.documents.readers.package import Package, attribute, child_of, local, number_of, plain_text
from openrag_cli.documents.readers.word.formula import formula_text
from openrag_cli.documents.readers.word.ground import is_on_paper
from openrag_cli.documents.readers.word.numbers import Numbers
from openrag_cli.documents.readers.word.styles import NOTHING, Look, Styles, look_of, number_properties
from openrag_cli.documents.readers.word.symbols import symbol, with_symbols

MAX_DEPTH = 100

Relations = dict[str, tuple[str, str, bool]]


class Context:
    """What all walks of one document share: its parts, styles, numbers, notes and comments."""

    def __init__(self, source: Source, package: Package, styles: Styles, numbers: Numbers) -> None:
        self.source = source
        self.package = package
        self.styles = styles
        self.numbers = numbers
        self.notes: dict[tuple[str, str], Any] = {}
        self.marks: dict[tuple[str, str], str] = {}
        self.note_relations: dict[str, Relations] = {}
        self.has_backdrop = False
        self.write_part: Callable[[Walker, Any, str], None] = lambda *_: None


class Walker:
    """Writes one part of a document, or (`in_cell`) one cell of a table."""

    def __init__(self, context: Context, relations: Relations, *, in_cell: bool = False, depth: int = 0) -> None:
        self.context = context
        self.source = context.source
        self.relations = relations
        self.in_cell = in_cell
        self.depth = depth
        self.after: list[str] = []
        self.writer = BlockWriter(keeps_spaces=True)
        self._fields: list[list[str]] = []
        self._code: list[str] = []
        self._is_joined = False
        self._look = NOTHING

    def inner(self, element: Any, *, in_cell: bool = False, relations: Relations | None = None) -> list[str]:
        """Return the blocks of an element, written apart."""
        walker = Walker(
            self.context,
            self.relations if relations is None else relations,
            in_cell=in_cell or self.in_cell,
            depth=self.depth + 1,
        )
        walker.children(element)
        return walker.finish()

    def finish(self) -> list[str]:
        """End the line in hand and return the blocks."""
        self._is_joined = False
        self.end()
        return self.writer.blocks

    def children(self, element: Any) -> None:
        """Write what an element holds."""
        for child in element:
            self.element(child)

    def element(self, element: Any) -> None:
        """Write one element."""
        name = local(element)
        if not name or name in _SKIPPED:
            return
        if self.depth > MAX_DEPTH:
            self._add(plain_text(element))
            return
        self.depth += 1
        handle = HANDLERS.get(name)
        if handle:
            handle(self, element)
        else:
            self.children(element)
        self.depth -= 1

    def end(self) -> None:
        """End the line in hand, then write what stands below it: notes, comments, boxes."""
        if self._is_joined:
            return
        self.writer.end_line()
        self._end_code()
        self.writer.blocks += self.after
        self.after = []

    def _end_code(self) -> None:
        if self._code:
            self.writer.blocks.append(fenced("\n".join(self._code)))
            self._code = []

    def _add(self, text: str) -> None:
        if not self._fields or all(stage[0] == "result" for stage in self._fields):
            self.writer.add(text)

    # --- paragraphs

    def _paragraph(self, element: Any) -> None:
        properties = child_of(element, "pPr")
        style_id = _value(properties, "pStyle")
        style = self.context.styles.paragraph(style_id)
        before = self._look
        self._look = self.context.styles.look(style_id)
        level = style.level
        outline = number_of(_value(properties, "outlineLvl"), 9)
        level = outline + 1 if outline < 9 and not level else level
        is_continued, self._is_joined = self._is_joined, False
        if not is_continued:
            self.writer.end_line()
            self._label(properties, style.number, style.indent, style_id)
        self.children(element)
        self._look = before
        self._is_joined = _is_joined_to_next(properties)
        if self._is_joined:
            return
        self._finish_paragraph(element, level, is_code=style.is_code)

    def _finish_paragraph(self, element: Any, level: int | None, *, is_code: bool) -> None:
        if self.in_cell:
            self.end()
        elif level:
            self._end_code()
            self.writer.end_heading(level)
            self.end()
        elif is_code or _is_monospaced(element):
            line = self.writer.line(has_marks=False)
            if line.strip() or self._code:
                self._code.append(line)
        else:
            line = self.writer.line()
            self._end_code()
            if line.startswith("  ") and self.writer.blocks and not line.lstrip().startswith(("- ", "* ")):
                self.writer.blocks[-1] += "\n" + line  # code by its blanks alone
            elif line.strip():
                self.writer.blocks.append(line)
            self.end()

    def _label(self, properties: Any, number: str | None, level: int | None, style_id: str) -> None:
        own = child_of(properties, "numPr")
        if own is not None:
            own_number, own_level = number_properties(own)
            number, level = own_number or number, own_level if own_level is not None else level
        if not number or number == "0":
            return
        if level is None:
            level = self.context.numbers.level_of_style(number, style_id)
        label = self.context.numbers.next_label(number, level)
        is_item = label == "-" or label.rstrip(".)").isdigit()
        indent = "  " * level if is_item and not self.in_cell else ""
        self.writer.add(f"{indent}{label} " if label else "")

    # --- runs

    def _run(self, element: Any) -> None:
        properties = child_of(element, "rPr")
        look = self._look
        if properties is not None:
            look = look_of(properties).over(self.context.styles.look(_value(properties, "rStyle"))).over(look)
        if self._is_unseen(look, element) and self._is_hidden(element):
            return
        font = child_of(properties, "rFonts")
        with self.writer.styled(
            is_bold=bool(look.is_bold), is_italic=bool(look.is_italic), is_struck=bool(look.is_struck),
            shift=look.shift or 0,
        ):  # fmt: skip
            for child in element:
                name = local(child)
                if name == "t":
                    text = (child.text or "").replace("\u00ad", "").replace("\n", " ")
                    self._add(with_symbols(text, attribute(font, "ascii") if font is not None else ""))
                elif name:
                    self.element(child)

    def _is_unseen(self, look: Look, element: Any) -> bool:
        if look.is_hidden or look.is_tiny:
            return True
        is_white = bool(look.is_white) and not look.is_marked and not self.context.has_backdrop
        return is_white and is_on_paper(element, self.context.styles.is_shaded)

    def _is_hidden(self, element: Any) -> bool:
        texts = [child.text or "" for child in element if local(child) == "t"]
        return bool(texts) and self.source.is_hidden("".join(texts))

    def _text(self, element: Any) -> None:
        self._add((element.text or "").replace("\u00ad", ""))

    def _tab(self, element: Any) -> None:
        del element
        self._add(" " if self.in_cell else "\t")

    def _line_break(self, element: Any) -> None:
        is_line = attribute(element, "type") in {"", "textWrapping"}
        self._add("\n" if is_line and not self.in_cell else " ")

    def _hyphen(self, element: Any) -> None:
        del element
        self._add("-")

    def _symbol(self, element: Any) -> None:
        code = attribute(element, "char")
        try:
            self._add(symbol(int(code, 16), attribute(element, "font")))
        except ValueError:
            self.source.notes.leave_out("symbol without a character")

    def _ruby(self, element: Any) -> None:
        base, reading = child_of(element, "rubyBase"), child_of(element, "rt")
        if base is not None:
            self.children(base)
        text = plain_text(reading) if reading is not None else ""
        self._add(f"({text})" if text else "")

    def _formula(self, element: Any) -> None:
        self.writer.space()
        self._add(" ".join(formula_text(element).split()))
        self.writer.space()

    # --- fields and links

    def _field(self, element: Any) -> None:
        stage = attribute(element, "fldCharType")
        if stage == "begin":
            self._fields.append(["code", ""])
            self._form_value(element)
        elif self._fields and stage == "separate":
            self._fields[-1][0] = "result"
        elif self._fields and stage == "end":
            self._fields.pop()

    def _form_value(self, element: Any) -> None:
        """Write what a form field of the old kind holds: a choice or a tick; a text stands in its result."""
        data = child_of(element, "ffData")
        if data is None:
            return
        choices, box = child_of(data, "ddList"), child_of(data, "checkBox")
        text = ""
        if choices is not None:
            entries = [attribute(entry, "val") for entry in choices if local(entry) == "listEntry"]
            chosen = number_of(_value(choices, "result") or _value(choices, "default"), 0)
            text = entries[chosen] if 0 <= chosen < len(entries) else ""
        elif box is not None:
            states = [child_of(box, "checked"), child_of(box, "default")]
            state = next((found for found in states if found is not None), None)
            text = "☒" if state is not None and attribute(state, "val", "1") not in {"0", "false", "off"} else "☐"
        if text and all(outer[0] == "result" for outer in self._fields[:-1]):
            self.writer.add(text)

    def _field_code(self, element: Any) -> None:
        if self._fields and self._fields[-1][0] == "code":
            self._fields[-1][1] += element.text or ""

    def _link(self, element: Any) -> None:
        identity = attribute(element, "id")
        _, target, is_outside = self.relations.get(identity, ("", "", False))
        if identity and identity not in self.relations:
            self.source.notes.leave_out("link without a target")
        with self.writer.styled(url=target if is_outside else ""):
            self.children(element)

    # --- what stands below the paragraph

    def _note(self, element: Any) -> None:
        kind = "endnote" if local(element).startswith("end") else "footnote"
        key = (kind, attribute(element, "id"))
        body = self.context.notes.get(key)
        if body is None:
            self.source.notes.leave_out(f"reference to a missing {kind}")
            return
        mark = self.context.marks[key]
        self.writer.space()
        self._add(f"[{mark}]")
        self.writer.space()
        text = joined_blocks(self.inner(body, relations=self.context.note_relations.get(kind, {})))
        if text:
            self.after.append(f"[{mark}] {text.strip()}")

    def _comment(self, element: Any) -> None:
        body = self.context.notes.get(("comment", attribute(element, "id")))
        if body is None:
            self.source.notes.leave_out("reference to a missing comment")
            return
        author = attribute(body, "author")
        text = " ".join(joined_blocks(self.inner(body, relations={})).split())
        if text:
            self.after.append(f"Comment ({author}): {text}" if author else f"Comment: {text}")

    def _box(self, element: Any) -> None:
        blocks = self.inner(element)
        if self.in_cell:
            self._add(" " + " ".join(blocks))
        else:
            self.after += blocks

    def _alternatives(self, element: Any) -> None:
        """Write the first form of a shape that has something to say: the others say the same for older programs."""
        forms = [child for child in element if local(child) in {"Choice", "Fallback"}]
        chosen = next((form for form in forms if _has_content(form)), None)
        if chosen is not None:
            self.children(chosen)

    def _picture(self, element: Any) -> None:
        title = attribute(element, "descr") or attribute(element, "title") or attribute(element, "alt")
        alt = " ".join(title.split()).replace("]", " ")
        if alt and attribute(element, "hidden") not in {"1", "true"}:
            self._add(alt if self.in_cell else f"![{alt}]()")

    def _blip(self, element: Any) -> None:
        for key in ("link", "embed"):
            _, target, is_outside = self.relations.get(attribute(element, key), ("", "", True))
            if attribute(element, key) and (is_outside or not self.context.package.has(target)):
                self.source.notes.leave_out("linked picture" if is_outside else "missing picture")

    def _word_art(self, element: Any) -> None:
        self.writer.space()
        self._add(attribute(element, "string"))

    def _part(self, element: Any) -> None:
        """Write what stands in a part of its own: a chart, a diagram, another document."""
        self.context.write_part(self, element, local(element))

    def _object_(self, element: Any) -> None:
        self.source.notes.leave_out("embedded object")
        self.children(element)


def _value(element: Any, name: str) -> str:
    found = child_of(element, name)
    return attribute(found, "val") if found is not None else ""


def _is_joined_to_next(properties: Any) -> bool:
    """Whether a paragraph goes on in the next: a capital that is dropped, or a mark that was deleted or moved."""
    frame = child_of(properties, "framePr")
    if frame is not None and attribute(frame, "dropCap") in {"drop", "margin"}:
        return True
    mark = child_of(properties, "rPr")
    return any(child_of(mark, name) is not None for name in ("del", "moveFrom"))


def _is_monospaced(element: Any) -> bool:
    """Whether all words of a paragraph stand in a font of one width."""
    found = False
    for run in element:
        if local(run) == "r" and any((child.text or "").strip() for child in run if local(child) == "t"):
            look: Look = look_of(child_of(run, "rPr"))
            if not look.is_monospaced:
                return False
            found = True
    return found


def _has_content(form: Any) -> bool:
    return any(local(part) in _CONTENT and (local(part) != "t" or (part.text or "").strip()) for part in form.iter())


_CONTENT = frozenset({"t", "chart", "relIds", "blip", "textpath"})
_SKIPPED = frozenset(
    {
        "pPr", "rPr", "sectPr", "tblPr", "tblGrid", "trPr", "tcPr", "sdtPr", "sdtEndPr", "del", "moveFrom", "delText",
        "delInstrText", "proofErr", "bookmarkStart", "bookmarkEnd", "commentRangeStart", "commentRangeEnd", "softHyphen",
        "lastRenderedPageBreak", "annotationRef", "footnoteRef", "endnoteRef", "separator", "continuationSeparator",
        "fldData", "customXmlPr", "smartTagPr", "permStart", "permEnd", "positionH", "positionV", "ffData",
    }
)  # fmt: skip
HANDLERS: dict[str, Callable[[Walker, Any], None]] = {
    "p": Walker._paragraph, "r": Walker._run, "t": Walker._text, "tab": Walker._tab, "ptab": Walker._tab,
    "br": Walker._line_break, "cr": Walker._line_break, "noBreakHyphen": Walker._hyphen, "sym": Walker._symbol,
    "ruby": Walker._ruby, "oMath": Walker._formula, "fldChar": Walker._field, "instrText": Walker._field_code,
    "hyperlink": Walker._link, "footnoteReference": Walker._note, "endnoteReference": Walker._note,
    "commentReference": Walker._comment, "txbxContent": Walker._box, "AlternateContent": Walker._alternatives,
    "docPr": Walker._picture, "imagedata": Walker._picture, "blip": Walker._blip, "textpath": Walker._word_art,
    "chart": Walker._part, "relIds": Walker._part, "altChunk": Walker._part, "OLEObject": Walker._object_,
}  # fmt: skip
