"""Headings of a PDF without an outline: items and numbered lines in a row, and nothing that only looks like them."""

from pathlib import Path

import pytest
from framed_reports import drawn

from openrag_cli.documents.chunking.outline import sections
from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.readers.pdf_pages.numbered import numbered_headings

BODY = "The harbour was quiet in the year that was reported, and the crews mended the sheds and the two cranes by hand.\n"


def titles(text: str) -> list[tuple[int, str]]:
    return [(heading.level, heading.title) for heading in numbered_headings(text)]


def test_items_of_a_filing_are_headings_and_its_contents_are_none() -> None:
    contents = (
        "PART I\nItem 1. Business\nItem 1A. Risk Factors\nItem 7. Discussion and Analysis\nItem 8. Statements 35\n"
    )
    body = "".join(
        f"{item}\n{BODY}As told in\nItem 7 of this report. {BODY}"
        for item in (
            "Item 1. Business.",
            "ITEM 1A. Risk Factors",
            "Item 7. Discussion and Analysis",
            "Item 8. Statements",
        )
    )
    assert titles(contents + BODY + body) == [
        (1, "Item 1. Business"),
        (1, "Item 1A. Risk Factors"),
        (1, "Item 7. Discussion and Analysis"),
        (1, "Item 8. Statements"),
    ]


def test_items_begin_again_in_the_second_part() -> None:
    items = [
        "PART I\nItem 1. Statements",
        "Item 2. Discussion",
        "PART II\nItem 1. Legal Proceedings",
        "Item 6. Exhibits",
    ]
    found = titles("".join(f"{item}\n{BODY}" for item in items))
    assert [title for _, title in found] == [
        "Item 1. Statements", "Item 2. Discussion", "Item 1. Legal Proceedings", "Item 6. Exhibits",
    ]  # fmt: skip


def test_two_items_are_enough_and_two_numbered_lines_are_not() -> None:
    assert [title for _, title in titles(f"Item 7. Discussion\n{BODY}Item 8. Statements\n{BODY}")] == [
        "Item 7. Discussion", "Item 8. Statements",
    ]  # fmt: skip
    assert titles(f"1 Discussion\n{BODY}2 Statements\n{BODY}") == []


def test_numbered_lines_that_follow_one_another_are_headings_by_depth() -> None:
    lines = ["1 Scope", "1.1 Terms used", "1.2 Cranes", "2. Duties of the crew", "2.1 Watches", "3 Penalties"]
    assert titles("".join(f"{line}\n{BODY}" for line in lines)) == [
        (1, "1 Scope"), (2, "1.1 Terms used"), (2, "1.2 Cranes"), (1, "2 Duties of the crew"), (2, "2.1 Watches"),
        (1, "3 Penalties"),
    ]  # fmt: skip


def test_numbered_lines_stand_below_items() -> None:
    lines = ["Item 1. Trade", "Item 7. Discussion", "Item 8. Statements", "1 Policies", "2 Debt", "3 Leases"]
    found = titles("".join(f"{line}\n{BODY}" for line in lines))
    assert [level for level, _ in found] == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{number}. Sheds and cranes {number} are painted\n" for number in range(1, 9)) + BODY,
        "".join(f"{number} Sheds and cranes in the {number * 11}\n{BODY}" for number in range(1, 9)),
        "".join(f"{number}. The sheds are painted in the spring of the\nyear. {BODY}" for number in range(1, 9)),
        "".join(f"{number} Sheds {1000 + number}   {2000 + number}\n{BODY}" for number in range(1, 9)),
        f"1 Scope\n{BODY}7 Sheds\n{BODY}12 Cranes\n{BODY}",
        f"4 Scope\n{BODY}5 Sheds\n{BODY}6 Cranes\n{BODY}",
        f"{BODY}Item 7. Discussion\n{BODY}",
        "",
    ],
    ids=["list", "contents", "paragraphs", "rows", "no row", "no beginning", "one", "empty"],
)
def test_what_only_looks_like_headings_is_none(text: str) -> None:
    assert titles(text) == []


def test_text_below_an_item_is_under_it(tmp_path: Path) -> None:
    page = BODY.split(", ")
    path = tmp_path / "report.pdf"
    path.write_bytes(
        drawn(tuple((head, *page * 3) for head in ("Item 1. Business", "Item 7. Discussion", "Item 8. Statements")))
    )
    document = convert_file(path, path.name)
    paths = [section.path for section in sections(document)]
    assert paths == [("Item 1. Business",), ("Item 7. Discussion",), ("Item 8. Statements",)]
    for heading in document.outline:
        assert document.markdown[heading.start : heading.end].strip() == heading.title
