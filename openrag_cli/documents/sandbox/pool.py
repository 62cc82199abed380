"""Converter children: processes that read documents for us and can be killed.

Each child is a clean Python, started with nothing but our package's path, that lives for a bounded number of
documents. Measured: 0.1 s to start and read text, and a little more when the first document of a kind makes it
import a parser; reused, the cost is under 1 ms a document. (Forking prepared children would be 21 ms a document and is not
safe on macOS or beside threads.) A hang, a bomb or a native crash costs its own document and one child.
"""

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from dataclasses import asdict
from pathlib import Path
from typing import Self

from openrag_cli.config.homes import scratch_folder
from openrag_cli.config.silence import SILENCE
from openrag_cli.documents.media_types import extension_of
from openrag_cli.documents.readers.base import Limits
from openrag_cli.documents.sandbox import protocol
from openrag_cli.documents.sandbox.protocol import ChildLimits, Converted
from openrag_cli.documents.sandbox.time_limit import Deadline, TimeLimit
from openrag_cli.domain import Document, Span
from openrag_cli.errors import ConverterUnavailable, IngestError, os_errors

__all__ = ["ChildLimits", "Converted", "ConverterPool", "Deadline", "Document", "Span"]

_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from openrag_cli.documents.sandbox.child import main; main()"
_KEPT_ENVIRONMENT = ("PATH", "LANG", "TMPDIR", "TZ", "SYSTEMROOT")
_START_S = 120.0
_MAX_RESULT_BYTES = 256 * 1024 * 1024
_TEXT_DOCUMENTS_PER_CHILD = 500
_PARSED_DOCUMENTS_PER_CHILD = 50
_LARGE_CHILD_BYTES = 500_000_000
_PARSED = frozenset({"pdf", "docx", "pptx", "xlsx", "xls", "odt", "epub", "msg", "eml", "html", "htm", "rss", "xml"})


class ConverterPool:
    """Up to `workers` converter children. `convert` may be called from several threads; each call has one child.

    Children start when they are needed, end with the pool, and end by themselves when this process dies. They read files
    below `documents` (by default, of the folder of their first document) and nothing else of the user's, reach no
    network, and write to a scratch folder alone: see `walls`. `tokenizer_path` and `max_tokens` are those of the
    embedding model, for the chunker. `keeps_hidden` is that of `convert_file`.
    """

    def __init__(  # noqa: PLR0913 - what it hands to its children
        self,
        *,
        workers: int,
        tokenizer_path: Path,
        max_tokens: int,
        limits: Limits | None = None,
        deadline: Deadline | None = None,
        child_limits: ChildLimits | None = None,
        keeps_hidden: bool = False,
        documents: Path | None = None,
    ) -> None:
        self._documents = documents and documents.resolve()
        self._scratch: Path | None = None
        self._keeps_hidden = keeps_hidden
        self._deadline = deadline or Deadline()
        self._setup: protocol.Message = {
            "tokenizer": str(Path(tokenizer_path).absolute()),
            "max_tokens": max_tokens,
            "limits": asdict(limits or Limits()),
            "child_limits": asdict(child_limits or ChildLimits()),
        }
        self._permits = threading.Semaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill every child; a `convert` under way in another thread raises CancelledError. Idempotent."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            scratch, self._scratch = self._scratch, None
            for child in self._busy:
                child.signal_end()  # its own thread waits for it
        for child in idle:
            child.kill()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def convert(self, path: Path, filename: str) -> Converted:
        """Convert and chunk the file at `path`, which its owner calls `filename`.

        Raises:
            UnsupportedFormat: no reader for this kind of file.
            IngestError: the document is at fault; `reason` says how.
            CancelledError: the pool was closed.
        """
        with self._permits:
            for is_last_try in (False, True):
                try:
                    return self._convert(Path(path).absolute(), filename)
                except _ChildGone as exc:
                    self._check_open()
                    if exc.had_begun or is_last_try:  # else it had died while it was idle
                        raise exc.error from exc
        raise AssertionError("the loop ends by returning or raising")

    def _convert(self, path: Path, filename: str) -> Converted:
        child = self._take(filename, self._documents or path.parent)
        try:
            return child.convert(path, filename, self._deadline, keeps_hidden=self._keeps_hidden)
        finally:
            self._put_back(child)

    def _check_open(self) -> None:
        if self._closed:
            raise CancelledError("the converters are closed")

    def _take(self, filename: str, documents: Path) -> "_Child":
        """Return a child that is alive and can take one more document, as busy."""
        with self._lock:
            self._check_open()
            while self._idle:
                child = self._idle.pop()
                if child.is_usable and child.documents == documents:
                    break
                child.kill()
            else:
                self._scratch = self._scratch or scratch_folder("openrag-convert-")
                child = _Child(self._setup, documents, self._scratch)
            child.count(filename)
            self._busy.add(child)
            return child

    def _put_back(self, child: "_Child") -> None:
        with self._lock:
            self._busy.discard(child)
            if child.is_usable and not self._closed:
                self._idle.append(child)
                return
        child.kill()


