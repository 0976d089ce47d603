# The commands of this project, from a plain Python 3.11+ to a checked wheel. `make` lists them.
#
# Airflow has some 160 dependencies. uv installs them in about 5 s from its cache and in 20 s without one; pip takes
# minutes. So pip installs only uv, into an environment of its own.

PYTHON ?= python3
UV_VERSION := 0.13.9

# `make constraints` resolves these to the newest releases. Everything else installs what it wrote.
AIRFLOW_3 := apache-airflow==3.3.*
AIRFLOW_2 := apache-airflow==2.11.*

UV := .uv/bin/uv
VENV := .venv
VENV_2 := .venv-2.11
VENV_DOCS := .venv-docs
VENV_RELEASE := .venv-release
VENV_FAB := .venv-fab
VENV_CLUSTER := .venv-cluster
BIN := $(VENV)/bin

# The tests that start a real Airflow.
NOT_SLOW := --ignore=tests/integration --ignore=tests/chaos

# Tests do not use the Airflow home of the person who runs them.
export AIRFLOW_HOME := $(CURDIR)/.airflow

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help env lint types unit unit-2.11 browser integration chaos cluster test test-all matrix mutants docs docs-tables demo emulator build \
	check-wheel constraints demo-image screenshots clean distclean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9.-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(VENV)/.ready ## Make .venv: Airflow 3.3, the package (editable), the tools of its tests
	@:

$(UV):
	@echo "Getting uv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is too old: Python 3.11 or newer is needed (set PYTHON=...)")'
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/.ready: setup.cfg constraints/airflow-3.3.txt | $(UV)
	@echo "Making $(VENV) with Airflow 3.3"
	@test -x $(BIN)/python || $(UV) venv -q --no-project --python "$$(command -v $(PYTHON))" $(VENV)
	@$(UV) pip install -q --compile-bytecode --python $(BIN)/python -c constraints/airflow-3.3.txt -e '.[test,dev]' 'apache-airflow==3.3.*'
	@touch $@

# Airflow 2.11 runs on Python 3.12 at most. Without such a Python this part is skipped with a message. A failing
# installation still fails.
$(VENV_2)/.ready: setup.cfg constraints/airflow-2.11.txt | $(UV)
	@mkdir -p $(VENV_2)
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 13) and print(sys.executable)' > $(VENV_2).python
	@test -s $(VENV_2).python \
		|| $(UV) python find --no-project --system '>=3.11,<3.13' > $(VENV_2).python 2> /dev/null \
		|| { echo "Looking for a Python that Airflow 2.11 runs on"; \
			$(UV) python install -q 3.12 2> /dev/null && $(UV) python find --no-project 3.12 > $(VENV_2).python 2> /dev/null; } \
		|| true
	@if test -s $(VENV_2).python; then \
		set -e; echo "Making $(VENV_2) with Airflow 2.11"; \
		test -x $(VENV_2)/bin/python || $(UV) venv -q --clear --no-project --python "$$(cat $(VENV_2).python)" $(VENV_2); \
		$(UV) pip install -q --compile-bytecode --python $(VENV_2)/bin/python -c constraints/airflow-2.11.txt \
			-e '.[test,dev]' 'apache-airflow==2.11.*'; \
	fi
	@rm -f $(VENV_2).python
	@touch $@

lint: env ## Check style and formatting
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format -q --check || { echo "Run: $(BIN)/ruff format"; exit 1; }

types: env ## Check types, strictly
	@$(BIN)/mypy

unit: env ## Run the unit tests on Airflow 3.3
	@$(BIN)/pytest -q -n 4 $(NOT_SLOW) $(ARGS)

unit-2.11: $(VENV_2)/.ready ## Run the unit tests on Airflow 2.11
	@if test -x $(VENV_2)/bin/pytest; then \
		AIRFLOW_HOME=$(CURDIR)/.airflow-2.11 $(VENV_2)/bin/pytest -q -n 4 $(NOT_SLOW) $(ARGS); \
	else \
		echo "SKIPPED: found no Python 3.11 or 3.12, which Airflow 2.11 needs: nothing was tested on 2.11"; \
	fi

