"""What the HTTP API lets in: the same limits and the same metadata as the command line."""

import pytest

from .conftest import add, added

KEYS = "# Keys\n\nAPI keys are rotated every ninety days.\n"


@pytest.mark.parametrize("levels", [33, 300, 5000])
def test_metadata_that_is_too_deep_is_refused_and_harms_nobody(client, partition, levels):
    base = f"/indexer/partition/{partition}/file"
    added(client, f"{base}/good", KEYS)
    deep = '{"a":' + "[" * levels + "]" * levels + "}"
    refused = add(client, f"{base}/bad", KEYS, metadata=deep)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_metadata")
    assert client.patch(f"{base}/good", data={"metadata": deep}).status_code == 400
    for path in (f"/partition/{partition}", f"/search/partition/{partition}?text=keys", "/queue/tasks"):
        assert client.get(path).status_code == 200


def test_a_query_has_the_same_limit_as_at_the_command_line(client, partition):
    added(client, f"/indexer/partition/{partition}/file/good", KEYS)
    path = f"/search/partition/{partition}"
    assert client.get(path, params={"text": "é" * 10_000, "mode": "text"}).status_code == 200
    assert client.get(path, params={"text": "é" * 10_001, "mode": "text"}).status_code in {400, 422}


def test_a_filter_with_a_number_of_five_thousand_digits_is_no_bug(client, partition):
    added(client, f"/indexer/partition/{partition}/file/good", KEYS, metadata='{"year": 2024}')
    path = f"/search/partition/{partition}"
    found = client.get(path, params={"text": "keys", "filter": "year < " + "9" * 5000})
    assert found.status_code == 200
    assert len(found.json()["documents"]) == 1


@pytest.mark.parametrize("key", ["file_id", "partition", "revision", "chunk_id", "_id", "link", "score"])
def test_metadata_that_is_ours_is_refused_at_every_door(client, partition, key):
    path = f"/indexer/partition/{partition}/file/f1"
    added(client, path, KEYS)
    evil = f'{{"{key}": "zz"}}'
    for refused in (
        client.patch(path, data={"metadata": evil}),
        client.put(path, files={"file": ("a.md", KEYS.encode())}, data={"metadata": evil}),
        add(client, f"/indexer/partition/{partition}/file/f2", KEYS, metadata=evil),
    ):
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_metadata")
        assert "chunk_id" in refused.json()["detail"]


def test_a_client_that_says_created_at_reads_it_everywhere(client, partition):
    path = f"/indexer/partition/{partition}/file/f1"
    said = '{"created_at": "2001-01-01T00:00:00+00:00", "filename": "other.md", "size": "XL"}'
    added(client, path, KEYS, name="keys.md", metadata=said)
    base = f"/partition/{partition}"
    hit = client.get(f"/search{base}", params={"text": "keys", "filter": 'size = "XL"'}).json()["documents"][0]
    views = [
        client.get(base).json()["files"][0],
        client.get(f"{base}/file/f1").json()["metadata"],
        hit["metadata"],
        client.get(hit["link"]).json()["metadata"],
    ]
    for view in views:
        assert view["created_at"] == "2001-01-01T00:00:00+00:00"
        assert (view["filename"], view["stored_as"], view["size"]) == ("other.md", "keys.md", "XL")
        assert view["indexed_at"] > "2020"
    disposition = client.get(f"{base}/content/f1").headers["content-disposition"]
    assert "keys.md" in disposition


def test_filters_talk_back_and_keys_are_told(client, partition):
    base = f"/indexer/partition/{partition}/file"
    added(client, f"{base}/f1", KEYS, metadata='{"year": 2024, "tags": ["a", "b"]}')
    added(client, f"{base}/f2", KEYS, metadata='{"year": 2020}')
    found = client.get(f"/search/partition/{partition}", params={"text": "keys", "filter": "yaer = 2024"}).json()
    assert found["documents"] == []
    assert found["warnings"][0]["code"] == "unknown_key"
    assert "did you mean year?" in found["warnings"][0]["message"]
    listed = client.get(
        f"/partition/{partition}", params={"filter": 'tags contains "a" and indexed_at > "2020"'}
    ).json()
    assert [file["file_id"] for file in listed["files"]] == ["f1"]
    assert listed["warnings"] == []
    assert client.get(f"/partition/{partition}", params={"filter": "year ="}).status_code == 400
    keys = {key["key"]: key for key in client.get(f"/partition/{partition}/keys").json()["keys"]}
    assert keys["year"]["types"] == {"number": 2}
    assert {"value": "a", "files": 1} in keys["tags"]["values"]
    assert client.get("/partition/nowhere/keys").status_code == 404
