"""What `ask` and `chat` share: following an answer, and showing where it comes from."""

from __future__ import annotations

import sys
from contextlib import aclosing, nullcontext
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol

from openrag_cli.answering.events import Retrieved, TextDelta, unsupported
from openrag_cli.cli.answer_view import AnswerView
from openrag_cli.cli.last_search import Found, remember
from openrag_cli.cli.output import BOLD, CYAN, DIM
from openrag_cli.cli.places import GONE, from_here, is_gone, local_path, paste, url_of
from openrag_cli.cli.snippet import fitting_heading, n_columns, whole
from openrag_cli.contract import to_json as render
from openrag_cli.domain import DEFAULT_PARTITION
from openrag_cli.errors import NoAnswer
from openrag_cli.terminal import quoted_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Sequence

    from openrag_cli.answering.events import Event, Finished
    from openrag_cli.answering.pipeline import ChatRequest
    from openrag_cli.cli.output import Output
    from openrag_cli.domain import Passage


MARKDOWN = {".md", ".markdown", ".mdx"}


class Answering(Protocol):
    """What answers: a store, here or behind a server, or files in hand."""

    def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Return the events of an answer, `Retrieved` first and `Finished` last."""

    async def end_chat(self) -> None:
        """Close the connections to the LLM."""


def _nothing(_: str) -> None:
    """Show nothing."""


async def follow(
    engine: Answering, request: ChatRequest, view: AnswerView | None, said: list[str] | None = None
) -> tuple[Retrieved, Finished]:
    """Show an answer as it comes, and return its first and last event; `said` collects its text, should it be cut off.

    An answer that broke off is returned too, with its `error`.
    """
    retrieved = Retrieved(None, (), 0.0)
    finished: Finished | None = None
    with view.waiting() if view else nullcontext(_nothing) as wait_for:
        wait_for("searching")
        try:
            async with aclosing(engine.answer(request)) as events:
                async for event in events:
                    if isinstance(event, Retrieved):
                        retrieved = event
                        wait_for(
                            f"reading {render.counted(len(event.passages), 'passage')}"
                            if event.passages
                            else "asking"
                        )
                        continue
                    is_thought = isinstance(event, TextDelta) and event.thought and not (event.text or event.refusal)
                    wait_for("thinking" if is_thought else "")
                    if isinstance(event, TextDelta):
                        if view:
                            view.feed(event.text or event.refusal)
                        if said is not None:
                            said.append(event.text or event.refusal)
                    else:
                        finished = event
        finally:
            wait_for("")
            if view:
                view.close()
            await engine.end_chat()
    assert finished is not None, "an answer ends with Finished"
    if not (finished.text.strip() or finished.refusal or finished.error):
        finished = replace(finished, error=_nothing_said(finished))
    return retrieved, finished


def _nothing_said(finished: Finished) -> NoAnswer:
    """Return what is told where a model calls tools and says nothing: here it was given none."""
    why = f"finish_reason {finished.finish_reason}; it called a tool, and was given none"
    return NoAnswer(f"{finished.model} gave no answer ({why})", hint="ask again, or use --no-llm")


def is_unanswered(retrieved: Retrieved, finished: Finished) -> bool:
    """Whether the model refuses, or documents were searched and none answers."""
    if finished.refusal and not finished.text:
        return True
    if retrieved.query is None or finished.citations:
        return False
    return not retrieved.passages or finished.model == "extractive"


def show_end(out: Output, finished: Finished) -> None:
    """Print what the answer names, or what we found for it, and tell what is to be known of it."""
    doubted = unsupported(finished)
    show_sources(out, located(finished.citations), doubted)
    if finished.attached:
        out.note("the answer names no source; its words stand in:")
        show_sources(out, located(finished.attached))
    for warning in finished.warnings:
        if finished.error is None or finished.error.message not in warning:  # it is told as the error that it is
            out.note(warning)


def located(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Return passages as JSON with the path of each file on this machine, and whether that is gone."""
    found = []
    for passage in passages:
        path = local_path(passage.file)
        told = {"path": str(path) if path else None, "gone": is_gone(passage.file, path)}
        found.append({**render.passage(passage), **told})
    return found


def where(entry: dict[str, Any]) -> str:
    """Return where a passage is, as it may be pasted: a path from here, or else the id of its file with -p, and its day."""
    path, partition = entry.get("path"), entry["partition"]
    name = from_here(Path(path)) if path else entry["file_id"]
    told = render.dated_place({**entry, "file_id": quoted_name(name)})
    if not path and partition not in {"", DEFAULT_PARTITION}:
        told += f"  {paste('-p', partition)}"
    return told + (f" ({GONE})" if entry.get("gone") else "")


def remember_sources(folder: Path, retrieved: Retrieved, finished: Finished) -> None:
    """Keep what the numbers of an answer name for `openrag open N`: cited passages at the lines that are cited."""
    shown = {one.number: one for one in (*retrieved.passages, *finished.attached, *finished.citations)}
    files = [one for one in shown.values() if one.file.partition]
    remember(
        folder, [Found(one.number, one.file.partition, one.file.file_id, one.line_start, one.page) for one in files]
    )


def show_sources(out: Output, citations: Sequence[dict[str, Any]], doubted: Collection[int] = ()) -> None:
    """Print what the marks name, as many on a line as fit; `doubted` are those that share no word with their sentence."""
    if not citations:
        return
    out.line()
    line, room = "", out.width
    for entry in citations:
        label = f"[{entry['n']}] {where(entry)}" + (" (unsupported)" if entry["n"] in doubted else "")
        path, n = entry.get("path"), n_columns(label)
        url = url_of(Path(path) if path else None, entry.get("line_start"), entry.get("page"))
        if line and 3 + n > room:
            out.line(line)
            line, room = "", out.width
        room -= n + 3 * bool(line)
        line += f"{'   ' if line else ''}{out.link(out.styled(label, CYAN), url)}"
    out.line(line)


def show_passages(out: Output, passages: Sequence[dict[str, Any]]) -> None:
    """Print passages in full; on a terminal Markdown as it renders, other texts wrapped between words."""
    for entry in passages:
        name = f"[{entry['n']}] {where(entry)}"
        room = out.width - len(name) - len("  0.00  ") if out.is_terminal else sys.maxsize
        heading = fitting_heading(entry["heading"], room)
        out.line()
        title = out.styled(name, BOLD, CYAN)
        out.line(f"{title}  {entry['score']:.2f}" + (f"  {out.styled(heading, DIM)}" if heading else ""))
        view = AnswerView(out) if PurePath(entry["file_id"]).suffix.lower() in MARKDOWN else None
        if not out.is_terminal:
            out.line(entry["text"])
        elif view is not None:
            view.feed(entry["text"])
            view.close()
        else:
            for line in whole(entry["text"], width=out.width):
                out.line(line)
