"""Exit codes of the command line; the table from errors to them is in contract/error_codes.py."""

from openrag_cli.contract.error_codes import ExitCode, class_of, exit_code

__all__ = ["ExitCode", "exit_code", "failure_exit_code"]


def failure_exit_code(code: str) -> ExitCode:
    """Return the exit code for the stable code of a failed input; those of unreadable documents are 65."""
    kind = class_of(code)
    if kind is not None:
        return exit_code(kind)
    return ExitCode.BUG if code == "bug" else ExitCode.BAD_DATA
