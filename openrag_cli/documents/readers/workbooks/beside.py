"""What stands beside the cells of a sheet of XLSX: comments, text boxes, the titles of charts."""

from collections.abc import Iterator
from typing import Any

from openrag_cli.documents.readers.package import Package, attribute, local, plain_text
from openrag_cli.documents.readers.workbooks.sheets import one_line


def lines_beside(package: Package, part: str) -> list[str]:
    """Return the comments of a sheet with their cells, then the texts of what is drawn on it."""
    kinds: dict[str, list[str]] = {}
    for kind, target, is_outside in package.relations(part).values():
        if not is_outside:
            kinds.setdefault(kind, []).append(target)
    threads = kinds.get("threadedComment", [])
    comments = threads or kinds.get("comments", [])  # threads stand in the older form too
    names = ("threadedComment", "text") if threads else ("comment", "text")
    found = [line for target in comments for line in _comments(package.xml(target), *names)]
    for target in kinds.get("drawing", []):
        found += _drawn(package, target)
    return list(dict.fromkeys(found))


def _comments(root: Any, name: str, inner: str) -> Iterator[str]:
    for comment in root.iter() if root is not None else ():
        if local(comment) != name:
            continue
        text = " ".join(_text(each) for each in comment if local(each) == inner)
        if text.strip():
            yield f"Comment ({attribute(comment, 'ref')}): {one_line(text)}"


def _text(element: Any) -> str:
    """Return the text of a comment, without how its characters are pronounced."""
    return "".join(
        each.text or ""
        for each in element.iter()
        if local(each) in {"t", "text"} and not any(local(above) == "rPh" for above in each.iterancestors())
    )


def _drawn(package: Package, part: str) -> Iterator[str]:
    root = package.xml(part)
    for paragraph in root.iter() if root is not None else ():
        if local(paragraph) == "p" and plain_text(paragraph):
            yield plain_text(paragraph)
    for kind, target, is_outside in package.relations(part).values():
        chart = package.xml(target) if kind == "chart" and not is_outside else None
        for title in chart.iter() if chart is not None else ():
            is_name = local(title) == "v" and local(title.getparent()) == "tx"  # of a series, which no cell holds
            if (is_name or local(title) == "title") and plain_text(title):
                yield plain_text(title)
