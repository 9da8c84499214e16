# `make test` and `make demo` each do all of the set-up from a fresh clone.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: install test demo lint wheel clean

install: $(VENV)/.installed

# The stamp is as new as the requirements: a change of setup.py installs again.
$(VENV)/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

test: install
	$(BIN)/python -m pytest

demo: install
	$(BIN)/jsra demo

lint: install
	$(BIN)/ruff check .

wheel: install
	$(BIN)/python -m build --wheel

clean:
	rm -rf build dist *.egg-info work_dirs demo
