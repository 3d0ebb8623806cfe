# Everything a fresh checkout needs is set up on the way: `make report` and `make test` are enough.

PYTHON ?= python3
BIN := .venv/bin
LIBRARIES := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0

.DEFAULT_GOAL := help
.PHONY: help report check index email test test-fast lint docs bench bench-fast messages lock clean system chromium

help: ## Show this help
	@echo "reportgen: see what went on inside a Keras model, as one HTML page and one PDF."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo
	@echo "  make report DATA=images.npz MODEL=model.keras OUT=reports/mine ARGS='--examples 3'"

report: .venv/ready ## Make a report; DATA=, MODEL=, OUT=, BASELINE= and ARGS= are optional
	@$(BIN)/reportgen report $(if $(DATA),--data "$(DATA)") $(if $(MODEL),--model "$(MODEL)") $(if $(OUT),--out "$(OUT)") \
	  $(if $(BASELINE),--baseline "$(BASELINE)") $(ARGS)

# the folder that `make report` writes with the same variables
MADE = $(or $(OUT),reports/$(basename $(notdir $(or $(DATA),sample))))

check: .venv/ready ## Hold a report against the limits in pyproject.toml; OUT=, BASELINE= and ARGS= are optional
	@$(BIN)/reportgen check "$(MADE)" $(if $(BASELINE),--baseline "$(BASELINE)") $(ARGS)

index: .venv/ready ## Write a page and a feed over all reports below OUT=, by default reports
	@$(BIN)/reportgen index "$(or $(OUT),reports)" $(ARGS)

email: .venv/ready ## Send a report's PDF to TO=a@example.org; REPORTGEN_SMTP_* name the server
	@$(BIN)/reportgen email "$(MADE)" --to "$(TO)" $(ARGS)

# Compiled modules are kept, whatever the shell says: tests and measurements start hundreds of processes that import them.
KEPT = PYTHONDONTWRITEBYTECODE= $(BIN)/python
PYTEST = $(KEPT) -m pytest --numprocesses 2 --dist worksteal

test: .venv/ready-dev chromium ## Run the tests
	$(PYTEST) $(ARGS)

test-fast: .venv/ready-dev ## Run the tests that need neither TensorFlow nor a browser nor patience: under a minute
	$(PYTEST) -m "not tensorflow and not browser and not slow" $(ARGS)

lint: .venv/ready-dev ## Check style, types and the layers of the architecture
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/ready-docs ## Write the generated pages, and build the documentation into build/docs
	$(BIN)/python docs/generate.py
	$(BIN)/python -m mkdocs build --quiet --strict
	@echo "The documentation is in build/docs/index.html."

bench: .venv/ready-dev ## Measure the speed for docs/speed.md, against what one would do without reportgen; ARGS=mnist.npz
	@$(MAKE) --no-print-directory .venv-bench/ready || echo "Going on without what the speed is compared with." >&2
	$(KEPT) -m tests.bench $(ARGS)

bench-fast: .venv/ready-dev ## Measure a few rows once, in under two minutes, against the ratios that were kept
	$(KEPT) -m tests.bench --fast $(ARGS)

messages: .venv/ready ## Bring the catalogues of translations up to date with the sources
	@mkdir -p build
	$(BIN)/pybabel -q extract -F pyproject.toml -k text -k ntext:2,3 -k joined --sort-by-file --add-location=file --no-wrap -o build/messages.pot .
	$(BIN)/pybabel -q update -i build/messages.pot -d reportgen/locale -D reportgen --no-wrap --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

lock: ## Pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile $(LOCK) --group build pyproject.toml -o requirements.txt
	uv pip compile $(LOCK) --group test --group lint --constraint requirements.txt -o requirements-dev.txt
	uv pip compile $(LOCK) --group docs --constraint requirements.txt --constraint requirements-dev.txt -o requirements-docs.txt
	uv pip compile $(LOCK) --group bench -o requirements-bench.txt
	uv pip compile $(LOCK) --group rivals --no-deps -o requirements-rivals.txt

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade

clean: ## Remove build output and caches; reports and the virtual environment stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache tests/actual
	find reportgen tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.txt pyproject.toml | system
	@echo "Installing TensorFlow and what else the report needs: about 2 GB, a few minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --require-hashes --requirement requirements.txt
	$(BIN)/python -m pip install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	@echo "Installing what the tests need: about 300 MB, once."
	$(BIN)/python -m pip install --require-hashes --requirement requirements-dev.txt
	@touch $@

.venv/ready-docs: .venv/ready requirements-docs.txt
	@echo "Installing what the documentation is built with: about 50 MB, once."
	$(BIN)/python -m pip install --require-hashes --requirement requirements-docs.txt
	@touch $@

# An environment of its own: its upper bounds on numpy, scipy and matplotlib would hold back those of the report. In the
# folder `beside` lies what runs with the report's own TensorFlow, behind all that the report has.
.venv-bench/ready: requirements-bench.txt requirements-rivals.txt
	@echo "Installing what the speed is compared with: about 1.2 GB, once."
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --require-hashes --requirement requirements-bench.txt
	.venv-bench/bin/python -m pip install --require-hashes --no-deps --target .venv-bench/beside --upgrade --requirement requirements-rivals.txt
	@touch $@

# What pip cannot bring. As root on Debian and its relatives it is installed, elsewhere one line says what is missing.
INSTALL = if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing $(1) ..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends $(1) > /dev/null; \
	else echo "$(2)" >&2; $(3); fi

system:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	{ echo "$(PYTHON) is missing or not Python 3.11 to 3.13; install one of these or name it: make PYTHON=python3.12" >&2; exit 3; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
	{ $(call INSTALL,python3-venv,Python lacks venv: install the package python3-venv,exit 3); }
	@$(PYTHON) -c 'from ctypes.util import find_library as f; import sys; sys.exit(not all(map(f, ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset"))))' || \
	{ $(call INSTALL,$(LIBRARIES),WeasyPrint needs Pango: install $(LIBRARIES) (Debian names) or the package pango (Homebrew and others),exit 3); }

chromium:
	@command -v chromium chromium-browser google-chrome > /dev/null || \
	{ $(call INSTALL,chromium,No Chromium here: the tests that drive a browser are skipped,true); }
