"""What is searched by request, whatever the door: the `openrag` object, a view as a model, the command line's options."""

import json

import pytest

from .conftest import added, start

QUESTION = "How often are API keys rotated?"
KEYS = "# Keys of {year}\n\nRotate every API key every {days} days.\n"
VIEW = "ops-2026"
OPTIONS = {"filter": "year = 2026", "files": [], "top_k": 2, "mode": "text", "min_score": 0.0}


@pytest.fixture(scope="module")
def viewed(tmp_path_factory):
    """A server with four files in `ops`, three of them of 2026, and a view of these."""
    running = start(tmp_path_factory.mktemp("viewed") / "store")
    with running.client() as client:
        for name, year, days in (("a", 2025, 30), ("b", 2026, 60), ("c", 2026, 90), ("d", 2026, 120)):
            metadata = json.dumps({"year": year})
            text = KEYS.format(year=year, days=days)
            added(client, f"/indexer/partition/ops/file/{name}.md", text, f"{name}.md", metadata=metadata)
        made = client.post("/views", json={"view": VIEW, "partitions": ["ops"], "filter": "year = 2026"})
        assert made.status_code == 201, made.text
    yield running
    assert running.stop() == 0


def asked(client, route: str, *, stream: bool, model: str, **more) -> list[str]:
    """Return the ids of the chunks behind an answer."""
    question = {
        "chat/completions": {"messages": [{"role": "user", "content": QUESTION}]},
        "completions": {"prompt": QUESTION},
        "responses": {"input": QUESTION},
    }[route]
    answer = client.post(f"/v1/{route}", json={"model": model, "stream": stream, **question, **more})
    assert answer.status_code == 200, answer.text
    if not stream:
        return [source["_id"] for source in answer.json()["extra"]["sources"]]
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    told = [event.get("response", event).get("extra") for event in map(json.loads, lines)]
    return [source["_id"] for source in next(extra for extra in reversed(told) if extra)["sources"]]


def searched(client) -> list[str]:
    """Return the ids of the chunks that a search in the view finds."""
    parameters = {"text": QUESTION, "partitions": VIEW, "mode": "text", "top_k": 2}
    documents = client.get("/search", params=parameters).json()["documents"]
    return [document["metadata"]["_id"] for document in documents]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ["chat/completions", "completions", "responses"])
@pytest.mark.parametrize("form", ["openrag", "metadata", "metadata object", "view"])
def test_every_route_finds_the_same(viewed, route, stream, form):
    told = {
        "openrag": {"openrag": OPTIONS},
        "metadata": {"metadata": {"openrag": json.dumps(OPTIONS)}},
        "metadata object": {"metadata": {"openrag": OPTIONS}},
        "view": {"openrag": {"top_k": 2, "mode": "text"}},
    }[form]
    model = f"openrag-{VIEW}" if form == "view" else "openrag-ops"
    with viewed.client() as client:
        found = asked(client, route, stream=stream, model=model, **told)
        assert found == searched(client)
    assert len(found) == 2


def test_the_command_lines_options_find_the_same(viewed, cli):
    with viewed.client() as client:
        wanted = searched(client)
    options = ["--filter", "year = 2026", "--min-score", 0.0]
    for where in (["--store", viewed.store], ["--server", viewed.url]):
        for scope in (["-p", VIEW], ["-p", "ops", *options]):
            tail = ["--json", "-k", 2, "--mode", "text", *scope]
            answer = cli(*where, "ask", QUESTION, *tail).json
            assert [source["chunk_id"] for source in answer["sources"]] == wanted
            hits = cli(*where, "search", QUESTION, *tail).json["hits"]
            assert [hit["chunk_id"] for hit in hits] == wanted


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ["chat/completions", "completions", "responses"])
@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("yaer = 2026", "no file here has the key yaer; did you mean year?"),
        ("year = 'x'", "the key year has numbers here, and nothing else"),
    ],
)
def test_a_filter_that_lets_nothing_through_is_told_why(viewed, route, stream, wanted, told):
    question = {"messages": [{"role": "user", "content": QUESTION}], "input": QUESTION}
    question |= {} if route == "responses" else {"prompt": QUESTION}
    asked = {"model": "openrag-ops", "stream": stream, "openrag": {"filter": wanted}, **question}
    with viewed.client() as client:
        answer = client.post(f"/v1/{route}", json=asked)
    assert answer.status_code == 200
    assert told in answer.text


def test_ask_and_chat_tell_why_a_filter_lets_nothing_through(viewed, cli, process):
    for where in (["--store", viewed.store], ["--server", viewed.url]):
        options = ["-p", "ops", "--filter", "yaer = 2026"]
        told = "no file here has the key yaer"
        assert told in cli(*where, "ask", QUESTION, *options, "--json").json["warnings"][0]
        assert cli(*where, "ask", QUESTION, *options).err.count(told) == 1
        assert process(*where, "chat", *options, stdin=f"{QUESTION}\n".encode()).err.count(told) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ["chat/completions", "completions", "responses"])
