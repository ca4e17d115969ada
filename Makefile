# tidemark: everything a developer, CI and a release need. `make help` lists it.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules --no-print-directory

GO     ?= go
CACHE  := $(CURDIR)/.cache
BIN    := bin/tidemark
LINT   := $(CACHE)/bin/golangci-lint-v2.15.0
ASSETS := static/vendor/.stamp

# The version is passed in because the Go tool may have been told not to ask Git.
RELEASE := $(shell git describe --tags --always --dirty=+changes --abbrev=12 2>/dev/null || echo unknown)
LDFLAGS := -X main.release=$(RELEASE)

# Where several goroutines meet: the race detector runs on these. The rest is
# pure, and the detector makes it five to ten times slower.
RACE := ./metrics/ingest ./metrics/rollup/... ./metrics/sqlite/... ./metrics/client/... \
        ./flags/guarantee/... ./flags/sqlite/... ./web/... ./cmd/internal/...

# What needs more than the Go tool: a browser, a database, root.
SYSTEM := ./tests/browser/... ./tests/clients/... ./tests/real/... ./tests/faults/...

FUZZTIME  ?= 3s
BENCHTIME ?= 1s
BENCH     ?= .

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets.
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup
setup: ## Install what is missing: Debian packages (as root), Go modules, browser code.
	@.ci/setup.sh

.PHONY: generate
generate: $(ASSETS) ## Write the *_templ.go files and the third-party browser code.
	$(GO) tool templ generate -path views

.PHONY: check-generated
check-generated: ## Fail when a *_templ.go is not what its .templ says; changes nothing.
	@.ci/check-generated.sh

.PHONY: fmt
fmt: $(LINT) ## Lay out Go and templ sources.
	$(LINT) fmt
	$(GO) tool templ fmt views

.PHONY: lint
lint: $(LINT) $(ASSETS) ## Run the linters and the formatter's check.
	@$(LINT) fmt --diff
	$(LINT) run ./...

$(LINT): .ci/tools/go.mod
	@echo "building golangci-lint (a minute or two, once)"
	@mkdir -p $(@D)
	cd .ci/tools && $(GO) build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(ASSETS): package.json package-lock.json
	npm ci --no-audit --no-fund
	npm run --silent build
	@mkdir -p $(@D) && touch $@

.PHONY: build
build: $(ASSETS) ## Build bin/tidemark.
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/tidemark

.PHONY: test
test: ## Set up, check and test everything; ends with a summary of what ran and what could not.
	@RACE="$(RACE)" GO="$(GO)" .ci/test.sh

.PHONY: test-unit
test-unit: $(ASSETS) ## Run the tests that need nothing but Go.
	$(GO) test -timeout 10m $$($(GO) list ./... | grep -vE '/tests/(browser|clients|real|faults)(/|$$)')

.PHONY: test-race
test-race: $(ASSETS) ## Run the tests of the concurrent packages under the race detector.
	$(GO) test -race -short -timeout 15m $$($(GO) list $(RACE))

.PHONY: test-browser
test-browser: build ## Run the pages in Chromium.
	$(GO) test -count 1 -timeout 10m -v ./tests/browser/...

.PHONY: test-clients
test-clients: build ## Let the web, Node and Go SDKs of OpenFeature evaluate.
	$(GO) test -count 1 -timeout 10m -v ./tests/clients/...

.PHONY: test-real
test-real: build ## Watch a real PostgreSQL primary, its standby and a Redis cache.
	$(GO) test -count 1 -timeout 10m -v ./tests/real/...

.PHONY: test-faults
test-faults: build ## Kill, starve, fill up and overload a real server.
	$(GO) test -count 1 -timeout 15m -v ./tests/faults/...

.PHONY: fuzz-short
fuzz-short: $(ASSETS) ## Fuzz each target for FUZZTIME (default 3s).
	@GO="$(GO)" .ci/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: build ## Run the benchmarks; BENCH=regexp and BENCHTIME=1s choose. Then load the whole program.
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem -timeout 60m ./...
	$(GO) run ./tests/bench -bin $(BIN)

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities, where their database can be reached.
	@.ci/vulncheck.sh

.PHONY: demo
demo: build ## Start a temporary server with simulated traffic; prints a sign-in link.
	$(BIN) demo

.PHONY: screenshots
screenshots: build ## Picture each page into .cache/screenshots, and the README's into docs/.
	$(GO) run ./tests/screenshots -out .cache/screenshots -readme docs/overview.png

.PHONY: clean
clean: ## Remove everything that was built or fetched into the tree.
	rm -rf bin node_modules static/vendor $(CACHE) coverage.out
