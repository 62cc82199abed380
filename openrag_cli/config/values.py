"""What settings may be: each parser takes a value of a flag, a variable or a file, and raises ValueError with what it
must be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import urlsplit

from openrag_cli.config.secret import Secret, Url

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


def host(value: Any) -> str:
    """An address or a name: no URL, which may hold a password."""
    given = text(value).strip()
    if any(mark in given for mark in "/@?# "):
        raise ValueError("must be an address or a name, such as 0.0.0.0")
    return given


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


def optional_address(value: Any) -> Url | None:
    """A URL that may hold a password; an empty one counts as none."""
    found = optional_text(value)
    return None if found is None else Url(found.strip())


def optional_url(value: Any) -> Url | None:
    """An http or https URL that may hold a password; an empty one counts as none."""
    found = optional_address(value)
    if found is not None and not found.reveal().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return found


def optional_public_url(value: Any) -> str | None:
    """An http or https URL that everybody may see, without what comes after its path; an empty one counts as none."""
    found = optional_url(value)
    if found is None:
        return None
    parts = urlsplit(found.reveal())  # a ValueError of its own says what is wrong
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be a host and a path, without password, query and fragment")
    return found.reveal().rstrip("/")


OF_URLS = frozenset({optional_address, optional_url, optional_public_url})
"""What is given to these may hold a password."""


def optional_secret(value: Any) -> Secret | None:
    """A key that goes into a header; white space at its ends is not part of it. An empty one counts as none."""
    if value is None or value == "":
        return None
    found = value.strip() if isinstance(value, str) else ""
    if not found:
        raise ValueError("must be a text that is not blank")
    if any(category(char) in {"Cc", "Cs"} for char in found):  # Cs: bytes that are not UTF-8
        raise ValueError("must be UTF-8 without control characters, as a header wants")
    return Secret(found)


def optional_token(value: Any) -> Secret | None:
    """A token: as `optional_secret`, and without white space inside."""
    found = optional_secret(value)
    if found is not None and any(char.isspace() for char in found.reveal()):
        raise ValueError("must hold no white space inside")
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
        """Return the value that a text stands for. Raises: ValueError."""
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
        """Return the value that a text stands for. Raises: ValueError."""
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
        """Return the value that a text stands for. Raises: ValueError."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError("must be a number") from None
        if not low <= number <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return number

    return parse


def optional_number(low: float, high: float) -> Callable[[Any], float | None]:
    """Return a parser of numbers from `low` to `high`; nothing counts as none."""
    parse = number(low, high)
    return lambda value: None if value is None or value == "" else parse(value)


def words(value: Any) -> tuple[str, ...]:
    """A list of texts, or one text with commas between them."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be a list of texts")
    return tuple(item.strip() for item in items if item.strip())


def public_words(value: Any) -> tuple[str, ...]:
    """A list of hosts or origins, which everybody may see."""
    found = words(value)
    if any("@" in item for item in found):
        raise ValueError("must be without a user's name and password")
    return found
