# Every target sets up what it needs itself; `make demo` and `make test` work in a fresh clone.
STATE ?= .chainfleet/demo
FAULTS ?=
MODE ?=
BIN := .venv/bin

.PHONY: help setup setup-dev portal demo compare test lint bench docs reference pictures release scan bench-portal clean

help: ## show this help
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install what the demo needs into .venv and tools/anvil
	@tools/setup demo

setup-dev: ## install what tests, linters and docs need as well
	@tools/setup dev
	@tools/portal

portal: ## build the portal's pages, Vue and React
	@tools/portal

demo: setup ## deploy 24 regions and 48 validators on the emulated cloud
	@rm -rf $(STATE)
	@$(BIN)/chainfleet deploy examples/chain-138.yaml --emulated --yes --state $(STATE) $(if $(FAULTS),--faults $(FAULTS)) $(if $(MODE),--mode $(MODE))

compare: setup ## run max and ultra one after the other and compare them
	@$(BIN)/python tools/compare.py

test: setup-dev ## run all tests, two files at a time
	@$(BIN)/pytest -n 2 --dist loadfile

lint: setup-dev ## ruff, mypy, import-linter
	@$(BIN)/ruff check src tests tools benchmarks
	@$(BIN)/ruff format --check src tests tools benchmarks
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

docs: setup-dev ## build the documentation, warnings are errors
	@$(BIN)/mkdocs build --strict --quiet

reference: setup-dev ## write docs/reference and portal/openapi.json anew from the code
	@tools/portal-openapi
	@$(BIN)/python tools/reference

pictures: setup-dev ## make docs/pictures anew: two deployments on the emulated cloud, a browser, recordings
	@$(BIN)/python tools/pictures

release: setup-dev ## wheel, locked requirements, bill of materials and checksums, into dist/
	@tools/release

bench-portal: setup-dev ## 1,000 events a second for a minute to both builds of the pages
	@$(BIN)/python benchmarks/portal/pages.py

bench: setup-dev ## run the benchmarks that take minutes, results as tables
	@$(BIN)/python benchmarks/main_job.py
	@$(BIN)/python benchmarks/rendering/bench_rendering.py
	@$(BIN)/python benchmarks/terraform/all_regions.py
	@$(BIN)/python benchmarks/portal/server.py
	@$(BIN)/python benchmarks/scheduling/run.py

scan: setup-dev ## static policy scan of the Terraform modules (its tool in an environment of its own)
	@$(BIN)/python terraform/scan

clean: ## remove what the targets made, but not state folders
	@rm -rf .venv site build dist tools/anvil/node_modules contracts/node_modules portal/node_modules portal/dist
