"""`openrag grep`: complete, by line and page, and no pattern can hang it."""

import contextlib
import re
import shlex
import sqlite3
import string
import subprocess

import pytest
from documents import make_pdf
from hypothesis import given, settings
from hypothesis import strategies as st

from openrag_cli.errors import InvalidInput
from openrag_cli.matching.child import matches
from openrag_cli.matching.matcher import Matcher
from openrag_cli.matching.needs import needs
from openrag_cli.store.searching import grams
from openrag_cli.store.searching.grams import folded, may_hold, signature


@pytest.fixture
def zoo(cli, tmp_path):
    folder = tmp_path / "zoo"
    (folder / "b").mkdir(parents=True)
    (folder / "a.md").write_text("# Zoo\n\nA zebra.\nNo match.\nTwo Zebras, zebra!\n")
    (folder / "b" / "code.py").write_text("def zebra():\r\n    return 'x'\r\n\nzebra()  # last")
    (folder / "c.txt").write_text("Größe\u2028zebra after a line separator\n" + "a" * 60 + "b\n")
    assert cli("file", "add", folder, "-p", "zoo").code == 0
    return cli


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("zebra", ()), ("zebra", ("-i",)), ("^A", ()), ("zebra()", ("-F",)), ("[Zz]ebra.?[,!]", ("-E",)), ("Größe", ()),
        ("x*", ("-E",)), ("nothing", ()), ("'x'$", ()),
    ],
)  # fmt: skip
def test_it_finds_what_grep_finds_in_text_files(zoo, tmp_path, pattern, options):
    theirs = subprocess.run(
        ["grep", "-rn", *options, "--", pattern, "zoo"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    expected = sorted(line.removesuffix("\r") for line in theirs.stdout.split("\n") if line)
    if pattern == "'x'$":  # a carriage return is no end of a line for grep
        expected = ["zoo/b/code.py:2:    return 'x'"]
    ours = zoo("grep", *(one for one in options if one != "-E"), "--", pattern)
    found = sorted(line.replace("\\u2028", "\u2028") for line in ours.out.split("\n") if line)
    assert found == expected
    assert ours.code == (0 if expected else 1)


def test_names_counts_and_context_are_those_of_grep(zoo):
    assert zoo("grep", "zebra", "-l").out == "zoo/a.md\nzoo/b/code.py\nzoo/c.txt\n"
    assert zoo("grep", "zebra", "-l", "-0").out == "zoo/a.md\0zoo/b/code.py\0zoo/c.txt\0"
    assert zoo("grep", "zebra", "-c", "-f", "a.md").out == "zoo/a.md:2\n"
    assert zoo("grep", "A zebra", "-0").out == "zoo/a.md\x003:A zebra.\n"
    assert zoo("grep", "zebra", "-C", "1", "-f", "b/code.py").out == (
        "zoo/b/code.py:1:def zebra():\nzoo/b/code.py-2-    return 'x'\nzoo/b/code.py-3-\nzoo/b/code.py:4:zebra()  # last\n"
    )
    assert zoo("grep", "zebra", "-C", "1").out.count("\n--\nzoo/c.txt") == 1


def test_a_file_of_two_partitions_is_one_file_to_a_person(cli, tmp_path):
    (tmp_path / "okapi.md").write_text("One okapi.\n\nTwo okapis.\n")
    for partition in ("one", "two"):
        cli("file", "add", "okapi.md", "-p", partition)
    assert cli("grep", "okapi").out == "okapi.md:1:One okapi.\nokapi.md:3:Two okapis.\n"
    assert cli("grep", "-l", "okapi").out == "okapi.md\n"
    assert cli("grep", "-c", "okapi").out == "okapi.md:2\n"
    assert len(cli("grep", "okapi", "--json").json["lines"]) == 4


def test_json_tells_where_each_match_is(zoo, tmp_path):
    body = zoo("grep", "zebra", "-i", "-C", "1", "--json", "-f", "a.md").json
    assert [(one["line"], one["matches"]) for one in body["lines"]] == [
        (3, [{"start": 2, "end": 7}]),
        (5, [{"start": 4, "end": 9}, {"start": 12, "end": 17}]),
    ]
    assert body["lines"][0]["path"] == f"{tmp_path}/zoo/a.md"
    assert (body["lines"][0]["before"], body["lines"][0]["after"]) == ([""], ["No match."])
    assert body["files"] == 1


def test_a_pattern_that_would_hang_is_stopped_and_told(zoo):
    result = zoo("grep", "(a+)+$", "--max-seconds", "0.2")
    assert result.code == 3
    assert "c.txt: the pattern took longer than 0.2 s" in result.err
    assert "a.md" not in result.err
    assert zoo("grep", "(a+)+$", "--max-seconds", "0.2", "--json").json["too_slow"] == [
        {"partition": "zoo", "file_id": "c.txt"}
    ]


def test_it_gives_up_after_three_documents_that_took_too_long(cli, tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.txt").write_text("a" * 60 + "b\n")
    cli("file", "add", *(f"{n}.txt" for n in range(5)))
    result = cli("grep", "(a+)+$", "--max-seconds", "0.1")
    assert result.code == 3
    assert "gave up: 2 more files not searched" in result.err


@pytest.mark.parametrize("pattern", ["(", "*", "a{1000000000000}", "(?P<x"])
def test_a_pattern_that_is_none_is_refused(zoo, pattern):
    result = zoo("grep", pattern)
    assert result.code == 2
    assert "regular expression" in result.err
    assert zoo("grep", "-F", pattern).code in {0, 1}


@pytest.mark.parametrize("pattern", ["[[:digit:]]+", "[:space:]", "a[^[:upper:]x]"])
def test_a_class_that_only_grep_knows_is_told_and_not_taken_for_its_letters(zoo, pattern):
    result = zoo("grep", pattern)
    assert (result.code, result.out) == (2, "")
    assert "is not known, write " in result.err
    assert zoo("grep", "-F", pattern).code == 1
    assert zoo("grep", "-c", "[[:]").code == 0  # a set of a bracket and a colon: the code has one


def test_a_name_that_begins_with_a_dash_is_printed_as_a_path(cli, tmp_path):
    (tmp_path / "-rf.md").write_text("The heron stands in the reeds.\n")
    cli("file", "add", "--", "./-rf.md")
    assert cli("grep", "-l", "heron").out == "./-rf.md\n"
    assert cli("search", "heron", "-l", "-0").out == "./-rf.md\0"
    (tmp_path / "-rf.md").unlink()
    [hint] = [line for line in cli("grep", "-l", "heron").err.splitlines() if "openrag file get" in line]
    said = cli(*shlex.split(hint.partition("openrag ")[2]))
    assert (said.code, said.out) == (0, "The heron stands in the reeds.\n")


def test_a_matcher_goes_on_after_a_text_that_took_too_long():
    with Matcher("(a+)+$", limit_s=2) as matcher:
        assert matcher.lines("a" * 60 + "b") is None
        assert [line.number for line in matcher.lines("b\na\n")] == [1]
    with pytest.raises(InvalidInput), Matcher("["):
        pass


def test_a_match_in_a_pdf_has_its_page(cli, tmp_path):
    (tmp_path / "two.pdf").write_bytes(make_pdf(["First page, no animal.", "A zebra on the second page."]))
    assert cli("file", "add", "two.pdf").code == 0
    assert re.fullmatch(r"two\.pdf p\.2:\d+:A zebra on the second page\.\n", cli("grep", "zebra").out)
    assert cli("grep", "zebra", "--json").json["lines"][0]["page"] == 2


def test_files_that_wait_are_told(zoo, tmp_path):
    (tmp_path / "later.md").write_text("A zebra.")
    zoo("file", "add", "later.md", "--detach")
    assert "1 file waits to be indexed" in zoo("grep", "zebra").err


# --- which texts are read


def _needed(pattern, flags=0):
    re.compile(pattern, flags)
    return needs(pattern, flags)


@pytest.mark.parametrize(
    ("pattern", "flags", "runs"),
    [
        (r"\bzebra\b", 0, ["zebra"]), (r"invoice 20[0-9]+", 0, ["invoice 20"]), (r"^(foo)+bar?$", 0, ["foo", "ba"]),
        (r"[Zz]ebra", 0, ["zebra"]), (r"x*", 0, []), (r"(zebra)?", 0, []), (r"(?!zebra)x", 0, ["x"]),
        (r"caf\u00e9 noir", 0, ["caf\u00e9 noir"]), (r"caf\u00e9 noir", re.IGNORECASE, ["caf", " noir"]),
        (r"(?i:caf\u00e9) noir", 0, ["caf", " noir"]), (r"(?x) ze bra", 0, ["zebra"]), (r"(?>zebra)+", 0, ["zebra"]),
        (r"(a)?(?(1)zebra|lion)", 0, []),
    ],
)  # fmt: skip
def test_a_pattern_needs_what_it_cannot_match_without(pattern, flags, runs):
    assert _needed(pattern, flags) == {"runs": runs, "any": []}


def test_a_choice_needs_one_of_its_parts():
    assert _needed("red (zebra|lion)") == {
        "runs": ["red "],
        "any": [[{"runs": ["zebra"], "any": []}, {"runs": ["lion"], "any": []}]],
    }
    assert _needed("zebra|x*") == {"runs": [], "any": []}


def test_letters_that_are_one_without_case_are_folded_alike():
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    partners = [letter for letter in letters if re.fullmatch("[a-z]", letter, re.IGNORECASE)]
    assert {"\u0131", "\u017f", "\u212a", "Z"} <= set(partners)
    for letter in partners:
        own = [one for one in string.ascii_lowercase if re.fullmatch(one, letter, re.IGNORECASE)]
        assert [folded(letter)] == own
    assert not [one for one in letters if len(one.lower()) == 1 and folded(one.lower()) != folded(one)]


LETTERS = st.text(alphabet="abAB\u00e9\u00c9\u03a3\u03c3\u03c2\u0130\u0131Kk\u017fs \u6771\u4eac.\n", max_size=30)
PATTERNS = st.one_of(
    LETTERS.map(re.escape),
    st.recursive(
        LETTERS.filter(bool).map(re.escape) | st.sampled_from(["[ab]", "[Aa]", ".", "^", "$", r"\b", r"\w", "[^b]"]),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
            st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,1}"])).map(
                lambda two: f"(?:{two[0]}){two[1]}"
            ),
            inner.map(lambda part: f"(?i:{part})"),
            inner.map(lambda part: f"(?={part})"),
        ),
        max_leaves=6,
    ),
)


