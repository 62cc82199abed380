"""The title of a PDF: what it declares, else its largest lines where the name says nothing."""

from pathlib import Path

import pytest

from openrag_cli.documents.convert import convert_file

FILINGS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "filings" / "pdfs"


@pytest.fixture(scope="module")
def costco() -> Path:
    """A filing that declares an accession number and has its company in large letters."""
    path = FILINGS / "COSTCO_2021_10K.pdf"
    if not path.is_file():
        pytest.skip(f"the real documents are not at {FILINGS}")
    return path


def test_the_largest_lines_are_the_title_where_neither_name_nor_declaration_says_one(costco: Path) -> None:
    document = convert_file(costco, "0000909832-21-000014.pdf")
    assert "Costco Wholesale Corporation" in document.metadata["title"]


def test_a_letterhead_is_not_added_to_a_name_that_says_what_the_file_is(costco: Path) -> None:
    assert "title" not in convert_file(costco, "COSTCO_2021_10K.pdf").metadata
