"""What `openrag help TOPIC` tells, from the very tables that the program works with."""

import re
import textwrap

from openrag_cli import limits
from openrag_cli.cli.exit_codes import ExitCode
from openrag_cli.config.folder_trust import FREE_KEYS
from openrag_cli.config.settings import SETTINGS
from openrag_cli.contract import schemas as contract

MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "success",
    ExitCode.NO: "the answer is no: nothing found, ask --strict without a citation, a check of doctor failed",
    ExitCode.USAGE: "wrong usage, or a confirmation that could not be asked",
    ExitCode.PARTIAL: "some inputs failed, the rest is committed",
    ExitCode.NOT_AUTHENTICATED: "a server wants a token, or another one",
    ExitCode.BAD_DATA: "input that cannot be read, or is too large",
    ExitCode.NOT_FOUND: "a partition, view, file, task, chunk, session or path does not exist",
    ExitCode.UNAVAILABLE: "an LLM or a server cannot be reached, failed, or took too long",
    ExitCode.BUG: "a bug in openrag; please report it",
    ExitCode.EXISTS: "it exists already, or is in the wrong state",
    ExitCode.IO: "disk full, or a read or write error",
    ExitCode.BUSY: "busy, or limited in rate: try again",
    ExitCode.FORBIDDEN: "no permission",
    ExitCode.CONFIG: "a wrong setting, or a store of another model or a newer version",
    ExitCode.TIMEOUT: "the time is up; what was done is kept",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.CLOSED_PIPE: "the reader of a pipe has gone",
    ExitCode.TERMINATED: "SIGTERM ended it; what was done is kept",
}

VARIABLES = {
    "OPENRAG_CONFIG": "path of the user's configuration file",
    "VISUAL": "editor that openrag open starts; else EDITOR",
    "EDITOR": "see VISUAL",
    "NO_COLOR": "when set: no colour; --color wins over it",
}
"""Variables that are no settings."""

OUTPUT = """Data goes to standard output; progress, notes and errors go to standard error.

A table is for people and may change. --json prints one JSON object whose first key is "schema"; its shape may grow,
never change. --jsonl prints one object a line where a list can be long. `openrag schema COMMAND` prints the JSON
Schema of what a command prints, `openrag schema` lists them. An error with --json is an object of openrag.error/1 on
standard error, and standard output stays empty. Times are RFC 3339 in UTC, sizes are bytes.

-0 separates paths and ids by NUL bytes, in and out. Without a terminal there is no colour, no bar and no question:
what destroys then needs --yes. -q leaves out notes and progress.

After a bug (exit 70) the traceback is at the end of openrag.log in the cache folder: `openrag config get cache`."""


NARROW = 100
"""Columns of a screen below which a limit takes two lines."""


def terms(entries: dict[str, str], width: int) -> str:
    """Return names with what they mean, in two columns of `width` together."""
    margin = max(map(len, entries)) + 2
    return "\n".join(
        textwrap.fill(f"{name:{margin}}{what}", width, subsequent_indent=" " * margin, break_on_hyphens=False)
        for name, what in entries.items()
    )


def _filled(text: str, width: int) -> str:
    """Return paragraphs in lines of `width` at most; those that begin with blanks stay as they are."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        part if part.startswith(" ") else textwrap.fill(part, width, break_on_hyphens=False) for part in paragraphs
    )


def exit_codes(width: int) -> str:
    """Return every exit code with its meaning, a line each."""
    return terms({f"{code.value:>3}": meaning for code, meaning in MEANINGS.items()}, width)


def environment(width: int) -> str:
    """Return every variable with what it sets."""
    entries = {name: setting.help for setting in SETTINGS for name in setting.env} | VARIABLES
    files = {
        f"{name}_FILE": "file that holds it" for setting in SETTINGS if setting.is_secret for name in setting.env
    }
    return terms(dict(sorted((entries | files).items())), width)


def filter_language(width: int) -> str:
    """Return the grammar of filters, as the module that reads them documents it."""
    from openrag_cli.retrieval import filters

    return _filled(re.sub(r"`([^`\n]*)`", r"\1", (filters.__doc__ or "").strip()), width)


def table_of_limits(width: int) -> str:
    """Return every limit: what it holds for, how much is taken, the error (or `cut`), and the setting that moves it."""
    rows = [("WHAT", "AT MOST", "ERROR", "SETTING")] + [
        (limit.what, f"{limit.most:,} {limit.unit}", limit.code, limit.setting or "") for limit in limits.TABLE
    ]
    sizes = [max(len(row[at]) for row in rows) for at in range(3)]
    lines = ["  ".join([*(cell.ljust(size) for cell, size in zip(row, sizes, strict=False)), row[3]]) for row in rows]
    if width < NARROW:
        lines = [f"{what.ljust(sizes[0])}  {most}\n    {code}  {setting}" for what, most, code, setting in rows]
    told = _filled(
        'What is over a limit is refused with that error; what is "cut" keeps its beginning, with a warning.', width
    )
    return "\n".join([told, "", *(line.rstrip() for line in lines)])


def output(width: int) -> str:
    """Return what is printed where."""
    names = ", ".join(f"openrag.{name}/1" for name in contract.SHAPES)
    return _filled(f"{OUTPUT}\n\nSchemas: {names}.", width)


TRUST = f"""Of openrag.toml in the current folder only these keys hold without a question: {", ".join(sorted(FREE_KEYS))}.

Every other key is ignored, with one line that names it, until `openrag config trust` was given in that folder: a folder
may be somebody else's, and llm.base_url, for example, says where passages and keys are sent. A change of the file asks
again; `openrag config untrust` ends it. The user's own file (`openrag config path`) needs no trust."""


def trust(width: int) -> str:
    """Return which settings of a folder are obeyed."""
    return _filled(TRUST, width)


TOPICS = {
    "trust": trust,
    "exit-codes": exit_codes,
    "environment": environment,
    "output": output,
    "filters": filter_language,
    "limits": table_of_limits,
}
