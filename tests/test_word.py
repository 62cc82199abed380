"""Word documents as text: what is not known is walked through, and what is broken costs itself."""

# ruff: noqa: E501 - bodies of documents

from pathlib import Path

import pytest
from documents import CASES, make_zip, needs_cases

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.readers.word.numbers import written
from openrag_cli.domain import Document

NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:wp="urn:wp" xmlns:a="urn:a" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" xmlns:wps="urn:wps" xmlns:v="urn:v" '
    'xmlns:mc="urn:mc" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" xmlns:c="urn:c" xmlns:dgm="urn:dgm"'
)
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def make_docx(body: str, *, relations: str = "", **parts: str) -> bytes:
    every = {
        "[Content_Types].xml": TYPES,
        "word/_rels/document.xml.rels": f"<Relationships>{relations}</Relationships>",
        "word/document.xml": f"<w:document {NAMES}><w:body>{body}<w:sectPr/></w:body></w:document>",
    }
    named = {
        f"word/{name.replace('__', '/')}.xml": text.replace(">", f" {NAMES}>", 1) for name, text in parts.items()
    }
    return make_zip(every | named)


def relation(identity: str, kind: str, target: str, mode: str = "Internal") -> str:
    return f'<Relationship Id="{identity}" Type="urn:x/{kind}" Target="{target}" TargetMode="{mode}"/>'


def read(tmp_path: Path, content: bytes, *, keeps_hidden: bool = False) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, "a.docx", keeps_hidden=keeps_hidden)


