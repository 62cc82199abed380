"""The crash and concurrency harness: stores driven by real processes, and the checks that judge them afterwards.

As a program (`python harness.py STORE`) it reads one JSON operation a line from stdin, does it, and writes one JSON
line when it is done: that line is the acknowledgement. A process that is killed leaves the rest out.
"""

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from openrag_cli.config.settings import load
from openrag_cli.domain import ALL_PARTITIONS, SearchMode, TaskKind, TaskState, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.errors import Conflict, DocumentNotFound, OpenRAGError
from openrag_cli.ingest.upload import new_upload
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.sync.outcome import SyncOptions
from openrag_cli.sync.plan import DeleteLimit

CACHE = Path(tempfile.gettempdir()) / f"openrag-tests-{os.getuid()}"
IS_LONG = "--long" in sys.argv or bool(os.environ.get("OPENRAG_TEST_LONG"))
"""Whether the long runs were asked for: `pytest --long`, or OPENRAG_TEST_LONG=1 for workers of xdist."""

ANSWER_S = 120.0
MAX_NOTED = 4000
"""How much of a text its metadata repeats, to see that both are of one version, in characters."""

FAILPOINTS = (
    "spooled", "queued", "claimed", "converted", "embedded", "committing", "committed", "replacing", "completed",
    "deleting", "optimizing",
)  # fmt: skip

Reply = dict[str, Any]


def open_engine(store: Path, **settings: Any) -> Engine:
    """Return an engine on `store` that no file and no variable of this machine configures."""
    flags = {"store": str(store), "cache": str(CACHE), "threads": 1} | settings
    return Engine(load(flags, {"OPENRAG_CONFIG": os.devnull}).settings)


def submit(engine: Engine, partition: str, file_id: str, text: str, kind: TaskKind = TaskKind.ADD) -> str:
    """Queue `text` as the content of a Markdown file; return the task's id."""
    upload = new_upload(partition, file_id, "note.md", {"text": text[:MAX_NOTED]})
    return engine.submit(upload, io.BytesIO(text.encode()), kind=kind).id


def put(engine: Engine, partition: str, file_id: str, text: str) -> str:
    """Add the file, or replace it where it exists or is being added; return the task's id."""
    while True:
        try:
            return submit(engine, partition, file_id, text)
        except Conflict:
            with contextlib.suppress(DocumentNotFound):  # another process has deleted it meanwhile
                return submit(engine, partition, file_id, text, TaskKind.REPLACE)


def contents(engine: Engine) -> dict[tuple[str, str], str]:
    """Return the original text of every visible file by (partition, file id)."""
    found = {}
    for file in engine.files(ALL_PARTITIONS):
        with engine.original(file.partition, file.file_id) as stream:
            found[file.partition, file.file_id] = stream.read().decode()
    return found


def find(engine: Engine, text: str, *, mode: SearchMode = SearchMode.TEXT, **request: Any) -> list[tuple[str, str]]:
    """Search, and return (file id, chunk text) of each hit."""
    hits = engine.search(SearchRequest(text, mode=mode, collapse=False, **request))
    return [(hit.file.file_id, hit.chunk.span.text) for hit in hits]


def check(engine: Engine, *, is_quiet: bool = True) -> None:
    """Assert that catalog, index and originals agree; `is_quiet`: and that nothing is unfinished."""
    files = engine.files(ALL_PARTITIONS)
    indexed = engine.parts.index.revisions()
    expected = {file.revision: file.chunk_count for file in files}
    if is_quiet:
        assert indexed == expected, "catalog and index differ"
        assert not [task for task in engine.tasks() if not task.state.is_final], "a task is unfinished"
        assert engine.parts.catalog.tombstones() == []
    else:
        assert expected.items() <= indexed.items(), "a visible file is not whole in the index"
    for file in files:
        with engine.original(file.partition, file.file_id) as stream:
            text = stream.read().decode()
        assert file.metadata.get("text", text[:MAX_NOTED]) == text[:MAX_NOTED]
        assert engine.document(file.partition, file.file_id).markdown == text
        chunks = engine.chunks(file.partition, file.file_id)
        assert [chunk.ordinal for chunk in chunks] == list(range(file.chunk_count)), "a chunk is missing or doubled"
        assert all(text[chunk.span.start : chunk.span.end] == chunk.span.text for chunk in chunks)


# --- a process that works on a store


