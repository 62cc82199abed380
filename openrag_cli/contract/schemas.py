"""The contract of `--json`: a JSON Schema (2020-12) for each `openrag.<name>/1`, and which command prints which.

Shapes may grow, never change: a schema says what is always there, and allows more.
"""

from openrag_cli.contract.nouns import chunk, error, file, partition, task
from openrag_cli.contract.nouns.shape import (
    ANY_OBJECT,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TIME,
    Schema,
)
from openrag_cli.contract.nouns.shape import list_of as _list
from openrag_cli.contract.nouns.shape import maybe as _maybe
from openrag_cli.contract.nouns.shape import object_of as _object
from openrag_cli.contract.nouns.shape import sometimes as _sometimes

PARTITION, FILE, TASK, CHUNK, HIT = (
    partition.SHAPE.schema, file.SHAPE.schema, task.SHAPE.schema, chunk.SHAPE.schema, chunk.HIT,
)  # fmt: skip
WARNING, TASK_ERROR = file.WARNING, task.ERROR.schema
_OWNER = file.SHAPE.only("partition", "file_id", "filename").schema["properties"]
PASSAGE = _object(
    **_OWNER, **chunk.PLACE.schema["properties"], page_end=_maybe(COUNT), modified_at=TIME, n=COUNT, chunk_id=TEXT,
    score=NUMBER, scores=chunk.SCORES,
)  # fmt: skip
LOCATED = _object(**PASSAGE["properties"], path=_maybe(TEXT), gone=FLAG)
FAILURE = _object(
    file_id=TEXT, path=_maybe(TEXT), task_id=_maybe(TEXT), code=TEXT, message=TEXT, hint=_maybe(TEXT)
)  # fmt: skip
FILE_WARNING = _object(file_id=TEXT, path=_maybe(TEXT), task_id=_maybe(TEXT), **WARNING["properties"])
PLAN = _object(
    add=_list(TEXT), replace=_list(TEXT), move=_list(_object(**{"from": TEXT, "to": TEXT})), delete=_list(TEXT)
)
REPORT = _sometimes(
    _object(
        added=COUNT, replaced=COUNT, unchanged=COUNT, moved=COUNT, deleted=COUNT, failed=COUNT, chunks=COUNT,
        seconds=NUMBER, failures=_list(FAILURE),
        known_as=_list(_object(file_id=TEXT, known_as=TEXT)), warnings=_list(FILE_WARNING),
        skipped={"type": "object", "additionalProperties": COUNT},
    ),
    queued=COUNT, files=COUNT, gone=COUNT, ignored_now=COUNT, refreshed=COUNT, dry_run=FLAG, plan=PLAN,
)  # fmt: skip
"""`queued` is told by `file add`, `file sync` and `file refresh`; `ignored_now` by the first two; `files`, `gone` and
`refreshed` by `file sync` alone;
`plan` of a dry run."""
TURN = _object(role={"enum": ["user", "assistant"]}, content=TEXT, at=TIME, citations=_list(ANY_OBJECT))
SESSION = _sometimes(
    _object(session=TEXT, partitions=_list(TEXT), messages=COUNT, scope=ANY_OBJECT, created_at=TIME, updated_at=TIME),
    turns=_list(TURN),
)
"""`turns` is told by `session show` and `session export`."""
VIEW = _object(view=TEXT, partitions=_list(TEXT), filter=TEXT, model=TEXT, created_at=TIME)
SETTING = _object(key=TEXT, value={}, origin=TEXT, env=_list(TEXT), help=TEXT)

