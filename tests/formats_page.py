"""What is read of each format, as claims that a small real file proves, and the page `docs/formats.md` made of them.

As a program it writes the page: `python tests/formats_page.py`. A row has a file that holds all that its claims name: a
claim is (what, the text that must be in the document), or (what is not read, the text that must not be in it).
"""

# ruff: noqa: E501 - bodies of documents

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from formats_tables import pdf, slides, spreadsheet, workbook
from ole import make_ole, properties, text
from test_mail_and_books import CHAPTER, PLAIN, book_of, mail, make_book, part
from test_odt import make_odt
from test_word import make_docx, p, r, relation
from test_xml_files import annotated, cell, excel, flat, row, word_2003

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.versions import reader_of
from openrag_cli.domain import Document

PAGE = Path(__file__).parents[1] / "docs" / "formats.md"
HEAD = """# Formats

What openrag reads of each kind of document, and what it does not. A test makes this page from small real files and
proves every entry; what is left out of a document of yours is told as a warning on its file (`openrag file show`).

| format | extensions | reader | what is read | what is not |
| --- | --- | --- | --- | --- |
"""
TAIL = """
Any other text is read as plain text, whatever its extension, in UTF-8, UTF-16, UTF-32 or an old code page. Text that a
person who opens the document does not see (marked as hidden, clear, in the colour of its ground, of no size, off the page
or the screen) is left out of every format; `documents.hidden_text` keeps it. Kinds without a reader (pictures, sound,
archives, programs) are skipped in folders, and counted.

Of text with markup (Markdown, reStructuredText, and those with a reader of their own) the marks, commands, targets of
links and remarks stay in the text that is kept, and are neither embedded nor searched by words nor quoted.

The headings of a PDF are its outline; without one "Item 7." and numbered lines are, where their numbers follow one
another.

Tables of a PDF are those drawn with lines, and three or more columns of words that stand below each other. Rows that end in
figures stay lines: each part of such a table has the lines above it as its head.

In PDF, text is left out that is on a layer that is off, smaller than 1 point, clipped away, drawn over, or in the
colour of the shape behind it: the page is drawn with and without it, and looks the same. Text without ink stays on a page
with a picture, and text under pictures of the size of the page too: it is what was read of a scan. Not noticed are words
covered within a line of which the rest is seen, text in the colours of a picture behind it other than white, and single
letters among more than 400 objects of a page.
"""


