"""Every error that openrag raises on purpose.

    OpenRAGError
    ├── InvalidInput            the caller's argument is wrong
    │   ├── WrongUsage          no such command or option
    │   ├── UnsupportedFormat   no reader for this kind of document
    │   ├── TooLarge            over a documented limit
    │   ├── InvalidFileId       an id with characters that no name may have
    │   └── InvalidMetadata     metadata that is no JSON object, is over a limit, or has a key that is ours
    ├── NotFound                a partition, view, file, task, chunk, session or path does not exist
    │   ├── PartitionNotFound, ViewNotFound, DocumentNotFound, TaskNotFound, ChunkNotFound, SessionNotFound, PathNotFound
    │   ├── StoreNotFound       where a store is to be read there is none; reading never makes one
    │   └── RevisionGone        a version of a file that was replaced or deleted meanwhile
    ├── Conflict                it exists already, or is in the wrong state
    │   └── TooManyDeletions    a sync would delete more than it may; nothing was changed
    ├── IngestError             one document could not be read; `reason` says why, stable
    ├── ConfigError             a setting is wrong
    │   ├── LlmMisconfigured    the LLM refuses the key, or has no such model
    │   └── StoreMismatch       the store is newer than this program, or made by another model
    ├── StoreError              the store could not be read or written
    │   ├── StoreFull           no space left
    │   ├── StoreBusy           a lock could not be had in time
    │   └── StoreDamaged        stored bytes are not what was written
    ├── ConverterUnavailable    no converter can be started on this machine, whatever the document
    ├── UpstreamError           an LLM, embedder or server is not reachable
    │   ├── UpstreamDown        ... nobody listens there
    │   ├── UpstreamBusy        ... or it asks to come back later
    │   ├── UpstreamTimeout     ... or it did not answer in time
    │   ├── NoAnswer            ... or what came holds no text, no call and no refusal
    │   └── UpstreamRejected    ... or it refuses this very request
    │       └── ContextTooLong  ... for it does not fit the model's window
    ├── NotAuthenticated, Forbidden
    ├── DeadlineReached         `--timeout` ran out

Each has a stable `code`. Exit codes and HTTP statuses belong to the edges, which keep one table each.
"""

import contextlib
import errno
import shlex
from collections.abc import Iterator
from typing import ClassVar


class OpenRAGError(Exception):
    """What happened to which thing, in one sentence; `hint` is the command or action that mends it."""

    code: ClassVar[str] = "error"

    def __init_subclass__(cls, *, code: str = "") -> None:
        """Give a class of errors its stable code; without one it speaks with its parent's."""
        if code:
            cls.code = code

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(OpenRAGError, code="invalid_input"):
    """The caller's argument is wrong."""


class WrongUsage(InvalidInput, code="usage"):
    """A command was called with options or arguments that it does not have."""


class UnsupportedFormat(InvalidInput, code="unsupported_format"):
    """No reader exists for this kind of document."""


class TooLarge(InvalidInput, code="too_large"):
    """Over a documented limit."""


class InvalidFileId(InvalidInput, code="invalid_file_id"):
    """An id with characters that no name may have."""


class InvalidMetadata(InvalidInput, code="invalid_metadata"):
    """Metadata that is no JSON object, is over a limit, or has a key that is ours."""


class NotFound(OpenRAGError, code="not_found"):
    """The thing named does not exist."""


class PartitionNotFound(NotFound, code="partition_not_found"):
    """No partition of that name."""

    def __init__(self, partition: str) -> None:
        super().__init__(f"Partition '{partition}' not found", hint="openrag partition list")
        self.partition = partition


class ViewNotFound(NotFound, code="view_not_found"):
    """No view of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"View '{name}' not found", hint="openrag view list")


class DocumentNotFound(NotFound, code="file_not_found"):
    """No file with that id in the partition."""

    def __init__(self, file_id: str, partition: str) -> None:
        super().__init__(
            f"File '{file_id}' not found in partition '{partition}'.",
            hint=f"openrag file list -p {shlex.quote(partition)}",
        )
        self.file_id = file_id
        self.partition = partition


class TaskNotFound(NotFound, code="task_not_found"):
    """No task with that id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task '{task_id}' not found.", hint="openrag task list")


class ChunkNotFound(NotFound, code="chunk_not_found"):
    """No chunk with that id in a visible file."""

    def __init__(self, chunk_id: str) -> None:
        super().__init__(f"Extract '{chunk_id}' not found.", hint="a chunk id changes when its file is replaced")


class SessionNotFound(NotFound, code="session_not_found"):
    """No chat session of that name."""

    def __init__(self, name: str | None) -> None:
        what = f"Session '{name}' not found" if name else "There is no session yet"
        super().__init__(what, hint="openrag session list" if name else "begin one with: openrag chat")


