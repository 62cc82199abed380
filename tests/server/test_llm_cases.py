"""The cases of the server with an LLM behind it (c01 to c08, c14, c20), each with two more of its kind, over HTTP.

What needs no server stands elsewhere: c15, c21 and c23 in test_llm_dialects.py, marks in test_citation.py.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from llm_server import Reply, chunk, events, refuses, says, serving

from openrag_cli.retrieval.llm_tokens import estimate_tokens

from .conftest import Server, start, wait_for

FILES = {
    "keys.md": "# Keys\n\nRotate every API key every 90 days with `kms rotate`.\n\nAfter a leak rotate API keys at once.\n",
    "ferry.md": "# Ferry\n\nThe ferry to Isle Morra leaves at 06:40, 11:15 and 18:30.\n\nBicycles cost 4 euros on the ferry.\n",
}
QUESTION = {"role": "user", "content": "How often are API keys rotated?"}
FERRY = {"role": "user", "content": "When does the ferry to Isle Morra leave?"}
Json = dict[str, Any]


class Llm:
    """The LLM behind the server: it says what `reply` returns, and remembers what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[Json] = []
        self.reply: Callable[[Json], Reply] = lambda _: says("Every 90 days [1].")

    def __call__(self, body: Json, _n: int) -> Reply:
        self.bodies.append(body)
        return self.reply(body)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[tuple[Server, Llm]]:
    llm = Llm()
    with serving(llm) as (_, url):
        environment = {"OPENRAG_LLM_BASE_URL": url, "OPENRAG_LLM_MODEL": "m", "OPENRAG_LLM_RETRIES": "2"}
        server = start(tmp_path_factory.mktemp("cases") / "store", env=environment)
        _fill(server)
        yield server, llm
        assert server.stop() == 0


def _fill(server: Server) -> None:
    with server.client() as http:
        for name, text in FILES.items():
            posted = http.post(f"/indexer/partition/cases/file/{name}", files={"file": (name, text.encode())})
            if posted.status_code != 409:
                assert wait_for(http, posted.json()["task_status_url"])["task_state"] == "COMPLETED"


@pytest.fixture
def llm(running) -> Llm:
    made = running[1]
    made.bodies.clear()
    made.reply = lambda _: says("Every 90 days [1].")
    return made


@pytest.fixture
def http(running) -> Iterator[httpx.Client]:
    with running[0].client() as made:
        yield made


def chat(http: httpx.Client, *messages: Json, path: str = "chat/completions", **more: Any) -> httpx.Response:
    body = {"model": "openrag-cases", "messages": list(messages) or [QUESTION], **more}
    return http.post(f"/v1/{path}", json=body)


def streamed(response: httpx.Response) -> list[Json]:
    """Return the chunks of a stream."""
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]


def deltas(response: httpx.Response) -> list[Json]:
    return [entry["choices"][0]["delta"] for entry in streamed(response) if entry.get("choices")]


def respond(http: httpx.Client, given: Any = QUESTION["content"], **more: Any) -> httpx.Response:
    return http.post("/v1/responses", json={"model": "openrag-cases", "input": given, **more})


# --- c01


@pytest.mark.parametrize(
    "text", ['{"ids": [41, 42]}', r"The root is \sqrt[5]{32}; $x \in [1, 9]$.", "~~~c\nint a [9];\n~~~"]
)
def test_what_is_no_citation_arrives_letter_by_letter(http, llm, text):
    llm.reply = lambda _: (200, {"Content-Type": "text/event-stream"}, events(*[chunk({"content": c}) for c in text]))
    assert chat(http).json()["choices"][0]["message"]["content"] == text
    assert "".join(delta.get("content") or "" for delta in deltas(chat(http, stream=True))) == text
    assert respond(http).json()["output"][0]["content"][0]["text"] == text


# --- c02

