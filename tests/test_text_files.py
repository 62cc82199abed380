"""Text as it lies about on disks: damaged, padded, coloured, struck over, folded, in old code pages."""

import json
from pathlib import Path

import pytest
from documents import CASES, needs_cases
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.encoding import NotText, decode, decode_text
from openrag_cli.domain import Document


def read(tmp_path: Path, name: str, content: bytes) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, name)


def codes(document: Document) -> set[str]:
    return {warning.code for warning in document.warnings}


SENTENCES = {
    "French": "La société a été créée à Évreux ; le dossier égaré est passé au greffe.",
    "German": "Die Schleuse öffnet für größere Schiffe erst ab März.",
    "Russian": "Ошибка подключения к серверу, повторная попытка",
    "Greek": "Η συνεδρίαση του συμβουλίου αναβλήθηκε για την Τρίτη",
    "Japanese": "接続エラーが発生しました。再試行します",
    "Chinese": "会议推迟到星期二，请各部门提交预算。",
    "Korean": "회의가 화요일로 연기되었습니다.",
    "Arabic": "تأجل الاجتماع إلى يوم الثلاثاء",
    "Hebrew": "הישיבה נדחתה ליום שלישי",
    "Thai": "รายงานการประชุมคณะกรรมการ",
    "Polish": "Zażółć gęślą jaźń, proszę o podpisanie umowy",
}


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("stray", [b"\xc3", b"\xe3\x81", b"\xff", b"\xa0", b"\xf0\x9f\x98"])
def test_a_stray_byte_does_not_change_the_encoding_of_a_text(language: str, stray: bytes) -> None:
    line = SENTENCES[language] + "\n"
    decoded = decode((line * 3).encode() + stray + b"\n" + line.encode())
    assert (decoded.encoding, decoded.n_bad_bytes) == ("utf-8", len(stray))
    assert decoded.text.startswith(line * 3)
    assert decoded.text.endswith("\n" + line)
    assert "\ufffd" in decoded.text


@given(st.sampled_from(sorted(SENTENCES)), st.integers(0, 400), st.sampled_from([0xC3, 0xE9, 0xFF, 0x80]))
def test_a_byte_struck_into_utf8_costs_one_character_at_most(language: str, place: int, byte: int) -> None:
    content = (SENTENCES[language] + "\n").encode() * 4
    damaged = content[: place % len(content)] + bytes([byte]) + content[place % len(content) :]
    text, encoding = decode_text(damaged)
    assert encoding == "utf-8"
    assert text.count(SENTENCES[language]) >= 3


def test_a_log_that_two_programs_write_is_read_line_by_line(tmp_path: Path) -> None:
    lines = ["Die Größe über fünf", "Straße fällt trocken", "Bäume für Köln"]
    content = b"\n".join(line.encode("utf-8" if n % 2 else "cp1252") for n, line in enumerate(lines * 6))
    document = read(tmp_path, "a.log", content)
    assert document.markdown == "\n".join(lines * 6)
    assert [warning.message for warning in document.warnings] == [
        "9 lines are not UTF-8 as the others, and cp1252 is a guess"
    ]


def test_a_stray_byte_is_a_warning_that_names_the_line(tmp_path: Path) -> None:
    document = read(tmp_path, "a.log", "Größe\nÄrger\nÜber".encode() + b"\xc3\nEnde\n")
    assert [warning.message for warning in document.warnings] == [
        "1 byte that is not UTF-8, the first in line 3, became U+FFFD"
    ]


ONE_LINE = [
    ("cp874", "รายงานการประชุม งบประมาณปีหน้า"),
    ("cp874", "สวัสดีครับ"),
    ("cp874", "ใบแจ้งหนี้เลขที่ 4471 ชำระภายในสิบวัน"),
    ("cp1258", "Biên bản cuộc họp: ngân sách năm tới đã được phê duyệt"),
    ("cp1258", "Hợp đồng thuê nhà ở thành phố"),
    ("cp1257", "Posėdžio protokolas: kitų metų biudžetas patvirtintas"),
    ("cp1257", "Sēdes protokols: nākamā gada budžets apstiprināts"),
    ("cp1257", "Įmonės ataskaita apie žuvų išteklius"),
    ("cp1251", "Протокол від засідання: бюджет їхній є затверджений"),
    ("cp1251", "Записник са седнице: буџет за следећу годину је усвојен"),
    ("cp852", "Zażółć gęślą jaźń, protokół zebrania"),
    ("cp437", "Le procès-verbal de la réunion a été approuvé à midi"),
    ("cp866", "Протокол собрания комитета"),
    ("koi8_r", "Протокол собрания комитета"),
    ("iso8859-5", "Протокол собрания комитета по бюджету"),
    ("cp1255", "פרוטוקול הישיבה אושר"),
    ("cp1256", "محضر الاجتماع وميزانية العام المقبل"),
    ("cp1253", "Πρακτικά της συνεδρίασης"),
    ("cp949", "회의록과 내년 예산"),
    ("big5", "會議記錄與明年預算"),
    ("gb18030", "会议记录和明年的预算"),
    ("cp932", "会議の議事録です。来年度の予算。"),
    ("euc_jp", "会議の議事録です。来年度の予算。"),
    ("cp1254", "Toplantı tutanağı ve gelecek yılın bütçesi"),
    ("cp1250", "Zápis ze schůze: příští rok schválen rozpočet"),
    ("cp1250", "Az ülés jegyzőkönyve: jövő évi költségvetés elfogadva"),
]


