"""A tenth of `benchmarks/idle_clients.py`: searches and uploads beside connections that are idle or slow."""

import importlib.util
import sys
from pathlib import Path

import pytest

from .conftest import start

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "idle_clients.py"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_descriptors_threads_and_memory_are_flat_beside_idle_and_slow_clients(tmp_path: Path) -> None:
    described = importlib.util.spec_from_file_location("idle_clients", SCRIPT)
    assert described is not None
    assert described.loader is not None
    benchmark = importlib.util.module_from_spec(described)
    sys.modules["idle_clients"] = benchmark
    described.loader.exec_module(benchmark)
    server = start(tmp_path / "store", "--workers", "0")
    try:
        samples = benchmark.measure(
            server.url, server.process.pid, n_searches=500, n_uploads=50, n_idle=20, n_slow=20
        )
    finally:
        assert server.stop() == 0
    assert len(samples) >= 10
    early, late = samples[2:5], samples[-3:]
    n_connections = 20 + 20 + benchmark.CLIENTS
    for row in samples:
        assert row.descriptors < 60 + 4 * n_connections, (
            samples
        )  # a connection, and what its thread holds of the store
    assert max(row.descriptors for row in late) <= max(row.descriptors for row in early) + n_connections, samples
    assert max(row.threads for row in late) <= max(row.threads for row in early) + 8, samples
    assert max(row.memory for row in late) < max(row.memory for row in early) + 60_000_000, samples
