# Everything a developer does here; `make help` lists it. CI runs `make test`.

version := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
package := distribution/target/rocketmq-$(version)/rocketmq-$(version)
cargo_deny_version := 0.20.2
cargo_deny_root := target/tools/cargo-deny-$(cargo_deny_version)
cargo_deny := $(cargo_deny_root)/bin/cargo-deny

.PHONY: help prerequisites build dist quickstart test test-quick dashboard-test crash soak fmt fmt-check clippy deny shell-check lint kubernetes interop load-tool bench bench-quick

help:  ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

prerequisites:
	@distribution/prerequisites.sh

build: prerequisites  ## the release build of the one program, target/release/rocketmq
	cargo build --locked --release -p rocketmq

dist: build  ## the distribution with .tar.gz, .zip and the source release, under distribution/target
	distribution/package.sh

quickstart: dist  ## starts name server and broker, runs the quickstart Producer and Consumer, stops all (VERBOSE=1: every line)
	distribution/quickstart.sh $(package)

test: prerequisites  ## everything that CI runs; gets what it needs by itself
	tests/run.sh

test-quick: prerequisites  ## formatting, lints and the cargo tests only
	tests/run.sh fmt clippy cargo-test

interop: dist  ## every feature between Java's, Go's and our client, Java's and our broker, as one table
	tests/interop/matrix.sh

dashboard-test:  ## the dashboard's page in a real browser (chromium); DASHBOARD_SCREENSHOTS=dir keeps pictures
	tests/run.sh dashboard

# The tests that are too long for cargo-test; they print what they counted and the seed to repeat them with (SEED=n).
crash:  ## kills, power cuts and damage of whole processes: the long tests, four minutes
	cargo test --locked -p rocketmq-testbed --no-fail-fast -- --ignored --nocapture

soak:  ## the same, and the fuzz targets, for SOAK_SECONDS (600) each
	SOAK_SECONDS=$${SOAK_SECONDS:-600} $(MAKE) crash
	SOAK_SECONDS=$${SOAK_SECONDS:-600} cargo test --locked -p rocketmq-fuzzing -- --nocapture

fmt:  ## formats the Rust code
	cargo fmt --all

lint: fmt-check clippy deny shell-check  ## formatting, clippy, dependency rules, shell scripts

fmt-check:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Advisories are not asked for: their database lies outside the package registries. A debug build of cargo-deny is
# enough and takes two to three minutes on two cores, once.
deny: $(cargo_deny)
	$(cargo_deny) --locked check bans licenses sources

$(cargo_deny):
	cargo install --locked --debug --version $(cargo_deny_version) --root $(cargo_deny_root) cargo-deny

shell-check:
	tests/shell-check.sh

kubernetes:  ## writes the plain Kubernetes manifests anew from the Helm chart (wants Go)
	tests/kubernetes/run.sh --write

load-tool:
	cargo build --locked --release -p rocketmq-bench

bench: dist load-tool  ## speed and memory side by side with Java 4.9.2; takes long; adds to docs/performance.json
	bench/run.sh --history docs/performance.json

bench-quick: dist load-tool  ## the short form of bench
	bench/run.sh --quick
