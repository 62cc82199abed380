"""Both edges on one store: the same content, whichever way it is asked for."""

import json

from .conftest import added

KEYS = "# Keys\n\nRotate every key every 90 days.\n\n## Lost keys\n\nSay so at once.\n"


def test_every_answer_is_the_same_through_both_edges(cli, server, client, partition):
    def local(*arguments):
        return cli("--store", server.store, "--json", *arguments).json

    for name in ("keys.md", "more/keys.md"):
        added(
            client,
            f"/indexer/partition/{partition}/file/{name}",
            KEYS,
            name.rsplit("/", 1)[-1],
            metadata='{"year": 2024}',
        )
    task = added(client, f"/indexer/partition/{partition}/file/bad", b"%PDF-1.7 broken", "bad.pdf")

    files = local("file", "list", "-p", partition)["files"]
    assert [
        {key: entry[key] for key in files[0]} for entry in client.get(f"/partition/{partition}").json()["files"]
    ] == files
    shown = local("file", "show", "keys.md", "-p", partition)
    assert shown == {"schema": shown["schema"]} | {
        key: value
        for key, value in client.get(f"/partition/{partition}/file/keys.md").json()["metadata"].items()
        if key in shown
    }
    text = local("file", "get", "keys.md", "-p", partition)["text"]
    assert text == client.get(f"/partition/{partition}/text/keys.md").json()["text"] == KEYS
    assert client.get(f"/partition/{partition}/content/keys.md").text == KEYS

    for mode in ("hybrid", "dense", "text"):
        hits = local("search", "lost keys", "-p", partition, "--mode", mode, "-k", "3")["hits"]
        found = client.get(
            f"/search/partition/{partition}", params={"text": "lost keys", "mode": mode, "top_k": 3}
        ).json()
        assert [(hit["chunk_id"], hit["text"]) for hit in hits] == [
            (document["metadata"]["_id"], document["content"]) for document in found["documents"]
        ]
        for hit, document in zip(hits, found["documents"], strict=True):
            assert abs(hit["score"] - document["metadata"]["score"]) < 1e-5
            assert {
                key: document["metadata"][key]
                for key in ("page", "line_start", "line_end", "heading", "start", "end")
            } == {key: hit[key] for key in ("page", "line_start", "line_end", "heading", "start", "end")}
    chunk = hits[0]["chunk_id"]
    assert local("extract", "show", chunk)["text"] == client.get(f"/extract/{chunk}").json()["page_content"]

    here, there = local("task", "show", task["task_id"]), client.get(f"/indexer/task/{task['task_id']}").json()
    assert here["state"] == there["task_state"] == "FAILED"
    assert {key: there[key] for key in ("kind", "attempts", "error", "created_at", "updated_at")} == {
        key: here[key] for key in ("kind", "attempts", "error", "created_at", "updated_at")
    }
    log = [line["message"] for line in local("task", "log", task["task_id"])["lines"]]
    assert [
        line.split(" - ", 2)[2] for line in client.get(f"/indexer/task/{task['task_id']}/logs").json()["logs"]
    ] == log
    trace = local("task", "error", task["task_id"])["traceback"]
    assert "".join(trace).rstrip().split("\n") == client.get(there["error_url"]).json()["traceback"]

    listed = {entry["partition"]: entry for entry in local("partition", "list")["partitions"]}
    for entry in client.get("/partition").json()["partitions"]:
        assert (entry["files"], entry["chunks"]) == tuple(
            listed[entry["partition"]][key] for key in ("files", "chunks")
        )


def test_errors_say_the_same_through_both_edges(cli, server, client, partition):
    client.post(f"/partition/{partition}")
    for arguments, path in (
        (["file", "show", "none", "-p", partition], f"/partition/{partition}/file/none"),
        (["file", "list", "-p", "nowhere"], "/partition/nowhere"),
        (["task", "show", "0" * 48], f"/indexer/task/{'0' * 48}"),
        (["extract", "show", "none"], "/extract/none"),
        (["search", "x", "--filter", "year >"], "/search?text=x&filter=year%20%3E"),
    ):
        error = json.loads(cli("--store", server.store, "--json", *arguments).err)
        answer = client.get(path).json()
        assert (answer["detail"], answer["code"]) == (error["message"], error["code"])


def test_every_view_of_a_file_tells_its_source_and_what_made_it_and_no_folder(cli, server, client, partition):
    added(client, f"/indexer/partition/{partition}/file/keys.md", KEYS, "old keys.md")
    url = f"/partition/{partition}"
    [listed] = client.get(url).json()["files"]
    shown = client.get(f"{url}/file/keys.md").json()["metadata"]
    for view in (listed, shown):
        assert view["source"] == view["stored"]["source"] == {"kind": "upload", "label": "old keys.md"}
        assert set(view["made_by"]) == {"reader", "chunker", "model"}
    there = cli("--server", server.url, "--json", "file", "show", "keys.md", "-p", partition)
    assert there.json["source"] == shown["source"]
    here = server.store.parent / "somewhere" / "note.md"
    here.parent.mkdir(exist_ok=True)
    here.write_text(KEYS)
    assert cli("--store", server.store, "file", "add", here.parent, "-p", partition).code == 0
    note = client.get(f"{url}/file/note.md")
    assert note.json()["metadata"]["source"] == {"kind": "folder", "label": "somewhere"}
    assert str(here.parent) not in note.text


def test_a_source_that_the_user_says_stays_his(client, partition):
    added(client, f"/indexer/partition/{partition}/file/a.md", KEYS, metadata='{"source": "wiki"}')
    view = client.get(f"/partition/{partition}/file/a.md").json()["metadata"]
    assert view["source"] == "wiki"
    assert view["stored"]["source"] == {"kind": "upload", "label": "note.md"}
