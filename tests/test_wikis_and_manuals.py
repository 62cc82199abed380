"""Manual pages, POD, MediaWiki, Textile and BBCode: their markup is masked, their titles are headings."""

# ruff: noqa: E501 - texts with their markup

from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_chunk import assert_rules
from test_markup import plain

from openrag_cli.answering.sentences import split
from openrag_cli.documents.chunking.markup import fields_of, masks_of, quotable
from openrag_cli.documents.chunking.outline import sections
from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.media_types import media_type_of
from openrag_cli.domain import Document

ROFF, POD, WIKI, TEXTILE, BBCODE = "text/troff", "text/x-pod", "text/x-mediawiki", "text/x-textile", "text/x-bbcode"


def shown(text: str, media_type: str) -> list[str]:
    lines = plain(f"{text}\n\nEnd.", media_type).removesuffix("End.").splitlines()
    return [line.strip() for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('.\\" a remark\n.SH "SEE ALSO"\nWords.', ["SEE ALSO", "Words."]),
        (".PP\nSort by\n.B size\nor \\fBby name\\fR,\nbolder\\fIst\\fP.", ["Sort by", "size", "or by name,", "bolderst."]),
        ('.BR ls (1),\n.RB [ \\-a ]\n.BI "open " file', ["ls(1),", "[-a]", "open file"]),
        (".TP 5\n.B \\-\\-all\nShow all.\n.IP \\(bu 2\nOne.", ["--all", "Show all.", "•", "One."]),
        (".IP tag 4\nWords.", ["tag", "Words."]),
        ("It\\(aqs 5\\(em6 \\(lqfine\\(rq, \\[u00E9]t\\('e \\e \\&.x", ["It's 5—6 “fine”, été \\ .x"]),
        ("caf\\['e] \\(:ubung \\*(lqx\\*(rq C:\\ews", ["café übung “x” C:\\ws"]),
        (".de Sp\n.if t .sp\nhidden\n..\n.Sp\nWords.\n.ig\nhidden\n..", ["Words."]),
        ('.IX Header "NAME"\n.ds C+ C++\n.nr x 1\nWords\n.ft B\nmore.', ["Words", "more."]),
        (".nf\nint main(void);\n  return \\-1;\n.fi", ["int main(void);", "return -1;"]),
        (".UR https://x.example/a\nthe site\n.UE .\nSee\n.UR https://y.example\n.UE", ["the site", "See", "https://y.example"]),
        (".TS\ntab(|) allbox;\nl l.\nDepot|Stock\nKiel|11\n.TE", ["Depot|Stock", "Kiel|11"]),
        (".TS\nl l.\nT{\nKiel\nT}\tT{\n11\nT}\n.TE", ["Kiel", "11"]),
        (".Sh NAME\n.Nm pump\n.Nd move water\n.Op Fl v Ar file ,\n.Pa /etc/x Ns y .", ["NAME", "pump", "move water", "-v file,", "/etc/xy."]),
        (".Bl -tag -width Ds\n.It Fl f Ar file\nRead\n.Ar file .\n.El", ["-f file", "Read", "file."]),
        (".TL\nThe Lock\n.AU\nAda Quist\n.AB\nShort.\n.AE\n.NH 2\nGates", ["The Lock", "Ada Quist", "Short.", "Gates"]),
        ('Words.\\" a remark\nMore \\s-1SQL\\s0 \\m[red]here\\m[].', ["Words.", "More SQL here."]),
        ('.B "say ""hi"""\n.MYMACRO "kept words"', ['say ""hi""', "kept words"]),
    ],
)  # fmt: skip
def test_a_manual_page_is_shown_as_it_is_printed(text: str, lines: list[str]) -> None:
    assert shown(text, ROFF) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("=pod\n\n=head2 Opening I<now>\n\nWords.\n\n=cut", ["Opening now", "Words."]),
        ("Use B<bold>er, C<$x-E<gt>y>, F</etc/x> and S<a b>.", ["Use bolder, $x->y, /etc/x and a b."]),
        ("C<< $a <=> $b >> and C<<< << >>> here", ["$a <=> $b and << here"]),
        (
            "See L<the guide|perlop/Locks>, L<perlfunc> and L<the site|https://x.example/>.",
            ["See the guide, perlfunc and the site."],
        ),
        ("I<very B<deep> words>X<index entry>, Z<>end", ["very deep words, end"]),
        ("=over 4\n\n=item *\n\nOne\n\n=item -v\n\nTwo\n\n=back", ["*", "One", "-v", "Two"]),
        ("    my $x = B<y>;\n    # =head1", ["my $x = B<y>;", "# =head1"]),
        ("=begin html\n\n<b>no</b>\n\n=end html\n\n=for comment hidden\nWords here\n\nWords.", ["Words."]),
        ("=encoding utf8\n\nM E<uuml> E<0x2014> a < b and c > d", ["M ü — a < b and c > d"]),
    ],
)
def test_pod_is_shown_as_its_reader_sees_it(text: str, lines: list[str]) -> None:
    assert shown(text, POD) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("== The ''Lock'' ==\nIt is '''bold'''er.", ["The Lock", "It is bolder."]),
        ("See [[Sluice|the sluice]]s, [[Kiel]] and [https://x.example/a the site].", ["See the sluices, Kiel and the site."]),
        ("At [https://x.example] or https://y.example.", ["At https://x.example or https://y.example."]),
        ("[[File:Weir.jpg|thumb|200px|alt=Weir|A [[weir]] at dawn]]\nWords.", ["A weir at dawn", "Words."]),
        ('Words.<ref name="q">Quist, 2031.</ref> More.<ref name=q />', ["Words. Quist, 2031. More."]),
        ("Words.\n[[Category:Locks]]\n[[de:Schleuse]]\n__NOTOC__\n----", ["Words."]),
        ("{{Infobox lock\n| name = Holtenau\n| length = {{convert|310|m|ft}}\n}}\nWords.", ["name = Holtenau", "length = 310|m|ft", "Words."]),
        ("It cost {{lang|fr|''cher''}}.{{cite web|url=https://x.example/a|title=The Lock|year=1895}}", ["It cost fr|cher. The Lock 1895"]),
        ('{| class="wikitable"\n|+ Depots\n|-\n! Depot !! style="x" | Stock\n|-\n| Kiel || 11\n|}', ["|+ Depots", "! Depot !! Stock", "| Kiel || 11"]),
        ("* one\n** two\n# three\n; term\n: meaning", ["* one", "** two", "# three", "; term", ": meaning"]),
        ("<nowiki>'''x''' [[y]]</nowiki> <syntaxhighlight lang=c>\na[[1]] = ''b'';\n</syntaxhighlight>", ["'''x''' [[y]]", "a[[1]] = ''b'';"]),
        ("one<br />two <!-- hidden --> &ndash; 5&nbsp;m<sup>2</sup> H<sub>2</sub>O", ["one two  – 5\u00a0m^2 H_2O"]),
        ("#REDIRECT [[Sluice]]", ["#REDIRECT Sluice"]),
        ("a = b, x[[i]], it's, rock 'n' roll", ["a = b, xi, it's, rock 'n' roll"]),
    ],
)  # fmt: skip
def test_a_wiki_page_is_shown_as_its_reader_sees_it(text: str, lines: list[str]) -> None:
    assert shown(text, WIKI) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("h2(#top). The _Lock_\n\np(note). It is *bold* and %{color:red}red%.", ["The Lock", "It is bold and red."]),
        ('See "the guide":guide.html#top, ("the site":https://x.example/a_b_c) now.', ["See the guide, (the site) now."]),
        ('"A title (with more)":https://x.example and "plain quotes" stay.', ['A title (with more) and "plain quotes" stay.']),
        ("!img/weir.png(A weir at dawn)!\n\nWords! Yes!", ["A weir at dawn", "Words! Yes!"]),
        ("bc. x = *a* + _b_\nh1. no\n\nUse @a_b_c@ here.", ["x = *a* + _b_", "h1. no", "Use a_b_c here."]),
        ("bc.. one *a*\n\ntwo *b*\n\np. After *this*.", ["one *a*", "two *b*", "After this."]),
        ('<pre><code class="c">\na *b* &lt; c\n</code></pre>\nWords', ["a *b* < c", "Words"]),
        ("|_. Depot |_. Stock |\n|\\2. Kiel |\n| Ulm | 11 |", ["| Depot | Stock |", "| Kiel |", "| Ulm | 11 |"]),
        ("* one\n** two\n# three", ["* one", "** two", "# three"]),
        ("bq.:https://x.example To be *wet*.\n\nfn1. The note.\n\n###. hidden\n\nWords[1].", ["To be wet.", "The note.", "Words[1]."]),
        ("10[^6^] of H[~2~]O, -gone- and +new+, 2 * 3 * 4, snake_case_name", ["10^6 of H_2O, -gone- and new, 2 * 3 * 4, snake_case_name"]),
        ("[site]https://x.example/a\nWords &quot;here&quot;&#45;and there.", ['Words "here"-and there.']),
    ],
)  # fmt: skip
def test_textile_is_shown_as_its_reader_sees_it(text: str, lines: list[str]) -> None:
    assert shown(text, TEXTILE) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[b]Bold[/b]er and [color=#f00][i]red[/i][/color].", ["Bolder and red."]),
        ("[url=https://x.example/a]the site[/url], [url]https://y.example[/url]", ["the site, https://y.example"]),
        ('[img]https://x.example/a.png[/img][img alt="A weir"]b.png[/img]\nWords.', ["A weir", "Words."]),
        ('[quote="Ada Quist, post:1"]To be wet.[/quote]\nYes.', ["Ada Quist To be wet.", "Yes."]),
        ("[code=c]x[i] = [b]no[/b];[/code] done", ["x[i] = [b]no[/b]; done"]),
        ("[list]\n[*]one\n[*]two\n[/list]", ["*one", "*two"]),
        ("[table][tr][td]Kiel[/td][td]11[/td][/tr][/table]", ["Kiel 11"]),
        ("10[sup]6[/sup], H[sub]2[/sub]O", ["10^6, H_2O"]),
        ("array[i] and [note 1] and [sic] stay", ["array[i] and [note 1] and [sic] stay"]),
        ("[youtube]dQw4w9WgXcQ[/youtube]Words.", ["Words."]),
    ],
)
def test_bbcode_is_shown_as_its_reader_sees_it(text: str, lines: list[str]) -> None:
    assert shown(text, BBCODE) == lines


