"""Questions with what is known to answer them: a file of JSON lines, or a collection in the layout of BEIR."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openrag_cli.errors import InvalidInput, PathNotFound, os_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = '{"question": "how often do we rotate keys?", "relevant": ["ops/keys.md"], "answers": ["90 days"]}'


@dataclass(frozen=True, slots=True)
class Question:
    """A question; `relevant` grades the ids of files (0: not relevant), `answers` are texts, any of which is right."""

    id: str
    text: str
    relevant: Mapping[str, int] = field(default_factory=dict)
    answers: tuple[str, ...] = ()


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a file, or of a folder with queries.jsonl and qrels/.

    Raises:
        PathNotFound: it is not there. InvalidInput: a line is no question; the message names it.
    """
    with os_errors(f"reading {path}"):
        is_there = path.exists()
    if not is_there:
        raise PathNotFound(f"{path}: no such file or folder", hint=f"a file of lines such as {EXAMPLE}")
    found = _collection(path) if path.is_dir() else [_question(at, entry, path) for at, entry in _entries(path)]
    if not found:
        raise InvalidInput(f"{path} has no question", hint=f"a line such as {EXAMPLE}")
    return found


def _entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"{path} cannot be read: {exc}", hint="a file of JSON lines in UTF-8") from exc
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise _wrong(path, number, "it is not JSON") from exc
        if not isinstance(entry, dict):
            raise _wrong(path, number, "it is no object")
        yield number, entry


def _wrong(path: Path, number: int, why: str) -> InvalidInput:
    return InvalidInput(f"{path}:{number}: {why}", hint=f"a line such as {EXAMPLE}")


def _question(number: int, entry: dict[str, Any], path: Path) -> Question:
    text = entry.get("question")
    if not isinstance(text, str) or not text.strip():
        raise _wrong(path, number, "it has no text under 'question'")
    relevant = entry.get("relevant", {})
    graded = dict.fromkeys(relevant, 1) if _are_texts(relevant) else relevant
    if not isinstance(graded, dict) or not all(type(grade) is int for grade in graded.values()):
        raise _wrong(path, number, "'relevant' is neither a list of file ids nor an object of ids and whole grades")
    answers = entry.get("answers", [])
    answers = [answers] if isinstance(answers, str) else answers
    if not _are_texts(answers):
        raise _wrong(path, number, "'answers' is no list of texts")
    return Question(str(entry.get("id", number)), text, graded, tuple(answers))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _collection(folder: Path) -> list[Question]:
    """Return the judged queries of a collection. A document's id is that of a file, perhaps without its extension."""
    source = folder / "qrels" / "test.tsv"
    source = source if source.exists() else min((folder / "qrels").glob("*.tsv"), default=source)
    if not source.exists() or not (folder / "queries.jsonl").exists():
        raise PathNotFound(f"{folder} has no queries.jsonl and qrels/", hint="name a file of JSON lines instead")
    judgements: dict[str, dict[str, int]] = defaultdict(dict)
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines()[1:], 2):
        try:
            query, document, grade = line.split("\t")
            judgements[query][document] = int(grade)
        except ValueError as exc:
            raise _wrong(source, number, "it is not query, document and grade") from exc
    texts = {str(entry.get("_id")): str(entry.get("text", "")) for _, entry in _entries(folder / "queries.jsonl")}
    return [Question(key, texts[key], grades) for key, grades in judgements.items() if texts.get(key, "").strip()]
