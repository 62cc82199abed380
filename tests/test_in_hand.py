"""A question about what is in one's hand: files and standard input that no store keeps."""

import os
from pathlib import Path

import pytest

LOG = "\n".join(
    [f"2026-03-01 10:00:{n % 60:02} app[{n}]: request {n} served in {n % 90} ms" for n in range(400)]
    + ["2026-03-01 10:07:11 nginx[99]: failed to bind port 443: address already in use"]
    + [f"2026-03-01 10:08:{n % 60:02} app[{n}]: request {n} served" for n in range(400)]
).encode()


def _files(folder):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def test_standard_input_is_asked_about_cited_by_line_and_not_stored(process, tmp_path):
    result = process("ask", "which port failed to bind?", "--with", "-", "--json", stdin=LOG)
    assert result.code == 0, result.err
    [citation] = result.json["citations"]
    assert (citation["file_id"], citation["partition"], citation["line_start"]) == ("stdin", "", 401)
    assert "port 443" in result.json["answer"]
    shown = process("ask", "which port failed to bind?", "--with", "-", stdin=LOG)
    assert "[1] stdin:401, " in shown.out
    assert not (tmp_path / "store").exists()
    assert not [path for path in _files(tmp_path) if "443" in Path(path).read_text(errors="replace")]


def test_a_file_is_asked_about_alone_or_beside_the_store(process, handbook, tmp_path):
    (tmp_path / "rules.md").write_text("# Rules\n\nKeys of guests are rotated every 3 days by the porter.\n")
    alone = process("ask", "how often are the keys of guests rotated?", "--with", "rules.md", "--json").json
    assert {source["file_id"] for source in alone["sources"]} == {"rules.md"}
    assert "every 3 days" in alone["answer"]
    process("file", "add", handbook, "-p", "handbook")
    before = process("file", "list", "-p", "handbook", "--json").json
    both = process("ask", "how often are keys rotated?", "--with", "rules.md", "-p", "handbook", "--json").json
    assert {"rules.md", "ops/keys.md"} <= {source["file_id"] for source in both["sources"]}
    assert process("file", "list", "-p", "handbook", "--json").json == before
    grown = process("ask", "how often are keys rotated?", "--with", "rules.md", "--context", "2", "--json")
    assert grown.code == 0


def test_office_files_and_several_files_are_read_as_they_would_be_when_added(process, shared, tmp_path):
    (tmp_path / "a.csv").write_text("beast,food\nzebra,hay\nlion,meat\n")
    (tmp_path / "b.html").write_text("<title>Owls</title><p>The owl eats mice at night.</p>")
    asked = process("ask", "what does the owl eat?", "--with", "a.csv", "--with", "b.html", "--json").json
    assert asked["citations"][0]["file_id"] == "b.html"
    assert "mice" in asked["answer"]


@pytest.mark.parametrize(
    "name", ["one/two/rules.md", "one/../one/two/rules.md", "link.md", "-/rules.md", "/dev/stdin"]
)
def test_a_file_is_read_wherever_it_is_from_here(process, tmp_path, name):
    text = b"Keys of guests are rotated every 3 days by the porter.\n"
    for folder in ("one/two", "-"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "rules.md").write_bytes(text)
    (tmp_path / "link.md").symlink_to("one/two/rules.md")
    result = process("ask", "how often are the keys of guests rotated?", f"--with={name}", stdin=text)
    assert result.code == 0, result.err
    assert f"[1] {name}:1" in result.out


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (("--with", "nowhere.md"), b"", 66),
        (("--with", "."), b"", 66),
        (("--with", "-"), os.urandom(3) + b"\0" * 3000, 65),
        (("--with", "-"), b"   \n", 65),
        (("--with", "-", "--server", "http://127.0.0.1:9"), b"text", 2),
    ],
)
def test_what_cannot_be_read_is_refused(process, arguments, stdin, code):
    result = process("ask", "what?", *arguments, stdin=stdin)
    assert result.code == code, result
    assert result.err.startswith("error: ")


def test_the_question_and_what_it_is_about_cannot_both_be_standard_input(process):
    assert process("ask", "-", "--with", "-", stdin=b"x").code == 2


def test_standard_input_that_nobody_reads_is_told(process, handbook):
    process("file", "add", handbook, "-p", "handbook")
    question = ("ask", "how often do we rotate keys?", "-p", "handbook")
    assert "standard input was not read: --with -" in process(*question, stdin=LOG).err
    assert "standard input" not in process(*question).err


ENTRIES = """Nov 26 07:00:01 web1 nginx[812]: starting nginx 1.24
Nov 26 07:02:10 web1 nginx[812]: upstream timed out while connecting to 10.0.0.5:8080
Nov 26 07:02:11 web1 systemd[1]: app.service: Failed with result 'oom-kill'.
Nov 26 07:02:15 web1 systemd[1]: Failed to start backup.service - Nightly backup.
Nov 26 07:03:00 web1 nginx[812]: worker process 900 exited on signal 11
"""
STAMPS = (
    ENTRIES.replace("Nov 26 ", "2026-11-26T"),
    "".join(f"[{line[7:15]}]{line[15:]}\n" for line in ENTRIES.splitlines()),
)


@pytest.mark.parametrize("log", [ENTRIES, *STAMPS])
@pytest.mark.parametrize(("question", "line"), [("what failed first?", 3), ("What was the last that failed?", 4)])
def test_the_first_and_the_last_entry_of_a_log_are_told(process, log, question, line):
    answer = process("ask", question, "--with", "-", stdin=log.encode())
    assert log.splitlines()[line - 1] in answer.out
    assert answer.out.splitlines()[-1].startswith(f"[1] stdin:{line},")
    assert answer.code == 0


LEVELS = """\
Nov 26 10:00:01 host x[1]: starting
Nov 26 10:00:02 host x[1]: ERROR: connection to db:5432 refused
Nov 26 10:00:03 host x[1]: trying again
Nov 26 10:00:09 host x[1]: FATAL: giving up
"""


@pytest.mark.parametrize(
    ("question", "line"), [("what failed first?", 2), ("what went wrong first?", 2), ("the last error?", 2)]
)
def test_an_entry_that_tells_of_a_failure_in_other_words_is_found(process, question, line):
    answer = process("ask", question, "--with", "-", stdin=LEVELS.encode())
    assert answer.out.splitlines()[0].startswith(LEVELS.splitlines()[line - 1]), answer.err
    assert answer.code == 0
    calm = LEVELS.replace("ERROR: ", "").replace("refused", "made").replace("FATAL: giving up", "bye")
    assert process("ask", question, "--with", "-", stdin=calm.encode()).code == 1


@pytest.mark.parametrize(
    ("question", "said"),
    [("which process exited?", "worker process 900"), ("how do I bake bread?", "Nothing in the documents"),
     ("What is the capital of Mongolia?", "No document names Mongolia.")],
)  # fmt: skip
def test_a_text_in_hand_is_what_is_asked_about_but_for_words_that_it_does_not_have(process, question, said):
    assert said in process("ask", question, "--with", "-", stdin=ENTRIES.encode()).out
