"""Every kind of fault of `shared/cases/documents/INDEX.md`, with further documents of its kind that are not there."""

# ruff: noqa: E501 - bodies of documents

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
import pytest
from documents import CASES, make_ods, make_xlsx, make_zip, needs_cases
from pptx.util import Inches
from test_mail_and_books import HTML, PLAIN, book_of, mail, part
from test_odt import BOLD, SUPER, make_odt
from test_pdf_pages import drawn, text_at
from test_slides import saved, slide_of
from test_word import SUB, make_docx, p, r
from test_workbooks import ods_row

from openrag_cli.documents.convert import convert_file
from openrag_cli.errors import IngestError
from openrag_cli.retrieval.tokens import Tokenizer


@dataclass(frozen=True)
class Input:
    """A document: what must stand in its text, what must not, words that a search must find, codes of warnings."""

    filename: str
    content: bytes
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    finds: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of fault: the cases that INDEX.md has of it, and others."""

    name: str
    cases: tuple[str, ...]
    inputs: tuple[Input, ...] = field(default=())


def _odt(body: str, *has: str, lacks: tuple[str, ...] = (), automatic: str = BOLD + SUPER, **options) -> Input:
    return Input("a.odt", make_odt(body, automatic=automatic), has, lacks, **options)


def _word(body: str, *has: str, lacks: tuple[str, ...] = (), warns: tuple[str, ...] = (), **parts: str) -> Input:
    return Input("a.docx", make_docx(body, **parts), has, lacks, warns=warns)


def _page(body: str, *has: str, lacks: tuple[str, ...] = (), **options) -> Input:
    return Input("a.html", body.encode(), has, lacks, **options)


def _text(name: str, content: str | bytes, *has: str, **options) -> Input:
    return Input(name, content if isinstance(content, bytes) else content.encode(), has, **options)


def _mail(content: str | bytes, *has: str, lacks: tuple[str, ...] = (), **options) -> Input:
    raw = content if isinstance(content, bytes) else content.replace("\n", "\r\n").encode()
    return Input("a.eml", raw, has, lacks, **options)


def _pdf(pages: list[str], *has: str, lacks: tuple[str, ...] = (), warns: tuple[str, ...] = (), **options) -> Input:
    return Input("a.pdf", drawn(pages, **options), has, lacks, warns=warns)


def _cells(name: str, *texts: str, attributes: str = "") -> str:
    return f"<table:{name} {attributes}>" + "".join(f"<text:p>{text}</text:p>" for text in texts) + f"</table:{name}>"


def _row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


_CELL = "table-cell"
_SPANNED = _row(_cells(_CELL, "Region"), _cells(_CELL, "Depot"), _cells(_CELL, "Stock"))
_SPANNED += _row(
    _cells(_CELL, "North", attributes="table:number-rows-spanned='2'"),
    _cells(_CELL, "Kiel", "quay"),
    _cells(_CELL, "11"),
)
_SPANNED += _row("<table:covered-table-cell/>", _cells(_CELL, "Husum"), _cells(_CELL, "22"))


def _word_table(*rows: str) -> str:
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


def _tc(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(r(text))}</w:tc>"


def _book(name: str, *hrefs: str, files: tuple[str, ...], **options) -> bytes:
    chapter = '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>About {}.</p></body></html>'
    parts = {f"OEBPS/{file}": chapter.format(f"{name}{n}") for n, file in enumerate(files)}
    container = '<container xmlns="urn:x"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    every = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "OEBPS/book.opf": book_of(*hrefs, **options),
    }
    return make_zip(every | parts, first_is_stored=True)


def _formulas(rows: list[list[object]], formats: dict[str, str]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, code in formats.items():
        book.active[cell].number_format = code
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _hidden_slide() -> bytes:
    show, _ = slide_of((1, 1, "Shown fee 10"))
    hidden = show.slides.add_slide(show.slide_layouts[6])
    hidden.shapes.add_textbox(0, 0, Inches(3), Inches(1)).text_frame.text = "Hidden fee 99"
    hidden._element.set("show", "0")
    return saved(show)


def _raised_slide(text: str, raised: str, baseline: str) -> bytes:
    show, slide = slide_of((1, 1, ""))
    paragraph = slide.shapes[0].text_frame.paragraphs[0]
    paragraph.add_run().text = text
    run = paragraph.add_run()
    run.text = raised
    run.font._element.set("baseline", baseline)
    return saved(show)


def _broken_lines(*lines: str) -> bytes:
    show, slide = slide_of((1, 1, ""))
    slide.shapes[0].text_frame.text = "\v".join(lines)
    return saved(show)


def _columns(*columns: tuple[str, ...], gap: float = 270) -> str:
    lines = zip(*columns, strict=True)
    return "".join(
        text_at(50 + gap * x, 700 - 16 * y, text) for y, row in enumerate(lines) for x, text in enumerate(row)
    )


_LEFT = (
    "The council of the harbour met in",
    "spring and it was decided that the",
    "lock keepers are to be paid by the",
    "hour and not by the day as they had",
    "been paid in the years before.",
)
_RIGHT = (
    "A second matter was the dredging of",
    "the northern basin, which has been",
    "put off since the flood, although",
    "barges touch the ground there at low",
    "water nearly every second week.",
)
_WOVEN = _columns(_LEFT, _RIGHT)
_THREE_ROWS = [["Depot", "Share"], ["Kiel", 0.075], ["Husum", 0.5]]
_FOLDED = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada Quist\r\nNOTE:keeper of the northern lo\r\n ck at Mossdyke\r\nPHOTO;ENCODING=b;TYPE=JPEG:QUJDREVG\r\n R0hJSktM\r\nEND:VCARD\r\n"

KINDS = (
    Kind("tails of inline elements in ODT (K1)", ("o_link.odt", "o_note.odt"), (
        _odt("<text:p>The <text:span text:style-name='B'>old <text:a xlink:href='x'>weir</text:a> keeper</text:span> left at noon.</text:p>", "The **old** [**weir**](x) **keeper** left at noon."),
        _odt("<text:p>Fees <text:bookmark-start text:name='a'/>rise<text:bookmark-end text:name='a'/> by <text:span>two <text:s/>per</text:span> cent<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Net.</text:p></text:note-body></text:note> now.</text:p>", "Fees rise by two  per cent [1] now.", "[1] Net."),
        _odt("<text:p>a<office:annotation><dc:creator>Bo</dc:creator><text:p>Why?</text:p></office:annotation>b <text:ruby><text:ruby-base>漢</text:ruby-base><text:ruby-text>かん</text:ruby-text></text:ruby>c</text:p>", "ab 漢(かん)c", "Why?"),
    )),
    Kind("tracked changes in ODT (K2)", ("o_changes.odt",), (
        _odt("<text:tracked-changes><text:changed-region><text:deletion><text:p>Old fee 900.</text:p></text:deletion></text:changed-region></text:tracked-changes><text:p>New <text:change text:change-id='c'/>fee 750.</text:p>", "New fee 750.", lacks=("900",)),
        _odt("<text:section><text:tracked-changes><text:changed-region><text:insertion/></text:changed-region></text:tracked-changes><text:p>In <text:change-start/>came<text:change-end/> this.</text:p></text:section>", "In came this."),
    )),
    Kind("tables of one grid in ODT (K7)", ("o_table.odt",), (
        _odt(f"<table:table>{_SPANNED}</table:table>", "| Region | Depot | Stock |", "| North | Kiel quay | 11 |", "| North | Husum | 22 |"),
        _odt("<table:table><table:table-header-rows>" + _row(_cells(_CELL, "A"), _cells(_CELL, "B"), _cells(_CELL, "C")) + "</table:table-header-rows>" + _row(_cells(_CELL, "1"), "<table:table-cell table:number-columns-repeated='2'/>") + _row(_cells(_CELL, "all", attributes="table:number-columns-spanned='3'"), "<table:covered-table-cell table:number-columns-repeated='2'/>") + "</table:table>", "| A | B | C |", "| 1 |  |  |", "all"),
    )),
    Kind("boxes, ruby and lists in ODT (K1)", ("o_frame.odt",), (
        _odt("<text:p>Before.</text:p><text:p>Anchor <draw:frame><draw:text-box><text:p>Boxed gecko.</text:p></draw:text-box></draw:frame>after.</text:p>", "Before.", "Boxed gecko."),
        _odt("<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>inner</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>two</text:p></text:list-item></text:list>", "- one\n  - inner\n- two"),
    )),
    Kind("spans of tables (K7)", ("d_merge.docx", "rowspan.html"), (
        _word(_word_table(_tc("Region") + _tc("Depot"), _tc("North", '<w:vMerge w:val="restart"/>') + _tc("Kiel"), _tc("", "<w:vMerge/>") + _tc("Husum")), "| North | Kiel |", "| North | Husum |"),
        _page("<table><tr><th>Region<th colspan=2>Stock</tr><tr><td rowspan=2>North<td>Kiel<td>11</tr><tr><td>Husum<td>22</tr></table>", "| North | Husum | 22 |"),
        Input("a.ods", make_ods('<table:table table:name="S">' + _SPANNED + "</table:table>"), ("| North | Husum | 22 |",)),
    )),
    Kind("tables in cells (K7)", ("nested-table.html",), (
        _page("<table><tr><th>Ship<th>Crew</tr><tr><td>Lark<td><table><tr><td>cook<td>Ada</tr></table></tr></table>", "| Lark | cook; Ada |"),
        _word(_word_table(_tc("Ship") + _tc("Crew"), _tc("Lark") + "<w:tc>" + _word_table(_tc("cook") + _tc("Ada"), _tc("mate") + _tc("Bo")) + p() + "</w:tc>"), "cook", "Ada", lacks=("--- | --- | --- |",)),
    )),
    Kind("elements that are not known in Word (K5)", ("d_fld.docx", "d_in_bdo.docx", "d_in_dir.docx", "d_box2.docx"), (
        _word(p('<w:hyperlink w:anchor="x"><w:fldSimple w:instr="REF">', r("Table 9"), "</w:fldSimple></w:hyperlink>", r(" shows it.")), "Table 9", "shows it."),
        _word(p(r("Before "), '<w:dir w:val="rtl"><w:bdo w:val="rtl"><w:smartTag>', r("DEEP"), "</w:smartTag></w:bdo></w:dir>", r(" after.")), "Before DEEP after."),
        _word("<w:customXml>" + p(r("In custom XML.")) + "</w:customXml>" + p("<w:sdt><w:sdtContent>", r("In a control."), "</w:sdtContent></w:sdt>"), "In custom XML.", "In a control."),
    )),
    Kind("values of form fields in Word (K5)", ("d_form.docx",), (
        _word(p(r("Ship via: "), '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="Rail"/><w:listEntry w:val="Barge"/></w:ddList></w:ffData></w:fldChar></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'), "Ship via: Barge", lacks=("Rail",)),
        _word(p(r("Sent: "), '<w:sdt><w:sdtPr><w:date w:fullDate="2031-05-04"/></w:sdtPr><w:sdtContent>', r("4 May 2031"), "</w:sdtContent></w:sdt>"), "Sent: 4 May 2031"),
    )),
    Kind("raised and lowered text (K6)", ("d_super.docx", "superscript.html", "p_mix.pptx"), (
        _word(p(r("Na"), r("2", SUB), r("SO"), r("4", SUB), r(", 3·10"), r("-3", '<w:vertAlign w:val="superscript"/>')), "Na₂SO₄", "3·10^-3"),
        _page("<p>7 × 10<sup>11</sup> and y<sub>max</sub>, 2031<sup>2</sup>; 12<sup>th</sup></p>", "10^11", "y_max", "2031^2", "12th"),
        Input("a.pptx", _raised_slide("2.5 × 10", "6", "30000"), ("10^6",)),
        Input("a.pptx", _raised_slide("CO", "2", "-25000"), ("CO₂",)),
        _odt("<text:p>12 km<text:span text:style-name='S'>2</text:span></text:p>", "12 km²"),
        _pdf(["BT 60 700 Td /F1 12 Tf (Load of 4 x 10) Tj /F1 8 Tf 5 Ts (9) Tj /F1 12 Tf 0 Ts ( kg) Tj ET"], "10^9 kg"),
        _page("<p>Fee <del>12</del><ins>15</ins> crowns, was <s>9</s>8</p>", "~~12~~15 crowns", "~~9~~8"),
        _page("<style>.up, span.hi {vertical-align: super; font-size: 60%} .dn{vertical-align:sub}</style><p>10<span class='x up'>6</span> of 10<span class='hi'>9</span>, H<span class=dn>2</span>O</p>", "10^6 of 10^9, H₂O"),
        _word(p(r("10"), r("6", '<w:position w:val="8"/><w:sz w:val="14"/>'), r(" cells, H"), r("2", '<w:position w:val="-6"/>'), r("O")), "10^6 cells, H₂O"),
        _page("<p>10<span style='font-size:60%; vertical-align: 4pt'>6</span> x<span style='vertical-align:-25%'>1</span></p>", "10^6", "x₁"),
        _word(p(r("Fee "), r("99", "<w:strike/>"), r("89 crowns")), "~~99~~89 crowns"),
        _page("<p>so <math><msup><mi>c</mi><mn>2</mn></msup><mo>=</mo><msqrt><mi>k</mi></msqrt></math> holds</p>", "so c^2 = √(k) holds"),
    )),
    Kind("text that is not seen (one rule)", ("d_hidden.docx", "hidden.html", "f_layers.pdf"), (
        _word(p(r("Fee 10."), r(" Fee 99.", "<w:vanish/>")), "Fee 10.", lacks=("99",), warns=("hidden_text_left_out",)),
        _page("<p>Fee 10.</p><p style='visibility: hidden'>Fee 98.</p><div hidden>Fee 97.</div><template>Fee 96.</template>", "Fee 10.", lacks=("98", "97", "96"), warns=("hidden_text_left_out",)),
        Input("a.pptx", _hidden_slide(), ("Shown fee 10",), ("99",), warns=("hidden_text_left_out",)),
        _pdf([text_at(60, 700, "Fee 10.") + text_at(60, 600, "Fee 99.", "1 1 1 rg") + text_at(700, 600, "Fee 98.")], "Fee 10.", lacks=("99", "98"), warns=("hidden_text_left_out",)),
    )),
    Kind("code in Word (K5)", ("d_pre.docx",), (
        _word(p(r("for x in y:")) + p(r("    go(x)")) + p(r("done")), "for x in y:\n    go(x)"),
        _word(p(r("SELECT a", '<w:rFonts w:ascii="Courier New"/>')) + p(r("  FROM b", '<w:rFonts w:ascii="Courier New"/>')), "SELECT a\n  FROM b"),
    )),
    Kind("characters that are not seen (K4)", ("d_shy.docx", "e_shy.epub", "soft-hyphen.md", "soft-hyphen.html"), (
        _text("a.md", "Der Schiff\u00adfahrts\u00adweg ist offen.", finds=("Schifffahrtsweg",)),
        _text("a.txt", "The sl\u200buice\u2060gate is open.", finds=("sluicegate",)),
        _page("<p>Der Schiff&shy;fahrts&#8203;weg</p>", finds=("Schifffahrtsweg",)),
    )),
    Kind("composed and decomposed letters (K4)", ("nfd.txt",), (
        _text("a.txt", "Zu\u0308rich und A\u030angstro\u0308m", finds=("Zürich", "Ångström")),
        _text("a.md", "Vie\u0323\u0302t Nam", finds=("Việt",)),
    )),
    Kind("compatibility forms (K4)", ("fullwidth.txt", "ligature.txt"), (
        _text("a.txt", "Ｓｌｕｉｃｅ ｇａｔｅ ７７", finds=("sluice", "gate", "77")),
        _text("a.txt", "\ufb01nal o\ufb03cial \ufb02ow", finds=("final", "official", "flow")),
    )),
    Kind("stray bytes (K3)", ("stray-byte-fr.txt", "stray-byte-ru.log", "stray-byte-ja.log"), (
        _text("a.txt", "Die Schleuse öffnet früh, die Gebühr beträgt zwölf Kronen.".encode() * 3 + b"\xe4\n", warns=("bad_bytes",)),
        _text("a.log", "Błąd połączenia z serwerem gęś\n".encode() * 4 + b"x\xff\n" + "Połączono ponownie\n".encode(), "Błąd połączenia z serwerem", "Połączono ponownie", warns=("bad_bytes",)),
        _text("a.csv", "naam,plaats\nZoë,Köln\n".encode() + b"caf\xc3,Kiel\n", "Zoë,Köln", "Kiel", warns=("bad_bytes",)),
    )),
    Kind("old code pages (K13)", ("thai-cp874.txt",), (
        _text("a.txt", "ประชุมคณะกรรมการท่าเรือ".encode("cp874"), "ประชุมคณะกรรมการท่าเรือ"),
        _text("a.txt", "Ужгородська міська рада оголошує збори".encode("cp1251"), "Ужгородська міська рада"),
        _text("a.txt", "Příliš žluťoučký kůň úpěl ďábelské ódy".encode("cp1250"), "Příliš žluťoučký kůň"),
    )),
    Kind("NULs in text (K13)", ("nul-run.log", "nul-one.txt"), (
        _text("a.txt", b"record one\x00\x00\x00\x00record two\x00\n" * 4, "record one", "record two", warns=("nul_bytes",)),
        _text("a.csv", b"name,place\nAda\x00,Kiel\nBo,Husum\n", "Bo,Husum", warns=("nul_bytes",)),
    )),
    Kind("terminal sequences (K14)", ("ansi.log", "overstrike.txt"), (
        _text("a.log", "\x1b[1;31mERROR\x1b[0m \x1b]8;;http://x\x1b\\libzephyr\x1b]8;;\x1b\\ missing\n", "ERROR libzephyr missing", warns=("terminal_sequences",)),
        _text("a.log", "\x1b[2K\x1b[1G10%\r\x1b[32mdone\x1b[39;49m\n", "done", warns=("terminal_sequences",)),
        _text("a.txt", "N\bNA\bAM\bME\bE\n     f\bfr\bro\bob\bb _\bx_\by\n", "NAME", "frob xy", warns=("overstrike",)),
    )),
    Kind("letters written as escapes (K16)", ("entities.md", "accents.tex", "umlaut.properties"), (
        _text("a.md", "H&ouml;he &#252;ber M&#xFC;hle &amp; L&auml;nge", finds=("Höhe", "über", "Mühle", "Länge")),
        _text("a.tex", 'Die Br\\"ucke in K\\"oln, \\c{C}a va, \\o re', finds=("Brücke", "Köln", "Ça")),
        _text("a.properties", "hello=Gr\\u00fc\\u00dfe aus Th\\u00fcringen\n", "Grüße aus Thüringen"),
        _text("a.json", '{"town": "D\\u00fcsseldorf"}', "Düsseldorf"),
    )),
    Kind("folded lines (K16)", ("folded.ics",), (
        _text("a.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDESCRIPTION:the sluice ga\r\n te is mended\\, slowly\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "the sluice gate is mended, slowly"),
        _text("a.vcf", _FOLDED, "keeper of the northern lock at Mossdyke", lacks=("QUJD", "R0hJ"), warns=("left_out",)),
        _text("b.vcf", "BEGIN:VCARD\r\nFN:Bo\r\nLOGO;VALUE=uri:data:image/png;base64,QUJDREVG\r\nNOTE:keeper\r\nEND:VCARD\r\n", "NOTE:keeper", lacks=("QUJD",), warns=("left_out",)),
    )),
    Kind("names within a book (K9)", ("e_ns.epub", "e_case.epub", "e_nospine.epub"), (
        Input("a.epub", _book("Ns", "a.xhtml", "b.xhtml", files=("a.xhtml", "b.xhtml"), prefix="pkg"), ("About Ns0.", "About Ns1.")),
        Input("a.epub", _book("Odd", "Text/My%20Chapter.xhtml#top", "./TEXT/two.XHTML", files=("Text/My Chapter.xhtml", "Text/Two.xhtml")), ("About Odd0.", "About Odd1.")),
        Input("a.epub", _book("Gone", "a.xhtml", "missing.xhtml", files=("a.xhtml",)), ("About Gone0.",), warns=("missing_part",)),
    )),
    Kind("alternatives of a mail (K8)", ("m_mailman.eml", "m_apple.eml", "m_stub.eml"), (
        _mail(mail("mixed", part(HTML, "<p>The crane is mended.</p>"), part(PLAIN, "-- \nlist footer 7")), "The crane is mended.", "list footer 7"),
        _mail(mail("alternative", part(PLAIN, "Your client shows no HTML. View this in a browser."), part(HTML, "<p>The ferry leaves at ten from quay four every day of May.</p>")), "The ferry leaves at ten", lacks=("Your client",)),
        _mail(mail("mixed", part(PLAIN, "First part."), part("image/png", "QUJD", "Content-Transfer-Encoding: base64", "Content-Disposition: inline; filename=a.png"), part(HTML, "<p>Third part.</p>")), "First part.", "Third part."),
    )),
    Kind("invitations in a mail (K8)", ("m_cal.eml",), (
        _mail(mail("alternative", part(PLAIN, "You are invited."), part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\nSUMMARY:Dike tour\nLOCATION:Gate 9\nEND:VCALENDAR")), "You are invited.", "LOCATION:Gate 9"),
        _mail("Subject: Tour\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nDESCRIPTION:Bring the bl\n ue key\nEND:VCALENDAR\n", "Bring the blue key"),
    )),
    Kind("boundaries of a mail (K8)", ("m_gap.eml", "m_fwd.eml"), (
        _mail("Subject: S\nContent-Type: multipart/mixed\n\n--X\nContent-Type: text/plain\n\nBody of the heron.\n--X--\n", "Body of the heron."),
        _mail('Subject: S\nContent-Type: multipart/mixed; boundary="no"\n\n--yes\nContent-Type: text/html\n\n<p>Body of the stork.</p>\n--yes--\n', "Body of the stork."),
        _mail(mail("mixed", part(PLAIN, "See below."), part("message/rfc822", "From: x@y.z\nSubject: The lease\n\nIt ends in June.")), "See below.", "The lease", "It ends in June."),
    )),
    Kind("heads of a mail (K8)", ("m_8bit.eml",), (
        _mail("From: Zoë <z@x.y>\nSubject: Grüße aus Zürich\nContent-Type: text/plain; charset=utf-8\n\nText.\n", "# Grüße aus Zürich", "Zoë"),
        _mail("From: Jörg <z@x.y>\nSubject: Größe\nContent-Type: text/plain; charset=iso-8859-1\n\nSchöne Größe.\n".encode("latin-1"), "# Größe", "Jörg", "Schöne Größe."),
    )),
    Kind("flowed text of a mail (K8)", ("m_flowed.eml",), (
        _mail("Subject: S\nContent-Type: text/plain; format=flowed\n\nThe crew must be \non board by \nten.\n\nNew one.\n", "The crew must be on board by ten.\n\nNew one."),
        _mail("Subject: S\nContent-Type: text/plain; format=flowed; delsp=yes\n\nSchleusen \ntor\n", "Schleusentor"),
    )),
    Kind("saved pages and mailboxes (K8)", ("page.mht",), (
        Input("a.mhtml", mail("related", part(HTML, "<h1>Locks</h1><p>Open at six.</p>"), part("text/css", "p {color: red}")).replace("\n", "\r\n").encode(), ("Open at six.",), ("color: red",)),
        Input("a.mbox", b"From a@x.y Thu Nov 26 03:15:51 2026\nFrom: a@x.y\nSubject: One\n\nFirst.\nFrom here on it rains.\n\nFrom b@x.y Thu Nov 26 04:15:51 2026\nFrom: b@x.y\nSubject: Two\n\n>From that day.\n", ("## One\n\nFrom: a@x.y\n\nFirst.\nFrom here on it rains.", "## Two\n\nFrom: b@x.y\n\nFrom that day.")),
        Input("archive", b"From - Thu Nov 26 03:15:51 2026\r\nSubject: One\r\n\r\nFirst.\r\n\r\nFrom - Thu Nov 26 04:15:51 2026\r\nSubject: Two\r\n\r\nSecond.\r\n", ("## One\n\nFirst.", "## Two\n\nSecond.")),
    )),
    Kind("formulas without values (K11)", ("x_formulas.xlsx",), (
        Input("a.xlsx", _formulas([["Depot", "Sum"], ["Kiel", "=SUM(B3:B4)"]], {}), ("Kiel", "=SUM(B3:B4)"), warns=("not_calculated",)),
        Input("a.xlsx", _formulas([["=TODAY()"], ["=A1+1"]], {}), ("=TODAY()", "=A1+1"), warns=("not_calculated",)),
    )),
    Kind("values as they are shown (K11)", ("x_mix.xlsx",), (
        Input("a.xlsx", _formulas(_THREE_ROWS, {"B2": "0.0%", "B3": "0%"}), ("| Kiel | 7.5% |", "| Husum | 50% |")),
        Input("a.xlsx", _formulas([["Zip", "Hours", "Price", "Day"], [1067, 27 / 24, 1234.5, 48337]], {"A2": "00000", "B2": "[h]:mm", "C2": '#,##0.00 "EUR"', "D2": "yyyy-mm-dd"}), ("| 01067 | 27:00 | 1,234.50 EUR | 2032-05-03 |",)),
        Input("a.ods", make_ods('<table:table table:name="S">' + ods_row("Depot", "Share") + ods_row("Kiel", "7,5 %") + "</table:table>"), ("| Kiel | 7,5 % |",)),
        Input("a.xlsx", make_xlsx({"Stock": {"A1": "Depot", "B1": "Tons", "A2": "Kiel", "B2": 11}}), ("## Stock", "| Kiel | 11 |")),
    )),
    Kind("soft breaks on slides (K18)", ("p_mix.pptx",), (
        Input("a.pptx", _broken_lines("Line one", "Line two"), ("Line one\nLine two",), ("\x0b",)),
        Input("a.pptx", _broken_lines("A", "B", "C"), ("A\nB\nC",), ("\x0b",)),
    )),
    Kind("reading order of slides (K18)", ("p_cols.pptx",), (
        Input("a.pptx", saved(slide_of((1, 1, "L1"), (5, 1.02, "R1"), (1, 3, "L2"), (5, 3, "R2"))[0]), ("L1\n\nL2\n\nR1\n\nR2",)),
        Input("a.pptx", saved(slide_of((6, 2, "third"), (1, 2.05, "first"), (3.5, 1.95, "second"))[0]), ("first\n\nsecond\n\nthird",)),
    )),
    Kind("columns of a PDF drawn row by row (K10)", ("f_cols.pdf",), (
        _pdf([_WOVEN], "as they had\nbeen paid in the years before.", "which has been\nput off since the flood"),
        _pdf([text_at(50, 760, "Minutes of the harbour council") + _WOVEN + text_at(50, 580, "Signed by all who were there on that day.")], "by the day as they had\nbeen paid", "Minutes of the harbour council"),
    )),
    Kind("nothing to read (K17)", ("f_vector.pdf",), (
        Input("a.pdf", drawn(["0 0 m 100 100 l S"]), refusal="no text and no picture"),
        Input("a.pdf", drawn(["q 100 0 0 100 0 0 cm /I Do Q"], resources="/XObject<</I 6 0 R>>", more=("<</Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray/Length 1>>stream\nx\nendstream",)), refusal="seems to be a scan"),
    )),
    Kind("versions and kinds that are not read (K17)", ("old-notebook.ipynb",), (
        Input("a.ipynb", json.dumps({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "Tide"}, {"cell_type": "code", "input": "x = 1", "language": "python", "outputs": [{"output_type": "stream", "text": "1"}]}]}]}).encode(), ("## Tide", "x = 1")),
        Input("a.ipynb", json.dumps({"nbformat": 2, "worksheets": [{"cells": [{"cell_type": "markdown", "source": ["# Old ", "tide"]}]}]}).encode(), ("# Old tide",)),
        Input("a.rtf", b"{\\rtf1 x}", refusal="rich text (RTF) document, which openrag does not read"),
    )),
    Kind("controls of a form (K17)", ("form.html",), (
        _page("<p><label>Name</label><input value=Ada><select><option>Kiel<option selected>Husum</select><button>Send</button></p>", "Name Ada Kiel, Husum Send"),
        _page("<div><button>Open</button><button>Close</button><textarea>Your note</textarea>End</div>", "Open Close Your note End"),
    )),
    Kind("one element kills the document (K15)", ("d_noval_foot9.docx", "d_noval_link.docx", "d_noval_sym.docx"), (
        _word(p(r("Kept badger."), '<w:r><w:endnoteReference w:id="99"/></w:r>', '<w:r><w:commentReference w:id="7"/></w:r>'), "Kept badger."),
        _word(p(r("Kept otter."), '<w:hyperlink r:id="gone">', r(" linked"), "</w:hyperlink>", '<w:r><w:drawing><a:blip r:embed="gone"/></w:drawing></w:r>', "<w:r><w:sym/></w:r>"), "Kept otter. linked"),
        _word(p(r("Kept marten.")), "Kept marten.", styles="<w:styles><w:style", numbering="<w:numbering>"),
    )),
    Kind("a file cut at its end (K10)", ("f_cut.pdf",), (
        Input("a.pdf", drawn([text_at(60, 700, "Page one stands here.")])[:-60], ("Page one stands here.",)),
        Input("a.pdf", drawn([text_at(60, 700, "Only heron."), text_at(60, 700, "Second stork.")]).rpartition(b"xref")[0], ("Only heron.", "Second stork."), warns=("damaged_end",)),
    )),
    Kind("words broken in a PDF (K10)", (), (
        _pdf([text_at(60, 700, "the navigation of ships, naviga-") + text_at(60, 684, "tion and state-of-the-art pumps") + text_at(60, 668, "end here.")], "navigation and state-of-the-art pumps"),
        _pdf([text_at(60, 700, "our well-known custo-") + text_at(60, 684, "mers, and the custom-") + text_at(60, 668, "ers of others")], "our well-known customers", "customers of others"),
    )),
)  # fmt: skip

INPUTS = [(kind.name, one) for kind in KINDS for one in kind.inputs]


@pytest.mark.parametrize(("name", "one"), INPUTS, ids=[f"{name}-{one.filename}" for name, one in INPUTS])
def test_further_documents_of_each_kind_are_read_right(tmp_path: Path, name: str, one: Input) -> None:
    path = tmp_path / "stored"
    path.write_bytes(one.content)
    if one.refusal:
        with pytest.raises(Exception, match=re.escape(one.refusal)) as refused:
            convert_file(path, one.filename)
        assert "Error" not in str(refused.value)
        return
    document = convert_file(path, one.filename)
    assert [text for text in one.has if text not in document.markdown] == [], document.markdown
    assert [text for text in one.lacks if text in document.markdown] == [], document.markdown
    words = set(Tokenizer("German").for_search(document.markdown).split())
    missed = [word for word in one.finds if not {token.text for token in Tokenizer("German").query(word)} & words]
    assert missed == [], words
    assert set(one.warns) <= {warning.code for warning in document.warnings}, document.warnings


FOUND = {
    "soft-hyphen.md": ("Donaudampfschifffahrt",),
    "nfd.txt": ("élèves",),
    "fullwidth.txt": ("Optimization",),
    "ligature.txt": ("efficient", "files"),
    "entities.md": ("Müller",),
    "accents.tex": ("Müller",),
    "umlaut.properties": ("Grüße",),
}


@needs_cases
@pytest.mark.parametrize("name", FOUND)
def test_words_of_known_cases_are_found(name: str) -> None:
    document = convert_file(CASES / name, name)
    for language in ("English", "German", "French"):
        words = set(Tokenizer(language).for_search(document.markdown).split())
        for word in FOUND[name]:
            assert {token.text for token in Tokenizer(language).query(word)} & words, (language, word)


@needs_cases
def test_every_case_is_of_a_kind_with_two_further_documents() -> None:
    listed = {path.name for path in CASES.iterdir() if path.is_file() and path.name != "INDEX.md"}
    assert listed <= {case for kind in KINDS for case in kind.cases}
    assert [kind.name for kind in KINDS if len(kind.inputs) < 2] == []


def test_what_is_not_read_says_so_without_names_of_exceptions(tmp_path: Path) -> None:
    for name, content in (
        ("a.docx", make_zip({"x": "y"})),
        ("a.pdf", b"%PDF-1.7 broken"),
        ("a.xlsx", b"PK\x03\x04" + bytes(60)),
    ):
        path = tmp_path / "stored"
        path.write_bytes(content)
        with pytest.raises(IngestError) as refused:
            convert_file(path, name)
        assert not re.search(r"[A-Z]\w+Error", str(refused.value))
