"""Embeddings: what every embedder promises, the default model against its fp32 original, and other models."""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from openrag_cli.errors import ConfigError, InvalidInput, StoreDamaged
from openrag_cli.inference.onnx_embedder import (
    GRAPH,
    MANIFEST,
    TOKENIZER,
    OnnxEmbedder,
    default_model_dir,
    load_manifest,
    verify_model,
    verify_once,
)

GOLDEN = json.loads(Path(__file__).with_name("golden_vectors.json").read_text())
TEXTS = [
    "How often do we rotate API keys?",
    "Rotate every 90 days, and at once after a suspected leak.",
    "Où se trouve la bibliothèque ?",
    "鍵を交換する 🔑 مفتاح",
    "x",
    "",
    "a longer passage, which says the same thing again and again. " * 30,
]


@pytest.fixture(scope="module")
def default_model():
    return OnnxEmbedder(default_model_dir(), threads=2)


class EmbedderContract:
    """What every `Embedder` promises; a subclass gives the fixture `embedder`."""

    def test_a_vector_has_the_dimension_and_unit_length(self, embedder):
        vectors = embedder.embed_passages(TEXTS)
        assert vectors.shape == (len(TEXTS), embedder.dimension)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    def test_a_query_is_one_vector_of_unit_length(self, embedder):
        vector = embedder.embed_query(TEXTS[0])
        assert vector.shape == (embedder.dimension,)
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)

    def test_no_texts_give_no_rows(self, embedder):
        assert embedder.embed_passages([]).shape == (0, embedder.dimension)

    def test_the_order_of_the_texts_is_the_order_of_the_rows(self, embedder):
        order = list(range(len(TEXTS)))
        random.Random(7).shuffle(order)
        straight, shuffled = embedder.embed_passages(TEXTS), embedder.embed_passages([TEXTS[i] for i in order])
        np.testing.assert_allclose(shuffled, straight[order], atol=1e-3)

    def test_different_texts_have_different_vectors(self, embedder):
        vectors = embedder.embed_passages(TEXTS)
        similarity = vectors @ vectors.T - 2 * np.eye(len(TEXTS))
        assert similarity.max() < 1 - 1e-6

    def test_threads_can_share_one(self, embedder):
        alone = embedder.embed_passages(TEXTS)
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(embedder.embed_passages, [TEXTS] * 8))
        for vectors in together:
            np.testing.assert_allclose(vectors, alone, atol=1e-3)

    def test_identity_names_the_model_and_stays_the_same(self, embedder):
        assert embedder.identity.strip()
        assert embedder.identity == embedder.identity

    def test_a_text_that_is_not_unicode_is_refused(self, embedder):
        with pytest.raises(InvalidInput, match="not valid Unicode"):
            embedder.embed_query("caf\udce9")

    def test_the_tokenizer_file_is_there_for_the_chunker(self, embedder):
        assert embedder.tokenizer_path.is_file()
        assert embedder.max_tokens > 0


