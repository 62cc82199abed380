"""Cutting a document into chunks: its headings, what a model can read, where a cut may be.

May import: domain and errors. Begin with `chunker.py`.
"""
