"""Large stores of made-up chunks, written straight into catalog and index: for tests of cost and for benchmarks.

Nothing is converted or embedded. Words are drawn by Zipf's law, vectors around centres, as texts on topics lie; or both
are given. Files are spread over partitions by shares.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from openrag_cli.documents.versions import chunker, reader_of
from openrag_cli.domain import Chunk, Span, chunk_id
from openrag_cli.engine import Engine
from openrag_cli.index.rows import Row
from openrag_cli.index.words import WORDS_VERSION

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
N_WORDS, WORDS_PER_CHUNK = 20_000, 50
CHUNKS_AT_ONCE = 25_000
ROWS_OF_COMMIT = 5000
N_CENTRES, SPREAD = 500, 1.0


def revision(n: int) -> str:
    """The revision of the nth file: 48 hex characters in order of time."""
    return f"{1_700_000_000_000 + n:012x}{n:036x}"


def file_id(n: int) -> str:
    """The id of the nth file."""
    return f"d{n % 100:02}/{n:06}.md"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a store is made of: `shares` are numbers of files of each thousand, by partition, one after the other or
    `is_spread`; `passages` and `vectors` (float32[n, dimension]) are used over and over where they are given."""

    n_files: int
    chunks_per_file: int = 2
    shares: Mapping[str, int] = field(default_factory=lambda: {"big": 1000})
    passages: Sequence[str] = ()
    vectors: "np.ndarray | None" = None
    seed: int = 7
    is_spread: bool = True
    words_per_chunk: int = WORDS_PER_CHUNK