REWRITINGS = [
    "<think>\nThe user means the ferry.\n</think>\n\nWhat do bicycles cost on the ferry?",
    "Sure! Here is the rewritten query:\n\nbicycles on the ferry, cost",
    "I think that the user wants a price\n</think>\nsomething about dragons",
]


@pytest.mark.parametrize("rewriting", REWRITINGS)
def test_a_follow_up_is_searched_for_by_what_is_asked_and_no_thought_is_shown(http, llm, rewriting):
    answer = "<think>Passage [9]?</think>4 euros [1]."
    llm.reply = lambda body: says(rewriting if "Last message:" in str(body["messages"]) else answer)
    history = [FERRY, {"role": "assistant", "content": "<think>hm</think>At 06:40 [1]."}]
    made = chat(http, *history, {"role": "user", "content": "and what do bicycles cost on it?"}).json()
    assert made["extra"]["sources"][0]["file_id"] == "ferry.md"
    assert made["choices"][0]["message"]["content"] == "4 euros [1]."
    assert made["choices"][0]["message"]["reasoning_content"] == "Passage [9]?"
    asked = next(body["messages"][0]["content"] for body in llm.bodies if "Last message:" in str(body["messages"]))
    assert "At 06:40." in asked
    assert "<think>" not in asked


# --- c03


@pytest.mark.parametrize(
    "extra",
    [
        {"annotations": [], "refusal": None, "audio": None, "function_call": None, "tool_calls": []},
        {"id": "msg_1", "reasoning_content": "hm", "reasoning": "hm", "reasoning_details": [{"text": "hm"}]},
        {
            "extra": {"sources": []},
            "finish_reason": "stop",
            "logprobs": None,
            "metadata": {"a": 1},
            "status": "completed",
        },
    ],
)
def test_of_an_answer_that_is_sent_back_only_what_a_strict_server_takes_goes_on(http, llm, extra):
    allowed = {"role", "content", "name", "tool_calls", "tool_call_id"}

    def strict(body: Json) -> Reply:
        odd = next((key for message in body["messages"] for key in message if key not in allowed), None)
        return refuses(400, f"property '{odd}' is unsupported") if odd else says("Every 90 days [1].")

    llm.reply = strict
    first = {"role": "assistant", "content": "At 06:40 [1].", **extra}
    assert chat(http, FERRY, first, QUESTION).status_code == 200
    assert [message["content"] for message in llm.bodies[-1]["messages"] if message["role"] == "assistant"] == [
        "At 06:40."
    ]


# --- c04


