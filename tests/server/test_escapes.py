"""No answer but an original holds a character that a terminal would obey, whatever a document is called and says."""

import json
import sqlite3
from urllib.parse import quote

from .conftest import added

ATTACK = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b31m\x85\x7f\u202egpj\u202c\u2066x\u2069\u2028\u2029"
UNSAFE = {
    *map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160)), "\u2028", "\u2029",
    *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)),
}  # fmt: skip
FILE_ID = f"e{ATTACK}.md"
TEXT = f"# Pumps {ATTACK}\n\nThe pump {ATTACK} weighs 40 kg.\n"
NOT_ASKED = {"/docs", "/redoc"}
"""Pages, which a terminal does not show."""


def plant(store, partition):
    """Give the file the id that every door refuses, as a store of 0.1.0 may hold it, and keep a conversation on it."""
    connection = sqlite3.connect(store / "openrag.db", timeout=60)
    with connection:
        connection.execute("UPDATE file SET file_id = ?, filename = ? WHERE file_id = 'e.md'", (FILE_ID, FILE_ID))
        connection.execute("UPDATE task SET file_id = ?, filename = ? WHERE file_id = 'e.md'", (FILE_ID, FILE_ID))
        connection.execute(
            "UPDATE task SET error = ? WHERE state = 'FAILED' AND partition = ?",
            (json.dumps({"message": f"no {ATTACK}", "code": "x", "traceback": [f"at {ATTACK}\n"]}), partition),
        )
        connection.execute("INSERT INTO session VALUES (NULL, ?, ?, 1, 1)", (FILE_ID, json.dumps([partition])))
        connection.execute(
            "INSERT INTO message VALUES (NULL, (SELECT id FROM session WHERE name = ?), 'user', ?, '[]', 1)",
            (FILE_ID, TEXT),
        )
    connection.close()


def test_no_get_route_answers_with_a_raw_control_or_direction_character(server, client, partition):
    url = f"/indexer/partition/{partition}/file"
    said = json.dumps({"note": ATTACK, f"k{ATTACK}": "v"})
    done = added(client, f"{url}/e.md", TEXT, "e.md", metadata=said)
    failed = added(client, f"{url}/bad.pdf", b"%PDF-1.7 broken", "bad.pdf")
    assert (done["task_state"], failed["task_state"]) == ("COMPLETED", "FAILED")
    plant(server.store, partition)
    [hit] = client.get(f"/search/partition/{partition}", params={"text": "pump"}).json()["documents"]
    assert hit["metadata"]["file_id"] == FILE_ID
    values = {"partition": partition, "file_id": FILE_ID, "extract_id": hit["metadata"]["_id"], "name": FILE_ID}
    values["model_id"] = f"openrag-{partition}"
    answers = {}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if "get" not in methods or path in NOT_ASKED:
            continue
        for task in (done["task_id"], failed["task_id"]) if "{task_id}" in path else ("",):
            asked = path.format(**{key: quote(one, safe="") for key, one in (values | {"task_id": task}).items()})
            answers[path, task] = client.get(asked, params={"text": "pump"} if "search" in path else {})
    assert client.delete(f"/sessions/{quote(FILE_ID, safe='')}").status_code < 300
    assert len(answers) >= 25
    reached = 0
    for (path, _), answer in answers.items():
        assert answer.status_code < 500, (path, answer.text)
        shown = "".join(f"{key}: {value}\n" for key, value in answer.headers.items())
        if "/content/" in path:
            assert answer.content == TEXT.encode(), "an original is what was sent"
        else:
            shown += answer.text
        assert not UNSAFE & set(shown.replace("\r\n", "\n")), (path, UNSAFE & set(shown))
        reached += "\\u202e" in shown.lower()
    assert reached >= 11, "the routes do show it, escaped"
