"""A conversation that is kept: each question knows what was said before, and is kept with its answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openrag_cli.answering.conversation import Message, answered
from openrag_cli.answering.pipeline import ChatRequest
from openrag_cli.contract import to_json as render
from openrag_cli.library.answers import Answer

if TYPE_CHECKING:
    from openrag_cli.answering.events import Finished
    from openrag_cli.domain import Turn
    from openrag_cli.library.library import Library
    from openrag_cli.retrieval.request import SearchRequest


class Conversation:
    """A session of a library: see `Library.chat`. Ask the next question when the answer before has been read."""

    def __init__(self, library: Library, name: str, search: SearchRequest) -> None:
        self._library = library
        self.name = name
        """The name of the session."""
        self._search = search

    def ask(self, question: str) -> Answer:
        """Return an answer, as `Library.ask` does; read to its end, it is kept with its question.

        Raises:
            InvalidInput: no question. SessionNotFound: it was deleted meanwhile. All else where the answer is read.
        """
        said = answered([Message(turn.role, turn.content) for turn in self.turns()])
        request = ChatRequest([*said, Message("user", question)], search=replace(self._search))
        _ = request.question
        return Answer(self._library.loop, self._library.answer(request), lambda end: self._keep(question, end))

    def turns(self) -> list[Turn]:
        """Return what was said, in order. Raises: SessionNotFound."""
        return self._library.sessions.turns(self.name)

    def _keep(self, question: str, finished: Finished) -> None:
        citations = [render.passage(passage) for passage in finished.citations]
        self._library.sessions.append_answered(self.name, question, finished.kept, citations)
