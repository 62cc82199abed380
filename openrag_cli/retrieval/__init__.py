"""From a query to hits: filters, the dense and the text leg, and how their scores are fused.

May import: index, inference, store and what lies below. Begin with `retriever.py`.
"""
