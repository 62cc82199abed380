"""Outlook messages and feeds: nothing that they say is lost, and what is left out is told."""

# ruff: noqa: E501 - bodies of documents

import contextlib
import datetime as dt
import struct
from pathlib import Path

import pytest
from ole import Tree, make_ole, properties, text

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.readers.mails.rich_text import decompressed, text_of
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError

SENT = dt.datetime(2031, 3, 15, 9, 30, tzinfo=dt.UTC)
TICKS = int((SENT - dt.datetime(1601, 1, 1, tzinfo=dt.UTC)).total_seconds()) * 10_000_000
HEAD = text("0037", "The weir") | text("0C1A", "Ada Quist") | text("0C1F", "ada@x.example") | text("0E04", "Boris")
TIMES = {"__properties_version1.0": properties({0x0039: (0x40, struct.pack("<Q", TICKS))})}


def read(tmp_path: Path, tree: Tree) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(make_ole(TIMES | tree))
    return convert_file(path, "a.msg")


def rtf_stream(rtf: bytes) -> bytes:
    return struct.pack("<IIII", len(rtf) + 12, len(rtf), 0x414C454D, 0) + rtf


def test_a_message_has_its_head_its_body_and_its_metadata(tmp_path: Path) -> None:
    document = read(tmp_path, HEAD | text("0E03", "Cleo") | text("1000", "The weir leaks\r\nat gate seven."))
    assert document.markdown == (
        "# The weir\n\nFrom: Ada Quist <ada@x.example>\nTo: Boris\nCc: Cleo\nDate: 2031-03-15T09:30:00+00:00\n\n"
        "The weir leaks\nat gate seven."
    )
    assert document.metadata["title"] == "The weir"
    assert document.metadata["date"] == "2031-03-15T09:30:00+00:00"
    assert not document.warnings


