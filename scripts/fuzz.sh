#!/usr/bin/env bash
# Runs each fuzz target of the tree for FUZZTIME (default 10s).
set -euo pipefail
cd "$(dirname "$0")/.."
for pkg in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    echo "$pkg $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" "$pkg" | grep -vE '^fuzz: elapsed' || exit 1
  done
done
