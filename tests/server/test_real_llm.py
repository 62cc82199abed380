"""A real small LLM behind `ask` and the server: the contract, never the words. It is too small to be right.

`make llm` installs it by pip alone; without it these tests are skipped.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import pytest

from .conftest import start, wait_for

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".llm"
KEYS = "# Keys\n\nRotate every API key every 90 days with `kms rotate --all`.\n"
QUESTION = [{"role": "user", "content": "How often are API keys rotated?"}]
RUNS = 5

pytestmark = [
    pytest.mark.real_llm,
    pytest.mark.skipif(not (PACKAGES / "xllamacpp").is_dir(), reason="the real LLM is not installed: make llm"),
]


def serve_llm(*arguments: str) -> tuple[subprocess.Popen, str]:
    """Start the LLM's own server; return it and its base URL."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "serve_llm.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    url = process.stdout.readline().strip()
    assert url.startswith("http"), url
    return process, url


def end_llm(process: subprocess.Popen) -> None:
    """End the LLM's server."""
    process.stdin.close()
    process.stdout.close()
    process.wait(30)


@pytest.fixture(scope="module")
def upstream():
    process, url = serve_llm()
    yield url
    end_llm(process)


@pytest.fixture(scope="module")
def asking(upstream, tmp_path_factory):
    server = start(
        tmp_path_factory.mktemp("real") / "store",
        env={"OPENRAG_LLM_BASE_URL": upstream, "OPENRAG_LLM_PROFILE": "small", "OPENRAG_LLM_MAX_TOKENS": "60"},
    )
    with server.client() as http:
        posted = http.post("/indexer/partition/ops/file/keys.md", files={"file": ("keys.md", KEYS.encode())})
        assert wait_for(http, posted.json()["task_status_url"])["task_state"] == "COMPLETED"
    yield server
    assert server.stop() == 0


@pytest.fixture
def client(asking):
    with openai.OpenAI(base_url=f"{asking.url}/v1", api_key="none", max_retries=0, timeout=120) as made:
        yield made


def _is_idle(upstream: str) -> bool:
    slots = httpx.get(upstream.removesuffix("/v1") + "/slots", timeout=30).json()
    return not any(slot.get("is_processing") for slot in slots)


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_answers_have_text_usage_and_no_trace_of_our_prompt_and_memory_stays_flat(client, asking, is_long):
    sizes = []
    for _ in range(30 if is_long else RUNS):
        answer = client.chat.completions.create(model="openrag-ops", messages=QUESTION)
        assert answer.choices[0].message.content.strip()
        assert answer.choices[0].finish_reason in {"stop", "length"}
        assert "PASSAGE-" not in answer.choices[0].message.content
        assert 0 < answer.usage.completion_tokens <= 60
        assert answer.usage.prompt_tokens > 50
        sizes.append(_rss(asking.process.pid))
    assert sizes[-1] - sizes[1] < 30 << 20


def test_a_stream_has_the_usage_of_the_models_own_server(client, upstream):
    pieces = list(
        client.chat.completions.create(
            model="openrag-ops", messages=QUESTION, stream=True, max_tokens=20, stream_options={"include_usage": True}
        )
    )
    assert pieces[-1].usage.completion_tokens <= 20
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices).strip()
    assert _is_idle(upstream)


def test_json_that_is_asked_for_is_json(client):
    answer = client.chat.completions.create(
        model="openrag-ops", messages=QUESTION, response_format={"type": "json_object"}, max_tokens=60
    )
    if answer.choices[0].finish_reason == "stop":
        json.loads(answer.choices[0].message.content)
    assert answer.choices[0].message.content.lstrip().startswith("{")


def test_closing_a_stream_frees_the_model(client, upstream):
    stream = client.chat.completions.create(model="openrag-ops", messages=QUESTION, stream=True, max_tokens=2000)
    next(iter(stream))
    stream.close()
    deadline = time.monotonic() + 60
    while not _is_idle(upstream):
        assert time.monotonic() < deadline, "the model still answers nobody"


def test_a_small_window_is_found_out_and_still_answers(tmp_path):
    process, url = serve_llm("512")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPENRAG_STORE": str(tmp_path / "store"),
        "OPENRAG_CACHE": str(tmp_path / "cache"), "OPENRAG_LLM_BASE_URL": url, "OPENRAG_LLM_PROFILE": "small",
        "OPENRAG_LLM_MAX_TOKENS": "40",
    }  # fmt: skip
    (tmp_path / "keys.md").write_text(KEYS + "\nFiller about keys and rotation. " * 400)
    openrag = [sys.executable, "-m", "openrag_cli"]
    try:
        subprocess.run(
            [*openrag, "file", "add", "keys.md"], env=environment, cwd=tmp_path, check=True, capture_output=True
        )
        asked = [*openrag, "ask", "How often are API keys rotated?", "--json"]
        done = subprocess.run(asked, env=environment, cwd=tmp_path, check=False, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout)["answer"].strip()
    finally:
        end_llm(process)
