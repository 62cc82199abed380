"""Each behaviour that was found in public bug reports of LLM servers: the case itself, and two more of its kind.

`ANSWERS` are tried over HTTP by our client; `TEXTS` are what answers say, read as they stream by. The behaviours that
are about the conversation around them are in test_conversation.py (`rewrite`) and tests/server/test_llm_cases.py.
"""

import email.utils
import gzip
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from llm_server import RESET, STREAM, ask, chunk, events, refuses, says, serving, text_of

from openrag_cli.answering.citations import CitationFilter
from openrag_cli.answering.llm import client
from openrag_cli.answering.llm.response import REPEATS, AnswerReader
from openrag_cli.errors import (
    ContextTooLong,
    LlmMisconfigured,
    NoAnswer,
    UpstreamBusy,
    UpstreamDown,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)

SAID = "Every 90 days. [1]"
JSON = {"Content-Type": "application/json"}
Reply = tuple[int, dict[str, str], Sequence[bytes]]


@dataclass(frozen=True)
class Case:
    """What a server does, and what is to come of it: a text, or an error that says something."""

    reply: Reply | Callable[[dict[str, Any], int], Reply]
    text: str | None = SAID
    thought: str = ""
    error: type[Exception] | None = None
    tells: str = ""
    n_asked: int = 1
    pauses: tuple[float, ...] = ()
    """Seconds, at least, that are waited between two tries."""
    note: str = ""
    reason: str = "stop"
    options: dict[str, Any] = field(default_factory=dict)
    models: Callable[[int], Any] | None = None
    suffix: str = "/v1"


def stream(*chunks: dict[str, Any], **more: Any) -> Reply:
    return 200, STREAM, events(*chunks, **more)


def whole(text: Any, reason: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}).encode()


def raw(*blocks: bytes, **headers: str) -> Reply:
    return 200, {**STREAM, **{name.replace("_", "-"): value for name, value in headers.items()}}, list(blocks)


def first(*replies: Reply, then: Reply | None = None) -> Callable[[dict[str, Any], int], Reply]:
    """Return what gives these replies in their order, and then that one, or a right answer."""
    return lambda _body, n: replies[n - 1] if n <= len(replies) else then or says(SAID)


def unless(is_refused: Callable[[dict[str, Any]], bool], refusal: Reply) -> Callable[[dict[str, Any], int], Reply]:
    return lambda body, _n: refusal if is_refused(body) else says(SAID)


def busy(status: int = 429, message: str = "slow down", **headers: str) -> Reply:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {**JSON, **told}, [json.dumps({"error": {"message": message}}).encode()]


def in_seconds(n: float) -> str:
    return email.utils.formatdate(time.time() + n, usegmt=True)


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


GOOD = b"".join(events(chunk({"content": "Every 90 "}), chunk({"content": "days. [1]"}), chunk({}, "stop")))
PARTS = [chunk({"content": piece}) for piece in ("Every ", "90 ", "days")]
TALK = [
    {"role": "system", "content": "S"}, {"role": "user", "content": "a"}, {"role": "user", "content": "b"},
]  # fmt: skip
THINKING = "The user asks about keys. Passage [3] says nothing."


def silence(*begin: bytes, ping: bytes = b"") -> Reply:
    """Return an answer that goes on with pings alone, for a few seconds."""

    def blocks():
        yield from begin
        for _ in range(100):
            time.sleep(0.03)
            yield ping or b" "[:0]

    return 200, STREAM, blocks()


