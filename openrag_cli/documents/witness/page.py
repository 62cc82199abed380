"""The texts of web pages, by the parser of the standard library."""

import contextlib
from html.parser import HTMLParser

_NO_TEXT = frozenset({"script", "style", "template", "noscript", "head", "annotation", "annotation-xml"})


class _PageTexts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `html.parser.HTMLParser`."""
        del attrs
        if tag in _NO_TEXT:
            self._within.append(tag)
        if tag == "body":
            self._within.clear()

    def handle_endtag(self, tag: str) -> None:
        """See `html.parser.HTMLParser`."""
        if tag in self._within:
            del self._within[self._within.index(tag) :]

    def handle_data(self, data: str) -> None:
        """See `html.parser.HTMLParser`."""
        if not self._within:
            self.texts.append(data)


def texts_of(page: str) -> list[str]:
    """Return the texts of a web page, without scripts, styles and its head."""
    parser = _PageTexts()
    with contextlib.suppress(AssertionError):  # what it raises on some broken declarations
        parser.feed(page)
        parser.close()
    return parser.texts
