"""The programs that a person has chosen in the environment."""

import os


def editor() -> str:
    """Return the command of the editor: VISUAL, else EDITOR, else nothing."""
    return (os.environ.get("VISUAL") or os.environ.get("EDITOR") or "").strip()