# The Videos pages are tested with Flask-AppBuilder's permissions, too. Its environment has no tools for tests.
$(VENV_FAB)/.ready: setup.cfg constraints/airflow-3.3-fab.txt | $(UV)
	@echo "Making $(VENV_FAB) with Airflow 3.3 and Flask-AppBuilder"
	@test -x $(VENV_FAB)/bin/python || $(UV) venv -q --no-project --python "$$(command -v $(PYTHON))" $(VENV_FAB)
	@$(UV) pip install -q --compile-bytecode --python $(VENV_FAB)/bin/python -c constraints/airflow-3.3-fab.txt -e . \
		'apache-airflow==3.3.*' apache-airflow-providers-fab
	@touch $@

browser: ## Install the browser of the tests (Debian's Chromium; skipped with a message elsewhere)
	@bash tools/install_chromium.sh

# These tests mostly wait. Each worker has an Airflow of its own.
integration: env $(VENV_2)/.ready $(VENV_FAB)/.ready browser ## Run the tests that start a real Airflow, 3.3 and 2.11
	@$(BIN)/pytest -q -n 2 --dist loadfile tests/integration $(ARGS)

chaos: env $(VENV_2)/.ready ## Run the tests that kill the processes of a real Airflow, 3.3 and 2.11
	@$(BIN)/pytest -q tests/chaos $(ARGS)

$(VENV_CLUSTER)/.ready: setup.cfg constraints/cluster.txt | $(UV)
	@echo "Making $(VENV_CLUSTER) with Airflow 3.3 and Celery"
	@test -x $(VENV_CLUSTER)/bin/python || $(UV) venv -q --no-project --python "$$(command -v $(PYTHON))" $(VENV_CLUSTER)
	@$(UV) pip install -q --compile-bytecode --python $(VENV_CLUSTER)/bin/python -c constraints/cluster.txt -e '.[test,cluster]' 'apache-airflow==3.3.*'
	@touch $@

cluster: $(VENV_CLUSTER)/.ready ## Kill all parts of a Celery cluster by turns while 600 jobs run (needs PostgreSQL and Redis)
	@PYTHONPATH=tools $(VENV_CLUSTER)/bin/python tools/cluster_chaos.py $(ARGS)

test: lint types docs unit ## Run all checks, and the tests that start no Airflow, on 3.3

test-all: test unit-2.11 integration chaos check-wheel ## Run everything that CI runs (about an hour)

matrix: env ## Run the unit tests on each Airflow and Python that is supported, and write docs/versions.md (ARGS: rows, such as 3.1)
	@$(BIN)/python tools/matrix.py --uv $(UV) $(ARGS)

mutants: env ## Make known mistakes one by one and check that the tests catch each (ARGS: words of their names)
	@$(BIN)/python tools/mutants.py $(ARGS)

$(VENV_DOCS)/.ready: constraints/docs.txt | $(UV)
	@echo "Making $(VENV_DOCS)"
	@test -x $(VENV_DOCS)/bin/python || $(UV) venv -q --no-project --python "$$(command -v $(PYTHON))" $(VENV_DOCS)
	@$(UV) pip sync -q --compile-bytecode --python $(VENV_DOCS)/bin/python constraints/docs.txt
	@touch $@

docs: env $(VENV_DOCS)/.ready ## Build the docs site in docs/_build, and check its tables, links and anchors
	@$(BIN)/python tools/docs_tables.py --check
	@$(VENV_DOCS)/bin/sphinx-build -q -W --keep-going -b html docs docs/_build
	@$(BIN)/python tools/check_site.py docs/_build

docs-tables: env ## Write the tables and the drawing that the docs take from the code
	@$(BIN)/python tools/docs_tables.py

demo: env ## Make a video with the example DAG on a real Airflow (LIVE=1: on Segmind, for money; KEEP=1: keep Airflow running)
	@$(BIN)/python tools/demo.py $(if $(LIVE),--live) $(if $(YES),--yes) $(if $(KEEP),--keep) $(ARGS)

emulator: env ## Serve the Segmind emulator on port 8081
	@$(BIN)/python -m airflow_provider_runway.emulator --port 8081 $(ARGS)

