"""The units of source code: the stretches between its blank lines, each shown as the code that it is."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openrag_cli.documents.media_types import JSON, JSONL, SOURCE_CODE
from openrag_cli.domain import File, Passage

MAX_LINES = 30
MAX_WORDS = 80
_NAMES = {"makefile", "dockerfile", "containerfile", "jenkinsfile", "vagrantfile", "justfile", "gemfile", "rakefile"}
_OPENS = re.compile(r"[:{(\[]\s*$")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines that stand together, characters `start` to `end` of the document, as a block of code in `shown`."""

    start: int
    end: int
    text: str
    shown: str


def is_source_code(file: File) -> bool:
    """Whether a file is a program, or one of settings or data in a notation that people read line by line."""
    return file.media_type in SOURCE_CODE | {JSON, JSONL} or file.filename.casefold() in _NAMES


def stretches_of(passage: Passage) -> Iterator[Stretch]:
    """Yield the stretches of a passage of source code; a line that opens one after a blank line belongs to that."""
    media_type = passage.file.media_type
    language = media_type.rpartition("/")[2].removeprefix("x-") if media_type in SOURCE_CODE else ""
    held: list[tuple[int, str]] = []
    begin = at = passage.start
    for line in passage.text.splitlines(keepends=True):
        is_blank = not line.strip()
        if held and (_is_full(held, line) or (is_blank and not _OPENS.search(held[-1][1]))):
            yield _stretch(held, language, is_first=held[0][0] == begin)
            held = []
        if not is_blank:
            held.append((at, line))
        at += len(line)
    if held:
        yield _stretch(held, language, is_first=held[0][0] == begin)


def _is_full(held: list[tuple[int, str]], line: str) -> bool:
    n_words = sum(len(_WORD.findall(text)) for _, text in held)
    return len(held) >= MAX_LINES or n_words + len(_WORD.findall(line)) > MAX_WORDS


def dedented(lines: Sequence[str], *, is_first: bool) -> str:
    """Return lines of code without the indentation that they share; the first of a passage had that of the next one."""
    first, *rest = [line.rstrip().expandtabs(4) for line in lines]
    following = next((line for line in rest if line), "")
    if is_first and not first.startswith(" ") and not _OPENS.search(first):
        first = " " * (len(following) - len(following.lstrip())) + first
    return textwrap.dedent("\n".join([first, *rest]))


def _stretch(held: list[tuple[int, str]], language: str, *, is_first: bool) -> Stretch:
    last, text = held[-1]
    body = dedented([line for _, line in held], is_first=is_first)
    fence = "~~~" if "```" in body else "```"
    return Stretch(held[0][0], last + len(text.rstrip()), body, f"{fence}{language}\n{body}\n{fence}")
