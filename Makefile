# tallycam. `make help` lists the targets; deploy/prerequisites.sh installs their prerequisites.

# rustup's folder comes first, for shells that do not have it yet: Debian's Rust may be older.
export PATH := $(if $(findstring /.cargo/bin,$(PATH)),,$(HOME)/.cargo/bin:)$(PATH)
export CARGO_TERM_COLOR ?= auto
# Optimised builds are given to others, or measured as such: they contain no path of this machine and no user name.
NAMELESS := --remap-path-prefix=$(HOME)=~ --remap-path-prefix=$(CURDIR)=.
NAMELESS := $(if $(findstring $(NAMELESS),$(RUSTFLAGS)),$(RUSTFLAGS),$(strip $(RUSTFLAGS) $(NAMELESS)))
build bench accuracy soak kill: export RUSTFLAGS = $(NAMELESS)
deb-%: export RUSTFLAGS = $(NAMELESS)
# The page shows the build date. It is the date of the changelog, so that the same sources give the same program.
CHANGED := $(or $(SOURCE_DATE_EPOCH),$(shell date -d "$$(sed -n 's/^ -- .*>  //p' deploy/debian/changelog | head -n 1)" +%s))
deb-%: export SOURCE_DATE_EPOCH = $(CHANGED)

CONFIG ?= config.toml
TARGET := $(or $(CARGO_TARGET_DIR),target)
TALLYCAM := $(TARGET)/release/tallycam

# Architectures of the packages, in Debian's words.
ARCHITECTURES ?= $(sort $(shell dpkg --print-architecture 2>/dev/null) arm64)
CARGO_DEB := target/tools/bin/cargo-deb
# Mounts and chroot need root, and so do the files made on the way; the program is given back to the user.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,mkdir -p target && sudo --preserve-env=TALLYCAM_CROSS,TALLYCAM_IMAGE,TALLYCAM_MIRROR,TALLYCAM_SECURITY,KERNEL,WITH_FFMPEG,SOURCE_DATE_EPOCH,TALLYCAM_FEATURES,CARGO_BUILD_JOBS,LONG,E2E_PATIENCE,http_proxy,https_proxy)
CROSS := $(AS_ROOT) deploy/cross.sh
# Packages are made one after the other, in one folder.
.NOTPARALLEL:

.PHONY: help run demo test check deny fuzz bench instructions accuracy soak load kill fleet-test home-assistant e2e e2e-long screenshots clients build install cross crosstest libcamera libcamera-test deb image image-e2e release

help: ## this list (the default)
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: build ## build and start it on port 8080; with no camera it shows a simulated scene
	@"$(TALLYCAM)" serve --config $(CONFIG) --fallback sim

demo: build ## real footage through the model: boxes, ids and tallies in the browser, on port 8080
	@deploy/prerequisites.sh demo
	@deploy/demo.sh "$(TALLYCAM)" "$(TARGET)/demo"

