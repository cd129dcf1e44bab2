#!/usr/bin/env bash
# Rewrites every generated file of the tree: test vectors and the answers in golden files.
set -euo pipefail
cd "$(dirname "$0")/.."
for pkg in $(grep -rl --include='*_test.go' -e 'flag.Bool("update"' -e 'dialecttest.Cases(' . | xargs -n1 dirname | sort -u); do
  go test -count 1 "$pkg" -update
done
UPDATE=1 go test -count 1 ./cmd/countersign -run '^TestScripts$'
