"""Conversations, and the rules that tell without a model what a message is: a question, a follow-up, small talk."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

TASK_PROMPT = "### Task:"
"""How chat front ends begin what they ask for themselves (a title, tags, follow-ups): nothing is retrieved for it."""

MAX_CARRIED_CHARS = 500


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is its text; `extra` is what else an OpenAI message carries (images, tool calls), verbatim."""

    role: str
    content: str
    extra: dict[str, Any] = field(default_factory=dict)


def last_question(messages: Sequence[Message]) -> int:
    """Return where the last message of role `user` stands; the length when there is none."""
    return max((at for at, message in enumerate(messages) if message.role == "user"), default=len(messages))


def answered(messages: Sequence[Message]) -> list[Message]:
    """Return the messages without questions that nothing answers: models want the roles to alternate."""
    follow = [*(message.role for message in messages[1:]), "user"]
    return [
        message for message, role in zip(messages, follow, strict=False) if message.role != "user" or role != "user"
    ]


_SMALL_TALK = re.compile(
    r"""(?ix) [\s\W]*(?:
    hi|hello|hey|hiya|yo|good\ (?:morning|afternoon|evening|night|day)|greetings|howdy|welcome|
    how\ are\ you(?:\ (?:doing|today))?|how\ is\ it\ going|how's\ it\ going|what's\ up|nice\ to\ meet\ you|
    who\ are\ you|what\ are\ you|what\ can\ you\ do|
    thanks?(?:\ (?:you|a\ lot|so\ much))*|thx|ty|cheers|bye|goodbye|see\ you(?:\ later)?|ok(?:ay)?|great|perfect|cool|
    bonjour|bonsoir|salut|coucou|merci(?:\ beaucoup)?|au\ revoir|ça\ va|comment\ (?:ça\ va|allez[- ]vous)|
    qui\ es[- ]tu|qui\ êtes[- ]vous|
    hola|buenos\ d[ií]as|buenas(?:\ (?:tardes|noches))?|gracias|adi[oó]s|¿?qué\ tal|
    hallo|guten\ (?:tag|morgen|abend)|danke(?:\ sch[öo]n)?|tschüss|wie\ geht(?:'s|\ es\ (?:dir|ihnen))|
    ciao|buongiorno|grazie|olá|oi|obrigad[oa]|bom\ dia|
    你好|您好|谢谢|再见|こんにちは|ありがとう|안녕하세요|감사합니다|привет|здравствуйте|спасибо|مرحبا|شكرا
    )(?:[\s\W]+(?:there|all|everyone|again|openrag|à\ tous))?[\s\W]*"""
)
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_BACK_REFERENCES = frozenset(
    """it its they them their this these those he she him her his hers former latter same
    il elle ils elles lui leur leurs ça cela celui celle ceux ce cet cette ces
    ihm ihr ihnen dies dieser diese dieses ello eso esto esta este estos estas ellos ellas""".split()  # noqa: SIM905 - a list of words, not of texts
)
_OPENERS = re.compile(r"(?i)\s*(?:and|but|or|so|why|also|what about|how about|et|mais|ou|pourquoi|und|aber|y|pero)\b")
_FEW_WORDS = 4
_SHORT = 80  # characters
_MANY_WORDS = 14
_LONG = 2000  # characters: no longer text is looked through, it stands alone


def is_small_talk(text: str) -> bool:
    """Whether a message is a greeting, thanks or the like, and nothing else."""
    return len(text) <= _SHORT and any(char.isalpha() for char in text) and _SMALL_TALK.fullmatch(text) is not None


def is_task_prompt(text: str) -> bool:
    """Whether a chat front end asks for something of its own, such as a title."""
    return text.lstrip().startswith(TASK_PROMPT)


def is_follow_up(question: str, earlier: Sequence[str]) -> bool:
    """Whether a question leans on what was said before: it points back, begins with "and ...", or is very short."""
    if len(question) > _LONG or not any(text.strip() for text in earlier):
        return False
    words = [word.casefold() for word in _WORD.findall(question)]
    if len(words) > _MANY_WORDS:
        return False
    return len(words) <= _FEW_WORDS or bool(_OPENERS.match(question)) or not _BACK_REFERENCES.isdisjoint(words)


def standalone(question: str, earlier: Sequence[str]) -> str:
    """Return what to search for, by rules: a follow-up takes along the question before it that stands alone."""
    asked = [text for text in earlier if text.strip() and not is_small_talk(text)]
    if not is_follow_up(question, asked):
        return question
    for n_back in range(len(asked) - 1, -1, -1):
        if not is_follow_up(asked[n_back], asked[:n_back]):
            return f"{asked[n_back][:MAX_CARRIED_CHARS]}\n{question}"
    return f"{asked[-1][:MAX_CARRIED_CHARS]}\n{question}"
