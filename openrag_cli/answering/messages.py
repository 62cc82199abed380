"""The messages that a model is asked with: our rules, what was said before, the passages, the question.

What is retrieved is quoted material, never instruction: it stands in the last user message between fences that no
document can know in advance, and the rules about it stand in the system message alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from openrag_cli.answering.citations import without_marks
from openrag_cli.answering.conversation import Message, last_question
from openrag_cli.answering.llm.request import clean, units
from openrag_cli.answering.prompts import Prompts
from openrag_cli.domain import Passage
from openrag_cli.retrieval.llm_tokens import estimate_tokens

Json = dict[str, Any]
SMALL_PASSAGES = 3
_FENCE_DIGITS = {"standard": 12, "small": 4}
_RULES = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Composer:
    """Puts messages together; `profile` is that of the settings."""

    prompts: Prompts
    profile: str = "standard"

    def with_passages(
        self, messages: Sequence[Message], question: str, passages: Sequence[Passage], *, history_tokens: int
    ) -> tuple[list[Json], str]:
        """Return the messages that ask a question about passages, and the fence around these.

        `history_tokens` bounds what was said before the question; what belongs together is kept or left out together.
        """
        fence = self._fence(question, passages)
        name = "small_" if self.profile == "small" else ""
        if passages:
            order = list(reversed(passages)) if self.profile == "small" else passages
            quoted = "\n\n".join(self._quoted(passage, fence) for passage in order)
            content = self.prompts.render(f"{name}question", passages=quoted, question=question)
        else:
            content = self.prompts.render("nothing", question=question)
        at = last_question(messages)
        turns = [*messages[:at], _with_text(messages[at], content), *messages[at + 1 :]]
        return self.with_rules(
            self.prompts.render(f"{name}answer", fence=fence), turns, history_tokens=history_tokens
        ), fence

    def with_rules(self, rules: str, messages: Sequence[Message], *, history_tokens: int) -> list[Json]:
        """Return our rules in one system message, before what the client's own say, and the conversation behind it."""
        theirs = [message.content for message in messages if message.role in _RULES]
        turns = clean([_wire(message) for message in messages if message.role not in _RULES])
        return [{"role": "system", "content": "\n\n".join([rules, *theirs])}, *_shortened(turns, history_tokens)]

    def rules_tokens(self) -> int:
        """Return how many tokens our own rules are."""
        name = "small_answer" if self.profile == "small" else "answer"
        return estimate_tokens(self.prompts.render(name, fence="x" * 16))

    def _quoted(self, passage: Passage, fence: str) -> str:
        where = _pages(passage) if passage.page else f"lines {passage.line_start} to {passage.line_end}"
        day = passage.file.dated.date().isoformat()
        source = " ".join(f"{passage.file.file_id}, {where}, {day}".split())
        text = "\n".join([*passage.head, passage.text])
        return self.prompts.render("passage", fence=fence, number=str(passage.number), source=source, text=text)

    def _fence(self, question: str, passages: Sequence[Passage]) -> str:
        """Return a word that stands in no passage, and that nobody who wrote one could know."""
        n_digits = _FENCE_DIGITS[self.profile]
        digest = hashlib.sha256(question.encode("utf-8", "replace"))
        for passage in passages:
            digest.update(passage.text.encode("utf-8", "replace"))
        while True:
            fence = f"PASSAGE-{digest.hexdigest()[:n_digits]}"
            if not any(
                fence in "\n".join([*passage.head, passage.text, passage.file.file_id]) for passage in passages
            ):
                return fence
            digest.update(b"again")


def _pages(passage: Passage) -> str:
    first, last = passage.page, passage.page_end
    return f"page {first}" if first == last else f"pages {first} to {last}"


def _wire(message: Message) -> Json:
    """Return a message as OpenAI's API has it; what it carries beside its text (parts with images, calls) wins."""
    return {"role": message.role, "content": message.content, **message.extra}


def _with_text(message: Message, text: str) -> Message:
    """Return a message with another text; its images stay."""
    parts = message.extra.get("content")
    if not isinstance(parts, list):
        return replace(message, content=text)
    others = [part for part in parts if isinstance(part, dict) and part.get("type") not in {"text", "input_text"}]
    return Message(message.role, text, {**message.extra, "content": [{"type": "text", "text": text}, *others]})


def _shortened(turns: Sequence[Json], max_tokens: int) -> list[Json]:
    """Return the question with what follows it, and before it the last turns that fit; none begins with an answer.

    Marks of earlier answers name passages that are not shown any more: they are left out.
    """
    at = max((number for number, turn in enumerate(turns) if turn["role"] == "user"), default=0)
    kept: list[list[Json]] = []
    for unit in reversed(units(turns[:at])):
        max_tokens -= sum(
            estimate_tokens(str(turn.get("content") or "") + str(turn.get("tool_calls") or "")) for turn in unit
        )
        if max_tokens <= 0:
            break
        kept.insert(0, [_without_marks(turn) for turn in unit])
    while kept and kept[0][0]["role"] != "user":
        kept.pop(0)
    return [*(turn for unit in kept for turn in unit), *turns[at:]]


def _without_marks(turn: Json) -> Json:
    content = turn.get("content")
    if turn["role"] != "assistant" or not isinstance(content, str):
        return turn
    return {**turn, "content": without_marks(content)}
