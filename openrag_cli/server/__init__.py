"""The HTTP API: a thin edge on the engine, as `commands` is on the command line."""
