"""The process that matches: it reads frames from stdin, the pattern first, then texts, and answers each.

A frame is the length of a JSON value in 8 bytes, and the value.
"""

import json
import re
import struct
import sys
from typing import Any, BinaryIO

from openrag_cli.matching.needs import needs

MAX_MEMORY = 4 << 30
"""Bytes of address space: a pattern that wants more is refused, and the machine goes on."""

_POSIX_CLASSES = {
    "alpha": "[^\\W\\d_]", "digit": "\\d", "alnum": "[^\\W_]", "upper": "A-Z", "lower": "a-z", "space": "\\s", "blank": " \\t",
    "punct": "[^\\w\\s]", "xdigit": "0-9A-Fa-f", "word": "\\w",
    "cntrl": "\\x00-\\x1f", "print": "\\x20-\\x7e", "graph": "\\x21-\\x7e",
}  # fmt: skip
_POSIX_CLASS = re.compile(r"\[:(" + "|".join(_POSIX_CLASSES) + r"):\]")
"""What grep knows and Python takes for a set of these letters, without a word."""


def write_frame(stream: BinaryIO, value: Any) -> None:
    """Write a JSON value."""
    body = json.dumps(value).encode()
    stream.write(struct.pack(">Q", len(body)) + body)
    stream.flush()


def matches(pattern: re.Pattern[str], text: str) -> list[list[int]]:
    """Return the number of each line that matches, from 0, with the ends of its matches: [line, start, end, ...]."""
    found = []
    for number, line in enumerate(text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else ()):
        if pattern.search(line):
            found.append([number, *(end for match in pattern.finditer(line) for end in match.span())])
    return found


def main() -> None:
    """Answer frames until stdin ends."""
    _limit_memory()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    asked = _read_frame(source)
    if not asked["is_fixed"] and (found := _POSIX_CLASS.search(asked["pattern"])):
        write_frame(target, {"error": f"{found[0]} is not known, write {_POSIX_CLASSES[found[1]]}"})
        return
    source_text = re.escape(asked["pattern"]) if asked["is_fixed"] else asked["pattern"]
    try:
        pattern = re.compile(source_text, asked["flags"])
    except (re.error, OverflowError, RecursionError, MemoryError) as exc:
        write_frame(target, {"error": str(exc) or type(exc).__name__})
        return
    write_frame(target, {"needs": needs(source_text, asked["flags"])})
    while (text := _read_frame(source)) is not None:
        write_frame(target, matches(pattern, text))


def _read_frame(stream: BinaryIO) -> Any:
    head = stream.read(8)
    return json.loads(stream.read(struct.unpack(">Q", head)[0])) if len(head) == 8 else None


def _limit_memory() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = MAX_MEMORY if hard == resource.RLIM_INFINITY else min(MAX_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


if __name__ == "__main__":
    main()
