"""Documents that are one file of XML: flat OpenDocument, Word 2003 and later, Excel 2003, DocBook."""

# ruff: noqa: E501 - bodies of documents

import base64
import io
import zipfile
from pathlib import Path

import pytest
from test_odt import NAMES as ODF
from test_slides import saved, slide_of
from test_word import make_docx, p, r, relation

from openrag_cli.documents import media_types as formats
from openrag_cli.documents.convert import convert_file, media_type_of
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError, UnsupportedFormat

OPEN_DOCUMENT = "application/vnd.oasis.opendocument"


def read(tmp_path: Path, content: str | bytes, name: str, *, keeps_hidden: bool = False) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return convert_file(path, name, keeps_hidden=keeps_hidden)


def codes(document: Document) -> list[str]:
    return [warning.code for warning in document.warnings]


def flat(body: str, kind: str = "text", head: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document {ODF} office:mimetype="{OPEN_DOCUMENT}.{kind}">{head}'
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"
    )


# --- OpenDocument


def test_a_flat_text_is_read_like_one_of_parts(tmp_path):
    meta = "<office:meta><dc:title>Rules</dc:title><meta:initial-creator xmlns:meta='urn:m'>Ada</meta:initial-creator></office:meta>"
    body = (
        "<text:h text:outline-level='2'>Mooring</text:h><text:p>Ten<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>As amended.</text:p></text:note-body></text:note></text:p>"
        "<text:p><draw:frame><draw:image><office:binary-data>QUJDREVG</office:binary-data></draw:image></draw:frame>seen</text:p>"
    )
    document = read(tmp_path, flat(body, head=meta), "a.fodt")
    assert document.media_type == f"{OPEN_DOCUMENT}.text-flat-xml"
    assert document.markdown == "## Mooring\n\nTen [1]\n\n[1] As amended.\n\nseen"
    assert (document.metadata, codes(document)) == ({"title": "Rules", "author": "Ada"}, [])


def test_blanks_and_links_of_a_comment_keep_its_words_apart(tmp_path):
    note = "<office:annotation><text:p>See <text:a>x.com</text:a><text:s/>there,<text:tab/>or<text:line-break/>here.</text:p></office:annotation>"
    document = read(tmp_path, flat(f"<text:p>Words{note}.</text:p>"), "a.fodt")
    assert " ".join(document.markdown.split()) == "Words. Comment: See x.com there, or here."


def test_a_formula_within_a_flat_text_stands_once_though_it_is_written_twice(tmp_path):
    source = "<annotation encoding='StarMath 5.0'>{size 12 {a over b} left ( matrix {1 # 2} right )}</annotation>"
    math = f"<math xmlns='http://www.w3.org/1998/Math/MathML'><semantics><mfrac><mi>a</mi><mi>b</mi></mfrac>{source}</semantics></math>"
    document = read(
        tmp_path,
        flat(f"<text:p>It is <draw:frame><draw:object>{math}</draw:object></draw:frame>.</text:p>"),
        "a.fodt",
    )
    assert (document.markdown, codes(document)) == ("It is a/b.", [])


def test_what_was_deleted_is_no_text_though_a_flat_file_keeps_it_in_its_place(tmp_path):
    changes = (
        "<text:tracked-changes><text:changed-region text:id='c1'><text:deletion/></text:changed-region>"
        "<text:changed-region text:id='c2'><text:insertion/></text:changed-region></text:tracked-changes>"
    )
    body = (
        "<text:p>stay <text:change-start text:change-id='c1'/>withdrawn</text:p><text:p>clause <text:span>gone</text:span>"
        "<text:change-end text:change-id='c1'/>free <text:change-start text:change-id='c2'/>now<text:change-end text:change-id='c2'/>.</text:p>"
    )
    document = read(tmp_path, flat(changes + body), "a.fodt")
    assert (document.markdown.split(), codes(document)) == (["stay", "free", "now."], [])


