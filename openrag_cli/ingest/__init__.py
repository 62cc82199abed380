"""From a file or an upload to the index: discovery, queueing, conversion, embedding, commit.

May import: retrieval and what lies below. Begin with `pipeline.py`; `worker.py` runs it.
"""
