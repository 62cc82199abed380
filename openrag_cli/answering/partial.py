"""An answer while it comes: its pieces, and what they come to by now."""

from dataclasses import dataclass, field

from openrag_cli.answering.citations import CitationFilter
from openrag_cli.answering.events import TextDelta, Usage
from openrag_cli.answering.llm.model import Delta
from openrag_cli.domain import Passage
from openrag_cli.errors import UpstreamError

RETRACTED = "the model marks only the end of its thoughts: what it said before that is no part of the answer"


@dataclass(slots=True)
class PartialAnswer:
    """What has come of an answer by now."""

    checked: CitationFilter
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    quotes: list[Passage] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    usage: Usage | None = None
    finish_reason: str = "stop"
    first_s: float = 0.0
    error: UpstreamError | None = None

    def take(self, delta: Delta) -> TextDelta | None:
        """Take in a piece and return what is to be shown of it."""
        self.quotes += delta.quotes
        self.usage = delta.usage or self.usage
        self.finish_reason = delta.finish_reason or self.finish_reason
        if delta.note:
            self.notes.append(delta.note)
        if delta.retracts:
            self._retract()
        checked = self.checked
        text = checked.quote(delta.text, delta.quotes[0].number) if delta.quotes else checked.feed(delta.text)
        self.texts.append(text)
        self.thoughts.append(delta.thought)
        self.refusals.append(delta.refusal)
        shown = TextDelta(text, delta.tool_calls, delta.thought, delta.refusal)
        return shown if shown != TextDelta() else None

    def _retract(self) -> None:
        """Take all text by now for a thought, its marks for none."""
        if "".join(self.texts).strip():
            self.notes.append(RETRACTED)
        self.thoughts.append("".join(self.texts) + self.checked.close())
        self.texts = []
        self.checked = CitationFilter(self.checked.n_passages, self.checked.is_verbatim)

    def close(self) -> TextDelta | None:
        """Return what the marks held back."""
        rest = self.checked.close()
        self.texts.append(rest)
        return TextDelta(rest) if rest else None
