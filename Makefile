# SPDX-License-Identifier: GPL-3.0-or-later
#
# The commands of the tree; each is a script in scripts/ or a CMake target. It
# knows no source file and no flag.
#
#   make            build/dtlsgate and build/release/libdtlsgate.a
#   make run        throwaway credentials, a server on 127.0.0.1:5684, how to talk to it
#   make test       everything, optimized and under the sanitizers: "N passed, N failed"
#   make install    to PREFIX (/usr/local) under DESTDIR
#   make fuzz       each fuzz target for SECONDS (60); see docs/testing.md
#   make bench, make lint, make clean

PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 60

.PHONY: all release asan clang run test lint fuzz bench install clean

all: release

release asan clang:
	@scripts/build $@ $(if $(filter release,$@),product,all)

run:
	@scripts/run

test:
	@scripts/test

lint:
	@scripts/lint

fuzz:
	@scripts/fuzz $(SECONDS)

bench:
	@scripts/setup build
	@DTLSGATE_WERROR=1 scripts/build release benchmarks
	@bench/run

install:
	@PREFIX="$(PREFIX)" scripts/build release product
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(PREFIX)"

# wolfSSL stays in the user's cache (~/.cache/dtlsgate).
clean:
	rm -rf build
