"""A real small LLM behind the server, where one can be had: a GGUF file named by OPENRAG_TEST_GGUF."""

import os
from pathlib import Path

import openai
import pytest

from .conftest import free_port, start, wait_for

GGUF = os.environ.get("OPENRAG_TEST_GGUF", "")
KEYS = "# Keys\n\nRotate every API key every 90 days with `kms rotate --all`.\n"


@pytest.fixture(scope="module")
def upstream():
    """The URL of xllamacpp's server with the model."""
    if not GGUF:
        pytest.skip("OPENRAG_TEST_GGUF names no GGUF file of an instruct model")
    xllamacpp = pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(Path(GGUF).resolve())
    parameters.n_ctx = 4096
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = free_port()
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server  # its destructor stops it


@pytest.mark.slow
def test_a_real_llm_answers_from_the_passages(upstream, tmp_path):
    server = start(tmp_path / "store", env={"OPENRAG_LLM_BASE_URL": upstream, "OPENRAG_LLM_CONTEXT_TOKENS": "4096"})
    try:
        with server.client() as http:
            posted = http.post("/indexer/partition/ops/file/keys.md", files={"file": ("keys.md", KEYS.encode())})
            assert wait_for(http, posted.json()["task_status_url"])["task_state"] == "COMPLETED"
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
            asked = {
                "model": "openrag-ops",
                "messages": [{"role": "user", "content": "How often are API keys rotated?"}],
            }
            pieces = list(client.chat.completions.create(**asked, stream=True, temperature=0, max_tokens=80))
            text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
            assert "90" in text
    finally:
        assert server.stop() == 0
