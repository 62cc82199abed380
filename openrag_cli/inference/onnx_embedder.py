"""Embeddings: the `Embedder` protocol, and ONNX models in a folder with a manifest.

A model folder holds `manifest.json`, the ONNX graph and `tokenizer.json`. Reading the manifest imports nothing heavy,
so that a store can be checked against its model cheaply; the session is made when the first text comes.

Each text is one run of the graph, on one thread; several texts run side by side. An int8 graph takes the scale of its
activations from everything in the run, so a vector made in a batch depends on its neighbours (its cosine with itself
in another batch fell to 0.988); made alone it depends on its text only. It is not slower: nothing is padded, and the
activations stay in the cache (tokens per second against batches of 4,096 padded tokens, all-MiniLM-L6-v2: 1.25 on one
thread, 1.45 on two).
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from openrag_cli.documents.chunking.token_count import open_tokenizer
from openrag_cli.errors import ConfigError, InvalidInput, StoreDamaged

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"
POOLINGS = ("mean", "cls")

MIN_TOKENS = 8
"""A model reads at least this: the tokenizer cannot cut to less than its special tokens and says nothing."""

_REQUIRED = {"name": str, "dimension": int, "pooling": str, "max_tokens": int, "files": dict}


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity. Safe across threads.

    Raises:
        InvalidInput: a text is not valid Unicode.
    """

    @property
    def identity(self) -> str:
        """The name of the model and a hash of all that shapes its vectors; a store is bound to it."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of a passage are read, special tokens included, the prefix not."""

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer file that chunks are measured with."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens `text` is, special tokens included, never truncated."""

    def embed_passages(self, texts: Sequence[str]) -> "np.ndarray":
        """Return float32[n, dimension] in the order of `texts`, rows L2-normalised."""

    def embed_query(self, text: str) -> "np.ndarray":
        """Return float32[dimension], L2-normalised."""


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What a model folder says of itself. `files` maps names to sha256 in hex."""

    name: str
    dimension: int
    pooling: str
    max_tokens: int
    files: dict[str, str]
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def identity(self) -> str:
        """The name and 12 hex characters over everything that shapes the vectors."""
        shaping = [self.pooling, self.max_tokens, self.query_prefix, self.passage_prefix, self.files]
        return f"{self.name}@{hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]}"


def default_model_dir() -> Path:
    """Return the folder of the model inside the package."""
    return Path(__file__).parents[1] / "models" / "all-MiniLM-L6-v2"


def load_manifest(model_dir: Path) -> ModelManifest:
    """Read a model folder's manifest.

    Raises:
        ConfigError: there is none, or a key is missing or of the wrong kind.
    """
    path = model_dir / MANIFEST
    hint = "a model folder holds manifest.json, model.onnx and tokenizer.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{model_dir} is not a model folder: {MANIFEST}: {exc.strerror}", hint=hint) from exc
    except ValueError as exc:
        raise ConfigError(f"{path} is not JSON: {exc}", hint=hint) from exc
    problem = _problem(data)
    if problem:
        raise ConfigError(f"{path}: {problem}", hint=hint)
    optional = {key: data[key] for key in ("query_prefix", "passage_prefix") if key in data}
    return ModelManifest(**{key: data[key] for key in _REQUIRED}, **optional)


def _problem(data: Any) -> str | None:
    if not isinstance(data, dict):
        return "it must be a JSON object"
    for key, kind in _REQUIRED.items():
        if not isinstance(data.get(key), kind) or isinstance(data[key], bool):
            return f"'{key}' must be given, as {kind.__name__}"
    if data["pooling"] not in POOLINGS:
        return f"'pooling' must be one of {', '.join(POOLINGS)}, not {data['pooling']!r}"
    if data["dimension"] < 1 or data["max_tokens"] < MIN_TOKENS:
        return f"'dimension' must be positive and 'max_tokens' at least {MIN_TOKENS}"
    if not {GRAPH, TOKENIZER} <= data["files"].keys() or not all(map(_is_sha256, data["files"].values())):
        return f"'files' must give the sha256, in hex, of {GRAPH} and {TOKENIZER}"
    if data.get("normalize", True) is not True:
        return "'normalize' can only be true: vectors are compared by their cosine"
    if not all(isinstance(data.get(key, ""), str) for key in ("query_prefix", "passage_prefix")):
        return "prefixes must be texts"
    return None


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def verify_model(model_dir: Path, manifest: ModelManifest) -> None:
    """Compare each file of the model with the sha256 in its manifest.

    Raises:
        StoreDamaged: one is missing or differs.
    """
    for name, expected in manifest.files.items():
        path = model_dir / name
        try:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as exc:
            raise StoreDamaged(f"the model file {path} cannot be read: {exc.strerror}", hint=_REINSTALL) from exc
        if found != expected:
            raise StoreDamaged(f"the model file {path} is not what its manifest says (sha256)", hint=_REINSTALL)


_REINSTALL = "reinstall with: pip install --force-reinstall openrag-cli, or restore the model folder"


def verify_once(model_dir: Path, manifest: ModelManifest, cache_dir: Path) -> None:
    """Verify a model the first time that this machine sees these files (path, size, time of change).

    Raises:
        StoreDamaged: see `verify_model`.
    """
    marks = []
    for name in manifest.files:
        path = model_dir / name
        try:
            status = path.stat()
        except OSError as exc:
            raise StoreDamaged(f"the model file {path} cannot be read: {exc.strerror}", hint=_REINSTALL) from exc
        marks.append([str(path.resolve()), status.st_size, status.st_mtime_ns, manifest.files[name]])
    key = hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:24]
    marker = cache_dir / "verified" / key
    with suppress(OSError):  # a cache that cannot be read: verify each time
        if marker.exists():
            return
    verify_model(model_dir, manifest)
    with suppress(OSError):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


class OnnxEmbedder:
    """An encoder in ONNX: see `Embedder`. At most `threads` texts of one call run at the same time.

    A vector depends on its text alone, not on what it is embedded with.

    Raises:
        ConfigError: the folder is not a model; at first use, its graph or tokenizer is not what the manifest says.
        StoreDamaged: at first use, a file differs from its sha256. With `cache_dir`, checked once per machine.
    """

    def __init__(self, model_dir: Path, *, threads: int, cache_dir: Path | None = None) -> None:
        self.manifest = load_manifest(model_dir)
        self.tokenizer_path = model_dir / TOKENIZER
        self._model_dir = model_dir
        self._threads = threads
        self._cache_dir = cache_dir
        self._lock = threading.RLock()
        self._is_verified = False
        self._opened_tokenizer: Any = None
        self._opened_session: Any = None

    @property
    def identity(self) -> str:
        """See `Embedder`."""
        return self.manifest.identity

    @property
    def dimension(self) -> int:
        """See `Embedder`."""
        return self.manifest.dimension

    @property
    def max_tokens(self) -> int:
        """See `Embedder`: what the prefix leaves."""
        prefix = self.manifest.passage_prefix
        n_prefix = len(self._tokenizer.encode(prefix, add_special_tokens=False).ids) if prefix else 0
        return self.manifest.max_tokens - n_prefix

    def count_tokens(self, text: str) -> int:
        """See `Embedder`; no prefix is put before it."""
        encoding = self._encode(text)
        n_special: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)  # each piece cut off has its own
        pieces = [encoding, *encoding.overflowing]
        return n_special + sum(len(piece.ids) - n_special for piece in pieces)

    def embed_passages(self, texts: Sequence[str]) -> "np.ndarray":
        """See `Embedder`."""
        import numpy as np

        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        prefixed = [self.manifest.passage_prefix + text for text in texts]
        if not prefixed:
            return vectors
        self.load()
        n_threads = min(self._threads, len(prefixed))
        with ThreadPoolExecutor(n_threads) as pool:
            side_by_side = pool.map if n_threads > 1 else map
            for row, vector in enumerate(side_by_side(self._embed, prefixed)):
                vectors[row] = vector
        return vectors

    def embed_query(self, text: str) -> "np.ndarray":
        """See `Embedder`."""
        return self._embed(self.manifest.query_prefix + text)

    def load(self) -> None:
        """Open the model now, so that the first text does not wait for it."""
        _ = self._session, self._tokenizer

    @property
    def _tokenizer(self) -> Any:
        with self._lock:
            if self._opened_tokenizer is None:
                self._verify()
                self._opened_tokenizer = open_tokenizer(self.tokenizer_path)
                self._opened_tokenizer.enable_truncation(self.manifest.max_tokens)
            return self._opened_tokenizer

    @property
    def _session(self) -> Any:
        with self._lock:
            if self._opened_session is None:
                self._verify()
                self._opened_session = _open_session(self._model_dir / GRAPH, self.manifest.max_tokens)
            return self._opened_session

    def _verify(self) -> None:
        if self._is_verified:
            return
        if self._cache_dir is None:
            verify_model(self._model_dir, self.manifest)
        else:
            verify_once(self._model_dir, self.manifest, self._cache_dir)
        self._is_verified = True

    def _encode(self, text: str) -> Any:
        try:
            return self._tokenizer.encode(text)
        except TypeError as exc:  # what the tokenizer makes of a lone surrogate
            raise InvalidInput(
                f"the text is not valid Unicode: {text[:80]!r}", hint="give the text as UTF-8"
            ) from exc

    def _embed(self, text: str) -> "np.ndarray":
        import numpy as np

        ids = np.array([self._encode(text).ids], dtype=np.int64)
        if not ids.size:
            raise InvalidInput(f"the model reads nothing in {text[:80]!r}", hint="give some words")
        values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        session = self._session
        fed = {entry.name: values[entry.name] for entry in session.get_inputs()}
        with _graph_errors(self._model_dir / GRAPH):
            hidden = session.run([session.get_outputs()[0].name], fed)[0][0]
        return self._pool(hidden)

    def _pool(self, hidden: "np.ndarray") -> "np.ndarray":
        """Return the unit vector of a text's hidden states, float[tokens, dimension], or of what the graph pooled."""
        import numpy as np

        if hidden.ndim == 2:
            hidden = hidden[0] if self.manifest.pooling == "cls" else hidden.mean(axis=0)
        if hidden.shape != (self.dimension,):
            raise ConfigError(
                f"{self._model_dir}: the manifest says {self.dimension} dimensions, not {hidden.shape[-1]}"
            )
        norm = np.linalg.norm(hidden)
        if not np.isfinite(norm) or norm == 0:
            raise ConfigError(
                f"{self._model_dir}: the graph gives no vector (its length is {norm})", hint=_OTHER_GRAPH
            )
        vector: np.ndarray = (hidden / norm).astype(np.float32)
        return vector


