"""Exit codes of the command line, and the one table from errors to them. Their HTTP twins are in server/errors.py."""

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


TABLE: dict[type[errors.OpenRAGError], ExitCode] = {
    errors.OpenRAGError: ExitCode.BUG,
    errors.InvalidInput: ExitCode.USAGE,
    errors.UnsupportedFormat: ExitCode.BAD_DATA,
    errors.TooLarge: ExitCode.BAD_DATA,
    errors.InvalidFileId: ExitCode.BAD_DATA,
    errors.InvalidMetadata: ExitCode.BAD_DATA,
    errors.NotFound: ExitCode.NOT_FOUND,
    errors.Conflict: ExitCode.EXISTS,
    errors.TooManyDeletions: ExitCode.PARTIAL,
    errors.IngestError: ExitCode.BAD_DATA,
    errors.ConfigError: ExitCode.CONFIG,
    errors.StoreError: ExitCode.IO,
    errors.StoreBusy: ExitCode.BUSY,
    errors.ConverterUnavailable: ExitCode.UNAVAILABLE,
    errors.UpstreamError: ExitCode.UNAVAILABLE,
    errors.UpstreamBusy: ExitCode.BUSY,
    errors.NotAuthenticated: ExitCode.NOT_AUTHENTICATED,
    errors.Forbidden: ExitCode.FORBIDDEN,
    errors.DeadlineReached: ExitCode.TIMEOUT,
}
"""An error that is not here has the code of its nearest ancestor."""


def exit_code(error: type[errors.OpenRAGError]) -> ExitCode:
    """Return the exit code of an error class."""
    return next(TABLE[kind] for kind in error.__mro__ if kind in TABLE)


def failure_exit_code(code: str) -> ExitCode:
    """Return the exit code for the stable code of a failed input; those of unreadable documents are 65."""
    pending = [errors.OpenRAGError]
    while pending:
        kind = pending.pop()
        if kind.code == code and kind is not errors.OpenRAGError:
            return exit_code(kind)
        pending += kind.__subclasses__()
    return ExitCode.BUG if code == "bug" else ExitCode.BAD_DATA
