# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help install demo test test-ray lint clean
PYTHON ?= python3
# Of the packages: the tested ones. Others that pyproject.toml allows: --upgrade, or --resolution lowest-direct
VERSIONS ?= -c constraints.txt
UV := UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" .venv/bin/uv
RUN := .venv/bin/python

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: .venv/installed ## environment in .venv with the tested versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet uv
	$(UV) pip install --quiet --python $(RUN) $(VERSIONS) -e '.[dev]'
	touch $@

demo: install ## train an MLP and a kNN router, evaluate both: a minute or two
	$(RUN) train.py router=mlp hydra.run.dir=outputs/mlp
	$(RUN) train.py router=knn hydra.run.dir=outputs/knn
	$(RUN) evaluate.py 'routers=[outputs/mlp/router,outputs/knn/router]' hydra.run.dir=outputs/demo

test: install ## the whole test suite, in two processes: a quarter of an hour
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile

test-ray: install ## a sweep by Ray, which gets an environment of its own
	$(UV) venv --quiet --clear --python $(RUN) .venv/ray
	$(UV) pip install --quiet --python .venv/ray/bin/python $(VERSIONS) -e '.[ray]' pytest hypothesis
	.venv/ray/bin/python -m pytest tests/test_launchers.py -k ray

lint: install ## ruff and mypy
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

clean: ## remove the environment and all outputs
	rm -rf .venv outputs multirun
