"""`/grep`: one request for all files, the same as on a store, and nothing goes on for a client that has left."""

import json
import time
from pathlib import Path

import pytest

from openrag_cli.answering.llm.sse import SseParser

from .conftest import added

HANGS = {"pattern": "(a+)+$", "max_seconds": 60}


def events(answer):
    """Return the events of an answer that is whole."""
    return [json.loads(event.data) for event in SseParser().feed(answer.content)]


def descendants(pid):
    """Return the command lines of what a process has started, and what these have."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            path = Path(f"/proc/{child}/cmdline")
            found += [path.read_text(), *descendants(child)] if path.exists() else []
    return found


def n_matching(server):
    """Return how many processes match patterns for a server."""
    return sum("openrag_cli.matching.child" in line for line in descendants(server.process.pid))


def wait_until(is_so, seconds=40):
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_all_matches_come_with_one_request_and_texts_without_the_word_are_not_read(client, partition):
    for n in range(4):
        added(
            client,
            f"/indexer/partition/{partition}/file/{n}.md",
            f"# Page {n}\n\n{'A zebra.' if n == 2 else 'A lion.'}\nEnd.\n",
        )
    first, end = events(client.post("/grep", json={"pattern": "[Zz]ebra", "partitions": [partition], "n_context": 1}))
    assert first["file"]["file_id"] == "2.md"
    assert [(line["line"], line["text"], line["is_match"]) for line in first["lines"]] == [
        (2, "", False), (3, "A zebra.", True), (4, "End.", False),
    ]  # fmt: skip
    assert first["lines"][1]["matches"] == [{"start": 2, "end": 7}]
    assert end == {"type": "end", "files": 4, "read": 1, "too_slow": [], "not_searched": 0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"pattern": "("}, 400, "invalid_input"),
        ({"pattern": "x", "partitions": ["no such"]}, 404, "partition_not_found"),
        ({"pattern": "x", "file_ids": ["no such"]}, 404, "file_not_found"),
        ({"pattern": "x", "max_seconds": 61}, 422, "invalid_request"),
        ({"pattern": "x" * 10_001}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
    ],
    ids=["no pattern", "no partition", "no file", "too long a time", "too long a pattern", "nothing"],
)
def test_what_is_wrong_with_a_request_is_told_by_its_status(client, partition, body, status, code):
    added(client, f"/indexer/partition/{partition}/file/a.md", "x")
    answer = client.post("/grep", json={"partitions": [partition], **body})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_pattern_that_hangs_is_told_and_the_rest_is_searched(client, partition):
    added(client, f"/indexer/partition/{partition}/file/a.txt", "a" * 60 + "b\n")
    added(client, f"/indexer/partition/{partition}/file/b.txt", "aaa\n")
    asked = {**HANGS, "partitions": [partition], "max_seconds": 0.3}
    found, end = events(client.post("/grep", json=asked))
    assert found["file"]["file_id"] == "b.txt"
    assert [file["file_id"] for file in end["too_slow"]] == ["a.txt"]


def test_the_search_ends_when_its_client_leaves(client, server, partition, request):
    if "ray" in request.node.name or not Path("/proc/self/task").exists():
        pytest.skip("its processes are not children of the server, or cannot be counted")
    added(client, f"/indexer/partition/{partition}/file/a.txt", "a" * 60 + "b\n")
    with server.client() as leaving, leaving.stream("POST", "/grep", json={**HANGS, "partitions": [partition]}):
        wait_until(lambda: n_matching(server) == 1)
    wait_until(lambda: n_matching(server) == 0)  # 60 s are not over


def test_the_command_says_the_same_on_a_server(cli, server, tmp_path, partition):
    (tmp_path / "a.md").write_text("# Zoo\n\nA zebra.\nTwo zebras.\n")
    (tmp_path / "b.txt").write_text("a" * 60 + "b\n")
    for where in ([], ["--server", server.url]):
        assert cli(*where, "file", "add", "a.md", "b.txt", "-p", partition).code == 0
    for asked in (
        ("zebras?", "-C", "1"), ("zebra", "-l"), ("zebra", "-c"), ("tiger",), ("(a+)+$", "--max-seconds", "0.3"), ("(",),
        ("zebra", "-f", "no such"), ("zebra", "--filter", "size > 1"), ("zebra", "--filter", "size >"),
    ):  # fmt: skip
        here, there = (cli(*where, "grep", *asked, "-p", partition) for where in ([], ["--server", server.url]))
        assert (there.code, there.out, there.err) == (here.code, here.out, here.err), asked
