"""No answer but an original holds a character that a terminal would obey, whatever a document is called and says."""

import json
import sqlite3

from .conftest import added
from .every_route import Place, every_request

ATTACK = "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x9b31m\x85\x7f\u202egpj\u202c\u2066x\u2069\u2028\u2029"
UNSAFE = {
    *map(chr, range(9)), *map(chr, range(11, 32)), *map(chr, range(127, 160)), "\u2028", "\u2029",
    *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)),
}  # fmt: skip
FILE_ID = f"e{ATTACK}.md"
TEXT = f"# Pumps {ATTACK}\n\nThe pump {ATTACK} weighs 40 kg.\n"


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
        connection.execute(
            "INSERT INTO session (owner, name, partitions, created_at, updated_at) VALUES ('admin', ?, ?, 1, 1)",
            (FILE_ID, json.dumps([partition])),
        )
        connection.execute(
            "INSERT INTO message VALUES (NULL, (SELECT id FROM session WHERE name = ?), 'user', ?, '[]', 1)",
            (FILE_ID, TEXT),
        )
    connection.close()


def test_no_route_answers_with_a_raw_control_or_direction_character(server, client, partition):
    url = f"/indexer/partition/{partition}/file"
    said = json.dumps({"note": ATTACK, f"k{ATTACK}": "v"})
    done = added(client, f"{url}/e.md", TEXT, "e.md", metadata=said)
    failed = added(client, f"{url}/bad.pdf", b"%PDF-1.7 broken", "bad.pdf")
    assert (done["task_state"], failed["task_state"]) == ("COMPLETED", "FAILED")
    plant(server.store, partition)
    [hit] = client.get(f"/search/partition/{partition}", params={"text": "pump"}).json()["documents"]
    assert hit["metadata"]["file_id"] == FILE_ID
    chunk = hit["metadata"]["_id"]
    place = Place(partition, FILE_ID, done["task_id"], failed["task_id"], chunk, FILE_ID, text=f"pump {ATTACK}")
    reached, n_answers = set(), 0
    for asked in every_request(client, place):
        answer = client.request(asked.route.split(" ")[0], asked.path, **asked.options)
        n_answers += 1
        assert answer.status_code < 500, (asked, answer.text)
        shown = "".join(f"{key}: {value}\n" for key, value in answer.headers.items())
        if "/content/" in asked.path and answer.status_code == 200:
            assert answer.content == TEXT.encode(), "an original is what was sent"
        else:
            shown += answer.text
        left = UNSAFE & set(shown.replace("\r\n", "\n"))
        assert not left, (asked, left, shown)
        if "\\u202e" in shown.lower():
            reached.add(asked.route)
    print(f"{n_answers} answers, {len(reached)} routes show the attack, escaped")
    assert len(reached) >= 25, reached
