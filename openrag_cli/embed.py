"""Embeddings: the `Embedder` protocol, and ONNX models in a folder with a manifest.

A model folder holds `manifest.json`, the ONNX graph and `tokenizer.json`. Reading the manifest imports nothing heavy,
so that a store can be checked against its model cheaply; the session is made when the first text comes.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from openrag_cli.errors import ConfigError, StoreDamaged, os_errors

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"
POOLINGS = ("mean", "cls")

BATCH_TOKENS = 4096
"""Padded tokens in one run of the graph: more gains nothing and costs memory."""

PAD_MULTIPLE = 8
"""Lengths are padded to a multiple of this, so that the runtime sees few shapes."""

_REQUIRED = {"name": str, "dimension": int, "pooling": str, "max_tokens": int, "files": dict}


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity."""

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
    normalize: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def identity(self) -> str:
        """The name and 12 hex characters over everything that shapes the vectors."""
        shaping = [self.pooling, self.max_tokens, self.normalize, self.query_prefix, self.passage_prefix, self.files]
        return f"{self.name}@{hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]}"


def default_model_dir() -> Path:
    """Return the folder of the model inside the package."""
    return Path(__file__).parent / "models" / "all-MiniLM-L6-v2"


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
    optional = {key: data[key] for key in ("normalize", "query_prefix", "passage_prefix") if key in data}
    return ModelManifest(**{key: data[key] for key in _REQUIRED}, **optional)


def _problem(data: Any) -> str | None:
    if not isinstance(data, dict):
        return "it must be a JSON object"
    for key, kind in _REQUIRED.items():
        if not isinstance(data.get(key), kind) or isinstance(data[key], bool):
            return f"'{key}' must be given, as {kind.__name__}"
    if data["pooling"] not in POOLINGS:
        return f"'pooling' must be one of {', '.join(POOLINGS)}, not {data['pooling']!r}"
    if data["dimension"] < 1 or data["max_tokens"] < 1:
        return "'dimension' and 'max_tokens' must be positive"
    if not {GRAPH, TOKENIZER} <= data["files"].keys():
        return f"'files' must give the sha256 of {GRAPH} and {TOKENIZER}"
    if not isinstance(data.get("normalize", True), bool):
        return "'normalize' must be true or false"
    if not all(isinstance(data.get(key, ""), str) for key in ("query_prefix", "passage_prefix")):
        return "prefixes must be texts"
    return None


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
    if marker.exists():
        return
    verify_model(model_dir, manifest)
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError:  # no cache can be written here: verify again next time
        return


class OnnxEmbedder:
    """An encoder in ONNX. Safe across threads; `threads` bounds what one call uses.

    The int8 graph quantises activations for each run, over the whole batch: a vector's cosine with itself in another
    batch is above 0.99, not 1 (tests/test_embed.py).

    Raises:
        ConfigError: the folder is not a model. StoreDamaged, at first use: its files are not those of the manifest.
    """

    def __init__(self, model_dir: Path, *, threads: int, cache_dir: Path | None = None) -> None:
        self.manifest = load_manifest(model_dir)
        self.tokenizer_path = model_dir / TOKENIZER
        self._model_dir = model_dir
        self._threads = threads
        self._cache_dir = cache_dir
        self._loading = threading.Lock()

    @property
    def identity(self) -> str:
        """See `Embedder`."""
        return self.manifest.identity

    @property
    def dimension(self) -> int:
        """See `Embedder`."""
        return self.manifest.dimension

    @cached_property
    def max_tokens(self) -> int:
        """See `Embedder`: what the prefix leaves."""
        prefix = self.manifest.passage_prefix
        n_prefix = len(self._tokenizer.encode(prefix, add_special_tokens=False).ids) if prefix else 0
        return self.manifest.max_tokens - n_prefix

    def count_tokens(self, text: str) -> int:
        """Return how many tokens `text` is, special tokens included, never truncated; no prefix is put before it."""
        encoding = self._tokenizer.encode(text)
        return len(encoding.ids) + sum(len(part.ids) for part in encoding.overflowing)

    def embed_passages(self, texts: Sequence[str]) -> "np.ndarray":
        """See `Embedder`."""
        return self._embed([self.manifest.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> "np.ndarray":
        """See `Embedder`."""
        vector: np.ndarray = self._embed([self.manifest.query_prefix + text])[0]
        return vector

    def load(self) -> None:
        """Make the session and the tokenizer now, so that the first text does not wait for them."""
        _ = self._session, self._tokenizer

    @cached_property
    def _tokenizer(self) -> Any:
        import tokenizers

        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(self.tokenizer_path))
        except Exception as exc:
            raise StoreDamaged(f"the tokenizer {self.tokenizer_path} cannot be read: {exc}", hint=_REINSTALL) from exc
        tokenizer.no_padding()  # the file's own padding and truncation are for another length
        tokenizer.enable_truncation(self.manifest.max_tokens)
        return tokenizer

    @property
    def _session(self) -> Any:
        with self._loading:
            return self._made_session

    @cached_property
    def _made_session(self) -> Any:
        import onnxruntime

        if self._cache_dir is None:
            verify_model(self._model_dir, self.manifest)
        else:
            verify_once(self._model_dir, self.manifest, self._cache_dir)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # the arena keeps three times the memory and gains nothing
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves shared cores
        options.log_severity_level = 3
        path = str(self._model_dir / GRAPH)
        with os_errors("opening the model"):
            try:
                return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            except onnxruntime.capi.onnxruntime_pybind11_state.OnnxRuntimeException as exc:
                raise StoreDamaged(f"the model {path} cannot be opened: {exc}", hint=_REINSTALL) from exc

    def _embed(self, texts: Sequence[str]) -> "np.ndarray":
        import numpy as np

        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        encodings = self._tokenizer.encode_batch(list(texts))
        for rows in batches([len(encoding.ids) for encoding in encodings]):
            vectors[rows] = self._run([encodings[row].ids for row in rows])
        return vectors

    def _run(self, token_ids: Sequence[Sequence[int]]) -> "np.ndarray":
        import numpy as np

        n_columns = _padded(max(len(ids) for ids in token_ids))
        ids = np.zeros((len(token_ids), n_columns), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(token_ids):
            ids[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        offered = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        fed = {entry.name: offered[entry.name] for entry in self._session.get_inputs()}
        hidden = self._session.run(None, fed)[0]
        return self._pool(hidden, mask)

    def _pool(self, hidden: "np.ndarray", mask: "np.ndarray") -> "np.ndarray":
        import numpy as np

        if hidden.ndim == 2:  # the graph pools by itself
            pooled = hidden
        elif self.manifest.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weights = mask.astype(np.float32)
            pooled = np.matmul(weights[:, None, :], hidden)[:, 0] / np.maximum(weights.sum(axis=1), 1.0)[:, None]
        # Cosine is the store's measure, so unit length is kept whatever the manifest says of `normalize`.
        norms = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        vectors: np.ndarray = (pooled / norms).astype(np.float32)
        return vectors


def _padded(n_tokens: int) -> int:
    return -(-n_tokens // PAD_MULTIPLE) * PAD_MULTIPLE


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows, longest first, in batches of at most BATCH_TOKENS padded tokens (one row at least)."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    begin = 0
    while begin < len(order):
        size = max(1, BATCH_TOKENS // _padded(max(1, lengths[order[begin]])))
        yield order[begin : begin + size]
        begin += size
