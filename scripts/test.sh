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

# run CGO ARGS...: every test, verbosely into the log, with what matters shown on the way.
run() {
  CGO_ENABLED=$1 go test -v -count 1 -timeout 20m "${@:2}" 2>&1 | tee -a "$log" |
    grep --line-buffered -E '^(ok|FAIL|panic|---? FAIL|[^ ]+\.go:[0-9]+:| +--- FAIL|WARNING: DATA RACE)'
  return "${PIPESTATUS[0]}"
}

if [ -n "$race" ]; then
  run 1 -race "$@" ./...
  status=$?
  # What is cut short under the race detector, in full.
  run 0 "$@" $(grep -l '^const raceDetector = true' $(git ls-files '*_test.go') | xargs -n1 dirname | sort -u | sed 's|^|./|') || status=1
else
  run 0 "$@" ./...
  status=$?
fi

# The benchmark is a module of its own. Its test is a small run of all that it does.
(cd bench && run 0 "$@" ./...) || status=1
# So are the tests with other people's clients, whose dependencies are theirs.
(cd test && run 0 "$@" ./...) || status=1

if [ "$status" -ne 0 ]; then
  echo; echo "==== output of what failed"
  # What a failed test wrote stands between its RUN and its result; a panic or a race ends with its package.
  awk '
    /^=== RUN/ { if ($3 !~ /\//) held = "" }
    /^(ok|FAIL)[ \t]/ { loud = 0 }
    /^panic: |^fatal error: |^WARNING: DATA RACE/ { printf "%s", held; held = ""; loud = 1 }
    loud { print; next }
    { held = held substr($0, 1, 2000) "\n"; if (length(held) > 60000) held = substr(held, length(held) - 30000) }
    /^--- FAIL/ { failed = 1; printf "%s", held; held = ""; next }
    failed && /^ +/ { print; next }
    { failed = 0 }
    /^--- (PASS|SKIP)/ { held = "" }' "$log"
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
