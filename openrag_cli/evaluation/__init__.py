"""Measures of retrieval quality: nDCG, recall, MRR.

May import: answering and what lies below. Begin with `metrics.py`.
"""
