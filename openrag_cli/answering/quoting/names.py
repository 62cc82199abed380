"""What a question names: proper names, years, units of numbers; and which of these no passage and no title has."""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from openrag_cli.answering.words import language
from openrag_cli.domain import File, Passage

_WORD = re.compile(r"[^\W_](?:[\w&.+#/-]*[^\W_]|[+#]{1,2})?(?:['\u2019]s\b)?")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_FISCAL = re.compile(r"\b(?:FY|CY)['\u2019]?\s?(\d\d)(?!\d)", re.IGNORECASE)
_UNITS = (
    "kWh|MWh|GWh|kW|MW|km|cm|mm|kg|mg|lbs?|miles|kilomet(?:er|re)s?|met(?:er|re)s|degrees|hectares|acres|lit(?:er|re)s|"
    "gallons|knots|volts|watts|hertz|GHz|MHz|kHz|EUR|GBP|JPY|CHF|CNY|INR|euros?|yen|pounds|rupees|roubles|francs"
)
_UNIT = re.compile(rf"\b(?:\d[\d.,]*|how many|in|combien de)\s?(?P<unit>{_UNITS})\b")
_OPENER_TEXT = (
    "a an the what which who whom whose when where why how is are was were do does did has have had can could should "
    "would will may might must in on at of for from by with without to between among using based if give list name tell "
    "show explain describe find compare compute calculate and or not there any please roughly assuming according as "
    "i we you he she it they my our your their this that these those answer address state return provide round "
    "le la les l un une des du de quel quelle quels quelles qui que quoi quand ou comment pourquoi combien dans en a au "
    "aux est sont selon avec sur pour par el los las que cual quien cuando donde como por il lo gli che chi quando dove "
    "come perche o os as qual quem onde wat wie welke waar wanneer waarom hoe het een "
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday"
)
_OPENERS = frozenset(_OPENER_TEXT.split())
_TERM_TEXT = (
    "usd us u.s uk eu ceo cfo coo cto sec gaap eps ebit ebitda ebt cogs sg&a sga r&d pp&e ppe dpo dso dio ccc roa roe roi "
    "p&l capex opex yoy qoq m&a ytd ttm fcf ar ap ip hr it ai api cli gui url uri html http https css sql xml json yaml "
    "toml csv pdf ascii utf ok id faq usa fy cy q1 q2 q3 q4 h1 h2 rest os cpu gpu ram ssh ssl tls dns tcp udp llm rag ml nlp "
    "tv"
)
_TERMS = frozenset(_TERM_TEXT.split())
_WINDOW = 5
_MIN_COMPACT = 5
MIN_PARTS = 2
MIN_FUZZY = 6
MAX_SLIP = 2
ALIKE = 0.85


@dataclass(frozen=True, slots=True)
class _Sources:
    words: frozenset[str]
    texts: tuple[str, ...]
    compact_titles: str
    initials: str


def missing_names(question: str, passages: Sequence[Passage]) -> list[str]:
    """Return what the question names that no passage and no title has, as the question writes it."""
    if not passages:
        return []
    sources = _sources(passages)
    found = [name for name in names(question) if not _is_there(name, sources)]
    years = [year for year in years_of(question) if not _has_year(year, sources)]
    measures = [match["unit"] for match in _UNIT.finditer(question) if not _has_unit(match["unit"], sources)]
    return list(dict.fromkeys([*found, *years, *measures]))


def years_of(text: str) -> list[str]:
    """Return the years that a text names, those of two digits (FY22) in full."""
    return [*_YEAR.findall(text), *(f"20{short}" for short in _FISCAL.findall(text))]


def names(question: str) -> list[str]:
    """Return the proper names of a question, of several words where they stand together."""
    return list(dict.fromkeys(_runs(question)))


def called_by(file: File) -> str:
    """Return the names of a file, its id and that of the original, as one text."""
    return file.file_id if file.filename == file.file_id else f"{file.file_id} {file.filename}"


def is_titled(question: str, passage: Passage) -> bool:
    """Whether the file of a passage is called by the names of a question, all of them."""
    wanted = names(question)
    sources = _sources([replace(passage, text="", heading=(), head=())])
    return bool(wanted) and all(_is_there(name, sources) for name in wanted)


def is_named_by(question: str, passages: Sequence[Passage]) -> bool:
    """Whether a file, given some of its passages, has the names of a question, and a part of one of them in its title."""
    wanted = names(question)
    parts = {part for name in wanted for part in re.findall(r"[^\W\d_]{3,}", _folded(name))}
    titles = _sources([replace(passage, text="", heading=(), head=()) for passage in passages])
    sources = _sources(passages)
    return not parts.isdisjoint(titles.words) and all(_is_there(name, sources) for name in wanted)


def is_apart(word: str) -> bool:
    """Whether a word tells nothing where no document has it: a number, a currency, an abbreviation of accounting."""
    return word.isdigit() or word.casefold() in _TERMS