class RevisionGone(NotFound, code="revision_gone"):
    """A version of a file that was there a moment ago was replaced or deleted: look again."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"Revision '{revision}' is no longer there: its file was replaced or deleted", hint="try again"
        )


class StoreNotFound(NotFound, code="store_not_found"):
    """There is no store where one is to be read; reading never makes one."""


class PathNotFound(NotFound, code="path_not_found"):
    """A path on this machine does not exist."""


class Conflict(OpenRAGError, code="conflict"):
    """It exists already, or is in a state that forbids the operation."""


class TooManyDeletions(Conflict, code="too_many_deletions"):
    """A sync would delete more than it may; nothing was changed."""


class IngestError(OpenRAGError, code="ingest_failed"):
    """One document could not be turned into text; the batch goes on.

    `reason` is stable: encrypted, empty, corrupt, no_text, too_large, timeout, crashed, out_of_memory, unsupported.
    """

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class ConfigError(OpenRAGError, code="config_error"):
    """A setting is wrong."""


class LlmMisconfigured(ConfigError, code="llm_misconfigured"):
    """The LLM refuses our key, or has no model of the name that is set; `is_missing`: it is not there (404)."""

    def __init__(self, message: str, *, hint: str | None = None, is_missing: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_missing = is_missing


class StoreMismatch(ConfigError, code="store_mismatch"):
    """The store was made by a newer openrag or by another embedding model."""


class StoreError(OpenRAGError, code="store_error"):
    """The store could not be read or written."""


class StoreFull(StoreError, code="store_full"):
    """No space is left for the store."""


class StoreBusy(StoreError, code="store_busy"):
    """A lock could not be had in time; try again."""


class StoreDamaged(StoreError, code="store_damaged"):
    """Stored bytes are missing or not what was written."""


class ConverterUnavailable(OpenRAGError, code="converter_unavailable"):
    """No converter can be started: what is installed was changed under a running process, or the machine is short."""


class UpstreamError(OpenRAGError, code="upstream_error"):
    """An LLM, an embedder or a server could not be reached or answered nonsense.

    `retry_after_s` is how long to wait at least before asking again; None where that would not help. `retry_after` is
    what the peer itself said of it (RFC 9110, 10.2.3), for those who ask us. `is_starting`: it loads, or has no room for now.
    `extra` is what a client of ours is told beside it: the sources of an answer that broke off.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after_s: float | None = None,
        retry_after: str | None = None,
        is_starting: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s
        self.retry_after = retry_after
        self.is_starting = is_starting
        self.extra: object = None


class UpstreamDown(UpstreamError, code="upstream_down"):
    """A peer cannot be connected to."""


class UpstreamBusy(UpstreamError, code="upstream_busy"):
    """A peer limits our rate."""


class UpstreamTimeout(UpstreamError, code="upstream_timeout"):
    """A peer did not answer in time."""


class NoAnswer(UpstreamError, code="no_answer"):
    """An LLM's answer has no text, no call and no refusal."""


class UpstreamRejected(UpstreamError, code="llm_rejected"):
    """An LLM refuses this very request.

    `param` names what of it, `upstream_code` is the LLM's own word for it, `reason` all that it wrote.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        param: str | None = None,
        upstream_code: str | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.param = param
        self.upstream_code = upstream_code
        self.reason = reason


class ContextTooLong(UpstreamRejected, code="context_length_exceeded"):
    """A request does not fit the LLM's window, of `window` tokens where it says so."""

    def __init__(
        self, message: str, *, hint: str | None = None, param: str | None = None, window: int | None = None
    ) -> None:
        super().__init__(message, hint=hint, param=param)
        self.window = window


class NotAuthenticated(OpenRAGError, code="not_authenticated"):
    """The token is missing or wrong."""


class Forbidden(OpenRAGError, code="forbidden"):
    """The operating system or the server refuses access."""


class DeadlineReached(OpenRAGError, code="deadline_reached"):
    """`--timeout` ran out; what was done so far is kept."""


def is_of_machine(error: BaseException) -> bool:
    """Whether an error tells of the store or the machine, not of the one document that was being worked on."""
    if isinstance(error, StoreDamaged):
        return False  # the original of that one document
    return isinstance(error, StoreError | Forbidden | ConverterUnavailable | OSError)


MACHINE_ERRNOS = frozenset({errno.EIO, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ESTALE})
"""What the operating system says to a converter when a disk fails or it is short of something, whatever the document."""


def _cause(exc: OSError) -> str:
    """Return what the system says, and of what, without its number."""
    return f"{exc.strerror or exc}: {exc.filename}" if exc.filename else exc.strerror or str(exc)


@contextlib.contextmanager
def os_errors(what: str) -> Iterator[None]:
    """Translate operating-system errors into store errors; `what` names the thing being done.

    Raises:
        StoreFull, Forbidden, StoreError: by errno. BrokenPipeError: as it is.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of standard output has gone: no fault of the store
        raise
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StoreFull(
                f"{what}: no space left for the store", hint="free some space, then run the command again"
            ) from exc
        if exc.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise Forbidden(f"{what}: {exc.strerror}: {exc.filename}", hint="check who owns it and its mode") from exc
        raise StoreError(
            f"{what}: {_cause(exc)}", hint="check the path and the disk; --store names another folder"
        ) from exc
