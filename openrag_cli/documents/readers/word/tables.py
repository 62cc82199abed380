"""Tables of Word documents: cells that go on below (`vMerge`) and beside (`gridSpan`) as spans of one grid."""

from dataclasses import dataclass
from typing import Any

from openrag_cli.documents.readers.package import attribute, child_of, local, number_of
from openrag_cli.documents.readers.word.walker import HANDLERS, Walker
from openrag_cli.documents.tables import Cell, build_table

_MAX_SPAN = 100


@dataclass(slots=True)
class _Open:
    """A cell that may go on in the rows below."""

    text: str
    n_columns: int
    is_head: bool
    n_rows: int = 1


def write_table(walker: Walker, element: Any) -> None:
    """Write a table; one of a single column only frames its text."""
    walker.end()
    rows = list(_parts(element, "tr"))
    if walker.in_cell:
        lines = ["; ".join(filter(None, (_text(walker, cell) for cell in _parts(row, "tc")))) for row in rows]
        walker.writer.add_block("; ".join(filter(None, lines)))
    elif all(sum(1 for _ in _parts(row, "tc")) <= 1 for row in rows):
        for row in rows:
            for cell in _parts(row, "tc"):
                walker.writer.blocks += walker.inner(cell)
    else:
        grid = [
            [Cell(each.text, each.n_rows, each.n_columns, each.is_head) for each in row]
            for row in _grid(walker, rows)
        ]
        walker.writer.add_block(build_table(grid).markdown())
    walker.end()


def _grid(walker: Walker, rows: list[Any]) -> list[list[_Open]]:
    grid: list[list[_Open]] = []
    above: dict[int, _Open] = {}
    for row in rows:
        properties = child_of(row, "trPr")
        is_head = child_of(properties, "tblHeader") is not None
        column = _number(properties, "gridBefore")
        cells = [_Open("", column, is_head)] if column else []
        below: dict[int, _Open] = {}
        for cell in _parts(row, "tc"):
            state = child_of(cell, "tcPr")
            n_columns = max(1, min(_MAX_SPAN, _number(state, "gridSpan") or 1))
            merge = child_of(state, "vMerge")
            is_continued = merge is not None and attribute(merge, "val") != "restart"
            if is_continued and column in above:
                above[column].n_rows += 1
                below[column] = above[column]
                walker.source.notes.ignore(_text(walker, cell))
            else:
                cells.append(_Open(_text(walker, cell), n_columns, is_head))
                if merge is not None:
                    below[column] = cells[-1]
            column += n_columns
        grid.append(cells)
        above = below
    return grid


def _number(properties: Any, name: str) -> int:
    found = child_of(properties, name)
    return max(0, min(_MAX_SPAN, number_of(attribute(found, "val"), 0))) if found is not None else 0


def _text(walker: Walker, cell: Any) -> str:
    return " ".join(" ".join(walker.inner(cell, in_cell=True)).split())


def _parts(element: Any, name: str) -> Any:
    """Yield the rows or cells of a table, also those within content controls and insertions; deleted ones are none."""
    for child in element:
        kind = local(child)
        if kind == name:
            if name == "tr" and child_of(child, "trPr", "del") is not None:
                continue
            yield child
        elif kind in {"sdt", "sdtContent", "customXml", "ins", "smartTag", "moveTo"}:
            yield from _parts(child, name)


HANDLERS["tbl"] = write_table
