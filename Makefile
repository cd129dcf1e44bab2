# Everything a newcomer needs: `make demo` and `make test`. The rest is for daily work.
GO      ?= go
PREFIX  ?= /usr/local
LISTEN  ?= 127.0.0.1:8080
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD   := $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)"

.PHONY: build demo test check fuzz generate bench microbench soak deps install clean

build: ## the binary, ./countersign
	$(BUILD) -o countersign ./cmd/countersign

demo: EVENTS ?= 20000
demo: build ## a server with a made-up estate; prints a URL, a key and lines to paste
	./countersign demo --listen $(LISTEN) --events $(EVENTS)

test: ## fetch what the tests need, check the code, run every test
	scripts/deps.sh
	scripts/check.sh
	scripts/test.sh

check: ## the quick half of `make test`: format, vet, staticcheck, shape, tests with the race detector
	scripts/check.sh
	$(GO) test -race -short ./...

fuzz: ## a short run of every fuzz target (FUZZTIME=10s)
	scripts/fuzz.sh

generate: ## rewrite test vectors and golden files; `git diff` must then be empty
	scripts/generate.sh

bench: EVENTS ?= 1000000
bench: ## Countersign beside PostgreSQL and SQLite (EVENTS=10000000 BENCHFLAGS='--output json'; bench/README.md)
	cd bench && $(GO) build -o ../bin/bench . && exec ../bin/bench --events $(EVENTS) $(BENCHFLAGS)

microbench: ## benchmarks of single parts, with the project's own units
	$(GO) test -run '^$$' -bench . -benchmem ./...

soak: MINUTES ?= 30
soak: ## the long form of the random tests, which prints how many of each it did (MINUTES=30; docs/testing.md)
	MINUTES=$(MINUTES) scripts/soak.sh

deps: ## what tests need beside Go, from Debian's packages where it can
	scripts/deps.sh

install: build ## PREFIX=/usr/local
	install -D -m 0755 countersign $(DESTDIR)$(PREFIX)/bin/countersign

clean:
	rm -f countersign