BODIES: dict[str, Tree] = {
    "html": {"__substg1.0_10130102": b"<p>Gate <b>seven</b> leaks badly.</p>"},
    "html in its code page": {
        "__properties_version1.0": properties({0x3FDE: (3, struct.pack("<I", 1251))}),
        "__substg1.0_10130102": "<p>Gate **seven** leaks badly. Шлюз</p>".encode("cp1251"),
    },
    "text in an old code page": {
        "__properties_version1.0": properties({0x3FFD: (3, struct.pack("<I", 1251))})
    } | text("1000", "Gate **seven** leaks badly. Шлюз", "cp1251"),
    "html in rich text": {
        "__substg1.0_10090102": rtf_stream(
            rb"{\rtf1\ansi\ansicpg1252\fromhtml1{\fonttbl{\f0 Arial;}}{\*\htmltag64 <p>}Gate {\*\htmltag84 <b>}"
            rb"\htmlrtf {\b \htmlrtf0 seven{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0  leaks badly.{\*\htmltag72 </p>}}"
        )
    },
    "rich text alone": {
        "__substg1.0_10090102": rtf_stream(
            rb"{\rtf1\ansi\ansicpg1251{\colortbl;}\pard Gate **seven** leaks badly.\par \'d8\'eb\u1102?\'e7{\pict 0a0b}}"
        )
    },
    "the fuller of two": text("1000", "Gate") | {"__substg1.0_10130102": b"<p>Gate <b>seven</b> leaks badly.</p>"},
    "a body that points to the other": text("1000", "Please view this message in an HTML mail reader of your own choice")
    | {"__substg1.0_10130102": b"<p>Gate <b>seven</b> leaks badly.</p>"},
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_the_body_is_read_in_whatever_form_it_has(tmp_path: Path, name: str) -> None:
    markdown = read(tmp_path, HEAD | BODIES[name]).markdown
    assert "Gate **seven** leaks badly." in markdown
    if "code page" in name or "alone" in name:
        assert "Шлюз" in markdown


def test_attached_messages_are_read_and_attached_files_named(tmp_path: Path) -> None:
    inner: Tree = (
        {"__properties_version1.0": properties({}, 24)} | text("0037", "Contract 88-41") | text("1000", "Ends.")
    )
    tree: Tree = HEAD | text("1000", "See below.")
    tree |= {
        "__attach_version1.0_#00000000": {"__substg1.0_3701000D": inner},
        "__attach_version1.0_#00000001": text("3707", "plan.dwg") | {"__substg1.0_37010102": b"xx"},
    }
    document = read(tmp_path, tree)
    assert document.markdown.endswith("See below.\n\n## Contract 88-41\n\nEnds.")
    assert [warning.message for warning in document.warnings] == ["1 attachment is not indexed: plan.dwg"]


def test_a_mail_that_is_attached_as_a_file_is_read(tmp_path: Path) -> None:
    mail = b"Subject: Contract 88-41\nFrom: cleo@x.example\n\nIt ends in August.\n"
    tree = (
        HEAD
        | text("1000", "See below.")
        | {"__attach_version1.0_#00000000": text("3707", "contract.EML") | {"__substg1.0_37010102": mail}}
    )
    tree |= {"__attach_version1.0_#00000001": text("3707", "no.eml") | {"__substg1.0_37010102": b"no mail at all"}}
    document = read(tmp_path, tree)
    assert document.markdown.endswith("See below.\n\n## Contract 88-41\n\nFrom: cleo@x.example\n\nIt ends in August.")
    assert [warning.message for warning in document.warnings] == ["1 attachment is not indexed: no.eml"]


def test_an_appointment_says_when_and_where(tmp_path: Path) -> None:
    names = {"__nameid_version1.0": {"__substg1.0_00030102": struct.pack("<IHH", 0x8208, 6, 5)}}
    times = properties({0x0060: (0x40, struct.pack("<Q", TICKS))})
    tree = HEAD | names | text("8005", "Gate seven") | {"__properties_version1.0": times}
    markdown = read(tmp_path, tree).markdown
    assert "Location: Gate seven\nStarts: 2031-03-15T09:30:00+00:00" in markdown


def test_an_appointment_says_when_in_a_property_of_its_own(tmp_path: Path) -> None:
    names = {"__nameid_version1.0": {"__substg1.0_00030102": struct.pack("<IHHIHH", 0x820D, 6, 5, 0x820E, 6, 6)}}
    times = properties(
        {0x8005: (0x40, struct.pack("<Q", TICKS)), 0x8006: (0x40, struct.pack("<Q", TICKS + 36_000_000_000))}
    )
    markdown = read(tmp_path, HEAD | names | {"__properties_version1.0": times}).markdown
    assert "Starts: 2031-03-15T09:30:00+00:00\nEnds: 2031-03-15T10:30:00+00:00" in markdown


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_message_that_is_cut_is_read_or_refused_in_a_sentence(tmp_path: Path, share: float) -> None:
    content = make_ole(TIMES | HEAD | text("1000", "word " * 300))
    path = tmp_path / "stored"
    path.write_bytes(content[: int(len(content) * share)])
    with contextlib.suppress(IngestError):
        assert "weir" in convert_file(path, "a.msg").markdown


def test_a_message_of_which_no_text_is_left_is_damaged(tmp_path: Path) -> None:
    content = make_ole(TIMES | HEAD | text("1000", "word " * 300))
    path = tmp_path / "stored"
    path.write_bytes(content[:1_600])
    with pytest.raises(IngestError, match="damaged") as raised:
        convert_file(path, "a.msg")
    assert raised.value.reason == "corrupt"


def test_rich_text_is_unpacked_as_its_specification_shows() -> None:
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompressed(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    again = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert decompressed(again) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    with pytest.raises(ValueError, match="not compressed"):
        decompressed(bytes(40))


def test_signs_of_rich_text_are_text() -> None:
    rtf = rb"{\rtf1\ansi\uc1 a\emdash b\tab c\line d\'e9\~e\_f\{g\}{\*\unheard no}{\stylesheet no}\u8364?\u-10179?\u-8704?}"
    assert text_of(rtf)[0] == "a—b\tc\ndé\xa0e-f{g}€😀"


def test_each_font_of_rich_text_has_letters_of_its_own() -> None:
    fonts = rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}{\f2\fcharset128 Gothic;}{\f3\fcharset161 Arial;}{\f4\cpg1255 x;}}"
    rtf = (
        rb"{\rtf1\ansi\ansicpg1252"
        + fonts
        + rb"\pard caf\'e9 \f1 \'d8\'eb\'fe\'e7 {\f2 \'93\'8c\'8b\'9e }\'e7\f3 \'e1\'e2\plain  \'e9 \f4\'e0}"
    )
    assert text_of(rtf)[0] == "café Шлюз 東京 зαβ é א"


def recipient(kind: int, name: str, **others: str) -> Tree:
    tree = text("3001", name) | {"__properties_version1.0": properties({0x0C15: (3, struct.pack("<I", kind))}, 8)}
    for number, value in others.items():
        tree |= text(number.removeprefix("n"), value)
    return tree


def test_recipients_have_their_addresses(tmp_path: Path) -> None:
    tree = HEAD | text("1000", "Words.")
    tree |= {
        "__recip_version1.0_#00000000": recipient(1, "'Boris'", n3003="boris@x.example"),
        "__recip_version1.0_#00000001": recipient(
            1, "Quill, Cleo", n3003="/O=PORT/CN=CLEO@PORT", n39FE="cleo@x.example"
        ),
        "__recip_version1.0_#00000002": recipient(2, "dan@x.example", n3003="dan@x.example"),
        "__recip_version1.0_#00000003": recipient(1, "Eve", n3003="/O=PORT/CN=EVE"),
    }
    markdown = read(tmp_path, tree).markdown
    assert "To: Boris <boris@x.example>; Quill, Cleo <cleo@x.example>; Eve\nCc: dan@x.example\n" in markdown


