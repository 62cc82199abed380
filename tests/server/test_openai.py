"""The OpenAI endpoints, as OpenAI's own client and LangChain use them, on a live server with a stub of an LLM."""

import asyncio
import base64
import json
import struct
from collections.abc import Iterator

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from stub_llm import StubLlm, stub_llm, wait_until

from .conftest import Server, start, wait_for

KEYS = "# Keys\n\nRotate every API key every 90 days with `kms rotate --all`.\n\nAfter a leak rotate at once.\n"
QUESTION = [{"role": "user", "content": "How often are API keys rotated?"}]


def to_do(behaviour: str) -> list[dict[str, str]]:
    """Return the question, with a word to the stub of what to do about it."""
    return [{"role": "user", "content": f"stub:{behaviour} How often are API keys rotated?"}]


ODD = "équipe d'été #1 %2F?"


def fill(server: Server) -> Server:
    with server.client() as client:
        for partition in ("ops", ODD):
            path = f"/indexer/partition/{_quoted(partition)}/file/keys.md"
            posted = client.post(path, files={"file": ("keys.md", KEYS.encode())})
            assert posted.status_code == 201, posted.text
            assert wait_for(client, posted.json()["task_status_url"])["task_state"] == "COMPLETED"
    return server


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


@pytest.fixture(scope="module")
def stub() -> Iterator[StubLlm]:
    with stub_llm() as running:
        yield running


@pytest.fixture(scope="module")
def quoting(server) -> Server:
    """The common server, which has no LLM: uvicorn, and Ray where it is installed."""
    return fill(server)


@pytest.fixture(scope="module")
def asking(tmp_path_factory, stub) -> Iterator[Server]:
    """A server with an LLM; the stub does what its model's name says, which each test sets by `OPENRAG_LLM_MODEL`."""
    server = fill(start(tmp_path_factory.mktemp("asking") / "store", env=_llm(stub, "cites")))
    yield server
    assert server.stop() == 0


def _llm(stub: StubLlm, model: str, **more: str) -> dict[str, str]:
    return {"OPENRAG_LLM_BASE_URL": stub.url, "OPENRAG_LLM_MODEL": model, "OPENRAG_LLM_RETRIES": "0", **more}


@pytest.fixture
def served(tmp_path, stub):
    """A server of its own, whose LLM behaves as named."""
    running = []

    def make(model: str, **more: str) -> openai.OpenAI:
        running.append(fill(start(tmp_path / "store", env=_llm(stub, model, **more))))
        return client_of(running[-1])

    yield make
    for server in running:
        assert server.stop() == 0


MADE: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def closed_clients():
    """Close what a test has made: a client left to itself leaves its sockets open."""
    yield
    while MADE:
        MADE.pop().close()


def client_of(server: Server, key: str = "none") -> openai.OpenAI:
    MADE.append(openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=30))
    return MADE[-1]


def chunks_of(server: Server, **body) -> list[dict]:
    """Return the events of a stream as they were sent; every one but the last is a chunk that OpenAI's client knows."""
    asked = {"model": "openrag-ops", "messages": QUESTION, "stream": True, **body}
    with server.client() as client, client.stream("POST", "/v1/chat/completions", json=asked) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1] if not line.startswith(":")]
    for event in events:
        ChatCompletionChunk.model_validate(event, strict=False)
        assert ChatCompletionChunk.model_validate(event).object == "chat.completion.chunk"
    return events


# --- models


def test_every_partition_is_a_model(quoting):
    models = client_of(quoting).models.list().data
    assert {"openrag-ops", f"openrag-{ODD}", "openrag-all", "partition-all"} <= {model.id for model in models}
    assert {(model.object, model.owned_by) for model in models} == {("model", "openrag")}
    assert all(model.created > 1_500_000_000 for model in models)


@pytest.mark.parametrize("name", ["openrag-ops", "partition-all"])
def test_a_model_can_be_looked_up(quoting, name):
    assert client_of(quoting).models.retrieve(name).id == name


def test_a_model_with_an_odd_name_round_trips(quoting):
    with quoting.client() as client:
        assert client.get(f"/v1/models/{_quoted('openrag-' + ODD)}").json()["id"] == f"openrag-{ODD}"
    answer = client_of(quoting).chat.completions.create(model=f"openrag-{ODD}", messages=QUESTION)
    assert answer.model_extra["extra"]["sources"][0]["partition"] == ODD
    assert httpx.get(answer.model_extra["extra"]["sources"][0]["chunk_url"]).json()["page_content"]