PATIENT = {"retries": 2}
USE_OTHER = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
HASTY = {"read_timeout_s": 0.3, "retries": 0}
ANSWERS: dict[str, list[Case]] = {
    "ok": [
        Case(says(SAID)),
        Case((200, JSON, [whole(SAID)])),
        Case(
            stream(
                chunk({"role": "assistant", "content": ""}),
                chunk({"content": SAID}),
                chunk({}, "stop"),
                {"choices": []},
            )
        ),
    ],
    "prefix_v1": [
        Case(says(SAID), suffix=""),
        Case(says(SAID), suffix="/", options={"model": None}),
        Case(says(SAID), suffix=" ", options={"api_key": "k"}),
    ],
    "models_404": [
        Case(says(SAID), models=lambda _: None),
        Case(says(SAID), models=lambda _: {"object": "list", "data": None}),
        Case(
            says(SAID), models=lambda _: None, error=LlmMisconfigured, tells="404", n_asked=0, options={"model": None}
        ),
    ],
    "models_ids_as_strings": [
        Case(says(SAID), models=lambda _: {"models": ["m1"]}, options={"model": None}),
        Case(says(SAID), models=lambda _: ["bge-m3", "m2"], options={"model": None}),
        Case(says(SAID), models=lambda _: {"data": [{"name": "m3", "max_model_len": True}]}, options={"model": None}),
    ],
    "busy": [
        Case(first(busy(Retry_After="1")), n_asked=2, pauses=(1,), options=PATIENT),
        Case(first(busy(Retry_After="0"), busy(Retry_After="2")), n_asked=3, pauses=(0, 2), options=PATIENT),
        Case(first(busy(retry_after_ms="1500")), n_asked=2, pauses=(1.5,), options=PATIENT),
    ],
    "busy_always": [
        Case(
            busy(Retry_After="30"),
            error=UpstreamBusy,
            tells="429: slow down",
            n_asked=3,
            pauses=(30, 30),
            options=PATIENT,
        ),
        Case(busy(), error=UpstreamBusy, tells="slow down", n_asked=2, pauses=(0,)),
        Case(refuses(429, "spent", code="insufficient_quota"), error=UpstreamBusy, tells="spent", options=PATIENT),
    ],
    "busy_date": [
        Case(first(busy(Retry_After=in_seconds(55))), n_asked=2, pauses=(1,), options=PATIENT),
        Case(first(busy(Retry_After=in_seconds(-60))), n_asked=2, pauses=(0,), options=PATIENT),
        Case(first(busy(503, Retry_After=in_seconds(55))), n_asked=2, pauses=(1,), options=PATIENT),
    ],
    "busy_float": [
        Case(first(busy(Retry_After="3.5")), n_asked=2, pauses=(3.5,), options=PATIENT),
        Case(first(busy(Retry_After="soon")), n_asked=2, pauses=(0,), options=PATIENT),
        Case(first(busy(Retry_After="nan")), n_asked=2, pauses=(0,), options=PATIENT),
    ],
    "busy_60": [
        Case(first(busy(Retry_After="60")), n_asked=2, pauses=(60,), options=PATIENT),
        Case(busy(Retry_After="61"), error=UpstreamBusy, options=PATIENT),
        Case(busy(Retry_After="inf"), error=UpstreamBusy, options=PATIENT),
    ],
    "500_once": [
        Case(first(refuses(500, "boom")), n_asked=2, pauses=(0,)),
        Case(first((500, {"Content-Type": "text/html"}, [b"<h1>Oops</h1>"])), n_asked=2, pauses=(0,)),
        Case(refuses(501, "boom"), error=UpstreamError, tells="501: boom"),
    ],
    "502_once": [
        Case(first(refuses(502, "bad gateway")), n_asked=2, pauses=(0,)),
        Case(first(refuses(504, "gateway timeout")), n_asked=2, pauses=(0,)),
        Case(first((520, {"Content-Type": "text/html"}, [b"<html>origin</html>"])), n_asked=2, pauses=(0,)),
    ],
    "503_once": [
        Case(first(refuses(503, "starting")), n_asked=2, pauses=(1,)),
        Case(first(refuses(503, "no worker is free")), n_asked=2, pauses=(0,)),
        Case(first(refuses(503, "Model m is currently loading")), n_asked=2, pauses=(1,), options={"retries": 0}),
    ],
    "529_once": [
        Case(first(refuses(529, "overloaded")), n_asked=2, pauses=(1,), options={"retries": 0}),
        Case(first(busy(529, Retry_After="4")), n_asked=2, pauses=(4,), options={"retries": 0}),
        Case(first(*[refuses(529, "x")] * 3), n_asked=4, pauses=(1, 1, 1), options={"retries": 0}),
    ],
    "400": [
        Case(refuses(400, "bad request"), error=UpstreamRejected, tells="bad request", options=PATIENT),
        Case(refuses(422, "bad tools", param="tools"), error=UpstreamRejected, tells="bad tools", options=PATIENT),
        Case(
            refuses(400, "temperature must be between 0 and 2"),
            error=UpstreamRejected,
            tells="between",
            options=PATIENT,
        ),
    ],
    "401": [
        Case(
            refuses(401, "Incorrect API key provided"),
            error=LlmMisconfigured,
            tells="refuses the key",
            options=PATIENT,
        ),
        Case(
            refuses(400, "API key not valid. Please pass a valid API key."),
            error=LlmMisconfigured,
            tells="refuses the key",
        ),
        Case((401, {}, [b""]), error=LlmMisconfigured, tells="no reason given"),
    ],
    "403": [
        Case(refuses(403, "forbidden"), error=LlmMisconfigured, tells="refuses the key", options=PATIENT),
        Case(
            refuses(403, "no access to model `m`", code="model_not_found"),
            error=LlmMisconfigured,
            tells="no model 'm'",
        ),
        Case((407, {}, [b"Proxy Authentication Required"]), error=LlmMisconfigured, tells="the proxy before"),
    ],
    "404_model": [
        Case(
            refuses(404, "model 'stub' not found, try pulling it first"), error=LlmMisconfigured, tells="no model 'm'"
        ),
        Case(refuses(400, "Model Not Exist"), error=LlmMisconfigured, tells="no model 'm'"),
        Case(refuses(400, "m is not a valid model ID"), error=LlmMisconfigured, tells="no model 'm'"),
    ],
    "loading": [
        Case(first(*[refuses(503, "Loading model")] * 8), n_asked=9, pauses=(1,) * 8),
        Case(
            first(busy(503, "model is warming up", Retry_After="3")), n_asked=2, pauses=(3,), options={"retries": 0}
        ),
        Case(first(stream({"error": {"code": 503, "message": "Loading model"}})), n_asked=2, pauses=(1,)),
    ],
    "reset_mid": [
        Case(raw(*events(*PARTS, end=b""), RESET), text="Every 90 days", error=UpstreamError, tells="broke"),
        Case(raw(*events(chunk({"content": "A [1"}), end=b""), RESET), text="A [1", error=UpstreamError),
        Case(
            raw(*events(chunk({"reasoning_content": "hm"}), end=b""), RESET),
            text="",
            thought="hm",
            error=UpstreamError,
        ),
    ],
    "reset_before": [
        Case(first((200, {}, [RESET])), n_asked=2, pauses=(0,)),
        Case(first((200, {}, [RESET]), (200, {}, [RESET])), n_asked=3, pauses=(0, 0), options=PATIENT),
        Case(first(raw(b": hi\n\n", RESET)), n_asked=2, pauses=(0,)),
    ],
    "cut_clean": [
        Case(stream(chunk({"content": SAID}), end=b""), error=UpstreamError, tells="broke off"),
        Case(
            raw(b'data: {"choices":[{"delta":{"content":"Every"}}]}\n\ndata: {"choi'),
            text="Every",
            error=UpstreamError,
        ),
        Case(
            stream(chunk({"content": "<think>hm"}), end=b""),
            text="",
            thought="hm",
            error=UpstreamError,
            tells="broke off",
        ),
    ],
    "done_no_finish": [
        Case(stream(chunk({"content": SAID}))),
        Case(stream(chunk({"content": SAID}), end=b"data: [done]\n\n")),
        Case(raw(*events(chunk({"content": SAID}), end=b"data:[DONE]"))),
    ],
    "error_in_stream": [
        Case(
            stream(PARTS[0], {"error": {"message": "out of memory", "code": 500}}),
            text="Every ",
            error=UpstreamError,
            tells="out of memory",
        ),
        Case(
            stream(PARTS[0], {"choices": [{"delta": {}, "error": {"message": "lost"}, "finish_reason": "error"}]}),
            text="Every ",
            error=UpstreamError,
            tells="lost",
        ),
        Case(first(stream({"error": {"message": "rate limited", "code": 429}})), n_asked=2, pauses=(0,)),
    ],
    "error_event": [
        Case(
            raw(*events(PARTS[0], end=b""), b'event: error\ndata: {"message": "GPU lost"}\n\n'),
            text="Every ",
            error=UpstreamError,
            tells="GPU lost",
        ),
        Case(
            raw(*events(PARTS[0], end=b""), b"event: Error\ndata: out of memory\n\n"),
            text="Every ",
            error=UpstreamError,
            tells="out of memory",
        ),
        Case(
            raw(b'event: error\ndata: {"error": {"message": "greater than the context length of only 4096"}}\n\n'),
            text="",
            error=ContextTooLong,
            tells="too long",
        ),
    ],
    "error_bare": [
        Case(
            raw(*events(PARTS[0], end=b""), b'error: {"code":500,"message":"shift is disabled"}\n\n'),
            text="Every ",
            error=UpstreamError,
            tells="shift is disabled",
        ),
        Case(
            raw(*events(PARTS[0], end=b""), b'{"error": {"message": "killed"}}\n'),
            text="Every ",
            error=UpstreamError,
            tells="killed",
        ),
        Case(
            raw(*events(PARTS[0], end=b""), b"error:lost\r\n\r\n"), text="Every ", error=UpstreamError, tells="lost"
        ),
    ],
    "stall": [
        Case(
            lambda *_: silence(*events(PARTS[0], end=b"")),
            text="Every ",
            error=UpstreamTimeout,
            tells="silent for 0.3 s",
            options={**HASTY, "first_token_timeout_s": 20},
        ),
        Case(
            lambda *_: silence(*events(chunk({"reasoning_content": "hm"}), end=b"")),
            text="",
            thought="hm",
            error=UpstreamTimeout,
            options={**HASTY, "first_token_timeout_s": 20},
        ),
        Case(
            lambda *_: silence(*events(PARTS[0], end=b""), ping=b": p\n\n"),
            text="Every ",
            error=UpstreamTimeout,
            options={**HASTY, "first_token_timeout_s": 20},
        ),
    ],
    "stall_first": [
        Case(lambda *_: silence(), text="", error=UpstreamTimeout, tells="silent for 0.3 s", options=HASTY),
        Case(
            lambda *_: silence(),
            text="",
            error=UpstreamTimeout,
            tells="silent for 0.2 s",
            options={**HASTY, "first_token_timeout_s": 0.2},
        ),
        Case(
            lambda *_: silence(*events(chunk({"role": "assistant"}), end=b"")),
            text="",
            error=UpstreamTimeout,
            options=HASTY,
        ),
    ],
    "pings": [
        Case(lambda *_: silence(ping=b": ping\n\n"), text="", error=UpstreamTimeout, options=HASTY),
        Case(lambda *_: silence(ping=b"event: ping\ndata: {}\n\n"), text="", error=UpstreamTimeout, options=HASTY),
        Case(raw(b'data: {"type": "ping"}\n\n', b"data: \n\n", b"data:\n\n", b"event: ping\ndata: null\n\n", GOOD)),
    ],
    "crlf": [
        Case(raw(b": hello\r\n\r\nevent: message\r\nid: 7\r\nretry: 10\r\n", GOOD.replace(b"\n", b"\r\n"))),
        Case(raw(GOOD[:40], GOOD[40:].replace(b"\n", b"\r\n")[: -len(b"\r\n\r\n")])),
        Case(raw(GOOD.replace(b"data: ", b"data:").replace(b"\n", b"\r\n"))),
    ],
    "crlf_split": [
        Case(raw(*bytewise(GOOD.replace(b"\n", b"\r\n")))),
        Case(raw(*bytewise(GOOD.replace(b"\n", b"\r")))),
        Case(raw(*bytewise(b"\xef\xbb\xbf" + GOOD))),
    ],
    "cr_only": [
        Case(raw(GOOD.replace(b"\n", b"\r"))),
        Case(raw(GOOD.replace(b"\n\n", b"\r\r", 1))),
        Case(raw(GOOD.replace(b"\n\n", b"\r\n\r", 1))),
    ],
    "bom": [
        Case(raw(b"\xef\xbb\xbf", GOOD)),
        Case(raw(b"\xef", b"\xbb", b"\xbf" + GOOD)),
        Case((200, JSON, [b"\xef\xbb\xbf" + whole(SAID)])),
    ],
    "multibyte": [
        Case(
            raw(
                *bytewise(
                    b"".join(
                        f"data: {json.dumps(chunk({'content': w}), ensure_ascii=False)}\n\n".encode()
                        for w in ["Clé 日本 ", "\U0001f511"]
                    )
                    + b"data: [DONE]\n\n"
                )
            ),
            text="Clé 日本 \U0001f511",
        ),
        Case(raw(b'data: {"choices":[{"delta":{"content":"caf\xc3'), text="", error=UpstreamError),
        Case(
            raw(b'data: {"choices":[{"delta":{"content":"caf\xe9."},"finish_reason":"stop"}]}\n\n'), text="caf\ufffd."
        ),
    ],
    "surrogates": [
        Case(
            raw(
                b'data: {"choices":[{"delta":{"content":"key \\ud83d"}}]}\n\n',
                b'data: {"choices":[{"delta":{"content":"\\udd11 ok"},"finish_reason":"stop"}]}\n\n',
            ),
            text="key \U0001f511 ok",
        ),
        Case(
            raw(b'data: {"choices":[{"delta":{"content":"key \\udd11\\ud83d"}}]}\n\n', b"data: [DONE]\n\n"),
            text="key \ufffd\ufffd",
        ),
        Case(
            raw(
                b'data: {"choices":[{"delta":{"reasoning_content":"\\ud83d","content":"ok"},"finish_reason":"stop"}]}\n\n'
            ),
            text="ok",
            thought="\ufffd",
        ),
    ],
    "reasoning": [
        Case(
            stream(
                *[chunk({"reasoning_content": "Let me think about [3] keys. "})] * 20,
                chunk({"content": SAID}, "stop"),
            ),
            thought="Let me think about [3] keys. " * 20,
        ),
        Case(
            stream(chunk({"reasoning": "hm", "reasoning_content": "hm"}), chunk({"content": SAID}, "stop")),
            thought="hm",
        ),
        Case(
            stream(
                chunk({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
                chunk({"content": SAID}, "stop"),
            ),
            thought="hm",
        ),
    ],
    "reasoning_only": [
        Case(
            stream(*[chunk({"reasoning_content": "Let me think "})] * 9, chunk({}, "length")),
            text="",
            thought="Let me think " * 9,
            error=NoAnswer,
            tells="finish_reason length; it spent",
        ),
        Case(
            (200, JSON, [whole(None, reasoning="hm, keys")]),
            text="",
            thought="hm, keys",
            error=NoAnswer,
            tells="finish_reason stop; it spent",
        ),
        Case(
            stream(chunk({"content": "<think>hm, keys</think>\n\n"}, "stop")),
            text="",
            thought="hm, keys",
            error=NoAnswer,
            tells="it spent",
        ),
    ],
    "think": [
        Case(says(f"<think>\n{THINKING}\n</think>\n\n{SAID}"), thought=f"\n{THINKING}\n"),
        Case(says(f"<think>{THINKING}</thinking>{SAID}"), thought=THINKING),
        Case(stream(*[chunk({"content": char}) for char in f"[THINK]{THINKING}[/THINK]{SAID}"]), thought=THINKING),
        Case(
            says(
                f"<|channel|>analysis<|message|>{THINKING}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}"
            ),
            thought=THINKING,
        ),
        Case(says(f"<think/>{SAID}")),
        Case(says("The mark `</think>` ends a thought."), text="The mark `</think>` ends a thought."),
    ],
    "tools": [
        Case(
            stream(
                chunk(
                    {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "look", "arguments": "{}"}}]},
                    "tool_calls",
                )
            ),
            text="",
            reason="tool_calls",
        ),
        Case(
            (200, JSON, [whole(None, "stop", tool_calls=[{"function": {"name": "look"}}])]),
            text="",
            reason="tool_calls",
        ),
        Case(
            stream(chunk({"function_call": {"name": "look", "arguments": "{}"}}, "function_call")),
            text="",
            reason="tool_calls",
        ),
    ],
    "usage_only": [
        Case(
            stream(
                {"usage": {"prompt_tokens": 5}},
                chunk({"content": SAID}, "stop"),
                {"choices": None, "usage": {"prompt_tokens": 5, "completion_tokens": 7}},
            )
        ),
        Case(stream({"choices": [], "usage": {}}, chunk({"content": SAID}, "stop", usage=None))),
        Case(stream(chunk({"content": SAID}, "stop", usage={"prompt_tokens": "5", "completion_tokens": 1e30}))),
    ],
    "nulls": [
        Case(
            stream(
                {"choices": [{"delta": None}], "usage": None},
                chunk({"content": None}, ""),
                chunk({"content": SAID}, "stop"),
            )
        ),
        Case(
            stream(
                {"choices": [None]},
                {"choices": [{}]},
                chunk({"content": SAID, "tool_calls": None, "refusal": None}, "stop"),
            )
        ),
        Case((200, JSON, [whole(SAID, tool_calls=None, function_call=None, reasoning=None)])),
    ],
    "parts": [
        Case(stream(chunk({"content": [{"type": "text", "text": SAID}]}, "stop"))),
        Case((200, JSON, [whole([{"type": "output_text", "text": SAID}])])),
        Case(
            stream(
                chunk(
                    {
                        "content": [
                            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                            {"type": "text", "text": SAID},
                        ]
                    },
                    "stop",
                )
            ),
            thought="hm",
        ),
    ],
    "big_piece": [
        Case(
            (200, JSON, [whole("".join(f"Step {n} [1]. " for n in range(30_000)))]),
            text="".join(f"Step {n} [1]. " for n in range(30_000)),
            options={"max_tokens": 999_999},
        ),
        Case(
            stream(chunk({"content": "".join(f"{n} " for n in range(60_000))}, "stop")),
            text="".join(f"{n} " for n in range(60_000)),
            options={"max_tokens": 999_999},
        ),
        Case(raw(b"data: " + b" " * (9 << 20)), text="", error=UpstreamError, tells="a line without an end"),
    ],
    "wrong_type": [
        Case((200, {"Content-Type": "text/plain"}, [GOOD])),
        Case((200, {"Content-Type": "APPLICATION/JSON; charset=latin-1"}, [GOOD])),
        Case((200, {}, [GOOD])),
    ],
    "json_as_sse": [
        Case(raw(whole(SAID))),
        Case((200, {"Content-Type": "application/x-ndjson"}, [whole(SAID)])),
        Case(raw(json.dumps(json.loads(whole(SAID)), indent=1).encode())),
    ],
    "ndjson": [
        Case(
            (
                200,
                {"Content-Type": "application/x-ndjson"},
                [b'{"message": {"content": "Every"}, "done": false}\n{"done": true}\n'],
            ),
            text="",
            error=UpstreamError,
            tells="another API",
        ),
        Case(
            (
                200,
                {"Content-Type": "application/x-ndjson"},
                [GOOD.replace(b"data: ", b"").replace(b"\n\n", b"\n").replace(b"[DONE]\n", b"")],
            )
        ),
        Case(raw(GOOD.replace(b"\n\n", b"\n"))),
    ],
    "html": [
        Case(
            (200, {"Content-Type": "text/html"}, [b"<!doctype html><title>Login</title>"]),
            text="",
            error=UpstreamError,
            tells="sent a page: Login",
        ),
        Case((200, JSON, [b"<html>busy</html>"]), text="", error=UpstreamError, tells="sent a page"),
        Case((200, JSON, [b"[" * 100_000]), text="", error=UpstreamError, tells="not JSON"),
    ],
    "max_completion": [
        Case(unless(lambda b: "max_tokens" in b, refuses(400, USE_OTHER, param="max_tokens")), n_asked=2),
        Case(
            unless(
                lambda b: "max_completion_tokens" in b,
                refuses(400, "Unrecognized request argument supplied: max_completion_tokens"),
            ),
            n_asked=2,
            options={"parameters": {"max_completion_tokens": 9}},
        ),
        Case(
            unless(
                lambda b: "max_tokens" in b or "temperature" in b,
                refuses(422, "max_tokens, temperature: Extra inputs are not permitted"),
            ),
            n_asked=3,
        ),
    ],
    "no_stream_options": [
        Case(
            unless(
                lambda b: "stream_options" in b,
                refuses(400, "Unrecognized request argument supplied: stream_options"),
            ),
            n_asked=2,
        ),
        Case(
            unless(
                lambda b: b["stream"],
                refuses(
                    400,
                    "Your organization must be verified to stream this model.",
                    param="stream",
                    code="unsupported_value",
                ),
            ),
            n_asked=2,
        ),
        Case(
            unless(
                lambda b: "temperature" in b, refuses(400, "invalid temperature: only 1 is allowed for this model")
            ),
            n_asked=2,
        ),
    ],
    "no_system": [
        Case(unless(lambda b: "system" in roles(b), refuses(400, "System role not supported")), n_asked=2),
        Case(
            unless(lambda b: "system" in roles(b), refuses(400, "Only user and assistant roles are supported!")),
            n_asked=2,
        ),
        Case(
            unless(lambda b: "system" in roles(b), refuses(422, "messages.0.role: system messages are not allowed")),
            n_asked=2,
        ),
    ],
    "alternate": [
        Case(
            unless(
                lambda b: roles(b) != ["system", "user"],
                refuses(500, "Conversation roles must alternate user/assistant/user/assistant/..."),
            ),
            n_asked=2,
            options={"messages": TALK},
        ),
        Case(
            unless(
                lambda b: roles(b) != ["user"],
                refuses(400, "After the optional system message, conversation roles must alternate"),
            ),
            n_asked=3,
            options={"messages": TALK},
        ),
        Case(
            unless(lambda b: len(b["messages"]) > 2, refuses(400, "consecutive user messages are not supported")),
            n_asked=2,
            options={"messages": TALK},
        ),
    ],
    "too_long": [
        Case(
            refuses(
                400, "the request exceeds the available context size", type="exceed_context_size_error", n_ctx=2048
            ),
            error=ContextTooLong,
            tells="too long",
        ),
        Case(
            refuses(422, "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"),
            error=ContextTooLong,
            tells="too long",
        ),
        Case(
            refuses(400, "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."),
            error=ContextTooLong,
            tells="too long",
        ),
    ],
    "empty": [
        Case(says(""), text="", error=NoAnswer, tells="finish_reason stop"),
        Case((200, JSON, [whole(None)]), text="", error=NoAnswer, tells="finish_reason stop"),
        Case(raw(b"data: [DONE]\n\n"), text="", error=NoAnswer, tells="no answer"),
    ],
    "blanks": [
        Case(says("  \n\n  "), text=None, error=NoAnswer, tells="finish_reason stop"),
        Case(stream(*[chunk({"content": "\n"})] * 9), text=None, error=NoAnswer),
        Case((200, JSON, [whole([{"type": "text", "text": " "}])]), text=None, error=NoAnswer),
    ],
    "forever": [
        Case(
            stream(*[chunk({"content": "the key is rotated, "})] * 500),
            text="the key is rotated, " * 5,
            note=REPEATS,
            reason="length",
        ),
        Case(
            stream(*[chunk({"content": f"word{n} "}) for n in range(5000)]),
            text=None,
            note="max_tokens",
            reason="length",
        ),
        Case(
            stream(*[chunk({"content": "".join(f"Line {n} of one long paragraph. " for n in range(60))})] * 9),
            text=None,
            note=REPEATS,
            reason="length",
            options={"max_tokens": 99_999},
        ),
    ],
    "forever_line": [
        Case(
            stream(*[chunk({"content": "=" * 10})] * 900),
            text=None,
            note="stopped",
            reason="length",
            options={"max_tokens": 99_999},
        ),
        Case(
            stream(*[chunk({"content": "abc"})] * 900),
            text=None,
            note=REPEATS,
            reason="length",
            options={"max_tokens": 99_999},
        ),
        Case(
            stream(*[chunk({"content": "密钥每九十天轮换一次请记住这一点。"})] * 90),
            text=None,
            note=REPEATS,
            reason="length",
            options={"max_tokens": 99_999},
        ),
    ],
    "slow": [
        Case(lambda *_: (200, STREAM, slowly(GOOD)), options={"read_timeout_s": 5}),
        Case(
            lambda *_: (200, STREAM, slowly(b": p\n\n" + GOOD)),
            options={"read_timeout_s": 5, "first_token_timeout_s": 5},
        ),
        Case(lambda *_: (200, STREAM, slowly(GOOD.replace(b"\n", b"\r\n"))), options={"read_timeout_s": 5}),
    ],
    "length": [
        Case(says("The steps are: first revoke", "length"), text="The steps are: first revoke", reason="length"),
        Case(says("The steps", "MAX_TOKENS"), text="The steps", reason="length"),
        Case((200, JSON, [whole("The steps", "model_context_window_exceeded")]), text="The steps", reason="length"),
    ],
    "filtered": [
        Case(stream(chunk({}, "content_filter")), text="", error=NoAnswer, tells="finish_reason content_filter"),
        Case((200, JSON, [whole("", "SAFETY")]), text="", error=NoAnswer, tells="content_filter"),
        Case(says("Every", "content_filter"), text="Every", reason="content_filter"),
    ],
    "refusal": [
        Case(stream(chunk({"refusal": "I cannot help."}), chunk({}, "stop")), text=""),
        Case((200, JSON, [whole(None, refusal="I cannot help.")]), text=""),
        Case(
            stream(chunk({"refusal": "I "}), chunk({"refusal": "cannot."}, "refusal")),
            text="",
            reason="content_filter",
        ),
    ],
    "redirect": [
        Case(
            lambda _b, n: (307, {"Location": "/v1/chat/completions?moved"}, []) if n == 1 else says(SAID), n_asked=2
        ),
        Case(
            (308, {"Location": "/v1/chat/completions"}, []),
            text="",
            error=UpstreamError,
            tells="over 5 redirects",
            n_asked=6,
        ),
        Case(
            (307, {"Location": "http://127.0.0.1:1/v1/chat/completions"}, []),
            text="",
            error=UpstreamDown,
            options={"retries": 0},
        ),
    ],
    "gzipped": [
        Case((200, {**JSON, "Content-Encoding": "gzip"}, [gzip.compress(whole(SAID))])),
        Case((200, {**STREAM, "Content-Encoding": "gzip"}, [gzip.compress(GOOD)])),
        Case(
            (200, {**JSON, "Content-Encoding": "gzip"}, [b"no gzip"]),
            text="",
            error=UpstreamError,
            tells="cannot be asked",
        ),
    ],
    "finish_reasons": [
        Case(says("Every", "error"), text="Every", error=UpstreamError, tells="finish_reason error"),
        Case(says("Every", "insufficient_system_resource"), text="Every", error=UpstreamError, tells="insufficient"),
        Case(says(SAID, "eos_token")),
    ],
    "several answers": [
        Case(stream({"choices": [{"index": 1, "delta": {"content": "B"}}]}, chunk({"content": SAID}, "stop"))),
        Case(
            stream(
                {
                    "choices": [
                        {"index": 0, "delta": {"content": SAID}, "finish_reason": "stop"},
                        {"index": 1, "delta": {"content": "B"}},
                    ]
                }
            )
        ),
        Case(
            (
                200,
                JSON,
                [
                    json.dumps(
                        {
                            "choices": [
                                {"message": {"content": SAID}, "finish_reason": "stop"},
                                {"index": 1, "message": {"content": "B"}},
                            ]
                        }
                    ).encode()
                ],
            )
        ),
    ],
}


