"""What is derived: chunks, vectors and full text in LanceDB. It can be built again from the store.

May import: failpoints, config and what lies below; never `store`. Begin with `table.py`.
"""
