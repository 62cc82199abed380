"""One rectangle for the tables of every format: spans, heads, lines above the head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents.tables import Cell, build_table, find_head, table_of


def cells(*texts: str, is_head: bool = False) -> list[Cell]:
    return [Cell(text, is_head=is_head) for text in texts]


def test_a_cell_that_spans_rows_stands_in_each_of_them():
    rows = [
        cells("Region", "Depot", "Tonnes"),
        [Cell("North", n_rows=2), *cells("Kiel", "11")],
        cells("Flensburg", "22"),
    ]
    assert build_table(rows).markdown() == (
        "| Region | Depot | Tonnes |\n| --- | --- | --- |\n| North | Kiel | 11 |\n| North | Flensburg | 22 |"
    )


def test_a_cell_that_spans_columns_stands_in_each_of_them():
    rows = [cells("a", "b", "c"), [Cell("x", n_columns=2), Cell("y")], cells("p", "q", "r")]
    assert build_table(rows).rows == (("x", "x", "y"), ("p", "q", "r"))


def test_a_head_of_two_lines_is_joined():
    rows = [
        [Cell("Item", n_rows=2), Cell("2031", n_columns=2), Cell("2030", n_columns=2)],
        cells("Q1", "Q2", "Q1", "Q2"),
        cells("Pumps", "1", "2", "3", "4"),
    ]
    assert build_table(rows).head == ("Item", "2031 Q1", "2031 Q2", "2030 Q1", "2030 Q2")


def test_lines_above_the_head_are_the_caption_and_a_line_inside_stands_once():
    rows = [
        [Cell("Balance sheet", n_columns=3)],
        [Cell("in millions", n_columns=3)],
        cells("", "2031", "2030"),
        cells("Cash", "10", "20"),
        [Cell("Debts", n_columns=3)],
        cells("Loans", "30", "40"),
    ]
    table = build_table(rows)
    assert table.caption == ("Balance sheet", "in millions")
    assert table.head == ("", "2031", "2030")
    assert table.rows == (("Cash", "10", "20"), ("Debts", "", ""), ("Loans", "30", "40"))


def test_a_marked_head_is_taken_though_it_holds_figures():
    rows = [cells("Size", "36", "38", "40", is_head=True), cells("Waist", "70", "74", "78")]
    assert build_table(rows).head == ("Size", "36", "38", "40")


def test_figures_without_names_have_no_head():
    assert table_of([["1", "2"], ["3", "4"]]).head == ("", "")
    assert find_head([["1", "2"], ["3", "4"]]) == (0, 0)


def test_a_table_of_words_has_its_first_row_as_head():
    table = table_of([["Word", "Meaning"], ["lock", "gate"], ["weir", "dam"], ["lea", "field"]])
    assert table.head == ("Word", "Meaning")
    assert len(table.rows) == 3


def test_bars_and_line_breaks_stay_inside_their_cell():
    assert table_of([["a|b", "c\nd"]]).markdown() == "| a\\|b | c d |\n| --- | --- |"


def test_empty_rows_and_columns_are_left_out():
    assert build_table(
        [cells("", "", ""), cells("a", "b", ""), cells("", "", ""), cells("1", "2", "")]
    ).markdown() == ("| a | b |\n| --- | --- |\n| 1 | 2 |")
    assert build_table([]).markdown() == ""


@pytest.mark.parametrize("span", [3, 1_000, 10**9])
def test_a_span_that_lies_about_its_size_makes_no_columns_without_a_cell(span: int):
    table = build_table([cells("a", "b"), [Cell("x", n_rows=span, n_columns=span), Cell("y")], cells("1")])
    assert (table.head, table.rows) == (("a", "b", ""), (("x", "x", "y"), ("x", "x", "1")))


@given(
    st.lists(
        st.lists(
            st.builds(
                Cell,
                st.sampled_from(["", "word", "12", "2031", "1.5 %"]),
                n_rows=st.integers(0, 70_000),
                n_columns=st.integers(0, 2_000),
                is_head=st.booleans(),
            ),
            max_size=8,
        ),
        max_size=12,
    )
)
def test_every_table_is_a_rectangle_that_holds_every_text(rows: list[list[Cell]]):
    table = build_table(rows)
    assert all(len(row) == len(table.head) for row in table.rows)
    text = table.markdown()
    assert all(cell.text in text for row in rows for cell in row)
