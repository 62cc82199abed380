"""What an LLM's status says, as our errors: whose fault it is, whether to ask again, and what to tell the client."""

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from openrag_cli.errors import (
    ConfigError,
    ContextTooLong,
    LlmMisconfigured,
    UpstreamBusy,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
HINT = "check OPENRAG_LLM_BASE_URL, OPENRAG_LLM_MODEL and OPENRAG_LLM_API_KEY, or use --no-llm"
BUSY_HINT = "ask again later, or use --no-llm"
TOO_LONG_HINT = "OPENRAG_LLM_CONTEXT_TOKENS is the LLM's window; a smaller -k shows it fewer passages"
_TOO_LONG = re.compile(
    r"(?i)context[ _](?:length|size|window)|maximum context|exceeds? (?:the )?(?:available )?context|prompt is too long"
    r"|too many (?:input )?tokens|input (?:is )?too long|exceed_context"
)
_WINDOW = re.compile(
    r"(?i)(?:maximum context length (?:is|of)|context (?:length|size|window) (?:is|of|:|=)?)\D{0,20}(\d{3,8})"
)
_LOADING = re.compile(r"(?i)loading|starting|warming|not ready|overloaded")
_MODEL = re.compile(r"(?i)\bmodel\b")


def refusal(
    where: str, status: int, text: str, headers: Mapping[str, str], *, model: str
) -> UpstreamError | ConfigError:
    """Return a status of 400 and more as an error; `where` names the LLM, `text` is what it said, secrets masked."""
    error = _error(text)
    why = message_of(text)
    if _is_too_long(status, error, text):
        shown = f"{where} says that the request is too long for it: {why}"
        return ContextTooLong(shown, hint=TOO_LONG_HINT, param=_text(error.get("param")), window=_window(error, text))
    if status in {401, 403}:
        hint = "set OPENRAG_LLM_API_KEY (or OPENAI_API_KEY) to a key of that server, or use --no-llm"
        return LlmMisconfigured(f"{where} refuses the key ({status}): {why}", hint=hint)
    if status == 404 and (_MODEL.search(text) or "model" in str(error.get("code"))):
        hint = "set OPENRAG_LLM_MODEL to one that it has"
        return LlmMisconfigured(f"{where} has no model '{model}': {why}", hint=hint, is_missing=True)
    if status in {404, 405}:
        hint = "OPENRAG_LLM_BASE_URL is the address up to /v1"
        shown = f"{where} has no chat completions there ({status}): {why}"
        return LlmMisconfigured(shown, hint=hint, is_missing=True)
    if status in {400, 413, 422}:
        return UpstreamRejected(
            f"{where} refuses the request ({status}): {why}",
            hint=HINT,
            param=_text(error.get("param")),
            upstream_code=_text(error.get("code")),
            reason=text,
        )
    return _passing(where, status, why, error, headers)


def _passing(
    where: str, status: int, why: str, error: Mapping[str, Any], headers: Mapping[str, str]
) -> UpstreamError:
    told = headers.get("retry-after")
    is_spent = "quota" in str(error.get("code")) or "quota" in str(error.get("type"))
    wait_s = None if status not in RETRIED or is_spent else retry_after_s(told)
    kind = UpstreamBusy if status == 429 else UpstreamTimeout if status in {408, 504} else UpstreamError
    return kind(
        f"{where} answered {status}: {why}",
        hint=BUSY_HINT if status in {429, 503, 529} else HINT,
        retry_after_s=wait_s,
        retry_after=told,
        is_starting=status == 529 or (status == 503 and bool(_LOADING.search(why))),
    )


def retry_after_s(header: str | None) -> float:
    """Return the seconds that a `Retry-After` asks for, given as seconds or as a date; 0 where it says nothing."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def message_of(text: str) -> str:
    """Return why, of whatever shape an error has: at most 500 characters on one line."""
    try:
        body = json.loads(text)
    except ValueError:
        return " ".join(re.sub(r"<[^>]{0,200}>", " ", text).split())[:200] or "no reason given"
    error = body.get("error", body) if isinstance(body, dict) else body
    found = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return " ".join(str(found or error).split())[:500] or "no reason given"


def _error(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    error = body.get("error", body) if isinstance(body, dict) else {}
    return error if isinstance(error, dict) else {}


def _is_too_long(status: int, error: Mapping[str, Any], text: str) -> bool:
    if status not in {400, 413, 422, 500}:
        return False
    kinds = f"{error.get('code')} {error.get('type')}"
    return "context_length" in kinds or "exceed_context" in kinds or bool(_TOO_LONG.search(text))


def _window(error: Mapping[str, Any], text: str) -> int | None:
    told = error.get("n_ctx")
    if isinstance(told, int) and told > 0:
        return told
    found = _WINDOW.search(text)
    return int(found[1]) if found else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
