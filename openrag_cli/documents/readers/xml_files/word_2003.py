"""Word 2003's XML in the words of its successor, whose reader knows the rest: styles, lists, fields, tables.

What stands inline there (notes, comments, changes, heads and feet) is in parts of its own or in other elements here.
"""

import contextlib
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_RENAMED = {
    "vmerge": "vMerge", "hmerge": "hMerge", "listPr": "numPr", "ilfo": "numId", "listDef": "abstractNum", "nfc": "numFmt",
    "hlink": "hyperlink",
}  # fmt: skip
_ANNOTATIONS = {"Word.Deletion": "del", "Word.Insertion": "ins", "Word.Comment": "comment"}
_NUMBERS = {
    "0": "decimal", "1": "upperRoman", "2": "lowerRoman", "3": "upperLetter", "4": "lowerLetter", "22": "decimalZero",
    "23": "bullet", "255": "none",
}  # fmt: skip
_PROPERTIES = {"Title": "title", "Author": "creator", "Subject": "subject", "Keywords": "keywords",
               "Created": "created", "LastSaved": "modified"}  # fmt: skip
_NOTES = frozenset({"footnote", "endnote", "comment"})


def parts_of(root: Any) -> dict[str, bytes]:
    """Return the parts of a document of Word 2003."""
    return _Parts(root).written()


class _Parts:
    """The parts of one document, gathered while its elements are renamed."""

    def __init__(self, root: Any) -> None:
        from lxml import etree

        self._etree = etree
        self._root = root
        self._parts: dict[str, Any] = {f"{kind}s": self._element(f"{kind}s") for kind in sorted(_NOTES)}
        self._relations = etree.Element(f"{{{_RELATIONS}}}Relationships")

    def written(self) -> dict[str, bytes]:
        """Return the bytes of the parts."""
        self._gather()
        names = {"styles": "styles", "lists": "numbering"}
        self._parts |= {names[local(part)]: part for part in self._root if local(part) in names}
        found = {f"word/{name}.xml": self._bytes(part) for name, part in self._parts.items()}
        found["docProps/core.xml"] = self._properties()
        found["word/_rels/document.xml.rels"] = self._etree.tostring(self._relations)
        found["word/document.xml"] = self._bytes(self._root)
        return found

    def _gather(self) -> None:
        """Rename the elements, and move what stands inline into parts of its own."""
        for element in list(self._root.iter()):
            if isinstance(element.tag, str):
                self._rename(element)
        for name in sorted(_NOTES):
            for element in self._elements(name):
                if name == "comment" or local(element.getparent()) == "r":  # others say how notes are numbered
                    self._take_note(element, name)
        for name in ("hdr", "ftr"):
            for element in self._elements(name):
                self._take_margin(element, "header" if name == "hdr" else "footer")
        for link in self._elements("hyperlink"):
            target = attribute(link, "dest")
            if target:
                link.set(f"{{{_LINKS}}}id", self._relate("hyperlink", target, mode="External"))

    def _element(self, name: str) -> Any:
        return self._etree.Element(f"{{{_WORD}}}{name}")

    def _elements(self, name: str) -> list[Any]:
        body = child_of(self._root, "body")
        return [element for element in (body.iter() if body is not None else ()) if local(element) == name]

    def _bytes(self, part: Any) -> bytes:
        content: bytes = self._etree.tostring(part, with_tail=False)
        return content

    def _rename(self, element: Any) -> None:
        name = local(element)
        if name == "annotation":
            name = _ANNOTATIONS.get(attribute(element, "type"), "smartTag")
        elif name == "list":
            name = "num"
            element.set("numId", attribute(element, "ilfo"))
        elif name == "ilst":
            name = "abstractNumId"
        elif name == "listDef":
            element.set("abstractNumId", attribute(element, "listDefId"))
        elif name == "nfc":
            element.set("val", _NUMBERS.get(attribute(element, "val"), "decimal"))
            _drop_namespaced(element, "val")
        elif name == "name":  # another office writes Heading_20_1
            element.set("val", attribute(element, "val").replace("_20_", " "))
            _drop_namespaced(element, "val")
        elif name == "framePr" and attribute(element, "drop-cap"):
            element.set("dropCap", attribute(element, "drop-cap"))
        with contextlib.suppress(ValueError):  # a damaged file may have names that are none
            element.tag = f"{{{_WORD}}}{_RENAMED.get(name, name)}"

    def _take_note(self, element: Any, kind: str) -> None:
        """Move a note into the part of its kind, and leave a reference to it."""
        notes = self._parts[f"{kind}s"]
        number = str(len(notes) + 1)
        reference = self._element(f"{kind}Reference")
        reference.set("id", number)
        reference.tail, element.tail = element.tail, None
        element.getparent().replace(element, reference)
        note = self._element(kind)
        note.set("id", number)
        if attribute(element, "author"):
            note.set("author", attribute(element, "author"))
        note.extend(list(element))
        notes.append(note)

    def _take_margin(self, element: Any, kind: str) -> None:
        """Move a head or foot of pages into a part of its own."""
        name = f"{kind}{len(self._relations) + 1}"
        reference = self._element(f"{kind}Reference")
        reference.set(f"{{{_LINKS}}}id", self._relate(kind, f"{name}.xml"))
        element.getparent().replace(element, reference)
        self._parts[name] = element

    def _relate(self, kind: str, target: str, mode: str = "Internal") -> str:
        identity = f"r{len(self._relations) + 1}"
        relation = self._etree.SubElement(self._relations, f"{{{_RELATIONS}}}Relationship")
        for key, value in (("Id", identity), ("Type", f"{_LINKS}/{kind}"), ("Target", target), ("TargetMode", mode)):
            relation.set(key, value)
        return identity

    def _properties(self) -> bytes:
        core = self._etree.Element("coreProperties")
        known = child_of(self._root, "DocumentProperties")
        for entry in known if known is not None else ():
            if local(entry) in _PROPERTIES:
                self._etree.SubElement(core, _PROPERTIES[local(entry)]).text = entry.text
        content: bytes = self._etree.tostring(core)
        return content


def _drop_namespaced(element: Any, name: str) -> None:
    """Let the attribute without a namespace be the only one of its name."""
    for key in [key for key in element.attrib if key.endswith("}" + name)]:
        del element.attrib[key]
