"""Documents that a question brings along: read, cut and embedded in memory, and searched alone or beside a store."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from openrag_cli.answering.passages import DocumentOf
from openrag_cli.documents.chunking.chunker import Chunker
from openrag_cli.documents.sandbox.protocol import Converted
from openrag_cli.documents.titles import document_title
from openrag_cli.domain import Chunk, Document, File, Hit, SearchMode
from openrag_cli.errors import IngestError
from openrag_cli.index.found import Found
from openrag_cli.index.rows import Match
from openrag_cli.index.word_table import WordTable
from openrag_cli.inference.onnx_embedder import Embedder
from openrag_cli.retrieval.collapse import Shown
from openrag_cli.retrieval.growing import grown
from openrag_cli.retrieval.query import Counted, Query, read_query
from openrag_cli.retrieval.request import SearchRequest
from openrag_cli.retrieval.scoring import Asked, Scored, best_first, has_phrases, score
from openrag_cli.retrieval.tokens import Tokenizer
from openrag_cli.store.files.dates import stated_at
from openrag_cli.store.searching.titles import FileTitle
from openrag_cli.store.searching.word_counts import Totals

if TYPE_CHECKING:
    import numpy as np

MAX_EMBEDDED = 2000
"""Chunks that are embedded for a question: of more, those with most of its words."""

Search = Callable[[SearchRequest], Sequence[Hit]]


@dataclass(frozen=True, slots=True)
class HandFile:
    """A file that is asked about and not stored; `name` is what citations call it."""

    name: str
    path: Path
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    file: File
    document: Document
    chunks: tuple[Chunk, ...]


class _Rows(Found):
    """Chunks as rows that were found."""

    def __init__(self, matches: "Sequence[Match]", vectors: "Sequence[np.ndarray]" = ()) -> None:
        import numpy as np

        super().__init__()
        self._own = matches
        self.ids = [match.id for match in matches]
        self.revisions = [match.revision for match in matches]
        self.ordinals = [match.ordinal for match in matches]
        self.words = WordTable.of([match.words for match in matches])
        self.vectors = np.stack(vectors) if vectors else np.zeros((len(matches), 0), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._own)

    def texts(self, places: "Sequence[int]") -> dict[int, str]:
        """Return the passages at these places."""
        return {at: self._own[at].span.text for at in places}

    def matches(self, places: "Sequence[int]") -> list[Match]:
        """Return the chunks at these places."""
        return [self._own[at] for at in places]


class _Words:
    """In how many of the chunks each word stands."""

    def __init__(self, words: Iterable[str]) -> None:
        self._counts: Counter[str] = Counter()
        self._n_chunks = self._n_words = 0
        for found in map(str.split, words):
            self._counts.update(set(found))
            self._n_chunks += 1
            self._n_words += len(found)

    def totals(self) -> Totals:
        """Return how many chunks there are, and how long they are."""
        return Totals(self._n_chunks, self._n_words)

    def chunks_with(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many chunks each word stands."""
        return {word: self._counts[word] for word in words if word in self._counts}

    def chunks_titled(self, words: Iterable[str]) -> dict[str, int]:
        """Return in how many titles each word stands: files in hand have none."""
        del words  # a title of its own would say of these few files what their chunks say
        return {}


