"""The commands: each parses its arguments, calls the engine, and renders the answer."""
