"""Our own readers: text in any encoding, JSON, notebooks, workbooks, mail, OpenDocument."""

import datetime as dt
import json
from pathlib import Path

import pytest
from documents import make_mail, make_odt, make_xlsx
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.documents.convert import Limits, convert_file
from openrag_cli.documents.encoding import NotText, decode_text
from openrag_cli.domain import Document
from openrag_cli.errors import IngestError, UnsupportedFormat

LEGACY = [
    ("cp1252", "été à la plage"),
    ("cp1252", "Café"),
    ("cp1252", "Les élèves étaient gênés : « c'était l'été », 12 € l'entrée"),
    ("cp1252", "Größe Straße über Österreich"),
    ("cp1252", "mañana, señor niño"),
    ("cp1252", "naïve façade – “quoted” text…"),
    ("cp1252", "Sør-Trøndelag på Ålesund"),
    ("cp1250", "Zażółć gęślą jaźń, Łódź"),
    ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ("cp1254", "ınşaat çalışması güneş ığdır"),
    ("cp1251", "Привет мир, как дела"),
    ("koi8_r", "Привет мир, как дела"),
    ("cp1253", "Ελληνικά κείμενο"),
    ("cp1256", "مرحبا بالعالم"),
    ("cp932", "名前,年齢,住所\n佐藤太郎,30,東京\n"),
    ("cp932", "日本語"),
    ("euc_jp", "こんにちは世界"),
    ("iso2022_jp", "こんにちは世界"),
    ("gb18030", "你好，世界。这是一个测试"),
    ("big5", "你好，世界。這是一個測試"),
    ("cp949", "안녕하세요 세계"),
    ("utf-16-le", "Hello, été\nline two\n"),
    ("utf-16-be", "Hello, été\nline two\n"),
    ("utf-16-le", "日本語のテキスト。\nこんにちは 世界\n"),
    ("utf-32-le", "Hello"),
]

readable = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff\ufffd\ufffe\uffff"))


def read(tmp_path: Path, name: str, content: bytes, **limits: int) -> Document:
    path = tmp_path / "stored"
    path.write_bytes(content)
    return convert_file(path, name, limits=Limits(**limits))


@pytest.mark.parametrize(("encoding", "text"), LEGACY)
def test_short_text_in_a_legacy_encoding_comes_out_right(encoding: str, text: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


@given(readable, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_text_in_a_unicode_encoding_survives_the_round_trip(text: str, encoding: str) -> None:
    assert decode_text(text.encode(encoding))[0] == text


@given(
    st.lists(
        st.sampled_from(["élève", "à", "Noël,", "où", "çà?", "«très»", "cœur", "naïf", "août"]),
        min_size=1,
        max_size=30,
    )
)
def test_french_in_cp1252_survives_the_round_trip_whatever_its_length(words: list[str]) -> None:
    text = " ".join(words)
    assert decode_text(text.encode("cp1252"))[0] == text


@given(readable)
def test_a_cut_inside_a_character_loses_that_character_only(text: str) -> None:
    content = (text + "é").encode()[:-1]
    assert decode_text(content, complete=False)[0] == text


def test_a_declared_charset_is_honoured_where_the_bytes_are_not_utf8() -> None:
    html = "<meta charset='windows-1251'><p>Łś</p>".encode("cp1250")
    assert decode_text(html)[1] == "cp1251"
    assert decode_text(b'<?xml version="1.0" encoding="ISO-8859-7"?>' + "αβγ".encode("iso8859-7"))[0].endswith("αβγ")


def test_a_false_declaration_does_not_garble_utf8() -> None:
    assert decode_text("<meta charset=iso-8859-1><p>été".encode())[0].endswith("été")


@pytest.mark.parametrize(
    "content",
    [b"a\x00b", b"ab\x00c", b"w\x00o\x00r\x00d", b"\x00" * 50, bytes(range(32)) * 20, bytes(range(256)) * 9],
)
def test_binary_bytes_are_not_text(content: bytes) -> None:
    with pytest.raises(NotText):
        decode_text(content)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.py", "a.md", "noextension", "a.unknown", "a.log"])
def test_text_keeps_its_lines(tmp_path: Path, name: str) -> None:
    lines = ["  # one", "", "\ttwo, 2  ", "| three |"]
    assert read(tmp_path, name, "\r\n".join(lines).encode()).markdown.split("\n") == lines


def test_only_markdown_has_headings(tmp_path: Path) -> None:
    assert read(tmp_path, "a.md", b"# Title\n").has_headings
    assert not read(tmp_path, "a.sh", b"# comment\n").has_headings


def test_text_over_the_limit_is_cut_with_a_warning(tmp_path: Path) -> None:
    document = read(tmp_path, "a.txt", "é".encode() * 5000, max_chars=1000)
    assert document.markdown == "é" * 1000
    assert "only the first 1,000 characters" in document.warnings[0].message


def test_a_file_over_the_byte_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="at most 10 are read") as caught:
        read(tmp_path, "a.txt", b"x" * 11, max_bytes=10)
    assert caught.value.reason == "too_large"


def test_json_escapes_of_letters_become_letters_and_lines_stay(tmp_path: Path) -> None:
    value = {"ville": "Orléans", "emoji": "🙂", "path": "C:\\u0041bc", "quote": "\u0022", "nul": "\x00"}
    document = read(tmp_path, "a.json", json.dumps(value, indent=1).encode())
    assert "Orléans" in document.markdown
    assert "🙂" in document.markdown
    assert json.loads(document.markdown) == value


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_unescaped_json_means_the_same(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps([value]))
    assert json.loads(convert_file(path, "a.json").markdown) == json.loads(json.dumps([value]))


def test_a_notebook_shows_its_cells_and_their_text_output(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Plan\n", "words"]},
        {"cell_type": "code", "source": "print(6*7)", "outputs": [{"text": ["42\n"]}]},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"image/png": "AAAA"}}]},
    ]
    document = read(tmp_path, "a.ipynb", json.dumps({"cells": cells, "metadata": {}}).encode())
    assert document.markdown == "# Plan\nwords\n\n```python\nprint(6*7)\n```\n\n```\n42\n```"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"cells": 3}', b'{"cells": [3]}'])
