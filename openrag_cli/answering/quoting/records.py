"""The rows of a passage of CSV or TSV, as Markdown below the head of their table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.documents.chunking.table_rows import table_regions
from openrag_cli.domain import Document, Passage

SEPARATED = frozenset({"text/csv", "text/tab-separated-values"})


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that stand together, characters `start` to `end` of the document: the cells of the head, and those of each row."""

    start: int
    end: int
    head: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]

    @property
    def shown(self) -> str:
        """The rows as a Markdown table."""
        head = self.head or ("",) * max(map(len, self.cells), default=0)
        return "\n".join([_line(head), _line(["---"] * len(head)), *map(_line, self.cells)])

    @property
    def text(self) -> str:
        """What they say."""
        return " ".join([*self.head, *(cell for row in self.cells for cell in row)])


def rows_of(passage: Passage, most: int) -> Iterator[Rows]:
    """Yield each row of a passage; then all of them together, where these are more than one and `most` at most."""
    head = passage.head[-1:]
    whole = "\n".join([*head, passage.text])
    offset = passage.start - (len(whole) - len(passage.text))
    for region in table_regions(Document(whole, media_type=passage.file.media_type)):
        found: list[Rows] = []
        for start, end in region.rows:
            begin = max(start, region.body)
            places = region.cells_of(begin, end) if region.cells_of else [(begin, end)]
            cells = tuple(_plain(whole[low:high]) for low, high in places)
            if any(cells):
                found.append(
                    Rows(offset + begin, offset + begin + len(whole[begin:end].rstrip()), region.head, (cells,))
                )
        yield from found
        if 1 < len(found) <= most:
            yield Rows(found[0].start, found[-1].end, region.head, tuple(row.cells[0] for row in found))


def _plain(cell: str) -> str:
    cell = " ".join(cell.split())
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"').strip() if is_quoted else cell


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
