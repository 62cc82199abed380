"""Run the command line: `openrag`, or `python -m openrag_cli`."""

import atexit
import gc
import os
import sys


def main() -> None:
    """Run the command line on this process's arguments and exit."""
    _open_missing_streams()
    atexit.register(gc.freeze)  # the last thing: else all that is loaded is searched for garbage, a fifth of a search
    try:
        sys.exit(_run(sys.argv[1:]))
    except KeyboardInterrupt:  # while the program was still being loaded
        sys.exit(130)


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["__complete"]:  # a key was pressed: no Typer
        from openrag_cli.cli.completion import run as complete

        return complete(arguments[1:])
    gc.set_threshold(10_000)  # what is loaded stays: looking for garbage in it is a tenth of a short command
    from openrag_cli.cli.main import run
    from openrag_cli.config.silence import let_threads_sleep
    from openrag_cli.index.import_shim import refuse_package

    let_threads_sleep()
    refuse_package("pandas")  # pyarrow imports it wherever it finds it: a quarter of a cold search
    return run(arguments)


def _open_missing_streams() -> None:
    """Open what the caller has closed (`2>&-`): else the next file opened takes its number, and messages go into it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(number, True)  # noqa: FBT003 - its signature
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()
