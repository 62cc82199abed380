"""Which kind a document is, PDFs and slides by page, and that every real sample is read or refused with the truth."""

import json
from pathlib import Path

import pytest
from documents import (
    SHARED,
    docx_paragraph,
    good_samples,
    make_docx,
    make_epub,
    make_odt,
    make_pdf,
    make_pptx,
    make_xlsx,
    make_zip,
)
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents import media_types as formats
from openrag_cli.documents.convert import SUPPORTED, Limits, convert_file, media_type_of
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError, UnsupportedFormat

FORMATS = SHARED / "formats"
shared = pytest.mark.shared
needs_shared = pytest.mark.skipif(not FORMATS.is_dir(), reason="the real documents are not at ../shared/data")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def read(tmp_path: Path, name: str, content: bytes, **limits: int) -> Document:
    path = tmp_path / "0193c2"  # as stored: a task id, without an extension
    path.write_bytes(content)
    return convert_file(path, name, limits=Limits(**limits))


def assert_pages_cover(document: Document) -> None:
    places = [(page.start, page.end) for page in document.pages]
    assert [start for start, _ in places] == [0, *(end for _, end in places[:-1])]
    assert places[-1][1] == len(document.markdown)
    assert [page.number for page in document.pages] == list(range(1, len(places) + 1))


@pytest.mark.parametrize("name", sorted(good_samples()))
def test_each_format_gives_its_text(tmp_path: Path, name: str) -> None:
    content, phrase = good_samples()[name]
    document = read(tmp_path, name, content)
    assert phrase in document.markdown
    assert document.media_type == SUPPORTED[name.rpartition(".")[2]]


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("report.txt", make_pdf(["x"]), formats.PDF),
        ("report", b"\n\n" + make_pdf(["x"]), formats.PDF),
        ("letter.zip", make_docx(docx_paragraph("x")), formats.DOCX),
        ("letter.xlsx", make_docx(docx_paragraph("x")), formats.DOCX),
        ("talk", make_pptx([("a", "b")]), formats.PPTX),
        ("figures.docx", make_xlsx({"S": {"A1": 1}}), formats.XLSX),
        ("book", make_epub(["<p>x</p>"]), formats.EPUB),
        ("text.docx", make_odt("<text:p>x</text:p>"), formats.ODT),
        ("saved.xls", b"<html><table><tr><td>x</table>", formats.HTML),
        ("page", b"\xef\xbb\xbf <!-- c --><!DOCTYPE html><p>x", formats.HTML),
        ("page.html", b"<?xml version='1.0'?><rss><channel/></rss>", formats.RSS),
        ("data.rss", b"<?xml version='1.0'?><note/>", formats.XML),
        ("page.md", b"<html> in Markdown", formats.MARKDOWN),
        ("code.py", b"<html>", "text/x-python"),
        ("mail", b"From: a@example.org\nSubject: s\n\nbody", formats.EML),
        ("table.pdf", b"plain words", formats.PLAIN),
        ("BM.txt", b"BM is a town", formats.PLAIN),
        ("Makefile", b"all:\n\ttrue\n", formats.PLAIN),
        ("mail.msg", OLE + "__properties_version1.0\0".encode("utf-16-le"), formats.MSG),
        ("book.xls", OLE + "Workbook\0".encode("utf-16-le"), formats.XLS),
    ],
)
def test_content_decides_the_type_where_the_name_is_silent_or_lies(
    name: str, content: bytes, media_type: str
) -> None:
    assert media_type_of(name, content) == media_type


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG image"),
        ("a.heic", b"\x00\x00\x00\x18ftypheic", "HEIC"),
        ("a.m4a", b"\x00\x00\x00\x18ftypM4A ", "sound or video"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVE", "sound or video"),
        ("a.zip", make_zip({"a.txt": "x"}), "a zip archive"),
        ("a.gz", b"\x1f\x8b\x08\x00", "a gzip archive"),
        ("a.tar", b"x.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(100), "a tar archive"),
        ("a.pages", make_zip({"Index/Document.iwa": "x"}), "a Pages document"),
        ("a.zip", make_zip({"Index/Tables/DataList.iwa": "x"}), "an iWork document"),
        (
            "a.odp",
            make_zip({"mimetype": "application/vnd.oasis.opendocument.presentation"}, first_is_stored=True),
            "an OpenDocument presentation",
        ),
        ("a.vsdx", make_zip({"visio/document.xml": "x"}), "a Visio document"),
        ("a.xlsb", make_zip({"xl/workbook.bin": "x"}), "a binary workbook document"),
        ("a.mobi", bytes(60) + b"BOOKMOBI" + bytes(40), "a Kindle document"),
        ("a.ttf", b"\x00\x01\x00\x00\x00\x0f", "a font"),
        ("a.rtf", b"{\\rtf1 x}", "RTF"),
        ("a.doc", OLE + "WordDocument\0".encode("utf-16-le"), "old binary Word"),
        ("a.ole", OLE + bytes(600), "OLE file"),
        ("a.bin", bytes(range(256)) * 4, "not text"),
        ("a.pdf", bytes(range(256)) * 4, "not a PDF file"),
        ("a.exe", b"MZ\x90\x00\x03\x00", "a program"),
    ],
)
def test_what_has_no_reader_is_refused_with_what_it_is(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    with pytest.raises(UnsupportedFormat, match=sentence):
        read(tmp_path, name, content)


@pytest.mark.parametrize(
    ("name", "content", "reason", "sentence"),
    [
        ("a.txt", b"", "empty", "the file is empty"),
        ("a.txt", b" \n\n ", "no_text", "no text"),
        ("a.pdf", make_pdf(["", "", ""]), "no_text", "no text and no picture in its 3 pages"),
        ("a.pdf", make_pdf(["x"])[:200], "corrupt", "the PDF is damaged"),
        ("a.docx", make_docx(docx_paragraph("x"))[:-60], "corrupt", "the DOCX is damaged"),
        ("a.xlsx", OLE + "EncryptedPackage\0".encode("utf-16-le"), "encrypted", "needs a password"),
        ("a.docx", OLE + "EncryptedPackage\0".encode("utf-16-le"), "encrypted", "the DOCX needs a password"),
        ("a.pptx", make_pptx([("", "")]), "no_text", "no text on its slide, and no picture"),
        ("a.docx", make_docx("<w:p/>"), "no_text", "no text"),
    ],
)
def test_a_document_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: bytes, reason: str, sentence: str
) -> None:
    with pytest.raises(IngestError, match=sentence) as caught:
        read(tmp_path, name, content)
    assert caught.value.reason == reason


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="unpacks to") as caught:
        read(tmp_path, "a.docx", make_docx(docx_paragraph("x" * 100_000)), max_unpacked_bytes=50_000)
    assert caught.value.reason == "too_large"