def _runs(question: str) -> Iterator[str]:
    spoken = language(question)
    tokens = list(_WORD.finditer(question))
    lower = sum(token[0][0].islower() for token in tokens)
    if len(tokens) > 2 and lower * 3 < len(tokens):
        return  # a title, or everything in capitals: they tell nothing
    run: list[str] = []
    end = 0
    for at, token in enumerate(tokens):
        gap = question[end : token.start()]
        is_first = at == 0 or re.search(r"[.?!:]\s*$", gap) is not None
        is_name = _is_name(_bare(token[0]), is_first=is_first, is_german=spoken == "de")
        if run and (not is_name or gap.strip()):
            yield " ".join(run)
            run = []
        if is_name:
            run.append(_bare(token[0]))
        end = token.end()
        if run and token[0].endswith(("'s", "\u2019s")):
            yield " ".join(run)
            run = []
    if run:
        yield " ".join(run)


def _bare(word: str) -> str:
    return re.sub(r"['\u2019]s$", "", word).rstrip(".'\u2019")


def _is_name(word: str, *, is_first: bool, is_german: bool) -> bool:
    plain = word.casefold()
    if plain in _TERMS or _folded(word) in _OPENERS or years_of(word) or not re.search(r"[^\W\d_]{2}|\d[A-Z]", word):
        return False
    has_inner = any(char.isupper() for char in word[1:])
    if has_inner or not word[0].isupper():
        return has_inner
    return not is_first and not is_german and len(word) > 1


def _sources(passages: Sequence[Passage]) -> _Sources:
    texts = []
    titles = []
    for passage in passages:
        title = " ".join([called_by(passage.file), *passage.heading, *passage.head])
        titles.append(title)
        texts.append(_folded(f"{title}\n{passage.text}"))
    words: set[str] = set()
    for text in texts:
        words.update(re.findall(r"[^\W_]+", text))
    compact = re.sub(r"[\W_]+", "", _folded(" ".join(titles)))
    raw = " ".join(f"{called_by(passage.file)} {passage.text}" for passage in passages)
    initials = "".join(
        word[0] if word[0].isupper() else " "
        for word in re.findall(r"[^\W\d_]+", raw)
        if word[0].isupper() or word.casefold() not in {"of", "and", "the", "for"}
    )
    return _Sources(frozenset(words), tuple(texts), compact, initials.casefold())


def _is_there(name: str, sources: _Sources) -> bool:
    parts = re.findall(r"[^\W_]+", _folded(name))
    compact = "".join(parts)
    if len(compact) >= _MIN_COMPACT and (compact in sources.compact_titles or compact in sources.words):
        return True
    capitals = "".join(char for char in name if char.isupper())
    is_acronym = len(parts) == 1 and len(capitals) >= 2 and len(name) <= 6
    if (
        is_acronym
        and len(capitals) > 1
        and capitals.casefold() in sources.initials
        and len(capitals) >= len(name) - 1
    ):
        return True
    n_there = sum(_has_word(part, sources.words) for part in parts)
    if n_there < min(len(parts), MIN_PARTS):
        return False
    return len(parts) != MIN_PARTS or any(_is_near(parts, text) for text in sources.texts)


def _has_word(word: str, words: frozenset[str]) -> bool:
    """Whether a word stands in the sources, in another number too, or, of a long one, with a slip of the pen."""
    if word in words or f"{word}s" in words or (word.endswith("s") and word[:-1] in words):
        return True
    if len(word) < MIN_FUZZY:
        return False
    alike = [held for held in words if held[:1] == word[0] and abs(len(held) - len(word)) <= MAX_SLIP]
    return bool(difflib.get_close_matches(word, alike, n=1, cutoff=ALIKE))


def _is_near(parts: Sequence[str], text: str) -> bool:
    """Whether the parts of a name stand in order within a few words of each other."""
    between = rf"s?(?:[\W_]+[^\W_]+){{0,{_WINDOW - 2}}}?[\W_]*"
    return re.search(between.join(re.escape(part.rstrip("s")) for part in parts), text) is not None


def _has_year(year: str, sources: _Sources) -> bool:
    short = re.compile(rf"(?<!\d){year}(?!\d)|\bfy\s?['\u2019]?{year[2:]}(?!\d)|/{year[2:]}\b")
    return any(short.search(text) for text in sources.texts)


def _has_unit(unit: str, sources: _Sources) -> bool:
    plain = _folded(unit)
    signs = {"eur": "€", "euro": "€", "euros": "€", "gbp": "£", "pounds": "£", "yen": "¥", "jpy": "¥", "degrees": "°"}
    stem = plain[:4] if len(plain) > 4 else plain
    return any(
        (plain in signs and signs[plain] in text) or re.search(rf"(?<![a-z]){re.escape(stem)}", text)
        for text in sources.texts
    )


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if not unicodedata.combining(char))
