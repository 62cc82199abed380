"""Mails and books: every part that a reader of them sees, and a word of each that is not there."""

# ruff: noqa: E501 - bodies of messages

import base64
import quopri
from pathlib import Path

import pytest
from documents import CASES, make_zip, needs_cases

from openrag_cli.documents.convert import convert_file
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError


def read(tmp_path: Path, name: str, content: str | bytes) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content if isinstance(content, bytes) else content.replace("\n", "\r\n").encode())
    return convert_file(path, name)


def part(kind: str, text: str, *heads: str) -> str:
    return "\n".join(["--B", f"Content-Type: {kind}", *heads, "", text, ""])


def mail(kind: str, *parts: str) -> str:
    return (
        f'From: a@example.net\nSubject: S\nContent-Type: multipart/{kind}; boundary="B"\n\n'
        + "".join(parts)
        + "--B--\n"
    )


PLAIN, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("message", "present", "absent"),
    [
        (mail("alternative", part(PLAIN, "The long and full text of it."), part(HTML, "<p>short</p>")), ["long and full"], ["short"]),
        (mail("alternative", part(PLAIN, "short"), part(HTML, "<p>The long and full text of it.</p>")), ["long and full"], ["short"]),
        (mail("alternative", part(PLAIN, "This message is in HTML. Your program cannot show it, use another one."), part(HTML, "<p>Boots are 30 percent off.</p>")), ["Boots"], ["program"]),
        (mail("mixed", part(HTML, "<p>The pump is serviced.</p>"), part(PLAIN, "a list's footer", "Content-Disposition: inline")), ["pump", "footer"], []),
        (mail("mixed", part(PLAIN, "one"), part("image/png", "iVBO", "Content-Disposition: inline; filename=a.png"), part(PLAIN, "two")), ["one", "two"], ["iVBO"]),
        (mail("alternative", part(PLAIN, " "), part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR\nSUMMARY:Dike\n  tour\nEND:VCALENDAR")), ["SUMMARY:Dike tour"], []),
        (mail("mixed", part("message/rfc822", "Subject: Contract 88-41\nFrom: boris@example.net\n\nIt ends in August.")), ["## Contract 88-41", "boris@", "It ends in August."], []),
        (mail("mixed", part("text/enriched", "a <bold>firm</bold> <<word")), ["a firm <word"], []),
        (mail("report", part(PLAIN, "Not delivered."), part("message/delivery-status", "Reporting-MTA: dns; mx\n\nStatus: 5.1.1 no such box")), ["Not delivered.", "Status: 5.1.1 no such box"], []),
        (mail("signed", part(PLAIN, "signed text"), part("application/pgp-signature", "xx")), ["signed text"], ["xx"]),
    ],
)  # fmt: skip
def test_every_part_that_is_shown_is_read(
    tmp_path: Path, message: str, present: list[str], absent: list[str]
) -> None:
    markdown = read(tmp_path, "a.eml", message).markdown
    assert [text for text in present if text not in markdown] == []
    assert [text for text in absent if text in markdown] == []


INNER = (
    "Subject: Contract 88-41\nFrom: boris@example.net\nContent-Type: text/plain; charset=utf-8\n\nIt ends in März =."
)


@pytest.mark.parametrize(
    ("kind", "encoding", "head"),
    [
        ("message/rfc822", "base64", ""),
        ("message/rfc822", "quoted-printable", ""),
        ("application/octet-stream", "base64", "Content-Disposition: attachment; filename=Contract.EML"),
        ("text/plain", "8bit", "Content-Disposition: attachment; filename=contract.eml"),
    ],
)
def test_a_mail_that_is_attached_is_read_however_it_is_written(
    tmp_path: Path, kind: str, encoding: str, head: str
) -> None:
    written = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(
        INNER.encode()
    )
    heads = [f"Content-Transfer-Encoding: {encoding}", *filter(None, [head])]
    message = mail("mixed", part(PLAIN, "See below."), part(kind, written.decode(), *heads))
    document = read(tmp_path, "a.eml", message)
    assert document.markdown.endswith(
        "See below.\n\n## Contract 88-41\n\nFrom: boris@example.net\n\nIt ends in März =."
    )
    assert not document.warnings


@pytest.mark.parametrize("declared", ["", "; boundary=OTHER"])
def test_a_mail_whose_boundary_is_missing_or_wrong_keeps_its_body(tmp_path: Path, declared: str) -> None:
    message = f"Subject: Gap\nContent-Type: multipart/mixed{declared}\n\n--XX\nContent-Type: {HTML}\n\n<p>Body <b>of</b> it.</p>\n--XX--\n"
    document = read(tmp_path, "a.eml", message)
    assert document.markdown == "# Gap\n\nBody **of** it."
    assert [warning.code for warning in document.warnings] == ["damaged_part"]


@pytest.mark.parametrize(
    ("head", "subject"),
    [
        (b"Subject: Gr\xfc\xdfe aus K\xf6ln", "Grüße aus Köln"),
        ("Subject: Grüße aus Köln".encode(), "Grüße aus Köln"),
        (b"Subject: =?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
        (b"Subject: =?windows-1252?Q?Angebot_f=FCr?=\r\n =?utf-8?B?IOKAkyB6d2Vp?=", "Angebot für – zwei"),
        (b"Subject: =?unheard?Q?caf=E9?=", "café"),
        (b"Subject: =?utf-8?X?broken?= words", "=?utf-8?X?broken?= words"),
    ],
)
def test_heads_are_read_whatever_their_bytes(tmp_path: Path, head: bytes, subject: str) -> None:
    document = read(tmp_path, "a.eml", head + b"\r\nContent-Type: text/plain\r\n\r\nSch\xf6ne Gr\xfc\xdfe")
    assert document.markdown == f"# {subject}\n\nSchöne Grüße"
    assert document.metadata["title"] == subject


def test_a_mail_says_who_sent_it_to_whom_and_when(tmp_path: Path) -> None:
    message = (
        "From: Ada <a@example.net>\nTo: Bo <b@example.net>\nDate: Tue, 1 Jul 2031 10:00:00 +0200\nSubject: Plan\n\nx"
    )
    assert read(tmp_path, "a.eml", message).metadata == {
        "title": "Plan", "from": "Ada <a@example.net>", "to": "Bo <b@example.net>", "date": "2031-07-01T10:00:00+02:00",
    }  # fmt: skip
    assert "date" not in read(tmp_path, "a.eml", "Subject: x\nDate: not a date\n\nx").metadata


@pytest.mark.parametrize(
    ("delsp", "body", "text"),
    [
        ("yes", "The Donaudampf \nschiff leaves.", "The Donaudampfschiff leaves."),
        ("no", "one \ntwo\n\nthree", "one two\n\nthree"),
        ("no", "> quoted \n> on\n answer", "> quoted on\nanswer"),
        ("no", "text\n-- \nAda", "text\n--\nAda"),
    ],
)
def test_soft_line_breaks_of_flowed_text_are_undone(tmp_path: Path, delsp: str, body: str, text: str) -> None:
    message = f"Subject: S\nContent-Type: text/plain; format=flowed; delsp={delsp}\n\n{body}\n"
    assert read(tmp_path, "a.eml", message).markdown == f"# S\n\n{text}"


def test_attachments_are_named(tmp_path: Path) -> None:
    attached = [
        part("application/pdf", "x", f'Content-Disposition: attachment; filename="p{n}.pdf"') for n in range(12)
    ]
    document = read(tmp_path, "a.eml", mail("mixed", part(PLAIN, "text"), *attached))
    (warning,) = document.warnings
    assert warning.message.startswith("12 attachments are not indexed: p0.pdf, p1.pdf")
    assert warning.message.endswith("and 2 more")


CONTAINER = '<container xmlns="urn:x"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
CHAPTER = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head><body><h1>{0}</h1><p>About {0}.</p></body></html>'


def make_book(package: str, **parts: str | bytes) -> bytes:
    named = {
        f"OEBPS/{name.replace('__', '/').replace('_xhtml', '.xhtml')}": content for name, content in parts.items()
    }
    every = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package}
    return make_zip(every | named, first_is_stored=True)


def book_of(*hrefs: str, prefix: str = "", spine: bool = True) -> str:
    p = f"{prefix}:" if prefix else ""
    items = "".join(
        f'<{p}item id="i{n}" href="{href}" media-type="application/xhtml+xml"/>' for n, href in enumerate(hrefs)
    )
    order = "".join(f'<{p}itemref idref="i{n}"/>' for n in range(len(hrefs))) if spine else ""
    space = f"xmlns{':' + prefix if prefix else ''}"
    head = (
        '<m xmlns:dc="urn:dc"><dc:title>Lamp</dc:title><dc:creator>Ines</dc:creator><dc:creator>Bo</dc:creator></m>'
    )
    return f'<{p}package {space}="http://www.idpf.org/2007/opf">{head}<{p}manifest>{items}</{p}manifest><{p}spine>{order}</{p}spine></{p}package>'


@pytest.mark.parametrize("prefix", ["", "opf"])
@pytest.mark.parametrize(
    "href", ["a.xhtml", "./a.xhtml", "A.XHTML", "a.xhtml#start", "%61.xhtml", "../OEBPS/a.xhtml"]
)
def test_chapters_are_found_however_they_are_named(tmp_path: Path, prefix: str, href: str) -> None:
    document = read(tmp_path, "a.epub", make_book(book_of(href, prefix=prefix), a_xhtml=CHAPTER.format("Alpha")))
    assert document.markdown == "# Lamp\n\nInes, Bo\n\n# Alpha\n\nAbout Alpha."
    assert document.metadata == {"title": "Lamp", "author": "Ines, Bo"}
    assert not document.warnings


def test_a_chapter_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    document = read(tmp_path, "a.epub", make_book(book_of("a.xhtml", "b.xhtml"), a_xhtml=CHAPTER.format("Alpha")))
    assert "About Alpha." in document.markdown
    assert [(warning.code, warning.place) for warning in document.warnings] == [("missing_part", "b.xhtml")]


def test_a_book_without_a_reading_order_is_read_in_that_of_its_parts(tmp_path: Path) -> None:
    parts: dict[str, str | bytes] = {"b_xhtml": CHAPTER.format("Beta"), "a_xhtml": CHAPTER.format("Alpha")}
    document = read(tmp_path, "a.epub", make_book(book_of("a.xhtml", "b.xhtml", spine=False), **parts))
    assert document.markdown.index("Alpha") < document.markdown.index("Beta")
    assert [warning.code for warning in document.warnings] == ["no_reading_order"]


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16"])
def test_chapters_have_encodings_of_their_own(tmp_path: Path, encoding: str) -> None:
    chapter = f'<?xml version="1.0" encoding="{encoding}"?>' + CHAPTER.format("Éclair à Évian")
    document = read(tmp_path, "a.epub", make_book(book_of("a.xhtml"), a_xhtml=chapter.encode(encoding)))
    assert "About Éclair à Évian." in document.markdown


def test_a_book_that_is_protected_is_said_to_be(tmp_path: Path) -> None:
    locked = '<encryption><EncryptedData><CipherReference URI="OEBPS/a.xhtml"/></EncryptedData></encryption>'
    content = make_zip(
        {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "META-INF/encryption.xml": locked,
         "OEBPS/book.opf": book_of("a.xhtml"), "OEBPS/a.xhtml": bytes(99)}, first_is_stored=True,
    )  # fmt: skip
    with pytest.raises(IngestError, match="DRM") as caught:
        read(tmp_path, "a.epub", content)
    assert caught.value.reason == "encrypted"


EXPECTED = {
    "m_mailman.eml": (["The main pump is serviced on 14 October by crew Falcon.", "list mailing list"], []),
    "m_apple.eml": (["See the picture.", "The weir leaks at gate seven."], []),
    "m_stub.eml": (["Rubber boots are 30 percent off until 3 May."], ["HTML mail reader"]),
    "m_cal.eml": (["Gate 7", "20310704T100000Z", "Bring boots and the blue key."], []),
    "m_gap.eml": (["Body of boundaryless heron."], []),
    "m_8bit.eml": (["# Grüße aus Köln", "Jörg Müller", "Schöne Grüße aus Köln, dein Jörg"], ["\ufffd"]),
    "m_flowed.eml": (["Donaudampfschiff leaves at noon and the crew must be on board by eleven."], []),
    "m_fwd.eml": (["The original contract number 88-41", "The contract ends in August."], []),
    "page.mht": (["Schleusenübersicht", "The lock at Mossdyke opens at six, Schöne."], ["color:red"]),
    "e_ns.epub": (["# Alpha", "Chapter text Alpha"], []),
    "e_case.epub": (["CaseChapter about", "FragmentChapter about", "DotChapter about"], []),
    "e_nospine.epub": (["Chapter text NoSpine"], []),
    "e_shy.epub": (["Donaudampfschiffkapitän"], ["\u00ad"]),
}


@needs_cases
@pytest.mark.parametrize("name", EXPECTED)
def test_known_cases_are_read_right(name: str) -> None:
    markdown = convert_file(CASES / name, name).markdown
    present, absent = EXPECTED[name]
    assert [text for text in present if text not in markdown] == []
    assert [text for text in absent if text in markdown] == []
