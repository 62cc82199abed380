"""What a search shows a person: the lines that say most, where they are, and which hits are weak."""

import json
import os
import re
import shlex
import shutil
import stat
import sys

import pexpect
import pytest
from documents import make_docx, make_pdf
from rich.cells import cell_len

from openrag_cli.cli.places import from_here
from openrag_cli.cli.snippet import fitting_heading, snippet, whole
from openrag_cli.domain import Span
from openrag_cli.retrieval.query_words import Words

TABLE = "| Port | Service |\n|---|---|\n" + "".join(f"| {n} | service {n} |\n" for n in range(8000, 8030))
CODE = (
    "Before.\n\n```python\nclass Store:\n    def keep(\n        self,\n        filters=None,\n    ):\n"
    "        return self.zebra\n```\n"
)


def _snippet(text, query, *, width=80, n_lines=3, head=()):
    span = Span(text, 0, len(text), 11, 11 + text.count("\n"), None, (), tuple(head))
    return snippet(span, Words(query), width=width, n_lines=n_lines)


def test_a_snippet_is_centred_on_the_line_that_matches_and_tells_it():
    text = "\n\n".join(f"Paragraph {n} about nothing." for n in range(9)) + "\n\nThe zebras cross here.\n\nThe end.\n"
    found = _snippet(text, "zebra crossing")
    assert found.lines[1] == "The zebras cross here."
    assert found.line == 11 + 18
    assert found.column == 5


def test_short_words_count_and_stop_words_do_not():
    text = "What does this do with what you have?\n\nPack it.\n\nNothing.\n\nUse tar to unpack.\n"
    assert _snippet(text, "what does tar do", n_lines=1).lines == ("Use tar to unpack.",)
    assert Words("what does tar do").marked("What tar does", lambda word: f"<{word}>") == "What <tar> does"
    assert Words("to be or not to be").marked("be that", lambda word: f"<{word}>") == "<be> that"


def test_words_match_as_the_index_stems_them_and_not_by_their_beginning():
    assert Words("zebras crossing").marked("The zebra crosses", lambda word: f"<{word}>") == "The <zebra> <crosses>"
    assert Words("API").marked("api apiary", lambda word: f"<{word}>") == "<api> apiary"


def test_a_line_that_begins_with_code_or_emphasis_goes_on_with_the_sentence_and_a_cut_one_shows_that_it_goes_on():
    text = (
        "This takes no keyword arguments, and the *default* behaviour for zebras when\n``strict`` is omitted remains\n"
        "unchanged.\n"
    )
    assert _snippet(text, "zebras", width=130, n_lines=1).lines == (
        "This takes no keyword arguments, and the *default* behaviour for zebras when ``strict`` is …",
    )
    short = "If a zebra is implemented as a method or\n``static``, it will succeed.\n"
    assert _snippet(short, "zebra", n_lines=1).lines == ("If a zebra is implemented as a method or …",)
    assert _snippet("The zebra is here and it stays.\nnothing else\n", "zebra", n_lines=1).lines[0].endswith("stays.")
    assert _snippet("zebra apples pears\nbananas\n", "zebra", n_lines=1).lines == ("zebra apples pears",)


def test_code_keeps_its_lines_and_its_indentation():
    assert _snippet(CODE, "zebra filters", n_lines=3).lines == (
        "        filters=None,",
        "    ):",
        "        return self.zebra",
    )


def test_a_row_stands_under_the_names_of_its_columns():
    found = _snippet(TABLE, "service 8020", n_lines=1)
    assert (found.head, found.lines) == (("| Port | Service |",), ("| 8020 | service 8020 |",))
    outside = _snippet(
        TABLE.partition("---|\n")[2], "8020", n_lines=1, head=("Ports (TCP)", "| Port | Service |", "|---|---|")
    )
    assert outside.head == ("Ports (TCP)", "| Port | Service |")
    assert outside.line == 11 + 20


def test_what_is_cut_has_an_ellipsis_and_no_line_is_wider_than_the_screen():
    prose = (
        "One word follows another until the line is long. " * 12
        + "Here a zebra stands. "
        + "And more words come. " * 20
    )
    found = _snippet(prose, "zebra", width=60)
    assert found.lines[0].startswith("… ")
    assert found.lines[-1].endswith(" …")
    assert max(map(len, found.lines)) <= 60
    assert max(map(len, _snippet(prose, "zebra", width=300).lines)) <= 100
    row = _snippet("| " + "x " * 100 + "zebra |", "zebra", width=60).lines[0]
    assert row.startswith("…")
    assert "zebra" in row
    assert len(row) <= 60


