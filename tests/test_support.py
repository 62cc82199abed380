"""Which marks of an answer their passages bear out by words, and which passages are attached where it names none."""

from datetime import UTC, datetime

import pytest

from openrag_cli.answering.citations import CitationFilter
from openrag_cli.answering.conversation import accepted_query
from openrag_cli.answering.support import attached, checked_marks
from openrag_cli.domain import File, Passage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = "Rotate every API key every 90 days with the tool, and tell the team of it."
LEAVE = "Holidays are asked for two weeks ahead, and the office is closed in August."
CLES = "Les clés sont renouvelées tous les trois mois, et l'équipe en est avertie par une note."
KAGI = "APIキーは九十日ごとに交換し、チームに知らせる。"
MIYAO = "密钥每九十天轮换一次，并且通知团队。"


def passage(number, text, name="a.md"):
    file = File("p", name, f"r{number}", name, "text/markdown", 1, "", {}, 1, NOW, NOW)
    return Passage(number, file, f"c{number}", 1.0, 0, len(text), None, 1, 1, (), text)


def checked(answer, *texts):
    passages = [passage(at + 1, text) for at, text in enumerate(texts)]
    read = CitationFilter(len(passages))
    shown = read.feed(answer) + read.close()
    return [mark.is_supported for mark in checked_marks(shown, read.marks, passages)]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Bananas are yellow fruit [1].", KEYS),
        ("Pigs can fly [1].", KEYS),
        ("The moon is made of green cheese [1].", LEAVE),
        ("Every key is rotated. The moon consists of cheese [1].", LEAVE),
        ("La lune est faite de fromage [1].", CLES),
        ("月亮是由奶酪做成的，而且很大 [1]。", MIYAO),
        ("東京タワーは赤い、とても高い [1]。", KAGI),
    ],
)
def test_a_mark_whose_passage_has_no_word_of_its_sentence_is_told(answer, text):
    assert checked(answer, text) == [False]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Every 90 days [1].", KEYS),
        ("It is the TEAM that is told [1].", KEYS),
        ("Keys are rotated. [1]", KEYS),
        ("Yes [1].", KEYS),
        # never across languages
        ("Les mots de passe changent tous les trimestres [1].", KEYS),
        ("Die Schlüssel werden alle drei Monate getauscht [1].", CLES),
        ("Passwords change four times a year [1].", MIYAO),
        ("密码一年更换四次 [1]。", KEYS),
        # scripts without blanks
        ("每九十天轮换一次密钥，请通知团队 [1]。", MIYAO),
        ("チームに知らせ、九十日で交換する [1]。", KAGI),
    ],
)
def test_a_mark_that_is_borne_out_or_cannot_be_judged_counts_as_supported(answer, text):
    assert checked(answer, text) == [True]


def test_each_mark_is_judged_by_its_own_passage_and_sentence():
    answer = (
        "Rotate every API key every 90 days [1][2]. The office is closed in August [2]. It sells cheese to pigs [1]."
    )
    assert checked(answer, KEYS, LEAVE) == [True, False, True, False]


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("Rotate every API key every 90 days with the tool.", [1]),
        ("The office is closed in August. API keys: rotate every 90 days.", [1, 2]),
        ("The moon is made of green cheese.", []),
        ("I don't know.", []),
        ("密钥每九十天轮换一次。", [3]),
    ],
)
def test_passages_are_attached_to_an_answer_that_names_none(answer, numbers):
    passages = [passage(at + 1, text) for at, text in enumerate([KEYS, LEAVE, MIYAO])]
    assert [found.number for found in attached(answer, passages)] == numbers


@pytest.mark.parametrize(
    ("question", "written", "is_taken"),
    [
        ("多久轮换一次？", "密钥多久轮换一次？", True),
        ("多久一次？", "月亮有多远？", False),
        ("何日ごとに？", "キーは何日ごとに交換しますか", True),
        ("鍵は？", "今日の天気を教えてください", False),
    ],
)
def test_a_rewriting_in_a_script_without_blanks_is_judged_by_its_letters(question, written, is_taken):
    assert (accepted_query(written, question, []) is not None) == is_taken
