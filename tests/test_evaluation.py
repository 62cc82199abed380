"""`openrag eval`: measures equal to those of trec_eval, questions in two layouts, bounds that fail a build."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrag_cli.errors import InvalidInput
from openrag_cli.evaluation.measures import Measure, has_answer, read_bound, usual
from openrag_cli.evaluation.questions import Question, read_questions
from openrag_cli.evaluation.runs import run

IDS = [f"d{n}" for n in range(12)]


@settings(deadline=None)
@given(
    rankings=st.lists(st.permutations(IDS).map(lambda ids: ids[:9]), min_size=1, max_size=4),
    grades=st.lists(
        st.dictionaries(st.sampled_from(IDS), st.integers(0, 3), min_size=1, max_size=8), min_size=4, max_size=4
    ),
    k=st.integers(1, 12),
)
def test_measures_are_those_of_ir_measures(rankings, grades, k):
    import ir_measures
    from ir_measures import AP, RR, R, nDCG

    qrels = {str(at): grade for at, grade in enumerate(grades[: len(rankings)])}
    ranked = {str(at): {key: 1.0 / rank for rank, key in enumerate(ids, 1)} for at, ids in enumerate(rankings)}
    oracle = {"ndcg": nDCG @ k, "recall": R @ k, "mrr": RR @ k, "map": AP @ k}
    expected = ir_measures.calc_aggregate(list(oracle.values()), qrels, ranked)
    questions = [Question(key, key, grade) for key, grade in qrels.items()]
    measures = [Measure(name, k) for name in oracle]
    found = run("hybrid", questions, measures, search=lambda key: rankings[int(key)], cited=lambda _: [])
    for name, measure in oracle.items():
        assert found.mean(Measure(name, k)) == pytest.approx(expected[measure], abs=1e-9)


def test_documents_named_without_the_extension_of_their_files_are_found():
    found = run("text", [Question("q", "q", {"12": 1})], usual(10), search=lambda _: ["12.txt"], cited=lambda _: [])
    assert found.mean(Measure("recall", 10)) == 1.0


@pytest.mark.parametrize(
    "text", ["ndcg", "ndcg@10", "ndcg@0=0.5", "ndcg@200=0.5", "bleu@10=1", "answer@3=0.5", "ndcg@10=x"]
)
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(InvalidInput):
        read_bound(text, k=100)


def test_an_answer_is_right_when_its_words_stand_in_a_citation_in_a_row():
    assert has_answer(["Rotate them\nevery 90-days."], ["every 90 days"])
    assert not has_answer(["Rotate 190 days."], ["90 days"])
    assert not has_answer(["anything"], ["", "..."])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "it is not JSON"),
        ("[]", "it is no object"),
        ('{"text": "x"}', "'question'"),
        ('{"question": "x", "relevant": "a.md"}', "'relevant'"),
        ('{"question": "x", "relevant": {"a.md": "1"}}', "'relevant'"),
        ('{"question": "x", "answers": [1]}', "'answers'"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line, why):
    path = tmp_path / "q.jsonl"
    path.write_text(f'{{"question": "fine"}}\n{line}\n')
    with pytest.raises(InvalidInput, match=why) as caught:
        read_questions(path)
    assert "q.jsonl:2" in caught.value.message


def test_a_collection_is_read_in_the_layout_of_beir(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "keys?"}\n{"_id": "q2", "text": "unjudged"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    assert read_questions(tmp_path) == [Question("q1", "keys?", {"d1": 2, "d2": 0})]


def test_a_partition_is_measured_and_a_bound_fails(cli, handbook, tmp_path):
    cli("file", "add", handbook, "-p", "handbook")
    questions = tmp_path / "q.jsonl"
    lines = [
        {
            "id": "keys",
            "question": "how often do we rotate keys?",
            "relevant": ["ops/keys.md"],
            "answers": ["90 days"],
        },
        {"question": "how many days of leave are there?", "relevant": {"people/leave.md": 2}, "answers": "28 days"},
        {"question": "how many days of leave are there?", "relevant": ["nothing.md"], "answers": ["a thousand"]},
    ]
    questions.write_text("\n".join(map(json.dumps, lines)))
    result = cli(
        "eval", "run", questions, "-p", "handbook", "--no-llm", "--json", "--mode", "hybrid", "--mode", "text"
    )
    assert result.code == 0, result.err
    assert [one["mode"] for one in result.json["runs"]] == ["hybrid", "text"]
    measures = result.json["runs"][0]["measures"]
    assert measures["ndcg@10"] == pytest.approx(2 / 3)
    assert measures["answer"] == pytest.approx(2 / 3)
    assert result.json["runs"][0]["questions"][0]["id"] == "keys"
    fails = cli("eval", "run", questions, "-p", "handbook", "--no-llm", "--fail-under", "ndcg@10=0.9", "-k", "20")
    assert fails.code == 1
    assert "ndcg@10 is 0.6667, under 0.9" in fails.err
    assert "recall@20" in fails.out
    holds = cli("eval", "run", questions, "-p", "handbook", "--no-llm", "--fail-under", "answer=0.5")
    assert holds.code == 0
    assert cli("eval", "run", tmp_path / "none.jsonl", "-p", "handbook").code == 66
    assert cli("eval", "run", questions, "-p", "nowhere").code == 66
    assert cli("eval", "run", questions, "-p", "handbook", "--fail-under", "best=1").code == 2
