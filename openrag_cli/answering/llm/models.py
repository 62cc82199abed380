"""The models that a server lists, in any of the shapes that servers have, and which of them can chat."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_CANNOT_CHAT = re.compile(
    r"(?i)embed|rerank|whisper|tts|transcri|speech|dall-?e|image|moderation|guard|\bocr\b|\bbge-|\be5-|\bgte-|\bclip\b"
    r"|realtime|stable-diffusion|flux|minilm|nomic|davinci-00|babbage-00"
)
_WINDOWS = ("max_model_len", "loaded_context_length", "context_length", "context_window", "max_context_length")


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model of a server; `window` is how many tokens it reads and writes together, where the server says so."""

    id: str
    window: int | None = None


def read_models(body: Any) -> list[ModelInfo]:
    """Return the models of a listing: OpenAI's `data`, or `models` of ids, names or objects; [] for anything else."""
    entries = body.get("data", body.get("models")) if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return []
    return [info for entry in entries if (info := _info(entry)) is not None]


def _info(entry: Any) -> ModelInfo | None:
    if isinstance(entry, str):
        return ModelInfo(entry)
    if not isinstance(entry, dict):
        return None
    name = entry.get("id") or entry.get("model") or entry.get("name")
    if not isinstance(name, str):
        return None
    meta = entry.get("meta")
    told = [entry.get(key) for key in _WINDOWS] + [meta.get("n_ctx") if isinstance(meta, dict) else None]
    return ModelInfo(name, next((n for n in told if isinstance(n, int) and not isinstance(n, bool) and n > 0), None))


def window_of(models: Sequence[ModelInfo], model: str | None) -> int | None:
    """Return the window of a model, by its id; the only one that a server has is meant whatever it is called."""
    wanted = model or choose(models)
    if len(models) == 1:
        return models[0].window
    return next((info.window for info in models if info.id in {wanted, f"{wanted}:latest"}), None)


def choose(models: Sequence[ModelInfo]) -> str | None:
    """Return the first model that can chat, by its name; the first of all where none seems to; None of none."""
    able = [info.id for info in models if not _CANNOT_CHAT.search(info.id)]
    return able[0] if able else models[0].id if models else None
