"""Rows that the full-text index does not hold yet are found as those that it holds, and cost as little."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_index import make_index, make_rows

from openrag_cli.index import upkeep, words
from openrag_cli.index.looks import Ask, Opened, Snapshot
from openrag_cli.index.rows import Scope
from openrag_cli.index.table import Index

N_OLD, N_YOUNG = 300, 90
WORTHS = {"common": 0.3, "alpha": 2.0, "beta": 2.5, "rare": 6.0}


def text_of(n: int) -> str:
    """Some words of their own, and of few others."""
    found = ["common", f"word{n}", *["filler"] * (n % 5)]
    found += ["alpha"] * (n % 3) + ["beta"] * (n % 7 == 0) + ["rare"] * (n in {7, N_OLD + 7})
    return " ".join(found)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Old rows, some deleted, and young ones of three commits and two partitions, some replaced."""
    index = make_index(tmp_path)
    index.put([row for n in range(N_OLD) for row in make_rows(f"old{n}", [text_of(n)])])
    index.optimize()
    for begin in range(N_OLD, N_OLD + N_YOUNG, 30):
        rows = [
            row
            for n in range(begin, begin + 30)
            for row in make_rows(f"new{n}", [text_of(n)], partition_id=1 + n % 2)
        ]
        index.put(rows)
    index.drop(["old3", "old8", "new305", "new377"])
    assert index.statistics().n_unindexed == N_YOUNG - 2
    return index


def text_leg(index: Index, ask: Ask) -> Mapping[str, float]:
    return index.look(ask).legs["text"]


ASKED: list[tuple[Sequence[str], Sequence[str], Scope]] = [
    (["alpha", "beta"], [], Scope()),
    (["rare", "common"], [], Scope()),
    (["alpha", "common"], ["beta"], Scope()),
    ([], ["alpha", "beta"], Scope()),
    (["alpha"], [], Scope(partition_ids=[2])),
    (["alpha"], [], Scope(partition_ids=[1])),
    (["alpha", "beta"], [], Scope(revisions=["old7", "new307", "new308", "new309"])),
    (["rare"], [], Scope(excluded=["new307"])),
    (["alpha"], [], Scope(partition_ids=[])),
    (["nowhere"], [], Scope()),
]


@pytest.mark.parametrize(("asked", "required", "scope"), ASKED)
def test_the_same_rows_are_found_as_by_lance_alone_in_about_the_same_order(
    index: Index, asked: Sequence[str], required: Sequence[str], scope: Scope
) -> None:
    ask = Ask(500, scope, weights=dict.fromkeys(asked, 1.0), required=required)
    by_lance = text_leg(index, ask)
    worths = {word: WORTHS.get(word, 1.0) for word in [*asked, *required]}
    found = text_leg(index, replace(ask, worths=worths, mean_words=6.0))
    assert found.keys() == by_lance.keys()
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_scores_of_young_rows_are_those_of_the_others(index: Index) -> None:
    """The same text has about the same score, whether the index holds it or not."""
    young = text_leg(index, Ask(500, Scope(), weights={"rare": 1.0}, worths={"rare": 5.05}, mean_words=4.9))
    [old, new] = young.values()
    assert new == pytest.approx(old, rel=0.15)
    assert text_leg(index, Ask(1, Scope(), weights={"rare": 1.0}, worths={"rare": 9.0})).keys() < young.keys()


def test_all_of_a_table_may_be_young_or_none_or_too_many(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = index._open()
    young = words.young(table)
    assert young is not None
    assert len(young) == N_YOUNG - 2
    monkeypatch.setattr(words, "MAX_YOUNG", 80)
    assert words.young(table) is None
    monkeypatch.undo()
    index.optimize()
    assert words.young(table) is None
    fresh = make_index(tmp_path / "fresh")
    fresh.put(make_rows("r", ["alpha one", "beta two", ""]))
    young = words.young(fresh._open())
    assert young is not None
    assert [len(young.scores(WORTHS, need, 2.0, Scope())) for need in ([], ["beta"], ["nowhere"])] == [2, 1, 0]


def test_rows_that_are_not_the_last_are_left_to_lance(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    table = index._open()
    more = type("Statistics", (), {"num_unindexed_rows": N_YOUNG - 12})
    monkeypatch.setattr(type(table), "index_stats", lambda *_: more)
    assert words.young(table) is None


def test_all_rows_are_found_in_each_version_that_compacting_makes(tmp_path: Path) -> None:
    index = make_index(tmp_path)
    for revision in ("one", "two"):
        index.put(make_rows(revision, ["alpha"]))
    upkeep.optimize_only(index._open())
    index.put(make_rows("one", ["alpha"]))
    before = index.version()
    upkeep.optimize_only(index._open())  # compacts, and then brings the index up to date: a reader may see it between
    ask = Ask(10, Scope(), weights={"alpha": 1.0}, worths={"alpha": 1.0})
    for version in range(before, index.version() + 1):
        table = index._fresh()
        table.checkout(version)
        opened = Opened(version, table, table.schema.names)
        found = Snapshot(opened, index._dimension, index._errors).look(ask)
        assert sorted(found.rows.revisions) == ["one", "two"], f"version {version}, from {before} on"


def test_rows_without_words_are_left_to_lance(index: Index) -> None:
    index.put(make_rows("mute", ["", ""]))
    assert words.young(index._open()) is None
    ask = Ask(500, Scope(), weights={"alpha": 1.0}, worths={"alpha": 2.0})
    assert "new301" in index.look(ask).rows.revisions


def test_a_search_looks_through_them_once_for_each_version(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    real = words.young
    monkeypatch.setattr(words, "young", lambda table: looked.append(table.version) or real(table))
    ask = Ask(50, Scope(), weights={"alpha": 1.0}, worths={"alpha": 2.0})
    for _ in range(3):
        text_leg(index, ask)
    assert looked == [index.version()]
    index.put(make_rows("later", ["alpha alpha alpha"]))
    assert any(revision == "later" for revision in index.look(ask).rows.revisions)
    assert len(looked) == 2
