"""How long a text is for an LLM, without its tokenizer."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens an LLM reads in `text`, rather too many than too few."""
    n_ascii = sum(char.isascii() for char in text) if not text.isascii() else len(text)
    return int(n_ascii / 3.5 + (len(text) - n_ascii) / 1.5) + 1
