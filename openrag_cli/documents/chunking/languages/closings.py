"""What closes a stretch of markup, looked for so that many that are never closed cost no more than one."""

import re

_Found = re.Match[str] | None


class Closings:
    """The marks in one text that close what others open. It is asked from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known: dict[str, tuple[int, _Found]] = {}

    def after(self, position: int, mark: str) -> _Found:
        """Return the first match of a pattern (letters of any case, `^` and `$` of lines) that begins there or later."""
        asked_at, found = self._known.get(mark, (len(self._text) + 1, None))
        if position < asked_at or (found is not None and found.start() < position):
            found = re.compile(mark, re.IGNORECASE | re.MULTILINE).search(self._text, position)
            self._known[mark] = position, found
        return found

    def span_after(self, position: int, mark: str, *, within: int | None = None) -> tuple[int, int]:
        """Return where that is, if it begins within so many characters, else an empty stretch at the position."""
        found = self.after(position, mark)
        is_far = found is not None and within is not None and found.start() > position + within
        return (position, position) if found is None or is_far else found.span()