SHAPES: dict[str, Schema] = {
    "answer": _object(
        question=TEXT, query=_maybe(TEXT), answer=TEXT, model=TEXT, finish_reason=TEXT, citations=_list(LOCATED),
        sources=_list(_object(**LOCATED["properties"], cited=FLAG)), unknown_marks=_list(COUNT),
        unsupported_marks=_list(COUNT), attached=_list(LOCATED), warnings=_list(TEXT), thought=TEXT, refusal=TEXT,
        error=_maybe(_object(code=TEXT, message=TEXT)),
        usage=_object(prompt_tokens=COUNT, completion_tokens=COUNT),
        timings=_object(retrieval_s=NUMBER, first_s=NUMBER, total_s=NUMBER),
    ),
    "backup": _object(path=TEXT, files=COUNT, chunks=COUNT, members=COUNT, size=COUNT, created_at=TIME),
    "change": _object(key=TEXT, value={}, path=TEXT),
    "chunk": _object(**CHUNK["properties"], before=_list(CHUNK), after=_list(CHUNK)),
    "completion": _object(shell=TEXT, script=TEXT),
    "doctor": _object(
        findings=_list(_object(
            name=TEXT, status={"enum": ["ok", "warning", "failed"]}, text=TEXT, fix=_maybe(TEXT), can_mend=FLAG,
        )),
        mended=_list(TEXT),
    ),
    "error": error.SHAPE.schema,
    "evaluation": _object(
        path=TEXT, partition=TEXT, top_k=COUNT, questions=COUNT,
        runs=_list(_object(
            mode={"enum": ["hybrid", "dense", "text"]}, measures=chunk.SCORES,
            missed=_list(_object(measure=TEXT, value=NUMBER, least=NUMBER)),
            questions=_list(_object(id=TEXT, question=TEXT, measures=chunk.SCORES)),
        )),
    ),
    "export": _object(partition=TEXT, path=TEXT, files=COUNT, chunks=COUNT),
    "file": FILE,
    "files": _object(files=_list(FILE), warnings=_list(WARNING), total=COUNT, next=_maybe(TEXT)),
    "grep": _object(
        pattern=TEXT, files=COUNT, read=COUNT, not_searched=COUNT, too_slow=_list(_object(partition=TEXT, file_id=TEXT)),
        lines=_list(_object(
            partition=TEXT, file_id=TEXT, path=_maybe(TEXT), line=COUNT, page=_maybe(COUNT), text=TEXT,
            matches=_list(_object(start=COUNT, end=COUNT)), before=_list(TEXT), after=_list(TEXT),
        )),
    ),
    "help": _object(topic=_maybe(TEXT), text=TEXT),
    "hit": HIT,
    "keys": _object(keys=_list(_object(
        key=TEXT, files=COUNT, types={"type": "object", "additionalProperties": COUNT},
        values=_list(_object(value={"type": ["string", "number", "boolean"]}, files=COUNT)),
    ))),
    "import": _object(partition=TEXT, files=COUNT, chunks=COUNT, embedded=COUNT, resumed=COUNT),
    "overview": _object(
        store=TEXT, partitions=COUNT, files=COUNT, chunks=COUNT, waiting=COUNT, failed=COUNT, outdated=_maybe(COUNT),
    ),
    "partition": PARTITION,
    "partitions": _object(partitions=_list(PARTITION)),
    "optimized": _object(
        swept=COUNT, orphans=COUNT, tasks=COUNT, optimized=FLAG, shrunk=FLAG, size_before=COUNT, size=COUNT,
    ),
    "paths": _object(paths=_list(_object(path=TEXT, exists=FLAG))),
    "place": _object(partition=TEXT, file_id=TEXT, path=TEXT, line=COUNT, page=_maybe(COUNT)),
    "pruned": _object(tasks=COUNT),
    "report": REPORT,
    "restore": _object(store=TEXT, members=COUNT),
    "run": _object(completed=COUNT, failed=COUNT, chunks=COUNT, left=COUNT),
    "schemas": _object(schemas=_list(_object(command=TEXT, option=TEXT, name=TEXT))),
    "search": _object(
        query=TEXT, mode={"enum": ["hybrid", "dense", "text"]}, partitions=_list(TEXT), hits=_list(HIT),
        warnings=_list(WARNING),
    ),
    "session": SESSION,
    "sessions": _object(sessions=_list(SESSION)),
    "sessionmatches": _object(text=TEXT, matches=_list(_object(session=TEXT, n=COUNT, **TURN["properties"]))),
    "serving": _object(url=TEXT, store=TEXT, pid=COUNT),
    "setting": SETTING,
    "settings": _object(settings=_list(SETTING)),
    "syncs": _object(
        syncs=_list(_object(folder=TEXT, partition=TEXT, options=ANY_OBJECT, synced_at=TIME)),
    ),
    "task": TASK,
    "taskerror": _object(task_id=TEXT, **TASK_ERROR["properties"], traceback=_list(TEXT)),
    "tasklog": _object(task_id=TEXT, lines=_list(_object(at=TIME, level=TEXT, message=TEXT))),
    "retried": _object(tasks=_list(TASK), refused=_list(_object(task_id=TEXT, code=TEXT, message=TEXT))),
    "tasks": _sometimes(_object(tasks=_list(TASK)), total=COUNT, next=_maybe(TEXT)),
    "text": _object(
        partition=TEXT, file_id=TEXT, media_type=TEXT, text=TEXT,
        pages=_list(_object(number=COUNT, start=COUNT, end=COUNT)),
    ),
    "trust": _object(path=TEXT, sha256=_maybe(TEXT), is_trusted=FLAG, keys=_list(TEXT)),
    "view": VIEW,
    "views": _object(views=_list(VIEW)),
    "validation": _object(problems=_list(_object(message=TEXT, hint=_maybe(TEXT)))),
}  # fmt: skip

