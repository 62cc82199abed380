"""Documents that are one file of XML: flat office documents, the formats of Office 2003, DocBook.

May import: the readers, `documents.tables`, domain and errors. Begin with `flat.py`.
"""
