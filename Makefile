# onramp: make help lists the targets. Everything works as root on a fresh Debian 12 with Go, in a clone anywhere.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help deps build test test-race az lab labs bench gen lint clean

LAB ?= labs/first-circuit.yaml
# Programs the tests and labs use, with the Debian package of each.
PROGRAMS := bird:bird2 vtysh:frr ip:iproute2 iperf3:iperf3 tcpdump:tcpdump ethtool:ethtool ping:iputils-ping traceroute:traceroute ps:procps
# The race detector links with a C compiler.
COMPILER := gcc:gcc gcc:libc6-dev
# What single tests use.
READERS := python3:python3-minimal pdftotext:poppler-utils
# A tree that git does not trust (another owner's) has no revision to stamp.
VCS := $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)
export PATH := $(PATH):/usr/sbin:/sbin:/usr/local/go/bin

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what is missing from Debian's packages (as root)
	@scripts/deps $(PROGRAMS)

build: ## build bin/onramp
	go build $(VCS) -o bin/onramp ./cmd/onramp

lab: deps build ## bring up LAB (labs/first-circuit.yaml) and keep it until Ctrl-C
	bin/onramp lab up $(LAB)

labs: deps build ## run every lab in labs/ to its end, one after the other
	@scripts/labs

test: deps build ## everything: vet, unit, repository and story tests, then the labs
	@scripts/deps $(COMPILER) $(READERS)
	@scripts/test

az: ## tell the story with Azure's own command line (installs azure-cli, more than a gigabyte)
	@scripts/deps az:azure-cli
	ONRAMP_AZ=1 go test -count 1 -timeout 20m -v ./test/az

test-race: ## the tests of every package under the race detector (slow)
	go test -race -timeout 20m ./...

bench: ## the packet path against a bare redirect and kernel forwarding (as root), then the cores
	go test -run '^$$' -bench '^BenchmarkPath$$' -benchtime 1x -timeout 20m ./node/fib
	go test -run '^$$' -bench . -skip '^BenchmarkPath$$' -benchtime 1s -timeout 20m ./node/... ./control/...

gen: ## compile the XDP programs (needs clang), write the drop reasons and the fidelity table
	sh node/fib/xdp/gen.sh
	go test ./internal/check -run TestFidelityCurrent -update

lint: ## formatting, vet and the repository's own rules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go test ./internal/check

clean: ## remove what was built
	rm -rf bin out.json
