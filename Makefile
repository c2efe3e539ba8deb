# Every target makes .venv where it is missing; nothing else needs installing first.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Compiled modules are kept, or every process of the tests would compile them again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-ray test-browser notebooks docs lint lock clean

demo: $(INSTALLED)
	$(BIN)/headreuse run analyses/demo.toml

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow -n 2 --dist worksteal

# Installs the extra `ray`; about four minutes, with ONLY=as_they_do a few seconds.
test-ray: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	$(BIN)/python -m pytest -m ray tests/test_on_ray.py -k "$(ONLY)"

# Needs a Chromium; on Debian: apt-get install chromium.
test-browser: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,browser,png]'
	$(BIN)/python -m pytest -m browser

# Runs the notebooks and keeps their pictures in them; with ONLY=tour one of them. Needs a Chromium.
notebooks: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,notebook,png]'
	$(BIN)/python notebooks/make.py $(ONLY)

# The reference, in site/index.html; any warning or broken link is an error.
docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	$(BIN)/python notebooks/reference/make.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m types tests/test_readme.py

# Resolve the whole tree anew, all extras included, and pin it.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet torch==2.13.0 --editable '.[dev,browser,ray,png,netcdf,notebook,docs]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/^torch==\([0-9.]*\).*/torch==\1/' > constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock runs site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