def test_wide_letters_take_two_columns(searched):
    text = "密钥每九十天轮换一次。" * 12 + "\n\n| 名称 | 价格 |\n|---|---|\n| " + "香蕉" * 30 + " | 斑馬 |\n"
    for query in ("密钥", "斑馬"):
        lines = _snippet(text, query, width=40).lines
        assert lines
        assert all(cell_len(line) <= 40 for line in lines), lines
    assert "斑馬" in "".join(_snippet(text, "斑馬", width=40).lines)
    assert cell_len(fitting_heading(["操作", "密钥轮换密钥轮换密钥轮换"], 20)) <= 20


def test_a_line_with_words_that_the_heading_does_not_say_comes_before_one_that_repeats_it():
    between = (
        "- `n_files` says how many files are shown, and is of no use to anybody who reads one after the other.\n"
    )
    text = f"- `max_steps` caps the loop.\n{between}- The limit of a step is 4.\n"
    for headings, line in ((("Agents", "Limits"), 1), ((), 3)):
        span = Span(text, 0, len(text), 1, 4, None, headings)
        assert snippet(span, Words("limit agent steps"), width=50, n_lines=3).line == line


def test_a_snippet_does_not_begin_with_the_end_of_a_paragraph_that_says_nothing():
    text = "Nothing is said here, but at a length that takes more than one line of it.\n\nThe zebra.\n"
    assert _snippet(text, "zebra", width=50, n_lines=2).lines == ("The zebra.",)


def test_prose_that_is_wider_than_the_screen_is_joined_before_it_is_wrapped():
    text = "Rotate every key every ninety days with the tool that rotates them all, and at once when a laptop\nis lost.\n"
    code = "```\n" + "x" * 70 + "\nreturn\n```"
    lines = whole(f"# Keys\n\n{text}\n{code}", width=80)
    assert lines[:2] == ("# Keys", "")
    assert lines[2].endswith("and at")
    assert lines[3] == "once when a laptop is lost."
    assert lines[-4:] == ("```", "x" * 70, "return", "```")
    assert whole(text, width=100) == tuple(text.splitlines())


def test_lines_at_the_depth_of_an_item_are_lines_of_their_own():
    text = "      - zebra\n      hooks: null\n      max_steps: 5\n"
    assert _snippet(text, "zebra").lines == ("- zebra", "      hooks: null", "      max_steps: 5")


def test_an_item_of_a_list_is_shown_to_its_end():
    text = "- Something else.\n- Changes that break any of these zebras are to be fixed or\n  reverted at once.\n- More.\n"
    found = _snippet(text, "zebras reverted", width=110, n_lines=1)
    assert found.lines == ("- Changes that break any of these zebras are to be fixed or reverted at once.",)


def test_front_matter_and_rules_are_not_shown():
    assert _snippet("---\ntitle: Zebra\nid: zebra\n---\n\nText.\n\n---\n\nMore.\n", "nothing").lines == (
        "Text.",
        "More.",
    )


@pytest.fixture
def searched(cli, handbook):
    cli("file", "add", handbook, "-p", "handbook")
    return cli


def test_weak_hits_are_counted_and_not_shown(searched):
    shown = searched("search", "rotate", "api", "keys")
    assert shown.out.startswith("1  handbook/ops/keys.md:")
    assert "  -p handbook" in shown.out.splitlines()[0]
    assert "weak match" in shown.err
    assert searched("search", "rotate", "api", "keys", "--all").out.count("\n\n") == 3
    hits = searched("search", "rotate", "api", "keys", "--json").json["hits"]
    assert [hit["weak"] for hit in hits] == [False, True, True, True]


@pytest.mark.parametrize("option", [(), ("--json",), ("--jsonl",), ("-l",), ("--vimgrep",), ("--all",)])
def test_a_search_with_weak_hits_alone_exits_1_in_every_format(searched, option):
    assert searched("search", "quantum chromodynamics of hadrons", *option).code == 1
    assert searched("search", "rotate api keys", *option).code == 0


def test_paths_are_those_from_the_working_directory(searched, handbook, environment):
    hit = searched("search", "rotate api keys", "--json").json["hits"][0]
    assert hit["path"] == str(handbook / "ops" / "keys.md")
    assert "otate" in (handbook / "ops" / "keys.md").read_text().splitlines()[hit["line"] - 1]
    for name in searched("search", "rotate api keys", "-l", "-0", "--all").out.split("\0")[:-1]:
        assert os.path.exists(name)
    path, line, column, text = searched("search", "rotate api keys", "--vimgrep").out.splitlines()[0].split(":", 3)
    assert (path, int(line)) == ("handbook/ops/keys.md", hit["line"])
    assert text == (handbook / path.removeprefix("handbook/")).read_text().splitlines()[int(line) - 1]
    assert text[int(column) - 1].isalnum()
    environment.chdir(handbook / "ops")
    assert searched("search", "rotate api keys", "-l").out == "keys.md\n"
    shutil.rmtree(handbook)
    environment.chdir("/")
    assert searched("search", "rotate api keys", "-l").out == "ops/keys.md\n"
    assert searched("search", "rotate api keys", "--json").json["hits"][0]["path"] is None


