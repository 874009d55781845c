# The desk of ctc-prognosis: `make` alone lists what it can do.
.DEFAULT_GOAL := help
.PHONY: help install run test check bench soak format lock clean

COHORTS ?=
ENDPOINT ?= OS
TRIALS ?= 10
PORT ?= 3000
MLFLOW_PORT ?= 5000
BIN := .venv/bin
PYTEST := $(BIN)/pytest --numprocesses logical --dist loadfile --no-loadscope-reorder
export BENTOML_DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-9s %s\n", $$1, $$2}' Makefile

install: ## set up .venv from requirements.lock; at once where nothing changed
	@sh deploy/install

run: install ## train on COHORTS='DIR …' (default: simulated), start MLflow (MLFLOW_PORT) and the service (PORT)
	@$(BIN)/prognosis run --endpoint $(ENDPOINT) --trials $(TRIALS) --port $(PORT) --mlflow-port $(MLFLOW_PORT) -- $(COHORTS)

test: install ## pass the tests (ARGS='-k gate' for some of them)
	@$(PYTEST) $(ARGS)

check: install ## format, lint, strict types, import contracts, then the tests: what CI runs
	@$(BIN)/ruff format --check && $(BIN)/ruff check
	@$(BIN)/mypy && $(BIN)/lint-imports
	@$(PYTEST) $(ARGS)

bench: install ## race scan, service and file scoring against their rivals (COHORTS='DIR …': compare with R there too)
	@$(BIN)/prognosis benchmark univariate $(COHORTS)
	@$(BIN)/prognosis benchmark start
	@$(BIN)/prognosis benchmark serving

soak: install ## half an hour of load with promotions, killed workers, a lost registry and hostile bodies
	@$(BIN)/prognosis benchmark soak

format: install ## format and mend what can be mended
	@$(BIN)/ruff format && $(BIN)/ruff check --fix

lock: install ## resolve the packages anew into requirements.lock
	@.tools/uv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.12 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

clean: ## remove .venv, .tools and caches; what lies in var/ stays
	@rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
