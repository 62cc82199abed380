"""DocBook, read as the pages that its stylesheets make of it."""

# ruff: noqa: E501 - bodies of documents

import contextlib
from time import process_time

import pytest
from test_xml_files import codes, read

from openrag_cli.errors import IngestError

V4 = '<!DOCTYPE article PUBLIC "-//OASIS//DTD DocBook XML V4.5//EN" "docbookx.dtd">'
V5 = 'xmlns="http://docbook.org/ns/docbook" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xi="http://www.w3.org/2001/XInclude"'


def article(body: str) -> str:
    return f"{V4}<article>{body}</article>"


def entries(*rows: str) -> str:
    return "".join(f"<row>{''.join(f'<entry>{text}</entry>' for text in row.split('|'))}</row>" for row in rows)


SPANS = (
    "<informaltable><tgroup cols='3'><colspec colname='a'/><colspec colname='b'/><colspec colname='c'/><spanspec spanname='bc' namest='b' nameend='c'/>"
    f"<thead>{entries('Region|Depot|Stock')}</thead><tbody><row><entry morerows='1'>North</entry><entry>Kiel</entry><entry>11</entry></row>"
    "<row><entry spanname='bc'>closed</entry></row><row><entry>South</entry><entry namest='b' nameend='c'>shut</entry></row></tbody></tgroup></informaltable>"
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<title>Locks</title><section><title>Gates</title><para>Lift\n  it.</para></section>", "# Locks\n\n## Gates\n\nLift it."),
        ("<articleinfo><title>Locks</title><author><firstname>Ada</firstname><surname>Quill</surname></author></articleinfo><para>Words.</para>", "# Locks\n\nAda Quill\n\nWords."),
        ("<para>An <emphasis>old</emphasis>, <emphasis role='bold'>big</emphasis> <command>pump</command> of 10<superscript>6</superscript> <quote>litres</quote>.</para>", "An *old*, **big** `pump` of 10^6 “litres”."),
        ("<orderedlist><listitem><para>one</para></listitem><listitem><para>two</para><itemizedlist><listitem><para>in</para></listitem></itemizedlist></listitem></orderedlist>", "1. one\n2. two\n   - in"),
        ("<variablelist><varlistentry><term>-v</term><listitem><para>Be loud.</para></listitem></varlistentry></variablelist>", "-v\n\n: Be loud."),
        ("<programlisting language='c'>if (x)\n  y &amp;= 1;</programlisting>", "```c\nif (x)\n  y &= 1;\n```"),
        ("<para>Ten<footnote><para>As amended.</para></footnote> and<footnote><para>More.</para></footnote>.</para>", "Ten[1] and[2].\n\n[1] As amended.\n\n[2] More."),
        ("<para>See <xref linkend='g'/>, <ulink url='https://x.example/'>the site</ulink>.</para><section id='g'><title>Gates</title><para>x</para></section>", "See Gates, [the site](https://x.example/).\n\n## Gates\n\nx"),
        ("<para>Press <keycombo><keycap>Ctrl</keycap><keycap>C</keycap></keycombo> in <menuchoice><guimenu>File</guimenu><guimenuitem>Open</guimenuitem></menuchoice>.</para>", "Press Ctrl+C in File → Open."),
        ("<para>Seen<indexterm><primary>unseen</primary></indexterm><remark>unseen</remark><!-- unseen -->.</para>", "Seen."),
        ("<warning><para>Mind it.</para></warning>", "> **Warning**\n> \n> Mind it."),
        ("<figure><title>Weir</title><mediaobject><imageobject><imagedata fileref='a.png'/></imageobject><textobject><phrase>At dawn</phrase></textobject></mediaobject></figure>", "**Weir**\n\n![At dawn](a.png)"),
        ("<cmdsynopsis><command>pump</command> <arg>-v</arg> <arg choice='plain'>file</arg></cmdsynopsis>", "`pump` [-v] file"),
        ("<funcsynopsis><funcprototype><funcdef>int <function>lift</function></funcdef><paramdef>int <parameter>n</parameter></paramdef></funcprototype></funcsynopsis>", "int lift(int n);"),
        (f"<table><title>Depots</title><tgroup cols='2'><thead>{entries('Depot|Stock')}</thead><tbody>{entries('Kiel|11')}</tbody></tgroup></table>", "Depots\n\n| Depot | Stock |\n| --- | --- |\n| Kiel | 11 |"),
        (
            SPANS,
            "| Region | Depot | Stock |\n| --- | --- | --- |\n| North | Kiel | 11 |\n| North | closed | closed |\n| South | shut | shut |",
        ),
        ("<refentry><refmeta><refentrytitle>pump</refentrytitle><manvolnum>1</manvolnum></refmeta><refnamediv><refname>pump</refname><refpurpose>move water</refpurpose></refnamediv></refentry>", "## pump(1)\n\npump — move water"),
    ],
)  # fmt: skip
def test_docbook_stands_as_it_is_printed(tmp_path, body, text):
    document = read(tmp_path, article(body), "a.xml")
    assert (document.markdown, document.media_type, codes(document)) == (text, "application/docbook+xml", [])