@pytest.mark.parametrize(("encoding", "text"), ONE_LINE, ids=[f"{name}-{text[:8]}" for name, text in ONE_LINE])
def test_one_line_in_an_old_code_page_comes_out_right(encoding: str, text: str) -> None:
    assert decode_text(_encoded(text, encoding))[0] == text


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "cp1258":
        return text.encode(encoding)
    import unicodedata

    out = b""  # the code page has letters with hats and horns, and tones apart
    for char in text:
        try:
            out += char.encode(encoding)
        except UnicodeEncodeError:
            base, *tones = unicodedata.normalize("NFD", char)
            tone = next((mark for mark in tones if mark in "\u0300\u0301\u0303\u0309\u0323"), "")
            rest = "".join(mark for mark in tones if mark != tone)
            out += unicodedata.normalize("NFC", base + rest).encode(encoding) + tone.encode(encoding)
    return out


@pytest.mark.parametrize("text", ["Café", "Été à Nîmes, déjà prévu là-bas, où ça gêne. " * 12], ids=["short", "long"])
def test_a_guess_is_a_warning_however_good_it_looks(tmp_path: Path, text: str) -> None:
    assert codes(read(tmp_path, "a.txt", text.encode("cp1252"))) == {"encoding_guessed"}


def test_what_states_its_encoding_is_no_guess(tmp_path: Path) -> None:
    assert not codes(read(tmp_path, "a.py", "# coding: latin-1\n# Été\n".encode("latin-1")))


WIDE = [
    "一九九一年一月一日，一个人走在路上。\n",  # U+4E00 ends in a NUL, as a line end begins with one
    "　会議の議事録です。　購買部の予算を増やす。\n　担当は田中さん一人です。\n",
    "　一九九一年の会議の議事録",
    "회의록: 구매 부서의 예산을 늘리기로 했습니다.\n",
    "बैठक का कार्यवृत्त\nबजट\n",
    "Протокол 😀\nсрок\n",
    "Minutes of the 😀 meeting\n",
]


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08\x00", b"\x1f\x8b\x08\x00\x01\x02", b"\xca\xfe\x01\x00\x17\x09"])
def test_a_few_bytes_that_are_no_text_are_no_wide_text(content: bytes) -> None:
    with pytest.raises(NotText):
        decode_text(content)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", WIDE, ids=[text[:6].strip() for text in WIDE])
def test_wide_text_without_a_mark_is_read_in_its_order_of_bytes(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding)) == (text, encoding)