def p(*runs: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{''.join(runs)}</w:p>"


def r(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


SUPER, SUB = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'
BEGIN, SEPARATE, END = (f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end"))
BOX = "<w:txbxContent>" + p(r("In the box.")) + "</w:txbxContent>"

BODIES = {
    "unknown": (p(r("a "), "<w:unheard>", r("INSIDE"), "</w:unheard>", r(" b")), "a INSIDE b"),
    "insertions": (p("<w:ins>", r("came"), "</w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"), "came"),
    "moves": (p("<w:moveFrom>", r("Moved."), "</w:moveFrom>") + p("<w:moveTo>", r("Moved."), "</w:moveTo>"), "Moved."),
    "field": (p(r("see "), BEGIN, "<w:r><w:instrText> REF x </w:instrText></w:r>", SEPARATE, r("Table 7"), END, r(".")), "see Table 7."),
    "nested fields": (p(BEGIN, "<w:r><w:instrText> IF </w:instrText></w:r>", BEGIN, SEPARATE, r("hidden code"), END, SEPARATE, r("shown"), END), "shown"),
    "tick": (p('<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox></w:ffData></w:fldChar></w:r>', END, r(" fragile")), "☒ fragile"),
    "raised": (p(r("10"), r("6", SUPER), r(" cells, CO"), r("2", SUB)), "10^6 cells, CO₂"),
    "marks": (p(r("a "), r("bold", "<w:b/>"), r(" "), r("T", "<w:b/>"), r("he "), r("off", '<w:b w:val="0"/>')), "a **bold** The off"),
    "ruby": (p("<w:r><w:ruby><w:rt>", r("かん"), "</w:rt><w:rubyBase>", r("漢"), "</w:rubyBase></w:ruby></w:r>"), "漢(かん)"),
    "symbols": (p('<w:r><w:sym w:font="Symbol" w:char="F06D"/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>'), "μ✓"),
    "code": (p(r("if x:")) + p(r("    go()")) + p(r("after")), "if x:\n    go()\n\nafter"),
    "monospaced": (p(r("if x:", '<w:rFonts w:ascii="Courier New"/>')) + p(r("  go()", '<w:rFonts w:ascii="Consolas"/>')), "```\nif x:\n  go()\n```"),
    "drop cap": (p(r("T"), properties='<w:framePr w:dropCap="drop"/>') + p(r("he lock opens.")), "The lock opens."),
    "deleted mark": (p(r("One "), properties="<w:rPr><w:del/></w:rPr>") + p(r("sentence.")), "One sentence."),
    "heading": (p(r("Rules"), properties='<w:pStyle w:val="Title"/>') + p(r("Locks"), properties='<w:outlineLvl w:val="1"/>'), "# Rules\n\n## Locks"),
    "vml box": (p(r("Before."), f"<w:r><w:pict><v:shape><v:textbox>{BOX}</v:textbox></v:shape></w:pict></w:r>"), "Before.\n\nIn the box."),
    "two forms": (p(f"<w:r><mc:AlternateContent><mc:Choice><wps:txbx>{BOX}</wps:txbx></mc:Choice><mc:Fallback><w:pict><v:textbox>{BOX}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"), "In the box."),
    "fallback": (p(f"<w:r><mc:AlternateContent><mc:Choice/><mc:Fallback>{BOX}</mc:Fallback></mc:AlternateContent></w:r>"), "In the box."),
    "equation": (p(r("so "), "<m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>c</m:t></m:r></m:den></m:f><m:sSup><m:e><m:r><m:t>x</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath>"), "so (a+b)/cx^2"),
    "alternative text": (p('<w:r><w:drawing><wp:docPr id="1" descr="A weir at dawn"/></w:drawing></w:r>'), "![A weir at dawn]()"),
    "control": ("<w:sdt><w:sdtPr><w:text/></w:sdtPr><w:sdtContent>" + p(r("In a control")) + "</w:sdtContent></w:sdt>", "In a control"),
    "soft hyphen": (p(r("Donau\u00addampf"), "<w:r><w:softHyphen/></w:r>", r("schiff"), "<w:r><w:noBreakHyphen/></w:r>", r("x")), "Donaudampfschiff-x"),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_what_stands_in_a_paragraph_is_read(tmp_path: Path, name: str) -> None:
    body, text = BODIES[name]
    document = read(tmp_path, make_docx(body))
    assert document.markdown == text
    assert not document.warnings


@pytest.mark.parametrize(
    ("body", "left_out"),
    [
        (p(r("kept"), '<w:r><w:footnoteReference w:id="9"/></w:r>'), "1 reference to a missing footnote"),
        (p(r("kept"), '<w:r><w:commentReference w:id="9"/></w:r>'), "1 reference to a missing comment"),
        (p('<w:hyperlink r:id="no">', r("kept"), "</w:hyperlink>"), "1 link without a target"),
        (p(r("kept"), "<w:r><w:sym/></w:r>"), "1 symbol without a character"),
        (p(r("kept"), '<w:r><a:blip r:link="far"/></w:r>'), "1 linked picture"),
        (p(r("kept"), '<w:r><a:blip r:embed="near"/></w:r>'), "1 missing picture"),
        (p(r("kept"), '<w:r><c:chart r:id="no"/></w:r>'), "1 missing chart"),
        (p(r("kept"), '<w:r><w:object><o:OLEObject xmlns:o="urn:o"/></w:object></w:r>'), "1 embedded object"),
    ],
)
def test_what_is_broken_or_lies_outside_costs_itself_alone(tmp_path: Path, body: str, left_out: str) -> None:
    relations = relation("far", "image", "file:///etc/passwd", "External") + relation("near", "image", "media/no.png")
    document = read(tmp_path, make_docx(body + p(r("after")), relations=relations))
    assert document.markdown == "kept\n\nafter"
    assert [warning.message for warning in document.warnings] == [f"left out: {left_out}"]


@pytest.mark.parametrize("part", ["styles", "numbering", "footnotes", "comments"])
def test_a_damaged_part_costs_itself_alone(tmp_path: Path, part: str) -> None:
    document = read(tmp_path, make_docx(p(r("The body is whole.")), **{part: f"<w:{part}><w:x>broken"}))
    assert document.markdown == "The body is whole."
    assert {warning.code for warning in document.warnings} == {"damaged_part"}


def test_notes_and_comments_follow_their_paragraph(tmp_path: Path) -> None:
    body = p(
        r("The tariff"), '<w:r><w:footnoteReference w:id="4"/></w:r>', r(" applies"), '<w:r><w:endnoteReference w:id="2"/></w:r>',
        r("."), '<w:r><w:commentReference w:id="0"/></w:r>',
    ) + p(r("Next."))  # fmt: skip
    parts = {
        "footnotes": '<w:footnotes><w:footnote w:id="4">' + p(r("As amended.")) + "</w:footnote></w:footnotes>",
        "endnotes": '<w:endnotes><w:endnote w:id="2">' + p(r("See the act.")) + "</w:endnote></w:endnotes>",
        "comments": '<w:comments><w:comment w:id="0" w:author="Ada">'
        + p(r("Ask legal."))
        + "</w:comment></w:comments>",
    }
    assert read(tmp_path, make_docx(body, **parts)).markdown.split("\n\n") == [
        "The tariff [1] applies [i].",
        "[1] As amended.",
        "[i] See the act.",
        "Comment (Ada): Ask legal.",
        "Next.",
    ]


def test_heads_and_feet_stand_once_around_the_body(tmp_path: Path) -> None:
    body = p(r("One")) + p(
        properties='<w:sectPr><w:headerReference r:id="h"/><w:footerReference r:id="f"/></w:sectPr>'
    )
    body += p(r("Two"), properties='<w:sectPr><w:headerReference r:id="h"/></w:sectPr>')
    parts = {
        "header1": "<w:hdr>" + p(r("Port of Kiel")) + "</w:hdr>",
        "footer1": "<w:ftr>" + p(r("Confidential")) + "</w:ftr>",
    }
    relations = relation("h", "header", "header1.xml") + relation("f", "footer", "footer1.xml")
    assert (
        read(tmp_path, make_docx(body, relations=relations, **parts)).markdown
        == "Port of Kiel\n\nOne\n\nTwo\n\nConfidential"
    )


def test_numbers_that_word_writes_by_itself_are_in_the_text(tmp_path: Path) -> None:
    level = '<w:lvl w:ilvl="{}"><w:start w:val="1"/><w:numFmt w:val="{}"/><w:lvlText w:val="{}"/></w:lvl>'
    levels = (
        level.format(0, "decimal", "Article %1")
        + level.format(1, "lowerLetter", "%1.%2)")
        + level.format(2, "bullet", "•")
    )
    numbering = f'<w:numbering><w:abstractNum w:abstractNumId="3">{levels}</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="3"/></w:num></w:numbering>'
    body = "".join(
        p(r(text), properties=f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="1"/></w:numPr>')
        for depth, text in [(0, "Scope"), (1, "locks"), (1, "weirs"), (2, "old ones"), (0, "Fees"), (1, "barges")]
    )
    assert read(tmp_path, make_docx(body, numbering=numbering)).markdown.split("\n") == [
        "Article 1 Scope", "", "1.a) locks", "", "1.b) weirs", "", "    - old ones", "", "Article 2 Fees", "", "2.a) barges",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "form", "text"),
    [(3, "lowerLetter", "c"), (27, "upperLetter", "AA"), (14, "lowerRoman", "xiv"), (7, "decimalZero", "07"), (21, "chineseCounting", "二十一"), (9, "unheard", "9")],
)  # fmt: skip
def test_numbers_have_words_forms(number: int, form: str, text: str) -> None:
    assert written(number, form) == text


def test_spans_of_tables_are_filled_and_one_column_is_a_frame(tmp_path: Path) -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(r(text))}</w:tc>"

    rows = [
        "<w:trPr><w:tblHeader/></w:trPr>" + cell("Region") + cell("Depot") + cell("Stock"),
        cell("North", '<w:vMerge w:val="restart"/>') + cell("Kiel") + cell("11"),
        cell("", "<w:vMerge/>") + cell("Husum") + cell("33"),
        "<w:trPr><w:del/></w:trPr>" + cell("gone") + cell("gone") + cell("gone"),
        cell("South") + cell("none", '<w:gridSpan w:val="2"/>'),
    ]
    table = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert read(tmp_path, make_docx(table)).markdown.split("\n") == [
        "| Region | Depot | Stock |", "| --- | --- | --- |", "| North | Kiel | 11 |", "| North | Husum | 33 |", "| South | none | none |",
    ]  # fmt: skip
    frame = f"<w:tbl><w:tr>{cell('A framed paragraph.')}</w:tr></w:tbl>"
    assert read(tmp_path, make_docx(frame)).markdown == "A framed paragraph."


def test_charts_diagrams_and_other_documents_are_read(tmp_path: Path) -> None:
    points = "<c:strCache><c:pt idx='0'><c:v>{}</c:v></c:pt><c:pt idx='1'><c:v>{}</c:v></c:pt></c:strCache>"
    chart = (
        "<c:chartSpace><c:title><a:t>Stock by depot</a:t></c:title><c:ser><c:tx><c:strCache><c:pt idx='0'><c:v>2031</c:v></c:pt></c:strCache></c:tx>"
        f"<c:cat>{points.format('Kiel', 'Husum')}</c:cat><c:val>{points.format(11, 33)}</c:val></c:ser></c:chartSpace>"
    )
    diagram = "<dgm:dataModel><dgm:pt><dgm:t><a:p><a:t>Plan</a:t></a:p></dgm:t></dgm:pt><dgm:pt><dgm:t><a:p><a:t>Build</a:t></a:p></dgm:t></dgm:pt></dgm:dataModel>"
    relations = (
        relation("c", "chart", "charts/chart1.xml")
        + relation("d", "diagramData", "diagrams/data1.xml")
        + relation("x", "aFChunk", "afchunk.html")
    )
    body = (
        p('<w:r><w:drawing><c:chart r:id="c"/></w:drawing></w:r>')
        + p('<w:r><dgm:relIds r:dm="d"/></w:r>')
        + '<w:altChunk r:id="x"/>'
    )
    content = make_docx(body, relations=relations, charts__chart1=chart, diagrams__data1=diagram)
    path = tmp_path / "a.docx"
    path.write_bytes(content)
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("word/afchunk.html", "<html><body><p>A <b>pasted</b> page</p></body></html>")
    assert convert_file(path, "a.docx").markdown.split("\n\n") == [
        "Stock by depot",
        "|  | 2031 |\n| --- | --- |\n| Kiel | 11 |\n| Husum | 33 |",
        "- Plan\n- Build",
        "A **pasted** page",
    ]


MHT = (
    'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n'
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>Words of the M=C3=BCller archive</p>\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.mht", MHT, "Words of the Müller archive"),
        ("a.rtf", r"{\rtf1\ansi\ansicpg1252 Words of the \b rich\b0  M\'fcller\par}", "Words of the rich Müller"),
        ("a.txt", "Plain words\n", "Plain words"),
    ],
)
def test_a_document_that_is_another_document_alone_is_read(
    tmp_path: Path, name: str, content: str, text: str
) -> None:
    import zipfile

    path = tmp_path / "a.docx"
    path.write_bytes(make_docx('<w:altChunk r:id="x"/>', relations=relation("x", "aFChunk", name)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"word/{name}", content)
    document = convert_file(path, "a.docx")
    assert (document.markdown, document.warnings) == (text, ())


def test_hidden_text_is_left_out_with_a_warning_or_kept(tmp_path: Path) -> None:
    styles = '<w:styles><w:style w:styleId="H"><w:rPr><w:vanish/></w:rPr></w:style></w:styles>'
    body = p(
        r("Seen."),
        r(" Secret one.", "<w:vanish/>"),
        r(" Secret two.", '<w:rStyle w:val="H"/>'),
        r(" Seen too.", '<w:vanish w:val="0"/>'),
    )
    document = read(tmp_path, make_docx(body, styles=styles))
    assert document.markdown == "Seen. Seen too."
    assert [warning.code for warning in document.warnings] == ["hidden_text_left_out"]
    assert (
        read(tmp_path, make_docx(body, styles=styles), keeps_hidden=True).markdown
        == "Seen. Secret one. Secret two. Seen too."
    )


EXPECTED = {
    "d_fld.docx": ["Table 7: Rainfall at Mossdyke", "Dear Odile Brandt, your contract is KX-4471."],
    "d_in_bdo.docx": ["Before INSIDE after."],
    "d_in_dir.docx": ["Before INSIDE after."],
    "d_box2.docx": ["Before box.", "Drawing only box marten."],
    "d_form.docx": ["Ship via: Barge", "Odile Brandt", "Tick ☑ delivered"],
    "d_super.docx": ["10^6 cells", "40 m²", "CO₂"],
    "d_hidden.docx": ["Visible clause.", "End.", "~~struck price 99~~ new price 89"],
    "d_merge.docx": ["| North | Husum | 33 |"],
    "d_pre.docx": ["def f(x):\n    if x > 0:\n        return *x*"],
    "d_shy.docx": ["Donaudampfschiff fährt"],
    "d_noval_foot9.docx": ["Text with odd mark-up badger."],
    "d_noval_link.docx": ["Text with odd mark-up badger. linked words"],
    "d_noval_sym.docx": ["Text with odd mark-up badger."],
}


@needs_cases
@pytest.mark.parametrize("name", EXPECTED)
def test_known_cases_are_read_right(name: str) -> None:
    document = convert_file(CASES / name, name)
    assert [text for text in EXPECTED[name] if text not in document.markdown] == []
    assert "HIDDEN" not in document.markdown
    assert document.warnings or not name.startswith(("d_noval", "d_hidden"))