def slowly(data: bytes):
    for at in range(0, len(data), 60):
        time.sleep(0.01)
        yield data[at : at + 60]


TRIED = [
    pytest.param(case, id=f"{name}-{at + 1}") for name, cases in ANSWERS.items() for at, case in enumerate(cases)
]


@pytest.mark.parametrize("case", TRIED)
def test_what_servers_do_comes_to_an_answer_or_says_what_is_wrong(case, monkeypatch):
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(client.asyncio, "sleep", pause)
    found: list[Any] = []
    caught: Exception | None = None
    reply = case.reply if callable(case.reply) else lambda *_: case.reply
    options = dict(case.options)
    if "max_tokens" in options:
        options["parameters"] = {"max_tokens": options.pop("max_tokens")}
    with serving(reply, models=case.models) as (state, url):
        try:
            ask(url.removesuffix("/v1") + case.suffix, into=found, **options)
        except Exception as exc:  # noqa: BLE001 - what it is is looked at below
            caught = exc
    assert type(caught) is case.error if case.error else caught is None, repr(caught)
    assert case.tells in str(caught)
    assert len(state.bodies) == case.n_asked
    assert len(pauses) == len(case.pauses)
    assert all(taken >= wanted for taken, wanted in zip(pauses, case.pauses, strict=True))
    assert "".join(delta.thought for delta in found) == case.thought
    assert any(case.note in delta.note for delta in found) or not case.note
    if case.text is not None and not (case.error and case.text == SAID and not found):
        assert text_of(found).startswith(case.text) if case.note else text_of(found) == case.text
    if case.error is None:
        assert [delta.finish_reason for delta in found if delta.finish_reason] == [case.reason]


