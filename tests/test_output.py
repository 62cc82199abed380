"""What is shown on a terminal: tables that fit, lines that break between words, and the state of the store."""

import os
import re
import sys

import pexpect
import pytest
from harness import open_engine, put
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from openrag_cli.cli import output
from openrag_cli.cli.output import GAP, LEAST_WIDTH, Column
from openrag_cli.contract import to_json as render

TASKS = (Column("TASK"), Column("STATE"), Column("FILE", may_shrink=True), Column("UPDATED", is_optional=True))
ROW = ["0" * 48, "COMPLETED", "notes/a very long folder/another one/été 日本語 file.md", "2026-11-23 19:05"]
NOTE = Column("NOTE", may_shrink=True, is_optional=True)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_table_fits_the_screen_and_never_cuts_an_id(width):
    shown = output._fitting(TASKS, [ROW], width)
    assert sum(shown.values()) + GAP * (len(shown) - 1) <= width
    assert shown[0] == 48
    assert shown[1] == len("COMPLETED")
    assert (3 in shown) == (width >= 48 + 9 + 16 + LEAST_WIDTH + 3 * GAP)


@pytest.mark.parametrize(("width", "titles"), [(80, 3), (100, 4), (130, 5)])
def test_a_note_gives_way_after_the_time_and_before_an_id(width, titles):
    shown = output._fitting((*TASKS, NOTE), [[*ROW, "no text in its page: it seems to be a scan"]], width)
    assert sum(shown.values()) + GAP * (len(shown) - 1) <= width
    assert list(shown) == [[0, 1, 2], [0, 1, 2, 4], [0, 1, 2, 3, 4]][titles - 3]
    assert shown[0] == 48


@given(st.text(st.characters(exclude_categories=("C", "M", "Zl", "Zp"))), st.integers(LEAST_WIDTH, 60))
def test_a_cut_cell_is_no_wider_than_its_column_and_keeps_its_ends(text, width):
    cut = output._cut(text, width)
    assert cell_len(cut) <= width
    if cell_len(text) <= width:
        assert cut == text
    else:
        head, _, tail = cut.partition("…")
        assert text.startswith(head.rstrip())
        assert text.endswith(tail.lstrip())


def test_numbers_have_their_nouns():
    assert [render.counted(n, "file") for n in (0, 1, 5300)] == ["0 files", "1 file", "5,300 files"]


@pytest.fixture
def terminal(environment, tmp_path):
    def run(*arguments, columns):
        child = pexpect.spawn(
            sys.executable,
            ["-m", "openrag_cli", *arguments],
            encoding="utf-8",
            timeout=60,
            dimensions=(50, columns),
            # Without the COLUMNS that readline gives to children.
            env={name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}},
        )
        text = child.read().replace("\r\n", "\n")
        child.close()
        return child.exitstatus, text

    with open_engine(tmp_path / "store") as engine:
        put(engine, "ops", "keys.md", "# Keys\n\nRotate every API key every 90 days.\n")
        engine.drain()
        put(engine, "ops", "more.md", "# More\n\nWaiting.\n")
    return run


@pytest.mark.parametrize("topic", ["limits", "filters", "exit-codes", "environment", "output", "trust"])
def test_a_topic_of_help_fits_a_narrow_screen(terminal, topic):
    code, text = terminal("help", topic, columns=80)
    assert code == 0
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_openrag_alone_shows_the_state_of_the_store(terminal, tmp_path):
    with open_engine(tmp_path / "store") as engine, engine.parts.database.transaction() as connection:
        connection.execute("UPDATE file SET made_by = ''")  # as of an older openrag
    code, text = terminal(columns=80)
    assert code == 0
    assert f"{tmp_path / 'store'}: 1 file, 1 chunk, 1 partition\n" in text
    assert "ops            1       1\n" in text
    assert "1 task waiting or running" in text
    assert "1 file read by older readers: openrag file refresh --outdated -p all" in text
    assert "openrag --help" in text


def test_an_error_breaks_between_words(terminal):
    code, text = terminal("search", "x", "-p", "a partition of a long name " * 4, columns=60)
    assert code == 66
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in text.splitlines()) <= 60