@pytest.mark.parametrize("name", ["openrag-none", "gpt-4", "openrag-", ""])
def test_an_unknown_model_is_not_found(quoting, name):
    with pytest.raises(openai.NotFoundError) as caught:
        client_of(quoting).chat.completions.create(model=name, messages=QUESTION)
    assert caught.value.code == "model_not_found"
    assert caught.value.body["type"] == "invalid_request_error"


# --- whole answers


def test_an_answer_without_an_llm_has_text_annotations_sources_and_usage(quoting):
    answer = client_of(quoting).chat.completions.create(model="openrag-ops", messages=QUESTION)
    assert isinstance(answer, ChatCompletion)
    assert answer.id.startswith("chatcmpl-")
    assert (answer.object, answer.model) == ("chat.completion", "openrag-ops")
    message = answer.choices[0].message
    assert message.content.startswith("Rotate every API key every 90 days with `kms rotate --all`. [1]")
    assert answer.choices[0].finish_reason == "stop"
    for annotation in message.annotations:
        cited = annotation.url_citation
        assert message.content[cited.start_index : cited.end_index] == "[1]"
        assert cited.title == "keys.md l.3"[: len(cited.title)] or cited.title.startswith("keys.md")
        assert httpx.get(cited.url).status_code == 200
    assert message.annotations
    source = answer.model_extra["extra"]["sources"][0]
    assert (source["file_id"], source["partition"], source["cited"], source["page"]) == ("keys.md", "ops", True, None)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_an_llms_answer_is_checked_and_carries_its_usage(asking):
    answer = client_of(asking).chat.completions.create(model="openrag-ops", messages=QUESTION)
    assert answer.choices[0].message.content == "Every 90 days [1]. And more."
    assert answer.usage == CompletionUsage(prompt_tokens=7, completion_tokens=5, total_tokens=12)
    assert [source["cited"] for source in answer.model_extra["extra"]["sources"]] == [True]


def test_what_steers_the_llm_is_passed_on_and_the_rest_ignored(asking, stub):
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    client_of(asking).chat.completions.create(
        model="openrag-ops",
        messages=QUESTION,
        temperature=0.2,
        top_p=0.9,
        seed=3,
        stop=["END"],
        max_completion_tokens=77,
        tools=tools,
        response_format={"type": "json_object"},
        user="me",
        extra_body={"no_such_field": {"deep": [1]}},
    )
    sent = stub.last()
    assert {key: sent[key] for key in ("temperature", "top_p", "seed", "stop", "max_completion_tokens", "tools")} == {
        "temperature": 0.2, "top_p": 0.9, "seed": 3, "stop": ["END"], "max_completion_tokens": 77, "tools": tools,
    }  # fmt: skip
    assert sent["response_format"] == {"type": "json_object"}
    assert not {"no_such_field", "user", "max_tokens"} & sent.keys()


def test_content_may_be_parts_and_roles_may_be_all_of_openais(asking, stub):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    client_of(asking).chat.completions.create(
        model="openrag-all",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "How often are"}, {"type": "text", "text": "API keys rotated?"}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ],
    )
    sent = stub.last()["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool"]
    assert sent[0]["content"].endswith("Be brief.")
    assert "How often are\nAPI keys rotated?" in sent[1]["content"]
    assert (sent[2]["tool_calls"][0]["id"], sent[3]["tool_call_id"]) == ("c", "c")


def test_tool_calls_come_back_whole_and_in_pieces(asking):
    client = client_of(asking)
    whole = client.chat.completions.create(model="openrag-ops", messages=to_do("tools"))
    call = whole.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "look", '{"a": 1}')
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (None, "tool_calls")
    pieces = list(client.chat.completions.create(model="openrag-ops", messages=to_do("tools"), stream=True))
    arguments = [c.function.arguments for p in pieces for c in p.choices[0].delta.tool_calls or ()]
    assert "".join(arguments) == '{"a": 1}'


FUNCTION = {"name": "look", "parameters": {"type": "object", "properties": {}}}