_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_SLOW_FUSIONS = ["SkipLayerNormFusion"]
"""Of onnxruntime's: the fused sum and norm adds number by number, and costs a seventh of all of a small encoder."""

_SHORT = 512
"""Tokens of a model whose longest text takes little memory; it grows with their square."""

_OTHER_GRAPH = "export the encoder with inputs input_ids and attention_mask, and hidden states as its first output"


@contextmanager
def _graph_errors(path: Path) -> Iterator[None]:
    """Translate onnxruntime's errors, which have no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as ort

    own = (
        ort.EPFail, ort.EngineError, ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf,
        ort.NoModel, ort.NoSuchFile, ort.NotImplemented, ort.RuntimeException,
    )  # fmt: skip
    try:
        yield
    except own as exc:
        raise ConfigError(f"onnxruntime cannot run {path}: {exc}", hint=_OTHER_GRAPH) from exc


def _open_session(path: Path, max_tokens: int) -> Any:
    from openrag_cli.config.silence import silence_libraries

    silence_libraries()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # texts run side by side instead
    options.inter_op_num_threads = 1
    # The arena keeps what the longest text took. Without it each thread's text maps its memory anew: a twentieth of it.
    options.enable_cpu_mem_arena = max_tokens <= _SHORT
    options.log_severity_level = 4  # errors are raised; written to stderr too they would be there twice
    with _graph_errors(path):
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW_FUSIONS
        )
    unknown = {entry.name for entry in session.get_inputs()} - _INPUTS
    if unknown:
        raise ConfigError(f"{path}: unknown inputs: {', '.join(sorted(unknown))}", hint=_OTHER_GRAPH)
    return session
