# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help install demo test lint clean
PYTHON ?= python3
RUN := .venv/bin/python

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: .venv/installed ## environment in .venv with the tested versions

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet uv
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" .venv/bin/uv pip install --quiet --python $(RUN) -c constraints.txt -e '.[dev]'
	touch $@

demo: install ## train an MLP and a kNN router, evaluate both: about a minute
	$(RUN) train.py router=mlp hydra.run.dir=outputs/mlp
	$(RUN) train.py router=knn hydra.run.dir=outputs/knn
	$(RUN) evaluate.py 'routers=[outputs/mlp/router,outputs/knn/router]' hydra.run.dir=outputs/demo

test: install ## the whole test suite
	$(RUN) -m pytest

lint: install ## ruff and mypy
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

clean: ## remove the environment and all outputs
	rm -rf .venv outputs multirun
