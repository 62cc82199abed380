"""Domain objects as JSON: the contract of `--json`. Shapes may grow, never change."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from openrag_cli.answering.events import unsupported
from openrag_cli.contract.nouns import chunk as chunks
from openrag_cli.contract.nouns import error as errors
from openrag_cli.contract.nouns import file as files_
from openrag_cli.contract.nouns import partition as partitions
from openrag_cli.contract.nouns import task as tasks
from openrag_cli.retrieval.request import SortOrder
from openrag_cli.store.metadata import resolved, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from openrag_cli.answering.events import Finished, Retrieved
    from openrag_cli.domain import (
        Chunk,
        DocumentWarning,
        File,
        Hit,
        LogLine,
        Partition,
        Passage,
        Session,
        Task,
        Turn,
    )
    from openrag_cli.errors import OpenRAGError
    from openrag_cli.ingest.report import Report
    from openrag_cli.maintenance.checks.findings import Finding
    from openrag_cli.retrieval.request import SearchRequest
    from openrag_cli.retrieval.retriever import Extract
    from openrag_cli.store.files.filtered_files import KeyFacts
    from openrag_cli.store.files.results import Results
    from openrag_cli.store.searching.views import View
    from openrag_cli.sync.outcome import SyncOutcome

Json = dict[str, Any]


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: 1 file, 5,300 files."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def files_and_chunks(n_files: int, n_chunks: int) -> str:
    """Return both numbers with their nouns."""
    return f"{counted(n_files, 'file')}, {counted(n_chunks, 'chunk')}"


def document(name: str, body: Json) -> Json:
    """Return `body` with its schema, `openrag.<name>/1`, first."""
    return {"schema": f"openrag.{name}/1", **body}


def listing(name: str, entries: Iterable[Json]) -> Json:
    """Return a list under its own name."""
    return document(name, {name: list(entries)})


def page(name: str, found: Results[Any], show: Callable[[Any], Json]) -> Json:
    """Return a page of a list under its own name: of how many it is, and the token of the page that follows."""
    return listing(name, map(show, found)) | {"total": found.total, "next": found.next}


def partition(value: Partition) -> Json:
    """Return a partition."""
    return partitions.SHAPE.as_json(value)


def file(value: File) -> Json:
    """Return a file; `metadata` is what is said of it, by the user or else by the document itself."""
    return files_.SHAPE.as_json(files_.shown(value))


def task(value: Task) -> Json:
    """Return a task; `error` is null or an object."""
    return tasks.SHAPE.as_json(value)


def log_line(value: LogLine) -> Json:
    """Return a line of a task's log."""
    return {"at": rfc3339(value.at), "level": value.level, "message": value.message}


def chunk(value: Chunk, owner: File) -> Json:
    """Return a chunk of a file, with what is said of the file as `file` shows it."""
    return chunks.SHAPE.as_json(chunks.owned(value, owner))


def hit(value: Hit, rank: int) -> Json:
    """Return a hit; `rank` counts from 1."""
    return chunks.hit(value, rank)


def dates_asked(search: SearchRequest) -> Json:
    """Return what is sent of dates: nothing where nothing is asked, for servers before 0.3 know none."""
    found: Json = {}
    if search.since:
        found["since"] = search.since.isoformat()
    if search.until:
        found["until"] = search.until.isoformat()
    if search.sort is not SortOrder.SCORE:
        found["sort"] = str(search.sort)
    if search.prefers_recent:
        found["prefer_recent"] = search.prefers_recent
    return found


def warnings(values: Iterable[DocumentWarning]) -> list[Json]:
    """Return warnings."""
    return [asdict(value) for value in values]


def key(value: KeyFacts) -> Json:
    """Return a key of metadata."""
    return {
        "key": value.key,
        "files": value.files,
        "types": value.types,
        "values": [{"value": one, "files": n} for one, n in value.values],
    }


def files(found: Results[File]) -> Json:
    """Return a listing of files, with what there is to say of its filter."""
    return page("files", found, file) | {"warnings": warnings(found.warnings)}


def search(request: SearchRequest, hits: Results[Hit]) -> Json:
    """Return a search, its hits, and what there is to say of its filter."""
    return document(
        "search",
        {
            "query": request.text,
            "mode": request.mode,
            "partitions": list(request.partitions),
            "hits": [hit(value, rank) for rank, value in enumerate(hits, 1)],
            "warnings": warnings(hits.warnings),
        },
    )


def extract(value: Extract) -> Json:
    """Return a chunk with its neighbours."""
    return document(
        "chunk",
        {
            **chunk(value.chunk, value.file),
            "before": [chunk(other, value.file) for other in value.before],
            "after": [chunk(other, value.file) for other in value.after],
        },
    )


