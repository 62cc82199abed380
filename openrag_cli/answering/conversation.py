"""Conversations, and the rules that tell without a model what a message is: a question, a follow-up, small talk."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from openrag_cli.answering.sentences import split
from openrag_cli.answering.words import content_words

_WANTED = (
    r"title|name|headline|label|tags?|categor(?:y|ies)|topics?|keywords|emojis?|summary|follow[- ]?ups?|questions|"
    r"search quer(?:y|ies)|quer(?:y|ies)|description"
)
_WANTED_THING = re.compile(rf"(?i)\b(?:{_WANTED}|autocomplet\w+)\b")
_TALK = r"(?:conversation|chat|dialog(?:ue)?|messages|discussion|exchange|thread)s?"
_TASK = re.compile(
    rf"(?is)\b(?:generate|create|write|suggest|propose|provide|give|come up with|make|craft|produce|summari[sz]e|analy[sz]e|"
    rf"determine|assign|choose)\b[^?!\n]{{0,80}}?\b(?:{_WANTED})\b[^?!\n]{{0,100}}?"
    rf"\b(?:this|our|the (?:above|following|given|provided|preceding|entire|whole)|following|above|given)\s+"
    rf"(?:\w+\s+)?{_TALK}\b"
    rf"|\b(?:generate|create|write|suggest|propose|give)\b[^?!\n]{{0,40}}?"
    rf"\b(?:title|tags?|follow[- ]?ups?|search quer(?:y|ies))\b"
    rf"[^?!\n]{{0,120}}?\bchat[_ ]history\b"
    rf"|\bsummari[sz]e (?:this|our|the (?:above|following)) {_TALK}\b"
    rf"|\byou (?:name|title|label|summari[sz]e) {_TALK}\b"
    rf"|\byou(?: are|'re) (?:a|an) (?:\w+ ){{0,3}}title (?:generator|writer|maker|assistant)"
    rf"|\b(?:answer|reply|respond) (?:only )?with (?:only )?(?:a|the) (?:\w+ )?title\b"
)
"""What chat front ends ask for themselves: a title, tags, follow-ups of the conversation. Nothing is retrieved for it."""

_HISTORY = re.compile(r"(?i)<chat_history>|^#+ *chat history", re.MULTILINE)
_CONTEXT = re.compile(r"(?is)<(context|sources|documents)>.*</\1>")
_USER_QUERY = re.compile(r"(?is)<(user_query|query|question)>\s*(.*?)\s*</\1>")
_QUERY_LINE = re.compile(r"(?im)^\s*(?:user )?(?:query|question)\s*:\s*(\S.*)\Z", re.DOTALL)
_ASKS_JSON = re.compile(r"(?i)\bjson\b")
_TITLE_WORDS = 7

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
_CHATTER = re.compile(
    r"(?i)(?:sure|certainly|of course|okay|ok|here(?:'s| is)|the rewritten|rewritten)\b.*[:!.]\s*$|</?\w+>"
)
_ASKING = content_words(
    "how what who whom whose which when where why does did can could should would there many much long often "
    "comment quel quelle quels quelles quand combien pourquoi quoi wie was wer wann warum welche welcher welches wieviel "
    "como cual cuales cuando donde quien cuanto cuantos quanto quando dove come perche quale onde qual hoe wat wie waar"
)
"""Words that questions share whatever they are about."""

_A_MARK = re.compile(r"\[\d{1,3}\]")
_MAX_QUERY_WORDS = 30
_FEW_WORDS = 4
_SHORT = 80  # characters
_MANY_WORDS = 14
_LONG = 2000  # characters: no longer text is looked through, it stands alone


def is_small_talk(text: str) -> bool:
    """Whether a message is a greeting, thanks or the like, and nothing else."""
    return len(text) <= _SHORT and any(char.isalpha() for char in text) and _SMALL_TALK.fullmatch(text) is not None


def asked_within(text: str) -> str | None:
    """Return the question inside a message that a front end has wrapped with context of its own; None when it is none."""
    context = _CONTEXT.search(text)
    if context is None:
        return None
    for pattern in (_USER_QUERY, _QUERY_LINE):
        found = [match for match in pattern.finditer(text) if not context.start() < match.start() < context.end()]
        if found:
            return found[-1][found[-1].re.groups].strip() or None
    return text[context.end() :].strip() or None


def is_task_prompt(messages: Sequence["Message"]) -> bool:
    """Whether a chat front end asks for something of its own, such as a title, by what its messages hold."""
    last = messages[last_question(messages)].content if last_question(messages) < len(messages) else ""
    if asked_within(last) is not None:
        return False
    head = last.lstrip()
    if head.startswith("### Task:") and (
        _HISTORY.search(head) or _ASKS_JSON.search(head) or _WANTED_THING.search(head[:400])
    ):
        return True
    rules = [message.content for message in messages if message.role in {"system", "developer"}]
    return any(_TASK.search(text[:1500]) for text in (head, *rules))


def task_answer(messages: Sequence["Message"]) -> str:
    """Return what is said to a front end's own prompt without a model: an empty object for JSON, else a title."""
    at = last_question(messages)
    prompt = messages[at].content
    if _ASKS_JSON.search(prompt) or any(_ASKS_JSON.search(m.content) for m in messages if m.role == "system"):
        return "{}"
    said = [message.content for message in messages[:at] if message.role == "user"]
    inside = re.findall(r"(?im)^\s*user\s*:\s*(\S.*)$", prompt)
    words = (said or inside or ["Conversation"])[0].split()
    return " ".join(words[:_TITLE_WORDS]).strip(" .?!,;:") or "Conversation"