@pytest.mark.parametrize("form", ["openrag", "metadata", "metadata object"])
@pytest.mark.parametrize(
    "wrong",
    [{"fliter": "year = 1"}, {"top_k": 0}, {"top_k": "many"}, {"files": "b.md"}, {"mode": "best"}, {"view": VIEW}],
)
def test_a_wrong_openrag_object_is_400_and_names_the_key(viewed, route, stream, form, wrong):
    told = {"openrag": wrong} if form == "openrag" else {"metadata": {"openrag": json.dumps(wrong)}}
    told = {"metadata": {"openrag": wrong}} if form == "metadata object" else told
    question = {"messages": [{"role": "user", "content": QUESTION}], "input": QUESTION}
    question |= {} if route == "responses" else {"prompt": QUESTION}
    with viewed.client() as client:
        answer = client.post(f"/v1/{route}", json={"model": "openrag-ops", "stream": stream, **question, **told})
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["error"]["message"]


def test_a_view_is_a_model_and_shares_its_name_with_no_partition(viewed):
    with viewed.client() as client:
        assert f"openrag-{VIEW}" in [model["id"] for model in client.get("/v1/models").json()["data"]]
        assert client.get(f"/v1/models/openrag-{VIEW}").status_code == 200
        shown = client.get(f"/views/{VIEW}").json()
        assert (shown["partitions"], shown["filter"], shown["model"]) == (["ops"], "year = 2026", f"openrag-{VIEW}")
        upload = {"file": ("x.md", b"# X\n\nText.\n")}
        for refused in (
            client.post(f"/partition/{VIEW}"),
            client.post(f"/indexer/partition/{VIEW}/file/x.md", files=upload),
            client.post("/views", json={"view": "ops"}),
            client.post("/views", json={"view": VIEW}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert client.post("/views", json={"view": "x", "partitions": ["nope"]}).status_code == 404
        for wrong in ({"view": "x", "filter": "year ="}, {"view": " "}, {"view": "all"}):
            assert client.post("/views", json=wrong).status_code == 400
        assert client.post("/views", json={}).status_code == 422
        assert client.get("/views/none").json()["code"] == "view_not_found"


def test_views_are_made_and_deleted_through_a_server_as_in_a_store(viewed, cli):
    remote = ["--server", viewed.url, "view"]
    made = cli(*remote, "create", "old", "-p", "ops", "--filter", "year < 2026", "--json").json
    assert cli(*remote, "show", "old", "--json").json == made
    assert cli("--store", viewed.store, "view", "show", "old", "--json").json == made
    assert [entry["view"] for entry in cli(*remote, "list", "--json").json["views"]] == ["old", VIEW]
    assert cli(*remote, "create", "ops").code == 73
    assert cli(*remote, "delete", "old", "--yes").code == 0
    assert cli(*remote, "show", "old").code == 66


def test_extra_is_a_string_where_that_is_set(tmp_path):
    running = start(tmp_path / "store", env={"OPENRAG_CHAT_EXTRA": "string"})
    with running.client() as client:
        added(client, "/indexer/partition/ops/file/a.md", KEYS.format(year=2026, days=90), "a.md")
        for route, question in (
            ("chat/completions", {"messages": [{"role": "user", "content": QUESTION}]}),
            ("completions", {"prompt": QUESTION}),
            ("responses", {"input": QUESTION, "store": True}),
        ):
            body = {"model": "openrag-ops", **question}
            whole = json.loads(client.post(f"/v1/{route}", json=body).json()["extra"])
            assert whole["sources"][0]["file_id"] == "a.md"
            stream = client.post(f"/v1/{route}", json={**body, "stream": True}).text
            lines = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: {")]
            told = [event.get("response", event).get("extra") for event in map(json.loads, lines)]
            assert json.loads(next(extra for extra in reversed(told) if extra)) == whole
    assert running.stop() == 0


@pytest.mark.parametrize(("n_bytes", "size"), [(7, "7.00 B"), (1280, "1.25 KB"), (40_000, "39.06 KB")])
def test_a_file_has_its_size_for_a_person(viewed, n_bytes, size):
    with viewed.client() as client:
        path = f"/indexer/partition/sizes/file/{n_bytes}.txt"
        added(client, path, ("word " * (n_bytes // 5 + 1))[:n_bytes], "x.txt")
        shown = client.get(f"/partition/sizes/file/{n_bytes}.txt").json()["metadata"]
        listed = client.get("/partition/sizes").json()["files"]
        assert (shown["file_size"], shown["size"]) == (size, n_bytes)
        assert size in [entry["file_size"] for entry in listed]
        client.patch(path, data={"metadata": '{"file_size": "mine"}'})
        assert client.get(f"/partition/sizes/file/{n_bytes}.txt").json()["metadata"]["file_size"] == "mine"