class InHand:
    """Searches files that no store has. With `beside`, the hits of that search stand among them, by score."""

    def __init__(
        self,
        files: Sequence[HandFile],
        *,
        convert: Callable[[Path, str], Converted],
        embedder: Embedder,
        tokenizer: Tokenizer,
        beside: tuple[Search, DocumentOf] | None = None,
    ) -> None:
        """Read and cut the files. Raises: UnsupportedFormat; IngestError, when one cannot be read or has no text."""
        self._embedder = embedder
        self._tokenizer = tokenizer
        self._beside = beside
        self._held = {f"in hand {at}": _held(file, convert, f"in hand {at}") for at, file in enumerate(files)}
        chunker = Chunker(embedder.tokenizer_path, embedder.max_tokens)
        self._matches: list[Match] = []
        self._embedded: dict[str, str] = {}
        self._vectors: dict[str, np.ndarray] = {}
        for held in self._held.values():
            titled = chunker.titled(document_title(held.file.filename, held.document))
            for chunk in held.chunks:
                words = tokenizer.for_search(chunker.passage(chunk.span))
                self._matches.append(Match(chunk.id, chunk.revision, chunk.ordinal, chunk.span, 0.0, words))
                self._embedded[chunk.id] = titled.embedded(chunk.span)
        self._words = _Words(match.words for match in self._matches)

    @property
    def n_chunks(self) -> int:
        """How many chunks the files have."""
        return len(self._matches)

    @property
    def counts(self) -> Counted:
        """In how many of the chunks each word stands."""
        return self._words

    def search(self, request: SearchRequest) -> list[Hit]:
        """Return the best hits, best first. Raises: what the search beside it raises."""
        request.check()
        own = self._own_hits(request)
        if self._beside is None:
            return own
        both = [*own, *self._beside[0](replace(request, max_tokens=request.max_tokens // 2))]
        return sorted(both, key=lambda hit: hit.score, reverse=True)[: request.top_k]

    def document_of(self, revision: str) -> Document:
        """Return the text of a hit's document. Raises: what the store beside it raises."""
        if revision in self._held or self._beside is None:
            return self._held[revision].document
        return self._beside[1](revision)

    def _own_hits(self, request: SearchRequest) -> list[Hit]:
        query = read_query(request.text, self._tokenizer, self._words, self._words)
        shown = Shown(request, query.order)
        for row in self._ranked(query, request.mode):
            if not has_phrases(query, row.match):
                continue
            held = self._held[row.match.revision]
            if not shown.take(Hit(held.chunks[row.match.ordinal], held.file, row.score, row.scores), row.match.words):
                break
        if not request.context:
            return shown.hits
        chunks = {revision: held.chunks for revision, held in self._held.items()}
        documents = {revision: held.document for revision, held in self._held.items()}
        budget = request.max_tokens // 2 if self._beside else request.max_tokens
        return grown(shown.hits, chunks, documents, n_neighbours=request.context, max_tokens=budget)

    def _ranked(self, query: Query, mode: SearchMode) -> list[Scored]:
        matches: Sequence[Match] = self._matches
        if mode is SearchMode.TEXT or len(matches) > MAX_EMBEDDED:
            by_words = self._scored(Asked(query, None, SearchMode.TEXT), _Rows(matches))
            if mode is SearchMode.TEXT:
                return [row for row in by_words if row.score]
            matches = [row.match for row in by_words[:MAX_EMBEDDED]]
        self._embed(matches)
        rows = _Rows(matches, [self._vectors[match.id] for match in matches])
        return self._scored(Asked(query, self._embedder.embed_query(query.text), mode), rows)

    def _scored(self, asked: Asked, rows: "_Rows") -> list[Scored]:
        titles = {
            revision: FileTitle(len(held.chunks), place=("", held.file.file_id))
            for revision, held in self._held.items()
        }
        scores = score(asked, rows, titles, yardstick=self._embedded)
        return [Scored(rows[at], float(scores.totals[at]), scores.of(at)) for at in best_first(scores, rows, titles)]

    def _embed(self, matches: Sequence[Match]) -> None:
        missing = [match.id for match in matches if match.id not in self._vectors]
        if missing:
            vectors = self._embedder.embed_passages([self._embedded[chunk_id] for chunk_id in missing])
            self._vectors |= dict(zip(missing, vectors, strict=True))


def _held(file: HandFile, convert: Callable[[Path, str], Converted], revision: str) -> _Held:
    try:
        converted = convert(file.path, file.name)
    except IngestError as exc:
        raise IngestError(f"{file.name}: {exc.message}", reason=exc.reason, hint=exc.hint) from exc
    if not converted.spans:
        raise IngestError(f"{file.name}: it holds no text", reason="empty", hint="there is nothing to ask about")
    document = converted.document
    now = datetime.now(UTC)
    known = File(
        partition="",
        file_id=file.name,
        revision=revision,
        filename=Path(file.name).name,
        media_type=document.media_type,
        size=file.path.stat().st_size,
        sha256="",
        metadata={},
        chunk_count=len(converted.spans),
        created_at=now,
        updated_at=now,
        document_metadata=document.metadata,
        modified_at=stated_at(document.metadata) or file.changed_at or now,
    )
    chunks = tuple(Chunk(f"{revision}:{at}", "", revision, at, span) for at, span in enumerate(converted.spans))
    return _Held(known, document, chunks)
