"""What goes to an LLM and what comes from it, in the dialects and shapes that servers have."""

import asyncio
import json
import threading
import time

import pytest
from llm_server import STREAM, ask, chunk, events, model, refuses, says, serving, text_of

from openrag_cli.answering.conversation import Message
from openrag_cli.answering.llm.guards import FenceFilter, RepeatGuard
from openrag_cli.answering.llm.model import ModelRequest
from openrag_cli.answering.llm.models import choose, read_models, window_of
from openrag_cli.answering.llm.refusals import refusal, retry_after_s
from openrag_cli.answering.llm.request import Dialect, clean
from openrag_cli.answering.llm.response import AnswerReader
from openrag_cli.answering.llm.sse import SseParser
from openrag_cli.answering.llm.thoughts import ThoughtSplitter, without_thoughts
from openrag_cli.answering.messages import Composer
from openrag_cli.answering.pipeline import Chat, ChatRequest, Window
from openrag_cli.answering.prompts import Prompts
from openrag_cli.errors import (
    ConfigError,
    ContextTooLong,
    LlmMisconfigured,
    NoAnswer,
    UpstreamBusy,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)

# --- shapes of an answer

SHAPES = {
    "parts": events(chunk({"content": [{"type": "text", "text": "Fine."}]}), chunk({}, "stop")),
    "parts as texts": events(chunk({"content": ["Fi", "ne."]}), chunk({}, "stop")),
    "a thought in parts": events(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm [3]"}]}]}),
        chunk({"content": "Fine."}, "stop"),
    ),
    "reasoning_content": events(chunk({"reasoning_content": "hm [3]"}), chunk({"content": "Fine."}, "stop")),
    "reasoning": events(chunk({"reasoning": "hm"}), chunk({"content": "Fine."}, "stop")),
    "<think>": events(chunk({"content": "<thi"}), chunk({"content": "nk>hm [3]</think>\n\nFine."}, "stop")),
    "<reasoning>": events(chunk({"content": "<reasoning>hm</reasoning>Fine."}, "stop")),
    "CR": events(chunk({"content": "Fine."}, "stop"), eol="\r"),
    "CRLF": events(chunk({"content": "Fine."}, "stop"), eol="\r\n"),
    "BOM": [b"\xef\xbb\xbf", *events(chunk({"content": "Fine."}, "stop"))],
    "comments": [b": hi\n\nevent: message\nid: 7\nretry: 3\n", *events(chunk({"content": "Fine."}, "stop"))],
    "no choices first": events({"choices": []}, {"choices": None}, chunk(None), chunk({"content": "Fine."}, "stop")),
    "one object": [json.dumps({"choices": [{"message": {"content": "Fine."}, "finish_reason": "stop"}]}).encode()],
    "half an emoji": [
        b'data: {"choices":[{"delta":{"content":"Fine \\ud83d"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\udd11."},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    ],
    "a lone half": [b'data: {"choices":[{"delta":{"content":"Fine. \\ud83d"},"finish_reason":"stop"}]}\n\n'],
    "an older completion": events({"choices": [{"text": "Fine.", "finish_reason": "stop"}]}),
}


@pytest.mark.parametrize("name", SHAPES)
def test_an_answer_is_read_in_any_legal_shape(name):
    with serving(lambda _body, _n: (200, STREAM, SHAPES[name])) as (_, url):
        found = ask(url)
    wanted = {"half an emoji": "Fine \U0001f511.", "a lone half": "Fine. \ufffd"}.get(name, "Fine.")
    assert text_of(found) == wanted
    thought = "".join(delta.thought for delta in found)
    assert thought.startswith("hm") == (
        name in {"a thought in parts", "reasoning_content", "reasoning", "<think>", "<reasoning>"}
    )


@pytest.mark.parametrize("kind", ["Text/Event-Stream; charset=iso-8859-1", "text/plain", "application/json"])
def test_a_stream_is_read_whatever_its_type_says(kind):
    data = b"".join(
        f"data: {json.dumps(c, ensure_ascii=False)}\n\n".encode() for c in [chunk({"content": "Fähre"}, "stop")]
    )
    with serving(lambda _b, _n: (200, {"Content-Type": kind}, [data])) as (_, url):
        assert text_of(ask(url)) == "Fähre"


@pytest.mark.parametrize("step", [1, 2, 5])
def test_how_a_stream_is_cut_changes_nothing(step):
    data = "\ufeffdata: é1\rdata:2\r\revent: error\r\ndata: x\r\n\r\nerror: y\n\ndata: end".encode()
    parser = SseParser()
    found = [
        event for at in range(0, len(data), step) for event in parser.feed(data[at : at + step])
    ] + parser.close()
    assert [(event.name, event.data) for event in found] == [
        ("message", "é1\n2"), ("error", "x"), ("error", "y"), ("message", "end"),
    ]  # fmt: skip


def test_thoughts_are_told_from_answers_wherever_the_stream_is_cut():
    text = "\n<Thinking>a [1] </b></THINKING>\n\nAnswer with <think> in it"
    for step in (1, 3, 100):
        splitter = ThoughtSplitter()
        pieces = [splitter.feed(text[at : at + step]) for at in range(0, len(text), step)] + [splitter.close()]
        assert "".join(text for _, text in pieces) == "Answer with <think> in it"
        assert "".join(thought for thought, _ in pieces) == "a [1] </b>"
    assert without_thoughts("hm</think>A") == "A"


# --- what is no answer

NOTHING = {
    "empty": ([chunk({"content": ""}, "stop")], "finish_reason stop"),
    "blanks": ([chunk({"content": " \n "}, "stop")], "finish_reason stop"),
    "cut while thinking": (
        [chunk({"reasoning_content": "think " * 40}), chunk({}, "length")],
        "length; it spent about",
    ),
    "filtered": ([chunk({}, "content_filter")], "content_filter"),
    "a thought without an end": ([chunk({"content": "<think>\nhm, 90 days"}, "stop")], "it spent about"),
    "another without one": (
        [chunk({"content": "<reasoning>So, how often?"}), chunk({}, "stop")],
        "it spent about",
    ),
    "thoughts apart alone": ([chunk({"reasoning_content": "90 days, I think."}, "stop")], "it spent about"),
    "usage alone": ([{"choices": [], "usage": {"prompt_tokens": 3}}, chunk({}, "stop")], "finish_reason stop"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_an_answer_without_an_answer_is_an_error_with_its_reason(name):
    chunks, why = NOTHING[name]
    with serving(lambda _b, _n: (200, STREAM, events(*chunks))) as (_, url), pytest.raises(NoAnswer, match=why):
        ask(url)


CIRCLES = {
    "reasoning_content": [chunk({"reasoning_content": "Let me think about the keys. "})] * 20,
    "reasoning": [chunk({"reasoning": "90 days? No. Or 90 days after all? "})] * 10,
    "<think>": [
        chunk({"content": "<think>"}),
        *([chunk({"content": "So: every 90 days? Wait. "})] * 20),
        chunk({"content": "</think>"}),
    ],
}


@pytest.mark.parametrize("name", CIRCLES)
def test_a_thought_may_go_round_in_circles_on_its_way_to_an_answer(name):
    chunks = [*CIRCLES[name], chunk({"content": "Every 90 days."}, "stop")]
    with serving(lambda _b, _n: (200, STREAM, events(*chunks))) as (_, url):
        found = ask(url)
    assert text_of(found) == "Every 90 days."
    assert (found[-1].finish_reason, [delta.note for delta in found if delta.note]) == ("stop", [])


@pytest.mark.parametrize("target", ["/v1/chat/completions", "/v1/chat/completions?again=1"])
def test_redirects_without_end_are_told_after_a_few(target):
    moved = (307, {"Location": target}, [])
    with serving(lambda _b, _n: moved) as (state, url):
        with pytest.raises(UpstreamError, match="over 5 redirects"):
            ask(url, retries=2)
        assert len(state.bodies) <= 6


BROKEN = {
    "cut": (events(chunk({"content": "Half [1]"}), end=b""), "broke off"),
    "an error object": (events(chunk({"content": "Half"}), {"error": {"message": "out of memory"}}), "out of memory"),
    "an error event": (
        [*events(chunk({"content": "Half"}), end=b""), b'event: error\ndata: {"message": "GPU lost"}\n\n'],
        "GPU lost",
    ),
    "an error line": (
        [*events(chunk({"content": "Half"}), end=b""), b'error: {"message": "shifted"}\n\n'],
        "shifted",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_came_of_a_broken_answer_is_there_and_the_reason_is_told(name):
    blocks, why = BROKEN[name]

    async def collect(url):
        llm, found = model(url), []
        try:
            async for delta in llm.stream(ModelRequest([{"role": "user", "content": "q"}], "q")):
                found.append(delta)
        except UpstreamError as exc:
            return found, exc
        finally:
            await llm.aclose()
        raise AssertionError("it did not break")

    with serving(lambda _b, _n: (200, STREAM, blocks)) as (_, url):
        found, error = asyncio.run(collect(url))
    assert text_of(found).startswith("Half")
    assert why in error.message


@pytest.mark.parametrize(
    ("content", "says_what"),
    [
        (b"<!doctype html><title>Login</title>", "sent a page"),
        (b'{"message": {"content": "x"}, "done": true}\n', "another API"),
    ],
)
def test_another_kind_of_server_is_told(content, says_what):
    other = serving(lambda _b, _n: (200, {"Content-Type": "text/html"}, [content]))
    with other as (_, url), pytest.raises(UpstreamError, match=says_what):
        ask(url)


# --- tool calls


def call(**more):
    return {"type": "function", "function": {"name": "tide", "arguments": '{"pier": 3}'}, **more}


OTHER = {"function": {"name": "wind", "arguments": "{}"}}
CALLS = {
    "whole": {"message": {"tool_calls": [call(id="a"), {"id": "b", **OTHER}]}},
    "whole without ids": {"message": {"tool_calls": [call(), OTHER]}},
    "arguments as objects": {
        "message": {
            "tool_calls": [{"id": "a", "function": {"name": "tide", "arguments": {"pier": 3}}}, {"id": "b", **OTHER}]
        }
    },
    "one index": [
        chunk({"tool_calls": [call(index=0, id="a")]}),
        chunk({"tool_calls": [{"index": 0, "id": "b", **OTHER}]}),
    ],
    "no index": [chunk({"tool_calls": [call(id="a")]}), chunk({"tool_calls": [{"id": "b", **OTHER}]})],
    "null index": [
        chunk({"tool_calls": [call(index=None, id="a")]}),
        chunk({"tool_calls": [{"index": None, "id": "b", **OTHER}]}),
    ],
    "in pieces": [
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "tide", "arguments": '{"pier"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 3}"}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", **OTHER}]}),
    ],
    "the name each time": [
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "tide", "arguments": '{"pier"'}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "tide", "arguments": ": 3}"}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", **OTHER}]}),
    ],
}


@pytest.mark.parametrize("name", CALLS)
def test_tool_calls_are_told_apart_numbered_and_their_arguments_are_text(name):
    reader = AnswerReader()
    shape = CALLS[name]
    chunks = (
        [{"choices": [{**shape, "finish_reason": "stop"}]}]
        if isinstance(shape, dict)
        else [*shape, chunk({}, "stop")]
    )
    pieces = [piece for entry in chunks for piece in reader.read(entry).tool_calls]
    made: dict[int, dict] = {}
    for piece in pieces:
        known = made.setdefault(piece["index"], {"name": "", "arguments": "", "id": piece.get("id")})
        known["name"] += piece["function"].get("name", "")
        known["arguments"] += piece["function"].get("arguments", "")
    assert [(made[n]["name"], json.loads(made[n]["arguments"])) for n in sorted(made)] == [
        ("tide", {"pier": 3}),
        ("wind", {}),
    ]
    assert len({entry["id"] for entry in made.values()}) == 2
    assert all(entry["id"] for entry in made.values())
    assert reader.close().finish_reason == "tool_calls"


MORE_CALLS = {
    "no ids and no index, in two deltas": [
        chunk({"tool_calls": [call()]}), chunk({"tool_calls": [OTHER]}),
    ],
    "no ids and no index, in one delta": [chunk({"tool_calls": [call(), OTHER]})],
    "empty ids and one index": [
        chunk({"tool_calls": [call(index=0, id="")]}), chunk({"tool_calls": [{"index": 0, "id": "", **OTHER}]}),
    ],
    "an id for every piece": [
        chunk({"tool_calls": [{"index": 0, "id": "a1", "function": {"name": "tide", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "a2", "function": {"arguments": '{"pier"'}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "a3", "function": {"name": None, "arguments": ": 3}"}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b1", **OTHER}]}),
    ],
    "an id and the name for every piece": [
        chunk({"tool_calls": [{"index": 0, "id": "a1", "function": {"name": "tide", "arguments": '{"pier"'}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "a2", "function": {"name": "tide", "arguments": ": 3}"}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "b1", **OTHER}]}),
    ],
    "no arguments": [
        chunk({"tool_calls": [call(index=0, id="a")]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "wind", "arguments": None}}]}),
    ],
    "arguments of blanks": [
        chunk({"tool_calls": [call(index=0, id="a"), {"index": 1, "id": "b", "function": {"name": "wind", "arguments": " "}}]}),
    ],
    "name and arguments beside the id": [
        chunk({"tool_calls": [{"id": "a", "name": "tide", "arguments": {"pier": 3}}, {"id": "b", "name": "wind"}]}),
    ],
    "an index as text": [
        chunk({"tool_calls": [call(index="0", id="a"), {"index": "1", "id": "b", **OTHER}]}),
    ],
    "the name late": [
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "tide", "arguments": '{"pier": 3}'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", **OTHER}]}),
    ],
    "the same tool twice, told apart by their end": [
        chunk({"tool_calls": [{"function": {"name": "tide", "arguments": '{"pier": 3}'}}]}),
        chunk({"tool_calls": [{"function": {"name": "wind", "arguments": "{"}}]}),
        chunk({"tool_calls": [{"function": {"arguments": "}"}}]}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", MORE_CALLS)
def test_calls_without_what_tells_them_apart_are_told_apart_by_name_and_end(name):
    made = _called([*MORE_CALLS[name], chunk({}, "stop")])
    assert [(call["name"], json.loads(call["arguments"])) for call in made] == [("tide", {"pier": 3}), ("wind", {})]
    assert len({call["id"] for call in made}) == 2


def _called(chunks):
    reader = AnswerReader()
    pieces = [piece for entry in chunks for piece in reader.read(entry).tool_calls]
    pieces += reader.close().tool_calls
    made: dict[int, dict] = {}
    for piece in pieces:
        known = made.setdefault(piece["index"], {"name": "", "arguments": "", "id": piece.get("id")})
        known["name"] += piece["function"].get("name", "")
        known["arguments"] += piece["function"].get("arguments", "")
    assert [*made] == [*range(len(made))]
    return [*made.values()]


def test_a_refusal_and_the_older_function_call_are_answers():
    reader = AnswerReader()
    assert reader.read(chunk({"refusal": "I cannot."})).refusal == "I cannot."
    assert reader.close().finish_reason == "stop"
    reader = AnswerReader()
    assert reader.read({"choices": [{"message": {"function_call": {"name": "f", "arguments": "{}"}}}]}).tool_calls
    assert reader.close().finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("MAX_TOKENS", "length"),
        ("end_turn", "stop"),
        (1, "stop"),
        ({"type": "x"}, "stop"),
        ("safety", "content_filter"),
    ],
)
def test_finish_reasons_are_of_one_list(given, reason):
    reader = AnswerReader()
    reader.read(chunk({"content": "x"}, given))
    assert reader.close().finish_reason == reason


# --- what is sent


def test_of_each_role_only_the_fields_of_a_request_are_sent():
    found = clean(
        [
            {"role": "developer", "content": "Be brief.", "id": "1"},
            {"role": "user", "content": "q", "metadata": {}},
            {"role": "assistant", "content": "<think>hm</think>a",
             "annotations": [], "refusal": None, "audio": None, "tool_calls": [], "id": "2"},
        ]
    )  # fmt: skip
    assert found == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
    ]  # fmt: skip


def test_calls_and_their_results_go_in_pairs_or_not_at_all():
    calls = {"role": "assistant", "content": None, "tool_calls": [call(id="a")]}
    result = {"role": "tool", "tool_call_id": "a", "content": "3"}
    user = {"role": "user", "content": "q"}
    assert [m["role"] for m in clean([user, calls, result, user])] == ["user", "assistant", "tool", "user"]
    assert [m["role"] for m in clean([result, user])] == ["user"]
    assert [m["role"] for m in clean([user, calls, user])] == ["user", "user"]
    legacy = [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "3"},
    ]
    found = clean([user, *legacy])
    assert [m["role"] for m in found] == ["user", "assistant", "tool"]
    assert found[2]["tool_call_id"] == found[1]["tool_calls"][0]["id"]


LESSONS = {
    "max_tokens": (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        lambda b: "max_tokens" in b,
    ),
    "stream_options": ("Unrecognized request argument supplied: stream_options", lambda b: "stream_options" in b),
    "system": ("System role not supported", lambda b: b["messages"][0]["role"] == "system"),
    "temperature": (
        "Unsupported value: 'temperature' does not support 0.1 with this model. Only the default (1) is supported.",
        lambda b: "temperature" in b,
    ),
}


@pytest.mark.parametrize("name", LESSONS)
def test_what_a_server_does_not_take_is_asked_otherwise_and_remembered(name):
    message, is_refused = LESSONS[name]
    with serving(lambda body, _: refuses(400, message) if is_refused(body) else says()) as (state, url):

        async def twice():
            llm = model(url)
            request = ModelRequest(
                [{"role": "system", "content": "S"}, {"role": "user", "content": "q"}],
                "q",
                parameters={"temperature": 0.1, "max_tokens": 5},
            )
            try:
                for _ in range(2):
                    assert "".join([d.text async for d in llm.stream(request)]) == "Fine."
            finally:
                await llm.aclose()

        asyncio.run(twice())
    assert len(state.bodies) == 3, "the second question is asked rightly at once"
    sent = state.bodies[-1]
    assert not is_refused(sent)
    if name == "system":
        assert sent["messages"] == [{"role": "user", "content": "S\n\nq"}]
    if name == "max_tokens":
        assert sent["max_completion_tokens"] == 5


def test_everything_that_a_strict_server_refuses_is_learnt_in_one_question():
    def strict(body, _n):
        for message, is_refused in LESSONS.values():
            if is_refused(body):
                return refuses(422, message)
        return says()

    with serving(strict) as (state, url):
        assert text_of(ask(url)) == "Fine."
    assert len(state.bodies) == 5


# --- statuses


@pytest.mark.parametrize(
    ("answer", "error", "attributes"),
    [
        (
            refuses(400, "bad tools", param="tools", code="invalid_tools"),
            UpstreamRejected,
            {"param": "tools", "upstream_code": "invalid_tools"},
        ),
        (refuses(413, "too big"), UpstreamRejected, {}),
        (
            refuses(
                400,
                "This model's maximum context length is 4096 tokens, you asked for 9000",
                code="context_length_exceeded",
            ),
            ContextTooLong,
            {"window": 4096},
        ),
        (
            refuses(
                400, "the request exceeds the available context size", type="exceed_context_size_error", n_ctx=2048
            ),
            ContextTooLong,
            {"window": 2048},
        ),
        (refuses(401, "Incorrect API key"), LlmMisconfigured, {}),
        (refuses(403, "no access"), LlmMisconfigured, {}),
        (refuses(404, "model 'm' not found, try pulling it first"), LlmMisconfigured, {}),
        (refuses(500, "boom"), UpstreamError, {}),
    ],
)
def test_a_status_says_whose_fault_it_is(answer, error, attributes):
    with serving(lambda _b, _n: answer) as (state, url), pytest.raises(error) as caught:
        ask(url, retries=0)
    assert type(caught.value) is error
    for name, value in attributes.items():
        assert getattr(caught.value, name) == value
    assert len(state.bodies) == 1


TOO_LONG = [
    (400, "This model's maximum context length is 8,192 tokens. However, you requested 10,000 tokens", 8192),
    (400, "Please reduce the length of the messages or completion.", None),
    (413, "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000", 6000),
    (400, "prompt is too long: 210000 tokens > 200000 maximum", 200000),
    (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32768),
    (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens",
        4096,
    ),
    (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens).", 4096),
    (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", None),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576),
    (400, "This model's maximum prompt length is 131072 but the request contains 200000 tokens.", 131072),
    (400, "Trying to keep the first 5000 tokens; the model is loaded with context length of only 4096 tokens", 4096),
    (400, "litellm.ContextWindowExceededError: m", None),
    (500, "Requested tokens (3000) exceed context window of 2048", 2048),
    (400, "Prompt length 5000 is greater than max_seq_len 4096", 4096),
]


@pytest.mark.parametrize(("status", "message", "window"), TOO_LONG)
def test_that_a_request_is_too_long_is_understood_in_the_words_of_servers(status, message, window):
    error = refusal("the LLM", status, json.dumps({"error": {"message": message}}), {}, model="m")
    assert isinstance(error, ContextTooLong)
    assert error.window == window


@pytest.mark.parametrize(
    "message",
    [
        "temperature must be between 0 and 2",
        "max_tokens is too large: 9999. This model supports at most 4096 completion tokens",
        "m does not support tools",
        "The model does not support images",
        "model is required",
    ],
)
def test_other_refusals_are_the_clients_to_mend(message):
    error = refusal("the LLM", 400, json.dumps({"error": {"message": message}}), {}, model="m")
    assert type(error) is UpstreamRejected
    assert not Dialect().learn(error.reason, {"messages": [], "temperature": 9, "max_tokens": 9999, "stream": True})


@pytest.mark.parametrize("window", [None, 512])
def test_a_window_that_a_refusal_names_is_remembered(window):
    told = {"n_ctx": window} if window else {}
    answers = [refuses(400, "exceeds the available context size", **told), says()]
    with serving(lambda _b, n: answers[min(n, 2) - 1]) as (_, url):

        async def twice():
            llm = model(url)
            try:
                with pytest.raises(ContextTooLong):
                    await anext(llm.stream(ModelRequest([{"role": "user", "content": "q"}], "q")))
                return await llm.window()
            finally:
                await llm.aclose()

        assert asyncio.run(twice()) == window


def test_a_rate_limit_is_passed_on_to_those_who_wait_themselves():
    status, headers, blocks = refuses(429, "slow down")
    limited = serving(lambda _b, _n: (status, {**headers, "Retry-After": "37"}, blocks))
    with limited as (state, url), pytest.raises(UpstreamBusy) as caught:
        ask(url, waits=False)
    assert (caught.value.retry_after, len(state.bodies)) == ("37", 1)


def test_a_retry_after_is_read_as_seconds_and_as_a_date():
    assert retry_after_s("3.5") == 3.5
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after_s("soon") == 0.0
    assert retry_after_s("Wed, 21 Oct 2115 07:28:00 GMT") > 1e9


def test_a_server_that_loads_its_model_is_waited_for():
    with serving(lambda _b, n: refuses(503, "Loading model") if n < 3 else says()) as (state, url):
        assert text_of(ask(url, retries=0)) == "Fine."
    assert len(state.bodies) == 3


def test_pings_do_not_renew_the_time_for_the_first_token():
    def pings(_b, _n):
        return 200, STREAM, slow()

    def slow():
        for _ in range(200):
            yield b": ping\n\n"
            if done.wait(0.05):
                return

    done = threading.Event()
    with serving(pings) as (_, url):
        try:
            with pytest.raises(UpstreamTimeout, match=r"silent for 0\.3 s"):
                ask(url, read_timeout_s=0.3)
        finally:
            done.set()


# --- the address and the model


@pytest.mark.parametrize("suffix", ["", "/", "  "])
def test_an_address_without_v1_is_tried_with_it(suffix):
    with serving(lambda _b, _n: says()) as (state, url):
        assert text_of(ask(url.removesuffix("/v1") + suffix)) == "Fine."
    assert state.paths[-1] == "/v1/chat/completions"


def test_the_query_of_an_address_stays_behind_the_path():
    with serving(lambda _b, _n: says()) as (state, url):
        ask(f"{url}?api-version=2")
    assert state.paths[-1] == "/v1/chat/completions?api-version=2"


def test_a_model_that_nobody_named_is_one_that_can_chat_and_is_looked_up_again():
    def listing(n):
        return {"data": [{"id": "text-embedding-3"}, {"id": "old" if n == 1 else "new"}]}

    def only_new(body, _n):
        return says() if body["model"] == "new" else refuses(404, "model 'old' not found")

    with serving(only_new, models=listing) as (state, url):
        assert text_of(ask(url, model=None)) == "Fine."
    assert [body["model"] for body in state.bodies] == ["old", "new"]


@pytest.mark.parametrize(
    ("refusal", "first"),
    [
        (refuses(400, "Model Not Exist"), "old"),
        (refuses(404, "The model `old` does not exist"), "old"),
        (refuses(404, "no such model", code="model_not_found"), "text-embedding-3"),
    ],
)
def test_a_guessed_model_that_is_gone_is_looked_up_again_whatever_the_refusal_is_like(refusal, first):
    def listing(n):
        return {"data": [{"id": first}]} if n == 1 else {"data": [{"id": "text-embedding-3"}, {"id": "new"}]}

    with serving(lambda body, _n: says() if body["model"] == "new" else refusal, models=listing) as (state, url):
        assert text_of(ask(url, model=None)) == "Fine."
        with pytest.raises(LlmMisconfigured):
            ask(url, model="old")  # one that somebody named is not changed for another
    assert [body["model"] for body in state.bodies] == [first, "new", "old"]


def test_listings_are_read_in_the_shapes_that_servers_have():
    assert [info.id for info in read_models({"models": ["a", {"name": "b"}]})] == ["a", "b"]
    assert read_models({"data": [{"id": "a", "meta": {"n_ctx": 2048}}]})[0].window == 2048
    assert read_models({"data": [{"id": "a", "max_model_len": 4096}]})[0].window == 4096
    assert read_models("x") == []
    only = read_models({"data": [{"id": "/models/qwen.gguf", "meta": {"n_ctx": 2048}}]})
    assert [window_of(only, name) for name in ("qwen", None, "/models/qwen.gguf")] == [2048] * 3
    several = read_models(
        {"data": [{"id": "a:latest", "max_model_len": 4096}, {"id": "b"}, {"id": "c", "max_model_len": True}]}
    )
    assert [window_of(several, name) for name in ("a", "b", "c", "d", None)] == [4096, None, None, None, 4096]
    assert choose(read_models({"data": [{"id": "whisper-1"}, {"id": "qwen3"}]})) == "qwen3"


def test_a_proxy_is_named_and_never_used_for_this_machine(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with serving(lambda _b, _n: says()) as (_, url):
        assert text_of(ask(url)) == "Fine."
    with pytest.raises(ConfigError, match="SOCKS"):
        ask("http://llm.example:8080/v1", retries=0)
    monkeypatch.delenv("ALL_PROXY")
    with pytest.raises(UpstreamError, match=r"through the proxy http://127\.0\.0\.1:9 \(HTTP_PROXY\)"):
        ask("http://llm.example:8080/v1", retries=0)


# --- guards


def test_an_answer_that_goes_on_for_ever_is_stopped():
    with serving(lambda _b, _n: (200, STREAM, events(*[chunk({"content": f"word{n} "}) for n in range(5000)]))) as (
        _,
        url,
    ):
        found = ask(url, parameters={"max_tokens": 20})
    assert found[-1].finish_reason == "length"
    assert len(text_of(found)) < 2000
    assert any("max_tokens" in delta.note for delta in found)


def test_a_stretch_that_comes_five_times_in_a_row_ends_the_answer():
    guard = RepeatGuard()
    assert [guard.feed("the key is rotated, ") for _ in range(5)] == [False, False, False, False, True]
    for fine in (
        "| a | b | c | d | e | f |\n" * 30,
        "```\n" + "x = 1; y = 2; z = 3\n" * 30 + "```\n",
        "-" * 200,
        "1234567890 " * 9,
        "a | b | c | d | e | ffff\n" * 30,
        "````\n```\n" + "x = 1; y = 2; z = 33\n" * 30 + "```\n````\n",
        "  ~~~sh\n" + "kms rotate --all --quiet\n" * 30 + "  ~~~\n",
        "abcdefghij0123456789" * 4,
    ):
        assert not RepeatGuard().feed(fine)


@pytest.mark.parametrize("n_chars", [20, 49, 400, 3500])
def test_a_stretch_of_any_length_is_noticed_though_its_end_comes_within_it(n_chars):
    stretch = "".join(f"Sentence {n} of a long paragraph. " for n in range(200))[:n_chars]
    assert not any(RepeatGuard().feed(stretch * 4 + "and no more of it") for _ in range(2))
    assert RepeatGuard().feed("Well. " + stretch * 6)


def test_lines_that_carry_the_fence_are_dropped_wherever_the_stream_is_cut():
    text = "Hi\n<<<PASSAGE-000000000000 [2]\nSource: ops/vault.md, lines 3 to 7\n\n"
    text += "The key is 42.\nPASSAGE-000000000000>>>\nend <<< ok"
    for step in (1, 4, 1000):
        fences = FenceFilter("PASSAGE-abcdefabcdef")
        shown = "".join(fences.feed(text[at : at + step]) for at in range(0, len(text), step)) + fences.close()
        assert shown == "Hi\nThe key is 42.\nend <<< ok"


# --- the connection is ready before the question is


def test_the_connection_is_opened_while_the_documents_are_searched():
    with serving(lambda _b, _n: says()) as (state, url):
        seen: list[int] = []

        def search(_request):
            deadline = time.monotonic() + 20
            while not state.n_listings and time.monotonic() < deadline:
                threading.Event().wait(0.01)
            seen.append(state.n_listings)
            return []

        async def talk():
            composer = Composer(Prompts.load())
            chat = Chat(
                search=search, document_of=lambda _: None, llm=model(url), extractive=None, composer=composer,
                window=Window(8192, 50),
            )  # fmt: skip
            try:
                return [
                    event
                    async for event in chat.answer(ChatRequest([Message("user", "How often are keys rotated?")]))
                ]
            finally:
                await chat.end_chat()

        told = asyncio.run(talk())
    assert seen == [1], "the server was asked before the search was done"
    assert [type(event).__name__ for event in told] == ["Retrieved", "TextDelta", "Finished"]
