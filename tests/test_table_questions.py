"""A question that names a row and a column of a table finds the part that holds the row, in every format of tables."""

import importlib.util
import sys
from pathlib import Path

import pytest

from openrag_cli.config.settings import load
from openrag_cli.domain import SearchMode, new_task_id
from openrag_cli.engine import Engine
from openrag_cli.ingest.discovery import collect
from openrag_cli.ingest.options import AddOptions
from openrag_cli.retrieval.request import SearchRequest

BENCHMARK = Path(__file__).parents[1] / "benchmarks/tables.py"


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("table_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look it up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_row_that_is_asked_for_is_in_the_first_hit(tables, tmp_path):
    files = tables.table_files(n_rows=120, per_table=12)
    for file in files:
        (tmp_path / file.name).write_bytes(file.content)
    with Engine(load({"store": str(tmp_path / "store")}).settings) as engine:
        engine.add_sources(
            collect([tmp_path / file.name for file in files]).sources, AddOptions("tables", new_task_id())
        )
        missed = [one for few in tables.missed(engine, files, SearchMode.HYBRID).values() for one in few]
        assert len(missed) <= sum(len(file.questions) for file in files) // 10, missed
        (hit,) = engine.search(SearchRequest(files[0].questions[0].text, top_k=1))
        assert hit.chunk.span.head[-1] == "| Employee | Team | Leave taken | Remaining leave days |"
        assert "in days" in hit.chunk.span.head