def is_follow_up(question: str, earlier: Sequence[str]) -> bool:
    """Whether a question leans on what was said before: it points back, begins with "and ...", or is very short."""
    if len(question) > _LONG or not any(text.strip() for text in earlier):
        return False
    words = [word.casefold() for word in _WORD.findall(question)]
    if len(words) > _MANY_WORDS:
        return False
    return len(words) <= _FEW_WORDS or bool(_OPENERS.match(question)) or not _BACK_REFERENCES.isdisjoint(words)


def accepted_query(written: str, question: str, earlier: Sequence[str]) -> str | None:
    """Return the query in what a model wrote when it was asked to rewrite a question; None when it is no such query.

    It must be one line and one sentence of under 30 words, without marks, that shares a word with the question or with
    what was asked before.
    """
    lines = [line.strip().strip("\"'`*") for line in written.splitlines() if line.strip()]
    lines = [re.sub(r"(?i)^(?:rewritten |search |standalone )?(?:query|question)\s*:\s*", "", line) for line in lines]
    lines = [line.strip("\"'`* ") for line in lines]
    lines = [line for line in lines if line and not _CHATTER.match(line)]
    if len(lines) != 1 or len(list(split(lines[0]))) > 1 or _A_MARK.search(lines[0]):
        return None
    known = {word for text in (question, *earlier) for word in content_words(text)} - _ASKING
    if len(_WORD.findall(lines[0])) >= _MAX_QUERY_WORDS or not known & content_words(lines[0]):
        return None
    return lines[0]


def standalone(question: str, earlier: Sequence[str]) -> str:
    """Return what to search for, by rules: a follow-up takes along the question before it that stands alone."""
    asked = [text for text in earlier if text.strip() and not is_small_talk(text)]
    if not is_follow_up(question, asked):
        return question
    for n_back in range(len(asked) - 1, -1, -1):
        if not is_follow_up(asked[n_back], asked[:n_back]):
            return f"{asked[n_back][:MAX_CARRIED_CHARS]}\n{question}"
    return f"{asked[-1][:MAX_CARRIED_CHARS]}\n{question}"
