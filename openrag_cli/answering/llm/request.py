"""What goes to an LLM: of each message only what the API's request has, in the dialect that this server understands.

Reference: OpenAI API, "Create chat completion", the message types of the request.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openrag_cli.answering.llm.response import whole_text
from openrag_cli.answering.llm.thoughts import without_thoughts

Json = dict[str, Any]

_FIELDS = {
    "system": ("role", "content", "name"),
    "user": ("role", "content", "name"),
    "assistant": ("role", "content", "name", "tool_calls"),
    "tool": ("role", "content", "tool_call_id"),
}
_REFUSED = re.compile(
    r"(?i)unsupported|not supported|does not support|unrecogni[sz]ed|unknown|unexpected|extra.{0,12}(?:inputs?|forbidden)"
    r"|not permitted|not allowed|invalid (?:argument|parameter|field)|only .{0,20}(?:default|allowed|supported|accepted)"
    r"|deprecated|cannot both|must be (?:1|unset|omitted|verified)\b|does not (?:accept|recogni[sz]e)|not a valid parameter"
)
_OF_VALUE = re.compile(r"(?i)\bbetween\b|\brange\b|(?:less|greater|larger|smaller|more) than|at (?:most|least)|[<>]=")
"""It takes the parameter, and not this value: that is for the client to mend."""

_ALTERNATE = re.compile(
    r"(?i)roles? (?:must|should) alternate|alternat\w+ (?:roles?|between|user)|consecutive \w+ (?:messages|turns)"
)
_NO_SYSTEM = re.compile(
    r"(?i)(?:system|developer) (?:role|message|prompt|instruction)s?.{0,40}(?:not|un)\s?-?(?:support|allow|enabled)|no system"
    r"|role.{0,20}'?system'?|only user(?:,| and) (?:and )?assistant|system.{0,20}(?:is )?not (?:supported|allowed)"
)
_NO_STREAM = re.compile(r"(?i)\bstream(?:ing|s|ed)?\b")
_OPTIONAL = (
    "stream_options",
    "temperature",
    "parallel_tool_calls",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)


_SAID = frozenset({"role", "content", "name"})


@dataclass(slots=True)
class Dialect:
    """What a server has been found to want otherwise; remembered as long as the program runs."""

    renames: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    merges_system: bool = False
    alternates: bool = False
    is_whole: bool = False
    """Whether it is asked for whole answers: it sends no streams."""
    begins_within_thought: bool = False
    window: int | None = None

    def body(self, parameters: Mapping[str, Any], messages: Sequence[Json], model: str) -> Json:
        """Return the request's body."""
        sent: Json = {"stream_options": {"include_usage": True}}
        for name, value in parameters.items():
            sent[self.renames.get(name, name)] = value
        sent = {name: value for name, value in sent.items() if name not in self.dropped}
        spoken = _without_system(messages) if self.merges_system else list(messages)
        spoken = _alternating(spoken) if self.alternates else spoken
        if self.is_whole:
            sent.pop("stream_options", None)
        return {**sent, "model": model, "messages": spoken, "stream": not self.is_whole}

    def learn(self, text: str, body: Json) -> bool:
        """Take from the text of a refusal (400, 422) what is to be asked otherwise; return whether there was something."""
        if self.learn_roles(text):
            return True
        if _OF_VALUE.search(text) or not (_REFUSED.search(text) or _NO_SYSTEM.search(text)):
            return False
        return self._learn_parameter(text, body)

    def learn_roles(self, text: str) -> bool:
        """Take from the text of a failure of whatever status that roles must alternate; return whether that is new."""
        if not _ALTERNATE.search(text):
            return False
        if not self.alternates:
            self.alternates = True
            return True
        is_new, self.merges_system = not self.merges_system, True  # some count the system's turn too
        return is_new

    def _learn_parameter(self, text: str, body: Json) -> bool:
        """Take what a refusal says of one parameter, or of the system's role."""
        for name, other in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
            if name in body and _names(text, name) and name not in self.renames.values():
                self.renames = {name: other}
                return True
        if (
            not self.merges_system
            and any(m.get("role") == "system" for m in body["messages"])
            and _NO_SYSTEM.search(text)
        ):
            self.merges_system = True
            return True
        for name in _OPTIONAL:
            if name in body and _names(text, name):
                self.dropped.add(name)
                return True
        is_new = bool(body.get("stream")) and _NO_STREAM.search(text) is not None
        self.is_whole |= is_new
        return is_new


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w]){name}(?![\w])", text) is not None


