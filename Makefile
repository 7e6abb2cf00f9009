# Everything a person types. `make` alone explains itself.
#
# Needs cargo (https://rustup.rs) and make; whatever else is missing, scripts/setup.sh installs and says so.

CARGO ?= cargo
# Extra arguments for the program: make demo ARGS='--for 2m'
ARGS  ?=

# rustup's cargo where the shell was not restarted yet, and test tools that setup unpacked.
export PATH := $(PATH):$(HOME)/.cargo/bin:$(CURDIR)/target/tools/usr/bin

# cargo-nextest where it is installed; the same tests run without it.
NEXTEST := $(shell PATH='$(PATH)' command -v cargo-nextest 2>/dev/null)
TEST    := $(if $(NEXTEST),nextest run --no-fail-fast,test --no-fail-fast --lib --bins --tests)

.DEFAULT_GOAL := help
.PHONY: help demo test fmt-check lint unit doc soak bench install clean setup

help: ## this list
	@[ -t 1 ] && [ -z "$$NO_COLOR" ] && bold='\033[1m' cyan='\033[36m' off='\033[0m'; \
	printf "\n  $${bold}pitot$$off  API observability from access logs\n\n"; \
	awk -F ':.*## ' -v "cyan=$$cyan" -v "off=$$off" \
	    '/^[a-z-]+:.*## / { printf "  %smake %-9s%s %s\n", cyan, $$1, off, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  make demo ARGS="--for 2m"   passes arguments on\n\n'

# The dev profile: its first build takes three quarters of the CPU time of a release build, and `make test` uses it
# again. The demo needs a tenth of one core in it, since the hot crates are optimized (Cargo.toml, profile.dev.package).
demo: setup ## a small API with three incidents, watched live
	@[ -x "$${CARGO_TARGET_DIR:-target}/debug/pitot" ] || echo 'building pitot; the first time this takes minutes' >&2
	@$(CARGO) run --locked -- demo $(ARGS)

test: ## format check, clippy, all tests, doc tests, docs
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory fmt-check lint unit doc

fmt-check:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# Test runners keep what a test that passes has to say to themselves.
unit:
	@[ -d "$${PITOT_SHARED:-../shared}" ] || \
	    echo "SKIPPED: tests on $${PITOT_SHARED:-../shared}, which is not there; PITOT_SHARED says where it is" >&2
	$(CARGO) $(TEST) --locked --workspace
	$(CARGO) test --locked --workspace --doc --quiet

doc:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --quiet

# Some kinds of loss take longer to happen than anybody waits for a test. PITOT_SOAK_MINUTES says how long the kills go on.
soak: setup ## half an hour and more of kills, a collector away for an hour
	$(CARGO) test --locked --test e2e soak -- --ignored --nocapture --test-threads 1

bench: setup ## speed and memory, with peers beside it where installed
	@benches/run.sh $(ARGS)

install: setup ## build the release binary and install it into ~/.cargo/bin
	$(CARGO) install --locked --path .

clean: ## remove everything that was built
	$(CARGO) clean

setup:
	@scripts/setup.sh
