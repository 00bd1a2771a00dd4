PYTHON ?= python3
BIN = .venv/bin

.PHONY: help setup demo test test-slow test-gpu check fix bench ui parts

help:       ## Show this list
	@grep -E '^[a-z-]+: .*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

setup: .venv/ready  ## Install everything into .venv

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch .venv/ready

demo: setup ## Train, score and compare two connectors in minutes; FRESH=1 forgets earlier runs
	$(if $(FRESH),$(BIN)/vlm forget name=demo)
	$(BIN)/vlm train experiment=demo
	$(BIN)/vlm report name=demo
	@echo "open the runs in a browser: make ui"

test: setup ## Tests that need no GPU and no network
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "not gpu and not slow"

test-slow: setup ## Tests that take longer
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "slow and not gpu"

test-gpu: setup ## Tests that need a CUDA device
	VLM_TEST_GPU=1 $(BIN)/pytest -m gpu

check: setup ## Style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup  ## Format and repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## Measure beside peers, on this machine
	$(BIN)/python benchmarks/data_loading.py
	$(BIN)/python benchmarks/resume.py
	$(BIN)/python benchmarks/train_step.py
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/serve.py

ui: setup   ## Compare runs in a browser
	$(BIN)/mlflow ui --backend-store-uri sqlite:///runs/mlflow.db

parts: setup ## Train the packaged tiny parts again, from nothing; hours
	cd parts && ../$(BIN)/python train.py
