"""From a question to an answer with citations: passages, prompts, the LLM, and answers without one.

May import: retrieval, config and what lies below. Begin with `pipeline.py`.
"""
