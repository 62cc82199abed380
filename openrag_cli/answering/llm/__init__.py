"""Language models: what goes to one, and what comes from it. No other code knows a dialect of the API.

May import: what `answering` may. Begin with `model.py`; `request.py` is what goes out, `response.py` what comes in.
"""
