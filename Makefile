# make run    see the answer: replay a bundled recording of a real containerd node
# make test   install what the tests need, then check and test everything
# make check  formatting, lint, types, import rules
# make probes compile the CO-RE probes anew; needs clang 16
# make test-kernels  other kernels under qemu, with the wheel: needs root and apt, 15 minutes, writes docs/limits.md
# make fuzz   random process trees against the kernel: SECONDS=600 SEED=0 SETS=all (or complete, lacking, names)
# make bench  speed and memory against other tools, in one run
# make bench-live  what watching costs, with other tracers in the same run; needs root
# make docs   write every output in the documents anew: WITH=--slow runs make test for README.md, too, WITH=--root the node
# make dist   the wheel and the source distribution, in dist/
# make dist-check  the wheel, installed into empty environments of every Python here, without a compiler
# make clean  remove what was made here
# make help   this list

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-kernels check probes fuzz bench bench-live docs dist dist-check help clean

run: $(VENV)/.run
	@$(BIN)/ctrace replay fixtures/logs/containerd-pod/strace.log

test: $(VENV)/.test
	@scripts/install-test-tools
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest

check: $(VENV)/.test
	@$(BIN)/ruff check tracer tests benchmarks fixtures scripts docs
	@$(BIN)/ruff format --check tracer tests benchmarks fixtures scripts docs
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@scripts/build-probes --check

probes:
	@$(MAKE) --no-print-directory -C probes

test-kernels: $(VENV)/.test
	@$(BIN)/python -m tests.kernels.run

fuzz: $(VENV)/.test
	@$(BIN)/python -m tests.fuzz.run --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0) --sets $(or $(SETS),all)

bench: $(VENV)/.bench
	@$(BIN)/python -m benchmarks.replay

bench-live: $(VENV)/.test
	@$(BIN)/python -m benchmarks.live

$(VENV)/.venv-made:
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.run: $(VENV)/.venv-made pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check -e . && touch $@

$(VENV)/.test: $(VENV)/.run
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,check]' && touch $@

$(VENV)/.bench: $(VENV)/.test
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[bench]' && touch $@

docs: $(VENV)/.test
	@$(BIN)/python docs/make_outputs.py $(WITH)

dist: $(VENV)/.venv-made
	@$(BIN)/pip install --quiet --disable-pip-version-check hatchling
	@rm -rf dist
	@$(BIN)/python -m hatchling build

dist-check:
	@scripts/check-dist

help:
	@sed -n 's/^# make/make/p' Makefile

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
