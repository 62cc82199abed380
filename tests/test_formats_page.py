"""`docs/formats.md` says of each format what is read and what is not, and each word of it is true."""

import io
import zipfile

import pytest
from formats_page import PAGE, ROWS, Row, page


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_a_row_claims_is_so(row: Row) -> None:
    markdown = row.document().markdown
    assert [what for what, text in row.reads.items() if text not in markdown] == []
    assert [what for what, text in row.leaves_out.items() if text in markdown] == []


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_is_left_out_stands_in_the_file(row: Row) -> None:
    content = row.content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = b"".join(map(archive.read, archive.namelist()))
    text = content.decode(errors="replace")
    assert [what for what, part in row.leaves_out.items() if part not in text] == []


def test_the_page_is_made_from_the_rows() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it: python tests/formats_page.py"