def test_paths_of_two_folders_in_one_partition_are_found_by_their_prefix(cli, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.md").write_text(f"# Zebra\n\nThe zebra of {name}.\n")
    assert cli("file", "add", "one", "two").code == 0
    assert sorted(cli("search", "zebra", "-l").out.splitlines()) == ["one/index.md", "two/index.md"]


def test_a_far_path_is_absolute(tmp_path, environment):
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    environment.chdir(deep)
    assert from_here(tmp_path / "x.md") == str(tmp_path / "x.md")
    assert from_here(tmp_path / "a" / "x.md") == "../../x.md"


def test_k_counts_files_with_l(cli, tmp_path):
    folder = tmp_path / "zoo"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.md").write_text(
            "\n\n".join(f"# Zebra {m}\n\n" + f"The zebra {m} of zoo {n}. " * 60 for m in range(6))
        )
    cli("file", "add", folder)
    assert len(cli("search", "zebra", "-l", "-k", "4", "--all-chunks").out.splitlines()) == 4


def test_open_runs_the_editor_at_the_line_of_a_hit(searched, tmp_path, environment, handbook):
    editor = tmp_path / "vim"
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/opened\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    environment.setenv("VISUAL", str(editor))
    line = searched("search", "rotate api keys", "--json").json["hits"][0]["line"]
    searched("search", "rotate api keys")
    assert searched("open", "1").code == 0
    assert (tmp_path / "opened").read_text() == f"+{line}\n{handbook}/ops/keys.md\n"
    assert searched("open", "ops/keys.md", "-p", "handbook", "--print").out == f"{handbook}/ops/keys.md\n"
    assert searched("open", "1", "--json").json["line"] == line
    assert searched("open", "9").code == 2
    assert searched("open", "nothing.md", "-p", "handbook").code == 66


def _program(path, *, code=0):
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$(basename "$0")" "$@" >> {path.parent.parent}/opened\nexit {code}\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("editor", "desktop", "opened"),
    [
        (True, 0, ["xdg-open book.pdf", "xdg-open letter.docx", "vim +1 page.md"]),
        (True, 3, ["xdg-open book.pdf", "vim book.pdf", "xdg-open letter.docx", "vim letter.docx", "vim +1 page.md"]),
        (False, 3, ["xdg-open book.pdf", "xdg-open letter.docx", "xdg-open page.md"]),
    ],
)
def test_what_is_no_text_is_for_the_desktop_and_an_editor_where_there_is_none(
    cli, tmp_path, environment, editor, desktop, opened
):
    (tmp_path / "book.pdf").write_bytes(make_pdf(["The heron stands in the reeds."]))
    (tmp_path / "letter.docx").write_bytes(
        make_docx("<w:p><w:r><w:t>The heron stands in the reeds.</w:t></w:r></w:p>")
    )
    (tmp_path / "page.md").write_text("The heron stands in the reeds.\n")
    cli("file", "add", "book.pdf", "letter.docx", "page.md")
    _program(tmp_path / "bin" / "xdg-open", code=desktop)
    environment.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    environment.setenv("VISUAL", _program(tmp_path / "bin" / "vim") + " " if editor else "")
    codes = [cli("open", name).code for name in ("book.pdf", "letter.docx", "page.md")]
    assert codes == [0 if editor else 2] * 3
    said = (tmp_path / "opened").read_text().replace(f"{tmp_path}/", "").split()
    assert said == " ".join(opened).split()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("page.html", "<html>\n<head>\n<title>Reeds</title>\n</head>\n<body>\n\n<p>First.</p>\n", ""),
        (
            "page.html",
            "<p>The heron.</p>\n<ul>\n<li>One</li>\n\n\n<li>Two stands.</li>\n</ul>\n",
            "<p>The reeds.</p>\n",
        ),
        ("mail.eml", "From: a@b.c\nTo: d@e.f\nMIME-Version: 1.0\nX-Mailer: x\nSubject: Birds\n\n", ""),
        ("note.md", "# Birds\n\n", "\nThe heron.\n"),
        ("utf16.txt", "", ""),
    ],
)
def test_an_editor_is_at_the_line_of_the_source_whatever_the_text_was_read_out_of(
    cli, tmp_path, environment, name, before, after
):
    text = f"{before}The heron stands in the reeds.\n{after}"
    (tmp_path / name).write_bytes(text.encode("utf-16" if name == "utf16.txt" else "utf-8"))
    cli("file", "add", name)
    cli("search", "heron stands in the reeds")
    environment.setenv("VISUAL", _program(tmp_path / "bin" / "vim"))
    assert cli("open", "1").code == 0
    line = 1 + text.split("\n").index("The heron stands in the reeds.")
    assert (tmp_path / "opened").read_text() == f"vim\n+{line}\n{tmp_path}/{name}\n"


