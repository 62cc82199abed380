"""`docs/formats.md` says of each format what is read and what is not, and each word of it is true."""

import io
import zipfile
from pathlib import Path

import pytest
from formats_page import PAGE, ROWS, Row, page

from openrag_cli.documents.notes import Notes, letters
from openrag_cli.documents.readers.base import Limits, Source
from openrag_cli.documents.witness.texts import WITNESSES


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


WITNESSED = {row.name: row for row in ROWS if row.document().media_type in WITNESSES}


@pytest.mark.parametrize("name", WITNESSED)
def test_the_guard_takes_the_text_of_a_file_by_other_means(tmp_path: Path, name: str) -> None:
    row = WITNESSED[name]
    document = row.document()
    assert "text_lost" not in {warning.code for warning in document.warnings}
    path = tmp_path / "stored"
    path.write_bytes(row.content)
    source = Source(path, row.filename, document.media_type, Limits(), lambda _: None)
    wanted = letters("".join(WITNESSES[document.media_type](source)))
    assert wanted.total() > 5
    assert Notes().lost(["x" * 40], "") is not None


def test_nearly_every_reader_of_a_form_is_guarded() -> None:
    unguarded = {row.name for row in ROWS} - set(WITNESSED)
    verbatim = {
        "Plain text, source code, logs",
        "Markdown",
        "AsciiDoc",
        "Org",
        "LaTeX",
        "Texinfo",
        "Manual page, ms paper",
        "POD",
        "MediaWiki",
        "Textile",
        "BBCode",
        "JSON, Java properties",
        "Calendars and contacts",
        "Separated values",
    }
    assert unguarded == verbatim | {"PDF"}


def test_the_page_is_made_from_the_rows() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it: python tests/formats_page.py"
