"""Who may do what: a principal with rights, made by the guard of a server, and what each method of the engine needs.

Begin with `principal.py`. May import: errors, domain.
"""
