"""What a conversation searches: by options and commands, in the prompt line, kept with the session; sessions searched."""

import json

import pytest
from harness import open_engine, put

from openrag_cli.cli.commands.chat_scope import ChatScope
from openrag_cli.cli.commands.search_options import SearchOptions
from openrag_cli.domain import SearchMode
from openrag_cli.errors import DocumentNotFound, InvalidInput, PartitionNotFound
from openrag_cli.retrieval import filters


@pytest.fixture
def engine(tmp_path):
    with open_engine(tmp_path / "scoped") as engine:
        put(engine, "zoo", "zebra one.md", "# Zebra\n\nThe zebra eats hay.\n")
        put(engine, "zoo", "zebra_2.md", "# Zebra\n\nThe second zebra eats oats.\n")
        put(engine, "farm", "cow.md", "# Cow\n\nThe cow eats grass.\n")
        engine.drain()
        engine.edit_file("zoo", "zebra_2.md", {"year": 2024})
        yield engine


def test_each_command_changes_the_search_and_the_prompt_line(engine):
    scope = ChatScope(SearchOptions(), 8)
    assert scope.prompt() == "> "
    scope.choose(engine, "/partition", "zoo")
    scope.choose(engine, "/filter", "year >= 2024")
    scope.choose(engine, "/file", '"zebra one.md" zebra_2.md')
    scope.choose(engine, "/k", "3")
    scope.choose(engine, "/mode", "text")
    assert scope.prompt() == "zoo; zebra one.md, zebra_2.md; filter year >= 2024; k 3; mo… > "
    request = scope.request()
    assert (request.partitions, request.file_ids) == (("zoo",), ("zebra one.md", "zebra_2.md"))
    assert (request.filter, request.top_k, request.mode) == ("year >= 2024", 3, SearchMode.TEXT)
    scope.choose(engine, "/file", "off")
    scope.choose(engine, "/filter", "off")
    scope.choose(engine, "/partition", "all")
    scope.choose(engine, "/mode", "hybrid")
    assert scope.prompt() == "k 3 > "


@pytest.mark.parametrize(
    ("command", "text", "error"),
    [
        ("/partition", "nowhere", PartitionNotFound),
        ("/file", "nothing.md", DocumentNotFound),
        ("/file", '"zebra one.md', InvalidInput),
        ("/filter", "year >=", InvalidInput),
        ("/k", "0", InvalidInput),
        ("/k", "many", InvalidInput),
        ("/mode", "sideways", InvalidInput),
    ],
)
def test_what_is_not_there_is_refused_and_changes_nothing(engine, command, text, error):
    scope = ChatScope(SearchOptions(), 8)
    with pytest.raises(error):
        scope.choose(engine, command, text)
    assert scope.kept() == {}


def test_what_may_follow_comes_from_the_catalog(engine):
    scope = ChatScope(SearchOptions(partition=["zoo"]), 8)
    assert list(scope.words(engine, "/partition ")) == ["farm", "zoo", "all"]
    assert list(scope.words(engine, "/file zebra_")) == ["zebra_2.md"]
    assert list(scope.words(engine, "/file ")) == ["'zebra one.md'", "zebra_2.md"]
    assert "year" in list(scope.words(engine, "/filter y"))
    assert list(scope.words(engine, "/mode ")) == ["hybrid", "dense", "text"]
    assert list(scope.words(engine, "/k ")) == []


@pytest.mark.parametrize("text", ["plain", 'a "quote"', "back\\slash", "50%_", "it's"])
def test_a_text_in_a_condition_is_the_text_that_was_quoted(text):
    assert filters.evaluate(filters.parse(f"tag = {filters.quoted(text)}"), {"tag": text})


def test_what_a_session_keeps_is_taken_up_but_for_what_is_given():
    scope = ChatScope(SearchOptions(condition="year = 2024", mode=SearchMode.DENSE, since="30d", context=2), 5)
    kept = json.loads(json.dumps(scope.kept()))
    assert kept == {"context": 2, "filter": "year = 2024", "mode": "dense", "since": "30d"}
    later = ChatScope(SearchOptions(mode=SearchMode.TEXT), 8)
    later.take_up(("zoo",), kept | {"top_k": 5}, {"mode"})
    assert later.options.condition == "year = 2024"
    assert later.options.mode is SearchMode.TEXT
    assert (later.options.partition, later.options.since, later.top_k) == (["zoo"], "30d", 5)


