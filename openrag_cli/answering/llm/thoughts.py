"""What a model thinks aloud before its answer, told from the answer: `<think> ... </think>` at its head.

Servers that put the opening mark into the prompt send the closing one alone: what came before it was a thought.
"""

import re
from dataclasses import dataclass

_TAG = r"(?:seed:)?(?:think|thinking|thoughts?|reason|reasoning)"
_OPEN = re.compile(
    rf"\s*(?:<{_TAG}(?:\s[^<>]{{0,80}})?>|\[think\]|\u25c1think\u25b7|<\|begin_of_thought\|>"
    r"|<\|channel\|>analysis<\|message\|>)",
    re.IGNORECASE,
)
_OPEN_WITHIN = re.compile(rf"<{_TAG}\s*>", re.IGNORECASE)
_NONE = re.compile(rf"\s*<{_TAG}\s*/>\s*", re.IGNORECASE)
_CLOSE = re.compile(
    rf"</{_TAG}\s*>|\[/think\]|\u25c1/think\u25b7|<\|end_of_thought\|>"
    r"|(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_OPENINGS = (
    *(f"<{tag}" for tag in ("think", "thinking", "thoughts", "reasoning", "seed:thinking")),
    "[think]", "\u25c1think\u25b7", "<|begin_of_thought|>", "<|channel|>analysis<|message|>",
)  # fmt: skip
_SIGNS = "<[\u25c1"
_LONGEST = len("<|end|><|start|>assistant<|channel|>final<|message|>")
_MAX_OPENING = 100
_ENDS = ("</think>", "</thinking>", "</reasoning>")
_UNOPENED = re.compile(
    rf"(?<![ \t`'\"(])(?:{'|'.join(_ENDS)})(?![`'\"])|(?<![`'\"])(?:{'|'.join(_ENDS)})(?=[ \t]*\n)", re.IGNORECASE
)
"""The end of a thought that nothing opened, not the name of such a mark within a sentence."""

_BEFORE = 16


@dataclass(slots=True)
class ThoughtSplitter:
    """Reads an answer piece by piece; `feed` and `close` return (thought, text).

    `assumes`: the answer is taken to begin within a thought, as answers of this model were found to. `was_unopened`
    becomes true where a thought ended that nothing had opened: all text returned before belongs to it.
    """

    assumes: bool = False
    was_unopened: bool = False
    _held: str = ""
    _is_thinking: bool = False
    _has_answer: bool = False
    _had_thought: bool = False
    _has_opening: bool = False
    _before: str = ""
    """The last characters of the answer itself that were returned."""

    def feed(self, piece: str) -> tuple[str, str]:
        """Take in a piece of the answer and return what is settled by now."""
        begin = max(0, len(self._held) - _LONGEST)
        self._held += piece
        if self.assumes:
            self._settle_assumed(begin)
        return ("", "") if self.assumes else self._settle(is_last=False)

    def close(self) -> tuple[str, str]:
        """Return the rest. What was assumed to be a thought and never ended is the answer."""
        self.assumes = False
        return self._settle(is_last=True)

    def _settle_assumed(self, begin: int) -> None:
        """End the assumption where an opening mark, or the end of the thought, has come; `begin`: where to look for it."""
        if _OPEN.match(self._held):
            self.assumes = False
        elif _CLOSE.search(self._held, begin):
            self.assumes, self.was_unopened, self._is_thinking = False, True, True

    def _settle(self, *, is_last: bool) -> tuple[str, str]:
        thought: list[str] = []
        while True:
            if self._is_thinking:
                said, is_closed = self._until_end(is_last=is_last)
                thought.append(said)
                if not is_closed:
                    return "".join(thought), ""
            elif self._has_answer:
                unopened = self._unopened(is_last=is_last)
                if unopened is None:
                    return "".join(thought), self._text(is_last=is_last)
                thought.append(unopened)
            elif found := _NONE.match(self._held):
                self._held, self._had_thought = self._held[found.end() :], True
            elif found := _OPEN.match(self._held):
                self._held, self._is_thinking = self._held[found.end() :], True
                self._had_thought = self._has_opening = True
            elif not is_last and _may_open(self._held):
                return "".join(thought), ""
            else:
                self._has_answer = True
                if self._had_thought:
                    self._held = self._held.lstrip()

    def _until_end(self, *, is_last: bool) -> tuple[str, bool]:
        if found := _CLOSE.search(self._held):
            said, self._held, self._is_thinking = self._held[: found.start()], self._held[found.end() :], False
            self._had_thought = True
            return said, True
        tail = max(0, len(self._held) - _LONGEST)
        signs = [at for sign in _SIGNS if (at := self._held.find(sign, tail)) >= 0]
        cut = len(self._held) if is_last or not signs else min(signs)
        said, self._held = self._held[:cut], self._held[cut:]
        return said, False

    def _unopened(self, *, is_last: bool) -> str | None:
        """Return the rest of a thought that nothing opened, where its end has come; see `was_unopened`."""
        if self._has_opening or "</" not in self._held:
            return None
        seen, n_before = self._before + self._held, len(self._before)
        found = _UNOPENED.search(seen, n_before)
        if found is None or (not is_last and found.end() == len(seen)):
            return None
        self._has_opening = True
        if _OPEN_WITHIN.search(seen, 0, found.start()):
            return None
        self.was_unopened, self._had_thought, self._has_answer = True, True, False
        self._held = seen[found.end() :]
        return seen[n_before : found.start()]

    def _text(self, *, is_last: bool) -> str:
        """Return what is settled of the answer itself: all but what may become the end of a thought."""
        text, at = self._held, -1
        if not is_last and not self._has_opening and (at := text.rfind("<")) >= 0:
            begun = text[at:].rstrip(" \t").lower()
            at = at if any(end.startswith(begun) for end in _ENDS) else -1
        cut = len(text) if at < 0 else at
        self._held = text[cut:]
        self._before = (self._before + text[:cut])[-_BEFORE:]
        self._has_opening |= bool(_OPEN_WITHIN.search(self._before + self._held))
        return text[:cut]


def _may_open(held: str) -> bool:
    begun = held.lstrip().lower()
    if len(begun) > _MAX_OPENING:
        return False
    return any(
        opening.startswith(begun) or (begun.startswith(opening) and opening[:1] == "<" and ">" not in begun)
        for opening in _OPENINGS
    )


def without_thoughts(text: str) -> str:
    """Return a whole text without what was thought aloud in it, also where only the end of a thought is marked."""
    splitter = ThoughtSplitter()
    _, first = splitter.feed(text)
    was_settled = splitter.was_unopened
    _, rest = splitter.close()
    return rest if splitter.was_unopened and not was_settled else first + rest
