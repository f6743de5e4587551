# Two commands are enough: `make serve` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Override on the command line: `make PYTHON=python3.12 setup`, `make test TESTS=tests/unit/slate`.
PYTHON ?= python3
VENV ?= .venv
VENV_TRAIN ?= .venv-train
VENV_LOAD ?= .venv-load
VENV_LOCK ?= .venv-lock
TESTS ?=
LASTFM ?=
OUT ?= out/lastfm
RUN ?= $(OUT)/run
BUNDLE ?= $(OUT)/bundle
QUALITY ?= docs/quality.json
LISTENER ?= 2
ARGS ?=
SHAPE ?= smoke

PIP_FLAGS := --quiet --disable-pip-version-check
# Every file is checked against the lock. All packages are wheels but hnswlib, which is compiled with the pinned tools of hnswlib-build.txt.
LOCKED := $(PIP_FLAGS) --require-hashes --no-build-isolation --only-binary :all: --no-binary hnswlib
LOCKS := requirements/hnswlib-build.txt requirements/setup.txt
BIN := $(VENV)/bin
SETUP := $(VENV)/.earshot-setup
PROTOS := $(sort $(wildcard protos/earshot/v1/*.proto))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

# ---- Environments

.PHONY: setup
setup: $(SETUP) ## Create .venv from the hash-checked locks and install earshot into it; does nothing when it is up to date

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'error: Earshot needs Python 3.11 or newer; name one with make PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -c 'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' || \
		{ echo 'error: Python.h is missing: install the headers of Python (python3-dev); hnswlib is compiled here'; exit 1; }
	@command -v "$${CXX:-c++}" > /dev/null || { echo 'error: no C++ compiler: install g++ or clang, or set CXX; hnswlib is compiled here'; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Two steps, so that a change of pyproject.toml alone does not read the locks again.
$(VENV)/.earshot-locks: $(LOCKS) | $(BIN)/python
	@echo 'Installing the locked packages into $(VENV); compiling hnswlib takes about a minute ...'
	@$(BIN)/python -m pip install $(LOCKED) -r requirements/hnswlib-build.txt
	@$(BIN)/python -m pip install $(LOCKED) -r requirements/setup.txt
	@touch $@

$(SETUP): $(VENV)/.earshot-locks pyproject.toml
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV_TRAIN)/.earshot-locks: requirements/hnswlib-build.txt requirements/train.txt
	@test -x $(VENV_TRAIN)/bin/python || $(PYTHON) -m venv $(VENV_TRAIN)
	@$(VENV_TRAIN)/bin/python -m pip install $(LOCKED) -r requirements/hnswlib-build.txt
	@$(VENV_TRAIN)/bin/python -m pip install $(LOCKED) -r requirements/train.txt
	@touch $@

# Nothing to compile here, and nothing of the server: it may be set up on another machine.
$(VENV_LOAD)/.earshot-locks: requirements/load.txt
	@test -x $(VENV_LOAD)/bin/python || $(PYTHON) -m venv $(VENV_LOAD)
	@$(VENV_LOAD)/bin/python -m pip install $(PIP_FLAGS) --require-hashes --only-binary :all: -r requirements/load.txt
	@touch $@

# torch is not hashed (requirements/torch.txt).
$(VENV_TRAIN)/.earshot-torch: $(VENV_TRAIN)/.earshot-locks requirements/torch.txt
	@$(VENV_TRAIN)/bin/python -m pip install $(PIP_FLAGS) --only-binary :all: -r requirements/torch.txt
	@touch $@

# More of the same environment: the lock of the recipes holds that of training. torch comes last, since it is not hashed (requirements/torch.txt).
$(VENV_TRAIN)/.earshot-recipes: $(VENV_TRAIN)/.earshot-locks requirements/recipes.txt requirements/torch.txt
	@$(VENV_TRAIN)/bin/python -m pip install $(LOCKED) -r requirements/recipes.txt
	@$(VENV_TRAIN)/bin/python -m pip install $(PIP_FLAGS) --only-binary :all: -r requirements/torch.txt
	@touch $@

.PHONY: lock
lock: ## Write the locks anew from pyproject.toml and requirements/*.in, with the newest versions allowed
	@test -x $(VENV_LOCK)/bin/python || $(PYTHON) -m venv $(VENV_LOCK)
	@$(VENV_LOCK)/bin/python -m pip install $(PIP_FLAGS) --require-hashes --only-binary :all: -r requirements/lock.txt
	@compile() { $(VENV_LOCK)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' "$$@"; }; \
	compile pyproject.toml --extra build --extra dev -o requirements/setup.txt; \
	compile requirements/hnswlib-build.in -c requirements/setup.txt -o requirements/hnswlib-build.txt; \
	compile pyproject.toml --extra build --extra train -c requirements/setup.txt -o requirements/train.txt; \
	compile pyproject.toml --extra load --excludes requirements/load-excludes.txt -c requirements/setup.txt -o requirements/load.txt; \
	compile pyproject.toml --extra build --extra train --extra recipes -c requirements/setup.txt -c requirements/train.txt -o requirements/recipes.txt; \
	compile requirements/lock.in -o requirements/lock.txt

# ---- Use

.PHONY: serve
serve: $(SETUP) ## Set everything up, build the demo bundle and serve it on 127.0.0.1:50051; ARGS="--port 50061" takes settings
	@exec $(BIN)/earshot demo $(ARGS)

.PHONY: test
test: $(SETUP) ## Set everything up and run the tests; TESTS=path runs some of them
	@$(BIN)/python -m pytest $(TESTS)

.PHONY: recipes
recipes: $(SETUP) $(VENV_TRAIN)/.earshot-recipes ## Run examples/ with their libraries in .venv-train, build what they export, and check the slates
	@EARSHOT_TRAIN_PYTHON=$(abspath $(VENV_TRAIN)/bin/python) $(BIN)/python -m pytest tests/integration/test_export_recipes.py \
		tests/integration/test_own_listens.py

.PHONY: bench
bench: $(SETUP) ## Measure the served path beside its raw compute and plain servers; ARGS="--help" lists options
	@$(BIN)/python -m bench $(ARGS)

.PHONY: load
load: $(VENV_LOAD)/.earshot-locks ## Load a running server and check the thresholds, in .venv-load; SHAPE=smoke|average|spike|soak, ARGS="--help" lists options
	@PYTHONPATH=.:gen:client $(VENV_LOAD)/bin/python -m loadtest $(SHAPE) $(ARGS)

# Against a demo server of its own unless ARGS="--target ..." names one on this machine.
.PHONY: load-curve
load-curve: $(SETUP) $(VENV_LOAD)/.earshot-locks ## Find the highest rate that keeps its deadlines, and draw goodput from 0.2x to 10x of it (open loop, two minutes)
	@PYTHONPATH=.:gen:client $(VENV_LOAD)/bin/python -m loadtest.open_loop --earshot $(BIN)/earshot $(ARGS)

# Server on the first core, load on the second: on a machine that does nothing else. NAME=deadlines proves one promise.
.PHONY: promises
promises: $(SETUP) ## Prove every promise about deadlines and overload, line by line (up to 45 minutes; goes on where it was interrupted); NAME=capacity, ARGS="--help" lists names and options
	@$(BIN)/python -m bench.promise $(or $(NAME),all) $(ARGS)

.PHONY: performance-page
performance-page: $(SETUP) ## Fill docs/performance.md with the tables and curves of what make promises wrote
	@$(BIN)/python -m bench.promise page $(ARGS)

BUILD_LASTFM := --space ip --candidates 300

# Listens are held out by the protocol of evaluation/ before anything is trained. Inner products: the towers are trained on them.
.PHONY: train-lastfm
train-lastfm: $(VENV_TRAIN)/.earshot-torch ## Train on the Last.fm files in LASTFM=DIR, build and evaluate a bundle, into OUT (default out/lastfm)
	@test -f "$(LASTFM)/user_artists.dat" || { echo 'error: name the directory of the unpacked HetRec 2011 Last.fm files: make train-lastfm LASTFM=DIR'; exit 64; }
	@export PYTHONPATH=.:gen:client; earshot="$(VENV_TRAIN)/bin/python -m cli"; \
	$$earshot train --lastfm "$(LASTFM)" --out "$(OUT)/run" $(ARGS); \
	$$earshot build $(BUILD_LASTFM) --creators "$(OUT)/run/creators.parquet" --users "$(OUT)/run/users.parquet" \
		--ranker "$(OUT)/run/ranker.onnx" --expected "$(OUT)/run/expected.parquet" --out "$(OUT)/bundle"; \
	$$earshot evaluate --bundle "$(OUT)/bundle" --run "$(OUT)/run" --html "$(OUT)/report.html" --json "$(OUT)/evaluation.json" --listener $(LISTENER) --least-ndcg 0.305 --check

# One run per line, trained, built and evaluated like that of train-lastfm, whose figures stand in QUALITY. Most of an hour on 2 cores.
VARIANTS := "without content" "without id-dropout" "without log-q" "seed 1" "seed 2"
.PHONY: ablations
ablations: $(VENV_TRAIN)/.earshot-torch ## What each choice of training bought: train LASTFM again without it, and with other seeds; fills docs/quality.md
	@test -f "$(LASTFM)/user_artists.dat" || { echo 'error: name the directory of the unpacked HetRec 2011 Last.fm files: make ablations LASTFM=DIR'; exit 64; }
	@export PYTHONPATH=.:gen:client; earshot="$(VENV_TRAIN)/bin/python -m cli"; named=(); \
	for variant in $(VARIANTS); do out="$(OUT)/$${variant// /-}"; rm -rf "$$out"; mkdir -p "$$out"; \
		$$earshot train --lastfm "$(LASTFM)" --$$variant --out "$$out/run" $(ARGS); \
		$$earshot build $(BUILD_LASTFM) --creators "$$out/run/creators.parquet" --users "$$out/run/users.parquet" \
			--ranker "$$out/run/ranker.onnx" --expected "$$out/run/expected.parquet" --out "$$out/bundle"; \
		$$earshot evaluate --bundle "$$out/bundle" --run "$$out/run" --baselines none --without-exhaustive --json "$$out/evaluation.json"; \
		named+=("$$variant=$$out/evaluation.json"); \
	done; \
	$(VENV_TRAIN)/bin/python -m evaluation.ablations "as it is=$(QUALITY)" "$${named[@]}" --markdown docs/quality.md

.PHONY: test-train
test-train: $(VENV_TRAIN)/.earshot-torch ## Run the tests that fit something, in .venv-train
	@PYTHONPATH=.:gen:client $(VENV_TRAIN)/bin/python -m pytest tests/unit/training tests/unit/evaluation/test_baselines.py tests/unit/evaluation/test_tune.py \
		tests/integration/test_evaluation.py

# RUN is what `earshot train` wrote, BUNDLE was built from it (default: those of train-lastfm); ARGS="--html report.html" and whatever else `earshot evaluate --help` lists.
.PHONY: evaluate
evaluate: $(VENV_TRAIN)/.earshot-locks ## Judge BUNDLE by what its RUN held out, beside the baselines, in .venv-train
	@PYTHONPATH=.:gen:client $(VENV_TRAIN)/bin/python -m cli evaluate --bundle $(BUNDLE) --run $(RUN) $(ARGS)

.PHONY: tune-baselines
tune-baselines: $(VENV_TRAIN)/.earshot-locks ## Choose the settings of the baselines on a validation cut of RUN's training part
	@PYTHONPATH=.:gen:client $(VENV_TRAIN)/bin/python -m evaluation.tune --run $(RUN) --out evaluation/baselines/tuned.toml

.PHONY: demo-data
demo-data: $(VENV_TRAIN)/.earshot-torch ## Make the committed demo world anew: its tables, then by `earshot train` the rest, in .venv-train
	@export PYTHONPATH=.:gen:client; work="$$(mktemp -d)"; trap 'rm -rf "$$work"' EXIT; \
	$(VENV_TRAIN)/bin/python -m demo.make --out "$$work"; \
	$(VENV_TRAIN)/bin/python -m cli train --listens "$$work/listens.parquet" --creators "$$work/creators.parquet" --users "$$work/users.parquet" \
		--hold-out nothing --dimensions 24 --candidates 200 --seed 7 --threads 1 --out "$$work/run"; \
	cp "$$work"/run/{creators,users,expected}.parquet "$$work"/run/{ranker.onnx,binding.toml} "$$work/heldout.parquet" demo/data/

# ---- Checks

.PHONY: check
check: lint types imports protos-lint protos-check ## Everything that needs no running code: lint, format, types, imports, protos

.PHONY: lint
lint: $(SETUP) ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: format
format: $(SETUP) ## Fix what can be fixed, and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: types
types: $(SETUP) ## Check the types, strictly
	@$(BIN)/mypy

.PHONY: imports
imports: $(SETUP) ## Check the doors between the rooms
	@PYTHONPATH=.:gen:client $(BIN)/lint-imports

.PHONY: protos-lint
protos-lint: $(SETUP) ## Lint the API
	@$(BIN)/buf lint protos

# Generated with the plugins of the environment, whose versions the lock pins.
define generate
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos \
		--python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)
endef

.PHONY: protos
protos: $(SETUP) ## Generate gen/ anew from protos/
	@rm -rf gen/earshot
	@$(call generate,gen)

.PHONY: protos-check
protos-check: $(SETUP) ## Check that gen/ is what protos/ generates
	@fresh="$$(mktemp -d)"; trap 'rm -rf "$$fresh"' EXIT; \
	$(call generate,"$$fresh"); \
	diff -r -x __pycache__ "$$fresh" gen || { echo 'error: gen/ differs from what protos/ generates; run make protos'; exit 1; }

.PHONY: clean
clean: ## Remove caches and build outputs, not the environments
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist out
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
