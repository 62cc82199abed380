"""RSS and Atom feeds: each entry under a heading, with what is known of it and the fullest of its texts."""

from collections.abc import Iterator
from typing import Any

from openrag_cli.documents.media_types import RSS, XML
from openrag_cli.documents.readers.base import Source, cut
from openrag_cli.documents.readers.html import fragment_markdown
from openrag_cli.documents.readers.markup import xml_of
from openrag_cli.documents.readers.package import attribute, local, plain_text
from openrag_cli.documents.readers.plain import read_text
from openrag_cli.domain import Document, DocumentWarning

_ENTRIES = frozenset({"item", "entry"})
_TEXTS = frozenset({"description", "encoded", "content", "summary", "subtitle", "tagline", "abstract"})
_DATES = frozenset({"pubDate", "date", "published", "updated", "modified", "issued"})
_AUTHORS = frozenset({"author", "creator", "managingEditor"})


def read_feed(source: Source) -> Document:
    """Read an RSS or Atom feed; XML that is no feed after all is kept as it is, with a warning.

    Raises:
        IngestError: too_large.
        UnsupportedFormat: it is no text.
    """
    root, is_whole = _parsed(xml_of(source, "feed"))
    entries = [element for element in root.iter() if local(element) in _ENTRIES] if root is not None else []
    if not entries and not is_whole:
        document = read_text(source)
        warning = DocumentWarning("not_well_formed", "it is not a well-formed feed: its XML is indexed as it is")
        return Document(document.markdown, media_type=XML, warnings=(*document.warnings, warning))
    if not is_whole:
        source.notes.warn("damaged_part", "the feed is not well-formed; what could be read is in the text")
    parts = [*_blocks(_head_of(root), "#", source), *(block for e in entries for block in _blocks(e, "##", source))]
    markdown, warnings = cut("\n\n".join(parts), source.limits.max_chars)
    title = next((plain_text(child) for child in _head_of(root) if local(child) == "title"), "")
    metadata = {"title": title} if title else {}
    return Document(markdown, media_type=RSS, has_headings=True, warnings=warnings, metadata=metadata)


def _parsed(xml: str) -> tuple[Any, bool]:
    """Return (the root as far as it is well-formed, whether all of it is)."""
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=True, remove_pis=True)
    try:
        root = etree.fromstring(xml.encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return None, False
    return root, root is not None and not len(parser.error_log)


def _head_of(root: Any) -> Any:
    """Return the element that says what the feed is: the channel of RSS, the feed itself of Atom."""
    return next((child for child in root if local(child) == "channel"), root)


def _blocks(element: Any, marks: str, source: Source) -> Iterator[str]:
    """Yield the heading of a feed or an entry, a line of what is known of it, and its texts."""
    children = [child for child in element if local(child) and local(child) not in _ENTRIES]
    title = next((_inline(child, source) for child in children if local(child) == "title"), "")
    if title:
        yield f"{marks} {title}"
    line = " · ".join(dict.fromkeys(filter(None, _known(children))))
    if line:
        yield line
    parts = list(_descendants(children))
    for again in [part for part in parts if local(part) == "title"][1:]:  # of media, mostly
        source.notes.ignore(plain_text(again))
    texts = [_text(part, source) for part in parts if local(part) in _TEXTS]
    yield from _different(texts, source)


def _descendants(children: list[Any]) -> Iterator[Any]:
    """Yield the children of an entry, and those of groups of media in it."""
    for child in children:
        yield child
        if local(child) in {"group", "thumbnail"} or (local(child) == "content" and not (child.text or "").strip()):
            yield from (each for each in child if local(each) in {"description", "title"})


def _known(children: list[Any]) -> Iterator[str]:
    dates = [plain_text(child) for child in children if local(child) in _DATES]
    yield dates[0] if dates else ""
    for child in children:
        name = next((plain_text(each) for each in child if local(each) == "name"), "")
        yield (name or plain_text(child)) if local(child) in _AUTHORS else ""
    words = [attribute(child, "label") or attribute(child, "term") or plain_text(child)
             for child in children if local(child) == "category"]  # fmt: skip
    yield ", ".join(filter(None, words))
    links = [
        attribute(child, "href") or plain_text(child)
        for child in children
        if local(child) == "link" and attribute(child, "rel", "alternate") == "alternate"
    ]
    yield f"[link]({links[0].replace(' ', '%20').replace(')', '%29')})" if links and links[0] else ""


def _inline(element: Any, source: Source) -> str:
    return " ".join(_text(element, source).split())


def _text(element: Any, source: Source) -> str:
    """Return a text in Markdown: markup that is written as text or stands in the feed itself, or plain text."""
    from lxml import etree

    if any(isinstance(child.tag, str) for child in element) and local(element) != "group":
        if attribute(element, "url"):  # media with a description of its own
            return ""
        for each in element.iter():
            each.tag = local(each) or each.tag
        return fragment_markdown(etree.tostring(element, encoding="unicode", with_tail=False), source, None)
    text = "".join(element.itertext()).strip()
    if attribute(element, "type") in {"text", "plain", "text/plain"} or not ("<" in text or "&" in text):
        return text
    return fragment_markdown(text, source, None)  # the sheets are those of its site


def _different(texts: list[str], source: Source) -> Iterator[str]:
    """Yield the texts that do not stand in another one."""
    plain = [" ".join(text.split()) for text in texts]
    for place, text in enumerate(texts):
        beginning = plain[place].rstrip(".… ")
        is_within = any(
            beginning in other and (len(other) > len(plain[place]) or at < place)
            for at, other in enumerate(plain)
            if at != place
        )
        if is_within:
            source.notes.ignore(text)
        elif text:
            yield text
