"""Keeping a partition equal to a folder: scan, plan, run, and what is remembered of the last run.

May import: ingest and what lies below. Begin with `runner.py`; `plan.py` decides and touches nothing.
"""
