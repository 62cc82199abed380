"""SVG: the words of a drawing, in the order of its source: titles, descriptions, labels. Its shapes are not read."""

from typing import Any

from openrag_cli.documents.media_types import SVG
from openrag_cli.documents.readers.base import Source, cut
from openrag_cli.documents.readers.markup import xml_of
from openrag_cli.documents.readers.package import local
from openrag_cli.documents.readers.unseen.page import take_out
from openrag_cli.domain import Document

_WORDS = frozenset({"title", "desc", "text", "foreignObject", "flowRoot"})
_LINES = frozenset({"p", "div", "li", "flowPara"})
_UNSEEN = frozenset({"script", "style", "metadata"})


def read_svg(source: Source) -> Document:
    """Read a drawing; what is not well-formed is read as far as it is, with a warning.

    Raises:
        IngestError: too_large.
        UnsupportedFormat: it is no text.
    """
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, remove_pis=True,
                             remove_comments=True)  # fmt: skip
    root = etree.fromstring(xml_of(source, "drawing").encode("utf-8", "replace"), parser)
    if root is None or len(parser.error_log):
        source.notes.warn("damaged_part", "the drawing is not well-formed; what could be read is in the text")
    if root is not None:
        for element in root.iter():
            if isinstance(element.tag, str):
                element.tag = local(element)
        take_out(root, source.is_hidden)
    lines = _lines(root) if root is not None else []
    own = [_plain(child) for child in root if local(child) == "title"] if root is not None else []
    title = next(filter(None, own), "")
    shown = [f"# {line}" if line == title and not at else line for at, line in enumerate(lines)]
    markdown, warnings = cut("\n\n".join(shown), source.limits.max_chars)
    return Document(
        markdown,
        media_type=SVG,
        has_headings=bool(title),
        warnings=warnings,
        metadata={"title": title} if title else {},
    )


def _lines(element: Any) -> list[str]:
    """Return the texts in an element and below it, each once however its words are cut into spans."""
    if local(element) in _UNSEEN or not isinstance(element.tag, str):
        return []
    if local(element) in _WORDS:
        text = _plain(element)
        return [text] if text else []
    return [line for child in element for line in _lines(child)]


def _plain(element: Any) -> str:
    """Return the words of an element on one line; lines of their own (a position, a new paragraph) are words apart."""
    parts = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str) and local(child) not in _UNSEEN | {"title", "desc"}:
            is_apart = child.get("x") is not None or child.get("dy") is not None or local(child) in _LINES
            inner = _plain(child)
            blank = " " if is_apart or (child.text or "")[:1].isspace() else ""
            parts += [blank, inner, " " if (child.text or "")[-1:].isspace() else ""]
        parts.append(child.tail or "")
    return " ".join("".join(parts).split())
