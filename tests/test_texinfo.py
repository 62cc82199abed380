"""Texinfo: its markup is masked, its chapters are headings."""

# ruff: noqa: E501 - texts with their markup

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_wikis_and_manuals import shown

from openrag_cli.documents.chunking.markup import fields_of, masks_of, quotable
from openrag_cli.documents.chunking.outline import sections
from openrag_cli.documents.media_types import SUPPORTED, media_type_of
from openrag_cli.domain import Document

TEXINFO = "text/x-texinfo"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("\\input texinfo\n@setfilename a.info\n@settitle Tide\n@c a remark\nWords. @c more", ["Words."]),
        ("@node Locks, , Top, Top\n@chapter Opening @emph{Locks}\n@cindex locks\nWords.", ["Opening Locks", "Words."]),
        ("Use @code{x}, @samp{a b}, @kbd{C-x @key{RET}} and @strong{b}old.", ["Use x, a b, C-x RET and bold."]),
        ('M@"uller, caf@\'e, na@"{@dotless{i}}ve, @v{c}est, @,{c}a, Stra@ss{}e, @AA{}', ["Müller, café, naïve, čest, ça, Straße, Å"]),
        ("a@@b @{x@} foo@dots{} @copyright{} 2024 @TeX{} e@: f@-g h@*i", ["a@b {x} foo… © 2024 TeX e fg h i"]),
        ("said@footnote{A note.} here", ["said A note. here"]),
        ("See @xref{Top, , The top, other, Other manual}; @pxref{Locks}.", ["See The top; Locks."]),
        ("At @uref{https://x.example/, the site} or @url{https://y.example/}, @email{a@@x.example}.", ["At the site or https://y.example/, a@x.example."]),
        ("@menu\n* Locks:: all of them\n@end menu\n@iftex\nhidden\n@end iftex\n@ifnottex\nWords.\n@end ifnottex", ["Words."]),
        ("@table @code\n@item -v\n@itemx --loud\nBe loud.\n@end table", ["-v", "--loud", "Be loud."]),
        ("@multitable @columnfractions .5 .5\n@headitem Depot @tab Stock\n@item Kiel @tab 11\n@end multitable", ["Depot Stock", "Kiel 11"]),
        ("@example\nif (x) @{ y @}\n@end example\n@verbatim\nraw @code{x} {\n@end verbatim", ["if (x) { y }", "raw @code{x} {"]),
        ("@deftypefn {Library Function} int lift (int @var{n})\nLifts.\n@end deftypefn", ["Library Function int lift (int n)", "Lifts."]),
        ("Type @verb{|a{b|} and @anchor{here}@image{weir,,,At dawn,png}go.", ["Type a{b and go."]),
        ("@macro tide{x}\nhidden \\x\\\n@end macro\n@ignore\nhidden\n@end ignore\n@bye", []),
    ],
)  # fmt: skip
def test_texinfo_is_shown_as_it_is_printed(text, lines):
    assert shown(text, TEXINFO) == lines


def test_chapters_are_headings_and_the_title_is_metadata():
    text = "@settitle The @code{tide} Manual\n@author Ada\n@author Bo\n@top Tide\n\n@chapter Locks @c x\n\nWords.\n\n@subsection Gates\n\nMore.\n"
    document = Document(text, media_type=TEXINFO)
    assert [section.path for section in sections(document)] == [(), ("Tide",), ("Locks",), ("Locks", "Gates")]
    assert fields_of(text, TEXINFO) == {"title": "The tide Manual", "author": "Ada, Bo"}


@pytest.mark.parametrize("extension", ["texi", "texinfo", "txi"])
def test_its_names_are_known(extension):
    assert SUPPORTED[extension] == TEXINFO
    assert media_type_of(f"a.{extension}", b"@chapter x\n") == TEXINFO


@given(st.text("@{}codexrf,* \n\\|", max_size=120))
def test_any_text_keeps_the_rules(text):
    document = Document(text, media_type=TEXINFO)
    position = 0
    for start, end in masks_of(document):
        assert position <= start < end <= len(text)
        position = end
    fields_of(text, TEXINFO)
    assert "".join(text[section.start : section.end] for section in sections(document)) == text
    assert len(quotable(text, TEXINFO)) == len(text)


@pytest.mark.parametrize(
    "opener", ["@code{", "@ref{", "@anchor{", "@verb{|", "@iftex\n", "@verbatim\n", "{", "@footnote{", '@"']
)
def test_markup_that_is_never_closed_costs_no_more_than_its_length(opener):
    def seconds(n_times: int) -> float:
        began = process_time()
        masks_of(Document(opener * n_times, media_type=TEXINFO))
        return process_time() - began

    few = min(seconds(2_000) for _ in range(3))
    assert min(seconds(8_000) for _ in range(2)) < 8 * few + 0.1
