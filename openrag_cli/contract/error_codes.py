"""The one table of errors: for each class its exit code and its HTTP status; and the way back, from a code to an error.

The stable code stands at the class itself (errors.py). A class that is not here has what its nearest ancestor has.
"""

from collections.abc import Iterable
from enum import IntEnum

from openrag_cli import errors


class ExitCode(IntEnum):
    """What the process says when it ends; after sysexits.h where that has a word for it."""

    OK = 0
    NO = 1  # the answer is "no": nothing found
    USAGE = 2  # wrong usage, or a confirmation that could not be asked
    PARTIAL = 3  # some inputs failed, the rest is committed
    NOT_AUTHENTICATED = 4
    BAD_DATA = 65  # input that cannot be read
    NOT_FOUND = 66
    UNAVAILABLE = 69  # an LLM, an embedder or a server
    BUG = 70
    EXISTS = 73
    IO = 74  # disk full, read or write error
    BUSY = 75  # try again
    FORBIDDEN = 77
    CONFIG = 78
    TIMEOUT = 124
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


TABLE: dict[type[errors.OpenRAGError], tuple[ExitCode, int]] = {
    errors.OpenRAGError: (ExitCode.BUG, 500),
    errors.InvalidInput: (ExitCode.USAGE, 400),
    errors.UnsupportedFormat: (ExitCode.BAD_DATA, 415),
    errors.TooLarge: (ExitCode.BAD_DATA, 413),
    errors.InvalidFileId: (ExitCode.BAD_DATA, 400),
    errors.InvalidMetadata: (ExitCode.BAD_DATA, 400),
    errors.NotFound: (ExitCode.NOT_FOUND, 404),
    errors.Conflict: (ExitCode.EXISTS, 409),
    errors.TooManyDeletions: (ExitCode.PARTIAL, 409),
    errors.IngestError: (ExitCode.BAD_DATA, 422),
    errors.ConfigError: (ExitCode.CONFIG, 500),
    errors.LlmMisconfigured: (ExitCode.CONFIG, 502),
    errors.StoreError: (ExitCode.IO, 500),
    errors.StoreFull: (ExitCode.IO, 507),
    errors.StoreBusy: (ExitCode.BUSY, 423),
    errors.ConverterUnavailable: (ExitCode.UNAVAILABLE, 503),
    errors.UpstreamError: (ExitCode.UNAVAILABLE, 502),
    errors.UpstreamDown: (ExitCode.UNAVAILABLE, 503),
    errors.UpstreamBusy: (ExitCode.BUSY, 429),
    errors.UpstreamTimeout: (ExitCode.UNAVAILABLE, 504),
    errors.UpstreamRejected: (ExitCode.UNAVAILABLE, 400),
    errors.NotAuthenticated: (ExitCode.NOT_AUTHENTICATED, 401),
    errors.Forbidden: (ExitCode.FORBIDDEN, 403),
    errors.DeadlineReached: (ExitCode.TIMEOUT, 408),
}

_OF_STATUS: dict[int, type[errors.OpenRAGError]] = {
    400: errors.InvalidInput,
    401: errors.NotAuthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    408: errors.DeadlineReached,
    409: errors.Conflict,
    413: errors.TooLarge,
    415: errors.UnsupportedFormat,
    422: errors.InvalidInput,
    423: errors.StoreBusy,
    429: errors.StoreBusy,
    507: errors.StoreFull,
}
"""What a status means where no code says more: of a proxy, or of another server."""


def _row(kind: type[errors.OpenRAGError]) -> tuple[ExitCode, int]:
    return next(TABLE[one] for one in kind.__mro__ if one in TABLE)


def exit_code(kind: type[errors.OpenRAGError]) -> ExitCode:
    """Return the exit code of an error class."""
    return _row(kind)[0]


def status_of(kind: type[errors.OpenRAGError]) -> int:
    """Return the HTTP status of an error class."""
    return _row(kind)[1]


def class_of(code: str) -> type[errors.OpenRAGError] | None:
    """Return the class with that stable code; None for a code that is not ours."""
    return next((kind for kind in _below(errors.OpenRAGError) if kind.code == code), None)


def _below(kind: type[errors.OpenRAGError]) -> Iterable[type[errors.OpenRAGError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _below(child)


def remade(code: str, message: str, *, hint: str | None = None, status: int = 500) -> errors.OpenRAGError:
    """Return the error that another process raised, of the class that its code names, or else its HTTP status.

    What its class knows besides (which file, how long to wait) did not travel, and is as if it were not known.
    """
    kind = class_of(code) or _OF_STATUS.get(status, errors.UpstreamError)
    if issubclass(kind, errors.IngestError):
        return errors.IngestError(message, reason="server", hint=hint)
    if kind.__init__ in {errors.OpenRAGError.__init__, errors.UpstreamError.__init__} or issubclass(
        kind, errors.UpstreamError | errors.LlmMisconfigured
    ):
        return kind(message, hint=hint)
    error = kind.__new__(kind)  # its own constructor makes its sentence; here the sentence is known
    errors.OpenRAGError.__init__(error, message, hint=hint)
    error.args = (message,)
    if isinstance(error, errors.DocumentNotFound | errors.PartitionNotFound):
        error.partition = ""
    if isinstance(error, errors.DocumentNotFound):
        error.file_id = ""
    return error