def test_version_5_says_what_it_is_called(tmp_path):
    page = f"<book {V5}><info><title>Locks</title><author><personname><firstname>Ada</firstname><surname>Quill</surname></personname></author><pubdate>2024-05-06</pubdate></info><chapter><title>Gates</title><para>See <link xlink:href='https://x.example/'>it</link>.</para></chapter></book>"
    document = read(tmp_path, page, "a.dbk")
    assert document.metadata == {"title": "Locks", "author": "Ada Quill", "date": "2024-05-06"}
    assert document.markdown == "# Locks\n\nAda Quill\n\n2024-05-06\n\n## Gates\n\nSee [it](https://x.example/)."


def test_entities_are_characters_words_or_parts_that_are_told(tmp_path):
    doctype = (
        V4.removesuffix(">")
        + ' [<!ENTITY app "Tide<emphasis>watch</emphasis>"><!ENTITY next SYSTEM "/etc/hostname">]>'
    )
    document = read(
        tmp_path,
        f"{doctype}<article><para>&app; &mdash; &unknown; <![CDATA[&mdash;]]></para>&next;</article>",
        "a.docbook",
    )
    assert document.markdown == "Tidewatch — unknown &mdash;"
    assert [warning.message for warning in document.warnings] == ["left out: 1 part in a file of its own"]


def test_an_included_file_is_told_and_not_opened(tmp_path):
    document = read(
        tmp_path,
        f"<article {V5}><para>Words.</para><xi:include href='/etc/hostname' parse='text'/></article>",
        "a.xml",
    )
    assert (document.markdown, codes(document)) == ("Words.", ["left_out"])


def test_sgml_whose_tags_all_stand_there_is_read(tmp_path):
    page = '<!DOCTYPE ARTICLE PUBLIC "-//OASIS//DTD DocBook V3.1//EN"><ARTICLE><TITLE>Locks</TITLE><PARA>See <XREF LINKEND="x">. Now.</PARA><PARA>End.</PARA></ARTICLE>'
    document = read(tmp_path, page, "a.sgml")
    assert (document.markdown, codes(document)) == ("# Locks\n\nSee . Now.\n\nEnd.", [])


def test_a_damaged_file_is_read_as_far_as_it_is(tmp_path):
    document = read(
        tmp_path, article("<para>Kept words.</para><section><para>cut").partition("</article>")[0], "a.xml"
    )
    assert document.markdown.startswith("Kept words.")
    assert codes(document) == ["damaged_part"]


def test_entities_within_entities_do_no_harm(tmp_path):
    layers = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 12))
    doctype = V4.removesuffix(">") + f' [<!ENTITY e0 "aaaaaaaaaa">{layers}]>'
    began = process_time()
    with contextlib.suppress(IngestError):
        document = read(tmp_path, f"{doctype}<article><para>Words. &e11;</para></article>", "a.xml")
        assert len(document.markdown) < 20_000_000
    assert process_time() - began < 20


@pytest.mark.parametrize(
    "piece",
    [
        "words <indexterm><primary>x</primary></indexterm>",
        "words <xref linkend='a'/>",
        "w<footnote><para>n</para></footnote>",
    ],
)
def test_many_pieces_of_one_paragraph_cost_no_more_than_their_number(tmp_path, piece):
    def seconds(n_times: int) -> float:
        began = process_time()
        read(tmp_path, article(f"<para id='a'>{piece * n_times}</para>"), "a.xml")
        return process_time() - began

    few = min(seconds(1_000) for _ in range(2))
    assert seconds(8_000) < 20 * few + 0.2
