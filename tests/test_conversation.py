"""What a message is, told by rules; and prompts, which a folder may replace."""

import pytest

from openrag_cli.answering.conversation import is_follow_up, is_small_talk, is_task_prompt, standalone
from openrag_cli.answering.prompts import VARIABLES, Prompts
from openrag_cli.answering.sentences import split
from openrag_cli.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["Hi!", "hello there", "Thanks a lot", "bonjour", "Merci beaucoup !", "你好", "ok", "How are you today?"]
)
def test_a_greeting_is_small_talk(text):
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "hi, how often do we rotate keys?",
        "great barrier reef",
        "ok google pricing",
        "?",
        "",
        "thanks to whom was it built?",
    ],
)
def test_a_question_is_not_small_talk(text):
    assert not is_small_talk(text)


def test_what_a_front_end_asks_for_itself_is_known():
    assert is_task_prompt("### Task:\nGenerate a title")
    assert not is_task_prompt("What is a ### Task: prompt?")


def test_a_follow_up_takes_along_the_question_that_stands_alone():
    first = "How often do we rotate the signing keys of the service?"
    assert standalone("and after a leak?", [first]) == f"{first}\nand after a leak?"
    assert standalone("Who approves it?", [first, "and after a leak?"]) == f"{first}\nWho approves it?"
    assert standalone("What does the travel policy say about trains in Germany?", [first]).startswith("What does")
    assert standalone("who?", []) == "who?"
    assert not is_follow_up("who?", ["", " "])


def test_small_talk_is_not_what_a_follow_up_leans_on():
    assert standalone("And when?", ["hello"]) == "And when?"


def test_a_folder_replaces_single_prompts(tmp_path):
    (tmp_path / "nothing.md").write_text("Nothing on ${question}, it costs $$5.")
    prompts = Prompts.load(tmp_path)
    assert prompts.render("nothing", question="${passages} $x") == "Nothing on ${passages} $x, it costs $5."
    assert "PASSAGE" in prompts.render("answer", fence="PASSAGE")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("nothing", "no variable", "lacks variable"),
        ("nothing", "${question} ${secret}", "unknown variable"),
        ("nothing", "${question} costs 5$", "begins no variable"),
        ("typo", "x", "not the name of a prompt"),
    ],
)
def test_a_wrong_prompt_is_refused_with_its_name(tmp_path, name, text, says):
    (tmp_path / f"{name}.md").write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        Prompts.load(tmp_path)
    assert f"{name}.md" in caught.value.message
    assert caught.value.hint


def test_a_folder_of_prompts_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Prompts.load(tmp_path / "none")


def test_every_prompt_of_the_package_is_whole():
    prompts = Prompts.load()
    for name, variables in VARIABLES.items():
        assert prompts.render(name, **dict.fromkeys(variables, "VALUE"))


def test_sentences_are_those_that_a_reader_sees():
    text = (
        "# Keys\n\nRotate every 90 days. Dr. Smith, e.g. in 2003, said so! Really?\n- one item\n- second\n\n"
        "| a | 3.5 m |\n\n```\nkms rotate\n```\nIl vaut « cher. » Et voilà.你好。再见！"
    )
    assert [text[start:end] for start, end in split(text)] == [
        "Rotate every 90 days.", "Dr. Smith, e.g. in 2003, said so!", "Really?", "one item", "second", "a | 3.5 m |",
        "kms rotate", "Il vaut « cher. »", "Et voilà.你好。", "再见！",
    ]  # fmt: skip
