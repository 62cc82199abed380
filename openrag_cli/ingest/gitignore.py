"""Rules of .gitignore files, with the meaning that git gives them (gitignore(5)); pathspec translates the patterns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openrag_cli.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern of an ignore file: what it matches is ignored, or (`include` false, a leading `!`) is not."""

    regex: re.Pattern[str]
    include: bool

    def matches(self, text: str) -> bool:
        """Whether the pattern means this very entry; `text` ends with `/` for a folder.

        pathspec's expressions also match what lies below a folder. git asks about each folder on the way instead, and
        a `!` for a folder says nothing of the files in it.
        """
        if not self.regex.pattern.startswith("^"):  # all entries, or all folders
            return self.regex.match(text[-1]) is not None
        if "ps_d" in self.regex.groupindex:  # the end of an entry's name
            return self.regex.fullmatch(text) is not None
        found = self.regex.match(text)  # what lies below a folder, as a/**
        return found is not None and found.end() < len(text)


def is_ignored(text: str, rules: Sequence[tuple[str, Sequence[Rule]]]) -> bool:
    """Whether rules, each list under the folder (with `/`) that its file is in, ignore the entry `text`.

    The last rule that speaks decides, and deeper files of rules speak later, as git does it.
    """
    for prefix, own in reversed(rules):
        for rule in reversed(own):
            if rule.matches(text[len(prefix) :]):
                return rule.include
    return False


def parse_rules(text: str) -> list[Rule]:
    """Return the rules of an ignore file, in order."""
    return [rule for line in text.split("\n") for rule in _parse_rule(line)]


def _parse_rule(line: str) -> list[Rule]:
    """Return the rule of a line; none for a comment, an empty line, or what is no pattern, as git does it."""
    line = line.removesuffix("\r")
    if not line or line.startswith("#"):
        return []
    if line.endswith("/**/"):  # all folders below one: pathspec takes it for that one
        line = f"{line}*/"
    try:
        patterns = compile_patterns([line]).patterns
    except InvalidInput:
        return []
    return [Rule(pattern.regex, pattern.include) for pattern in patterns if pattern.include is not None]


def compile_patterns(lines: Sequence[str]) -> Any:
    """Compile patterns in the manner of .gitignore; `match_file` of the result takes a relative path.

    Raises:
        InvalidInput: one is no pattern.
    """
    import pathspec

    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError as exc:
        raise InvalidInput(f"a pattern is not valid: {exc}", hint="patterns are those of .gitignore") from exc
