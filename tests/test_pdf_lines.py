"""Lines of a PDF in the order they are read: right-to-left text with numbers, raised numbers, drawn tables."""

from pathlib import Path

import pytest
from test_pdf_pages import TOKENIZER, drawn, read, text_at

from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.readers.pdf_pages.bidi import Glyph, with_lines_turned


def glyphs(visual: str) -> list[Glyph]:
    """Return the characters of a line as they are drawn, from left to right."""
    return [Glyph(char, 10.0 * at, 10.0 * at + 9.9, 0.0, 16.0) for at, char in enumerate(visual)]


# --- right to left


@pytest.mark.parametrize(
    ("visual", "logical"),
    [
        ("1099-A :" + "מספר הזמנה"[::-1], "מספר הזמנה: 1099-A"),
        ("A-1099 :" + "מספר"[::-1], "מספר: A-1099"),
        ("31.12.2025 " + "תאריך"[::-1], "תאריך 31.12.2025"),
        ("03-5551234 :" + "טלפון"[::-1], "טלפון: 03-5551234"),
        (".2026 " + "משנת"[::-1] + " 15%-" + "ב"[::-1], "ב-15% משנת 2026."),
        ("david@example.org :" + "דואל"[::-1], "דואל: david@example.org"),
        ("1,250.50 :" + "סכום"[::-1], "סכום: 1,250.50"),
        ("22-4711 :" + "رقم الفاتورة"[::-1], "رقم الفاتورة: 4711-22"),
        (".2026 " + "سنة"[::-1] + " %15 " + "بنسبة"[::-1], "بنسبة 15% سنة 2026."),
        ("31/12/2025 " + "قبل"[::-1], "قبل 31/12/2025"),
        ("(" + "נספח"[::-1] + ") " + "ראו"[::-1], "ראו (נספח)"),
        (")" + "נספח"[::-1] + "( " + "ראו"[::-1], "ראו (נספח)"),
        ("Plain 123 456 " + "שלום עולם"[::-1] + " end", "Plain 123 שלום עולם 456 end"),
        ("the word " + "שלום"[::-1] + " means peace", "the word שלום means peace"),
    ],
)
def test_numbers_and_names_beside_right_to_left_text_stay_whole(visual: str, logical: str) -> None:
    assert with_lines_turned(visual, lambda: [glyphs(visual)]) == logical


def test_lines_of_other_scripts_are_left_as_they_are() -> None:
    text = "A-1099: Kiel\nشارع 7"
    turned = with_lines_turned(text, lambda: [glyphs("A-1099: Kiel"), glyphs("7 " + "شارع"[::-1])])
    assert turned == text


def test_letters_of_a_ligature_and_marks_keep_their_order() -> None:
    row = [
        Glyph(char, left, left + 9.9, 0.0, 16.0) for char, left in (("ا", 20), ("ل", 20), ("\u064e", 21), ("م", 10))
    ]
    assert with_lines_turned("سلام", lambda: [row]) == "لا\u064eم"


def test_a_right_to_left_line_of_a_page_is_read_as_it_looks(tmp_path: Path) -> None:
    names = {ord("a") + at: char for at, char in enumerate("מספרחשבון")}
    rows = "\n".join(f"<{code:02x}> <{ord(char):04x}>" for code, char in names.items())
    cmap = f"begincmap 1 begincodespacerange <00> <ff> endcodespacerange {len(names)} beginbfchar\n{rows}\nendbfchar endcmap"
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 7 0 R>>"
    label = "ihgfe dcba"  # drawn from left to right, as such letters are
    page = f"BT /F2 12 Tf 200 700 Td ({label}) Tj ET " + text_at(100, 700, "A-1099") + text_at(197, 700, ":")
    stream = f"<</Length {len(cmap)}>>stream\n{cmap}\nendstream"
    document = read(tmp_path, drawn([page], fonts="/F2 6 0 R", more=(font, stream)))
    assert document.markdown == "מספר חשבון: A-1099"


# --- raised and lowered


