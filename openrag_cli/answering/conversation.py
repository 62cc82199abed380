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

_ROLE = re.compile(
    r"(?i)\b(?:conversation|chat|thread)s?(?: \w+)? (?:titl(?:es|ing|er)|summari[sz]er)"
    r"|\bsummari[sz]ation ai\b|\btitling assistant"
    r"|\byour task is to (?:choose and return the correct tool|reflect the speaker)|\bfitting emoji"
    r"|set of responses from various models to the latest user query|standalone question|as a prompt for future context"
    r"|summari[sz]e this partial conversation|\u64c5\u957f.{0,20}(?:\u4f1a\u8bdd|emoji)"
)
_ASKS = re.compile(
    r"(?i)\b(?:generate|create|write|suggest|propose|provide|give|come up with|make|craft|produce|summari[sz]e|extract"
    r"|return|output|respond|reply|answer|name|label|think of|what would be"
    r"|g[\u00e9e]n[\u00e8e]re[rz]?|cr[\u00e9e]e[rz]?|donnez?|proposez?|r[\u00e9e]sumez?|erstelle|generiere|schreibe?|gib|genera|crea|escribe|gere|crie)\b"
    r"|\u751f\u6210|\u603b\u7ed3|\u7e3d\u7d50|\u8d77\u4e00?\u4e2a|\u4f5c\u6210|\u8981\u7d04|\uc0dd\uc131|\ub9cc\ub4e4|\uc694\uc57d"
    r"|(?:\u0421|\u0441)\u043e\u0437\u0434\u0430\u0439|(?:\u041f|\u043f)\u0440\u0438\u0434\u0443\u043c\u0430\u0439"
)
_TITLE = re.compile(
    r"(?i)\b(?:titles?|headline|titre|titel|t[\u00edi]tulo|titolo)\b|\u6807\u9898|\u6a19\u984c|\u30bf\u30a4\u30c8\u30eb|\uc81c\ubaa9"
    r"|\u0437\u0430\u0433\u043e\u043b\u043e\u0432\u043e\u043a|\u043d\u0430\u0437\u0432\u0430\u043d\u0438\u0435"
)
_NAME = re.compile(r"(?i)\b(?:names?|labels?)\b")
_THIS_TALK = re.compile(
    r"(?i)\b(?:this|our|the|following|above|given|provided|previous|current|first|user'?s?|a) (?:\w+ ){0,2}?"
    r"(?:conversation|chat|dialog(?:ue)?|messages?|discussion|exchange|thread|session|request|query|interaction|chat history)\b"
    r"(?= *(?:$|[^\w ]|(?:above|below|so|in|into|using|as|and|based|that|from|with|without|by|which|history|a user)\b))"
    r"|\bcette (?:conversation|discussion)"
    r"|\bdiese[rs]? (?:unterhaltung|konversation|gespr\u00e4ch|chat)"
    r"|\besta convers|\bquesta convers|\u4f1a\u8bdd|\u6703\u8a71|\u5bf9\u8bdd|\u5c0d\u8a71|\u4f1a\u8a71|\ub300\ud654"
    r"|\u044d\u0442\u043e\w* "
    r"(?:\u0440\u0430\u0437\u0433\u043e\u0432\u043e\u0440|\u0434\u0438\u0430\u043b\u043e\u0433|\u0447\u0430\u0442)"
)
_NOTHING_ELSE = re.compile(
    r"(?i)\b(?:return|respond|reply|answer|output|give|provide)\b[^.\n]{0,30}\bonly\b|\bonly\b[^.\n]{0,20}\b(?:title|phrase|text)\b"
    r"|\btitle only\b|nothing else|no (?:other|additional|extra) text|no punctuation|words? or less|\d-? ?words?\b"
    r"|\bmax(?:imum)?\.? \d+ (?:words|char)"
)
_OF_A_THING = re.compile(r"(?i)\bthe (?:\w+ )?title of\b")
_SENTENCE_END = re.compile(r"[.!?\n\u3002\uff01\uff1f]")

