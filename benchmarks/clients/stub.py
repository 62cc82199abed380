"""A stub of an LLM in two tempers: `lenient` takes anything, `strict` refuses fields and orders that are not OpenAI's.

python benchmarks/clients/stub.py PORT lenient|strict
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIELDS = {
    "system": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "tide", "arguments": '{"pier": 3}'}}


class Handler(BaseHTTPRequestHandler):
    """Answers with a call where tools are offered, with JSON where that is asked for, else with a cited sentence."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """List one model."""
        self._json(200, {"data": [{"id": "stub"}]})

    def do_POST(self) -> None:
        """Answer a chat as a stream."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if sys.argv[2] == "strict" and (wrong := _wrong(body)):
            self._json(400, {"error": {"message": wrong, "type": "invalid_request_error"}})
            return
        has_result = any(message["role"] == "tool" for message in body["messages"])
        if body.get("tools") and not has_result:
            pieces, reason = [{"tool_calls": [{"index": 0, **CALL}]}], "tool_calls"
        elif body.get("response_format"):
            pieces, reason = [{"content": '{"days": '}, {"content": "90}"}], "stop"
        else:
            pieces, reason = [{"content": "Every 90 "}, {"content": "days [1]."}], "stop"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta in pieces:
            self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, body: dict) -> None:
        self.wfile.write(f"data: {json.dumps(body)}\n\n".encode())

    def _json(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _wrong(body: dict) -> str:
    known: set[str] = set()
    turns = [message for message in body["messages"] if message["role"] != "system"]
    if turns and turns[0]["role"] != "user":
        return "the first message must be the user's"
    for at, message in enumerate(body["messages"]):
        extra = set(message) - FIELDS[message["role"]]
        if extra:
            return f"messages.{at}: property {min(extra)!r} is unsupported"
        if message.get("tool_calls") == []:
            return f"messages.{at}: tool_calls: [] is too short"
        known |= {call["id"] for call in message.get("tool_calls", ())}
        if message["role"] == "tool" and message["tool_call_id"] not in known:
            return f"messages.{at}: a result without its call"
    return ""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
