"""What a request meets before its route: who may pass, how large a body may be, and what is logged of it.

May import: what stands above the server. Begin with `access.py`: hosts, origins and the token.
"""
