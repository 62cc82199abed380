"""`openrag __complete`: what may stand where the cursor is. It imports no Typer: a key was pressed, somebody waits.

The commands and their options are in `tree.json`, which scripts/build_docs.py makes from the command tree; partitions,
files, tasks and sessions come from the catalog alone, which is never made here.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openrag_cli.errors import OpenRAGError
from openrag_cli.terminal import for_terminal, is_safe_name

if TYPE_CHECKING:
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.database import Database

WANTS_FILES = 3
"""The exit code that asks the shell for file names."""

MAX_CANDIDATES = 200
TREE = Path(__file__).with_name("tree.json")

_BEFORE_A_KEY = r"(?is)((?:.*(?:\(|\b(?:and|or|not)\s))?\s*)([\w.-]*)"
_WORD = r"[^\W\d][\w.-]*"

Node = dict[str, Any]
Candidate = tuple[str, str]


def run(arguments: list[str]) -> int:
    """Print the candidates for `-- WORD...` (the last is being written) or `--line TEXT`; return the exit code."""
    words = _words_of(arguments[1]) if arguments[:1] == ["--line"] and len(arguments) > 1 else arguments[1:] or [""]
    try:
        found = candidates(words)
    except OpenRAGError:  # a damaged store is no reason to disturb somebody who types
        return 0
    if found is None:
        return WANTS_FILES
    for value, what in found:
        if is_safe_name(value):
            sys.stdout.write(f"{value}\t{for_terminal(what)}\n")
    return 0


def _words_of(line: str) -> list[str]:
    """Return the words of a line after the program's name, the last being written; an open quote is closed."""
    for end in ("", '"', "'"):
        try:
            words = shlex.split(line + end)
        except ValueError:
            continue
        is_between = not end and (line[-1:].isspace() and line[-2:-1] != "\\")
        return [*words[1:], ""] if is_between else words[1:] or [""]
    return [""]


def candidates(words: list[str]) -> list[Candidate] | None:
    """Return what the last of `words` may become; None where a file of this machine is wanted."""
    tree = json.loads(TREE.read_text(encoding="utf-8"))
    *before, current = words
    node, place, given = _walk(tree, before)
    options = {**tree["options"], **node.get("options", {})}
    if given["pending"]:
        return _values(options[given["pending"]], current, given)
    if current.startswith("-"):
        name, equals, start = current.partition("=")
        if equals and name in options:
            found = _values(options[name], start, given)
            return None if found is None else [(f"{name}={value}", what) for value, what in found]
        shown = [(name, option["help"]) for name, option in options.items() if name.startswith(current)]
        return [
            entry for entry in shown if current.startswith("--") or entry[0].startswith("--") or len(entry[0]) == 2
        ]
    if "commands" in node:
        return [(name, child["help"]) for name, child in node["commands"].items() if name.startswith(current)]
    arguments = node.get("arguments", [])
    if not arguments:
        return []
    kind = arguments[min(place, len(arguments) - 1)]
    return _values(kind, current, given)


def _walk(tree: Node, words: Iterable[str]) -> tuple[Node, int, Node]:
    """Return the command reached, how many of its arguments are there, and what options were given."""
    node, place = tree, 0
    given: Node = {"pending": None}
    for word in words:
        options = {**tree["options"], **node.get("options", {})}
        if given["pending"]:
            given[options[given["pending"]]["name"]] = word
            given["pending"] = None
        elif word.startswith("-") and len(word) > 1:
            name, equals, value = word.partition("=")
            if name in options and options[name]["takes_value"]:
                if equals:
                    given[options[name]["name"]] = value
                else:
                    given["pending"] = name
        elif word in node.get("commands", {}):
            node, place = node["commands"][word], 0
        else:
            place += 1
    return node, place, given


def _values(entry: Node, start: str, given: Node) -> list[Candidate] | None:
    kind = entry["kind"]
    if kind == "path":
        return None
    if "choices" in entry:
        return [(choice, "") for choice in entry["choices"] if choice.casefold().startswith(start.casefold())]
    found = _from_store(kind, start, given)
    return [one for one in found if one[0].startswith(start)][:MAX_CANDIDATES]


def _from_store(kind: str, start: str, given: Node) -> Iterator[Candidate]:
    from openrag_cli.config.settings import SETTINGS, load

    if kind == "setting":
        yield from ((setting.key, setting.help) for setting in SETTINGS)
        return
    if kind not in {"partition", "file", "filter", "task", "session", "view", "scope"}:
        return
    store = load({"store": given.get("store")}).settings.store
    if not (store / "openrag.db").exists():
        return
    from openrag_cli.store.catalog import Catalog
    from openrag_cli.store.database import Database

    database = Database(store / "openrag.db")
    if kind in {"view", "scope"}:
        yield from _views(database)
    if kind in {"partition", "scope"}:
        yield from (
            (entry.name, f"{entry.file_count:,} file{'s' * (entry.file_count != 1)}")
            for entry in Catalog(database).partitions()
        )
    elif kind == "file":
        partition = given.get("partition") or "all"
        yield from ((name, partition) for name in Catalog(database).file_ids(partition, start, MAX_CANDIDATES))
    elif kind == "filter":
        yield from _keys(Catalog(database), given.get("partition") or "all", start)
    elif kind == "task":
        from openrag_cli.store.task_records import TaskRecords

        tasks = TaskRecords(database).tasks(limit=MAX_CANDIDATES)
        yield from ((task.id, f"{task.state} {task.upload.file_id}") for task in tasks)
    elif kind == "session":
        from openrag_cli.store.sessions import Sessions

        yield from ((entry.name, f"{entry.message_count} messages") for entry in Sessions(database).all())


def _views(database: "Database") -> Iterator[Candidate]:
    from openrag_cli.store.searching.views import Views

    for entry in Views(database, lambda _: None).all():
        yield entry.name, f"view of {', '.join(entry.partitions)}"


def _keys(catalog: "Catalog", partition: str, start: str) -> Iterator[Candidate]:
    """Yield a condition with its last word, where a key may stand, made a key of the partition's files."""
    found = re.fullmatch(_BEFORE_A_KEY, start)
    if found is None:
        return
    before = found[1] or ""
    for key in catalog.filtered.keys(catalog.filtered.partition_ids(catalog.partition_ids([partition]))):
        if re.fullmatch(_WORD, key) and key.startswith(found[2]):
            yield f"{before}{key}", "key of metadata"
