"""Whether the part of a table that holds the row is found first: 40 questions over five tables of invented text.

    python benchmarks/tables.py [--rows N] [--per-table N] [--named] [--show]

One table each as XLSX, CSV, DOCX, HTML and PDF, of the same length, in one store; a question names a column and a row
("remaining leave days of Quin Quill") and is right when the first hit holds that row. Printed: the share for each
mode of search and each format, and with --show the questions that are missed. With --named each cell but the first is
written as `column: value`, which tells what it would gain to embed rows so.
"""

import argparse
import csv
import io
import itertools
import random
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openrag_cli.config.settings import load
from openrag_cli.domain import SearchMode, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions
from openrag_cli.retrieval.request import SearchRequest


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    "Quin Ada Boris Cleo Dirk Elin Finn Gesa Hugo Ines Jost Kaja "
    "Lars Mila Nils Olga Piet Rune Sina Tove Ulla Vera Wim Yara"
)
_LAST = _words(
    "Quill Abel Brook Crane Dorn Esser Falk Gant Holm Iver Jarl "
    "Kolb Lund Moss Noor Orth Pohl Raab Sand Thorn Uhl Voss Wahl"
)
_PLACE = _words(
    "Kiel Husum Passau Linz Emden Gouda Arles Cadiz Turku Gdynia "
    "Vigo Bergen Narva Split Bari Odense Calais Porto Riga Ghent"
)
_THING = _words(
    "pump winch buoy anchor sluice crane barge lamp valve chain "
    "hawser rudder ladder fender cleat mast oar gauge hatch pulley"
)
_KIND = _words(
    "steel brass copper oak rubber bronze zinc nylon hemp slate "
    "cork glass iron pine canvas leather tin lead birch granite"
)
_SIDE = _words(
    "North South East West Quay Lock Weir Mill Gate Bridge "
    "Tower Ferry Basin Canal Marsh Point Island Market Castle Meadow"
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the cells that the first hit must hold on one line."""

    text: str
    cells: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file with one table, and questions over it."""

    name: str
    content: bytes
    questions: tuple[Question, ...]


Rows = list[tuple[str, ...]]


def table_files(n_rows: int = 400, per_table: int = 8, seed: int = 7, *, is_named: bool = False) -> list[TableFile]:
    """Return the five files with their questions; `is_named` writes the cells of a row as `column: value`."""
    chance = random.Random(seed)
    specs: list[tuple[str, str, str, tuple[str, ...], Callable[[], list[str]], Callable[..., bytes], str]] = [
        ("leave.xlsx", "Leave of the staff", "in days", ("Employee", "Team", "Leave taken", "Remaining leave days"),
         lambda: _pairs(chance, _FIRST, _LAST), _xlsx, "{column} of {key}"),
        ("stock.csv", "", "", ("Article", "Depot", "Pieces in stock", "Price in crowns"),
         lambda: _pairs(chance, _KIND, _THING), _csv, "What is the {column} of the {key}?"),
        ("fees.docx", "Mooring fees", "in crowns per night", ("Berth", "Harbour", "Summer fee", "Winter fee"),
         lambda: [f"Berth {letter}{n}" for letter in "ABCDEFGHJK" for n in range(10, 60)], _docx, "{column} of {key}"),
        ("gauges.html", "Water levels", "in centimetres", ("Gauge", "River", "Mean level", "Highest level"),
         lambda: _pairs(chance, _PLACE, _SIDE), _html, "How high is the {column} at {key}?"),
        ("budget.pdf", "Budget of the harbour office", "(in thousands of crowns)", ("", "Planned", "Spent"),
         lambda: [f"{place} {thing} repairs" for place, thing in itertools.product(_PLACE, _THING)], _pdf,
         "{column} for {key}"),
    ]  # fmt: skip
    files = []
    for name, title, unit, head, keys, write, form in specs:
        rows: Rows = []
        for key in keys()[:n_rows]:
            words = (chance.choice(_PLACE),) if len(head) == 4 else ()
            rows.append((key, *words, str(chance.randint(100, 999)), str(chance.randint(1_000, 9_999))))
        asked = chance.sample(rows, per_table)
        questions = tuple(
            Question(form.format(column=head[-1 - at % 2].lower(), key=row[0]), (row[0], row[-1 - at % 2]))
            for at, row in enumerate(asked)
        )
        written = [_named(head, row) for row in rows] if is_named else rows
        files.append(TableFile(name, write(title, unit, head, written), questions))
    return files


def _named(head: tuple[str, ...], row: tuple[str, ...]) -> tuple[str, ...]:
    return (row[0], *(f"{name}: {cell}" for name, cell in zip(head[1:], row[1:], strict=True)))


def _pairs(chance: random.Random, first: Sequence[str], last: Sequence[str]) -> list[str]:
    pairs = [f"{a} {b}" for a, b in itertools.product(first, last)]
    chance.shuffle(pairs)
    return pairs


def _csv(_title: str, _unit: str, head: tuple[str, ...], rows: Rows) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([head, *rows])
    return stream.getvalue().encode()


def _xlsx(title: str, unit: str, head: tuple[str, ...], rows: Rows) -> bytes:
    import openpyxl

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in ((title,), (unit,), (), head, *rows):
        sheet.append([int(cell) if cell.isdigit() else cell for cell in row])
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def _html(title: str, unit: str, head: tuple[str, ...], rows: Rows) -> bytes:
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    names = "".join(f"<th>{name}</th>" for name in head)
    return f"<h1>{title}</h1><p>{unit}</p><table><tr>{names}</tr>{lines}</table>".encode()


def _docx(title: str, unit: str, head: tuple[str, ...], rows: Rows) -> bytes:
    def paragraph(text: str) -> str:
        return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"

    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in (head, *rows))
    table = f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = f'<w:document xmlns:w="{space}"><w:body>{paragraph(title)}{paragraph(unit)}{table}</w:body></w:document>'
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}"/></Types>'
    )
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in (("[Content_Types].xml", types), ("_rels/.rels", relations), ("word/document.xml", body)):
            archive.writestr(name, text)
    return stream.getvalue()


