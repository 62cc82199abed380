"""What an LLM's status says, as our errors: whose fault it is, whether to ask again, and what to tell the client."""

import contextlib
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

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
HINT = "check OPENRAG_LLM_BASE_URL, OPENRAG_LLM_MODEL and OPENRAG_LLM_API_KEY, or use --no-llm"
BUSY_HINT = "ask again later, or use --no-llm"
TOO_LONG_HINT = "OPENRAG_LLM_CONTEXT_TOKENS is the LLM's window; a smaller -k shows it fewer passages"
_TOO_LONG = re.compile(
    r"(?i)context[ _]?(?:length|size|window)|maximum (?:context|prompt|input|sequence)|exceeds? (?:the )?(?:available )?context"
    r"|(?:prompt|input|request|messages?)(?: is| are)? too (?:long|large for)|too many (?:input |prompt )?tokens|exceed_context"
    r"|request too large|max_seq_len|max_model_len"
    r"|exceeds? (?:the )?max(?:imum)? (?:number of )?(?:input |prompt )?(?:tokens|length)"
    r"|input token count|`?inputs`? tokens|reduce (?:the|your) (?:length|prompt|messages?|input)"
)
_WINDOW = re.compile(
    r"(?i)(?:maximum (?:context|prompt|input|sequence) length|context[ _]?(?:length|size|window)|max_seq_len|max_model_len"
    r"|maximum number of (?:input )?tokens(?: allowed)?|must be <=|\blimit)\D{0,20}?(\d{3,8})"
    r"|(?:>|larger than|greater than|longer than|exceeds?)\D{0,30}?(\d{3,8}) (?:tokens? )?max"
    r"|\b(\d{3,8}) (?:tokens? )?(?:is the )?maximum"
)
_LOADING = re.compile(r"(?i)loading|starting|warming|not ready|overloaded")
_MODEL = re.compile(r"(?i)\bmodel\b")
_NO_MODEL = re.compile(
    r"(?i)invalid[ _]model|unknown model|no such model|model[ _]not[ _](?:found|exist)|not a valid model"
    r"|model\b.{0,80}?(?:not found|does not exist|doesn't exist|not exist|is not available|not loaded)|access to model"
)
_NO_KEY = re.compile(
    r"(?i)\bapi[ _-]?key\b.{0,30}(?:not valid|invalid|incorrect|missing|required|expired)"
    r"|(?:invalid|incorrect|missing) api[ _-]?key"
)
_STATUS_OF = {
    "rate_limit": 429, "overloaded": 529, "authentication": 401, "permission": 403, "not_found": 404,
    "invalid_request": 400, "unavailable": 503, "timeout": 504,
}  # fmt: skip


def refusal(
    where: str, status: int, text: str, headers: Mapping[str, str], *, model: str
) -> UpstreamError | ConfigError:
    """Return a status of 400 and more as an error; `where` names the LLM, `text` is what it said, secrets masked."""
    error = _error(text)
    why = message_of(text)
    if _is_too_long(status, error, text):
        shown = f"{where} says that the request is too long for it: {why}"
        return ContextTooLong(shown, hint=TOO_LONG_HINT, param=_text(error.get("param")), window=_window(error, text))
    if misconfigured := _misconfigured(where, status, why, error, model):
        return misconfigured
    if status in {400, 413, 422}:
        return UpstreamRejected(
            f"{where} refuses the request ({status}): {why}",
            hint="its own words say what it does not take; --no-llm answers without it",
            param=_text(error.get("param")),
            upstream_code=_text(error.get("code")),
            reason=text,
        )
    return _passing(where, status, why, error, headers)