def test_an_address_of_a_directory_is_no_address_of_mail(tmp_path: Path) -> None:
    tree = (
        text("0037", "The weir") | text("0C1A", "Ada") | text("0C1F", "/O=PORT/CN=ADA@PORT") | text("1000", "Words.")
    )
    assert "From: Ada\n" in read(tmp_path, tree).markdown
    tree |= text("007D", "Received: from x\r\nFrom: =?utf-8?q?Ada?= <ada@x.example>\r\n")
    assert "From: Ada <ada@x.example>\n" in read(tmp_path, tree).markdown


@pytest.mark.parametrize(
    ("page", "encoding", "word"),
    [(20866, "koi8_r", "Шлюз"), (28592, "iso8859_2", "Łódź"), (51932, "euc_jp", "東京"), (949, "cp949", "수문"), (65001, "utf-8", "水门")],
)  # fmt: skip
def test_the_code_page_of_a_message_is_that_of_all_in_it(tmp_path: Path, page: int, encoding: str, word: str) -> None:
    stated = {"__properties_version1.0": properties({0x3FFD: (3, struct.pack("<I", page))})}
    inner = {"__properties_version1.0": properties({}, 24)} | text("0037", f"Re {word}", encoding)
    tree = HEAD | stated | {"__attach_version1.0_#00000000": {"__substg1.0_3701000D": inner}}
    tree |= {"__recip_version1.0_#00000000": text("3001", f"An {word}", encoding)} | text(
        "1000", f"Of {word}.", encoding
    )
    markdown = read(tmp_path, tree).markdown
    assert [f"{start} {word}" in markdown for start in ("Re", "An", "Of")] == [True] * 3


def test_a_contact_says_where_to_reach_it(tmp_path: Path) -> None:
    names = {"__nameid_version1.0": {"__substg1.0_00030102": struct.pack("<IHH", 0x8083, 6, 4)}}
    tree = HEAD | names | text("001A", "IPM.Contact") | text("3A08", "0481 123") | text("3A15", "Quay 1\r\nHusum")
    assert (
        "Phone: 0481 123\nAddress: Quay 1 Husum\nMail: ada@x.example"
        in read(tmp_path, tree | text("8004", "ada@x.example")).markdown
    )


# --- feeds


def feed(tmp_path: Path, xml: str) -> Document:
    path = tmp_path / "stored"
    path.write_text(xml, encoding="utf-8")
    return convert_file(path, "a.rss")


FEEDS = {
    "rss 2": ("<rss version='2.0' xmlns:dc='urn:dc' xmlns:c='urn:c'><channel><title>News</title><description>Of locks</description><item><title>Weir &amp;amp; lock</title><link>http://x.example/1</link><dc:creator>Ada</dc:creator><category>Water</category><pubDate>Sat, 15 Mar 2031</pubDate><description>The weir is open.</description><c:encoded><![CDATA[<p>The weir is open. It <b>closes</b> at nine.</p>]]></c:encoded></item></channel></rss>", "# News\n\nOf locks\n\n## Weir & lock\n\nSat, 15 Mar 2031 · Ada · Water · [link](http://x.example/1)\n\nThe weir is open. It **closes** at nine."),
    "rss 1": ("<rdf:RDF xmlns:rdf='urn:rdf'><channel><title>News</title></channel><item><title>Weir</title><description>It is open.</description></item></rdf:RDF>", "# News\n\n## Weir\n\nIt is open."),
    "atom": ("<feed xmlns='http://www.w3.org/2005/Atom'><title>News</title><subtitle>Of locks</subtitle><author><name>Ada</name></author><entry><title type='html'>The &lt;i&gt;weir&lt;/i&gt;</title><updated>2031-03-15</updated><link rel='self' href='no'/><link href='http://x.example/2'/><category term='Water'/><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>10<sup>6</sup> litres</p></div></content></entry><entry><title>Plain</title><summary type='text'>a &lt; b</summary></entry></feed>", "# News\n\nAda\n\nOf locks\n\n## The *weir*\n\n2031-03-15 · Water · [link](http://x.example/2)\n\n10^6 litres\n\n## Plain\n\na < b"),
    "media": ("<feed xmlns='http://www.w3.org/2005/Atom' xmlns:m='urn:m'><entry><title>Film</title><m:group><m:title>Film</m:title><m:content url='http://x.example/f'/><m:description>Of the weir, at dawn.</m:description></m:group></entry></feed>", "## Film\n\nOf the weir, at dawn."),
}  # fmt: skip


@pytest.mark.parametrize("name", FEEDS)
def test_every_entry_of_a_feed_is_read_with_what_is_known_of_it(tmp_path: Path, name: str) -> None:
    xml, markdown = FEEDS[name]
    document = feed(tmp_path, xml)
    assert document.markdown == markdown
    assert not document.warnings


def test_a_feed_that_is_cut_keeps_its_entries_and_says_so(tmp_path: Path) -> None:
    document = feed(tmp_path, FEEDS["rss 1"][0].partition("</item>")[0])
    assert document.markdown == "# News\n\n## Weir\n\nIt is open."
    assert [warning.code for warning in document.warnings] == ["damaged_part"]
