"""The elements of DocBook as those of a web page."""

from collections.abc import Callable
from typing import Any

from openrag_cli.documents.readers.base import Source
from openrag_cli.documents.readers.package import attribute, child_of, local, number_of, plain_text
from openrag_cli.documents.readers.xml_files.docbook_tags import (
    ADMONITIONS,
    DIVISIONS,
    NAMES,
    PARAGRAPHS,
    TAGS,
    UNSEEN,
)

_MARKS = {"trademark": "™", "registered": "®", "copyright": "©", "service": "℠"}


class Page:
    """One document on its way to be a page. Its elements are renamed where they are, from the outside in."""

    def __init__(self, root: Any, source: Source) -> None:
        from lxml import etree

        self._etree = etree
        self._source = source
        self._root = root
        self._every = list(root.iter())
        self._names = {element: local(element).lower() for element in self._every}
        self._levels: dict[Any, int] = {}
        self._titles: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._last_note: dict[Any, Any] = {}

    def page(self) -> Any:
        """Return the root of the page."""
        for element in self._every:
            identity = attribute(element, "id") if self._names[element] else ""
            if identity:
                self._titles[identity] = attribute(element, "xreflabel") or self._title_of(element)
        for element in self._every:
            if self._names[element] and (element.getparent() is not None or element is self._root):
                self._rename(element, self._names[element])
        page = self._etree.Element("body")
        page.append(self._root)
        return page

    def _rename(self, element: Any, name: str) -> None:
        element.tag = TAGS.get(name, "span")
        if name in DIVISIONS:
            element.tag = "div"
            above = next((self._levels[each] for each in element.iterancestors() if each in self._levels), 0)
            self._levels[element] = above + (name != "partintro")
        elif name in UNSEEN:
            self._take_out(element)
        elif name in ADMONITIONS:
            element.tag = "blockquote"
            if child_of(element, "title") is None:
                self._insert(element, name.capitalize())
        elif name.endswith("info") and element.tag == "span":
            element.tag = "div"
        handle = _HANDLERS.get(name)
        if handle:
            handle(self, element)

    def _name_of(self, element: Any) -> str:
        return self._names.get(element, "") if element is not None else ""

    def _title_of(self, element: Any) -> str:
        """Return what a cross-reference to an element prints."""
        parts = [child_of(element, "title"), child_of(element, "refmeta", "refentrytitle"), child_of(element, "term")]
        parts += [child_of(child, "title") for child in element if local(child).endswith("info")]
        return next((text for part in parts if part is not None and (text := plain_text(part))), "")

    def _take_out(self, element: Any) -> None:
        """Take the text of an element out, not what follows it."""
        self._source.notes.ignore("".join(element.itertext(with_tail=False)))
        self._instead(element, "")

    def _instead(self, element: Any, text: str) -> None:
        """Let a text stand in the place of an element."""
        element.clear(keep_tail=True)
        element.tag, element.text = "span", text

    def _insert(self, element: Any, text: str) -> None:
        """Let a bold line stand first in an element."""
        line = self._etree.Element("p")
        self._etree.SubElement(line, "strong").text = text
        line.tail, element.text = element.text, None
        element.insert(0, line)

    # --- titles

    def title(self, element: Any) -> None:
        """Write a title: of a division as a heading, of a table as its caption, of anything else as a bold line."""
        holder = element.getparent()
        if self._name_of(holder).endswith("info") or self._name_of(holder) == "artheader":
            above = holder.getparent()
            own = [each for each in above if self._name_of(each) == "title"] if above is not None else []
            if own:  # it stands there once more
                self._take_out(element)
                return
            holder = above
        if holder in self._levels:
            element.tag = f"h{min(6, self._levels[holder])}"
        elif self._name_of(holder) == "table":
            element.tag = "caption"
        else:
            self._bold(element, "p")

    def _bold(self, element: Any, tag: str) -> None:
        strong = self._etree.Element("strong")
        strong.text, element.text = element.text, None
        strong.extend(list(element))
        element.append(strong)
        element.tag = tag

    def bridgehead(self, element: Any) -> None:
        """Write a heading between paragraphs."""
        above = next((self._levels[each] for each in element.iterancestors() if each in self._levels), 0)
        element.tag = f"h{min(6, above + 1)}"

    def reference_title(self, element: Any) -> None:
        """Write the head of a manual page."""
        section = child_of(element, "manvolnum")
        title = child_of(element, "refentrytitle")
        level = self._levels.get(element.getparent(), 1)
        text = (plain_text(title) if title is not None else "") + (
            f"({plain_text(section)})" if section is not None and plain_text(section) else ""
        )
        self._source.notes.ignore(
            "".join(plain_text(each) for each in element if self._name_of(each) == "refmiscinfo")
        )
        self._only(element, text, f"h{min(6, level)}")

    def _only(self, element: Any, text: str, tag: str) -> None:
        for child in list(element):
            element.remove(child)
        element.text, element.tag = text, tag

    def citation(self, element: Any) -> None:
        """Write the name of a manual page."""
        title, section = child_of(element, "refentrytitle"), child_of(element, "manvolnum")
        number = f"({plain_text(section)})" if section is not None and plain_text(section) else ""
        self._only(element, (plain_text(title) if title is not None else "") + number, "span")

    def purpose(self, element: Any) -> None:
        """Write what a manual page is about, after its name."""
        element.text = f" — {element.text or ''}"

    def name(self, element: Any) -> None:
        """Write one of several names."""
        if self._name_of(element.getprevious()) == "refname":
            element.text = f", {(element.text or '').strip()}"

    def rights(self, element: Any) -> None:
        """Write who holds the rights."""
        element.text = f"© {(element.text or '').lstrip()}"

    def apart(self, element: Any) -> None:
        """Write a part of a name or a date, a blank behind it."""
        element.tail = " " + (element.tail or "")

    # --- links and notes

    def link(self, element: Any) -> None:
        """Write the words of a link, or its address."""
        target = attribute(element, "url") or attribute(element, "href")
        element.tag = "a" if target else "span"
        if target:
            element.set("href", target)
        if not plain_text(element):
            self._only(element, target or self._titles.get(attribute(element, "linkend"), ""), element.tag)

    def cross_reference(self, element: Any) -> None:
        """Write the title of what is referred to."""
        identity = (
            attribute(element, "endterm") or attribute(element, "linkend") or attribute(element, "href").lstrip("#")
        )
        self._instead(element, self._titles.get(identity, ""))

    def note(self, element: Any) -> None:
        """Keep a note for the end of its paragraph, or of its table."""
        mark = f"[{len(self._notes) + 1}]"
        self._notes[attribute(element, "id") or f" {mark}"] = mark
        above = list(element.iterancestors())
        tables = [each for each in above if self._name_of(each) in {"table", "informaltable"}]
        blocks = [each for each in above if self._name_of(each) in PARAGRAPHS]
        block = (tables or blocks or above)[0 if not tables else -1]
        tail = element.getparent()
        place = self._etree.Element("span")
        tail.replace(element, place)
        place.tail, element.tail = element.tail, None
        first = next((each for each in element if self._name_of(each) in PARAGRAPHS), element)
        first.text = f"{mark} {(first.text or '').lstrip()}"
        self._last_note.get(block, block).addnext(element)
        self._last_note[block] = element
        element.tag = "div"
        self._instead(place, mark)

    def note_again(self, element: Any) -> None:
        """Write the mark of a note that stands elsewhere."""
        self._instead(element, self._notes.get(attribute(element, "linkend"), ""))

    def include(self, element: Any) -> None:
        """Tell of a file that would be included."""
        self._source.notes.leave_out("part in a file of its own")
        self._take_out(element)

    # --- blocks

    def emphasis(self, element: Any) -> None:
        """Write words that stand out."""
        element.tag = "strong" if attribute(element, "role") in {"bold", "strong"} else "em"

    def item(self, element: Any) -> None:
        """Write an item, or what a term means."""
        element.tag = "dd" if self._name_of(element.getparent()) in {"varlistentry", "glossentry"} else "li"

    def glossary_term(self, element: Any) -> None:
        """Write a term."""
        element.tag = "dt" if self._name_of(element.getparent()) == "glossentry" else "span"

    def ordered(self, element: Any) -> None:
        """Write a list with numbers."""
        if attribute(element, "startingnumber"):
            element.set("start", attribute(element, "startingnumber"))

    def listing(self, element: Any) -> None:
        """Write code as it stands."""
        if attribute(element, "language"):
            element.set("class", f"language-{attribute(element, 'language')}")

    def picture(self, element: Any) -> None:
        """Write what a picture is called."""
        phrases = [child_of(element, "textobject", "phrase"), child_of(element, "alt")]
        text = next((plain_text(each) for each in phrases if each is not None), "")
        data = next((each for each in element.iter() if self._name_of(each) in {"imagedata", "graphic"}), None)
        if text:
            said = child_of(element, "textobject", "phrase")
            if said is not None:
                element.remove(said.getparent())
            image = self._etree.Element("img")
            image.set("alt", text)
            image.set("src", attribute(data, "fileref") if data is not None else "")
            element.insert(0, image)

    def joined(self, element: Any) -> None:
        """Write keys that are pressed together, and menus one within another."""
        sign = "+" if self._name_of(element) == "keycombo" else " → "
        keys = list(element)
        first = (element.text or "").strip()
        element.text = first + sign if first and keys else first
        for child in keys:
            after = (child.tail or "").strip()
            child.tail = (sign + after if after else "") + (sign if child is not keys[-1] else "")

    def mark(self, element: Any) -> None:
        """Write a trademark with its sign."""
        sign = _MARKS.get(attribute(element, "class").lower() or "trademark", "")
        last = element[-1] if len(element) else None
        if last is not None:
            last.tail = (last.tail or "") + sign
        else:
            element.text = (element.text or "") + sign

    def argument(self, element: Any) -> None:
        """Write an argument of a command in its brackets."""
        choice = attribute(element, "choice") or "opt"
        start, end = {"opt": ("[", "]"), "req": ("{", "}")}.get(choice, ("", ""))
        end += "..." if attribute(element, "rep") == "repeat" else ""
        if self._name_of(element) == "group":
            for child in list(element)[:-1]:
                child.tail = " | "
                child.set("choice", "plain")
            for child in list(element)[-1:]:
                child.set("choice", "plain")
                child.tail = None
            element.text = None
        element.text = f" {start}{(element.text or '').lstrip()}"
        if len(element):
            element[-1].tail = f"{(element[-1].tail or '').rstrip()}{end}"
        else:
            element.text += end

    def prototype(self, element: Any) -> None:
        """Write the head of a function."""
        parameters = [each for each in element if self._name_of(each) in {"paramdef", "void", "varargs"}]
        texts = ["..." if self._name_of(each) == "varargs" else plain_text(each) or "void" for each in parameters]
        head = child_of(element, "funcdef")
        self._only(element, f"{plain_text(head) if head is not None else ''}({', '.join(texts)});", "p")

    # --- tables

    def table(self, element: Any) -> None:
        """Write a table; a second group of columns is a second table."""
        groups = [each for each in element if self._name_of(each) == "tgroup"]
        element.tag = "div" if len(groups) > 1 else "table"
        for group in groups:
            columns = [attribute(each, "colname") for each in group if self._name_of(each) == "colspec"]
            spans = {
                attribute(each, "spanname"): (attribute(each, "namest"), attribute(each, "nameend"))
                for each in group
                if self._name_of(each) == "spanspec"
            }
            for entry in group.iter():
                if self._name_of(entry) == "entry":
                    self._span(entry, columns, spans)
            if len(groups) > 1:
                group.tag = "table"
            else:
                for child in list(group):
                    group.addprevious(child)
                element.remove(group)

    def _span(self, entry: Any, columns: list[str], spans: dict[str, tuple[str, str]]) -> None:
        first, last = spans.get(
            attribute(entry, "spanname"), (attribute(entry, "namest"), attribute(entry, "nameend"))
        )
        if first in columns and last in columns:
            entry.set("colspan", str(max(1, columns.index(last) - columns.index(first) + 1)))
        entry.set("rowspan", str(max(0, number_of(attribute(entry, "morerows"), 0)) + 1))

    def group(self, element: Any) -> None:
        """Write one of the tables of a table."""
        element.tag = "table"

    def entry(self, element: Any) -> None:
        """Write a cell."""
        element.tag = "th" if self._name_of(element.getparent().getparent()) == "thead" else "td"


_HANDLERS: dict[str, Callable[[Page, Any], None]] = {
    "title": Page.title, "bridgehead": Page.bridgehead, "refmeta": Page.reference_title, "citerefentry": Page.citation,
    "refpurpose": Page.purpose, "refname": Page.name, "ulink": Page.link, "link": Page.link, "xref": Page.cross_reference,
    "footnote": Page.note, "footnoteref": Page.note_again, "include": Page.include, "emphasis": Page.emphasis,
    "listitem": Page.item, "glossterm": Page.glossary_term, "orderedlist": Page.ordered, "programlisting": Page.listing,
    "screen": Page.listing, "mediaobject": Page.picture, "inlinemediaobject": Page.picture, "keycombo": Page.joined,
    "menuchoice": Page.joined, "trademark": Page.mark, "arg": Page.argument, "group": Page.argument,
    "funcprototype": Page.prototype, "table": Page.table, "informaltable": Page.table, "tgroup": Page.group,
    "entry": Page.entry, "entrytbl": Page.entry, "copyright": Page.rights,
    **dict.fromkeys((*NAMES, "year", "holder", "revnumber", "authorinitials", "revremark"), Page.apart),
}  # fmt: skip