def _misconfigured(
    where: str, status: int, why: str, error: Mapping[str, Any], model: str
) -> LlmMisconfigured | None:
    """Return what a refusal says of a setting: the key, the model, the address, the proxy; None where it is about none."""
    is_unknown = "model" in str(error.get("code")) or bool((_MODEL if status == 404 else _NO_MODEL).search(why))
    if is_unknown and (
        status in {403, 404} or (status in {400, 422} and _NO_MODEL.search(f"{error.get('code')} {why}"))
    ):
        hint = "set OPENRAG_LLM_MODEL to one that it has"
        shown = f"{where} has no model '{model}': {why}"
        return LlmMisconfigured(shown, hint=hint, is_missing=status != 403)
    if status in {401, 403} or (status == 400 and _NO_KEY.search(why)):
        hint = "set OPENRAG_LLM_API_KEY (or OPENAI_API_KEY) to a key of that server, or use --no-llm"
        return LlmMisconfigured(f"{where} refuses the key ({status}): {why}", hint=hint)
    if status == 407:
        hint = "put its user and password into HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY"
        return LlmMisconfigured(f"the proxy before {where} refuses us ({status}): {why}", hint=hint)
    if status in {404, 405}:
        hint = "OPENRAG_LLM_BASE_URL is the address up to /v1"
        shown = f"{where} has no chat completions there ({status}): {why}"
        return LlmMisconfigured(shown, hint=hint, is_missing=True)
    return None


def failure(where: str, text: str, *, model: str, is_first: bool) -> UpstreamError | ConfigError:
    """Return an error that came in the place of an answer, or of its rest, with status 200.

    Before the answer it is what its code, or its kind, says: asked again, or otherwise, like a status. After a part of
    the answer has come, it is what broke that off.
    """
    error = _error(text)
    told = [str(error.get(name)) for name in ("code", "status", "status_code")]
    status = next((int(text) for text in told if re.fullmatch(r"[45]\d\d", text)), None)
    kind = str(error.get("type") or error.get("code") or "").lower()
    status = status or next((status for name, status in _STATUS_OF.items() if name in kind), None)
    if is_first and (status or _is_too_long(400, error, text)):
        return refusal(where, status or 400, text, {}, model=model)
    return UpstreamError(f"{where} failed: {message_of(text)}")


def _passing(
    where: str, status: int, why: str, error: Mapping[str, Any], headers: Mapping[str, str]
) -> UpstreamError:
    told = headers.get("retry-after")
    told_ms = headers.get("retry-after-ms")
    is_spent = "quota" in str(error.get("code")) or "quota" in str(error.get("type"))
    wait_s = None if status not in RETRIED or is_spent else retry_after_s(told, told_ms)
    kind = UpstreamBusy if status == 429 else UpstreamTimeout if status in {408, 504} else UpstreamError
    return kind(
        f"{where} answered {status}: {why}",
        hint=BUSY_HINT if status in {429, 503, 529} else HINT,
        retry_after_s=wait_s,
        retry_after=told,
        is_starting=status == 529 or (status == 503 and bool(_LOADING.search(why))),
    )


def retry_after_s(header: str | None, milliseconds: str | None = None) -> float:
    """Return the seconds that a `Retry-After` asks for, given as seconds or as a date; 0 where it says nothing.

    `milliseconds`: the header `retry-after-ms`, which some servers send for shorter times; it is the finer of the two.
    """
    for text, scale in ((milliseconds, 0.001), (header, 1.0)):
        with contextlib.suppress(ValueError):
            if text:
                return max(0.0, float(text) * scale)
    try:
        return max(0.0, parsedate_to_datetime(header or "").timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def message_of(text: str) -> str:
    """Return why, of whatever shape an error has: at most 500 characters on one line."""
    try:
        body = json.loads(text)
    except ValueError:
        return " ".join(re.sub(r"<[^>]{0,200}>", " ", text).split())[:200] or "no reason given"
    error = body.get("error", body) if isinstance(body, dict) else body
    found = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    if isinstance(found, list):  # as FastAPI tells what is wrong with a request
        found = "; ".join(_problem(entry) for entry in found)
    return " ".join(str(found or error).split())[:500] or "no reason given"


def _problem(entry: Any) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get("loc"), list | tuple):
        return str(entry.get("msg") or entry) if isinstance(entry, dict) else str(entry)
    return f"{'.'.join(str(part) for part in entry['loc'])}: {entry.get('msg')}"


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
    found = _WINDOW.search(re.sub(r"(?<=\d),(?=\d{3})", "", text))
    return int(next(number for number in found.groups() if number)) if found else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