def _without_system(messages: Sequence[Json]) -> list[Json]:
    """Return the messages with the system's text at the head of the first of the user's."""
    rules = [str(message.get("content") or "") for message in messages if message["role"] == "system"]
    rest = [dict(message) for message in messages if message["role"] != "system"]
    for message in rest:
        if message["role"] == "user":
            content = message["content"]
            head = "\n\n".join(rules)
            message["content"] = (
                [{"type": "text", "text": head}, *content] if isinstance(content, list) else f"{head}\n\n{content}"
            )
            break
    return rest


def _alternating(messages: Sequence[Json]) -> list[Json]:
    """Return the messages with what one role says in a row as one message; calls and their results stand as they are."""
    found: list[Json] = []
    for message in messages:
        last = found[-1] if found else {}
        texts = (last.get("content"), message.get("content"))
        is_joined = message["role"] == last.get("role") and message["role"] in {"user", "assistant", "system"}
        if is_joined and all(isinstance(text, str) for text in texts) and not (last.keys() | message.keys()) - _SAID:
            found[-1] = {**last, "content": "\n\n".join(text for text in texts if text)}
        else:
            found.append(message)
    return found


def clean(messages: Sequence[Json]) -> list[Json]:
    """Return messages as a strict server takes them.

    Fields of answers (annotations, refusal, audio, id) and thoughts are not sent back; the older `function_call` and role
    `function` become a call and its result; calls without all of their results, and results without a call, are left out.
    """
    return _paired([_cleaned(message) for message in _modern(messages)])


def _modern(messages: Sequence[Json]) -> list[Json]:
    found: list[Json] = []
    last_id = ""
    for number, message in enumerate(messages):
        call = message.get("function_call")
        if message["role"] == "assistant" and isinstance(call, dict) and not message.get("tool_calls"):
            last_id = f"call_{number}"
            found.append({**message, "tool_calls": [{"id": last_id, "type": "function", "function": call}]})
        elif message["role"] == "function":
            found.append({"role": "tool", "content": message.get("content"), "tool_call_id": last_id})
        else:
            found.append(message)
    return found


def _cleaned(message: Json) -> Json:
    role = "system" if message["role"] == "developer" else str(message["role"])
    kept = {name: message[name] for name in _FIELDS[role] if message.get(name) is not None} | {"role": role}
    content = kept.get("content")
    if isinstance(content, list) and role != "user":
        content = "\n".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in content)
    if role == "assistant" and isinstance(content, str):
        content = without_thoughts(content)
    if not kept.get("tool_calls"):
        kept.pop("tool_calls", None)
        content = content if content is not None else ""
    else:
        kept["tool_calls"] = [_call(call) for call in kept["tool_calls"] if isinstance(call, dict)]
    return {
        "role": role,
        **({} if content is None else {"content": content}),
        **{k: v for k, v in kept.items() if k not in {"role", "content"}},
    }


def _call(call: Json) -> Json:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    return {
        "id": str(call.get("id") or ""),
        "type": "function",
        "function": {"name": str(function.get("name") or ""), "arguments": text},
    }


def _paired(messages: Sequence[Json]) -> list[Json]:
    """Leave out results without their call, and calls whose results do not all follow."""
    found: list[Json] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        end = at + 1
        while end < len(messages) and messages[end]["role"] == "tool":
            end += 1
        results = messages[at + 1 : end]
        wanted = {call["id"] for call in message.get("tool_calls", ())}
        if message["role"] == "tool":
            at += 1
            continue
        if wanted and wanted <= {result.get("tool_call_id") for result in results}:
            found += [message, *(result for result in results if result.get("tool_call_id") in wanted)]
        elif wanted and str(message.get("content") or "").strip():
            found.append({name: value for name, value in message.items() if name != "tool_calls"})
        elif not wanted:
            found.append(message)
        at = end
    return found


def units(messages: Sequence[Json]) -> list[list[Json]]:
    """Return messages in groups that belong together: a call with its results, or one message."""
    found: list[list[Json]] = []
    for message in messages:
        if message["role"] == "tool" and found:
            found[-1].append(message)
        else:
            found.append([message])
    return found


def whole(value: Any) -> Any:
    """Return JSON whose texts are valid Unicode: a lone half of a pair becomes U+FFFD."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [whole(entry) for entry in value]
    if isinstance(value, dict):
        return {whole(key): whole(entry) for key, entry in value.items()}
    return value
