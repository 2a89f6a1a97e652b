# Everything runs from a virtual environment that the first command makes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CLI := $(BIN)/python -m clr_ignite.cifar10
INSTALLED := $(VENV)/.installed

# pip before 25.3 lets PIP_CONSTRAINT reach builds, later ones read PIP_BUILD_CONSTRAINT.
export PIP_CONSTRAINT := $(CURDIR)/build-constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/build-constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo cifar10 bench advice settings test coverage test-slow test-fire test-cuda \
  test-company test-oldest lint types format docs clean

help:  ## what each command does
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## the virtual environment with everything in it

$(INSTALLED): setup.cfg pyproject.toml constraints.txt build-constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[cifar10,visdom,docs,dev]"
	touch $@

demo: $(INSTALLED)  ## range test, bounds, training and a report on digits, in a few minutes
	$(CLI) range-test --iterations 300 --out demo/range-test
	$(CLI) train --bounds demo/range-test/range_test.json --step-size 50 --eval-every 50 --out demo/triangular
	$(CLI) report demo/triangular demo/range-test --out demo/report
	@echo "This is demo/report/report.md; its pictures lie beside it."

cifar10: $(INSTALLED)  ## the paper's range test and Table 2 on CIFAR-10: make cifar10 DATA=folder
	@test -n "$(DATA)" || { echo "say where CIFAR-10 lies or should be downloaded to: make cifar10 DATA=folder"; exit 2; }
	@source=cifar10; test ! -d "$(DATA)/train" || source=folder; set -ex; \
	$(CLI) range-test --data $$source --folder "$(DATA)" --start-lr 0 --end-lr 0.02 \
	  --iterations 4000 --hold-out 2000 --eval-every 100 --out runs/range-test; \
	$(CLI) train --data $$source --folder "$(DATA)" --experiment full-triangular2 --out runs/full-triangular2; \
	$(CLI) report runs/full-triangular2 --out runs/report

test: $(INSTALLED)  ## the test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

# Left out: where files cannot grow, coverage's own cannot either.
coverage: $(INSTALLED)  ## lines and branches that the suite reaches; fails below 95 %
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -k "not cannot_grow" --cov --cov-report=term

test-slow: $(INSTALLED)  ## the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

test-fire: $(INSTALLED)  ## kills, planted links and flipped bits, within an hour: docs/reliability.md
	OMP_NUM_THREADS=1 timeout 3600 $(BIN)/python -m pytest -q -rP -m "slow or not slow" tests/cifar10/test_fire.py tests/cifar10/test_deaths.py tests/cifar10/test_under_fire.py

test-cuda: $(INSTALLED)  ## the tests that need a CUDA device
	$(BIN)/python -m pytest -q -m cuda

# In an environment of its own: these packages are nobody's dependency.
test-company:  ## the tests with packages of others, which it installs into .venv-company
	test -x .venv-company/bin/python || $(PYTHON) -m venv .venv-company
	.venv-company/bin/python -m pip install --quiet -c constraints.txt -r tests/company/requirements.txt -e ".[dev]"
	OMP_NUM_THREADS=1 .venv-company/bin/python -m pytest -q -m company tests/company tests/test_any_loop.py

bench: $(INSTALLED)  ## results/benchmarks.md, or some sections of it: make bench PARTS="range_test data"
	test -n "$(PARTS)" || $(BIN)/python -m benchmarks.suggestions
	test -n "$(PARTS)" || $(BIN)/python -m clr_ignite.visdom_assets
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks $(PARTS)

# The peers are measured where they are installed: CONTRIBUTING.md has the versions.
advice: $(INSTALLED)  ## what finders' answers are worth: results/advice; with CIFAR-10, make advice DATA=folder
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.advice $(if $(DATA),--cifar10 "$(DATA)")

settings: $(INSTALLED)  ## what choosing a weight decay by range tests is worth: results/settings
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.settings

# The core: range tests, schedules, handlers and results, without other extras than plot.
APART := advice benchmarks browser claims cuda device docker examples facts layers live notebooks notes packaging \
  pages readme schedules_page settings_benchmark tensorboard under_fire visdom_assets
CORE := $(filter-out $(APART:%=tests/test_%.py),$(wildcard tests/test_*.py))

test-oldest:  ## the core's tests with the oldest versions that setup.cfg allows, in .venv-oldest
	test -x .venv-oldest/bin/python || $(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet -c oldest.txt -e ".[plot]" pytest hypothesis
	OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest -q $(CORE)

lint: $(INSTALLED)  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)  ## mypy --strict
	$(BIN)/mypy

format: $(INSTALLED)  ## put the code in ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## the documentation as a site, offline: build/docs/docs/index.html
	$(BIN)/python -m sphinx -q -aE -W --keep-going -c docs . build/docs

clean:  ## remove the virtual environments and caches; results stay
	rm -rf $(VENV) .venv-company .venv-oldest .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