def test_a_broken_notebook_is_reported_as_corrupt(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(IngestError) as caught:
        read(tmp_path, "a.ipynb", content)
    assert caught.value.reason == "corrupt"


def test_a_workbook_becomes_a_table_for_each_sheet(tmp_path: Path) -> None:
    cells: dict[str, object] = {"A1": "name", "B1": "when", "C1": "n"}
    cells |= {"A2": "a|b\nc", "B2": dt.date(2024, 2, 29), "C2": 0.1 + 0.2, "A4": True, "C4": 3.0}
    document = read(tmp_path, "a.xlsx", make_xlsx({"First": cells, "Empty": {}, "Last": {"B2": "x"}}))
    assert document.markdown.split("\n") == [
        "## First",
        "",
        "| name | when | n |",
        "| --- | --- | --- |",
        "| a\\|b c | 2024-02-29 | 0.3 |",
        "| TRUE |  | 3 |",
        "",
        "## Last",
        "",
        "| x |",
        "| --- |",
    ]
    assert document.has_headings


def test_a_far_cell_costs_neither_time_nor_text(tmp_path: Path) -> None:
    document = read(tmp_path, "a.xlsx", make_xlsx({"S": {"A1": "near", "XFD1048576": "far"}}))
    assert "far" in document.markdown
    assert len(document.markdown) < 200


def test_a_workbook_over_the_row_limit_is_cut_with_a_warning(tmp_path: Path) -> None:
    workbook = make_xlsx({"S": {f"A{row}": f"row{row}" for row in range(1, 30)}, "T": {"A1": "never"}})
    document = read(tmp_path, "a.xlsx", workbook, max_rows=10)
    assert "row10 " in document.markdown
    assert "row11" not in document.markdown
    assert "never" not in document.markdown
    assert "first 10 rows" in document.warnings[0].message


def test_mail_shows_who_what_and_the_plain_text(tmp_path: Path) -> None:
    content = make_mail(plain="Été à Nîmes\n", html="<p>other</p>", charset="iso-8859-1")
    document = read(tmp_path, "a.eml", content)
    assert document.markdown.startswith("# Réunion de jeudi\n\nFrom: Ana <ana@example.org>\nTo: Bo")
    assert document.markdown.endswith("Été à Nîmes")
    assert "other" not in document.markdown
    assert "plan.bin" in document.warnings[0].message


def test_mail_without_plain_text_shows_its_html_as_markdown(tmp_path: Path) -> None:
    assert "**bold** words" in read(tmp_path, "a.eml", make_mail(html="<b>bold</b> words")).markdown


def test_an_opendocument_text_keeps_headings_spaces_and_tables(tmp_path: Path) -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    body = (
        '<text:h text:outline-level="3">Deep</text:h>'
        "<text:p>one<text:s/>two<text:tab/><text:span>three</text:span></text:p>"
        f"<table:table><table:table-row>{cell.format('x')}{cell.format('y')}</table:table-row></table:table>"
    )
    assert (
        read(tmp_path, "a.odt", make_odt(body)).markdown == "### Deep\n\none two\tthree\n\n| x | y |\n| --- | --- |"
    )


def test_text_that_turns_binary_after_its_head_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="not text"):
        read(tmp_path, "a.txt", b"word " * 20_000 + bytes(range(256)) * 200)


@pytest.mark.parametrize("codec", ["base64", "rot13", "zlib", "hex", "undefined", "idna", "nonsense"])
def test_a_declared_codec_that_makes_no_text_is_not_believed(codec: str) -> None:
    assert decode_text(f'<?xml version="1.0" encoding="{codec}"?><a>Un caf'.encode() + b"\xe9</a>")[0].endswith(
        "café</a>"
    )
