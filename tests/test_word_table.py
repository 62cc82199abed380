"""Counting words in many rows at once says what splitting each row says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openrag_cli.index.word_table import WordTable

WORDS = [
    "a",
    "ab",
    "abcdefgh",
    "abcdefghi",
    "abcdefghj",
    "abcdefghijklmnop",
    "abcdefghijklmnopq",
    "été",
    "中文",
    "١٢",
]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=12), max_size=9))
def test_words_are_counted_in_each_row(rows: list[list[str]]) -> None:
    table = WordTable.of([" ".join(row) for row in rows])
    assert table.n_words.tolist() == [len(row) for row in rows]
    counts = table.counts([*WORDS, "abcdefg", "zz"])
    assert {word: found.tolist() for word, found in counts.items()} == {
        word: [row.count(word) for row in rows] for word in [*WORDS, "abcdefg", "zz"]
    }


def test_rows_of_a_part_of_the_bytes_are_counted_as_they_stand() -> None:
    letters = np.frombuffer(b"one two one", dtype=np.uint8)
    table = WordTable(letters, np.array([0, 3, 3, 11]))
    assert table.counts(["one"])["one"].tolist() == [1, 0, 1]
