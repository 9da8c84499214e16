# `make test` and `make demo` each do all of the set-up from a fresh clone.
PYTHON ?= python3
VENV ?= .venv
GPU_VENV ?= .venv-gpu
BIN = $(VENV)/bin

.PHONY: install test fuzz demo lint wheel clean gpu-compile

install: $(VENV)/.installed

# The stamp is as new as the requirements: a change of setup.py installs again.
$(VENV)/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps lvis
	touch $@

# Tests that run at the same time.
JOBS ?= 2
test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# Every test that draws random numbers, N times with new seeds; a failure prints its seed.
FUZZ ?= 10
fuzz: install
	$(BIN)/python -m pytest --fuzz $(FUZZ)

demo: install
	$(BIN)/jsra demo

lint: install
	$(BIN)/ruff check .

wheel: install
	$(BIN)/python -m build --wheel

# Compile everything for the GPU without one. Takes 1.4 GB of NVIDIA's wheels, in a separate environment, and more than
# half an hour on 2 cores; writes its result to docs/gpu.md. After an interruption it continues.
gpu-compile:
	$(PYTHON) -m venv $(GPU_VENV)
	$(GPU_VENV)/bin/python -m pip install --quiet --upgrade pip setuptools wheel
	$(GPU_VENV)/bin/python -m pip install --quiet -e '.[cuda13,test]'
	$(GPU_VENV)/bin/python -m tests.gpu.compile --out docs/gpu.md

clean:
	rm -rf build dist *.egg-info work_dirs demo
