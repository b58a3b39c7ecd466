# The commands of the project. GNU make 3.81 (macOS) is enough.

SHELL := /bin/sh
.DEFAULT_GOAL := help
# The schedule of `make chaos`; a failing run names its own.
SEED ?= 20261124

.PHONY: help demo test chaos build doctor fmt lint doc deny audit redis tools clean

# A toolchain that was installed a moment ago, or is used through sudo, is often not on the path yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

demo: redis ## Build all and watch real candles become alerts (about a minute)
	cargo build --release --locked --workspace --bins
	target/release/demo

test: tools ## Run all tests, on private Redis servers of their own
	cargo test --workspace --locked

chaos: redis ## Break workers, connections and Redis 1,000 times, check every signal; SEED=n for another schedule
	cargo build --release --locked --workspace --bins
	target/release/chaos --seed $(SEED) --faults 1000

build: ## Build the programs, optimised, into target/release
	cargo build --release --locked --workspace --bins

doctor: ## Check what candlewire.toml needs: Redis, venues, workers, recipients; changes nothing
	cargo build --release --locked -p ingestor -p indicator-worker -p notifier
	@worst=0; \
	for program in ingestor indicator-worker notifier; do \
	  printf '\n%s\n' "$$program"; \
	  code=0; target/release/$$program doctor || code=$$?; \
	  if [ $$code -gt $$worst ]; then worst=$$code; fi; \
	done; \
	exit $$worst

fmt: ## Format the code
	cargo fmt --all

lint: ## Check format and lints, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

doc: ## Build the documentation, warnings are errors
	RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked

deny: ## Check dependencies, licences and sources with cargo-deny
	cargo deny --locked --log-level error check bans licenses sources

audit: ## Check dependencies against the RustSec advisories; needs a network
	cargo deny --locked check advisories

redis: ## Install redis-server and a C compiler if they are missing
	@sh scripts/ensure-tools.sh cc redis-server

tools: ## Install what the tests need on top: Prometheus with promtool, and amtool
	@sh scripts/ensure-tools.sh cc redis-server prometheus promtool amtool

clean: ## Remove everything that was built
	cargo clean