def test_a_flat_spreadsheet_has_its_cells_once_though_a_chart_repeats_them(tmp_path):
    def table(name: str, *rows: tuple[str, ...], inner: str = "") -> str:
        cells = (
            "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in row) for row in rows
        )
        return f"<table:table table:name='{name}'>{inner}{''.join(f'<table:table-row>{row}</table:table-row>' for row in cells)}</table:table>"

    chart = f"<office:document><office:body><office:chart>{table('local', ('Depot', 'Stock'), ('Kiel', '11'))}</office:chart></office:body></office:document>"
    shapes = f"<table:shapes><draw:frame><draw:object>{chart}</draw:object></draw:frame></table:shapes>"
    document = read(
        tmp_path, flat(table("Depots", ("Depot", "Stock"), ("Kiel", "11"), inner=shapes), "spreadsheet"), "a.fods"
    )
    assert document.markdown == "## Depots\n\n| Depot | Stock |\n| --- | --- |\n| Kiel | 11 |"
    assert (document.media_type, codes(document)) == (f"{OPEN_DOCUMENT}.spreadsheet-flat-xml", [])


@pytest.mark.parametrize(("kind", "name"), [("presentation", "presentation"), ("graphics", "drawing")])
def test_other_flat_kinds_are_called_by_name(kind, name):
    with pytest.raises(UnsupportedFormat, match=f"an OpenDocument {name}, which") as raised:
        media_type_of("a.fodp", flat("", kind).encode())
    assert raised.value.hint


# --- Word

WORD_2003 = 'xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml" xmlns:wx="urn:wx" xmlns:aml="urn:aml" xmlns:v="urn:v" xmlns:o="urn:o"'


def word_2003(body: str, head: str = "") -> str:
    return f'<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument {WORD_2003}>{head}<w:body>{body}</w:body></w:wordDocument>'


def annotated(kind: str, inner: str) -> str:
    return (
        f'<aml:annotation aml:author="Ada" w:type="Word.{kind}"><aml:content>{inner}</aml:content></aml:annotation>'
    )


LISTS = (
    '<w:lists><w:listDef w:listDefId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:nfc w:val="1"/><w:lvlText w:val="%1."/></w:lvl></w:listDef>'
    '<w:list w:ilfo="1"><w:ilst w:val="0"/></w:list></w:lists>'
)
STYLES = '<w:styles><w:style w:type="paragraph" w:styleId="x"><w:name w:val="heading 2"/></w:style><w:style w:type="paragraph" w:styleId="y"><w:name w:val="Heading_20_1"/></w:style></w:styles>'
LISTED = '<w:listPr><w:ilvl w:val="0"/><w:ilfo w:val="1"/></w:listPr>'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (p(r("Mooring"), properties='<w:pStyle w:val="x"/>') + p(r("Fees"), properties='<w:pStyle w:val="y"/>'), "## Mooring\n\n# Fees"),
        (p(r("first"), properties=LISTED) + p(r("second"), properties=LISTED), "I. first\n\nII. second"),
        (p(r("Ten"), "<w:r><w:footnote>" + p(r("As amended.")) + "</w:footnote></w:r>", r(" here.")), "Ten [1] here.\n\n[1] As amended."),
        (p(r("Ask"), "<w:r>" + annotated("Comment", p(r("Why?"))) + "</w:r>"), "Ask\n\nComment (Ada): Why?"),
        (p(r("stay"), annotated("Deletion", "<w:r><w:delText>gone</w:delText></w:r>"), annotated("Insertion", r(" free"))), "stay free"),
        (p(r("10"), r("6", '<w:vertAlign w:val="superscript"/>'), r("hid", "<w:vanish/>")), "10^6"),
        (p("<w:hlink w:dest='https://x.example/'>", r("the site"), "</w:hlink>"), "[the site](https://x.example/)"),
        (p(r("Words.")) + '<w:sectPr><w:hdr w:type="odd">' + p(r("Harbour")) + "</w:hdr></w:sectPr>", "Harbour\n\nWords."),
        (p("<w:r><w:pict><w:binData w:name='a.png'>QUJD</w:binData><v:shape><v:textbox><w:txbxContent>" + p(r("Boxed.")) + "</w:txbxContent></v:textbox></v:shape></w:pict></w:r>"), "Boxed."),
        (
            "<w:tbl><w:tr><w:tc>" + p(r("Depot")) + "</w:tc><w:tc>" + p(r("Stock")) + "</w:tc></w:tr>"
            '<w:tr><w:tc><w:tcPr><w:vmerge w:val="restart"/></w:tcPr>' + p(r("North")) + "</w:tc><w:tc>" + p(r("11")) + "</w:tc></w:tr>"
            "<w:tr><w:tc><w:tcPr><w:vmerge/></w:tcPr>" + p() + "</w:tc><w:tc>" + p(r("12")) + "</w:tc></w:tr></w:tbl>",
            "| Depot | Stock |\n| --- | --- |\n| North | 11 |\n| North | 12 |",
        ),
    ],
)  # fmt: skip
def test_word_2003_is_read_like_its_successor(tmp_path, body, text):
    document = read(tmp_path, word_2003(f"<wx:sect>{body}</wx:sect>", LISTS + STYLES), "a.xml")
    assert (document.media_type, document.markdown) == (formats.WORD_XML, text)
    assert set(codes(document)) <= {"hidden_text_left_out"}