class _ChildGone(Exception):
    """The child ended before it answered; `error` is what to tell, unless another child can take the document."""

    def __init__(self, error: IngestError | ConverterUnavailable, *, had_begun: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.had_begun = had_begun


class _Child:
    """One converter process, and how much of its life is spent."""

    def __init__(self, setup: protocol.Message, documents: Path, scratch: Path) -> None:
        self.documents = documents
        self._spent = 0.0
        self._is_between_documents = True
        self._is_large = self._has_begun = False
        with os_errors("starting a converter"):
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(_import_path())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_environment() | {"TMPDIR": str(scratch)},
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        with contextlib.suppress(BrokenPipeError):
            walls = {"documents": str(documents), "scratch": str(scratch)}
            protocol.write_all(self._stdin, protocol.frame(setup | walls))

    @property
    def is_usable(self) -> bool:
        """Whether it waits for a document and is fresh enough for one more."""
        is_fresh = self._spent < 1 and not self._is_large
        return self._is_between_documents and is_fresh and self._process.poll() is None

    def count(self, filename: str) -> None:
        """Note that one more document is given to it."""
        is_parsed = extension_of(filename) in _PARSED
        self._spent += 1 / (_PARSED_DOCUMENTS_PER_CHILD if is_parsed else _TEXT_DOCUMENTS_PER_CHILD)

    def convert(self, path: Path, filename: str, deadline: Deadline, *, keeps_hidden: bool) -> Converted:
        """Send one document and wait for its result; whatever goes wrong, the child is not used again."""
        self._is_between_documents = self._has_begun = False
        request = {
            "path": str(path),
            "filename": filename,
            "deadline_s": deadline.base_s,
            "page_s": deadline.page_s,
            "keeps_hidden": keeps_hidden,
        }
        try:
            protocol.write_all(self._stdin, protocol.frame(request))
        except BrokenPipeError as exc:
            raise self._gone() from exc
        self._await_start()
        self._has_begun = True
        return self._result(deadline)

    def _await_start(self) -> None:
        try:
            self._receive(TimeLimit(self._process.pid, Deadline(base_s=_START_S, page_s=0.0)))  # ready
        except IngestError as exc:
            raise _unavailable(f"it was not ready after {_START_S:g} s") from exc

    def _result(self, deadline: Deadline) -> Converted:
        limit = TimeLimit(self._process.pid, deadline)
        while True:
            message = self._receive(limit)
            if message["kind"] == "work":
                limit.allow_pages(int(message["pages"]))
                continue
            self._is_between_documents = True
            self._is_large = int(message["resident"]) > _LARGE_CHILD_BYTES
            if message["kind"] == "done":
                return protocol.converted_from(message)
            error = protocol.error_from(message)
            if isinstance(error, ConverterUnavailable):
                self._spent = 1  # what it could not import another one may
                raise _unavailable(error.message)
            raise error

    def _receive(self, limit: TimeLimit) -> protocol.Message:
        length = protocol.body_length(self._read(protocol.HEADER_BYTES, limit))
        if length > _MAX_RESULT_BYTES:
            raise IngestError(
                f"its text takes {length:,} bytes; at most {_MAX_RESULT_BYTES:,} are kept",
                reason="too_large",
                hint="split it and add the parts",
            )
        return protocol.parse(self._read(length, limit))

    def _read(self, n_bytes: int, limit: TimeLimit) -> bytes:
        pieces = []
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while n_bytes:
                left = limit.left_s()
                if left <= 0:
                    raise _timed_out()
                if not selector.select(left):
                    continue  # the limit says whether there is more time
                piece = os.read(self._stdout, min(n_bytes, 1 << 20))
                if not piece:
                    raise self._gone()
                pieces.append(piece)
                n_bytes -= len(piece)
        return b"".join(pieces)

    def _gone(self) -> "_ChildGone":
        """Return the error for a child that has ended: by which signal, and so why."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        if not self._has_begun:
            return _ChildGone(_unavailable(_end_of(code)), had_begun=False)
        if code == -signal.SIGXCPU:
            return _ChildGone(_timed_out(), had_begun=True)
        if code == -signal.SIGKILL:
            message = "the operating system stopped the converter, as it does when memory runs out"
            reason, hint = "out_of_memory", "split the document, or run fewer workers"
        else:
            message = f"the converter crashed ({_end_of(code)}): the file is damaged, or needs too much memory"
            reason, hint = "crashed", "open it in the program that made it, save it again, and add that"
        return _ChildGone(IngestError(message, reason=reason, hint=hint), had_begun=self._has_begun)

    def signal_end(self) -> None:
        """Send SIGKILL to the process and all that it started. Safe from any thread."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the process, wait for it and close its pipes. Idempotent; only for the thread that uses the child."""
        self.signal_end()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _unavailable(why: str) -> ConverterUnavailable:
    return ConverterUnavailable(
        f"the converter could not start ({why})",
        hint="was openrag upgraded while this process ran? Start it again; openrag doctor checks the installation",
    )


def _end_of(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _timed_out() -> IngestError:
    return IngestError(
        "it took longer than one document may take, and its reader was stopped",
        reason="timeout",
        hint="split it, or save it in a simpler format, and add that",
    )


def _import_path() -> list[str]:
    """Return where a child finds our package and its libraries: as this process does, but never in its folder."""
    package_root = str(Path(__file__).absolute().parents[3])
    return [str(Path(entry).absolute()) for entry in sys.path if entry] + [package_root]


def _environment() -> dict[str, str]:
    """Return the environment of a child: the locale and the temporary folder, no token, one thread per library.

    The one place besides `config.py` that looks at the environment, to pass on as little of it as possible.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_ENVIRONMENT or name.startswith("LC_")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    return kept | threads | SILENCE | {"TOKENIZERS_PARALLELISM": "false", "MALLOC_ARENA_MAX": "2"}
