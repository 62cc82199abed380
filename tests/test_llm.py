"""The client of an LLM, against a real HTTP server that behaves and misbehaves."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from stub_llm import StubLlm, stub_llm, wait_until

from openrag_cli.answering.llm.client import HttpChatModel
from openrag_cli.answering.llm.model import Delta, ModelRequest, complete
from openrag_cli.config.settings import load
from openrag_cli.errors import LlmMisconfigured, UpstreamBusy, UpstreamDown, UpstreamError, UpstreamTimeout

ASK = ModelRequest([{"role": "user", "content": "hello"}], "hello", parameters={"temperature": 0.5})


@pytest.fixture(scope="module")
def stub() -> Iterator[StubLlm]:
    with stub_llm() as running:
        yield running


def model(url: str, name: str | None, **settings) -> HttpChatModel:
    flags = {"llm.base_url": url, "llm.model": name, "llm.api_key": "secret-key", "llm.retries": 2}
    flags |= {f"llm.{key}": value for key, value in settings.items()}
    return HttpChatModel(load(flags, {"OPENRAG_CONFIG": os.devnull}).settings)


def run(llm: HttpChatModel, ask: ModelRequest = ASK) -> list[Delta]:
    async def collect() -> list[Delta]:
        try:
            return [delta async for delta in llm.stream(ask)]
        finally:
            await llm.aclose()

    return asyncio.run(collect())


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def test_an_answer_comes_in_pieces_with_its_reason_and_usage(stub):
    deltas = run(model(stub.url, "cites"))
    assert text_of(deltas) == "Every 90 days [1]. And [99] more."
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert [delta.usage.prompt_tokens for delta in deltas if delta.usage] == [7]


def test_parameters_key_and_stream_are_sent(stub):
    run(model(stub.url, "cites"))
    assert stub.last() == {
        "model": "cites",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert stub.headers[-1]["Authorization"] == "Bearer secret-key"


def test_without_a_name_the_first_model_listed_is_asked(stub):
    run(model(stub.url, None))
    assert stub.last()["model"] == "cites"


def test_odd_chunks_are_read_for_what_they_hold(stub):
    deltas = run(model(stub.url, "odd"))
    assert text_of(deltas) == "Odd é [1]"
    assert deltas[-1].finish_reason == "length"


def test_an_answer_in_one_piece_is_read_too(stub):
    assert text_of(run(model(stub.url, "whole"))) == "In one piece [1]."


def test_tool_calls_pass_verbatim(stub):
    calls = [call for delta in run(model(stub.url, "tools")) for call in delta.tool_calls]
    assert [call["function"]["arguments"] for call in calls] == ['{"a"', ": 1}"]


@pytest.mark.parametrize("name", ["breaks", "stops-short", "fails-within", "not-json"])
def test_an_answer_that_breaks_off_is_an_error_and_never_asked_for_again(stub, name):
    before = len(stub.requests)
    with pytest.raises(UpstreamError):
        run(model(stub.url, name))
    assert len(stub.requests) == before + 1


def test_a_failure_that_may_pass_is_tried_again(stub):
    stub.fails.clear()
    assert text_of(run(model(stub.url, "recovers"))).startswith("Every 90")
    assert stub.fails["recovers"] == 3


@pytest.mark.parametrize(
    ("name", "error", "n_tries", "says"),
    [
        ("failing", UpstreamError, 3, "500: boom"),
        ("busy", UpstreamBusy, 3, "429: slow down"),
        ("refuses", LlmMisconfigured, 1, r"\(401\): Incorrect key"),
    ],
)
def test_a_failure_that_stays_is_told_with_its_reason(stub, name, error, n_tries, says):
    before = len(stub.requests)
    with pytest.raises(error, match=says):
        run(model(stub.url, name))
    assert len(stub.requests) == before + n_tries


def test_silence_ends_with_the_deadline(stub):
    with pytest.raises(UpstreamTimeout, match="silent"):
        run(model(stub.url, "silent", read_timeout_s=0.3))


def test_nobody_there_is_told_with_the_address():
    with pytest.raises(UpstreamDown, match=r"127\.0\.0\.1:1/v1 cannot be reached"):
        run(model("http://127.0.0.1:1/v1", "x", retries=0))


def test_an_answer_that_nobody_waits_for_is_cancelled_upstream(stub):
    llm = model(stub.url, "endless")
    before = stub.n_broken

    async def leave() -> None:
        async with aclosing(llm.stream(ASK)) as deltas:
            async for delta in deltas:
                if "word3" in delta.text:
                    break
        await llm.aclose()

    asyncio.run(leave())
    wait_until(lambda: stub.n_broken > before)


def test_a_key_with_odd_characters_is_sent_as_it_is(stub):
    llm = model(stub.url, "cites", api_key="clé")
    assert asyncio.run(complete(llm, ASK)).startswith("Every")
    assert stub.headers[-1]["Authorization"].encode("latin-1").decode() == "Bearer clé"


def test_the_key_is_in_no_error(stub):
    with pytest.raises(LlmMisconfigured) as caught:
        run(model(stub.url, "refuses"))
    assert "secret-key" not in f"{caught.value} {caught.value.hint}"
