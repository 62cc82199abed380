"""Drawings in SVG: their words, and nothing of their shapes."""

import pytest

from openrag_cli.documents.convert import convert_file, media_type_of
from openrag_cli.errors import IngestError

HEAD = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">'


def read(tmp_path, inner: str):
    path = tmp_path / "plan.svg"
    path.write_text(f"{HEAD}{inner}</svg>", encoding="utf-8")
    return convert_file(path, "plan.svg")


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<title>Plan</title><desc>Two piers</desc><text x='1'>Pier <tspan>three</tspan></text>",
         "# Plan\n\nTwo piers\n\nPier three"),
        ("<g><text>Ki<tspan>el</tspan></text><text><tspan x='1'>Ha</tspan><tspan x='1' dy='9'>fen</tspan></text></g>",
         "Kiel\n\nHa fen"),
        ("<a href='x'><text>Clé &amp; 鍵</text></a>", "Clé & 鍵"),
        ("<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'>One</p><p>two</p></foreignObject>", "One two"),
        ("<style>.a{}</style><script>alert('no')</script><metadata>no</metadata><text>yes</text>", "yes"),
        ("<path d='M0 0L9 9'/><g><title>The quay wall</title><rect/></g>", "The quay wall"),
        ("<!-- no --><text>in <!-- no -->two</text>", "in two"),
    ],
)  # fmt: skip
def test_the_words_of_a_drawing_are_its_text(tmp_path, inner, text):
    document = read(tmp_path, inner)
    assert (document.markdown, document.media_type) == (text, "image/svg+xml")
    assert document.metadata == ({"title": "Plan"} if "Plan" in text else {})


def test_a_drawing_without_words_is_told(tmp_path):
    with pytest.raises(IngestError, match="no text"):
        read(tmp_path, "<path d='M0 0'/>")


def test_a_damaged_drawing_is_read_as_far_as_it_is(tmp_path):
    (tmp_path / "plan.svg").write_text(f"{HEAD}<text>Kept</text><g><text>cut", encoding="utf-8")
    document = convert_file(tmp_path / "plan.svg", "plan.svg")
    assert document.markdown.startswith("Kept")
    assert [warning.code for warning in document.warnings] == ["damaged_part"]


def test_an_entity_and_deep_groups_do_no_harm(tmp_path):
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/hostname">]>'
    path = tmp_path / "plan.svg"
    path.write_text(f"{bomb}<svg><text>&a;&b;x</text>{'<g>' * 200}<text>deep</text>{'</g>' * 200}</svg>")
    assert convert_file(path, "plan.svg").markdown.splitlines()[-1] == "deep"
    path.write_text(f"<svg><text>top</text>{'<g>' * 100_000}<text>deep</text>{'</g>' * 100_000}</svg>")
    assert convert_file(path, "plan.svg").markdown.startswith("top")


def test_a_drawing_is_known_by_its_name():
    assert media_type_of("plan.svg", HEAD.encode()) == "image/svg+xml"
