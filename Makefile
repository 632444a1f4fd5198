# Every job of this project is one target, and CI calls nothing else.
#
#   make run     install what is missing, build, start the gateway on the quickstart
#   make test    install what is missing, build, run every test
#
#   make check   format, lints, dependency rules, a short fuzz run
#   make bench   measure against bare Envoy and write docs/bench.md
#   make golden  rewrite golden files after an intended change (then read the diff)
#   make fuzz    fuzz every target for a minute each
#   make explore the property tests on new and many more cases, then fuzz
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build run test test-rust test-envoy check fmt clippy deny fuzz fuzz-smoke explore bench golden clean

CARGO ?= cargo
FUZZ_SECONDS ?= 5
EXPLORE_ROUNDS ?= 10
BENCH_ARGS ?=
PYTEST_ARGS ?=

# rustup's programs, when the shell has not been told about them yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@scripts/setup

# dist/ holds what is shipped: the binary, and both builds of the filters beside it.
build: setup
	@mkdir -p dist
	@echo "build: control plane and native filters"
	@$(CARGO) build --locked --quiet --release -p controller -p dynamic-module
	@echo "build: wasm filters"
	@wasm=$$(scripts/wasm-toolchain build | tail -n 1) && install -m 644 "$$wasm" dist/weir.wasm
	@install -m 755 "$${CARGO_TARGET_DIR:-target}/release/weir" dist/weir
	@install -m 644 "$${CARGO_TARGET_DIR:-target}/release/libweir.so" dist/libweir.so

# With a real key in the environment, that provider is the real one; otherwise the demo provider answers.
run: build
	@set --; \
	if [ -n "$$OPENAI_API_KEY" ]; then set -- "$$@" -f examples/overlays/openai-real --secret-env default/openai-key/Authorization=OPENAI_API_KEY; fi; \
	if [ -n "$$ANTHROPIC_API_KEY" ]; then set -- "$$@" -f examples/overlays/anthropic-real --secret-env default/anthropic-key/Authorization=ANTHROPIC_API_KEY; fi; \
	exec dist/weir run -f examples/quickstart "$$@" --demo-provider 127.0.0.1:18081 $(RUN_ARGS)

test: build test-rust test-envoy

# What the Rust tests need to find the real Envoy and the filters.
RUST_TESTS = WEIR_ENVOY="$$(scripts/envoy-binary)" WEIR_FILTERS="$$PWD/dist" WEIR_WASM="$$PWD/dist/weir.wasm"

# With one seed: the same tree passes or fails, whoever tests it. `make explore` looks for cases nobody has seen.
test-rust: build
	$(RUST_TESTS) PROPTEST_RNG_SEED=4 $(CARGO) test --locked --workspace --quiet --no-fail-fast

# Each build on a core of its own; what is no build's own runs with the native one, which starts sooner.
test-envoy: build
	@export WEIR_ENVOY="$$(scripts/envoy-binary)"; \
	pytest() { .venv/bin/python -m pytest tests/envoy -p no:cacheprovider "$$@" $(PYTEST_ARGS); }; \
	log=$$(mktemp); \
	pytest -k "not wasm" >"$$log" 2>&1 & others=$$!; \
	trap 'kill $$others 2>/dev/null; rm -f "$$log"' EXIT; \
	status=0; pytest -k wasm || status=$$?; \
	wait $$others || status=$$?; \
	cat "$$log"; exit $$status

check: setup fmt clippy deny fuzz-smoke

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --workspace --all-targets --quiet -- -D warnings

deny: setup
	@command -v cargo-deny >/dev/null 2>&1 || [ -x .cache/tools/bin/cargo-deny ] || $(CARGO) install cargo-deny --locked --quiet --root .cache/tools
	PATH="$$PWD/.cache/tools/bin:$$PATH" cargo-deny --log-level error check bans licenses sources

fuzz-smoke: setup
	fuzz/smoke.sh $(FUZZ_SECONDS)

fuzz: FUZZ_SECONDS = 60
fuzz: fuzz-smoke

# A test whose number of cases is fixed, because each is dear, sees new ones in every round.
explore: build
	@packages=$$(grep -l '^proptest' filters/*/Cargo.toml control-plane/*/Cargo.toml | xargs -n 1 dirname | xargs -n 1 basename); \
	for round in $$(seq $(EXPLORE_ROUNDS)); do \
		echo "explore: round $$round of $(EXPLORE_ROUNDS)"; \
		$(RUST_TESTS) PROPTEST_CASES=2000 $(CARGO) test --locked --quiet --no-fail-fast $$(printf -- '-p %s ' $$packages) || exit; \
	done
	@fuzz/smoke.sh 60

bench: build
	$(CARGO) run --locked --quiet --release -p bench -- --filters dist --envoy "$$(scripts/envoy-binary)" $(BENCH_ARGS)

golden: build
	WEIR_UPDATE=1 UPDATE_GOLDEN=1 UPDATE_FIXTURES=1 INSTA_UPDATE=always WEIR_FILTERS="$$PWD/dist" $(CARGO) test --locked --workspace --quiet --no-fail-fast

clean:
	$(CARGO) clean
	rm -rf dist .cache
