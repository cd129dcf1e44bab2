#!/usr/bin/env bash
# Runs every test with the race detector, names what was skipped, and ends with Go's own lines.
# FAIL_ON_SKIP=1 makes a skipped test an error.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

race=-race
if ! command -v cc >/dev/null 2>&1; then
  race=
  echo "WARNING: no C compiler: the race detector is left out"
fi

CGO_ENABLED=$([ -n "$race" ] && echo 1 || echo 0) go test -v $race -count 1 -timeout 20m "$@" ./... 2>&1 | tee "$log" |
  grep --line-buffered -E '^(ok|FAIL|panic|---? FAIL|[^ ]+\.go:[0-9]+:| +--- FAIL|WARNING: DATA RACE)'
status=${PIPESTATUS[0]}

if [ "$status" -ne 0 ]; then
  echo; echo "==== output of what failed"
  # A test's lines stand between its RUN and its result; without -json the simplest whole answer is the tail
  # of each failing package.
  awk '/^=== RUN/ {buf=""} {buf=buf $0 "\n"} /^ *--- FAIL/ {printf "%s", buf; buf=""} /^panic:|DATA RACE/ {p=1} p {print}' "$log" | tail -n 400
fi
skipped=$(grep -cE '^ *--- SKIP' "$log")
if [ "$skipped" -gt 0 ]; then
  echo; echo "==== SKIPPED: $skipped"
  grep -A2 -E '^ *--- SKIP' "$log" | grep -v '^--$'
  if [ "${FAIL_ON_SKIP:-}" = 1 ]; then
    status=1
    echo "skipped tests count as failures here"
  fi
fi
echo
grep -E '^(ok|FAIL)[[:space:]]' "$log"
exit "$status"
