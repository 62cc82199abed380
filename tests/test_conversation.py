"""What a message is, told by rules; and prompts, which a folder may replace."""

import json
import time
from pathlib import Path

import pytest

from openrag_cli.answering.conversation import (
    Message,
    accepted_query,
    asked_within,
    is_follow_up,
    is_small_talk,
    is_task_prompt,
    standalone,
    task_answer,
)
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
    assert _is_task("### Task:\nGenerate a title")
    assert not _is_task("What is a ### Task: prompt?")


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


def _is_task(text: str, *earlier: Message) -> bool:
    return is_task_prompt([*earlier, Message("user", text)])


WRAPPED = """### Task:
Answer the user from the context below, and cite it as [id].

<context>
<source id="1" name="menu.txt">Question: soup? The canteen serves soup.</source>
</context>
"""


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (f"{WRAPPED}\n<user_query>\nWhen does the ferry leave?\n</user_query>\n", "When does the ferry leave?"),
        (f"{WRAPPED}\nWhen does the ferry leave?", "When does the ferry leave?"),
        (f"{WRAPPED}\nUser Query: When does the ferry leave?", "When does the ferry leave?"),
        (WRAPPED, None),
        ("When does the ferry leave?", None),
    ],
)
def test_the_question_is_found_in_what_a_front_end_has_wrapped(text, asked):
    assert asked_within(text) == asked
    assert asked is None or not _is_task(text)


@pytest.mark.parametrize(
    "text",
    [
        "Write a title of three to seven words for this conversation, without punctuation. Only the title.",
        'Propose a title.\n### Output:\nJSON format: { "title": "..." }\n### Task: x'.replace(
            "Propose", "### Task:\nPropose"
        ),
        "Generate 1-3 broad tags for the above chat history.",
        "Suggest 3 follow-up questions the user might ask, based on the following conversation:\nuser: hi",
        "Summarize our conversation in a short title",
        "Come up with an emoji for this chat",
    ],
)
def test_what_front_ends_ask_for_themselves_is_told_by_what_it_holds(text):
    assert _is_task(text)


@pytest.mark.parametrize(
    "text",
    [
        "What is the title of the chapter on conversation?",
        "Which tags does the release process use?",
        "Give me the summary of the incident of March",
        "Who wrote the policy on chat messages?",
        "How do I generate tags with git?",
        "List the questions of the interview.",
    ],
)
def test_a_question_about_documents_is_no_task(text):
    assert not _is_task(text)


def test_a_system_message_that_names_conversations_makes_a_task():
    rules = Message("system", "You name conversations. Answer with a title of ten words at most.")
    assert _is_task("user: When does the ferry leave?", rules)
    assert task_answer([rules, Message("user", "user: When does the ferry leave?\nassistant: At 06:40")]) == (
        "When does the ferry leave"
    )


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("how often are API keys rotated", "how often are API keys rotated"),
        ("Sure! Here is the rewritten query:\n\nhow often are API keys rotated", "how often are API keys rotated"),
        ('Query: "how often are keys rotated?"', "how often are keys rotated?"),
        ("<think>", None),
        ("The user means the ferry.\nWhen does it leave?", None),
        ("I cannot do that.", None),
        ("keys " * 40, None),
        ("Every 90 days [1].", None),
        ("API keys are rotated. How often is that done?", None),
        ("<think>keys</think>", None),
        ("", None),
    ],
)
def test_a_rewriting_is_taken_only_when_it_is_one_question(written, query):
    assert accepted_query(written, "and how often?", ["who rotates the API keys?"]) == query


# --- the prompts of front ends, as they send them

PROMPTS = json.loads((Path(__file__).parent / "fixtures" / "front_end_prompts.json").read_text(encoding="utf-8"))
TASKS, WRAPPINGS = PROMPTS["tasks"], PROMPTS["wrapped"]


@pytest.mark.parametrize("name", TASKS)
def test_the_titles_tags_and_queries_of_front_ends_are_not_searched(name):
    messages = [Message(**message) for message in TASKS[name]]
    assert is_task_prompt(messages)
    assert task_answer(messages)


@pytest.mark.parametrize("name", WRAPPINGS)
def test_the_question_within_what_front_ends_put_around_it_is_searched(name):
    assert asked_within(WRAPPINGS[name]) == "How often are API keys rotated?"
    assert not _is_task(WRAPPINGS[name])


@pytest.mark.parametrize(
    "text",
    [
        "Summarize the policy on API keys",
        "Give me a title page example from the handbook",
        "Suggest a name for the rotation job as the guide does",
        "Generate the command that rotates keys",
        "Which follow-up questions are in the interview guide?",
        "Write a short summary of the incident report",
        "What does the conversation guideline say about titles?",
        "List the tags used by the release",
        "How should a chat be titled according to the style guide?",
        "Create a table of key rotation intervals",
        "Summarize this: rotation of keys happens every 90 days",
        "Provide the description of the on-call process",
        "What is the emoji policy in chat messages?",
        "Write a title for the quarterly report, as the template says",
        "Generate a summary of the meeting notes",
        "give me the topics of the following document: handbook",
        "Comment générer un titre de séjour ?",
        "Wie lautet der Titel des Handbuchs?",
        "标题栏怎么设置？",
        "Make the title of the page shorter: what is the limit?",
        "Translate the title of chapter 3",
        "Analyze the conversation rate of Q3",
        "What are the topics of this thread in the mailing list about keys?",
    ],
)
def test_questions_about_titles_names_and_conversations_are_no_tasks(text):
    assert not _is_task(text)
    assert not _is_task(
        text, Message("user", "How often are API keys rotated?"), Message("assistant", "Every 90 days [1].")
    )


@pytest.mark.parametrize(
    "rules",
    [
        "You are a helpful assistant. Give every answer a title, in bold. Only respond in English.",
        "Answer in three sentences or less. Name your sources.",
        "You are the assistant of ACME. Keep the conversation friendly, and reply with at most 50 words.",
    ],
)
def test_rules_about_the_look_of_answers_make_no_task(rules):
    assert not _is_task("How often are API keys rotated?", Message("system", rules))


@pytest.mark.parametrize(
    "text",
    [
        "<context>" * 20_000,
        "<context>" * 10_000 + "</context>" * 10_000,
        "following context" + "\nquestion: x" * 15_000,
        "a" + " " * 200_000 + "<!-- SYSTEM",
        "# question\n" * 18_000,
        "<context></context>" + "<query>" * 28_000,
        "title only give the user " * 8_000,
    ],
)
def test_what_is_written_to_look_like_a_wrapping_is_looked_through_in_linear_time(text):
    def taken(given):
        began = time.process_time()
        is_task_prompt([Message("system", given), Message("user", given)])
        asked_within(given)
        return time.process_time() - began

    assert min(taken(text) for _ in range(3)) < 20 * min(taken(text[: len(text) // 4]) for _ in range(3)) + 0.05