HANDBOOKS = {
    "sluice.8": '.\\" remark\n.TH SLUICE 8 2031-05-01 "Locks 2"\n.SH NAME\nsluice \\- open the \\fIgates\\fR\n.SH LOCKS\nFirst.\n.SS Gates\n'
    ".PP\nWords.\n",
    "sluice.man": ".Dd May 1, 2031\n.Dt SLUICE 8\n.Os\n.Sh NAME\n.Nm sluice\n.Nd open the gates\n.Sh LOCKS\nFirst.\n.Ss Gates\n.Pp\nWords.\n",
    "a.ms": ".TL\nThe Sluice\n.AU\nAda Quist\n.NH 1\nLocks\n.LP\nFirst.\n.NH 2\nGates\n.LP\nWords.\n",
    "a.pod": "=head1 NAME\n\nsluice - open the B<gates>\n\n=head1 Locks\n\nFirst.\n\n=head2 Gates\n\nWords.\n\n=cut\n",
    "a.mediawiki": "{{DISPLAYTITLE:Sluice}}\n'''Sluice'''\n\n== Locks ==\nFirst.\n\n=== [[Gate|Gates]] ===\nWords.\n[[Category:Water]]\n",
    "a.textile": "---\ntitle: Sluice\n---\n\nh1. Locks\n\nbc. h1. no\n\nFirst.\n\nh2(#g). Gates\n\nWords.\n",
    "a.bbcode": "[h1]Locks[/h1]\n[code]\n[h1]no[/h1]\n[/code]\nFirst.\n[h2]Gates[/h2]\n[b]Words[/b].\n",
}  # fmt: skip
TITLES = {
    "sluice.8": ("SLUICE(8): open the gates", ("SLUICE(8): open the gates", "LOCKS", "Gates")),
    "sluice.man": ("SLUICE(8): open the gates", ("SLUICE(8): open the gates", "LOCKS", "Gates")),
    "a.ms": ("The Sluice", ("The Sluice", "Locks", "Gates")),
    "a.pod": ("sluice - open the gates", ("Locks", "Gates")),
    "a.mediawiki": ("Sluice", ("Locks", "Gates")),
    "a.textile": ("Sluice", ("Sluice", "Locks", "Gates")),
    "a.bbcode": (None, ("Locks", "Gates")),
}