def test_functions_of_the_older_shape_are_asked_for_as_tools_and_told_as_function_calls(asking, stub):
    client = client_of(asking)
    asked = {"model": "openrag-ops", "messages": to_do("tools"), "functions": [FUNCTION]}
    whole = client.chat.completions.create(**asked, function_call={"name": "look"})
    choice = whole.choices[0]
    assert (choice.message.function_call.name, choice.message.function_call.arguments) == ("look", '{"a": 1}')
    assert (choice.message.tool_calls, choice.message.content, choice.finish_reason) == (None, None, "function_call")
    sent = stub.last()
    assert sent["tools"] == [{"type": "function", "function": FUNCTION}]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert sent["parallel_tool_calls"] is False
    assert not {"functions", "function_call"} & sent.keys()
    pieces = [piece.choices[0] for piece in client.chat.completions.create(**asked, stream=True)]
    calls = [piece.delta.function_call for piece in pieces if piece.delta.function_call]
    assert (calls[0].name, "".join(call.arguments for call in calls)) == ("look", '{"a": 1}')
    assert not any(piece.delta.tool_calls for piece in pieces)
    assert pieces[-1].finish_reason == "function_call"
    back = [{"role": "assistant", "content": None, "function_call": dict(choice.message.function_call)}]
    back += [{"role": "function", "name": "look", "content": "42"}]
    client.chat.completions.create(model="openrag-ops", messages=[*QUESTION, *back], functions=[FUNCTION])
    assert [message["role"] for message in stub.last()["messages"]] == ["system", "user", "assistant", "tool"]


@pytest.mark.parametrize("choice", ["none", "auto"])
def test_a_choice_of_the_older_shape_is_one_of_the_newer(asking, stub, choice):
    body = {"model": "openrag-ops", "messages": QUESTION, "functions": [FUNCTION], "function_call": choice}
    with asking.client() as client:
        assert client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["function_call"] is None
    assert stub.last()["tool_choice"] == choice


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"logprobs": True, "top_logprobs": 3}, "logprobs, top_logprobs"),
        ({"logit_bias": {"42": -100}}, "logit_bias"),
        ({"guided_regex": "[0-9]+", "min_p": 0.1}, "min_p, guided_regex"),
        ({"logprobs": False, "user": "me", "safety_identifier": "x"}, None),
    ],
)
def test_what_would_change_the_answer_and_is_not_passed_on_is_said(asking, fields, told):
    body = {"model": "openrag-ops", "messages": QUESTION, **fields}
    with asking.client() as client:
        warnings = client.post("/v1/chat/completions", json=body).json()["extra"]["warnings"]
    assert [w for w in warnings if w.startswith("not obeyed")] == ([f"not obeyed here: {told}"] if told else [])
    extra = chunks_of(asking, **fields)[-1]["extra"]
    assert extra["warnings"] == warnings


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"messages": []}, "there is none"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"best_of": 3}, "best_of"),
        ({"functions": [FUNCTION], "function_call": "always"}, "function_call"),
        ({"functions": [FUNCTION], "function_call": {}}, "function_call"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "role 'user'"),
        ({"messages": [{"role": "user", "content": "  "}]}, "empty"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}, "cannot see"),
        ({"messages": "x"}, "messages"),
        ({"n": 2}, "n: one answer"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream": "maybe"}, "stream"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request_is_400_in_openais_shape(quoting, change, says, stream):
    body = {"model": "openrag-ops", "messages": QUESTION, "stream": stream, **change}
    with quoting.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert says in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_model_declared_to_see_is_sent_images(served, stub):
    client = served("echo", OPENRAG_LLM_CAN_SEE="true")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    client.chat.completions.create(
        model="openrag-ops",
        messages=[{"role": "user", "content": [{"type": "text", "text": "How often are API keys rotated?"}, image]}],
    )
    sent = stub.last()["messages"][-1]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url"]
    assert "PASSAGE" in sent[0]["text"]
    assert sent[1] == image


# --- streams


def test_a_stream_has_role_text_annotations_end_and_no_usage_unless_asked(asking):
    events = chunks_of(asking, stream=0.3)
    deltas = [event["choices"][0]["delta"] for event in events]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == "Every 90 days [1]. And more."
    assert deltas[-2]["annotations"][0]["url_citation"]["start_index"] == len("Every 90 days ")
    assert deltas[-1] == {}
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["extra"]["sources"][0]["file_id"] == "keys.md"
    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None] * (len(events) - 1)
    assert len({event["id"] for event in events}) == 1
    assert not any("usage" in event for event in events)


