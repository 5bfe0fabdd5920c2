# SPDX-License-Identifier: Apache-2.0
#
## Use it
#   make install   build if need be, and install into PREFIX (default /usr/local)
#   make uninstall take away what make install put into PREFIX
#   make deb       Debian packages of it, into dist/
#   make tarball   an archive that runs where it is unpacked, with the Swift runtime, into dist/
#   make demo      install what is missing, build, and show a guest's network working
#
## Work on it
#   make build     the release build
#   make test      install what is missing, build, and run all tests
#   make check     before a commit: format, lint, build without warnings, quick tests
#   make examples  build and test the plugins of SDK/examples (those in Swift take minutes)
#   make packages  build the packages and try them in systems without a toolchain (needs root)
#   make man       the man pages, into .build/man
#   make format    rewrite the sources as swift format wants them
#   make clean     remove what was built
#
## Measure it
#   make bench     beside passt/pasta and slirp4netns, and between guests (needs root);
#                  BENCH="--quick" for two minutes
#   make uplink    between the host and guests with real addresses, QEMU among them (needs root);
#                  UPLINK=SECONDS
#   make floods    what a guest notices of a neighbour that floods (needs root);
#                  FLOODS="--quick"; FLOODS="--products DIR" for another build
#   make hostile   the same of one that attacks, with what the host notices (needs root);
#                  HOSTILE="--quick"; docs/security.md says what bounds it
#   make soak      guests that come and go under traffic and reloads (needs root); HOURS=24
#   make kills     kill -9 of random processes under traffic (needs root); ROUNDS=1000
#   make micro     what a packet costs, by its path
#   make abi       what a frame costs that goes through the plugin ABI, in C and in Swift
#   make growth    how cost grows with flows and networks; GROWTH="--svg FILE" draws it
#   make fuzz      look for inputs that break a parser or the stack, SECONDS each (60)

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift
RELEASE = .build/release
SOURCES = Sources Plugins SDK Examples Tests Benchmarks Package.swift

.PHONY: help demo test examples check build install uninstall deb tarball packages man bench uplink \
  floods hostile soak kills micro abi growth fuzz format lint clean

help:
	@echo "lima-netd: networks for virtual machines. What there is to make:"
	@sed -n -e '/^$$/q' -e '3,$$s/^## \(.*\)/\n\1/p' -e '3,$$s/^#  //p' Makefile

demo:
	@Scripts/install-packages demo
	@Scripts/build-release
	@Scripts/with-products Scripts/demo

test:
	@Scripts/install-packages test
	@Scripts/with-temporary-folder Scripts/test

examples:
	@Scripts/install-packages examples
	$(MAKE) -C SDK/examples/2-dns-zone test
	$(MAKE) -C SDK/examples/6-vxlan test
	if command -v cargo >/dev/null; then $(MAKE) -C SDK/examples/4-blocklist test; else echo "no cargo: 4-blocklist is not tested"; fi
	$(MAKE) -C SDK/examples/5-lab test
	cd SDK/examples/3-dns-tls && $(SWIFT) test --disable-xctest --no-parallel

check: lint
	@Scripts/install-packages build
	$(SWIFT) build -Xswiftc -warnings-as-errors
	Scripts/with-temporary-folder $(SWIFT) test --disable-xctest --no-parallel --skip IntegrationTests -Xswiftc -warnings-as-errors

build:
	@Scripts/install-packages build
	@Scripts/build-release

install:
	@DESTDIR="$(DESTDIR)" Scripts/install "$(PREFIX)"

uninstall:
	@DESTDIR="$(DESTDIR)" Scripts/uninstall "$(PREFIX)"

deb:
	@Scripts/install-packages build deb
	@Scripts/make-deb

tarball:
	@Scripts/install-packages build
	@Scripts/make-tarball

packages: deb tarball
	@Scripts/install-packages packages guest
	@Tests/Packages/try dist

man:
	@Scripts/install-packages build
	@Scripts/build-release
	@Scripts/man-pages .build/man

bench:
	@Scripts/install-packages bench
	@Scripts/build-release
	@Scripts/with-products Benchmarks/run $(BENCH)
	@Scripts/with-products Benchmarks/switch

uplink:
	@Scripts/install-packages bench guest
	@Scripts/build-release
	@Scripts/with-products Benchmarks/uplink $(UPLINK)

floods:
	@Scripts/install-packages bench
	@Scripts/build-release
	@Scripts/with-products Benchmarks/floods $(FLOODS)

hostile:
	@Scripts/install-packages bench
	@Scripts/build-release
	@Scripts/with-products Benchmarks/hostile $(HOSTILE)

soak:
	@Scripts/install-packages bench
	@Scripts/build-release
	@Scripts/with-products Tests/Endurance/soak --hours $(or $(HOURS),0.05) $(SOAK)

kills:
	@Scripts/install-packages bench
	@Scripts/build-release
	@Scripts/with-products Tests/Endurance/kills --rounds $(or $(ROUNDS),20) $(KILLS)

micro:
	@Scripts/install-packages build
	@Benchmarks/micro

abi:
	@Scripts/install-packages build
	@Benchmarks/ABI/run

growth:
	@Scripts/install-packages build
	@Scripts/build-release
	@Scripts/with-products Benchmarks/growth $(GROWTH)

fuzz:
	@Scripts/install-packages build
	@Tests/Fuzz/run $(or $(SECONDS),60)

format:
	$(SWIFT) format -i -r $(SOURCES)

lint:
	$(SWIFT) format lint --strict -r $(SOURCES)
	@Scripts/lint

clean:
	$(SWIFT) package clean