@given(pattern=PATTERNS, text=LETTERS, flags=st.sampled_from([0, re.IGNORECASE]))
@settings(max_examples=400, deadline=None)
def test_no_text_that_matches_is_left_out(pattern, text, flags):
    compiled = re.compile(pattern, flags)
    if matches(compiled, text):
        assert may_hold(needs(pattern, flags), signature(text))


@given(text=st.text(max_size=200), begin=st.integers(0, 200), length=st.integers(1, 12))
def test_each_part_of_a_text_is_in_its_signature(text, begin, length):
    part = text[begin : begin + length]
    assert may_hold({"runs": [part], "any": []}, signature(text))


def test_texts_longer_than_a_block_are_signed_whole(monkeypatch):
    monkeypatch.setattr(grams, "BLOCK_CHARS", 16)
    text = " ".join(f"word{n}" for n in range(200))
    whole = signature(text)
    assert all(may_hold({"runs": [text[at : at + 9]], "any": []}, whole) for at in range(len(text)))
    assert not may_hold({"runs": ["zebra"], "any": []}, whole)


def test_texts_without_the_word_are_not_read_and_no_match_is_lost(cli, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(60):
        (folder / f"{n:02}.md").write_text(
            f"---\nkept: {'kangaroo' if n == 59 else 'emu'}\n---\n\n# Page {n}\n\n"
            + ("A Zebra.\n" if n % 20 == 7 else "A lion.\n")
        )
    assert cli("file", "add", folder, "-p", "many").code == 0
    body = cli("grep", "[Zz]ebras?", "--json").json
    assert [one["file_id"] for one in body["lines"]] == ["07.md", "27.md", "47.md"]
    assert (body["files"], body["read"]) == (60, 3)
    body = cli("grep", "kangaroo|zebra", "-i", "--json").json  # front matter stands in no index
    assert [one["file_id"] for one in body["lines"]] == ["07.md", "27.md", "47.md", "59.md"]
    assert body["read"] == 4
    assert cli("grep", ".*", "-c", "--json").json["read"] == 60


def test_a_text_of_an_older_store_is_read_until_maintenance_has_signed_it(cli, tmp_path):
    (tmp_path / "a.md").write_text("A zebra.\n")
    (tmp_path / "b.md").write_text("A lion.\n")
    cli("file", "add", "a.md", "b.md")
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "openrag.db")) as connection, connection:
        connection.execute("DELETE FROM gram")
        connection.execute(
            "UPDATE document SET markdown = x'00' WHERE revision = (SELECT revision FROM file WHERE file_id = 'b.md')"
        )
    assert cli("grep", "zebra", "-f", "a.md", "--json").json["read"] == 1
    cli("store", "optimize")
    body = cli("grep", "tiger", "-f", "a.md", "--json").json
    assert (body["files"], body["read"]) == (1, 0)
    assert cli("grep", "tiger").code not in {0, 1}, "a damaged text is told, not left out"


def test_a_replaced_or_deleted_text_leaves_no_signature(cli, tmp_path):
    (tmp_path / "a.md").write_text("A zebra.\n")
    cli("file", "add", "a.md")
    (tmp_path / "a.md").write_text("A lion.\n")
    cli("file", "add", "a.md", "--if-exists", "replace")
    assert cli("grep", "zebra").code == 1
    assert cli("grep", "lion", "-l").out == "a.md\n"
    cli("file", "delete", "a.md", "--yes")
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / "openrag.db")) as connection:
        assert connection.execute("SELECT count(*) FROM gram").fetchone() == (0,)