_HISTORY = re.compile(r"(?i)<chat_history>|^#+ *chat history", re.MULTILINE)
_CONTEXT = re.compile(r"(?i)<(context|sources|documents)>")
_WRAPS = ("user_query", "query", "question")
_QUERY_LINE = re.compile(r"(?im)^[ \t]*(?:user )?(?:query|question)[ \t]*:[ \t]*(?=\S)")
_QUESTION_HEADING = re.compile(r"(?im)^#+ *(?:my |user )?question(?: is)?:?[ \t]*$")
_REFERENCES = re.compile(r"(?im)^#+ *reference")
_QA_PROMPT = re.compile(r"(?is)\bfollowing (?:pieces of )?(?:retrieved )?context\b")
_ANSWER_LINE = re.compile(r"(?i)\n[ \t]*(?:\w+ )?answer[ \t]*:?\s*\Z")
_CONTEXT_BEHIND = "<!-- SYSTEM CONTEXT"
_INSTRUCTION = re.compile(
    r"(?i)\s*(?:use|when|given|based|answer|respond|if|avoid|and answer|please|-)\b[^?]*\Z|\s*-"
)
_ASKS_JSON = re.compile(r"(?i)\bjson\b")
_FOLLOW_UP_LINE = re.compile(r"(?im)^follow[- ]?up (?:input|question)\s*:\s*(\S.*)$")
_TITLE_WORDS = 7
_HEAD, _END = 800, 500
"""How much of a prompt is looked at, at its beginning and its end: between them stands what it is about."""

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
    if _CONTEXT_BEHIND in text:
        return text[: text.index(_CONTEXT_BEHIND)].strip() or None
    heading = _QUESTION_HEADING.search(text)
    if heading and (references := _REFERENCES.search(text, heading.end())):
        return text[heading.end() : references.start()].strip() or None
    opened = _CONTEXT.search(text)
    end = text.lower().rfind(f"</{opened[1].lower()}>") if opened else -1
    if opened is None or end < opened.end():
        return _asked_at_end(text) if _QA_PROMPT.search(text[:_HEAD]) else None
    context = range(opened.start(), end + len(opened[1]) + 3)
    before, behind = text[: context.start], text[context.stop :]
    wrapped = next((found for part in (behind, before) for name in _WRAPS if (found := _inside(part, name))), None)
    if wrapped or (wrapped := _asked_at_end(behind) or _asked_at_end(before)):
        return wrapped
    said = behind.strip().split("\n\n")
    while len(said) > 1 and _INSTRUCTION.match(said[0]):
        said.pop(0)
    return "\n\n".join(said) or None


def _inside(text: str, tag: str) -> str:
    """Return what stands between the last tags of a name; "" where there are none."""
    low = text.lower()
    end = low.rfind(f"</{tag}>")
    begin = low.rfind(f"<{tag}>", 0, max(0, end))
    return text[begin + len(tag) + 2 : end].strip() if 0 <= begin < end else ""


def _asked_at_end(text: str) -> str:
    """Return what stands behind the last line that begins with `question:`, or the like; "" where none does."""
    lines = [*_QUERY_LINE.finditer(text)]
    return _ANSWER_LINE.sub("", text[lines[-1].end() :]).strip() if lines else ""


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
    if any(_TASK.search(text[:1500]) or _ROLE.search(text[:_HEAD]) for text in (head, *rules)):
        return True
    return _asks_for_title(head, is_rule=False) or any(_asks_for_title(text, is_rule=True) for text in rules)


def _asks_for_title(text: str, *, is_rule: bool) -> bool:
    """Whether a sentence asks for a title or a name of the conversation, or a short title and nothing else.

    A rule of the system's may say how answers are to look, so there the conversation must be named.
    """
    parts = [text] if len(text) <= _HEAD + _END else [text[:_HEAD], text[-_END:]]
    is_all = not is_rule and _NOTHING_ELSE.search(" ".join(parts)) is not None
    for sentence in (sentence for part in parts for sentence in _SENTENCE_END.split(part)):
        is_title = _TITLE.search(sentence) is not None
        if not _ASKS.search(sentence) or not (is_title or _NAME.search(sentence)):
            continue
        if _THIS_TALK.search(sentence) or (is_title and is_all and not _OF_A_THING.search(sentence)):
            return True
    return False


def task_answer(messages: Sequence["Message"]) -> str:
    """Return what is said to a front end's own prompt without a model: an empty object for JSON, else a title."""
    at = last_question(messages)
    prompt = messages[at].content
    if _ASKS_JSON.search(prompt) or any(_ASKS_JSON.search(m.content) for m in messages if m.role == "system"):
        return "{}"
    if followed := _FOLLOW_UP_LINE.search(prompt):
        return followed[1]
    said = [message.content for message in messages[:at] if message.role == "user"]
    inside = re.findall(r"(?im)^\s*user\s*:\s*(\S.*)$", prompt)
    if not (said or inside or is_task_prompt([messages[at]])):
        inside = [prompt.strip().strip('"')]  # the task is the system's, this is what it is about
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
