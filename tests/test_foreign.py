"""Kinds of files that are not read are called by name, by their content where it says what they are."""

import io
import zipfile

import pytest
from ole import make_ole

from openrag_cli.documents.foreign import _NAMES, _STARTS, _STREAMS, _WITHIN, _ZIPS
from openrag_cli.documents.media_types import MSG, SUPPORTED, XLS, media_type_of
from openrag_cli.errors import UnsupportedFormat
from openrag_cli.ingest.report import kind_of

BINARY = bytes(range(256)) * 8


def refusal(filename: str, content: bytes) -> UnsupportedFormat:
    with pytest.raises(UnsupportedFormat) as caught:
        media_type_of(filename, content)
    return caught.value


def zipped(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        if name.startswith("mimetype"):
            archive.writestr("mimetype", name.removeprefix("mimetype"))
        else:
            archive.writestr(f"x{name}" if name[0] in "/." else name, b"x")
    return made.getvalue()


@pytest.mark.parametrize(("magic", "kind", "hint"), _STARTS)
@pytest.mark.parametrize("filename", ["a.txt", "a", "a.docx"])
def test_a_known_beginning_is_called_by_name_whatever_the_file_is_called(
    magic: bytes, kind: str, hint: str | None, filename: str
) -> None:
    error = refusal(filename, magic + BINARY)
    assert str(error) == f"this is {kind}, which openrag does not read"
    assert error.hint == hint


@pytest.mark.parametrize(("start", "magic", "kind", "hint"), _WITHIN)
def test_a_known_place_is_called_by_name(start: int, magic: bytes, kind: str, hint: str | None) -> None:
    content = bytes([0xAA, 0x99]) * start + BINARY
    error = refusal("a.txt", content[:start] + magic + BINARY)
    assert (str(error), error.hint) == (f"this is {kind}, which openrag does not read", hint)


@pytest.mark.parametrize(("name", "kind", "hint"), _ZIPS)
def test_a_zip_archive_is_called_by_what_is_in_it(name: bytes, kind: str, hint: str | None) -> None:
    error = refusal("a.zip", zipped(name.decode()))
    assert (str(error), error.hint) == (f"this is {kind}, which openrag does not read", hint)


@pytest.mark.parametrize(("stream", "kind", "hint"), _STREAMS)
def test_an_ole_file_is_called_by_its_streams(stream: str, kind: str, hint: str | None) -> None:
    error = refusal("a.bin", make_ole({stream: BINARY}))
    assert (str(error), error.hint) == (f"this is {kind}, which openrag does not read", hint)


@pytest.mark.parametrize("extension", _NAMES)
def test_bytes_that_say_nothing_are_called_by_their_name(extension: str) -> None:
    kind, hint = _NAMES[extension]
    error = refusal(f"a.{extension.upper()}", b"\x9d\x81\x00\x01\x8f" + BINARY)
    named = str(error) == f"this is {kind}, which openrag does not read"
    assert named == (extension not in SUPPORTED)
    assert error.hint == hint or not named


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"AC1032\x00\x00\x00\x00" + BINARY, "a drawing document (DWG)"),
        (b"AC1015\x00" + BINARY, "a drawing document (DWG)"),
        (b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n  9\r\n$ACADVER\r\n", "a drawing document (DXF)"),
        (b"999\nmade by hand\n0\nSECTION\n2\nENTITIES\n", "a drawing document (DXF)"),
        (b"solid cube\n  facet normal 0 0 1\n    outer loop\n", "a model document (STL)"),
        (b"FORM\x00\x00\x10\x00AIFF" + BINARY, "an audio file"),
        (b"RIFF\x00\x00\x10\x00WEBP" + BINARY, "a WebP image"),
        (b"\x00\x00\x00\x18ftypheic" + BINARY, "an HEIC or AVIF image"),
    ],
)
def test_kinds_that_tell_themselves_in_another_way(content: bytes, kind: str) -> None:
    assert str(refusal("a.txt", content)) == f"this is {kind}, which openrag does not read"


@pytest.mark.parametrize(
    "text",
    [
        "PACK your bags", "GGUF is a format", "BLENDER settings", "OggS and fLaC", "Rar! said the cat", "MThd",
        "AC1032 is a drawing", "solid ground\nfacet by facet", "0\nSECTION 2", "ORC\nis a being", "BMW builds cars",
        "icns are icons", "xar! it cried", "PAR1 and PAR2", "ITSF is a head", "DUCK", "8BPS", "conectix",
    ],
)  # fmt: skip
def test_a_text_that_begins_like_another_kind_is_text(text: str) -> None:
    assert media_type_of("a.txt", text.encode()) == "text/plain"


def test_each_kind_is_counted_by_a_noun_where_a_folder_is_added() -> None:
    kinds = {kind for *_, kind, _ in (*_STARTS, *_WITHIN, *_ZIPS, *_STREAMS)} | {kind for kind, _ in _NAMES.values()}
    nouns = {kind: kind_of(f"this is {kind}, which openrag does not read") for kind in kinds}
    assert [kind for kind, noun in nouns.items() if noun == "other file"] == ["a shortcut of Windows"]
    assert {nouns[kind] for kind in kinds if "archive" in kind} == {"archive"}
    assert {nouns[kind] for kind in kinds if "drawing" in kind} == {"drawing"}


def test_a_document_is_what_stands_outermost_in_an_ole_file():
    workbook = make_ole({"MBD0001": {"WordDocument": b"x"}, "Workbook": b"y"})
    assert media_type_of("a.xls", workbook) == XLS
    letter = make_ole({"ObjectPool": {"_1": {"Workbook": b"y"}}, "WordDocument": b"x"})
    assert str(refusal("a.doc", letter)).startswith("this is in the old binary Word")
    message = make_ole({"__attach_version1.0_#0": {"Workbook": b"y"}, "__properties_version1.0": b"x"})
    assert media_type_of("a.msg", message) == MSG


@pytest.mark.parametrize(
    "content", [b"P6\n9 9\n255\n" + BINARY, bytes([0, 0, 2, *bytes(9), 2, 0, 2, 0, 24, 0]) + bytes(40)]
)
def test_pictures_without_a_mark_of_their_own_are_pictures(content):
    assert kind_of(str(refusal("a", content))) == "picture"
    assert media_type_of("a.txt", b"P6\nthe sixth paragraph") == "text/plain"
