"""What settings may be: each parser takes a value of a flag, a variable or a file, and raises ValueError with what it
must be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

LANGUAGES = (
    "Arabic", "Danish", "Dutch", "English", "Finnish", "French", "German", "Greek", "Hungarian", "Italian",
    "Norwegian", "Portuguese", "Romanian", "Russian", "Spanish", "Swedish", "Tamil", "Turkish",
)  # fmt: skip
"""The languages whose words the full-text index can stem."""


def text(value: Any) -> str:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a non-empty text")
    return value


def optional_text(value: Any) -> str | None:
    """A text; an empty one counts as none."""
    return None if value is None or value == "" else text(value)


def path(value: Any) -> Path:
    """A path; `~` is somebody's home."""
    given = text(value)
    if "\0" in given:
        raise ValueError("must be a path")
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise ValueError("begins with a home that nobody has") from None


def optional_path(value: Any) -> Path | None:
    """A path; an empty one counts as none."""
    return None if value is None or value == "" else path(value)


def optional_url(value: Any) -> str | None:
    """An http or https URL; an empty one counts as none."""
    found = optional_text(value)
    if found is not None and not found.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return found


def language(value: Any) -> str:
    """A language that can be stemmed."""
    name = text(value).capitalize()
    if name not in LANGUAGES:
        raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
    return name


def optional_path_text(value: Any) -> str:
    """A path of a URL, or nothing."""
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise ValueError("must begin with '/'")
    return value


def choice(*words: str) -> Callable[[Any], str]:
    """Return a parser that takes these words."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return str(value)

    return parse


def level(value: Any) -> str:
    """A level of log records."""
    return choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")(text(value).upper())


def flag(value: Any) -> bool:
    """A truth value, also as a word."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("must be true or false")


def integer(low: int, high: int) -> Callable[[Any], int]:
    """Return a parser of whole numbers from `low` to `high`."""

    def parse(value: Any) -> int:
        if isinstance(value, bool | float):
            raise ValueError("must be a whole number")  # noqa: TRY004 - one error type for every parser
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise ValueError("must be a whole number") from None
        if not low <= number <= high:
            raise ValueError(f"must be between {low:,} and {high:,}")
        return number

    return parse


def optional_integer(low: int, high: int) -> Callable[[Any], int | None]:
    """Return a parser of whole numbers from `low` to `high`; an empty text counts as none."""
    parse = integer(low, high)
    return lambda value: None if value is None or value == "" else parse(value)


def number(low: float, high: float) -> Callable[[Any], float]:
    """Return a parser of numbers from `low` to `high`."""

    def parse(value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError("must be a number") from None
        if not low <= number <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return number

    return parse


def words(value: Any) -> tuple[str, ...]:
    """A list of texts, or one text with commas between them."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be a list of texts")
    return tuple(item.strip() for item in items if item.strip())
