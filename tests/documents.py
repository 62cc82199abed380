"""Builders of small real documents for tests, good and hostile."""

import io
import zipfile
import zlib
from email.message import EmailMessage
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1] / "../shared/data"
TOKENIZER = Path(__file__).parents[1] / "openrag_cli/models/all-MiniLM-L6-v2/tokenizer.json"
MAX_TOKENS = 256

WORD_NS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Target="word/document.xml" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)


def make_zip(parts: dict[str, str | bytes], *, first_is_stored: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, (name, content) in enumerate(parts.items()):
            stored = first_is_stored and place == 0
            archive.writestr(name, content, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def make_docx(body: str, doctype: str = "") -> bytes:
    document = f'<?xml version="1.0"?>{doctype}<w:document xmlns:w="{WORD_NS}"><w:body>{body}</w:body></w:document>'
    return make_zip({"[Content_Types].xml": _TYPES, "_rels/.rels": _RELATIONS, "word/document.xml": document})


def docx_paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def make_pdf(pages: list[str], *, filler: bytes = b"") -> bytes:
    """Return a PDF with one line of ASCII text on each page; an empty string is a page without text."""
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for index, text in enumerate(pages):
        drawn = b"BT /F1 12 Tf 20 700 Td (%s) Tj ET" % text.encode("ascii") if text else b"0 0 m 9 9 l S"
        stream = zlib.compress(filler + drawn)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % (5 + 2 * index)
        )
        objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream))
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%sendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>startxref\n%d\n%%%%EOF" % (
        count, table, count, len(out),
    )  # fmt: skip


def make_xlsx(sheets: dict[str, dict[str, object]]) -> bytes:
    """Return a workbook of sheets, each a map of cell name to value."""
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, cells in sheets.items():
        sheet = workbook.create_sheet(name)
        for place, value in cells.items():
            sheet[place] = value
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def make_ods(tables: str, styles: str = "") -> bytes:
    """Return an OpenDocument spreadsheet of `table:table` elements."""
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "style")
    )
    content = (
        f"<office:document-content {names}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    return make_zip(
        {"mimetype": kind, "META-INF/manifest.xml": "<manifest/>", "content.xml": content}, first_is_stored=True
    )


def make_pptx(slides: list[tuple[str, str]]) -> bytes:
    """Return a presentation of (title, body) slides."""
    import pptx

    presentation = pptx.Presentation()
    for title, body in slides:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    buffer = io.BytesIO()
    presentation.save(buffer)
    return buffer.getvalue()


def make_epub(chapters: list[str]) -> bytes:
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    items = "".join(f'<item id="{n}" href="{n}" media-type="application/xhtml+xml"/>' for n in names)
    spine = "".join(f'<itemref idref="{n}"/>' for n in names)
    opf = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A small book</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
        '<rootfiles><rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles>'
        "</container>"
    )
    pages = {name: f"<html><body>{body}</body></html>" for name, body in zip(names, chapters, strict=True)}
    parts = {"mimetype": "application/epub+zip", "META-INF/container.xml": container, "book.opf": opf, **pages}
    return make_zip(parts, first_is_stored=True)


def make_odt(body: str) -> bytes:
    names = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    names += 'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    names += 'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
    content = f"<office:document-content {names}><office:body><office:text>{body}</office:text></office:body>"
    return make_zip(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": content + "</office:document-content>",
        },
        first_is_stored=True,
    )


def make_mail(*, plain: str | None = None, html: str | None = None, charset: str = "utf-8") -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Ana <ana@example.org>", "Bo <bo@example.org>"
    message["Subject"] = "Réunion de jeudi"
    if plain is not None:
        message.set_content(plain, charset=charset)
    if html is not None and plain is not None:
        message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    message.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="plan.bin")
    return message.as_bytes()


_ODS = (
    '<table:table table:name="S"><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell>'
    "<table:table-cell><text:p>Share</text:p></table:table-cell></table:table-row><table:table-row>"
    '<table:table-cell><text:p>Gauge</text:p></table:table-cell><table:table-cell office:value-type="percentage" '
    'office:value="0.075"><text:p>7.5 %</text:p></table:table-cell></table:table-row></table:table>'
)


def good_samples() -> dict[str, tuple[bytes, str]]:
    """Return file name -> (content, a phrase that its text holds)."""
    feed = b"<rss version='2.0'><channel><title>News</title><item><title>pumice found</title></item></channel></rss>"
    return {
        "report.pdf": (make_pdf(["quartz on page one", "basalt on page two"]), "basalt on page two"),
        "letter.docx": (make_docx(docx_paragraph("a letter about granite")), "about granite"),
        "talk.pptx": (make_pptx([("Opening", "of feldspar"), ("Closing", "of mica")]), "of mica"),
        "figures.xlsx": (make_xlsx({"Stones": {"A1": "name", "A2": "obsidian"}}), "obsidian"),
        "sums.ods": (make_ods(_ODS), "Gauge | 7.5 %"),
        "book.epub": (make_epub(["<h1>One</h1><p>the marble chapter</p>"]), "the marble chapter"),
        "text.odt": (make_odt('<text:h text:outline-level="2">Slate</text:h><text:p>roofs</text:p>'), "## Slate"),
        "page.html": (b"<title>Page</title><p>a sandstone page</p>", "a sandstone page"),
        "feed.rss": (feed, "pumice found"),
        "mail.eml": (make_mail(plain="the gneiss is here\n"), "the gneiss is here"),
        "note.ipynb": (b'{"cells":[{"cell_type":"markdown","source":["# Schist\\n"]}]}', "# Schist"),
        "rows.csv": ("nom,âge\nété,3\n".encode("utf-16"), "été,3"),
        "words.txt": ("à l'été dernier, très gêné\n".encode("cp1252"), "très gêné"),
    }


CASES = SHARED.parent / "cases" / "documents"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not at ../shared/cases/documents")