@pytest.mark.parametrize("name", HANDBOOKS)
def test_titles_are_headings_and_fields_are_metadata(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(HANDBOOKS[name])
    document = convert_file(path, name)
    assert document.markdown == HANDBOOKS[name]
    assert document.metadata.get("title") == TITLES[name][0]
    assert sections(document)[-1].path == TITLES[name][1]
    (span,) = assert_rules(document, 256)
    assert document.markdown[span.start : span.end] == span.text
    assert "Words." in span.indexed
    assert "Gates" in span.indexed
    assert not any(
        mark in span.indexed for mark in (".SH", ".Sh", ".NH", "=head", "==", "h2(", "[h2]", "\\f", "[[", "B<")
    )


def test_what_pages_say_of_themselves_is_metadata() -> None:
    assert fields_of(HANDBOOKS["sluice.8"], ROFF)["date"] == "2031-05-01"
    assert fields_of(HANDBOOKS["sluice.man"], ROFF) == {
        "title": "SLUICE(8): open the gates",
        "section": "8",
        "date": "May 1, 2031",
    }
    assert fields_of(HANDBOOKS["a.ms"], ROFF)["author"] == "Ada Quist"
    assert fields_of(HANDBOOKS["a.mediawiki"], WIKI)["categories"] == ["Water"]


PAGE = HANDBOOKS["sluice.8"]


@pytest.mark.parametrize(
    ("name", "text", "media_type"),
    [
        ("ls.1", PAGE, ROFF), ("Foo.3pm", PAGE, ROFF), ("x.1ssl", PAGE, ROFF), ("x.7", ".so man7/y.7\n", ROFF), ("x.1.in", PAGE, ROFF),
        ("page", PAGE, ROFF), ("x.1", "\n'\\\" t\n" + PAGE, ROFF), ("x.roff", PAGE, ROFF),
        ("app.log.1", "2031-05-01 ERROR pump\n2031-05-02 OK\n", "text/plain"),
        ("app.log.1", "...\n.PP is no request here\n", "text/plain"), ("syslog.1", "SH x\n.SH of a line\n", "text/plain"),
        ("a.man", "Just words of a man.\n", "text/plain"), ("a.ms", "milliseconds: 5\n", "text/plain"),
        ("dotfiles.1", ".bashrc\n.profile\n.vimrc\n", "text/plain"),
        ("a.txt", PAGE, "text/plain"), ("a.md", PAGE, "text/markdown"), ("a.log", PAGE, "text/plain"), ("a.py", PAGE, "text/x-python"),
        ("a.txt", "h1. Locks\n\n== Gates ==\n[b]x[/b]\n\n=head1 N\n", "text/plain"),
        ("a.pod", "words", POD), ("a.wiki", "words", WIKI), ("a.textile", "words", TEXTILE), ("a.bbcode", "words", BBCODE),
    ],
)  # fmt: skip
def test_a_manual_page_is_known_by_its_lines_and_a_rotated_log_is_none(name: str, text: str, media_type: str) -> None:
    assert media_type_of(name, text.encode()) == media_type


def test_a_text_in_plain_words_keeps_all_of_it(tmp_path: Path) -> None:
    text = "h1. Locks\n\n.SH GATES\n'''x''' [b]y[/b] B<z>\n=head1 N\n"
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert masks_of(convert_file(path, "a.txt")) == ()


@pytest.mark.parametrize(
    ("media_type", "text", "quote"),
    [
        (ROFF, ".PP\nThe \\fBpump\\fR isn\\(aqt old.\n.B It\nhums.\n", ["The pump isn't old.", "It hums."]),
        (POD, "=head1 X\n\nThe B<pump> is C<< $a->b >>. I<It> hums.\n", ["X", "The pump is $a->b.", "It hums."]),
        (WIKI, "The '''pump''' of [[Kiel|the port]]. It hums.\n", ["The pump of the port.", "It hums."]),
        (TEXTILE, 'p. The *pump* of "the port":/kiel. It hums.\n', ["The pump of the port.", "It hums."]),
        (BBCODE, "The [b]pump[/b] of [url=/k]the port[/url]. It hums.\n", ["The pump of the port.", "It hums."]),
    ],
)
def test_it_is_quoted_as_its_reader_sees_it(media_type: str, text: str, quote: list[str]) -> None:
    words = quotable(text, media_type)
    assert len(words) == len(text)
    quoted = [" ".join(words[start:end].replace("\0", "").split()) for start, end in split(words)]
    assert [sentence for sentence in quoted if sentence] == quote


@pytest.mark.parametrize(
    ("media_type", "text"),
    [
        (ROFF, ".de X\n"), (ROFF, ".TS\n"), (ROFF, '.B "'), (ROFF, '\\*[a "'), (ROFF, ".TS\na\n"), (ROFF, ".UR x\n"), (ROFF, "\\[a"), (ROFF, ".ig\n"),
        (ROFF, "\\h'"), (ROFF, ".PS\n"), (ROFF, ".pdfhref W \\\n"), (ROFF, ".SH\na\n"), (ROFF, ".de X\n.SH a\n"),
        (POD, "B<"), (POD, "C<< "), (POD, ">"), (POD, "=begin x\n\n"), (POD, "L<a|"), (POD, "=head1 a\n"),
        (WIKI, "{{"), (WIKI, "[["), (WIKI, "[[File:a|"), (WIKI, "<pre>"), (WIKI, "<!--"), (WIKI, "'''"), (WIKI, "== a\n"), (WIKI, "{|\n"),
        (WIKI, "|a="), (WIKI, "[http://a "), (WIKI, "{{{\n"), (WIKI, "<nowiki>"), (WIKI, "{{a|b=c"),
        (TEXTILE, "*a "), (TEXTILE, '"a'), (TEXTILE, '"a(b'), (TEXTILE, "@a"), (TEXTILE, "!a"), (TEXTILE, "<pre>"), (TEXTILE, "bc.. a\n"), (TEXTILE, "_a "),
        (TEXTILE, "h1. a\n"), (TEXTILE, "h1.. a\n"), (TEXTILE, "[^a"), (TEXTILE, "%{a"),
        (BBCODE, "[b]"), (BBCODE, "[code]"), (BBCODE, "[url="), (BBCODE, "[quote=a"), (BBCODE, "[h1]a"), (BBCODE, "[img]a"),
    ],
)  # fmt: skip
def test_markup_that_is_never_closed_costs_no_more_than_its_length(media_type: str, text: str) -> None:
    def seconds(n_times: int) -> float:
        document = Document(text * n_times, media_type=media_type)
        started = process_time()
        masks_of(document)
        sections(document)
        fields_of(document.markdown, media_type)
        return process_time() - started

    few = min(seconds(2_000) for _ in range(3))
    assert min(seconds(8_000) for _ in range(2)) < 8 * few + 0.1


@given(
    st.text(alphabet="<>[](){}`'\"=-:#!|/\\.*&%+_@^~,;\n abfBCESTHh1u", max_size=200),
    st.sampled_from([ROFF, POD, WIKI, TEXTILE, BBCODE]),
)
def test_masks_are_in_order_and_inside_the_text(text: str, media_type: str) -> None:
    document = Document(text, media_type=media_type)
    position = 0
    for start, end in masks_of(document):
        assert position <= start < end <= len(text)
        position = end
    fields_of(text, media_type)
    assert "".join(text[section.start : section.end] for section in sections(document)) == text
    assert len(quotable(text, media_type)) == len(text)