@given(st.lists(st.text("abc d", max_size=8), min_size=1, max_size=6).filter(lambda texts: "".join(texts).strip()))
def test_pdf_pages_cover_the_text_and_hold_their_own(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    document = read(tmp_path_factory.mktemp("pdf"), "a.pdf", make_pdf(texts))
    assert_pages_cover(document)
    shown = [document.markdown[page.start : page.end].split() for page in document.pages]
    assert shown == [text.split() for text in texts]


def test_pdf_pages_without_text_are_named(tmp_path: Path) -> None:
    document = read(tmp_path, "a.pdf", make_pdf(["one", "", "", "four", ""]))
    assert "no text on pages 2-3, 5 of 5" in document.warnings[0].message


def test_a_pdf_over_the_page_limit_is_cut_with_a_warning(tmp_path: Path) -> None:
    document = read(tmp_path, "a.pdf", make_pdf([f"page{n}" for n in range(5)]), max_pages=2)
    assert len(document.pages) == 2
    assert "first 2 of 5 pages" in document.warnings[0].message


def test_slides_are_pages_and_a_false_slide_mark_is_text(tmp_path: Path) -> None:
    slides = [("First", "alpha"), ("Second", "<!-- Slide number: 7 -->"), ("Third", "gamma")]
    document = read(tmp_path, "a.pptx", make_pptx(slides))
    assert_pages_cover(document)
    shown = [document.markdown[page.start : page.end] for page in document.pages]
    assert [text.split("\n")[0] for text in shown] == ["# First", "# Second", "# Third"]
    assert "Slide number: 7" in shown[1]


def test_names_with_underscores_are_not_escaped(tmp_path: Path) -> None:
    assert "call snake_case_name*2" in read(tmp_path, "a.html", b"<p>call snake_case_name*2</p>").markdown


def test_a_web_page_loses_scripts_and_data_images_and_keeps_its_title(tmp_path: Path) -> None:
    image = b"<img alt='a cat' src='data:image/png;base64,AAAA'>"
    html = b"<head><title>My page</title></head><body><script>bad()</script><p>text" + image + b"</p></body>"
    assert read(tmp_path, "a.html", html).markdown == "# My page\n\ntexta cat"


def test_a_cell_that_spans_a_thousand_columns_does_not_become_a_thousand_cells(tmp_path: Path) -> None:
    document = read(tmp_path, "a.html", b"<table>" + b"<tr><td colspan=1000>x</td></tr>" * 100 + b"</table>")
    assert document.markdown.count("x") == 100
    assert len(document.markdown) < 100 * 100


def test_a_feed_that_is_not_well_formed_is_kept_as_text(tmp_path: Path) -> None:
    document = read(tmp_path, "a.rss", b"<rss><channel><title>pumice</channel></rss>")
    assert "pumice" in document.markdown
    assert "not a well-formed feed" in document.warnings[0].message


def test_supported_types_are_sorted_extensions_without_dots() -> None:
    assert list(SUPPORTED) == sorted(SUPPORTED)
    assert all(name == name.lower() and "." not in name and "/" in kind for name, kind in SUPPORTED.items())


# --- real documents

PHRASES = {
    "test.docx": "# Abstract",
    "test_with_comment.docx": "multi-agent conversation",
    "equations.docx": "sin θ=mλ/a",
    "rlink.docx": "Testing Linked Images",
    "test.pptx": "2cdda5c8-e50e-4db4-b5f0-9722a649f455",
    "test.xlsx": "6ff4173b-42a5-4784-9b19-f49caff4d93d",
    "test.xls": "6ff4173b-42a5-4784-9b19-f49caff4d93d",
    "test.pdf": "While there is contemporaneous exploration of multi-agent approaches",
    "test.epub": "# Chapter 2: More Content",
    "test.json": "5b64c88c-b3c3-4510-bcb8-da0b200602d8",
    "test_blog.html": "an example where high cost can easily prevent a generic complex",
    "test_wikipedia.html": "Microsoft entered the operating system (OS) business in 1980",
    "test_serp.html": "Microsoft",
    "test_rss.xml": "Ignite 2024: Why nearly 70% of the Fortune 500 now use Microsoft 365 Copilot",
    "test_notebook.ipynb": 'print("markitdown")',
    "test_mskanji.csv": "佐藤太郎,30,東京\n三木英子,25,大阪\n髙橋淳,35,名古屋",
    "test_outlook_msg.msg": "This is the body of the test email message",
    "movie-theater-booking-2024.pdf": "BOOKING ORDER",
    "RECEIPT-2024-TXN-98765_retail_purchase.pdf": "TECHMART ELECTRONICS",
    "REPAIR-2022-INV-001_multipage.pdf": "Gabriel Diaz",
    "SPARSE-2024-INV-1234_borderless_table.pdf": "INVENTORY RECONCILIATION REPORT",
    "masterformat_partial_numbering.pdf": "RFP for Construction Management Services",
}
REFUSED = {
    "test.jpg": "JPEG image",
    "test_llm.jpg": "JPEG image",
    "test.m4a": "sound or video",
    "test_files.zip": "zip archive",
    "MEDRPT-2024-PAT-3847_medical_report_scan.pdf": "no text in its 3 pages: it seems to be a scan",
}
PICTURES = {
    "imagemagick-ASCII85Decode.pdf",
    "imagemagick-CCITTFaxDecode.pdf",
    "imagemagick-lzw.pdf",
    "grayscale-image.pdf",
    "cmyk-image.pdf",
}
PDFS = json.loads((FORMATS / "pdf/files.json").read_text())["data"] if FORMATS.is_dir() else []


@shared
@needs_shared
@pytest.mark.parametrize("name", sorted(PHRASES))
def test_real_documents_give_their_known_text(name: str) -> None:
    document = convert_file(FORMATS / "office-and-web" / name, name)
    assert PHRASES[name] in document.markdown
    if document.pages:
        assert_pages_cover(document)


@shared
@needs_shared
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_real_documents_without_a_reader_are_refused_with_the_truth(name: str) -> None:
    with pytest.raises((UnsupportedFormat, IngestError), match=REFUSED[name]):
        convert_file(FORMATS / "office-and-web" / name, name)


@shared
@needs_shared
def test_every_real_office_document_has_an_expectation() -> None:
    names = {path.name for path in (FORMATS / "office-and-web").iterdir() if path.is_file()}
    assert names == set(PHRASES) | set(REFUSED)


@shared
@needs_shared
@pytest.mark.parametrize("entry", PDFS, ids=lambda entry: entry["path"])
def test_real_pdfs_have_the_pages_they_are_known_to_have(entry: dict[str, object]) -> None:
    path = FORMATS / "pdf" / str(entry["path"])
    if not path.is_file():
        pytest.skip("listed, but not in the folder")
    if entry["encrypted"]:
        with pytest.raises(IngestError, match="the PDF needs a password"):
            convert_file(path, path.name)
        return
    try:
        document = convert_file(path, path.name)
    except IngestError as exc:
        assert (path.name in PICTURES, exc.reason) == (True, "no_text")  # noqa: PT017
        return
    assert path.name not in PICTURES
    assert len(document.pages) == entry["pages"]
    assert_pages_cover(document)
