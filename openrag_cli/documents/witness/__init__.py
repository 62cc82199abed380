"""The texts of documents by other means than their readers': what the guard compares the readers' texts with.

May import: domain, errors, and of `documents` what decodes text and `readers.base`. Begin with `texts.py`.
"""
