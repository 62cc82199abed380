"""What is searched for a question that may lean on what was said before it."""

import logging
from collections.abc import Sequence

from openrag_cli.answering import conversation
from openrag_cli.answering.conversation import Message
from openrag_cli.answering.llm.model import ChatModel, ModelRequest, complete
from openrag_cli.answering.prompts import Prompts
from openrag_cli.errors import UpstreamError

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
    earlier = [message for message in messages[:at] if message.role in {"user", "assistant"}]
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