def test_word_2003_says_what_it_is_called(tmp_path):
    head = "<o:DocumentProperties><o:Title>Rules</o:Title><o:Author>Ada</o:Author></o:DocumentProperties>"
    assert read(tmp_path, word_2003(p(r("Words.")), head), "a.doc").metadata == {"title": "Rules", "author": "Ada"}


def flat_package(content: bytes) -> str:
    """Return an office document as one file of XML, as Word and PowerPoint save it."""
    parts = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            part = archive.read(name)
            if name.endswith((".xml", ".rels")):
                data = f"<pkg:xmlData>{part.decode().partition('?>')[2] if part.startswith(b'<?xml') else part.decode()}</pkg:xmlData>"
            else:
                data = f"<pkg:binaryData>{base64.b64encode(part).decode()}</pkg:binaryData>"
            kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
            parts.append(f'<pkg:part pkg:name="/{name}" pkg:contentType="{kind}">{data}</pkg:part>')
    return (
        '<?xml version="1.0"?><?mso-application progid="Word.Document"?>'
        f'<pkg:package xmlns:pkg="http://schemas.microsoft.com/office/2006/xmlPackage">{"".join(parts)}</pkg:package>'
    )


def test_words_xml_is_read_like_its_archive(tmp_path):
    content = make_docx(
        p(r("Rules"), properties='<w:pStyle w:val="Heading1"/>')
        + p(r("Ten"), '<w:r><w:footnoteReference w:id="2"/></w:r>', '<w:r><w:drawing><wp:docPr id="1" descr="A weir"/><a:blip r:embed="pic"/></w:drawing></w:r>'),
        relations=relation("pic", "image", "media/a.png"),
        footnotes='<w:footnotes><w:footnote w:id="2">' + p(r("As amended")) + "</w:footnote></w:footnotes>",
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as copy:
            for name in archive.namelist():
                copy.writestr(name, archive.read(name))
            copy.writestr("word/media/a.png", b"\x89PNG")
    whole = read(tmp_path, buffer.getvalue(), "a.docx")
    document = read(tmp_path, flat_package(buffer.getvalue()), "a.xml")
    assert document.media_type == formats.WORD_XML
    assert (document.markdown, document.warnings) == (whole.markdown, whole.warnings)
    assert "[1] As amended" in document.markdown


def test_powerpoints_xml_is_read_like_its_archive(tmp_path):
    show, _ = slide_of((1, 1, "The lock"), (1, 3, "is mended"))
    whole = read(tmp_path, saved(show), "a.pptx")
    package = flat_package(saved(show)).replace("wordprocessingml.document", "presentationml.presentation")
    document = read(tmp_path, package, "a.xml")
    assert document.media_type == formats.SLIDES_XML
    assert (document.markdown, document.pages) == (whole.markdown, whole.pages)
    assert document.markdown == "The lock\n\nis mended"


# --- Excel 2003

EXCEL = 'xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet" xmlns:x="urn:schemas-microsoft-com:office:excel"'


def excel(rows: str, *, styles: str = "", head: str = "", options: str = "") -> str:
    return (
        f'<?xml version="1.0"?>\n<?mso-application progid="Excel.Sheet"?>\n<Workbook {EXCEL}>{head}<Styles>{styles}</Styles>'
        f'<Worksheet ss:Name="Depots"><Table>{rows}</Table>{options}</Worksheet></Workbook>'
    )


def row(*cells: str, extra: str = "") -> str:
    return f"<Row{extra}>{''.join(cells)}</Row>"


def cell(text: str, kind: str = "String", extra: str = "", inner: str = "") -> str:
    return f'<Cell{extra}><Data ss:Type="{kind}">{text}</Data>{inner}</Cell>'


HEAD_ROW = row(cell("Depot"), cell("Stock"))


@pytest.mark.parametrize(
    ("code", "kind", "value", "shown"),
    [
        ("0.0%", "Number", "0.075", "7.5%"),
        ("Percent", "Number", "0.5", "50.00%"),
        ("00000", "Number", "1067", "01067"),
        ("Standard", "Number", "1234.5", "1,234.50"),
        ("Yes/No", "Number", "0", "No"),
        ("Short Date", "DateTime", "2024-03-17T00:00:00.000", "2024-03-17"),
        ("", "DateTime", "2024-03-17T08:30:00.000", "2024-03-17 08:30:00"),
        ("[h]:mm", "DateTime", "1900-01-01T03:00:00.000", "27:00"),
        ("[h]:mm", "DateTime", "1899-12-31T27:00:00.000", "27:00"),
        ("Short Time", "DateTime", "1899-12-31T01:30:00.000", "1:30"),
        ("", "Boolean", "1", "TRUE"),
        ("", "Number", "1067", "1067"),
    ],
)
def test_values_of_excel_2003_stand_as_they_are_shown(tmp_path, code, kind, value, shown):
    styles = f'<Style ss:ID="s"><NumberFormat ss:Format="{code}"/></Style>' if code else ""
    book = excel(HEAD_ROW + row(cell("Kiel"), cell(value, kind, ' ss:StyleID="s"')), styles=styles)
    document = read(tmp_path, book, "a.xls")
    assert document.media_type == formats.SHEET_XML
    assert document.markdown == f"## Depots\n\n| Depot | Stock |\n| --- | --- |\n| Kiel | {shown} |"
    assert codes(document) == []


def test_dates_that_count_from_1904_are_the_same(tmp_path):
    style = '<Style ss:ID="s"><NumberFormat ss:Format="yyyy-mm-dd"/></Style>'
    head = "<x:ExcelWorkbook><x:Date1904/></x:ExcelWorkbook>"
    book = excel(
        HEAD_ROW + row(cell("Kiel"), cell("2024-03-17T00:00:00.000", "DateTime", ' ss:StyleID="s"')),
        styles=style,
        head=head,
    )
    assert "| Kiel | 2024-03-17 |" in read(tmp_path, book, "a.xml").markdown


@pytest.mark.parametrize("at", [' ss:Index="2"', ""])
def test_merged_cells_of_excel_2003_stand_in_each_place(tmp_path, at):
    rows = row(cell("Region"), cell("Depot"), cell("Stock")) + row(
        cell("North", extra=' ss:MergeDown="1"'), cell("Kiel"), cell("11", "Number")
    )
    rows += row(cell("closed", extra=f'{at} ss:MergeAcross="1"')) + row(
        cell("South", extra=' ss:Index="1"'), cell("5", "Number", ' ss:Index="3"'), extra=' ss:Index="6"'
    )
    markdown = read(tmp_path, excel(rows), "a.xml").markdown
    assert markdown.endswith("| North | Kiel | 11 |\n| North | closed | closed |\n| South |  | 5 |")


def test_what_excel_2003_does_not_show_is_left_out(tmp_path):
    styles = '<Style ss:ID="w"><Font ss:Color="#FFFFFF"/></Style><Style ss:ID="b"><Font ss:Color="#FFFFFF"/><Interior ss:Color="#000080" ss:Pattern="Solid"/></Style><Style ss:ID="n"><NumberFormat ss:Format=";;;"/></Style>'
    columns = '<Column/><Column/><Column ss:Hidden="1" ss:Index="4"/>'
    rows = HEAD_ROW + row(
        cell("Kiel", extra=' ss:StyleID="b"'),
        cell("white", extra=' ss:StyleID="w"'),
        cell("silent", extra=' ss:StyleID="n"'),
        cell("column"),
        cell("seen"),
    )
    rows += row(cell("row"), extra=' ss:Hidden="1"')
    document = read(tmp_path, excel(columns + rows, styles=styles), "a.xml")
    assert document.markdown.endswith("| Kiel |  | seen |")
    assert codes(document) == ["hidden_text_left_out"]
    every = read(tmp_path, excel(columns + rows, styles=styles), "a.xml", keeps_hidden=True).markdown
    assert all(word in every for word in ("white", "silent", "column", "row", "seen"))


def test_a_hidden_sheet_of_excel_2003_is_left_out(tmp_path):
    options = "<x:WorksheetOptions><x:Visible>SheetHidden</x:Visible></x:WorksheetOptions>"
    with pytest.raises(IngestError, match="no text"):
        read(tmp_path, excel(HEAD_ROW, options=options), "a.xml")
    assert "Depot" in read(tmp_path, excel(HEAD_ROW, options=options), "a.xml", keeps_hidden=True).markdown


def test_comments_raised_text_and_formulas_of_excel_2003(tmp_path):
    note = '<Comment ss:Author="Ada"><ss:Data>Ask legal</ss:Data></Comment>'
    raised = '<Cell><ss:Data ss:Type="String" xmlns="http://www.w3.org/TR/REC-html40">10<Sup>6</Sup> <B>t</B></ss:Data></Cell>'
    rows = HEAD_ROW + row(cell("Kiel", inner=note), raised) + row(cell("Sum"), '<Cell ss:Formula="=R[-1]C*2"/>')
    document = read(tmp_path, excel(rows), "a.xml")
    assert document.markdown.endswith("| Kiel | 10^6 t |\n| Sum | =R[-1]C*2 |\n\nComment (Ada): Ask legal")
    assert codes(document) == ["not_calculated"]


def test_a_cut_workbook_is_read_as_far_as_it_is(tmp_path):
    document = read(tmp_path, excel(HEAD_ROW + row(cell("Kiel"), cell("11"))).partition("</Table>")[0], "a.xls")
    assert "| Kiel | 11 |" in document.markdown
    assert codes(document) == ["damaged_part"]


# --- which is which


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        ("<?xml version='1.0'?><config><port>80</port></config>", formats.XML),
        ("<package xmlns='http://www.idpf.org/2007/opf'><metadata/></package>", formats.XML),
        ("<pkg:package xmlns:pkg='http://schemas.microsoft.com/office/2006/xmlPackage'><pkg:part pkg:contentType='application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml'/></pkg:package>", formats.SLIDES_XML),
        ("<pkg:package xmlns:pkg='http://schemas.microsoft.com/office/2006/xmlPackage'/>", formats.XML),
        ("<Workbook><Sheet/></Workbook>", formats.XML),
        ("<article><front><p>a paper</p></front></article>", formats.XML),
        ("<book><title>T</title><price>9</price></book>", formats.XML),
        ("<xsl:stylesheet xmlns:xsl='http://www.w3.org/1999/XSL/Transform' xmlns:d='http://docbook.org/ns/docbook'/>", formats.XML),
        ("<chapter id='c'><title>T</title><para>Words.</para></chapter>", formats.DOCBOOK),
        ("<!DOCTYPE refentry PUBLIC '-//OASIS//DTD DocBook XML V4.2//EN' 'x'><refentry/>", formats.DOCBOOK),
        ("<d:book xmlns:d='http://docbook.org/ns/docbook'/>", formats.DOCBOOK),
        ("<!-- a remark --><article xmlns=\"http://docbook.org/ns/docbook\" version='5.0'/>", formats.DOCBOOK),
    ],
)  # fmt: skip
def test_xml_is_told_by_its_root(content, media_type):
    assert media_type_of("a.xml", content.encode()) == media_type


@pytest.mark.parametrize("name", ["a.svg", "a.rss"])
def test_the_encoding_that_xml_states_is_that_of_the_file(tmp_path, name):
    inner = (
        "<svg xmlns='http://www.w3.org/2000/svg'><text>{}</text></svg>"
        if name == "a.svg"
        else "<rss><channel><item><title>{}</title></item></channel></rss>"
    )
    for encoding, word in (
        ("iso-8859-1", "déjà vu"),
        ("windows-1251", "Причал"),
        ("utf-8", "Łódź"),
        ("utf-16", "Ärger"),
    ):
        content = f"<?xml version='1.0' encoding='{encoding}'?>\n{inner.format(word)}".encode(encoding)
        assert word in read(tmp_path, content, name).markdown