def _pdf(title: str, unit: str, head: tuple[str, ...], rows: Rows) -> bytes:
    """Write pages of 50 rows; the head stands on the first alone."""
    lines = [(title, "", ""), (unit, "", ""), ("", *head[1:]), *rows]
    pages = [lines[at : at + 50] for at in range(0, len(lines), 50)]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for at, page in enumerate(pages):
        drawn = []
        for n, line in enumerate(page):
            for x, cell in zip((50, 330, 430), line, strict=True):
                text = cell.replace("(", r"\(").replace(")", r"\)")
                drawn += [f"BT /F1 10 Tf {x} {760 - 14 * n} Td ({text}) Tj ET"] if cell else []
        content = "\n".join(drawn)
        bodies += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * at} 0 R>>",
            f"<</Length {len(content)}>>stream\n{content}\nendstream",
        ]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(bodies) + 1
    end = (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>startxref\n{len(out)}\n%%EOF"
    )
    return (out + end).encode("latin-1")


def holds_row(text: str, cells: tuple[str, str]) -> bool:
    """Whether one line of a text has the row's first cell and the value that was asked for."""
    return any(cells[0] in line and cells[1] in line for line in text.split("\n"))


def missed(engine: Engine, files: Sequence[TableFile], mode: SearchMode) -> dict[str, list[Question]]:
    """Return for each file the questions whose row is not in the first hit."""
    found: dict[str, list[Question]] = {}
    for file in files:
        found[file.name] = []
        for question in file.questions:
            hits = engine.search(SearchRequest(question.text, top_k=1, mode=mode))
            if not hits or not holds_row(hits[0].chunk.span.text, question.cells):
                found[file.name].append(question)
    return found


def main() -> None:
    """Index the tables and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400, help="rows of each table (400)")
    parser.add_argument("--per-table", type=int, default=8, help="questions over each table (8)")
    parser.add_argument("--named", action="store_true", help="write cells as `column: value`")
    parser.add_argument("--show", action="store_true", help="print the questions that are missed")
    options = parser.parse_args()
    files = table_files(options.rows, options.per_table, is_named=options.named)
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file.name).write_bytes(file.content)
        with Engine(load({"store": f"{folder}/store"}).settings) as engine:
            sources = collect([Path(folder) / file.name for file in files]).sources
            engine.add_sources(sources, AddOptions("tables", new_task_id()))
            n = len(files) * options.per_table
            print(f"{'mode':8}{'first':>8}  missed by file")
            for mode in SearchMode:
                by_file = missed(engine, files, mode)
                n_missed = sum(map(len, by_file.values()))
                rest = ", ".join(f"{name} {len(few)}" for name, few in by_file.items() if few)
                print(f"{mode:8}{1 - n_missed / n:8.2f}  {rest}")
                for question in itertools.chain(*by_file.values()) if options.show else ():
                    print(f"         {question.text} -> {question.cells}")


if __name__ == "__main__":
    main()
