"""Lists in pages: each entry once, however the list changes meanwhile; no list is cut without a word."""

import asyncio
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import open_engine
from pydantic import BaseModel
from synthetic_store import Shape, fill

from openrag_cli.engine import Engine
from openrag_cli.errors import InvalidInput
from openrag_cli.server.routes import paging

N = 23


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path / "store") as engine:
        fill(engine, Shape(N, 1, {"a": 500, "b": 500}), with_index=False)
        yield engine


@pytest.mark.parametrize("partition", ["a", "all"])
@pytest.mark.parametrize("where", ["", "year < 2003"])
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_pages_of_files_are_the_list(engine: Engine, partition: str, where: str, limit: int) -> None:
    whole = engine.files(partition, filter=where)
    assert whole.total == len(whole) > 0
    assert whole.next is None
    found, after = [], ""
    while True:
        page = engine.files(partition, limit=limit, after=after, filter=where)
        assert page.total == whole.total
        found += page
        if page.next is None:
            break
        assert len(page) == limit
        after = page.next
    assert found == list(whole)
    assert list(engine.files(partition, limit=limit, offset=2, filter=where)) == list(whole)[2 : 2 + limit]


def test_a_page_goes_on_where_the_one_before_ended_though_files_go(engine: Engine) -> None:
    ids = [file.file_id for file in engine.files("all")]
    page = engine.files("all", limit=5)
    gone = [page[0], page[4]]
    for file in gone:
        engine.parts.catalog.delete_files(file.partition, [file.file_id])
    left = engine.files("all", limit=100, after=page.next or "")
    assert [file.file_id for file in [*page, *left]] == ids
    assert left.total == N - 2


@pytest.mark.parametrize("token", ["x", "e30", "WzFd", "WyJhIiwxXQ", "é"])
def test_what_names_no_page_is_refused(engine: Engine, token: str) -> None:
    with pytest.raises(InvalidInput, match="names no page"):
        engine.files("a", limit=3, after=token)
    if token != "WzFd":  # the first task
        with pytest.raises(InvalidInput, match="names no page"):
            engine.tasks(limit=3, after=token)


def test_the_command_line_says_where_a_list_goes_on(cli, tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.md").write_text(f"text {n}\n")
    assert cli("file", "add", str(tmp_path), "-q").code == 0
    for noun, *command in (("files", "file", "list"), ("tasks", "task", "list")):
        found, after = [], []
        for _ in range(3):
            shown = cli(*command, "--limit", "2", *after, "--jsonl")
            found += [json.loads(line) for line in shown.out.splitlines()]
            told = re.search(rf"2 of 5 {noun}; for those that follow add --after (\S+)", shown.err)
            page = json.loads(cli(*command, "--limit", "2", *after, "--json").out)
            assert page["total"] == 5
            assert page["next"] == (told and told[1])
            after = ["--after", told[1]] if told else []
        assert after == []
        assert found == [json.loads(line) for line in cli(*command, "--limit", "-1", "--jsonl").out.splitlines()]
    assert cli("file", "list", "--after", "nothing").code == 2


class Named(BaseModel):
    """An entry of a list."""

    file_id: str


def test_without_a_limit_a_list_is_sent_whole_page_by_page(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "READ_AT_ONCE", 3)
    look = functools.partial(engine.files, "all")
    answer = paging.everything(
        "files", look, lambda file: Named(file_id=file.file_id), offset=2, after="", tail=lambda _: {"warnings": []}
    )

    async def body() -> list[str | bytes | memoryview]:
        return [piece async for piece in answer.body_iterator]

    pieces = asyncio.run(body())
    assert len(pieces) >= N - 2
    whole = json.loads("".join(map(str, pieces)))
    assert [entry["file_id"] for entry in whole.pop("files")] == [file.file_id for file in engine.files("all")][2:]
    assert whole == {"total": N, "next": None, "warnings": []}