def _call(number: int) -> list[Json]:
    function = {"name": "look", "arguments": "{}"}
    return [
        {"role": "user", "content": f"question {number}"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": f"c{number}", "content": "word " * 900},
        {"role": "assistant", "content": f"answer {number}"},
    ]


HISTORIES = {
    "long": [message for number in range(8) for message in _call(number)],
    "a result without its call": [{"role": "tool", "tool_call_id": "gone", "content": "x"}, *_call(1)],
    "a call without its result": [*_call(1)[:2], *_call(2)],
}


@pytest.mark.parametrize("name", HISTORIES)
def test_calls_and_results_of_a_history_go_in_pairs(http, llm, name):
    assert chat(http, *HISTORIES[name], QUESTION).status_code == 200
    sent = llm.bodies[-1]["messages"]
    assert [message["role"] for message in sent[:2]] == ["system", "user"]
    called = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    assert called == [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert QUESTION["content"] in sent[-1]["content"]


# --- c05

TIDE, WIND = ({"name": name, "arguments": arguments} for name, arguments in (("tide", '{"pier": 3}'), ("wind", "{}")))
CALLS = {
    "no index": [chunk({"tool_calls": [{"id": "a", "function": TIDE}, {"id": "b", "function": WIND}]})],
    "one index, no ids": [
        chunk({"tool_calls": [{"index": 0, "function": TIDE}]}), chunk({"tool_calls": [{"index": 0, "function": WIND}]}),
    ],
    "objects and nothing": [
        chunk({"tool_calls": [{"id": "a", "function": {"name": "tide", "arguments": {"pier": 3}}}]}),
        chunk({"tool_calls": [{"id": "b", "function": {"name": "wind"}}]}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_tool_calls_are_whole_and_apart_in_both_ways_of_answering(http, llm, name):
    llm.reply = lambda _: (200, {"Content-Type": "text/event-stream"}, events(*CALLS[name], chunk({}, "stop")))
    tools = [{"type": "function", "function": {"name": "tide", "parameters": {}}}]
    choice = chat(http, tools=tools).json()["choices"][0]
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in choice["message"]["tool_calls"]]
    assert (calls, choice["finish_reason"]) == ([("tide", '{"pier": 3}'), ("wind", "{}")], "tool_calls")
    made: dict[int, list[str]] = {}
    for delta in deltas(chat(http, tools=tools, stream=True)):
        for piece in delta.get("tool_calls", ()):
            known = made.setdefault(piece["index"], ["", ""])
            known[0] += piece["function"].get("name", "")
            known[1] += piece["function"].get("arguments", "")
    assert [tuple(made[at]) for at in sorted(made)] == calls


@pytest.mark.parametrize("path", ["completions", "responses"])
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_call_that_nobody_asked_for_is_no_answer_where_there_are_no_calls(http, llm, path, is_stream):
    llm.reply = lambda _: (200, {"Content-Type": "text/event-stream"}, events(*CALLS["no index"], chunk({}, "stop")))
    body = {"model": "openrag-cases", "prompt": "How often?", "input": "How often?", "stream": is_stream}
    made = http.post(f"/v1/{path}", json=body)
    assert made.status_code == (200 if is_stream else 502)
    assert "called a tool unasked" in made.text


# --- c06


@pytest.mark.parametrize(
    ("message", "content", "refusal", "thought"),
    [
        ({"content": [{"type": "text", "text": "Every 90 days."}]}, "Every 90 days.", None, None),
        ({"content": None, "refusal": "I cannot."}, None, "I cannot.", None),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes."}]}, "Yes.", None, "hm"),
    ],
)
def test_parts_refusals_and_thoughts_have_their_places_in_every_api(http, llm, message, content, refusal, thought):
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    llm.reply = lambda _: (200, {"Content-Type": "application/json"}, [json.dumps(whole).encode()])
    said = chat(http).json()["choices"][0]["message"]
    assert (said["content"], said["refusal"], said["reasoning_content"]) == (content, refusal, thought)
    found = deltas(chat(http, stream=True))
    for key, wanted in (("content", content), ("refusal", refusal), ("reasoning_content", thought)):
        assert "".join(delta.get(key) or "" for delta in found) == (wanted or "")
    older = http.post("/v1/completions", json={"model": "openrag-cases", "prompt": QUESTION["content"]}).json()
    assert older["choices"][0]["text"] == (content or refusal)
    output = respond(http).json()["output"]
    assert [item["type"] for item in output] == (["reasoning", "message"] if thought else ["message"])
    part = output[-1]["content"][0]
    assert (part["type"], part.get("text", part.get("refusal"))) == (
        "refusal" if refusal else "output_text",
        content or refusal,
    )
    kinds = [line[7:] for line in respond(http, stream=True).text.splitlines() if line.startswith("event: ")]
    assert ("response.reasoning_text.delta" in kinds) == bool(thought)
    assert ("response.refusal.delta" in kinds) == bool(refusal)
    assert kinds[-1] == "response.completed"


@pytest.mark.parametrize(("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_a_response_that_is_cut_says_so(http, llm, reason, told):
    llm.reply = lambda _: says("Every", reason)
    made = respond(http).json()
    assert (made["status"], made["incomplete_details"]) == ("incomplete", {"reason": told})
    assert made["output"][0]["status"] == "incomplete"
    assert "cut" in made["extra"]["warnings"][0]
    assert "event: response.incomplete" in respond(http, stream=True).text


# --- c07


@pytest.mark.parametrize(
    "extra", ['"temperature": NaN', '"top_p": 1e999', '"tools": [{"function": {"x": -Infinity}}]']
)
def test_numbers_that_json_cannot_write_are_refused_at_the_door(http, llm, extra):
    for path, more in (
        ("chat/completions", f'"messages": [{json.dumps(QUESTION)}]'),
        ("completions", '"prompt": "q"'),
    ):
        if path == "completions" and "tools" in extra:
            continue
        body = f'{{"model": "openrag-cases", {more}, {extra}}}'
        made = http.post(f"/v1/{path}", content=body.encode(), headers={"Content-Type": "application/json"})
        assert (made.status_code, made.json()["error"]["type"]) == (400, "invalid_request_error")
    assert not llm.bodies


@pytest.mark.parametrize("role", ["system", "assistant", "user"])
def test_half_an_emoji_does_no_harm_wherever_it_stands(http, llm, role):
    messages = [{"role": role, "content": "key \ud83d"}, QUESTION]
    body = json.dumps({"model": "openrag-cases", "messages": messages}).encode()
    made = http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert made.status_code in {200, 400}


@pytest.mark.parametrize("reason", [7, ["stop"], {"a": 1}])
def test_a_reason_of_another_type_is_an_end(http, llm, reason):
    llm.reply = lambda _: says("Every 90 days.", reason)
    assert chat(http).json()["choices"][0]["finish_reason"] == "stop"


# --- c08

LATER = "Wed, 21 Oct 2099 07:28:00 GMT"
REFUSALS = [
    (refuses(400, "maximum context length is 64 tokens"), 400, "context_length_exceeded", None, None),
    (refuses(422, "tools.0: bad", param="tools", code="bad_tool"), 400, "bad_tool", "tools", None),
    (refuses(413, "too big"), 400, "llm_rejected", None, None),
    ((429, {"Retry-After": "37"}, [b'{"error": {"message": "slow down"}}']), 429, "upstream_busy", None, "37"),
    ((429, {"Retry-After": LATER}, [b"slow"]), 429, "upstream_busy", None, LATER),
    (refuses(401, "Incorrect API key"), 502, "llm_misconfigured", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "status", "code", "param", "retry_after"), REFUSALS)
def test_a_status_of_the_llm_is_passed_on_as_what_it_says(http, llm, reply, status, code, param, retry_after):
    llm.reply = lambda _: reply
    for made in (chat(http), chat(http, stream=True), respond(http)):
        assert (made.status_code, made.headers.get("retry-after")) == (status, retry_after)
        error = made.json()["error"]
        assert (error["code"], error["param"]) == (code, param)
    asked_twice = code == "context_length_exceeded"  # once more, with fewer passages
    assert len(llm.bodies) == (6 if asked_twice else 3)


@pytest.mark.parametrize("window", [512, 700, 1000])
def test_a_window_that_the_llm_names_is_asked_for_once_more_and_kept_to(http, llm, window):
    from openrag_cli.retrieval.llm_tokens import estimate_tokens

    def small(body: Json) -> Reply:
        asked = sum(estimate_tokens(str(message["content"])) for message in body["messages"])
        if asked + body["max_tokens"] > window + 200:
            return refuses(400, f"This model's maximum context length is {window} tokens")
        return says("Every 90 days [1].")

    llm.reply = small
    assert chat(http).json()["choices"][0]["message"]["content"] == "Every 90 days [1]."
    assert llm.bodies[-1]["max_tokens"] <= window // 2


# --- c14


@pytest.mark.parametrize(
    "text",
    [
        "### Task:\nAnswer from the context.\n<context>\nsoup\n</context>\n\n<user_query>\n{q}\n</user_query>",
        "## My question is:\n\n{q}\n\n## Reference Materials:\n\n```json\n[]\n```",
        "{q}\n\n<!-- SYSTEM CONTEXT (NOT PART OF USER QUERY) -->\n<files>soup</files>",
    ],
)
def test_the_question_inside_a_front_ends_wrapping_is_searched(http, llm, text):
    made = chat(http, {"role": "user", "content": text.replace("{q}", QUESTION["content"])}).json()
    assert made["extra"]["sources"][0]["file_id"] == "keys.md"


@pytest.mark.parametrize(
    "text",
    [
        "Generate a concise title for this conversation. Only return the title.",
        "请为以上对话生成一个简短的标题，只返回标题。",
        "Summarize in a 5-word Title. Give the title only. Here is the message: How often are API keys rotated?",
    ],
)
def test_a_front_ends_title_is_not_searched(http, llm, text):
    llm.reply = lambda _: says("Rotation of keys [1]")
    made = chat(
        http, QUESTION, {"role": "assistant", "content": "Every 90 days [1]."}, {"role": "user", "content": text}
    )
    assert made.json()["extra"]["sources"] == []
    assert made.json()["choices"][0]["message"]["content"] == "Rotation of keys [1]"
    assert text in llm.bodies[-1]["messages"][-1]["content"]


# --- c20, on a server without an LLM


@pytest.fixture(scope="module")
def bare(server) -> Server:
    _fill(server)
    return server


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("chat/completions", {"response_format": {"type": "json_object"}}),
        (
            "chat/completions",
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}},
        ),
        ("chat/completions", {"tool_choice": "required", "tools": []}),
        ("chat/completions", {"tool_choice": {"type": "function", "function": {"name": "f"}}, "stream": True}),
        ("responses", {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}}),
        ("responses", {"text": {"format": {"type": "json_object"}}, "stream": True}),
        ("responses", {"tool_choice": "required"}),
    ],
)
def test_what_cannot_be_kept_without_an_llm_is_refused(bare, path, more):
    body = {"model": "openrag-cases", "messages": [QUESTION], "input": QUESTION["content"], **more}
    with bare.client() as http:
        made = http.post(f"/v1/{path}", json=body)
    assert made.status_code == 400
    assert made.json()["error"]["message"]


@pytest.mark.parametrize("more", [{"stop": "90"}, {"stop": ["every", "days"]}, {"max_tokens": 1}])
def test_stop_and_max_tokens_are_obeyed_without_an_llm(bare, more):
    with bare.client() as http:
        choice = chat(http, **more).json()["choices"][0]
        assert "90 days" not in (choice["message"]["content"] or "")
        assert choice["finish_reason"] == ("length" if "max_tokens" in more else "stop")
        parts = deltas(chat(http, stream=True, **more))
    assert "".join(part.get("content") or "" for part in parts) == (choice["message"]["content"] or "")


@pytest.mark.parametrize("most", [4, 7, 9])
def test_a_quotation_is_cut_at_its_words_without_an_llm(bare, most):
    with bare.client() as http:
        whole = chat(http).json()["choices"][0]["message"]["content"]
        choice = chat(http, max_tokens=most).json()["choices"][0]
    cut = choice["message"]["content"].removesuffix(" [1]")
    assert cut
    assert whole.startswith(cut)
    assert not whole[len(cut)].isalnum()
    assert (estimate_tokens(cut) <= most, choice["finish_reason"]) == (True, "length")


def test_a_responses_form_goes_to_the_llm_as_a_chats(http, llm):
    llm.reply = lambda _: says('{"days": [90]}')
    form = {"type": "json_schema", "name": "days", "schema": {"type": "object"}, "strict": True}
    earlier = [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "r", "summary": []},
        {"role": "assistant", "content": "b"},
    ]
    made = respond(http, [*earlier, QUESTION], text={"format": form}, reasoning={"effort": "low"})
    assert made.json()["output"][0]["content"][0]["text"] == '{"days": [90]}'
    sent = llm.bodies[-1]
    wanted = {"name": "days", "schema": {"type": "object"}, "strict": True}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert sent["reasoning_effort"] == "low"