def test_usage_comes_last_when_asked_for(asking):
    events = chunks_of(asking, stream_options={"include_usage": True})
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def test_a_stream_without_an_llm_has_the_same_shape(quoting):
    events = chunks_of(quoting)
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    whole = client_of(quoting).chat.completions.create(model="openrag-ops", messages=QUESTION)
    assert text == whole.choices[0].message.content


def test_an_error_before_the_first_byte_is_a_status(asking):
    for stream in (False, True):
        with pytest.raises(openai.InternalServerError) as caught:
            client_of(asking).chat.completions.create(model="openrag-ops", messages=to_do("failing"), stream=stream)
        assert caught.value.status_code == 502
        assert "boom" in caught.value.message


def test_a_rate_limit_of_the_llm_is_one_of_ours(asking):
    with pytest.raises(openai.RateLimitError, match="slow down"):
        client_of(asking).chat.completions.create(model="openrag-ops", messages=to_do("busy"))


def test_an_llm_that_is_silent_for_too_long_is_504(served):
    client = served("silent", OPENRAG_LLM_READ_TIMEOUT_S="0.5")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="openrag-ops", messages=QUESTION)
    assert caught.value.status_code == 504


def test_an_llm_that_is_not_there_is_503(tmp_path):
    server = start(
        tmp_path / "store",
        env={"OPENRAG_LLM_BASE_URL": "http://127.0.0.1:1/v1", "OPENRAG_LLM_MODEL": "x", "OPENRAG_LLM_RETRIES": "0"},
    )
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            client_of(server).chat.completions.create(model="openrag-all", messages=QUESTION)
        assert (caught.value.status_code, caught.value.code) == (503, "upstream_down")
        assert [model.id for model in client_of(server).models.list()] == ["openrag-all", "partition-all"]
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("model", ["breaks", "fails-within"])
def test_an_error_after_the_first_byte_is_an_event(asking, model):
    with pytest.raises(openai.APIError) as caught:
        list(client_of(asking).chat.completions.create(model="openrag-ops", messages=to_do(model), stream=True))
    assert caught.value.type == "server_error"


@pytest.mark.parametrize("model", ["thinks", "breaks", "fails-within"])
@pytest.mark.parametrize("route", ["chat/completions", "completions"])
def test_an_answer_that_is_none_or_broke_off_leaves_the_sources(asking, model, route):
    with asking.client() as client:
        question = {"messages": to_do(model), "prompt": to_do(model)[-1]["content"]}
        answer = client.post(f"/v1/{route}", json={"model": "openrag-ops", **question})
    assert answer.status_code == 502
    assert answer.json()["error"]["message"]
    assert answer.json()["extra"]["sources"][0]["file_id"] == "keys.md"


def test_a_long_wait_is_filled_with_pings(asking, stub):
    body = {"model": "openrag-ops", "messages": to_do("silent"), "stream": True}
    try:
        with asking.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            assert next(line for line in lines if line) == ": ping"
            stub.released.set()
            assert "data: [DONE]" in list(lines)
    finally:
        stub.released.clear()


@pytest.mark.parametrize(("model", "stream"), [("endless", True), ("silent", True), ("silent", False)])
def test_a_client_that_leaves_cancels_the_upstream_call(asking, stub, model, stream):
    client = client_of(asking)
    n_broken = stub.n_broken
    if model == "endless":
        answer = client.chat.completions.create(model="openrag-ops", messages=to_do(model), stream=True)
        assert next(iter(answer)).choices[0].delta.role == "assistant"
        answer.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="openrag-ops", messages=to_do(model), stream=stream, timeout=1)
    wait_until(lambda: stub.n_broken > n_broken)


