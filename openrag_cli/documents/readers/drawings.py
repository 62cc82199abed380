"""What Word documents and presentations share: charts, SmartArt diagrams, and what a document says of itself."""

from typing import Any

from openrag_cli.documents.readers.package import Package, attribute, child_of, local, plain_text
from openrag_cli.documents.tables import Cell, build_table
from openrag_cli.domain import Metadata


def chart_blocks(root: Any) -> list[str]:
    """Return the title of a chart and the table of its series."""
    title = next((plain_text(element) for element in root.iter() if local(element) == "title"), "")
    names, columns = [], []
    categories: dict[str, str] = {}
    for series in root.iter():
        if local(series) != "ser":
            continue
        name = child_of(series, "tx")
        names.append(" ".join(_points(name).values()) or (plain_text(name) if name is not None else ""))
        for kind in ("cat", "xVal"):
            categories = _points(child_of(series, kind)) or categories
        columns.append(_points(child_of(series, "val")) or _points(child_of(series, "yVal")))
    places = list(dict.fromkeys(place for points in [categories, *columns] for place in points))
    head = [Cell("", is_head=True), *(Cell(name, is_head=True) for name in names)]
    rows = [
        [Cell(categories.get(place, "")), *(Cell(points.get(place, "")) for points in columns)] for place in places
    ]
    return [block for block in (build_table([head, *rows], caption=title).markdown(),) if block]


def _points(element: Any) -> dict[str, str]:
    """Return the cached points of a series by their place."""
    points = {}
    for point in element.iter() if element is not None else ():
        if local(point) == "pt":
            value = child_of(point, "v")
            points[attribute(point, "idx")] = plain_text(value) if value is not None else ""
    return points


def diagram_blocks(root: Any) -> list[str]:
    """Return the texts of a SmartArt diagram as items of a list."""
    items = []
    for point in root.iter():
        if local(point) == "pt" and child_of(point, "t") is not None:
            text = " ".join(plain_text(part) for part in child_of(point, "t") if local(part) == "p").strip()
            items += [f"- {text}"] if text else []
    return items


def core_properties(package: Package) -> Metadata:
    """Return what the document says of itself: title, author, date, keywords."""
    root = package.xml("docProps/core.xml")
    known = {"title": "title", "creator": "author", "created": "date", "modified": "modified",
             "keywords": "keywords", "subject": "subject"}  # fmt: skip
    found: Metadata = {}
    for element in root if root is not None else ():
        key, value = known.get(local(element)), plain_text(element)
        if key and value:
            found[key] = value
    return found


def meta_properties(package: Package) -> Metadata:
    """Return what an OpenDocument file says of itself, in the names of `core_properties`."""
    root = package.xml("meta.xml")
    known = {"title": "title", "initial-creator": "author", "creation-date": "date", "date": "modified",
             "keyword": "keywords", "subject": "subject"}  # fmt: skip
    found: Metadata = {}
    for element in root.iter() if root is not None else ():
        key, value = known.get(local(element)), plain_text(element)
        if key and value:
            found[key] = f"{found[key]}, {value}" if key in found else value
    return found
