"""Each Python client against a server: chat, stream, tools, structured output, second turn. Prints one JSON line a client.

python benchmarks/clients/python_clients.py http://127.0.0.1:8080/v1
"""

import json
import os
import sys
from collections.abc import Callable

URL, MODEL, QUESTION = sys.argv[1], "openrag-ops", "How often are API keys rotated?"
TOOL = {
    "type": "function",
    "function": {
        "name": "tide",
        "description": "The tide at a pier",
        "parameters": {"type": "object", "properties": {"pier": {"type": "integer"}}, "required": ["pier"]},
    },
}
FORM = {"type": "json_object"}
USER = {"role": "user", "content": QUESTION}
Checks = dict[str, Callable[[], bool]]


def openai_python() -> Checks:
    """The official client."""
    from openai import OpenAI

    client = OpenAI(base_url=URL, api_key="none", max_retries=0)
    create = client.chat.completions.create

    def second() -> bool:
        first = create(model=MODEL, messages=[USER]).choices[0].message
        return "90" in create(model=MODEL, messages=[USER, first, USER]).choices[0].message.content

    def stream() -> bool:
        pieces = create(model=MODEL, messages=[USER], stream=True)
        return "90" in "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)

    return {
        "chat": lambda: "90" in create(model=MODEL, messages=[USER]).choices[0].message.content,
        "stream": stream,
        "tools": lambda: (
            create(model=MODEL, messages=[USER], tools=[TOOL]).choices[0].message.tool_calls[0].function.name
            == "tide"
        ),
        "json": lambda: (
            json.loads(create(model=MODEL, messages=[USER], response_format=FORM).choices[0].message.content)
            == {"days": 90}
        ),
        "second turn": second,
    }


def langchain() -> Checks:
    """langchain-openai."""
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(base_url=URL, api_key="none", model=MODEL, max_retries=0)
    return {
        "chat": lambda: "90" in llm.invoke(QUESTION).content,
        "stream": lambda: "90" in "".join(piece.content for piece in llm.stream(QUESTION)),
        "tools": lambda: llm.bind_tools([TOOL]).invoke(QUESTION).tool_calls[0]["args"] == {"pier": 3},
        "json": lambda: json.loads(llm.bind(response_format=FORM).invoke(QUESTION).content) == {"days": 90},
        "second turn": lambda: (
            "90" in llm.invoke([("user", QUESTION), llm.invoke(QUESTION), ("user", QUESTION)]).content
        ),
    }


def llama_index() -> Checks:
    """llama-index with OpenAILike."""
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(api_base=URL, api_key="none", model=MODEL, is_chat_model=True, max_retries=0)
    ask = [ChatMessage(role="user", content=QUESTION)]
    return {
        "chat": lambda: "90" in llm.chat(ask).message.content,
        "stream": lambda: "90" in "".join(piece.delta or "" for piece in llm.stream_chat(ask)),
        "tools": lambda: (
            llm.chat(ask, tools=[TOOL]).message.additional_kwargs["tool_calls"][0].function.name == "tide"
        ),
        "json": lambda: json.loads(llm.chat(ask, response_format=FORM).message.content) == {"days": 90},
        "second turn": lambda: "90" in llm.chat([*ask, llm.chat(ask).message, *ask]).message.content,
    }


def litellm() -> Checks:
    """litellm."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm as library

    def ask(messages: list, **more: object) -> object:
        return library.completion(
            model=f"openai/{MODEL}", api_base=URL, api_key="none", messages=messages, num_retries=0, **more
        )

    return {
        "chat": lambda: "90" in ask([USER]).choices[0].message.content,
        "stream": lambda: "90" in "".join(p.choices[0].delta.content or "" for p in ask([USER], stream=True)),
        "tools": lambda: ask([USER], tools=[TOOL]).choices[0].message.tool_calls[0].function.name == "tide",
        "json": lambda: json.loads(ask([USER], response_format=FORM).choices[0].message.content) == {"days": 90},
        "second turn": lambda: (
            "90" in ask([USER, ask([USER]).choices[0].message.model_dump(), USER]).choices[0].message.content
        ),
    }


def haystack() -> Checks:
    """haystack-ai."""
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.tools import Tool
    from haystack.utils import Secret

    def make(**more: object) -> OpenAIChatGenerator:
        return OpenAIChatGenerator(
            api_key=Secret.from_token("none"), api_base_url=URL, model=MODEL, max_retries=0, **more
        )

    ask = [ChatMessage.from_user(QUESTION)]
    pieces: list[str] = []
    function = TOOL["function"]
    tide = Tool(function["name"], function["description"], function["parameters"], function=lambda pier: pier)

    def tools() -> bool:
        called = make().run(ask, tools=[tide])["replies"][0]
        result = ChatMessage.from_tool("low tide", origin=called.tool_calls[0])
        told = make().run([*ask, called, result], tools=[tide])["replies"][0]
        return called.tool_calls[0].arguments == {"pier": 3} and "90" in told.text

    return {
        "chat": lambda: "90" in make().run(ask)["replies"][0].text,
        "stream": lambda: (
            bool(make(streaming_callback=lambda piece: pieces.append(piece.content)).run(ask))
            and "90" in "".join(pieces)
        ),
        "tools": tools,
        "json": lambda: (
            json.loads(make(generation_kwargs={"response_format": FORM}).run(ask)["replies"][0].text) == {"days": 90}
        ),
        "second turn": lambda: "90" in make().run([*ask, make().run(ask)["replies"][0], *ask])["replies"][0].text,
    }


def main() -> None:
    """Run every client that is installed."""
    for make in (openai_python, langchain, llama_index, litellm, haystack):
        try:
            checks = make()
        except ImportError as exc:
            print(json.dumps({"client": make.__name__, "skipped": str(exc)[:80]}), flush=True)
            continue
        row: dict[str, object] = {"client": make.__name__}
        for name, check in checks.items():
            try:
                row[name] = "ok" if check() else "wrong"
            except Exception as exc:  # noqa: BLE001 - whatever a client makes of it is the result
                row[name] = f"{type(exc).__name__}: {str(exc)[:120]}"
        print(json.dumps(row), flush=True)


main()
