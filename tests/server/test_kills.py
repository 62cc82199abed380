"""kill -9 of workers and servers during uploads: nothing accepted is lost, nothing is there twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import httpx

from .conftest import Server, add, start, wait_for


def _text(number: int) -> str:
    return f"# Note {number}\n\nThe word of note {number} is quokka{number}; it says so twice: quokka{number}.\n"


def _worker_pids(server: Server) -> list[int]:
    """Return the processes that index for this server's store."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    marks = ("openrag_cli.server.worker_process", str(server.store))
    return [int(line.split()[0]) for line in listed.splitlines() if all(mark in line for mark in marks)]


def _chunks(client: httpx.Client) -> list[tuple[str, str]]:
    answer = client.get("/partition/p/chunks", params={"limit": 100_000})
    return sorted((chunk["metadata"]["file_id"], chunk["content"]) for chunk in answer.json()["chunks"])


def _upload(server: Server, numbers, chance: random.Random, *, kill_server: bool) -> tuple[dict[int, str], Server]:
    """Upload notes and kill a worker (or the server, which is started again) in the middle; return accepted tasks."""
    accepted: dict[int, str] = {}
    numbers = list(numbers)
    moment = chance.randrange(1, len(numbers))
    for position, number in enumerate(numbers):
        if position == moment:
            if kill_server:
                server.kill()
                server = start(server.store)
            else:
                for pid in _worker_pids(server):
                    os.kill(pid, signal.SIGKILL)
        with server.client() as client:
            answer = add(client, f"/indexer/partition/p/file/{number}", _text(number))
            assert answer.status_code == 201, answer.text
            accepted[number] = answer.json()["task_status_url"].rsplit("/", 1)[1]
    return accepted, server


def test_no_kill_loses_an_accepted_upload(tmp_path, is_long):
    rounds, size = (20, 200) if is_long else (3, 14)
    chance = random.Random(7)
    server = start(tmp_path / "store")
    accepted: dict[int, str] = {}
    try:
        for turn in range(rounds):
            some, server = _upload(server, range(turn * size, (turn + 1) * size), chance, kill_server=turn % 2 == 1)
            accepted |= some
        with server.client() as client:
            states = {number: wait_for(client, f"/indexer/task/{task}") for number, task in accepted.items()}
            assert {state["task_state"] for state in states.values()} == {"COMPLETED"}
            expected = sorted((str(number), _text(number).strip()) for number in range(rounds * size))
            assert _chunks(client) == expected
            for number in random.Random(1).sample(range(rounds * size), 5):
                hits = client.get("/search", params={"text": f"quokka{number}", "top_k": 1}).json()["documents"]
                assert hits[0]["metadata"]["file_id"] == str(number)
    finally:
        assert server.stop() == 0
    assert _worker_pids(server) == []


def test_of_two_servers_one_supervises_and_the_other_takes_over(tmp_path):
    first = start(tmp_path / "store")
    (tmp_path / "two").mkdir()
    second = start(tmp_path / "store")
    try:
        with second.client() as client:
            assert client.get("/queue/info").json()["workers"]["supervisor"] == first.process.pid
            assert len(_worker_pids(first)) == 1
            first.kill()
            deadline = time.monotonic() + 30
            while client.get("/queue/info").json()["workers"]["supervisor"] != second.process.pid:
                assert time.monotonic() < deadline, "nobody took over"
                time.sleep(0.1)
            answer = add(client, "/indexer/partition/p/file/1", _text(1))
            assert wait_for(client, answer.json()["task_status_url"])["task_state"] == "COMPLETED"
    finally:
        assert second.stop() == 0


def test_the_command_line_and_a_server_work_on_one_store_at_once(tmp_path):
    server = start(tmp_path / "store")
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(100, 140):
        (folder / f"{number}").write_text(_text(number))
    try:
        command = [
            sys.executable,
            "-m",
            "openrag_cli",
            "--store",
            str(server.store),
            "file",
            "add",
            str(folder),
            "-p",
            "p",
            "--json",
        ]
        adding = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with server.client() as client:
            tasks = [
                add(client, f"/indexer/partition/p/file/{n}", _text(n)).json()["task_status_url"] for n in range(20)
            ]
            report = json.loads(adding.communicate(timeout=120)[0])
            assert (report["added"], report["failed"]) == (40, 0)
            assert {wait_for(client, task)["task_state"] for task in tasks} == {"COMPLETED"}
            assert [file_id for file_id, _ in _chunks(client)] == sorted(
                str(n) for n in (*range(20), *range(100, 140))
            )
    finally:
        assert server.stop() == 0