def test_the_async_client_streams_and_many_do_at_once(asking):
    async def ask(client: openai.AsyncOpenAI) -> str:
        answer = await client.chat.completions.create(model="openrag-ops", messages=QUESTION, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{asking.url}/v1", api_key="none", max_retries=0) as client:
            return await asyncio.gather(*(ask(client) for _ in range(20)))

    assert asyncio.run(all_of_them()) == ["Every 90 days [1]. And more."] * 20


def test_a_front_ends_task_is_passed_through_without_retrieval(asking, stub):
    messages = [{"role": "user", "content": "### Task:\nSuggest 3 tags"}]
    answer = client_of(asking).chat.completions.create(model="openrag-ops", messages=messages)
    assert stub.last()["messages"] == messages
    assert answer.model_extra["extra"]["sources"] == []


# --- completions and embeddings


def test_the_older_completions_answer_too(asking):
    client = client_of(asking)
    whole = client.completions.create(model="openrag-ops", prompt="How often are API keys rotated?")
    assert (whole.object, whole.choices[0].text) == ("text_completion", "Every 90 days [1]. And more.")
    pieces = list(
        client.completions.create(model="openrag-ops", prompt=["How often are API keys rotated?"], stream=True)
    )
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert pieces[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("prompt", [[1, 2, 3], ["a", 1], [], [[1]]])
def test_a_prompt_that_is_no_text_is_400(quoting, prompt):
    with pytest.raises(openai.BadRequestError, match="prompt"):
        client_of(quoting).completions.create(model="openrag-ops", prompt=prompt)


def test_embeddings_in_both_encodings_are_the_same_unit_vectors(quoting):
    client = client_of(quoting)
    packed = client.embeddings.create(model="any", input=["hello", "rotate the keys"])  # base64 on the wire
    plain = client.embeddings.create(model="any", input="hello", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert sum(number * number for number in packed.data[1].embedding) == pytest.approx(1, abs=1e-4)
    assert (len(plain.data[0].embedding), packed.data[1].index, packed.model) == (384, 1, "all-MiniLM-L6-v2")
    assert packed.usage.prompt_tokens == packed.usage.total_tokens == 3 + 5
    with quoting.client() as raw:
        body = {"model": "m", "input": "hello", "encoding_format": "base64"}
        text = raw.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert struct.unpack("<384f", base64.b64decode(text)) == pytest.approx(plain.data[0].embedding, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "says"),
    [([1, 2], "tokens"), ([[1, 2]], "tokens"), ([], "between"), ("", "empty"), (["a", ""], "empty")],
)
def test_an_input_that_is_no_text_is_400(quoting, given, says):
    with pytest.raises(openai.BadRequestError, match=says):
        client_of(quoting).embeddings.create(model="m", input=given)


def test_a_wrong_dimension_is_400(quoting):
    with pytest.raises(openai.BadRequestError, match="384"):
        client_of(quoting).embeddings.create(model="m", input="x", dimensions=256)


# --- guards, and another client


def test_a_wrong_token_is_an_authentication_error(tmp_path):
    server = start(tmp_path / "store", env={"AUTH_TOKEN": "right"})
    try:
        with pytest.raises(openai.AuthenticationError):
            client_of(server).models.list()
        assert client_of(server, key="right").models.list().data
    finally:
        assert server.stop() == 0


def test_langchain_asks_streams_and_embeds(asking):
    with httpx.Client(timeout=30) as http:
        common = {"base_url": f"{asking.url}/v1", "api_key": "none", "http_client": http}
        model = ChatOpenAI(model="openrag-ops", max_retries=0, **common)
        assert model.invoke("How often are API keys rotated?").content == "Every 90 days [1]. And more."
        pieces = [piece.content for piece in model.stream("How often are API keys rotated?")]
        assert "".join(pieces) == "Every 90 days [1]. And more."
        embedder = OpenAIEmbeddings(model="any", check_embedding_ctx_length=False, **common)
        assert len(embedder.embed_query("hello")) == 384


def test_who_answers_is_told_by_readyz(asking, quoting):
    for server, who in ((asking, "cites"), (quoting, "extractive")):
        with server.client() as client:
            assert client.get("/readyz").json()["answers"] == who


def test_a_wrong_prompt_stops_the_server_at_its_start(process, tmp_path):
    (tmp_path / "nothing.md").write_text("no variable")
    result = process("serve", "--port", "0", env={"OPENRAG_PROMPTS": str(tmp_path)})
    assert (result.code, result.err.count("\n")) == (78, 2)
    assert "nothing.md lacks variable" in result.err
