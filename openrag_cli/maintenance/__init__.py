"""Looking after a store: doctor, backup, export and import, recovery of the index.

May import: everything below it; not the engine. Begin with `service.py`.
"""
