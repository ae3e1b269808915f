# All of it runs on a machine that has only make and Python 3.11 or newer: try `make help`.
# Another interpreter: `make lab PYTHON=python3.12`. More pytest options: `make test ARGS="-k bumps -x"`,
# in one process: `make test JOBS=0`.

PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
INSTALLED := .venv/.installed
EXTRAS := lab,data,test,dev
PAGE := vrrae_lab/widgets/page
PAGE_INSTALLED := $(PAGE)/node_modules/.package-lock.json
# Colab's Python is newer: `make colab COLAB_PYTHON=python3.13` where there is one.
COLAB_PYTHON ?= $(PYTHON)
COLAB_INSTALLED := .venv-colab/.installed
# Left out are tests of long arithmetic or of many processes, in which nothing depends on these versions alone, and
# those of the repository's own tools and pages.
COLAB_TESTS := $(filter-out $(addprefix tests/test_,$(addsuffix .py,aggregate_matching bad_luck benchmarks density_avae \
	density_selectors distribution docs experiments_bandwidth_table experiments_image_sets experiments_studies features microbatch \
	notebooks_static penalties sharding total_correlation training_checkpoints usage)) \
	$(wildcard tests/test_derivations_*.py),$(wildcard tests/test_*.py))
# The newest versions need a newer Python: `make newest NEWEST_PYTHON=python3.13`.
NEWEST_PYTHON ?= python3.13
NEWEST_INSTALLED := .venv-newest/.installed
COLAB_NOTEBOOKS := $(foreach number,00 07 08,$(wildcard notebooks/$(number)_*.ipynb))

# Notebooks run on this environment's own kernel, whatever kernels the user has installed elsewhere.
export JUPYTER_PREFER_ENV_PATH := 1
unexport JUPYTER_PATH

.DEFAULT_GOAL := help
.PHONY: help install lab demo test test-all newest constraints-newest processors colab bench browser lint notebooks shipped runs page page-check docs constraints address

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv and install the package and its tools into it (1.5 GB; the other targets do it too)

lab: $(INSTALLED) ## Open JupyterLab on the first notebook (prints its address; needs no browser of its own)
	$(BIN)/vrrae-lab lab

demo: $(INSTALLED) ## The main experiment without a browser, in its short form
	$(BIN)/vrrae-lab run bumps --fast

# Files go whole to one of $(JOBS) processes, as the tests of a file share what is dear to make. The longest, notebooks and
# browser, come first: xdist by itself would put files of few tests last, and one process would wait for the other.
# One pytest run, so that its last line speaks for everything. (Not --nbmake-find-import-errors: it lets asserts fail.)
test: $(INSTALLED) ## All tests: library, notebooks (short runs) and, where Chromium is found, JupyterLab
	VRRAE_LAB_FAST=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --nbmake --nbmake-kernel=python3 --nbmake-timeout=300 notebooks tests $(ARGS)

# Kernels of OpenBLAS and instruction sets of XLA round differently, and which of them a machine takes is its own affair.
# Each setting gets the whole suite but notebooks, browser and benchmarks; what failed is said once more at the end.
PROCESSORS := "" "-u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE" XLA_FLAGS=--xla_cpu_max_isa=AVX2 \
	XLA_FLAGS=--xla_cpu_max_isa=SSE4_2 OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1 OPENBLAS_NUM_THREADS=2

processors: $(INSTALLED) ## The unit tests as on other processors: OpenBLAS's kernels, XLA's instructions, one BLAS thread and two
	@failed=; for setting in $(PROCESSORS); do \
		echo "=== $${setting:-as this machine is}"; \
		env $$setting VRRAE_LAB_FAST=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile tests \
			--ignore=tests/browser --ignore=tests/test_benchmarks.py $(ARGS) || failed="$$failed [$${setting:-as this machine is}]"; \
	done; echo "=== failed:$${failed:- nowhere}"; test -z "$$failed"

# Old packages on a new Python warn of what will go; that is not ours to mend. To compile is most of the work, and
# without optimisation it is soon done.
colab: $(COLAB_INSTALLED) ## Unit tests and notebooks 00, 07, 08 with the versions that Colab has preinstalled
	VRRAE_LAB_FAST=1 XLA_FLAGS=--xla_backend_optimization_level=0 .venv-colab/bin/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -o filterwarnings=default \
		--nbmake --nbmake-kernel=python3 --nbmake-timeout=300 $(COLAB_NOTEBOOKS) $(COLAB_TESTS) $(ARGS)