def report(value: Report) -> Json:
    """Return what a command did to many files."""
    counts = {name: getattr(value, name) for name in ("added", "replaced", "unchanged", "moved", "deleted", "failed")}
    return document(
        "report",
        {
            **counts,
            "chunks": value.chunks,
            "seconds": value.seconds,
            "failures": [asdict(failure) for failure in value.failures],
            "skipped": value.skipped_kinds(),
            "known_as": [{"file_id": file_id, "known_as": known} for file_id, known in value.known_as],
            "warnings": [
                {"file_id": one.file_id, "path": one.path, "task_id": one.task_id, **asdict(warning)}
                for one in value.warned
                for warning in one.warnings
            ],
        },
    )


def passage(value: Passage) -> Json:
    """Return a passage of an answer; `n` is the number of its marks."""
    return {
        "n": value.number,
        "partition": value.file.partition,
        "file_id": value.file.file_id,
        "filename": resolved(value.file)["filename"],
        "modified_at": rfc3339(value.file.dated),
        "chunk_id": value.chunk_id,
        "page": value.page,
        "page_end": value.page_end,
        "line_start": value.line_start,
        "line_end": value.line_end,
        "start": value.start,
        "end": value.end,
        "heading": list(value.heading),
        "head": list(value.head),
        "score": round(value.score, 6),
        "scores": {name: round(score, 6) for name, score in value.scores.items()},
        "text": value.text,
    }


def place(entry: Mapping[str, Any]) -> str:
    """Return where a passage as JSON is: `file p.N` where pages are known, else `file:first-last`."""
    if entry["page"]:
        last = entry.get("page_end") or entry["page"]  # sessions of 0.1 have none
        return f"{entry['file_id']} p.{entry['page']}" + (f"-{last}" if last != entry["page"] else "")
    first, last = entry["line_start"], entry["line_end"]
    return f"{entry['file_id']}:{first}" + (f"-{last}" if last != first else "")


def dated_place(entry: Mapping[str, Any]) -> str:
    """Return where a passage as JSON is, and the day of its document, in UTC, where that is told."""
    day = str(entry.get("modified_at", ""))[:10]
    return f"{place(entry)}, {day}" if day else place(entry)


def answer(
    question: str, retrieved: Retrieved, finished: Finished, located: Callable[[Sequence[Passage]], list[Json]]
) -> Json:
    """Return an answer with what it cites and all that its model was shown, as `located` tells passages and their paths."""
    cited = {value.number for value in finished.citations}
    return document(
        "answer",
        {
            "question": question,
            "query": retrieved.query,
            "answer": finished.text,
            "model": finished.model,
            "finish_reason": finished.finish_reason,
            "citations": located(finished.citations),
            "sources": [{**entry, "cited": entry["n"] in cited} for entry in located(retrieved.passages)],
            "unknown_marks": list(finished.unknown),
            "unsupported_marks": sorted(unsupported(finished)),
            "attached": located(finished.attached),
            "warnings": list(finished.warnings),
            "thought": finished.thought,
            "refusal": finished.refusal,
            "error": {"code": finished.error.code, "message": finished.error.message} if finished.error else None,
            "usage": {
                "prompt_tokens": finished.usage.prompt_tokens,
                "completion_tokens": finished.usage.completion_tokens,
            },
            "timings": {
                "retrieval_s": retrieved.seconds,
                "first_s": finished.first_s,
                "total_s": finished.seconds,
            },
        },
    )


def session(value: Session) -> Json:
    """Return a session without its messages."""
    return {
        "session": value.name,
        "partitions": list(value.partitions),
        "messages": value.message_count,
        "scope": value.scope,
        "created_at": rfc3339(value.created_at),
        "updated_at": rfc3339(value.updated_at),
    }


def view(value: View) -> Json:
    """Return a view; `model` is its name for clients that choose a model."""
    return {
        "view": value.name,
        "partitions": list(value.partitions),
        "filter": value.filter,
        "model": f"openrag-{value.name}",
        "created_at": rfc3339(value.created_at),
    }


def turn(value: Turn) -> Json:
    """Return a message of a session."""
    return {
        "role": value.role,
        "content": value.content,
        "at": rfc3339(value.at),
        "citations": list(value.citations),
    }


def sync(value: SyncOutcome) -> Json:
    """Return what a sync did; of a dry run what it would do, file by file."""
    plan = value.plan
    body = report(value.report) | {"files": value.n_files, "gone": len(plan.gone), "refreshed": value.n_refreshed}
    body["ignored_now"] = value.n_ignored_now
    body["dry_run"] = value.is_dry_run
    if value.is_dry_run:
        body["plan"] = {
            "add": plan.adds,
            "replace": plan.replaces,
            "move": [{"from": move.source, "to": move.target} for move in plan.moves],
            "delete": list(plan.deletes),
        }
    return body


def finding(value: Finding) -> Json:
    """Return what a doctor's check found."""
    return {
        "name": value.name,
        "status": value.status,
        "text": value.text,
        "fix": value.fix,
        "can_mend": value.mend is not None,
    }


def error(value: OpenRAGError) -> Json:
    """Return an error."""
    return document("error", errors.SHAPE.as_json(value))
