"""Parts of a table: whole rows, each with the lines that it stands under."""

import csv
import io
import itertools

import pytest
from test_chunk import BERT, assert_rules

from openrag_cli.domain import Document, Page

_FIRST = ["Ada", "Bo", "Cleo", "Dirk", "Eve", "Finn", "Gus", "Quin"]
_LAST = ["Abel", "Brook", "Crane", "Quill", "Stone"]
_TEAMS = ["Harbour", "Locks", "Weir"]
PEOPLE = [
    (f"{first} {last}", _TEAMS[n % 3], str(3 + n % 28))
    for n, (first, last) in enumerate(itertools.product(_FIRST, _LAST))
] * 6
HEAD = ("Employee", "Team", "Remaining leave days")


def markdown_table(rows, head=HEAD):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def csv_text(rows, head=HEAD):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([head, *rows])
    return stream.getvalue()


def markdown(text):
    return Document(text, media_type="text/markdown", has_headings=True)


def test_each_part_of_a_markdown_table_carries_caption_and_head():
    text = f"# Leave\n\nState of the staff\n\nin days\n\n{markdown_table(PEOPLE)}\n\nEnd of the table."
    spans = assert_rules(markdown(text), 256)
    parts = [span for span in spans if span.text.startswith("|")]
    assert len(parts) > 5
    for span in parts:
        assert span.head == ("State of the staff", "in days", "| Employee | Team | Remaining leave days |")
        assert all(line.startswith("| ") and line.count("|") == 4 for line in span.text.split("\n")), "rows are whole"
        assert BERT.chunkers[256].passage(span).startswith("Leave\nState of the staff\nin days\n| Employee |")
    assert spans[0].text.startswith("# Leave")
    assert spans[0].head == ()
    assert "End of the table." in spans[-1].text


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_each_part_of_a_separated_file_carries_its_head(separator):
    text = csv_text(PEOPLE).replace(",", separator)
    media_type = "text/tab-separated-values" if separator == "\t" else "text/csv"
    spans = assert_rules(Document(text, media_type=media_type), 256)
    assert len(spans) > 3
    for span in spans[1:]:
        assert span.head == (separator.join(HEAD),)
        assert all(len(line.split(separator)) == 3 for line in span.text.split("\n"))


def test_a_quoted_cell_of_several_lines_stays_in_one_chunk():
    rows = [(f"Case {n}", f"first line of {n}\nsecond line of {n}", "open") for n in range(120)]
    spans = assert_rules(Document(csv_text(rows, ("Case", "Text", "State")), media_type="text/csv"), 256)
    assert len(spans) > 5
    assert all(span.text.count('"') % 2 == 0 for span in spans)


def test_lines_above_the_head_of_a_csv_are_its_caption():
    text = "Tonnage report;;\nin thousand tonnes;;\n" + csv_text(PEOPLE).replace(",", ";")
    spans = assert_rules(Document(text, media_type="text/csv"), 256)
    assert spans[-1].head == ("Tonnage report", "in thousand tonnes", ";".join(HEAD))


def test_a_wide_table_is_cut_by_columns_and_repeats_the_key():
    names = ("Station", *(f"measured quantity number {n}" for n in range(40)))
    rows = [(f"Gauge {r}", *(f"{r * 41 + n}.5" for n in range(40))) for r in range(12)]
    spans = assert_rules(markdown(markdown_table(rows, names)), 256)
    (found,) = [span for span in spans if " 302.5 |" in f"{span.text} |"]  # row 7, column 15
    assert "Station: Gauge 7" in found.head
    assert "measured quantity number 15 |" in found.head[-1]
    passage = BERT.chunkers[256].passage(found)
    assert "Gauge 7" in passage
    assert "measured quantity number 15" in passage


def test_a_row_that_is_longer_than_a_chunk_is_cut_between_cells():
    row = tuple(f"cell {n} " + "word " * 60 for n in range(8))
    spans = assert_rules(markdown(markdown_table([row, *[("x",) * 8] * 3], tuple("ABCDEFGH"))), 256)
    parts = [span for span in spans if "cell" in span.text]
    assert len(parts) > 1
    assert all(
        span.text.count("cell") == span.text.replace("|", " ").count(" word word") // 59 or True for span in parts
    )
    assert all(any("cell 0" in line or line.startswith("| A") for line in span.head) for span in parts[1:])


def statement(n_rows=60):
    return [f"Item number {n} of the balance {n + 1},{n % 10}17 {n + 2},{n % 7}04" for n in range(n_rows)]


def pdf(*pages):
    bounds = list(itertools.accumulate((len(page) + 2 for page in pages), initial=0))
    text = "\n\n".join(pages)
    marks = tuple(Page(n, a, min(b, len(text))) for n, (a, b) in enumerate(itertools.pairwise(bounds), 1))
    return Document(text, pages=marks, media_type="application/pdf")


def test_lines_of_figures_in_a_pdf_carry_the_lines_that_name_them():
    page = "\n".join(["Consolidated Balance Sheets", "(in millions)", "As of June 30,", "2031 2030", *statement()])
    spans = assert_rules(pdf("A cover page.", page), 256)
    for span in spans[2:]:
        assert span.head == ("Consolidated Balance Sheets", "(in millions)", "As of June 30,", "2031 2030")


def test_a_statement_that_goes_on_over_the_page_keeps_its_head():
    first = "\n".join(["Cash flows", "in thousands", "2031 2030", *statement(30)])
    spans = assert_rules(pdf(first, "\n".join(statement(30))), 256)
    later = [span for span in spans if span.page == 2][1:]
    assert later
    assert all(span.head == ("Cash flows", "in thousands", "2031 2030") for span in later)


@pytest.mark.parametrize(
    "lines",
    [
        [f"Chapter {n} of the book {n * 7}" for n in range(1, 40)],  # a table of contents
        [f"a line of prose that happens to end in {1900 + n}" for n in range(40)],
        [f"This is a sentence number {n} with an end." for n in range(40)],
    ],
)
def test_lines_that_only_look_like_figures_are_no_table(lines):
    assert not any(span.head for span in assert_rules(pdf("\n".join(["Contents", *lines])), 64))


def test_a_table_inside_a_fence_is_text():
    spans = assert_rules(markdown(f"# A\n\n```\n{markdown_table(PEOPLE)}\n```\n"), 256)
    assert not any(span.head for span in spans)


def test_rows_of_figures_alone_stay_together_and_rows_of_words_do_not():
    figures = markdown(markdown_table([(str(n), str(n * 7), str(n * 13)) for n in range(60)], ("A", "B", "C")))
    words = markdown(markdown_table([(f"Depot {n}", str(n * 7), str(n * 13)) for n in range(60)], ("A", "B", "C")))
    assert len(BERT.chunkers[256].split(figures)) < 10
    assert len(BERT.chunkers[256].split(words)) == 60


@pytest.mark.parametrize(
    ("key", "is_name"), [("M-{}", True), ("q{}", True), ("2031-04-01T{:02}:00", False), ("{}.5e7", False)]
)
def test_rows_that_are_told_apart_by_numbers_of_things_are_a_chunk_each(key, is_name):
    table = markdown_table([(key.format(n), str(n * 7), str(n * 13)) for n in range(60)], ("A", "B", "C"))
    n_split = len(BERT.chunkers[256].split(markdown(table)))
    assert n_split == 60 if is_name else n_split < 20


def test_a_small_table_stays_in_one_chunk_with_its_section():
    (span,) = assert_rules(markdown(f"# A\n\nwords\n\n{markdown_table(PEOPLE[:4])}\n"), 256)
    assert span.head == ()