def fill(engine: Engine, shape: Shape, *, with_index: bool = True) -> None:
    """Make the partitions, files, titles and, unless told otherwise, chunks of a store; the index is not optimized."""
    numbers = {}
    for name in shape.shares:
        engine.create_partition(name)
        numbers[name] = engine.parts.catalog.partition_ids([name])[0]
    partition_of = _owners(shape)
    if with_index:
        with engine.parts.database.write_lock():
            engine.parts.index.create()
    _add_files(engine, shape, [numbers[name] for name in partition_of])
    if with_index:
        source = _Source(shape, engine.parts.embedder.dimension)
        for group in _groups(shape.n_files, CHUNKS_AT_ONCE // shape.chunks_per_file):
            with engine.parts.database.write_lock():
                engine.parts.index.put(list(_rows(group, shape, partition_of, numbers, source)))
        _count_words(engine, source, shape)


def _owners(shape: Shape) -> list[str]:
    """Return the partition of each file."""
    owners = list(itertools.chain.from_iterable([name] * n for name, n in shape.shares.items()))
    if not shape.is_spread:
        return [owners[n * len(owners) // shape.n_files] for n in range(shape.n_files)]
    order = np.random.default_rng(shape.seed).permutation(len(owners))
    return [owners[order[n % len(owners)]] for n in range(shape.n_files)]


def _groups(n: int, n_of_group: int) -> Iterator[range]:
    yield from (range(begin, min(begin + n_of_group, n)) for begin in range(0, n, n_of_group))


def _add_files(engine: Engine, shape: Shape, partition_ids: Sequence[int]) -> None:
    made_by = json.dumps([reader_of("text/plain"), chunker(), engine.parts.embedder.identity])
    for group in _groups(shape.n_files, ROWS_OF_COMMIT):
        with engine.parts.database.transaction() as connection:
            connection.executemany(
                "INSERT INTO file (partition_id, file_id, revision, filename, media_type, size, sha256, metadata, "
                "chunk_count, created_at, updated_at, made_by, changed_at, modified_at) "
                "VALUES (?, ?, ?, ?, 'text/plain', 10, ?, ?, ?, ?, ?, ?, ?, dated('{}', '{}', ?))",
                (
                    (partition_ids[n], file_id(n), revision(n), f"{n:06}.md", EMPTY_SHA256,
                     f'{{"year": {1990 + n % 30}}}', shape.chunks_per_file, n, n, made_by, n, n)
                    for n in group
                ),
            )  # fmt: skip
            connection.executemany(
                "INSERT INTO title VALUES (?, ?, ?, ?, NULL)",
                ((revision(n), WORDS_VERSION, f"{n:06}", f"{n:06}") for n in group),
            )
            connection.executemany("INSERT INTO title_word VALUES (?, ?)", ((f"{n:06}", revision(n)) for n in group))
            connection.execute("DELETE FROM untitled")


class _Source:
    """Draws the words and vectors of chunks, and counts the words."""

    def __init__(self, shape: Shape, dimension: int) -> None:
        self._shape = shape
        self._dimension = dimension
        self._rng = np.random.default_rng(shape.seed)
        weights = 1 / np.arange(1, N_WORDS + 1)
        self._ladder = np.cumsum(weights / weights.sum())
        self._words = np.array([f"w{n:05x}" for n in range(N_WORDS)])
        self._centres = self._rng.standard_normal((N_CENTRES, dimension)).astype(np.float32)
        self._at = 0
        self.chunks_with: dict[str, int] = {}
        self.n_words = 0

    def draw(self, n: int) -> Iterator[tuple[str, "np.ndarray"]]:
        """Return the texts and vectors of so many chunks more."""
        places = (np.arange(n) + self._at) % max(1, len(self._shape.passages))
        self._at += n
        texts = [self._shape.passages[k] for k in places] if self._shape.passages else self._random_texts(n)
        vectors = self._random_vectors(n) if self._shape.vectors is None else self._near(places)
        return zip(texts, vectors, strict=True)

    def _near(self, places: "np.ndarray") -> "np.ndarray":
        """Return vectors that are given, or, when they were all used, others near them."""
        vectors = self._shape.vectors[places]  # type: ignore[index]
        if self._at > len(self._shape.vectors):  # type: ignore[arg-type]
            vectors = vectors + self._rng.standard_normal(vectors.shape) * 0.5 / np.sqrt(self._dimension)
        return _unit(vectors)

    def _random_vectors(self, n: int) -> "np.ndarray":
        noise = self._rng.standard_normal((n, self._dimension)).astype(np.float32)
        return _unit(self._centres[self._rng.integers(0, N_CENTRES, n)] + SPREAD * noise)

    def _random_texts(self, n: int) -> list[str]:
        drawn = np.searchsorted(self._ladder, self._rng.random((n, self._shape.words_per_chunk)))
        return [" ".join(row) for row in self._words[np.minimum(drawn, N_WORDS - 1)]]

    def count(self, words: str) -> None:
        """Count the words of one chunk."""
        found = words.split()
        self.n_words += len(found)
        for word in set(found):
            self.chunks_with[word] = self.chunks_with.get(word, 0) + 1


def _unit(vectors: "np.ndarray") -> "np.ndarray":
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _rows(
    group: Sequence[int], shape: Shape, partition_of: Sequence[str], numbers: Mapping[str, int], source: _Source
) -> Iterator[Row]:
    drawn = source.draw(len(group) * shape.chunks_per_file)
    for (n, ordinal), (text, vector) in zip(
        itertools.product(group, range(shape.chunks_per_file)), drawn, strict=True
    ):
        span = Span(text, 400 * ordinal, 400 * ordinal + len(text), 1, 2, None, ())
        key = chunk_id(partition_of[n], file_id(n), revision(n), ordinal)
        words = text.lower()
        source.count(words)
        chunk = Chunk(key, partition_of[n], revision(n), ordinal, span)
        yield Row(chunk, numbers[partition_of[n]], text, vector, words)


def _count_words(engine: Engine, source: _Source, shape: Shape) -> None:
    with engine.parts.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO word VALUES (?, ?, ?)",
            ((WORDS_VERSION, word, n) for word, n in source.chunks_with.items()),
        )
        connection.executemany(
            "INSERT INTO counted VALUES (?, ?)", ((WORDS_VERSION, revision(n)) for n in range(shape.n_files))
        )
        n_chunks = shape.n_files * shape.chunks_per_file
        connection.execute("INSERT INTO word_total VALUES (?, ?, ?)", (WORDS_VERSION, n_chunks, source.n_words))