class TestDefaultModel(EmbedderContract):
    """The int8 model inside the package."""

    @pytest.fixture
    def embedder(self, default_model):
        return default_model

    @pytest.mark.parametrize("pair", GOLDEN, ids=lambda pair: pair["text"][:20] or "empty")
    def test_vectors_are_those_of_the_fp32_model_within_quantisation(self, embedder, pair):
        assert embedder.embed_query(pair["text"]) @ np.array(pair["vector"]) > 0.975

    def test_quantisation_keeps_the_similarities_of_the_fp32_model(self, embedder):
        golden = np.array([pair["vector"] for pair in GOLDEN])
        vectors = embedder.embed_passages([pair["text"] for pair in GOLDEN])
        np.testing.assert_allclose(vectors @ vectors.T, golden @ golden.T, atol=0.06)

    def test_an_answer_is_nearer_to_its_question_than_another_text(self, embedder):
        question, answer, other, *_ = embedder.embed_passages([pair["text"] for pair in GOLDEN])
        assert question @ answer > question @ other + 0.2

    @settings(max_examples=25, deadline=None)
    @given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), min_size=1, max_size=6))
    def test_a_vector_depends_on_its_text_alone(self, default_model, texts):
        together = default_model.embed_passages(texts)
        for row, text in enumerate(texts):
            np.testing.assert_array_equal(together[row], default_model.embed_query(text))

    def test_the_number_of_threads_does_not_change_a_vector(self, embedder):
        single = OnnxEmbedder(default_model_dir(), threads=1)
        np.testing.assert_array_equal(single.embed_passages(TEXTS), embedder.embed_passages(TEXTS))

    def test_a_text_is_read_up_to_256_tokens_and_no_further(self, embedder):
        assert embedder.max_tokens == 256
        read = "word " * 254  # and the two special tokens
        whole, longer, shorter = embedder.embed_passages(
            [read, read + "poison", read.removesuffix("word ") + "poison"]
        )
        np.testing.assert_array_equal(whole, longer)
        assert not np.array_equal(whole, shorter)

    @pytest.mark.parametrize(("text", "n_tokens"), [("", 2), ("one two", 4), ("one " * 1000, 1002)])
    def test_tokens_are_counted_with_special_ones_and_beyond_what_is_read(self, embedder, text, n_tokens):
        assert embedder.count_tokens(text) == n_tokens

    def test_the_package_carries_the_files_that_its_manifest_names(self):
        manifest = load_manifest(default_model_dir())
        verify_model(default_model_dir(), manifest)
        assert manifest.dimension == 384
        assert {path.name for path in default_model_dir().iterdir()} >= {
            *manifest.files,
            MANIFEST,
            "LICENSE",
            "NOTICE",
        }

    def test_the_graph_multiplies_in_int8(self):
        graph = (default_model_dir() / GRAPH).read_bytes()
        assert graph.count(b"MatMulInteger") >= 36
        assert len(graph) < 25_000_000

    def test_reading_the_manifest_imports_nothing_heavy(self):
        code = (
            "import sys; from openrag_cli.inference.onnx_embedder import *\n"
            "print(OnnxEmbedder(default_model_dir(), threads=1).identity)\n"
            "print(sorted({'numpy', 'onnxruntime', 'tokenizers'} & sys.modules.keys()))"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert ran.stdout.splitlines() == [load_manifest(default_model_dir()).identity, "[]"]


# Other models. A graph small enough to be written by hand: a token's hidden state is (id, its square root).


def field(number, content):
    """One protobuf field: varint for an int, length-delimited for the rest."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low]) if not rest else bytes([low | 0x80]) + varint(rest)


def node(op, inputs, output, attributes=b""):
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, op) + attributes)


def attribute(name, kind, number, content):
    return field(5, field(1, name) + field(number, content) + field(20, kind))


def value(name, element, *axes):
    shape = b"".join(field(1, field(2, axis) if isinstance(axis, str) else field(1, axis)) for axis in axes)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, shape)))


def tiny_graph(*, inputs=("input_ids", "attention_mask"), extra=b"", output="hidden", axes=("batch", "sequence", 2)):
    """ONNX (opset 11) with hidden states float32[batch, sequence, 2], or what the nodes in `extra` make of them."""
    nodes = (
        node("Cast", ["input_ids"], "float", attribute("to", 2, 3, 1))
        + node("Unsqueeze", ["float"], "column", attribute("axes", 7, 8, 2))
        + node("Sqrt", ["column"], "root")
        + node("Concat", ["column", "root"], "hidden", attribute("axis", 2, 3, 2))
    )
    declared = b"".join(field(11, value(name, 7, "batch", "sequence")) for name in inputs)
    graph = nodes + extra + field(2, "tiny") + declared + field(12, value(output, 1, *axes))
    return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, 11))


WORDS = ["[UNK]", "[CLS]", "[SEP]", "query", ":", "passage", "one", "two"]
VOCABULARY = {word: 9 * number for number, word in enumerate(WORDS)}


def tiny_tokenizer():
    """Words by a table; the file asks for padding to 64 and truncation to 4, as real ones do."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("[CLS]", VOCABULARY["[CLS]"]), ("[SEP]", VOCABULARY["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    tokenizer.enable_padding(length=64, pad_id=0)
    tokenizer.enable_truncation(4)
    return tokenizer.to_str()


def write_model(folder, *, graph=None, tokenizer=None, **settings):
    """Write a model folder; `settings` are laid over its manifest, None takes a key out."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPH).write_bytes(tiny_graph() if graph is None else graph)
    (folder / TOKENIZER).write_text(tiny_tokenizer() if tokenizer is None else tokenizer)
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (GRAPH, TOKENIZER)}
    manifest = {"name": "tiny", "dimension": 2, "pooling": "mean", "max_tokens": 16, "files": files, **settings}
    (folder / MANIFEST).write_text(json.dumps({key: item for key, item in manifest.items() if item is not None}))
    return folder


def tiny(folder, *, threads=1, cache_dir=None, **settings):
    return OnnxEmbedder(write_model(folder, **settings), threads=threads, cache_dir=cache_dir)


def expected(words, pooling="mean"):
    ids = np.array([VOCABULARY[word] for word in ["[CLS]", *words.split(), "[SEP]"]], dtype=np.float64)
    hidden = np.stack([ids, np.sqrt(ids)], axis=1)
    vector = hidden[0] if pooling == "cls" else hidden.mean(axis=0)
    return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module")
def cls_model(tmp_path_factory):
    """The default graph under another manifest, as bge is used."""
    folder = tmp_path_factory.mktemp("model") / "cls"
    shutil.copytree(default_model_dir(), folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest |= {"pooling": "cls", "query_prefix": "query: ", "passage_prefix": "passage: "}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return OnnxEmbedder(folder, threads=2, cache_dir=tmp_path_factory.mktemp("cache"))


class TestModelWithPrefixesAndClsPooling(EmbedderContract):
    """Another manifest: prefixes and cls pooling."""

    @pytest.fixture
    def embedder(self, cls_model):
        return cls_model

    def test_its_vectors_are_not_those_of_mean_pooling(self, embedder, default_model):
        assert embedder.embed_query("one") @ default_model.embed_query("query: one") < 0.95

    def test_a_query_and_a_passage_of_the_same_text_differ(self, embedder):
        assert not np.allclose(embedder.embed_query("one"), embedder.embed_passages(["one"])[0])

    def test_the_prefix_is_taken_from_the_tokens_that_a_passage_may_have(self, embedder):
        assert embedder.max_tokens == 254


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_is_that_of_the_manifest(tmp_path, pooling):
    embedder = tiny(tmp_path, pooling=pooling)
    np.testing.assert_allclose(embedder.embed_query("one two"), expected("one two", pooling), rtol=1e-5)


def test_prefixes_are_put_before_the_text(tmp_path):
    embedder = tiny(tmp_path, query_prefix="query: ", passage_prefix="passage: ")
    np.testing.assert_allclose(embedder.embed_query("one"), expected("query : one"), rtol=1e-5)
    np.testing.assert_allclose(embedder.embed_passages(["one"])[0], expected("passage : one"), rtol=1e-5)
    assert embedder.max_tokens == 14


def test_padding_and_truncation_of_the_tokenizer_file_are_overridden(tmp_path):
    embedder = tiny(tmp_path, max_tokens=8)
    np.testing.assert_allclose(embedder.embed_query("one two " * 9), expected("one two " * 3), rtol=1e-5)


@pytest.mark.parametrize(
    "inputs", [("input_ids",), ("input_ids", "attention_mask"), ("attention_mask", "token_type_ids", "input_ids")]
)
def test_a_graph_gets_the_inputs_that_it_declares(tmp_path, inputs):
    embedder = tiny(tmp_path, graph=tiny_graph(inputs=inputs))
    np.testing.assert_allclose(embedder.embed_query("one"), expected("one"), rtol=1e-5)


def test_a_graph_may_pool_by_itself(tmp_path):
    pool = node("ReduceMax", ["hidden"], "pooled", attribute("axes", 7, 8, 1) + attribute("keepdims", 2, 3, 0))
    embedder = tiny(tmp_path, graph=tiny_graph(extra=pool, output="pooled", axes=("batch", 2)))
    largest = np.array([VOCABULARY["one"], np.sqrt(VOCABULARY["one"])])
    np.testing.assert_allclose(embedder.embed_query("one"), largest / np.linalg.norm(largest), rtol=1e-5)


NOT_A_NUMBER = node("Log", ["negative"], "nan") + node("Identity", ["nan"], "bad")
MISFITS = {
    "unknown inputs: position_ids": {"graph": tiny_graph(inputs=("input_ids", "position_ids"))},
    "the manifest says 3 dimensions, not 2": {"dimension": 3},
    "gives no vector": {"graph": tiny_graph(extra=node("Neg", ["hidden"], "negative") + NOT_A_NUMBER, output="bad")},
    "onnxruntime cannot run": {"graph": b"not a graph"},
    "is not a tokenizer": {"tokenizer": "{}"},
}


@pytest.mark.parametrize("message", MISFITS)
def test_a_model_that_does_not_fit_its_manifest_says_so(tmp_path, message):
    with pytest.raises(ConfigError, match=message):
        tiny(tmp_path, **MISFITS[message]).embed_query("one")


def test_a_graph_that_fails_while_it_runs_says_so(tmp_path):
    rows = node("Gather", ["hidden", "input_ids"], "out", attribute("axis", 2, 3, 1))  # ids are beyond the sequence
    embedder = tiny(tmp_path, graph=tiny_graph(extra=rows, output="out", axes=("a", "b", "c", 2)))
    with pytest.raises(ConfigError, match="onnxruntime cannot run"):
        embedder.embed_passages(["one", "two"])


MALFORMED = {
    "'name'": {"name": None},
    "'dimension' must be given, as int": {"dimension": "384"},
    "'dimension' must be positive": {"dimension": 0},
    "'max_tokens' must be given": {"max_tokens": True},
    "'max_tokens' at least": {"max_tokens": 2},
    "'pooling' must be one of": {"pooling": "max"},
    "sha256, in hex, of": {"files": {GRAPH: "0" * 64}},
    "sha256, in hex": {"files": {GRAPH: "0" * 64, TOKENIZER: "short"}},
    "prefixes must be": {"query_prefix": 1},
    "'normalize'": {"normalize": False},
}


@pytest.mark.parametrize("message", MALFORMED)
def test_a_malformed_manifest_is_an_error_that_names_the_key(tmp_path, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_manifest(write_model(tmp_path, **MALFORMED[message]))
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe{", b"null"])
def test_a_manifest_that_is_not_an_object_is_an_error(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ConfigError, match=MANIFEST):
        load_manifest(tmp_path)


def test_a_folder_without_manifest_is_not_a_model(tmp_path):
    with pytest.raises(ConfigError, match="is not a model folder"):
        OnnxEmbedder(tmp_path / "absent", threads=1)


SHAPING = [
    {"pooling": "cls"},
    {"max_tokens": 17},
    {"query_prefix": "q"},
    {"passage_prefix": "p"},
    {"name": "other"},
    {"graph": tiny_graph(inputs=("input_ids",))},
]


@pytest.mark.parametrize("change", SHAPING)
def test_what_shapes_the_vectors_changes_the_identity(tmp_path, change):
    before = load_manifest(write_model(tmp_path / "a")).identity
    assert load_manifest(write_model(tmp_path / "b", licence="MIT")).identity == before
    assert load_manifest(write_model(tmp_path / "c", **change)).identity != before


@pytest.mark.parametrize("name", [GRAPH, TOKENIZER])
def test_one_flipped_byte_in_a_model_is_found_before_it_is_used(tmp_path, name):
    embedder = tiny(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StoreDamaged, match=name) as caught:
        embedder.embed_query("one")
    assert caught.value.hint


@pytest.mark.parametrize("has_cache", [True, False])
def test_a_missing_model_file_is_named(tmp_path, has_cache):
    embedder = tiny(tmp_path / "model", cache_dir=tmp_path / "cache" if has_cache else None)
    (tmp_path / "model" / GRAPH).unlink()
    with pytest.raises(StoreDamaged, match=GRAPH):
        embedder.load()


def test_a_model_is_hashed_once_per_machine_and_again_when_its_files_change(tmp_path):
    folder, cache = write_model(tmp_path / "model"), tmp_path / "cache"
    manifest = load_manifest(folder)
    verify_once(folder, manifest, cache)
    graph = folder / GRAPH
    before, content = graph.stat(), bytearray(graph.read_bytes())
    content[-1] ^= 1
    graph.write_bytes(content)
    set_mtime(graph, before.st_mtime_ns)
    verify_once(folder, manifest, cache)  # same path, size and time: it is not read again
    set_mtime(graph, before.st_mtime_ns + 1_000_000_000)
    with pytest.raises(StoreDamaged, match=GRAPH):
        verify_once(folder, manifest, cache)
    with pytest.raises(StoreDamaged, match=GRAPH):  # and what was found damaged is not remembered as good
        verify_once(folder, manifest, cache)


def test_a_cache_that_cannot_be_written_does_not_stop_the_model(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    embedder = tiny(tmp_path / "model", cache_dir=tmp_path / "cache")
    np.testing.assert_allclose(embedder.embed_query("one"), expected("one"), rtol=1e-5)


def set_mtime(path, mtime_ns):
    os.utime(path, ns=(mtime_ns, mtime_ns))
