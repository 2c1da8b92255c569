# A thin face over meson. On a fresh Debian machine `make run` and `make test`
# do all the set-up that they need; both want root.

BUILD ?= build
MESON_FLAGS ?= -Dwerror=true -Dstatic=true

BUILD_PACKAGES = gcc libc6-dev meson ninja-build pkg-config git ca-certificates \
	libseccomp-dev libcap-dev libyajl-dev libsystemd-dev busybox-static
TEST_PACKAGES = $(BUILD_PACKAGES) clang libclang-rt-14-dev libcmocka-dev python3 python3-pytest \
	clang-format-14 pmccabe debootstrap xz-utils iproute2 uidmap groff-base man-db zsh fish \
	$(CONFORMANCE_PACKAGES) $(VM_PACKAGES)
# What the programs of tests/conformance are built with.
CONFORMANCE_PACKAGES = golang-go golang-github-google-uuid-dev golang-github-blang-semver-dev \
	golang-github-hashicorp-go-multierror-dev golang-github-mrunalp-fileutils-dev \
	golang-github-opencontainers-specs-dev golang-github-opencontainers-selinux-dev \
	golang-github-sirupsen-logrus-dev golang-github-xeipuuv-gojsonschema-dev \
	golang-github-urfave-cli-dev golang-gocapability-dev golang-golang-x-sys-dev

# What guests are made with, and run by.
VM_PACKAGES = mmdebstrap e2fsprogs kmod cpio xz-utils qemu-system-x86 qemu-utils

.PHONY: all run test test-vm bench bench-engines install fmt clean fuzz

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tests/lib/packages $(BUILD_PACKAGES)
	meson setup $(BUILD) $(MESON_FLAGS)

# Build, make a bundle, run it, and show what the container sees of itself.
run: all
	@tests/lib/first-container $(BUILD)/src/kenro $(BUILD)/first-container

# Every suite, in every build that matters; prints what was skipped and why.
test:
	@tests/lib/packages $(TEST_PACKAGES)
	@tests/run

# Those alone that run in guests, with systemd, engines and all controllers.
test-vm: all
	@tests/lib/packages $(BUILD_PACKAGES) python3-pytest $(VM_PACKAGES)
	@tests/run vm vm-full vm-engines vm-kernels

# Compare with crun and runc of Debian's sid suite; nothing passes or fails here.
bench: all
	@tests/lib/packages $(TEST_PACKAGES)
	@tests/bench/run $(BUILD)/src/kenro

# The same as engines see it: podman run and docker run, in a guest.
bench-engines: all
	@tests/lib/packages $(BUILD_PACKAGES) python3-pytest $(VM_PACKAGES)
	@BUILD=$(BUILD) tests/bench/engines

fuzz:
	@tests/lib/packages $(TEST_PACKAGES)
	@tests/fuzz/run

install: all
	meson install -C $(BUILD) --no-rebuild --strip

fmt:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-*
