"""What a model thinks aloud before its answer, told from the answer: `<think> ... </think>` at its head."""

import re
from dataclasses import dataclass

_OPEN = re.compile(r"\s*<(think|thinking|thought|reasoning)>", re.IGNORECASE)
_MAY_OPEN = re.compile(r"\s*(?:<[a-z]{0,9})?", re.IGNORECASE)
_ANYWHERE = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)\s*", re.IGNORECASE | re.DOTALL)
_ENDS = re.compile(r"\A.*</(?:think|thinking|thought|reasoning)>\s*", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class ThoughtSplitter:
    """Reads an answer piece by piece; `feed` and `close` return (thought, text)."""

    _held: str = ""
    _tag: str = ""
    _has_answer: bool = False
    _had_thought: bool = False

    def feed(self, piece: str) -> tuple[str, str]:
        """Take in a piece of the answer and return what is settled by now."""
        if self._has_answer:
            return "", piece
        self._held += piece
        return self._settle(is_last=False)

    def close(self) -> tuple[str, str]:
        """Return the rest."""
        return self._settle(is_last=True)

    def _settle(self, *, is_last: bool) -> tuple[str, str]:
        thought: list[str] = []
        while True:
            if self._tag:
                said, is_closed = self._until_end(is_last=is_last)
                thought.append(said)
                if not is_closed:
                    return "".join(thought), ""
            elif self._has_answer:
                text, self._held = self._held, ""
                return "".join(thought), text
            elif found := _OPEN.match(self._held):
                self._tag, self._held = found[1], self._held[found.end() :]
                self._had_thought = True
            elif not is_last and _MAY_OPEN.fullmatch(self._held):
                return "".join(thought), ""
            else:
                self._has_answer = True
                if self._had_thought:
                    self._held = self._held.lstrip()

    def _until_end(self, *, is_last: bool) -> tuple[str, bool]:
        mark = f"</{self._tag}>"
        at = self._held.lower().find(mark.lower())
        if at >= 0:
            said, self._held, self._tag = self._held[:at], self._held[at + len(mark) :], ""
            return said, True
        keep = 0 if is_last else len(mark) - 1
        cut = max(0, len(self._held) - keep)
        said, self._held = self._held[:cut], self._held[cut:]
        return said, False


def without_thoughts(text: str) -> str:
    """Return a whole text without what was thought aloud in it, also where only the end of a thought is marked."""
    return _ENDS.sub("", _ANYWHERE.sub("", text))
