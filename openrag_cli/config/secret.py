"""Texts that nobody is to read: whatever shows one by accident shows a mask; who needs it says `reveal()`."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from openrag_cli.errors import ConfigError

MASK = "********"
_MIN_CHARS = 4
"""A shorter secret is masked where it stands as a word."""

_HEAD = 8
"""Who cuts a secret shows its beginning: so many characters of it are masked with what follows of it."""

_SECRET_NAME = re.compile(r"(?i)key|token|secret|sig|auth|pass|pwd|code|credential")


def hidden(text: str, secret: str) -> str:
    """Return a text, which somebody else wrote, with a secret masked: as it is, cut, and as JSON and URLs write it."""
    in_json = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    forms = {secret, *in_json, *(form.replace("/", "\\/") for form in in_json), quote(secret), quote(secret, safe="")}
    for form in sorted(forms, key=len, reverse=True):
        is_short = len(form) < _MIN_CHARS
        text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text) if is_short else text.replace(form, MASK)
    if len(secret) < _HEAD + _MIN_CHARS:
        return text
    first, *parts = text.split(secret[:_HEAD])
    return first + "".join(MASK + part[_n_alike(part, secret[_HEAD:]) :] for part in parts)


def _n_alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )


class Secret:
    """A token or key. `str`, `repr`, formatting and logging show a mask; `json` refuses it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for a header, a comparison, a file of its owner."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """Return `text`, which somebody else wrote, with every copy of the secret masked."""
        return hidden(text, self._text) if self._text else text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)


class Url:
    """A URL that may hold a user's name and password: shown with these, and the values of its query, masked."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the URL as it was given: for a connection."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """Return `text`, which somebody else wrote, with the URL and its password masked."""
        text = text.replace(self._text, str(self)).replace(self._text.rstrip("/"), str(self).rstrip("/"))
        user, _, password = _user_part(self._text).partition(":")
        secrets = {password or user, unquote(password or user)}
        if self.credentials:
            secrets.add(b64encode(":".join(self.credentials).encode()).decode())  # as the Authorization header has it
        query = parse_qsl(self._text.partition("?")[2])
        secrets |= {value for name, value in query if _SECRET_NAME.search(name)}
        for secret in secrets - {""}:
            text = hidden(text, secret)
        return text

    @property
    def address(self) -> str:
        """The URL without the user's name and password: what a library may log."""
        user = _user_part(self._text)
        return self._text.replace(f"{user}@", "", 1) if user else self._text

    @property
    def credentials(self) -> tuple[str, str] | None:
        """The user's name and password, decoded; None when the URL has none."""
        user, _, password = _user_part(self._text).partition(":")
        return (unquote(user), unquote(password)) if user or password else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Url, self._text))

    def __str__(self) -> str:
        user = _user_part(self._text)
        shown = self._text.replace(f"{user}@", f"{MASK}@", 1) if user else self._text
        address, mark, _ = shown.partition("?")
        return f"{address}?{MASK}" if mark else address

    def __repr__(self) -> str:
        return f"Url({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def _user_part(url: str) -> str:
    """Return what stands before the `@` of a URL's authority; empty when there is none. Never fails."""
    try:
        authority = urlsplit(url).netloc or url.partition("/")[0]
    except ValueError:  # brackets that close nothing
        authority = url.partition("//")[2] or url
    return authority.rpartition("@")[0]


MAX_SECRET_BYTES = 1 << 16


def in_environment(names: Sequence[str], environ: Mapping[str, str], *, is_secret: bool) -> Iterator[tuple[str, str]]:
    """Yield each variable of a setting that is set, with the value: `NAME`, and of a secret `NAME_FILE` with what its file
    holds.

    Raises:
        ConfigError: the file cannot be read, holds nothing, or more than `MAX_SECRET_BYTES`.
    """
    for name in names:
        if environ.get(name):
            yield name, environ[name]
        elif is_secret and environ.get(f"{name}_FILE"):
            yield f"{name}_FILE", _content(f"{name}_FILE", environ[f"{name}_FILE"])


def _content(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
        text = content.decode("utf-8-sig").strip()
    except OSError as exc:
        raise _no_secret(name, path, f"which cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise _no_secret(name, path, "which is no text") from None
    if len(content) > MAX_SECRET_BYTES:
        raise _no_secret(name, path, f"which has over {MAX_SECRET_BYTES >> 10} KiB")
    if not text:
        raise _no_secret(name, path, "which is empty")
    return text


def _no_secret(name: str, path: str, why: str) -> ConfigError:
    return ConfigError(f"{name} names {path}, {why}", hint="it holds the secret, and nothing else")