newest: $(NEWEST_INSTALLED) ## The unit tests with the newest versions of everything, on Python 3.13
	VRRAE_LAB_FAST=1 .venv-newest/bin/python -m pytest -n $(JOBS) --dist loadfile -o filterwarnings=default tests \
		--ignore=tests/browser --ignore=tests/test_benchmarks.py $(ARGS)

test-all: test newest docs processors ## Before a release (hours): also the newest versions, the documentation, other processors

bench: $(INSTALLED) ## Speed, side by side with RRAEs and PyTorch, which it installs too (ARGS="steps --threads 2")
	$(BIN)/python -m pip install -q -e ".[bench]" -c constraints.txt
	$(BIN)/python -m benchmarks $(ARGS)

browser: $(INSTALLED) ## Only the tests that drive JupyterLab in Chromium; fails without Chromium
	VRRAE_LAB_REQUIRE=browser $(BIN)/python -m pytest tests/browser $(ARGS)

lint: $(INSTALLED) ## Style, types, the order of imports, that notebook outputs are up to date, and with Node the page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.notebooks --check
	$(BIN)/python -m pytest -q tests/test_ladder.py
	@if command -v node > /dev/null; then $(MAKE) --no-print-directory page-check; \
		else echo "There is no Node here: the page's modules are not checked"; fi

notebooks: $(INSTALLED) ## Run the notebooks in full and store their outputs (NAMES="03_bump_collapse.ipynb" for some)
	$(BIN)/python -m tools.notebooks $(NAMES)

address: $(INSTALLED) ## Write the repository's address wherever it stands (URL=https://github.com/you/vrrae_lab; URL= takes it away)
	$(BIN)/python -m tools.address "$(URL)"

shipped: $(INSTALLED) ## Train the models and make the records that come with the package (goes on where it was stopped)
	$(BIN)/python tools/ship.py

runs: ## Start the papers' full runs in the background, or go on with them, and say where they stand (hours)
	@$(PYTHON) tools/long_runs.py $(ARGS)

page: $(PAGE_INSTALLED) ## Build the page's one file, vrrae_lab/widgets/lab.js, from its modules (needs Node 20 or newer; users need none)
	cd $(PAGE) && npm run --silent build

# Style, types and tests of the page's modules, and that the one file is what they make.
page-check: $(PAGE_INSTALLED)
	cd $(PAGE) && npm run --silent check

$(PAGE_INSTALLED): $(PAGE)/package-lock.json
	cd $(PAGE) && npm ci --silent

docs: $(INSTALLED) ## The documentation as web pages in build/docs, from the README, the docstrings and the notebooks as they are
	$(BIN)/python -m pip install -q -e ".[docs]" -c constraints.txt
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/docs
	@echo "open build/docs/index.html"

# Direct addresses and editable installs are left out, and what marks a local build (torch's "+cpu") is cut off: a
# constraint is a name and a version.
# After it, `make newest` installs what it has written.
constraints-newest: ## Write constraints-newest.txt from what pip finds for Python 3.13
	rm -rf .venv-newest
	$(NEWEST_PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install -e ".[$(EXTRAS)]"
	{ echo "# Made by \`make constraints-newest\`: the newest versions on Python 3.13, which \`make newest\` tries."; \
	  .venv-newest/bin/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==' | sed 's/+.*//'; \
	} > constraints-newest.txt

constraints: $(INSTALLED) ## Upgrade everything in .venv and write constraints.txt from it
	$(BIN)/python -m pip install --upgrade --upgrade-strategy eager -e ".[$(EXTRAS),bench,docs]"
	{ echo "# Made by \`make constraints\`: the versions this project is tried with."; \
	  $(BIN)/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==' | sed 's/+.*//'; \
	} > constraints.tmp
	mv constraints.tmp constraints.txt
	touch $(INSTALLED)

# The stamp is written last: an install that was cut short is taken up again by the next `make`.
$(INSTALLED): pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null || \
		{ echo "There is no '$(PYTHON)' here. Name your Python: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "vrrae_lab needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
		{ echo "'$(PYTHON)' cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -e ".[$(EXTRAS)]" -c constraints.txt
	@touch $@

$(NEWEST_INSTALLED): pyproject.toml constraints-newest.txt
	$(NEWEST_PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install -e ".[$(EXTRAS)]" -c constraints-newest.txt
	@touch $@

$(COLAB_INSTALLED): pyproject.toml constraints-colab.txt
	$(COLAB_PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install -e ".[data,test]" ipykernel nbformat notebook -c constraints-colab.txt
	@touch $@
