"""Files as rows, and by their metadata: conditions as trees, the SQL that finds what one lets through, the keys there are.

May import: domain and `store`. Begin with `conditions.py`.
"""