@dataclass(frozen=True)
class Row:
    """A format: a file of it, and what is read of that file and what is not."""

    name: str
    extensions: str
    filename: str
    content: bytes
    reads: dict[str, str]
    leaves_out: dict[str, str] = field(default_factory=dict)

    def document(self) -> Document:
        """Return what openrag makes of the file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stored"
            path.write_bytes(self.content)
            return convert_file(path, self.filename)

    def line(self) -> str:
        """Return the row of the page."""
        reader = reader_of(self.document().media_type).partition("@")[0]
        cells = (self.name, self.extensions, reader, "; ".join(self.reads), "; ".join(self.leaves_out))
        return f"| {' | '.join(cells)} |"


_BOX = "<w:txbxContent>" + p(r("In a box")) + "</w:txbxContent>"
_WORD = make_docx(
    p(r("Rules"), properties='<w:pStyle w:val="Heading1"/>')
    + p(r("10"), r("6", '<w:vertAlign w:val="superscript"/>'), r(" secret", "<w:vanish/>"), "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>")
    + p('<w:fldSimple w:instr="SEQ">', r("Field 7"), "</w:fldSimple>", f"<w:r><w:pict>{_BOX}</w:pict></w:r>", '<w:r><w:footnoteReference w:id="2"/></w:r>', '<w:r><w:commentReference w:id="0"/></w:r>')
    + p("<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath>", '<w:r><w:drawing><wp:docPr id="1" descr="A weir"/><a:blip r:link="far"/></w:drawing></w:r>', '<w:r><w:object><o:OLEObject xmlns:o="urn:o"/></w:object></w:r>')
    + "<w:tbl><w:tr><w:tc>" + p(r("Depot")) + "</w:tc><w:tc>" + p(r("Stock")) + "</w:tc></w:tr></w:tbl>"
    + p(properties='<w:sectPr><w:headerReference r:id="h"/></w:sectPr>'),
    relations=relation("h", "header", "header1.xml") + relation("far", "image", "http://x.example/a.png", "External"),
    header1="<w:hdr>" + p(r("Page head")) + "</w:hdr>",
    footnotes='<w:footnotes><w:footnote w:id="2">' + p(r("As amended")) + "</w:footnote></w:footnotes>",
    comments='<w:comments><w:comment w:id="0" w:author="Ada">' + p(r("Ask legal")) + "</w:comment></w:comments>",
)  # fmt: skip
_ODT = make_odt(
    "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion></text:changed-region></text:tracked-changes>"
    "<text:h text:outline-level='1'>Rules of mooring</text:h><text:p>Tariff<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>As amended</text:p></text:note-body></text:note>"
    "<office:annotation><dc:creator>Ada</dc:creator><text:p>Ask legal</text:p></office:annotation></text:p>"
    "<text:list><text:list-item><text:p>first item</text:p></text:list-item></text:list>"
    "<text:p><draw:frame><draw:text-box><text:p>In a box</text:p></draw:text-box></draw:frame></text:p>"
    "<table:table><table:table-row><table:table-cell><text:p>Depot</text:p></table:table-cell><table:table-cell><text:p>Stock</text:p></table:table-cell></table:table-row></table:table>"
    "<text:section text:display='none'><text:p>secret</text:p></text:section>"
)
_PAGE = (
    "<html><head><title>Locks</title><script>run()</script></head><body><p hidden>secret</p><p>10<sup>6</sup></p><ul><li>first item</ul>"
    "<table><tr><th>Depot<th>Stock<tr><td>Kiel<td>11</table><pre>a  b</pre><img src=a.png alt='A weir'><select><option>Ochre</select></body></html>"
)
_OLD_WORD = (
    p(r("10"), r("6", '<w:vertAlign w:val="superscript"/>'), r(" secret", "<w:vanish/>"), annotated("Deletion", "<w:r><w:delText>deleted</w:delText></w:r>"))
    + p(r("Tariff"), "<w:r><w:footnote>" + p(r("As amended")) + "</w:footnote></w:r>", "<w:r>" + annotated("Comment", p(r("Ask legal"))) + "</w:r><w:r><w:pict><w:binData>QUJD</w:binData></w:pict></w:r>")
    + "<w:tbl><w:tr><w:tc>" + p(r("Depot")) + "</w:tc><w:tc>" + p(r("Stock")) + "</w:tc></w:tr></w:tbl>"
)  # fmt: skip
_DOCBOOK = (
    "<!DOCTYPE article PUBLIC '-//OASIS//DTD DocBook XML V4.5//EN' 'x'><article id='rules'><title>Rules</title><para>See <xref linkend='rules'/>"
    "<footnote><para>As amended</para></footnote><indexterm><primary>entry of the index</primary></indexterm><remark>a remark</remark></para>"
    "<itemizedlist><listitem><para>first item</para></listitem></itemizedlist><screen>a  b</screen><mediaobject><textobject><phrase>A weir</phrase></textobject></mediaobject>"
    "<informaltable><tgroup cols='2'><thead><row><entry>Depot</entry><entry>Stock</entry></row></thead><tbody><row><entry>Kiel</entry><entry>11</entry></row></tbody></tgroup></informaltable>"
    "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='other.xml'/></article>"
)
_XML_STYLES = '<Style ss:ID="p"><NumberFormat ss:Format="0.0%"/></Style>'
_XML_ROWS = (
    row(cell("Region"), cell("Depot"), cell("Share"))
    + row(cell("North", extra=' ss:MergeDown="1"'), cell("Kiel", inner='<Comment ss:Author="Ada"><ss:Data>Ask legal</ss:Data></Comment>'), cell("0.075", "Number", ' ss:StyleID="p"'))
    + row(cell("Husum", extra=' ss:Index="2"'), '<Cell ss:Formula="=R[-1]C*2"/>') + row(cell("secret"), extra=' ss:Hidden="1"')
)  # fmt: skip
_CALENDAR = "BEGIN:VCALENDAR\r\nDESCRIPTION:the old pumping sta\r\n tion\r\nATTACH;ENCODING=BASE64;VALUE=BINARY:QUJD\r\n REVG\r\nEND:VCALENDAR\r\n"
_NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": "# Tide model"},
        {
            "cell_type": "code",
            "source": "print(42)",
            "outputs": [{"text": "42 shown"}, {"data": {"image/png": "AAAA"}}],
        },
    ]
}
_MAIL = mail(
    "mixed",
    part(PLAIN, "The lock is mended."),
    part("text/calendar", "BEGIN:VCALENDAR\nSUMMARY:Dike tour\nEND:VCALENDAR"),
    part("message/rfc822", "Subject: The contract\n\nIt ends in August."),
    part("application/pdf", "XYZ", "Content-Disposition: attachment; filename=plan.pdf"),
)
_MAILBOX = (
    b"From a@example.net Thu Nov 26 03:15:51 2026\n"
    + _MAIL.encode()
    + b"\n\nFrom b@example.net Thu Nov 26 04:15:51 2026\n"
    b"From: b@example.net\nSubject: Weir\n\n>From here on it is open.\n"
)
_FEED = "<rss version='2.0'><channel><title>News</title><item><title>Weir opened</title><author>Ada</author><description>The &lt;b&gt;weir&lt;/b&gt; is open.</description></item></channel></rss>"
_MESSAGE = make_ole(
    text("0037", "The lock")
    | text("0C1A", "Ada")
    | text("1000", "It is mended.")
    | {
        "__attach_version1.0_#0": {
            "__substg1.0_3701000D": {"__properties_version1.0": properties({})} | text("1000", "It ends in August.")
        }
    }
    | {"__attach_version1.0_#1": text("3707", "plan.pdf") | {"__substg1.0_37010102": b"XYZ"}}
)

ROWS = [
    Row(
        "Plain text, source code, logs", "txt, log, py, … (any text)", "a.log", b"\x1b[31mERROR\x1b[0m q\x08qu\x08u caf\xc3\xa9 \x00end\n",
        {"every line as it is": "ERROR", "damaged UTF-8, old code pages": "café", "NULs as blanks": "café  end"},
        {"terminal sequences": "[31m", "overstrike": "\b"},
    ),
    Row("Markdown", "md, markdown, mdx, mkd", "a.md", b"# Rules\n\n```\na  b\n```\n", {"every line as it is, headings as sections": "# Rules\n\n```\na  b"}),
    Row("AsciiDoc", "adoc, asciidoc", "a.adoc", b"= Rules\n\n----\na  b\n----\n", {"every line as it is, titles as sections": "= Rules\n\n----\na  b"}),
    Row("Org", "org", "a.org", b"* Rules\n\n#+begin_src\na  b\n#+end_src\n", {"every line as it is, titles as sections": "* Rules\n\n#+begin_src\na  b"}),
    Row("LaTeX", "tex", "a.tex", b"\\section{Rules}\n\n\\verb|a  b|\n", {"every line as it is, titles as sections": "\\section{Rules}\n\n\\verb|a  b|"}),
    Row("Texinfo", "texi, texinfo, txi", "a.texi", b"@chapter Rules\n@example\na  b\n@end example\n", {"every line as it is, titles as sections": "@chapter Rules\n@example\na  b"}),
    Row("Manual page, ms paper", "1 … 9, man, mdoc, ms, roff (by its lines)", "a.1", b".TH A 1\n.SH RULES\n.nf\na  \\fBb\\fR\n.fi\n", {"every line as it is, titles as sections": ".SH RULES\n.nf\na  \\fBb"}),
    Row("POD", "pod", "a.pod", b"=head1 Rules\n\n  a  b\n", {"every line as it is, titles as sections": "=head1 Rules\n\n  a  b"}),
    Row("MediaWiki", "mediawiki, wiki, wikitext", "a.wiki", b"== Rules ==\n<pre>\na  b\n</pre>\n", {"every line as it is, titles as sections": "== Rules ==\n<pre>\na  b"}),
    Row("Textile", "textile", "a.textile", b"h1. Rules\n\nbc. a  b\n", {"every line as it is, titles as sections": "h1. Rules\n\nbc. a  b"}),
    Row("BBCode", "bbcode", "a.bbcode", b"[h1]Rules[/h1]\n[code]a  b[/code]\n", {"every line as it is, titles as sections": "[h1]Rules[/h1]\n[code]a  b"}),
    Row("JSON, Java properties", "json, jsonl, ndjson, properties", "a.json", b'{"a": "Gr\\u00fc\\u00dfe"}', {"every line as it is, escaped letters as letters": "Grüße"}),
    Row("Calendars and contacts", "ics, ifb, vcf, vcard", "a.ics", _CALENDAR.encode(), {"every field, folded lines joined": "pumping station"}, {"pictures, sounds, keys and files in them": "QUJD"}),
    Row(
        "Jupyter notebook", "ipynb", "a.ipynb", json.dumps(_NOTEBOOK).encode(),
        {"text cells": "# Tide model", "code": "print(42)", "printed results": "42 shown"}, {"pictures": "AAAA"},
    ),
    Row(
        "Web page", "html, htm, xhtml", "a.html", _PAGE.encode(),
        {"title and headings": "# Locks", "raised text": "10^6", "lists": "- first item", "tables": "| Depot | Stock |", "code": "a  b", "alternative texts": "A weir", "form values": "Ochre"},
        {"scripts and styles": "run()", "hidden text": "secret"},
    ),
    Row(
        "Word", "docx", "a.docx", _WORD,
        {"headings": "# Rules", "raised and lowered text": "10^6", "fields and form values": "Field 7", "text boxes": "In a box", "notes": "[1] As amended", "comments": "Comment (Ada): Ask legal", "equations": "a/b", "tables": "| Depot | Stock |", "heads and feet": "Page head", "alternative texts": "A weir"},
        {"hidden text": "secret", "deleted text": "deleted", "pictures, also linked ones": "x.example", "embedded objects": "OLE"},
    ),
    Row(
        "OpenDocument text", "odt", "a.odt", _ODT,
        {"headings": "# Rules", "notes": "[1] As amended", "comments": "Comment (Ada): Ask legal", "lists": "- first item", "boxes": "In a box", "tables": "| Depot | Stock |"},
        {"hidden text": "secret", "deleted text": "deleted"},
    ),
    Row(
        "Word in XML", "xml, doc (Word 2003 and later, by their root)", "a.xml", word_2003(_OLD_WORD).encode(),
        {"as Word": "10^6", "notes": "[1] As amended", "comments": "Comment (Ada): Ask legal", "tables": "| Depot | Stock |"},
        {"hidden text": "secret", "deleted text": "deleted", "pictures": "QUJD"},
    ),
    Row(
        "OpenDocument text in XML", "fodt", "a.fodt", flat("<text:h text:outline-level='1'>Rules of mooring</text:h><text:p><draw:image><office:binary-data>QUJD</office:binary-data></draw:image></text:p>").encode(),
        {"as OpenDocument text": "# Rules"}, {"pictures": "QUJD"},
    ),
    Row(
        "DocBook", "dbk, docbook, xml (by its doctype or root)", "a.dbk", _DOCBOOK.encode(),
        {"titles as headings": "# Rules", "lists": "- first item", "tables with spans": "| Depot | Stock |", "code": "a  b", "notes": "[1] As amended", "alternative texts": "A weir", "titles of what is referred to": "See Rules"},
        {"index entries": "entry of the index", "remarks": "a remark", "parts in files of their own": "other.xml"},
    ),
    Row(
        "PDF", "pdf", "a.pdf", pdf(),
        {"the text of each page": "The lock is open.", "raised and lowered text": "10^6", "tables drawn with lines": "| Depot | Stock |", "form values": "Ship: Falcon", "comments": "Comment (Ada): Ask legal"},
        {"text that cannot be seen": "secret"},
    ),
    Row(
        "Presentation", "pptx, pptm, ppsx, ppsm, potx, potm, xml (by its root)", "a.pptx", slides(),
        {"titles": "# Locks", "raised and lowered text": "10^6", "tables": "| Depot | Stock |", "notes": "Say it slowly."},
        {"hidden slides": "secret"},
    ),
    Row(
        "Workbook", "xlsx, xlsm, xltx, xltm, xls", "a.xlsx", workbook(),
        {"sheets as headings": "## Stock", "lines above a table as its caption": "in tonnes\n\n|", "values as they are shown": "7.5% | 01067 | 27:00", "merged cells in each row": "| North | Husum", "formulas without a value": "=C5*2"},
        {"hidden sheets, rows, columns": "secret"},
    ),
    Row(
        "OpenDocument spreadsheet", "ods, fods", "a.ods", spreadsheet(),
        {"sheets as headings": "## Stock", "values as they are shown": "| Kiel | 7.5 % |"}, {"hidden sheets, rows, columns": "secret"},
    ),
    Row(
        "Workbook in XML", "xml, xls (Excel 2003, by its root)", "a.xml", excel(_XML_ROWS, styles=_XML_STYLES).encode(),
        {"sheets as headings": "## Depots", "values as they are shown": "7.5%", "merged cells in each row": "| North | Husum", "formulas without a value": "=R[-1]C*2", "comments": "Comment (Ada): Ask legal"},
        {"hidden sheets, rows, columns": "secret"},
    ),
    Row("Separated values", "csv, tsv", "a.csv", b"Depot;Stock\nKiel;11\n", {"every line as it is, the first as the names of its columns": "Depot;Stock\nKiel;11"}),
    Row(
        "E-book", "epub", "a.epub", make_book(book_of("a.xhtml"), a_xhtml=CHAPTER.format("Alpha").replace("</body>", "<p hidden='hidden'>secret</p></body>")),
        {"title and authors": "# Lamp\n\nInes, Bo", "chapters in reading order": "About Alpha."}, {"hidden text": "secret"},
    ),
    Row(
        "Mail", "eml, mht, mhtml", "a.eml", _MAIL.encode(),
        {"subject, sender, recipients, date": "# S\n\nFrom: a@example.net", "the fuller form of the text": "The lock is mended.", "invitations": "SUMMARY:Dike tour", "attached messages, also as files (.eml)": "It ends in August."},
        {"attachments (named in a warning)": "XYZ"},
    ),
    Row(
        "Mailbox", "mbox, mbx", "a.mbox", _MAILBOX,
        {"each message as a section, with its head": "## Weir\n\nFrom: b@example.net\n\nFrom here on it is open.", "as mail": "## S\n\nFrom: a@example.net"},
        {"attachments (named in a warning)": "XYZ"},
    ),
    Row(
        "Outlook message", "msg", "a.msg", _MESSAGE,
        {"subject, sender, recipients, date": "# The lock\n\nFrom: Ada", "the fuller one of plain text, HTML and rich text": "It is mended.", "attached messages": "It ends in August."},
        {"attachments (named in a warning)": "XYZ"},
    ),
    Row("RSS and Atom feed", "rss, atom, xml", "a.rss", _FEED.encode(), {"title and text of each entry": "## Weir opened\n\nAda\n\nThe **weir** is open.", "dates, authors, categories": "Ada"}),
]  # fmt: skip


def page() -> str:
    """Return the page."""
    return HEAD + "".join(f"{row.line()}\n" for row in ROWS) + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
