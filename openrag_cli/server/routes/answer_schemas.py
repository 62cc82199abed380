"""What is sent to `/answers` and `/sessions`, and what the latter answer."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from openrag_cli import limits
from openrag_cli.contract.schemas import SESSION
from openrag_cli.domain import ALL_PARTITIONS, SearchMode
from openrag_cli.retrieval.request import MAX_CONTEXT, SearchRequest, SortOrder
from openrag_cli.server.schemas import Noun
from openrag_cli.store.files.dates import read_bound


class AskedMessage(BaseModel):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str


class AskedSearch(BaseModel):
    """Where to look for passages, and how many: see `/search`."""

    partitions: list[str] = [ALL_PARTITIONS]
    file_ids: list[str] = []
    top_k: int = Field(default=8, ge=1, le=limits.most("hits"))
    mode: SearchMode = SearchMode.HYBRID
    min_score: float | None = None
    per_file: int | None = Field(default=None, ge=1)
    filter: str = ""
    collapse: bool = True
    context: int = Field(default=0, ge=0, le=MAX_CONTEXT)
    since: str = ""
    until: str = ""
    sort: SortOrder = SortOrder.SCORE
    prefer_recent: float = Field(default=0.0, ge=0, le=1)

    def request(self) -> SearchRequest:
        """Return the request for the engine. Raises: InvalidInput, for what is no date."""
        given = self.model_dump(exclude={"since", "until", "prefer_recent"})
        now = datetime.now(UTC)
        return SearchRequest(
            "",
            **given,
            since=read_bound(self.since, now=now) if self.since else None,
            until=read_bound(self.until, now=now, is_last=True) if self.until else None,
            prefers_recent=self.prefer_recent,
        )


class AnswerBody(BaseModel):
    """A conversation whose last user message is the question. `is_extractive`: quote the documents, whatever LLM is set."""

    messages: list[AskedMessage]
    search: AskedSearch = AskedSearch()
    model: str | None = None
    is_extractive: bool = False


class SessionBody(BaseModel):
    """A session to begin or to go on with; `partitions` are set where some are given, `scope` where one is."""

    session: str | None = None
    partitions: list[str] = []
    scope: dict[str, Any] | None = None


class SessionName(BaseModel):
    """The new name of a session."""

    session: str


class AnsweredBody(BaseModel):
    """A question with its answer and what that cites."""

    question: str
    answer: str
    citations: list[dict[str, Any]] = []
    replaces_last: bool = False


class SessionEntry(Noun, shape=SESSION):
    """A session; `messages` counts them, and `turns` are they where one session is asked for."""


class SessionList(BaseModel):
    """The sessions, the one used last first."""

    sessions: list[SessionEntry]
