"""`openrag grep`: complete, by line and page, and no pattern can hang it."""

import re
import subprocess

import pytest
from documents import make_pdf

from openrag_cli.errors import InvalidInput
from openrag_cli.matching.matcher import Matcher


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


def test_a_matcher_goes_on_after_a_text_that_took_too_long():
    with Matcher("(a+)+$", limit_s=0.2) as matcher:
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
    assert "1 file waiting to be indexed" in zoo("grep", "zebra").err
