"""Prompts: Markdown files of the package with `${variables}`, any of which a folder of the user may replace."""

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from openrag_cli.errors import ConfigError

VARIABLES: Mapping[str, frozenset[str]] = {
    "answer": frozenset({"fence"}),
    "question": frozenset({"passages", "question"}),
    "passage": frozenset({"fence", "number", "source", "text"}),
    "small_answer": frozenset({"fence"}),
    "small_question": frozenset({"passages", "question"}),
    "nothing": frozenset({"question"}),
    "small_talk": frozenset(),
    "standalone": frozenset({"history", "question"}),
}
"""Each prompt and the variables that it has: all of them must be used, and no other."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts, checked; `Prompts.load` makes them."""

    _templates: Mapping[str, Template]

    @classmethod
    def load(cls, folder: Path | None = None) -> "Prompts":
        """Read the prompts of the package, and those of `folder` in their place.

        Raises:
            ConfigError: no such folder, a file that is no prompt, or a variable that is missing or unknown.
        """
        package = importlib.resources.files("openrag_cli") / "prompts"
        texts = {name: (package / f"{name}.md").read_text(encoding="utf-8") for name in VARIABLES}
        if folder is not None:
            texts |= _own(folder)
        return cls({name: _checked(name, text) for name, text in texts.items()})

    def render(self, name: str, **values: str) -> str:
        """Return a prompt with its variables filled in. What a value holds is never read as a variable."""
        return self._templates[name].substitute(values).strip()


def _own(folder: Path) -> dict[str, str]:
    hint = f"prompts are {', '.join(f'{name}.md' for name in VARIABLES)}"
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md")
        texts = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"the prompts of {folder} cannot be read: {exc}", hint=hint) from exc
    unknown = sorted(texts.keys() - VARIABLES.keys())
    if unknown:
        raise ConfigError(f"{folder / unknown[0]}.md is not the name of a prompt", hint=hint)
    return texts


def _checked(name: str, text: str) -> Template:
    template = Template(text)
    wanted = VARIABLES[name]
    shown = ", ".join(f"${{{variable}}}" for variable in sorted(wanted)) or "none"
    if not template.is_valid():
        raise ConfigError(f"the prompt {name}.md has a '$' that begins no variable", hint="write a dollar sign as $$")
    found = set(template.get_identifiers())
    if found != wanted:
        odd = min(found ^ wanted)
        what = "lacks" if odd in wanted else "has the unknown"
        raise ConfigError(f"the prompt {name}.md {what} variable ${{{odd}}}", hint=f"its variables are: {shown}")
    return template
