"""Texts that nobody is to read: whatever shows one by accident shows a mask; who needs it says `reveal()`."""

from base64 import b64encode
from urllib.parse import unquote, urlsplit

MASK = "********"


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
        return text.replace(self._text, MASK)

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
        for secret in secrets - {""}:
            text = text.replace(secret, MASK)
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
