"""Matching patterns in whole texts, in a process of their own, so that no pattern can hang a command.

May import: retrieval and below. Begin with `matcher.py`.
"""