@pytest.mark.parametrize(
    "content",
    [
        b"pump A started\npressure 4.2 bar\n" + b"\0" * 64 + b"\npump A restarted\n",
        b"The harbour master keeps the tide tables." + b"\0" + b"Ask Mireille for the key.\n",
        b"Quin Quill".ljust(16, b"\0") + b"Mossdyke".ljust(16, b"\0") + b"gate seven".ljust(16, b"\0"),
        b"last line before the power failed\n" + bytes(4096),
        "Größe der Schleuse: 12 m\n".encode() + bytes(3),
    ],
)
def test_nuls_in_a_text_become_blanks(tmp_path: Path, content: bytes) -> None:
    document = read(tmp_path, "a.log", content)
    assert document.markdown.split() == content.replace(b"\0", b" ").decode().split()
    assert codes(document) == {"nul_bytes"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\x1b[36;1mRunning\x1b[0m\n\x1b[31mERROR\x1b[0m lib\x1b[1mzephyr\x1b[22m.so\n", "Running\nERROR libzephyr.so\n"),
        (b"\x1b]0;title\x07see \x1b]8;;https://x.example\x1b\\the page\x1b]8;;\x1b\\ now\n", "see the page now\n"),
        (b"\x1b(B\x1b[mdone\x1b[K\n\x1b=\x1b>ok\n", "done\nok\n"),
        ("\x9b1mfett\x9b0m\n".encode(), "fett\n"),
        (b"\x1b]0;a title that is never closed\nnext line\n", "\nnext line\n"),
    ],
)  # fmt: skip
def test_terminal_sequences_are_taken_out_of_the_text(tmp_path: Path, content: bytes, text: str) -> None:
    document = read(tmp_path, "build.log", content)
    assert document.markdown == text
    assert codes(document) == {"terminal_sequences"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"N\x08NA\x08AM\x08ME\x08E\n  -\x08-q\x08qu\x08ui\x08i  the _\x08o_\x08u_\x08t\n", "NAME\n  -qui  the out\n"),
        (b"quiet\x08\x08\x08\x08\x08_____ mode\n", "quiet mode\n"),
        (b"o\x08oo\x08oo\x08o n\x08_e\x08_\n", "ooo ne\n"),
    ],
)  # fmt: skip
def test_letters_struck_over_are_read_once(tmp_path: Path, content: bytes, text: str) -> None:
    document = read(tmp_path, "frob.txt", content)
    assert document.markdown == text
    assert codes(document) == {"overstrike"}


def test_folded_lines_of_calendars_and_contacts_are_joined(tmp_path: Path) -> None:
    calendar = b"BEGIN:VCALENDAR\r\nSUMMARY:Dike tour\r\n"
    calendar += (
        b"DESCRIPTION:the old pumping sta\r\n tion near Gr\xc3\r\n \xbcnau\\, gate 7\\nboots\r\nEND:VCALENDAR\r\n"
    )
    text = read(tmp_path, "a.ics", calendar).markdown
    assert "the old pumping station near Grünau, gate 7\nboots" in text
    assert read(tmp_path, "noextension", calendar).media_type == "text/calendar"
    card = b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg M=C3=BCll=\n=65r\nTEL:1\nEND:VCARD\n"
    assert ":Jörg Müller\n" in read(tmp_path, "a.vcf", card).markdown


def test_escapes_in_properties_are_letters(tmp_path: Path) -> None:
    document = read(tmp_path, "a.properties", b"greeting=Sch\\u00f6ne Gr\\u00fc\\u00dfe\npath=C\\:\\\\users\n")
    assert document.markdown == "greeting=Schöne Grüße\npath=C\\:\\\\users\n"


def test_notebooks_of_older_formats_are_read(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Tide model"]},
        {"cell_type": "markdown", "source": ["The gauge reads low."]},
        {"cell_type": "code", "input": ["height = 4.2"], "language": "julia", "outputs": [{"text": ["4.2"]}]},
        "no cell",
    ]
    document = read(tmp_path, "a.ipynb", json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode())
    assert (
        document.markdown == "## Tide model\n\nThe gauge reads low.\n\n```julia\nheight = 4.2\n```\n\n```\n4.2\n```"
    )
    assert [warning.message for warning in document.warnings] == ["left out: 1 damaged cell"]


EXPECTED = {
    "stray-byte-fr.txt": ["Réunion du comité", "La société Bélénos a été créée", "Fin de séance à midi."],
    "stray-byte-ru.log": ["Ошибка подключения к серверу", "Соединение восстановлено"],
    "stray-byte-ja.log": ["接続エラーが発生しました", "接続が回復しました"],
    "thai-cp874.txt": ["รายงานการประชุม งบประมาณปีหน้า"],
    "nul-run.log": ["pump A started", "restarted after power loss"],
    "nul-one.txt": ["Ask Mireille for the key."],
    "ansi.log": ["ERROR linker cannot find libzephyr.so", "PASS tests/walrus_test.py"],
    "overstrike.txt": ["frob - turns knobs", "-quiet   suppress the output of frob"],
    "umlaut.properties": ["Schöne Grüße aus Köln"],
    "folded.ics": ["the old pumping station near Mossdyke"],
    "old-notebook.ipynb": ["# Tide model", "The gauge at Mossdyke reads low.", "```python\nheight = 4.2"],
}


@needs_cases
@pytest.mark.parametrize("name", EXPECTED)
def test_known_cases_are_read_right(name: str) -> None:
    document = convert_file(CASES / name, name)
    for text in EXPECTED[name]:
        assert text in document.markdown
    assert document.warnings or name.endswith((".properties", ".ics", ".ipynb"))