@pytest.mark.parametrize("name", [*ANSWERS])
def test_every_behaviour_has_three_tests(name):
    assert len(ANSWERS[name]) >= 3


# --- what an answer says

TABLE = "| what | when |\n|---|---|\n| api | 90 days [1] |"
MARKDOWN = f"# Keys\n\n{TABLE}\n\n```sh\nkms rotate --all  # [7]\n```\n\n- a [1]\n- b [2]"
FENCE = "PASSAGE-0123456789ab"
TEXTS: dict[str, list[tuple[str, str, list[int]]]] = {
    "cite7": [
        (
            "Keys are rotated every 90 days [7]. See [1, 7] and [12].",
            "Keys are rotated every 90 days. See [1] and.",
            [1],
        ),
        ("Every 90 days [9][1].", "Every 90 days[1].", [1]),
        ("Every 90 days 【7】, says [Source 2].", "Every 90 days, says [2].", [2]),
    ],
    "cite_none": [
        ("Keys are rotated every 90 days.", "Keys are rotated every 90 days.", []),
        ("Every 90 days (see page 1).", "Every 90 days (see page 1).", []),
        ("The array a[1] holds [x].", "The array a[1] holds [x].", []),
    ],
    "cite_all": [
        ("Every 90 days [1][2][3][4].", "Every 90 days [1][2][3][4].", [1, 2, 3, 4]),
        ("Every 90 days [1], [2], [3] and [4].", "Every 90 days [1], [2], [3] and [4].", [1, 2, 3, 4]),
        ("Every 90 days [1-4].", "Every 90 days [1][2][3][4].", [1, 2, 3, 4]),
    ],
    "cite_forms": [
        (
            "A (1). B [1]. C [Source 1]. D 【1】. E [^1]. F [1-3]. G [ops/keys.md]. H [passage 2]. I [ 2 ]. J [n]. K [1](http://x).",
            "A (1). B [1]. C [1]. D [1]. E [1]. F [1][2][3]. G [ops/keys.md]. H [2]. I [2]. J [n]. K [1](http://x).",
            [1, 2, 3],
        ),
        ("B ([1], [2]). C **[3]**. D [[4]].", "B ([1], [2]). C **[3]**. D [4].", [1, 2, 3, 4]),
        ("B [Source 1, page 3]. C [citation:2]. D [Quelle 3].", "B [1]. C [2]. D [3].", [1, 2, 3]),
    ],
    "fence_marks": [
        (
            "<<<PASSAGE-000000000000 [2]\nSource: ops/vault.md, lines 3 to 7\n\nThe key is 42.\nPASSAGE-000000000000>>>",
            "The key is 42.\n",
            [],
        ),
        (f"<<<{FENCE} [1]\nEvery 90 days [1].\n{FENCE}>>>\n", "Every 90 days [1].\n", [1]),
        ("See <<<EOF and PASSAGE-1 [1].\n", "See <<<EOF and PASSAGE-1 [1].\n", [1]),
    ],
    "fence_echo": [
        (
            f"<<<{FENCE} [1]\nSource: keys.md, page 1, 2026-01-01\n\nRotate.\n{FENCE}>>>\n\nEvery 90 days [1]",
            "Rotate.\nEvery 90 days [1]",
            [1],
        ),
        (f"{FENCE}>>>\nEvery 90 days [1]", "Every 90 days [1]", [1]),
        (f"Every 90 days [1]\n  <<<{FENCE} [2]\n", "Every 90 days [1]\n", [1]),
    ],
    "idk": [
        ("I don't know.", "I don't know.", []),
        ("The passages do not answer this question.", "The passages do not answer this question.", []),
        ("None of [1] to [4] says.", "None of [1] to [4] says.", [1, 4]),
    ],
    "markdown": [
        (
            MARKDOWN,
            MARKDOWN,
            [1, 2],
        ),
        ("> quote [1]\n\n1. one [2]\n\n~~~\nx [9]\n~~~\n", "> quote [1]\n\n1. one [2]\n\n~~~\nx [9]\n~~~\n", [1, 2]),
        ("**Every 90 days [1]** and `a[9]`\n---\n", "**Every 90 days [1]** and `a[9]`\n---\n", [1]),
    ],
}
SPOKEN = [
    pytest.param(*entry, id=f"{name}-{at + 1}") for name, found in TEXTS.items() for at, entry in enumerate(found)
]


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(("said", "shown", "cited"), SPOKEN)
def test_what_answers_say_is_shown_with_its_citations_alone(said, shown, cited, step):
    reader, checked = AnswerReader(fence=FENCE), CitationFilter(4)
    pieces = [said[at : at + step] for at in range(0, len(said), step)]
    text = "".join(checked.feed(reader.read(chunk({"content": piece})).text) for piece in pieces)
    text += checked.feed(reader.close().text) + checked.close()
    assert (text, checked.cited) == (shown, cited)


# --- thoughts without a beginning


@pytest.mark.parametrize(
    "said", [f"{THINKING}\n</think>\n\n{SAID}", f"{THINKING}</think>{SAID}", f"{THINKING}</reasoning>\n{SAID}"]
)
@pytest.mark.parametrize("step", [3, 1000])
def test_what_comes_before_the_end_of_a_thought_is_taken_back_and_the_next_answer_is_read_so(said, step):
    pieces = [chunk({"content": said[at : at + step]}) for at in range(0, len(said), step)]
    with serving(lambda *_: stream(*pieces)) as (_, url):
        found: list[Any] = []
        ask(url, into=found, times=2)
    text, thoughts, ends = "", "", []
    for delta in found:
        if delta.retracts:
            text, thoughts = "", thoughts + text
        text, thoughts = text + delta.text, thoughts + delta.thought
        if delta.finish_reason:
            ends.append((text, thoughts.strip(), any(d.retracts for d in found[: found.index(delta)])))
            text = thoughts = ""
    assert [end[:2] for end in ends] == [(SAID, THINKING)] * 2
    first_end = next(at for at, delta in enumerate(found) if delta.finish_reason)
    assert not any(delta.retracts for delta in found[first_end + 1 :]), "the second answer is read rightly at once"
