"""Patterns in the texts of a server: one request, whose answer comes file by file."""

from collections.abc import Callable, Generator
from dataclasses import asdict

from openrag_cli import errors
from openrag_cli.answering.llm.sse import SseParser
from openrag_cli.client.connection import Connection
from openrag_cli.client.from_json import error_of
from openrag_cli.client.remote_answers import read_events
from openrag_cli.contract import grep_events
from openrag_cli.matching.grep import Found, GrepEnd, GrepRequest


def grep(
    connection: Connection, request: GrepRequest, should_stop: Callable[[], bool]
) -> Generator[Found, None, None]:
    """Yield each file with a match, and an end; see `Library.grep`. A server that is left looks no further."""
    given = asdict(request)
    body = {name: given[name] for name in ("pattern", "is_fixed", "ignores_case", "n_context", "filter")}
    body |= {
        "partitions": list(request.partitions),
        "file_ids": list(request.file_ids),
        "max_seconds": request.limit_s,
    }
    with connection.translating(), connection.client.stream("POST", "/grep", json=body) as response:
        if response.status_code >= 400:
            response.read()
            raise error_of(response, connection.filtered)
        parser = SseParser()
        for block in response.iter_bytes():
            for found in read_events(parser, block, response, grep_events.from_json):
                yield found
                if isinstance(found, GrepEnd):
                    return
            if should_stop():
                return
    raise errors.UpstreamError("the server broke the answer off", hint="see the server's log, and try again")
