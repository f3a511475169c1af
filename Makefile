# tallycam. `make help` says what there is; deploy/prerequisites.sh what is needed for it.

# Where rustup puts Rust, for shells that do not look there yet: before Debian's, which may be older.
export PATH := $(if $(findstring /.cargo/bin,$(PATH)),,$(HOME)/.cargo/bin:)$(PATH)
export CARGO_TERM_COLOR ?= auto

CONFIG ?= config.toml
TARGET := $(or $(CARGO_TARGET_DIR),target)
TALLYCAM := $(TARGET)/release/tallycam

.PHONY: help run demo test check bench accuracy soak kill e2e e2e-long build install

help: ## this list (the default)
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

run: build ## build and start it on port 8080; with no camera it shows a simulated scene
	@$(TALLYCAM) serve --config $(CONFIG) --fallback sim

demo: build ## real footage through the model: boxes, ids and tallies in the browser, on port 8080
	@deploy/prerequisites.sh demo
	@deploy/demo.sh $(TALLYCAM) $(TARGET)/demo

test: ## everything that must hold: format, lints, documentation, scripts, all tests
	@deploy/prerequisites.sh test
	cargo fmt --check
	shellcheck deploy/*.sh benches/run benches/accuracy .ci/run
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --locked --no-deps --quiet
	cargo test --locked

check: ## the inner loop: format, lints, unit tests
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked --lib

bench: ## measure against µStreamer and onnxruntime, and what counting costs; writes docs/performance*.md
	@deploy/prerequisites.sh test
	cargo build --locked --release
	cargo build --locked --release --examples
	benches/run

accuracy: build ## count real clips and compare with the truth and the peer, crossing by crossing; writes docs/accuracy.md
	benches/accuracy $(TALLYCAM)

soak: ## 200 000 frames with clients that come and go: nothing may be left over
	@deploy/prerequisites.sh test
	TALLYCAM_SOAK_FRAMES=200000 TALLYCAM_SOAK_CROSSINGS=100000 cargo test --locked --release --test soak -- --nocapture --test-threads=1

kill: ## killed a hundred times while it counts: nothing that was announced may be lost, nothing count twice
	@deploy/prerequisites.sh run
	TALLYCAM_KILLS=100 cargo test --locked --release --test kill -- --nocapture

# The package is made by `make deb`; E2E_PACKAGE names another one.
E2E_PACKAGE ?= $(firstword $(wildcard $(TARGET)/deb/tallycam_*_amd64.deb))
E2E_CYCLES ?= 3

e2e: ## the package in a booted Debian 13 with real kernel devices, seen from outside; writes docs/e2e.md
	@deploy/prerequisites.sh e2e
	tests/e2e/guest.sh $(TARGET)/e2e
	python3 tests/e2e/e2e.py $(TARGET)/e2e "$(E2E_PACKAGE)" --cycles $(E2E_CYCLES)

e2e-long: ## the same with thirty power cuts
	$(MAKE) e2e E2E_CYCLES=30

build: ## the program, optimised: target/release/tallycam
	@deploy/prerequisites.sh run
	@test -e $(TALLYCAM) || echo "tallycam: the first build takes some minutes"
	cargo build --locked --release

# DESTDIR is for packages. The configuration that is there stays.
install: ## as root, after make build: program, units and configuration of the service
	install -D -m 755 $(TALLYCAM) $(DESTDIR)/usr/bin/tallycam
	install -D -m 644 -t $(DESTDIR)/usr/share/tallycam/models models/*.onnx models/*.toml models/README.md models/LICENSE
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system \
		systemd/tallycam.service systemd/tallycam.socket systemd/tallycam@.service
	install -D -m 644 systemd/tallycam.sysusers $(DESTDIR)/usr/lib/sysusers.d/tallycam.conf
	test -e $(DESTDIR)/etc/tallycam/config.toml || \
		install -D -m 644 config.toml $(DESTDIR)/etc/tallycam/config.toml
	test -n "$(DESTDIR)" || systemd-sysusers tallycam.conf
	test -n "$(DESTDIR)" || systemctl daemon-reload