COMMANDS: dict[str, dict[str, str]] = {
    "": {"--json": "overview"},
    "ask": {"--json": "answer"},
    "backup": {"--json": "backup"},
    "chat": {"--json": "answer"},
    "completion": {"--json": "completion"},
    "config get": {"--json": "setting"},
    "config path": {"--json": "paths"},
    "config set": {"--json": "change"},
    "config show": {"--json": "settings"},
    "config trust": {"--json": "trust"},
    "config unset": {"--json": "change"},
    "config untrust": {"--json": "trust"},
    "config validate": {"--json": "validation"},
    "doctor": {"--json": "doctor"},
    "eval run": {"--json": "evaluation"},
    "export": {"--json": "export"},
    "extract show": {"--json": "chunk"},
    "file add": {"--json": "report"},
    "file delete": {"--json": "report"},
    "file edit": {"--json": "file"},
    "file get": {"--json": "text"},
    "file keys": {"--json": "keys"},
    "file list": {"--json": "files", "--jsonl": "file"},
    "file refresh": {"--json": "report"},
    "file rename": {"--json": "file"},
    "file replace": {"--json": "report"},
    "file show": {"--json": "file"},
    "file sync": {"--json": "report", "--list --json": "syncs"},
    "grep": {"--json": "grep"},
    "help": {"--json": "help"},
    "import": {"--json": "import"},
    "open": {"--json": "place"},
    "partition create": {"--json": "partition"},
    "partition delete": {"--json": "report"},
    "partition list": {"--json": "partitions"},
    "partition show": {"--json": "partition"},
    "restore": {"--json": "restore"},
    "schema": {"--json": "schemas"},
    "serve": {"--json": "serving"},
    "search": {"--json": "search", "--jsonl": "hit"},
    "session delete": {"--json": "session"},
    "session export": {"--json": "session"},
    "session list": {"--json": "sessions"},
    "session search": {"--json": "sessionmatches"},
    "session show": {"--json": "session"},
    "store optimize": {"--json": "optimized"},
    "task cancel": {"--json": "tasks"},
    "task error": {"--json": "taskerror"},
    "task list": {"--json": "tasks", "--jsonl": "task"},
    "task log": {"--json": "tasklog"},
    "task prune": {"--json": "pruned"},
    "task retry": {"--json": "retried"},
    "task run": {"--json": "run"},
    "task show": {"--json": "task"},
    "task wait": {"--json": "tasks"},
    "view create": {"--json": "view"},
    "view delete": {"--json": "view"},
    "view list": {"--json": "views"},
    "view show": {"--json": "view"},
}
"""What each command prints for each option: one object, or one a line (`--jsonl`, and `chat`, which prints one for each
question); errors are `error`, on stderr, for all of them."""


def schema_of(name: str) -> Schema:
    """Return the JSON Schema of `openrag.<name>/1`."""
    shape = SHAPES[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"openrag.{name}/1",
        "type": "object",
        "properties": {"schema": {"const": f"openrag.{name}/1"}, **shape["properties"]},
        "required": ["schema", *shape["required"]],
    }