test: ## everything that must hold: format, lints, documentation, scripts, all tests
	@deploy/prerequisites.sh test
	cargo fmt --all --check
	shellcheck deploy/*.sh deploy/image/build.sh deploy/image/init deploy/release/*.sh deploy/debian/p* benches/run benches/accuracy benches/instructions tests/e2e/guest.sh tests/image/hook tests/image/raspios.sh tests/image/raspios.init tests/libcamera/*.sh tests/clients/run tests/clients/roles tests/js/run deploy/fleet/*.sh tests/fleet/run fuzz/run fuzz/rustc.sh .ci/run
	python3 tests/e2e/e2e.py --help >/dev/null
	python3 tests/image/image.py --help >/dev/null
	python3 -B tests/fleet/fleet.py --help >/dev/null
	python3 -B tests/fleet/homeassistant.py --help >/dev/null
	tests/js/run
	deploy/deny.py
	cargo rustc --locked --lib --features pwm -p tallycam-camera -- -Dwarnings
	RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/deploy/rustc.sh" cargo check --locked --no-default-features
	RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/deploy/rustc.sh" cargo test --locked --no-fail-fast --workspace

check: ## the inner loop: format, lints, unit tests
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	cargo test --locked --workspace --lib

deny: ## licences, sources and known faults of the crates; part of `make test`
	@deploy/deny.py

# Seconds for each target.
FUZZ ?= 60
fuzz: ## bytes from outside that break a reader of them: FUZZ=60 seconds for each of the readers
	@deploy/prerequisites.sh fuzz
	fuzz/run $(FUZZ)

bench: ## measure against µStreamer and onnxruntime, and what counting costs; writes docs/performance*.md
	@deploy/prerequisites.sh test
	cargo build --locked --release
	cargo build --locked --release --examples
	benches/run

instructions: ## count the arm64 instructions of a frame's work, as root; warns of what grew; writes docs/performance.md
	@deploy/prerequisites.sh cross
	benches/instructions

accuracy: build ## count real clips and compare with the truth and the peer, crossing by crossing; writes docs/accuracy.md
	benches/accuracy "$(TALLYCAM)"

soak: ## 200 000 frames with clients that come and go: nothing may be left over
	@deploy/prerequisites.sh test
	TALLYCAM_SOAK_FRAMES=200000 TALLYCAM_SOAK_CROSSINGS=100000 cargo test --locked --release --test soak -- --nocapture --test-threads=1

load: ## as root: every kind of client at its limit, in 256 MiB; and what each route costs the server's thread
	@deploy/prerequisites.sh test
	cargo test --locked --release --test load -- --include-ignored --nocapture --test-threads=1

kill: ## killed a hundred times while it counts: nothing that was announced may be lost, nothing count twice
	@deploy/prerequisites.sh run
	TALLYCAM_KILLS=100 cargo test --locked --release --test kill counting:: -- --nocapture

# Minutes; 1 is the least in which everything happens once.
FLEET ?= 30
fleet-test: build ## cameras, broker and database that are killed at random: no crossing lost, none twice; FLEET=30 minutes
	@deploy/prerequisites.sh fleet
	tests/fleet/run $(FLEET) "$(TALLYCAM)"

HASS ?= hass
home-assistant: build ## Home Assistant with a camera by MQTT: its entities, restarts, statistics, warnings; HASS=its program
	@deploy/prerequisites.sh fleet
	python3 -B tests/fleet/homeassistant.py "$(HASS)" "$(TALLYCAM)"

# E2E_PACKAGE names an existing package; without it, a package is built.
E2E_PACKAGE ?=
E2E_CYCLES ?= 3
newest_package = $(shell ls -t target/deb/tallycam_*_amd64.deb | head -n 1)

e2e: $(if $(E2E_PACKAGE),,deb-amd64 deb-libcamera-amd64) ## the package in a booted Debian 13 with real kernel devices, seen from outside; writes docs/e2e.md
	@deploy/prerequisites.sh e2e
	tests/e2e/guest.sh "$(TARGET)/e2e"
	python3 tests/e2e/e2e.py "$(TARGET)/e2e" $(or $(E2E_PACKAGE),$(newest_package)) --cycles $(E2E_CYCLES)

e2e-long: ## the same with thirty power cuts
	$(MAKE) e2e E2E_CYCLES=30

# IMAGE_PACKAGE names an existing package for arm64; without it, a package is built.
IMAGE_PACKAGE ?=
newest_arm64 = $(shell ls -t target/deb/tallycam_*_arm64.deb | head -n 1)
IMAGE := $(or $(TALLYCAM_IMAGE),target/image)

image: $(if $(IMAGE_PACKAGE),,deb-arm64) ## a card for Pis, to flash and browse to (by sudo): target/image; KERNEL=stable, WITH_FFMPEG=1
	@deploy/prerequisites.sh image
	$(AS_ROOT) deploy/image/build.sh $(or $(IMAGE_PACKAGE),$(newest_arm64))

image-e2e: $(if $(wildcard $(IMAGE)/*.img),,image) ## the card in emulated machines (by sudo), its plug pulled three times; LONG=1: thirty times, and in a Pi 3
	@deploy/prerequisites.sh image-e2e
	$(AS_ROOT) python3 -B tests/image/image.py $(IMAGE) $(or $(IMAGE_PACKAGE),$(newest_arm64)) $(if $(LONG),--cuts 30 --machines "virt raspi3b")

screenshots: build ## the screenshots of README.md, of a simulated street and `make demo`, in headless Chromium: docs/*.png
	@deploy/prerequisites.sh demo
	docs/screenshots.py "$(TALLYCAM)" "$(TARGET)/demo"

clients: build ## promtool, LibreOffice and a generated client read what the program gives; one that is not installed is left out
	tests/clients/run "$(TALLYCAM)"

build: ## the program, optimised: target/release/tallycam
	@deploy/prerequisites.sh run
	@test -e "$(TALLYCAM)" || echo "tallycam: the first build takes some minutes, on two slow cores half an hour"
	cargo build --locked --release

cross: ## the program for 64-bit Pis, in a Debian of its own (by sudo), with checks: target/cross/arm64/tallycam
	@deploy/prerequisites.sh cross
	$(CROSS) build

crosstest: ## the tests that can run there, as arm64 programs under qemu-user (by sudo)
	@deploy/prerequisites.sh cross
	$(CROSS) test

libcamera: ## what reads libcamera's cameras, for this machine (by sudo): target/lib/tallycam, where the program looks
	@deploy/prerequisites.sh cross
	$(AS_ROOT) deploy/libcamera.sh build
	install -D -m 755 -t "$(TARGET)/lib/tallycam" $(HELPERS)/libcamera-*

libcamera-test: ## that against the real libcamera of each soname, with its virtual cameras (by sudo); ARM64=1: also under qemu-user
	@deploy/prerequisites.sh libcamera-test
	$(AS_ROOT) tests/libcamera/test.sh $(if $(ARM64),arm64)

deb: $(foreach architecture,$(ARCHITECTURES),deb-$(architecture) deb-libcamera-$(architecture)) ## Debian packages for this machine and for 64-bit Pis (by sudo), in target/deb

deb-%: $(CARGO_DEB)
	@deploy/prerequisites.sh deb
	@began=$$(date +%s); case $$(dpkg --print-architecture)-$* in \
		amd64-amd64) $(MAKE) --no-print-directory build && deploy/deb.sh $* "$(TALLYCAM)" target/deb ;; \
		arm64-arm64) cargo build --locked --release --features pwm && deploy/deb.sh $* "$(TALLYCAM)" target/deb pwm ;; \
		*-arm64) $(MAKE) --no-print-directory cross && deploy/deb.sh $* target/cross/arm64/tallycam target/deb pwm ;; \
		*) echo "tallycam: no packages for $* are made here" >&2; exit 64 ;; \
	esac && echo "tallycam: the package for $* took $$(($$(date +%s) - began)) s; target/deb/report-$*.txt tells of it"

# The helpers for libcamera's cameras. Both rules match, and make prefers the shorter stem.
deb-libcamera-%:
	@deploy/prerequisites.sh cross
	@deploy/prerequisites.sh deb
	@$(AS_ROOT) deploy/libcamera.sh build $*
	@deploy/deb-libcamera.sh $* target/libcamera/$* target/deb

# The later address of the files, for Raspberry Pi Imager's list.
RELEASE_ADDRESS ?=

release: deb image ## all that a release has: packages, card image, lists of contents, checksums, notes: target/release-files
	@deploy/prerequisites.sh release
	deploy/release/build.sh $(RELEASE_ADDRESS)

$(CARGO_DEB):
	@deploy/prerequisites.sh deb
	cargo install --quiet --locked --debug --no-default-features --version 3.8.0 --root target/tools cargo-deb

# Made by deploy/libcamera.sh build: for a camera on a Pi's ribbon cable.
HELPERS := target/libcamera/$(shell dpkg --print-architecture 2>/dev/null)

# DESTDIR is for packages. An existing configuration stays.
install: ## as root, after make build: program, units and configuration of the service
	install -D -m 755 "$(TALLYCAM)" $(DESTDIR)/usr/bin/tallycam
	! test -d $(HELPERS) || install -D -m 755 -t $(DESTDIR)/usr/lib/tallycam $(HELPERS)/libcamera-*
	install -D -m 644 -t $(DESTDIR)/usr/share/tallycam/models models/*.onnx models/*.toml models/README.md models/LICENSE
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system \
		systemd/tallycam.service systemd/tallycam.socket systemd/tallycam@.service
	install -D -m 644 systemd/tallycam.sysusers $(DESTDIR)/usr/lib/sysusers.d/tallycam.conf
	install -D -m 644 systemd/tallycam.rules $(DESTDIR)/usr/lib/udev/rules.d/70-tallycam.rules
	install -D -m 644 systemd/tallycam.polkit $(DESTDIR)/usr/share/doc/tallycam/examples/tallycam-power.rules
	install -D -m 644 -t $(DESTDIR)/usr/share/doc/tallycam/examples systemd/tallycam-*.conf
	test -e $(DESTDIR)/etc/tallycam/config.toml || \
		install -D -m 644 config.toml $(DESTDIR)/etc/tallycam/config.toml
	install -D -m 644 systemd/tallycam.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/tallycam.conf
	test -n "$(DESTDIR)" || systemd-sysusers tallycam.conf
	test -n "$(DESTDIR)" || systemd-tmpfiles --create tallycam.conf
	test -n "$(DESTDIR)" || systemctl daemon-reload
	test -n "$(DESTDIR)" || ! test -d /run/udev || { udevadm control --reload && \
		udevadm trigger --subsystem-match=video4linux --subsystem-match=spidev --subsystem-match=gpio \
		--subsystem-match=media --subsystem-match=dma_heap; }