def row(*pieces: tuple[str, float, float]) -> str:
    """Return a line of pieces of text: (text, size, rise)."""
    shown = "".join(f"/F1 {size} Tf {rise} Ts ({text}) Tj " for text, size, rise in pieces)
    return f"BT 60 700 Td {shown}ET "


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([("Of 2.5 x 10", 12, 0), ("6", 8, 5), (" cells", 12, 0)], "Of 2.5 x 10^6 cells"),
        ([("area of 40 m", 12, 0), ("2", 8, 5), (", and CO", 12, 0), ("2", 8, -3), (".", 12, 0)], "area of 40 m², and CO₂."),
        ([("Net sales", 12, 0), ("(1)", 7, 5), (" 410", 12, 0)], "Net sales (1) 410"),
        ([("since 2031", 10, 0), ("2", 6, 4)], "since 2031^2"),
        ([("on the 21", 12, 0), ("st", 8, 5), (" of May", 12, 0)], "on the 21st of May"),
        ([("A Small", 12, 0), (" cap", 9, 0), ("s word", 12, 0)], "A Small caps word"),
        ([("price 12", 12, 0), (" 99", 8, 5)], "price 12 99"),
    ],
)  # fmt: skip
def test_raised_and_lowered_text_is_not_glued_to_a_number(tmp_path: Path, pieces, text: str) -> None:
    assert read(tmp_path, drawn([row(*pieces)])).markdown == text


# --- drawn tables


def grid(rows: list[list[str]], top: float = 700, *, width: float = 120, height: float = 40) -> str:
    """Return a table with all its lines; a cell's text has a line for each `/`."""
    left, right = 60.0, 60 + width * len(rows[0])
    bottom = top - height * len(rows)
    shown = [f"{left} {top - height * at} m {right} {top - height * at} l S\n" for at in range(len(rows) + 1)]
    shown += [f"{left + width * at} {top} m {left + width * at} {bottom} l S\n" for at in range(len(rows[0]) + 1)]
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            for at, line in enumerate(filter(None, cell.split("/"))):
                shown.append(text_at(left + width * x + 4, top - height * y - 14 - 12 * at, line))
    return "".join(shown)


HEAD_ROW, DEPOTS = (
    ["Depot", "Stock", "Remark"],
    [["Kiel", "11", "second shelf/on the left"], ["Husum", "22", "empty"]],
)


def test_a_table_that_is_drawn_with_lines_has_its_rows(tmp_path: Path) -> None:
    page = text_at(60, 720, "Stock of depots") + grid([HEAD_ROW, *DEPOTS]) + text_at(60, 500, "It was counted twice.")
    assert read(tmp_path, drawn([page])).markdown == (
        "Stock of depots\n\n| Depot | Stock | Remark |\n| --- | --- | --- |\n| Kiel | 11 | second shelf on the left |\n"
        "| Husum | 22 | empty |\n\nIt was counted twice."
    )


def test_a_cell_that_spans_rows_and_raised_text_stand_in_a_drawn_table(tmp_path: Path) -> None:
    table = grid([["North", "Kiel", "11"], ["", "Husum", "22"]], top=660)
    table = table.replace("60.0 620 m 420 620 l S", "180 620 m 420 620 l S")
    table += grid([["Region", "Depot", "Area"]]) + "BT 350 680 Td /F1 11 Tf (m) Tj /F1 7 Tf 5 Ts (2) Tj ET\n"
    rows = read(tmp_path, drawn([table])).markdown.split("\n")
    assert "| Region | Depot | Area m² |" in " ".join(rows) or "m²" in " ".join(rows)
    assert rows[-2:] == ["| North | Kiel | 11 |", "| North | Husum | 22 |"]


def test_a_table_that_goes_on_on_the_next_page_keeps_its_head_in_every_part(tmp_path: Path) -> None:
    first, second = ([[f"Depot {n}", str(n), "empty"] for n in range(start, start + 15)] for start in (1, 16))
    pages = [grid([HEAD_ROW, *first], top=780, height=45), grid(second, top=780, height=45)]
    document = read(tmp_path, drawn(pages))
    assert document.markdown.count("Depot | Stock | Remark") == 1
    spans = Chunker(TOKENIZER, 128).split(document)
    assert len(spans) > 2
    assert all("Remark" in " ".join((*span.head, span.text)) for span in spans)


@pytest.mark.parametrize(
    "page",
    [
        "60 700 m 400 700 l S 60 700 m 60 500 l S 400 700 m 400 500 l S 60 500 m 400 500 l S "
        + text_at(70, 680, "A note in a frame.") + text_at(70, 660, "It has two lines."),
        "60 700 m 400 700 l S 60 600 m 400 600 l S " + text_at(70, 680, "Between two rules."),
    ],
)  # fmt: skip
def test_frames_and_rules_are_no_tables(tmp_path: Path, page: str) -> None:
    assert "|" not in read(tmp_path, drawn([page])).markdown