def test_an_editor_with_an_open_quote_is_told(searched, environment):
    environment.setenv("VISUAL", "'/opt/my ed")
    result = searched("open", "ops/keys.md", "-p", "handbook")
    assert result.code == 2
    assert "VISUAL or EDITOR is no command: No closing quotation" in result.err


def test_a_terminal_gets_links_and_no_document_can_make_one(searched, tmp_path):
    (tmp_path / "evil.md").write_text("The zebra \x1b]8;;http://evil/\x1b\\here\x1b]8;;\x1b\\ stands.\n")
    searched("file", "add", "evil.md")
    child = pexpect.spawn(
        sys.executable, ["-m", "openrag_cli", "search", "zebra"], encoding="utf-8", timeout=60, dimensions=(50, 100)
    )
    text = child.read()
    assert f"\x1b]8;;file://{tmp_path}/evil.md#1\x1b\\" in text
    assert text.count("\x1b]8;;") == 2
    assert "\x1b" not in searched("search", "zebra").out


def test_links_lead_to_the_line_from_hits_sources_and_lines_of_grep(cli, environment, tmp_path):
    (tmp_path / "ä b#.md").write_text("# Okapis\n\nThe okapi eats 30 kilos of leaves a day.\n")
    cli("file", "add", "ä b#.md")
    link = f"\x1b]8;;file://{tmp_path}/%C3%A4%20b%23.md#3\x1b\\"
    asked = (("search", "okapi leaves"), ("ask", "How much does the okapi eat a day?"), ("grep", "okapi"))
    for arguments in asked:
        text = pexpect.run(
            shlex.join([sys.executable, "-m", "openrag_cli", *arguments]), timeout=60, encoding="utf-8"
        )
        assert link in text, arguments
        assert len(re.findall("\x1b]8;;[^\x1b]+\x1b", text)) == text.count("\x1b]8;;\x1b\\"), arguments
        plain = pexpect.run(
            shlex.join([sys.executable, "-m", "openrag_cli", *arguments]), timeout=60, encoding="utf-8",
            env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        assert "\x1b" not in plain, arguments
        assert "\x1b" not in cli(*arguments).out


def test_a_terminal_shows_beginnings_of_ids_that_commands_take_and_a_pipe_whole_ones(searched):
    spawn = pexpect.spawn(sys.executable, ["-m", "openrag_cli", "task", "list"], encoding="utf-8", timeout=60)
    known = [entry["task_id"] for entry in searched("task", "list", "--json").json["tasks"]]
    ids = [
        line.split()[0] for line in re.sub(r"\x1b\[[0-9;]*m", "", spawn.read()).splitlines() if "COMPLETED" in line
    ]
    assert len(set(ids)) == len(known)
    assert [one.startswith(short) and len(short) < 30 for one, short in zip(known, ids, strict=True)] == [True] * len(
        ids
    )
    assert [searched("task", "show", short, "--json").json["task_id"] for short in ids] == known
    assert [line.split()[0] for line in searched("task", "list").out.splitlines()] == known


def test_a_search_of_a_store_that_waits_says_so(searched, tmp_path):
    (tmp_path / "later.md").write_text("Later.")
    searched("file", "add", "later.md", "--detach")
    assert "1 file waits to be indexed" in searched("search", "quantum chromodynamics").err


def test_json_lines_tell_what_json_tells(searched):
    lines = [json.loads(line) for line in searched("search", "keys", "--jsonl").out.splitlines()]
    hits = searched("search", "keys", "--json").json["hits"]
    assert [{name: value for name, value in line.items() if name != "schema"} for line in lines] == hits


def test_a_chunk_and_a_session_are_wrapped_between_words_on_a_terminal_alone(searched, process, tmp_path):
    text = "The okapi sleeps by day in the thick of the forest and eats by night, when nobody who might hunt it is about.\n"
    (tmp_path / "okapi.md").write_text(text)
    searched("file", "add", "okapi.md")
    process("chat", "--session", "s", stdin=b"when does the okapi eat?\n")
    hit = searched("search", "okapi sleeps", "--json").json["hits"][0]["chunk_id"]
    for words in (("extract", "show", hit), ("session", "show", "s")):
        assert text.strip() in searched(*words).out
        command = shlex.join([sys.executable, "-m", "openrag_cli", *words])
        shown = pexpect.run(command, timeout=60, encoding="utf-8", dimensions=(40, 80))
        lines = re.sub(r"\x1b\[[\d;]*m", "", shown).replace("\r", "").splitlines()
        assert all(len(line) <= 80 for line in lines), shown
        assert text.strip() in " ".join(lines)
        assert text.strip() not in shown
