"""From bytes to text: media types, encodings, and the conversion of one document.

May import: errors, domain, limits. Begin with `convert.py`; readers, sandbox and chunking are folders of their own.
"""
