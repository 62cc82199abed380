"""What `/grep` streams, one object an event: `file` for each file with a match, `end` at last; `error` breaks it off."""

from typing import Any

from openrag_cli.contract.answer_events import to_error
from openrag_cli.contract.nouns import file as file_shapes
from openrag_cli.matching.grep import Found, GrepEnd, GrepFile, GrepLine

Json = dict[str, Any]


def as_json(value: Found) -> Json:
    """Return an event."""
    if isinstance(value, GrepFile):
        return {
            "type": "file",
            "file": file_shapes.over_http(value.file),
            "lines": [_line(one) for one in value.lines],
        }
    return {
        "type": "end",
        "files": value.n_searched,
        "read": value.n_read,
        "too_slow": [file_shapes.over_http(file) for file in value.overdue],
        "not_searched": value.n_left,
    }


def _line(line: GrepLine) -> Json:
    matches = [{"start": start, "end": end} for start, end in line.spans]
    place = {"line": line.number + 1, "page": line.page}
    return place | {"text": line.text, "is_match": line.is_match, "matches": matches}


def from_json(entry: Json) -> Found:
    """Return an event. Raises: the error that the entry carries, when it is one."""
    if entry["type"] == "error":
        raise to_error(entry["error"])
    if entry["type"] == "end":
        overdue = tuple(map(file_shapes.read, entry["too_slow"]))
        return GrepEnd(entry["files"], entry["read"], overdue, entry["not_searched"])
    lines = (
        GrepLine(
            one["line"] - 1,
            one["page"],
            one["text"],
            one["is_match"],
            tuple((match["start"], match["end"]) for match in one["matches"]),
        )
        for one in entry["lines"]
    )
    return GrepFile(file_shapes.read(entry["file"]), tuple(lines))