build: | $(UV) ## Build dist/: the wheel and the source archive of the last commit, the same bytes each time
	@$(PYTHON) tools/build_dist.py --uv $(UV) dist

check-wheel: build ## Install the wheel into a clean environment and check it with Airflow
	@$(BIN)/python tools/check_wheel.py --uv $(UV) --constraints constraints/airflow-3.3.txt dist/*.whl

$(VENV_RELEASE)/.ready: constraints/release.txt | $(UV)
	@echo "Making $(VENV_RELEASE)"
	@test -x $(VENV_RELEASE)/bin/python || $(UV) venv -q --no-project --python "$$(command -v $(PYTHON))" $(VENV_RELEASE)
	@$(UV) pip sync -q --compile-bytecode --python $(VENV_RELEASE)/bin/python constraints/release.txt
	@touch $@

release-check: env $(VENV_RELEASE)/.ready ## Check all that a release needs: same bytes, clean installs, SBOM, licences; publishes nothing
	@$(BIN)/python tools/release_check.py --uv $(UV) --tools $(VENV_RELEASE)/bin $(ARGS)

constraints: | $(UV) ## Resolve the requirements again and write constraints/
	@for pair in '3.3 $(AIRFLOW_3)' '2.11 $(AIRFLOW_2)'; do \
		set -e -- $$pair; out=constraints/airflow-$$1.txt; \
		echo "$$2" | $(UV) pip compile -q --upgrade --universal --python-version 3.11 --extra test --extra dev \
			--no-header --no-annotate --no-emit-index-url --strip-extras setup.cfg - > $$out.new; \
		{ echo "# What is installed to test with Airflow $$1. Written by: make constraints"; cat $$out.new; } > $$out; \
		rm $$out.new; echo "$$out: $$(grep -c == $$out) packages"; \
	done
	@set -e; out=constraints/airflow-3.3-fab.txt; \
	printf '%s\n' "$(AIRFLOW_3)" apache-airflow-providers-fab | $(UV) pip compile -q --upgrade --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --strip-extras -c constraints/airflow-3.3.txt setup.cfg - > $$out.new; \
	{ echo "# What is installed to test the Videos pages with Flask-AppBuilder. Written by: make constraints"; cat $$out.new; } > $$out; \
	rm $$out.new; echo "$$out: $$(grep -c == $$out) packages"
	@set -e; out=constraints/cluster.txt; \
	echo "$(AIRFLOW_3)" | $(UV) pip compile -q --upgrade --universal --python-version 3.11 --extra test --extra cluster \
		-c constraints/airflow-3.3.txt --no-header --no-annotate --no-emit-index-url --strip-extras setup.cfg - > $$out.new; \
	{ echo "# What make cluster installs. Written by: make constraints"; cat $$out.new; } > $$out; \
	rm $$out.new; echo "$$out: $$(grep -c == $$out) packages"
	@set -e; out=constraints/release.txt; \
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
		--strip-extras tools/release-requirements.in > $$out.new; \
	{ echo "# What make release-check installs beside the package. Written by: make constraints"; cat $$out.new; } > $$out; \
	rm $$out.new; echo "$$out: $$(grep -c == $$out) packages"
	@set -e; out=constraints/docs.txt; \
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
		--strip-extras docs/requirements.in > $$out.new; \
	{ echo "# What builds the docs. Written by: make constraints"; cat $$out.new; } > $$out; \
	rm $$out.new; echo "$$out: $$(grep -c == $$out) packages"

screenshots: env browser ## Take the pictures of docs/videos.md again
	@$(BIN)/python tools/take_screenshots.py docs/pictures

demo-image: env ## Draw the demo's image again
	@$(BIN)/python tools/make_demo_image.py

clean: ## Remove the files that builds and tests leave
	@rm -rf build dist docs/_build *.egg-info .demo .airflow .airflow-2.11 .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv*' -not -path './.uv/*' -prune -exec rm -rf {} +

distclean: clean ## And the environments
	@rm -rf .uv .matrix $(VENV) $(VENV_2) $(VENV_DOCS) $(VENV_FAB) $(VENV_CLUSTER)
