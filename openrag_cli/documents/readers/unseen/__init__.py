"""What is not shown of a page or a drawing, by its elements, attributes and style sheets, and of a page of a PDF.

May import: for PDF, what its pages are made of. Begin with `page.py`, for PDF with `pdf_suspects.py`.
"""
