"""What a browser does not show of a page or a drawing, by its elements, attributes and style sheets.

May import: nothing of ours. Begin with `page.py`.
"""
