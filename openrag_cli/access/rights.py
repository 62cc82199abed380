"""What each method of the engine needs: a right, and the partitions that it is about."""

from collections.abc import Iterable
from typing import Any

from openrag_cli.access.principal import Right, Where
from openrag_cli.domain import ALL_PARTITIONS


def _nowhere(*_: Any, **__: Any) -> Iterable[str]:
    return ()


def _everywhere(*_: Any, **__: Any) -> Iterable[str]:
    return (ALL_PARTITIONS,)


def _named(_: Any, partition: str, *__: Any, **___: Any) -> Iterable[str]:
    return (partition,)


def _searched(_: Any, request: Any) -> Iterable[str]:
    return tuple(getattr(request, "search", request).partitions)


def _given(_: Any, upload: Any, *__: Any, **___: Any) -> Iterable[str]:
    return (upload.partition,)


def _added(_: Any, __: Any, options: Any, **___: Any) -> Iterable[str]:
    return (options.partition,)


def _of_task(engine: Any, task_id: str, **_: Any) -> Iterable[str]:
    return (engine.parts.ledger.task(task_id).upload.partition,)


def _of_tasks(engine: Any, task_ids: Iterable[str], **_: Any) -> Iterable[str]:
    return [engine.parts.ledger.task(task_id).upload.partition for task_id in task_ids]


def _of_chunk(engine: Any, chunk_id: str, **_: Any) -> Iterable[str]:
    return (engine.parts.retriever.extract(chunk_id, context=0).file.partition,)


NEEDS: dict[str, tuple[Right, Where]] = {
    **dict.fromkeys(
        ("partition", "files", "file_keys", "file", "document", "original", "open_file"), (Right.READ, _named)
    ),
    **dict.fromkeys(("chunks", "file_with_chunks", "partition_chunks"), (Right.READ, _named)),
    **dict.fromkeys(("find", "grep", "answer"), (Right.READ, _searched)),
    **dict.fromkeys(("task", "task_log", "task_traceback"), (Right.READ, _of_task)),
    **dict.fromkeys(("tasks", "task_counts", "count_live"), (Right.READ, _everywhere)),
    **dict.fromkeys(("partitions", "embed", "sessions", "views"), (Right.READ, _nowhere)),
    "wait_tasks": (Right.READ, _of_tasks),
    "extract": (Right.READ, _of_chunk),
    **dict.fromkeys(("create_partition", "delete_partition", "edit_file", "rename_file"), (Right.WRITE, _named)),
    **dict.fromkeys(("delete_files", "delete_file"), (Right.WRITE, _named)),
    **dict.fromkeys(("cancel_task", "retry_task"), (Right.WRITE, _of_task)),
    **dict.fromkeys(("submit", "sync_folder"), (Right.WRITE, _given)),
    "add_sources": (Right.WRITE, _added),
    **dict.fromkeys(("drain", "maintain"), (Right.WRITE, _nowhere)),
    "refresher": (Right.WRITE, _everywhere),
    **dict.fromkeys(("prune_tasks", "maintenance", "examine"), (Right.MANAGE, _everywhere)),
}
FREE = frozenset(
    {"asked_by", "close", "check_model", "warm", "work", "llm", "embedding_model", "check_chat", "end_chat"}
)
"""What needs none: it tells and changes nothing of a document, or only the machine itself calls it."""
