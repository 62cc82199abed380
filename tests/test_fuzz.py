"""Made-up bodies, forms, filters, metadata, exports, backups and names end in an answer, never in a bug of ours."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import BODIES, TARGETS, World, encoded
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openrag_cli.errors import StoreDamaged
from openrag_cli.maintenance.parquet import read_vectors

EXAMPLES = {"exports": 15, "manifests": 40, "sessions": 40, "metadata": 60, "chats": 40}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("fuzz")
        for name, folder in {
            "OPENRAG_CACHE": "cache",
            "OPENRAG_CONFIG": "none.toml",
            "XDG_STATE_HOME": "state",
        }.items():
            patch.setenv(name, str(root / folder))
        (root / "none.toml").touch()
        patch.chdir(root)
        made = World(root)
        yield made
        made.close()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.__name__)
def test_nothing_that_is_handed_to_us_is_a_bug(target, world):
    @settings(
        max_examples=EXAMPLES.get(target.__name__, 250),
        deadline=None,
        database=None,
        phases=(Phase.generate,),  # benchmarks/fuzz.py shrinks
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def attack(data):
        target(world, data.draw)

    attack()


# --- what fuzzing has found


def test_a_vector_file_with_a_damaged_page_is_refused_with_a_sentence(tmp_path):
    """It was exit 70: pyarrow says OSError of a page header that is none."""
    path = tmp_path / "vectors.parquet"
    vectors = pa.array([np.zeros(2, np.float16)] * 50, pa.list_(pa.float16(), 2))
    pq.write_table(pa.table({"file_id": ["a"] * 50, "ordinal": list(range(50)), "vector": vectors}), path)
    whole = path.read_bytes()
    n_refused = 0
    for at in range(4, 120):
        path.write_bytes(whole[:at] + b"\xff" * 6 + whole[at + 6 :])
        try:
            list(read_vectors(path))
        except StoreDamaged:
            n_refused += 1
    assert n_refused


def test_every_route_that_takes_json_is_attacked(world):
    paths = world.client.get("/openapi.json").json()["paths"]
    taking = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, said in methods.items()
        if "application/json" in said.get("requestBody", {}).get("content", {})
    }
    attacked = {route.replace("/sessions/s", "/sessions/{name}").replace("/p/", "/{partition}/") for route in BODIES}
    assert attacked == taking


def test_no_route_that_takes_json_takes_another_type(world):
    for route, body in BODIES.items():
        method, path = route.split(" ")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            answer = world.client.request(method, path, content=encoded(body), headers={"content-type": kind})
            assert answer.status_code == 415, (route, kind, answer.text)
