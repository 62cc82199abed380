"""What a conversation searches: chosen by options and commands, shown in the prompt line, kept with its session."""

import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any

from openrag_cli.cli.commands.search_options import SearchOptions
from openrag_cli.domain import ALL_PARTITIONS, Metadata, SearchMode
from openrag_cli.errors import DocumentNotFound, InvalidInput, PartitionNotFound
from openrag_cli.retrieval import filters
from openrag_cli.retrieval.request import MAX_TOP_K, SearchRequest, SortOrder

if TYPE_CHECKING:
    from openrag_cli.library.library import Library

OFF = "off"
COMMANDS = {
    "/partition": "[NAME...]: search these partitions from now on; all: every one",
    "/file": "[ID...]: search these files from now on; off: every one",
    "/filter": "[EXPR]: search files with such metadata from now on; off: all",
    "/k": "[N]: passages behind an answer at most, from now on",
    "/mode": "[hybrid|dense|text]: how passages are ranked from now on",
}
MAX_COMPLETIONS = 50
MAX_PROMPT_CHARS = 60

_KEPT = {"condition": "filter", "file": "files"}
"""Names of options that a session keeps under another one; its partitions it keeps apart."""


class ChatScope:
    """The options of a conversation, as they are now."""

    def __init__(self, options: SearchOptions, top_k: int) -> None:
        self.options = options
        self.top_k = top_k
        self._plain_top_k = top_k

    def take_up(self, partitions: Sequence[str], scope: Metadata, given: Collection[str]) -> None:
        """Go on with what a session has kept, but for the options that were `given` now."""
        kept: dict[str, Any] = {} if "partition" in given else {"partition": list(partitions)}
        for name in _names() - {"partition", *given}:
            if (key := _KEPT.get(name, name)) in scope:
                kept[name] = scope[key]
        if "mode" in kept:
            kept["mode"] = SearchMode(kept["mode"])
        if "sort" in kept:
            kept["sort"] = SortOrder(kept["sort"])
        self.options = replace(self.options, **kept)
        if "top_k" not in given:
            self.top_k = scope.get("top_k", self.top_k)

    def kept(self) -> Metadata:
        """Return what a session keeps: what is not as it is by itself."""
        plain = _plain_values()
        found = {
            _KEPT.get(name, name): getattr(self.options, name)
            for name in sorted(_names() - {"partition"})
            if getattr(self.options, name) != plain[name]
        }
        return found | ({"top_k": self.top_k} if self.top_k != self._plain_top_k else {})

    def request(self) -> SearchRequest:
        """Return the search of a question, without its text."""
        return self.options.request("", self.top_k)

    def parts(self) -> list[str]:
        """Return what narrows or changes the search, as a person reads it."""
        options = self.options
        named = [] if self._partitions() == (ALL_PARTITIONS,) else [", ".join(self._partitions())]
        files = ", ".join(options.file) if len(options.file) < 3 else f"{len(options.file)} files"
        told = {
            "": files or None, "filter": options.condition or None, "since": options.since, "until": options.until,
            "k": self.top_k if self.top_k != self._plain_top_k else None,
            "mode": options.mode if options.mode is not SearchMode.HYBRID else None,
            "min-score": options.min_score, "context": options.context or None,
        }  # fmt: skip
        return named + [f"{name} {value}".strip() for name, value in told.items() if value is not None]

    def prompt(self) -> str:
        """Return the prompt line: what narrows the search, and a sign."""
        line = "; ".join(self.parts())
        line = line if len(line) <= MAX_PROMPT_CHARS else line[: MAX_PROMPT_CHARS - 1] + "…"
        return f"{line} > " if line else "> "

    def choose(self, engine: "Library", command: str, text: str) -> None:
        """Obey a command of `COMMANDS`; without a text it changes nothing. Raises: InvalidInput, NotFound."""
        if not text:
            return
        if command == "/partition":
            self._choose_partitions(engine, text)
        elif command == "/file":
            ids = () if text == OFF else self._found(engine, text)
            self.options = replace(self.options, file=list(ids))
        elif command == "/filter":
            if text != OFF:
                filters.parse(text)
            self.options = replace(self.options, condition="" if text == OFF else text)
        elif command == "/k":
            if not text.isdecimal() or not 1 <= int(text) <= MAX_TOP_K:
                raise InvalidInput(f"{text!r} is no number from 1 to {MAX_TOP_K:,}", hint="/k 5")
            self.top_k = int(text)
        elif text not in set(SearchMode):
            raise InvalidInput(f"there is no mode {text!r}", hint=f"/mode {' or '.join(SearchMode)}")
        else:
            self.options = replace(self.options, mode=SearchMode(text))

    def _partitions(self) -> tuple[str, ...]:
        return tuple(self.options.partition) or (ALL_PARTITIONS,)

    def _choose_partitions(self, engine: "Library", text: str) -> None:
        known = names_to_search(engine)
        wanted = [text] if text in known else text.split()  # a name may hold spaces
        for name in wanted:
            if name not in known:
                raise PartitionNotFound(name)
        self.options = replace(self.options, partition=wanted)

    def _found(self, engine: "Library", text: str) -> list[str]:
        """Return the ids that a text names, in quotes where they hold spaces. Raises: DocumentNotFound."""
        if self._has(engine, text):
            return [text]
        try:
            ids = shlex.split(text)
        except ValueError as exc:
            raise InvalidInput(f"a quote is not closed: {text}") from exc
        for file_id in ids:
            if not self._has(engine, file_id):
                raise DocumentNotFound(file_id, ", ".join(self._partitions()))
        return ids

    def _has(self, engine: "Library", file_id: str) -> bool:
        for name in self._names_of_partitions(engine):
            try:
                engine.file(name, file_id)
            except DocumentNotFound:
                continue
            return True
        return False

    def _names_of_partitions(self, engine: "Library") -> list[str]:
        views = {view.name: view.partitions for view in engine.views.all()}
        names = [part for name in self._partitions() for part in views.get(name, (name,))]
        return [partition.name for partition in engine.partitions()] if ALL_PARTITIONS in names else names

    def words(self, engine: "Library", text: str) -> Iterable[str]:
        """Return what may stand where the cursor is, at the end of a command of `COMMANDS`, from the catalog."""
        command, _, rest = text.partition(" ")
        start = rest.rpartition(" ")[2]
        if command == "/partition":
            return names_to_search(engine)
        if command == "/mode":
            return list(SearchMode)
        if command == "/filter":
            return [key.key for name in self._names_of_partitions(engine) for key in engine.file_keys(name)]
        if command != "/file":
            return ()
        pattern = "".join(f"\\{char}" if char in "%_\\" else char for char in start)
        where = f"file_id like {filters.quoted(pattern + '%')}"
        found = [
            file.file_id
            for name in self._names_of_partitions(engine)
            for file in engine.files(name, limit=MAX_COMPLETIONS, filter=where)
        ]
        return [shlex.quote(file_id) if " " in file_id else file_id for file_id in found]


def names_to_search(engine: "Library") -> list[str]:
    """Return what may be named to be searched: each partition, each view, and all."""
    partitions = [partition.name for partition in engine.partitions()]
    return [*partitions, *(view.name for view in engine.views.all()), ALL_PARTITIONS]


def _names() -> set[str]:
    return {field.name for field in fields(SearchOptions)}


def _plain_values() -> dict[str, Any]:
    return {
        field.name: field.default_factory() if field.default_factory is not MISSING else field.default
        for field in fields(SearchOptions)
    }
