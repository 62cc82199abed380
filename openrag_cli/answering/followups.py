"""What is searched for a question that may lean on what was said before it, and the hits of several wordings as one list.

A score is of one kind whatever the query, so a hit keeps the best that it has: what one wording finds is seldom pushed
out by another that misses. On 77 follow-ups (benchmarks/followups.py) the passage was among the first eight for 0.90
of them by rules; with rewritings that were good, had lost words, were the question before, or had wrong names, for
0.90, 0.73, 0.90 and 0.53 by these alone, and for 0.92, 0.90, 0.91 and 0.82 by both. Means of scores and reciprocal
ranks found fewer.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from openrag_cli.answering import conversation
from openrag_cli.answering.citations import without_marks
from openrag_cli.answering.conversation import Message
from openrag_cli.answering.llm.model import ChatModel, ModelRequest, complete
from openrag_cli.answering.llm.thoughts import without_thoughts
from openrag_cli.answering.prompts import Prompts
from openrag_cli.domain import Hit
from openrag_cli.errors import UpstreamError
from openrag_cli.retrieval.request import SearchRequest, SortOrder

logger = logging.getLogger(__name__)

QUERY_TOKENS = 200
HISTORY_MESSAGES = 6
HISTORY_CHARS = 1000
TEMPERATURE = 0.1


async def queries_for(
    question: str, messages: Sequence[Message], model: ChatModel | None, prompts: Prompts, *, waits_when_busy: bool
) -> list[str]:
    """Return what to search for, one text or two: what the model makes of a follow-up, and what the rules do.

    A small model may write a wrong question that looks right; what the rules find is never lost by it. `model` None:
    the rules alone. `messages` end with the question, as it came or in whatever a front end put around it.
    """
    at = conversation.last_question(messages)
    earlier = [_as_said(message) for message in messages[:at] if message.role in {"user", "assistant"}]
    asked = [message.content for message in earlier if message.role == "user"]
    by_rules = conversation.standalone(question, asked)
    if model is None or not conversation.is_follow_up(question, asked):
        return [by_rules]
    history = "\n".join(
        f"{message.role}: {message.content[:HISTORY_CHARS]}" for message in earlier[-HISTORY_MESSAGES:]
    )
    ask = ModelRequest(
        [{"role": "user", "content": prompts.render("standalone", history=history, question=question)}],
        question,
        parameters={"max_tokens": QUERY_TOKENS, "temperature": TEMPERATURE},
        waits_when_busy=waits_when_busy,
    )
    try:
        written = await complete(model, ask)
    except UpstreamError as exc:
        logger.info("the question was not rewritten by the model: %s", exc.message)
        return [by_rules]
    accepted = conversation.accepted_query(written, question, [message.content for message in earlier])
    return list(dict.fromkeys([accepted, by_rules])) if accepted else [by_rules]


def _as_said(message: Message) -> Message:
    """Return a message without what nobody said: thoughts of earlier answers, and marks of passages not shown any more."""
    if message.role != "assistant":
        asked = conversation.asked_within(message.content)
        return replace(message, content=asked) if asked else message
    return replace(message, content=without_marks(without_thoughts(message.content)))


def merged(lists: Sequence[Sequence[Hit]], request: SearchRequest) -> list[Hit]:
    """Return the best `top_k` hits of lists that one request but for its text found, each hit once, best first."""
    best: dict[str, Hit] = {}
    for hit in (hit for hits in lists for hit in hits):
        known = best.get(hit.chunk.id)
        if known is None or hit.score > known.score:
            best[hit.chunk.id] = hit
    n_of: Counter[str] = Counter()
    found: list[Hit] = []
    for hit in sorted(best.values(), key=lambda hit: (-hit.score, hit.chunk.id)):
        n_of[hit.file.revision] += 1
        if request.per_file is None or n_of[hit.file.revision] <= request.per_file:
            found.append(hit)
    found = found[: request.top_k]
    if request.sort is SortOrder.DATE:
        found.sort(key=lambda hit: hit.file.dated, reverse=True)
    return found
