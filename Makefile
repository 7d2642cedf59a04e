# run    start Watchword for development: embedded database, mailbox in the browser, nothing else needed
# test   install and start what the tests need, then run everything on both databases
# check  what every commit passes: format, vet, staticcheck, govulncheck, unit tests on SQLite
# bench  the measurements of docs/performance.md, side by side in one run
# screenshots  the pictures of README.md, taken of the real pages
# fuzz   every fuzz target for a minute each (FUZZTIME=10s for less)

GO        ?= go
FUZZTIME  ?= 1m
PKGS      := ./...
TOOLS     := .cache/tools

.PHONY: run build test check unit bench fuzz generate screenshots clean

run:
	@echo 'Building Watchword; the first time this takes a minute or two.'
	@CGO_ENABLED=0 $(GO) build -buildvcs=auto -o bin/watchword ./cmd/watchword && exec bin/watchword dev

build:
	CGO_ENABLED=0 $(GO) build -buildvcs=auto -trimpath -o bin/watchword ./cmd/watchword

test:
	@scripts/test

check: unit
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt'; exit 1; }
	$(GO) vet $(PKGS) && $(GO) vet -tags faults $(PKGS)
	cd guard && $(GO) vet ./...
	scripts/lint

unit:
	$(GO) test -short -shuffle=on $(PKGS)
	cd guard && $(GO) test -short -shuffle=on ./...

bench:
	@scripts/bench

fuzz:
	@scripts/fuzz $(FUZZTIME)

generate:
	$(GO) generate ./...

screenshots:
	$(GO) test ./internal/servertest/browser -count=1 -run TestScreenshots -screenshots

clean:
	scripts/services stop
	rm -rf bin .cache