class Driver:
    """A process of this file on a store; `ask` sends it an operation and returns its answer, None when it died."""

    def __init__(self, store: Path, *, failpoint: str | None = None, limit_bytes: int | None = None) -> None:
        self.scratch = tempfile.mkdtemp(prefix="openrag-driver-")
        environment = {"PATH": os.environ["PATH"], "TMPDIR": self.scratch}
        if "PYTHONPATH" in os.environ:
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        if failpoint:
            environment["OPENRAG_FAILPOINT"] = failpoint
        if limit_bytes:  # which would cut the compiled files of the program, for every test after this one
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, __file__, str(store)] + ([str(limit_bytes)] if limit_bytes else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        with contextlib.suppress(OSError):
            Path(self.scratch).rmdir()

    def send(self, **operation: Any) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(operation).encode() + b"\n")
            self.process.stdin.flush()

    def receive(self, timeout_s: float = ANSWER_S) -> Reply | None:
        """Return the next answer, or None when the process has ended."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            assert left > 0, "the process did not answer in time"
            if select.select([self.process.stdout], [], [], left)[0]:
                block = os.read(self.process.stdout.fileno(), 1 << 16)
                if not block:
                    return None
                self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: Reply = json.loads(line)
        return reply

    def ask(self, **operation: Any) -> Reply | None:
        self.send(**operation)
        return self.receive()

    def do(self, **operation: Any) -> Any:
        """Return the result of an operation that must succeed."""
        reply = self.ask(**operation)
        assert reply is not None, f"the process died: {self.process.wait(ANSWER_S)}"
        assert reply["error"] is None, reply
        return reply["result"]

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(ANSWER_S)

    def wait_killed(self) -> None:
        """Assert that SIGKILL ended the process."""
        assert self.process.wait(ANSWER_S) == -signal.SIGKILL

    def survivors(self, timeout_s: float = 30.0) -> list[int]:
        """Return what of the process still runs after at most `timeout_s` seconds (Linux; elsewhere nothing)."""
        deadline = time.monotonic() + timeout_s
        while (alive := list(_with_variable(f"TMPDIR={self.scratch}"))) and time.monotonic() < deadline:
            time.sleep(0.01)
        return alive


def _with_variable(entry: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.encode() in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


# --- inside that process


def _search(engine: Engine, mode: str = "text", **request: Any) -> list[list[str]]:
    hits = engine.search(SearchRequest(mode=SearchMode(mode), collapse=False, **request))
    return [
        [hit.file.file_id, hit.chunk.revision, hit.file.metadata.get("text"), hit.chunk.span.text] for hit in hits
    ]


def _replace(engine: Engine, **operation: Any) -> str:
    return submit(engine, kind=TaskKind.REPLACE, **operation)


def _maintain(engine: Engine, force: bool = False) -> int:
    """Tidy up; return how many retired revisions were swept."""
    return engine.maintain(force=force).n_swept


def _add_folder(engine: Engine, partition: str, folder: str, if_exists: str = "replace") -> Any:
    from openrag_cli.ingest.discovery import collect
    from openrag_cli.ingest.options import AddOptions, IfExists

    options = AddOptions(partition, new_task_id(), if_exists=IfExists(if_exists))
    report = engine.add_sources(collect([Path(folder)]).sources, options)
    return {"added": report.added, "replaced": report.replaced, "failed": [f.message for f in report.failures]}


def _import(engine: Engine, folder: str, partition: str | None = None, group: int = 200) -> Any:
    from openrag_cli.maintenance import importer

    importer.GROUP_FILES = group
    report = engine.maintenance.import_partition(Path(folder), partition)
    return {"files": report.files, "resumed": report.resumed}


def _retry_all(engine: Engine) -> int:
    """Queue again whatever may be; return how many were."""
    n_retried = 0
    for task in engine.tasks([TaskState.FAILED, TaskState.CANCELLED]):
        with contextlib.suppress(Conflict):
            engine.retry_task(task.id)
            n_retried += 1
    return n_retried


def _sync(engine: Engine, folder: str, partition: str) -> int:
    options = SyncOptions(Path(folder), partition, is_deleting=True, max_delete=DeleteLimit(100, is_percent=True))
    return engine.sync_folder(options).report.deleted


def _refresh(engine: Engine, partition: str, is_detached: bool = False) -> int:
    """Read all files of a partition again, outdated or not."""
    from openrag_cli.ingest.refresh import RefreshRun

    files, _ = engine.refresher.named(partition, [])
    return engine.refresher.refresh(files, RefreshRun(is_detached=is_detached)).replaced


def _put_moving(engine: Engine, partition: str, names: list[str], text: str) -> str:
    """Put the one file that has any of the names, where it is now; return the task's id."""
    visible = [name for name in names if name in {file.file_id for file in engine.files(partition)}]
    waiting = [task.upload.file_id for task in engine.tasks() if not task.state.is_final]
    return put(engine, partition, next(iter([*visible, *(n for n in waiting if n in names), names[0]])), text)


def _rename_moving(engine: Engine, partition: str, names: list[str]) -> str:
    """Give the one file that has any of the names the next one; return it."""
    [name] = [file.file_id for file in engine.files(partition) if file.file_id in names]
    return engine.rename_file(partition, name, names[(names.index(name) + 1) % len(names)]).file_id


OPERATIONS: dict[str, Callable[..., Any]] = {
    "put": put,
    "add": submit,
    "replace": _replace,
    "delete": Engine.delete_files,
    "delete_partition": Engine.delete_partition,
    "drain": Engine.drain,
    "maintain": _maintain,
    "search": _search,
    "add_folder": _add_folder,
    "import": _import,
    "retry": _retry_all,
    "sync": _sync,
    "refresh": _refresh,
    "put_moving": _put_moving,
    "rename_moving": _rename_moving,
}


def main(store: str, limit_bytes: str | None = None) -> None:
    if limit_bytes:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit_bytes), int(limit_bytes)))
    with open_engine(Path(store)) as engine:
        print(json.dumps({"result": os.getpid(), "error": None}), flush=True)
        for line in sys.stdin:
            reply: Reply = {"result": None, "error": None}
            try:
                operation = json.loads(line)
                reply["result"] = OPERATIONS[operation.pop("do")](engine, **operation)
            except OpenRAGError as exc:
                reply |= {"error": exc.code, "message": exc.message}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])


def opened_below(folder: Path, do: Callable[[], object]) -> list[Path]:
    """Return the files of a folder that `do()` opened in this process, but for rules of what is ignored."""
    opened: list[Path] = []
    is_over = False

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and not is_over and str(arguments[0]).startswith(f"{folder}/"):
            opened.append(Path(str(arguments[0])))

    sys.addaudithook(look)  # none can be taken away
    do()
    is_over = True
    return [path for path in opened if not path.name.endswith("ignore")]
