"""Child processes with limits, in which documents are read: a hostile one harms only itself.

May import: domain, errors and `documents`. Begin with `pool.py` (the parent); `child.py` is what runs inside.
"""
