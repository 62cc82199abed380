"""Models that run here: embeddings by ONNX Runtime.

May import: errors, domain, limits, config. Begin with `onnx_embedder.py`: the `Embedder` protocol and its implementation.
"""