# --- through the program


@pytest.fixture
def handbooks(process, handbook):
    assert process("file", "add", handbook, "-p", "handbook").code == 0
    return process


def _answers(result):
    return [json.loads(line) for line in result.out.splitlines()]


def test_a_conversation_keeps_its_scope_with_its_session(handbooks):
    lines = b"/file ops/keys.md\n/k 3\nhow often do we rotate keys?\n"
    first = handbooks("chat", "--session", "keys", "-p", "handbook", "--context", "1", "--json", stdin=lines)
    assert first.code == 0, first.err
    assert {source["file_id"] for source in _answers(first)[0]["sources"]} == {"ops/keys.md"}
    session = handbooks("session", "show", "keys", "--json").json
    assert session["scope"] == {"context": 1, "files": ["ops/keys.md"], "top_k": 3}
    second = handbooks("chat", "--session", "keys", "--json", stdin=b"how many days of leave are there?\n")
    assert {source["file_id"] for source in _answers(second)[0]["sources"]} <= {"ops/keys.md"}
    third = handbooks(
        "chat", "--session", "keys", "--json", "-f", "people/leave.md", stdin=b"how many days of leave?\n"
    )
    assert {source["file_id"] for source in _answers(third)[0]["sources"]} == {"people/leave.md"}


def test_options_narrow_a_conversation_as_they_narrow_a_question(handbooks):
    question = "how often do we rotate keys?"
    options = ("-p", "handbook", "-f", "ops/keys.md", "--mode", "text", "--min-score", "0.1", "-k", "4")
    asked = handbooks("ask", question, *options, "--json").json
    chatted = _answers(handbooks("chat", *options, "--json", stdin=f"{question}\n".encode()))[0]
    assert chatted["sources"] == asked["sources"]
    assert chatted["answer"] == asked["answer"]
    nothing = _answers(
        handbooks("chat", "-p", "handbook", "--filter", "year = 1", "--json", stdin=b"who rotates keys?\n")
    )
    assert nothing[0]["sources"] == []


def test_why_tells_what_was_looked_for_and_the_scores(handbooks):
    result = handbooks(
        "chat", "-p", "handbook", "--no-llm", stdin=b"/why\nhow often do we rotate keys?\n/k 2\n/mode text\n/why\n"
    )
    assert result.code == 0
    assert "nothing was looked for" in result.err
    assert "looked for: how often do we rotate keys?  (hybrid, at most 8 hits)" in result.out
    assert "dense 0." in result.out


def test_a_chat_that_goes_on_shows_what_the_last_answer_cites(handbooks):
    handbooks("chat", "--session", "keys", "-p", "handbook", "--no-llm", stdin=b"how often do we rotate API keys?\n")
    again = handbooks("chat", "--session", "keys", "--no-llm", stdin=b"/sources\n/open 1\n/why\n")
    assert again.code == 0, again.err
    assert again.out.count("[1] ops/keys.md:") == 3
    assert "dense 0." in again.out
    assert "cites nothing" not in again.err
    assert "of an earlier chat" in again.err
    fresh = handbooks("chat", "--session", "new", "--no-llm", stdin=b"/sources\n/why\n")
    assert "nothing has been answered yet" in fresh.err
    assert "nothing was looked for yet" in fresh.err


def test_sessions_are_searched_by_the_words_of_their_messages(handbooks):
    handbooks("chat", "--session", "keys", "-p", "handbook", stdin=b"how often do we rotate API keys?\n")
    handbooks("chat", "--session", "leave", "-p", "handbook", stdin=b"how many days of leave are there?\n")
    found = handbooks("session", "search", "ROTATE", "keys", "--json").json["matches"]
    assert {match["session"] for match in found} == {"keys"}
    assert found[0]["n"] == 1
    assert found[0]["role"] == "user"
    assert handbooks("session", "search", "leave").out.startswith("leave\t1\tuser\thow many days")
    assert handbooks("session", "search", "chromodynamics").code == 1
