"""The converter child: reads requests, converts and chunks one document after the other, writes results.

Started by `sandbox.py` as a clean process: it never imports the index or opens an ONNX session, and its parsers are
imported when the first document needs them, which a run over Markdown alone never pays.
"""

import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openrag_cli.documents.convert import convert_file
from openrag_cli.documents.readers.base import Limits
from openrag_cli.documents.sandbox.protocol import (
    HEADER_BYTES,
    ChildLimits,
    Message,
    body_length,
    done_message,
    failed_message,
    frame,
    parse,
    write_all,
)
from openrag_cli.documents.sandbox.walls import raise_walls
from openrag_cli.documents.titles import document_title
from openrag_cli.errors import MACHINE_ERRNOS, ConverterUnavailable, IngestError, OpenRAGError, StoreError

CHARS_PER_PAGE = 3_000
"""A page of text without pages, for the time that cutting it into pieces may take."""


def main() -> None:
    """Serve requests from standard input until it ends; results go to what was standard output."""
    requests, results = _take_over_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's decision
    setup = _read_message(requests)
    if setup is None:
        return
    raise_walls(
        documents=Path(setup["documents"]), tokenizer=Path(setup["tokenizer"]), scratch=Path(setup["scratch"])
    )
    _limit_resources(ChildLimits(**setup["child_limits"]))
    pending: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests, pending), daemon=True).start()
    _serve(setup, pending, results)


def _take_over_pipes() -> tuple[int, int]:
    """Return (requests, results): the pipes, moved away from 0 and 1, where parsers print their warnings."""
    requests, results = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    return requests, results


def _limit_resources(limits: ChildLimits) -> None:
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits.written_file),
        (resource.RLIMIT_NOFILE, limits.open_files),
    ]
    if limits.address_space is not None and sys.platform != "darwin":
        wanted.append((resource.RLIMIT_AS, limits.address_space))
    for kind, value in wanted:
        hard = resource.getrlimit(kind)[1]
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (ceiling, ceiling))


def _limit_cpu(seconds: float) -> None:
    """Let the process use `seconds` of CPU from now: a second net below the parent's deadline."""
    used = time.process_time()
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _receive(requests: int, pending: "queue.SimpleQueue[Message]") -> None:
    """Queue what the parent asks; leave at once, even amid a document, when the parent is gone."""
    while (request := _read_message(requests)) is not None:
        pending.put(request)
    os._exit(0)


def _read_message(descriptor: int) -> Message | None:
    header = _read_exactly(descriptor, HEADER_BYTES)
    body = _read_exactly(descriptor, body_length(header)) if header else None
    return parse(body) if body else None


def _read_exactly(descriptor: int, n_bytes: int) -> bytes | None:
    content = b""
    while len(content) < n_bytes:
        piece = os.read(descriptor, n_bytes - len(content))
        if not piece:
            return None
        content += piece
    return content


def _serve(setup: Message, pending: "queue.SimpleQueue[Message]", results: int) -> None:
    limits = Limits(**setup["limits"])
    slack_s = ChildLimits(**setup["child_limits"]).cpu_slack_s
    splitter = None
    while True:
        request = pending.get()
        if splitter is None:
            splitter = _splitter(setup)
        _limit_cpu(request["deadline_s"] + slack_s)
        write_all(results, frame({"kind": "ready"}))

        def report_pages(n_pages: int, request: Message = request) -> None:
            """Set the limit of time by the number of pages, and tell the parent."""
            _limit_cpu(request["deadline_s"] + request["page_s"] * n_pages + slack_s)
            write_all(results, frame({"kind": "work", "pages": n_pages}))

        answer = _answer(request, limits, splitter, report_pages)
        write_all(results, frame(answer | {"resident": _resident_bytes()}))


def _resident_bytes() -> int:
    """Return the memory that this process holds: the parent replaces a child that has grown large.

    On Linux not `ru_maxrss`, which a new process inherits from the one that started it.
    """
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _splitter(setup: Message) -> Any:
    from openrag_cli.documents.chunking.chunker import Chunker

    return Chunker(Path(setup["tokenizer"]), int(setup["max_tokens"]))


def _out_of_memory() -> IngestError:
    text = "it needs more memory than one document may use"
    return IngestError(text, reason="out_of_memory", hint="split it and add the parts")


def _answer(request: Message, limits: Limits, splitter: Any, report_pages: Callable[[int], None]) -> Message:
    """Return the result or the error of one document."""
    try:
        path, filename = Path(request["path"]), request["filename"]
        document = convert_file(
            path,
            filename,
            limits=limits,
            report_pages=report_pages,
            keeps_hidden=bool(request.get("keeps_hidden")),
        )
        report_pages(max(len(document.pages), len(document.markdown) // CHARS_PER_PAGE))
        return done_message(document, splitter.titled(document_title(filename, document)).split(document))
    except OpenRAGError as exc:
        return failed_message(exc)
    except MemoryError:
        return failed_message(_out_of_memory())
    except ImportError as exc:  # the installation is damaged, or another one now: no fault of the document
        has_room = not any(word in str(exc) for word in ("allocate memory", "failed to map"))
        return failed_message(
            ConverterUnavailable(f"a part of openrag is missing: {exc}"[:500]) if has_room else _out_of_memory()
        )
    except OSError as exc:
        if exc.errno in MACHINE_ERRNOS:
            return failed_message(StoreError(f"reading a stored file: {exc.strerror}"))
        return failed_message(IngestError(f"it cannot be read: {exc.strerror or exc}", reason="corrupt"))
    except Exception as exc:  # noqa: BLE001 - the boundary of one document's task: a bug of ours fails it alone
        error = IngestError(f"a bug in openrag: {type(exc).__name__}: {exc}"[:500], reason="crashed")
        return failed_message(error)
