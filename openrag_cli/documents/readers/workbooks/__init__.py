"""Workbooks: XLSX, XLS, ODS; each sheet a heading, each table in it one Markdown table of values as they are shown.

May import: the readers' base, `documents.tables`, domain and errors. Begin with `sheets.py`.
"""
