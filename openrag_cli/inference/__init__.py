"""Models that run here: embeddings by ONNX Runtime.

May import: documents (to open a tokenizer) and what lies below. Begin with `onnx_embedder.py`: the `Embedder`
protocol and its implementation.
"""
