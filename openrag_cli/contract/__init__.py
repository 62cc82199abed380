"""The JSON that is printed and served, and its JSON Schemas.

May import: everything below it, for the types that it renders. Begin with `to_json.py`; `schemas.py` describes the same.
"""
