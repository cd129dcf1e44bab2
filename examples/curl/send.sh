#!/bin/sh
# Sends two events, and sends them again: an event with the same id is recorded once. Needs curl.
#
#   COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... ./send.sh [NAME]
set -eu
: "${COUNTERSIGN_URL:?set it to the base URL, such as https://audit.example.com:8443}"
: "${COUNTERSIGN_TOKEN:?set it to an API token}"
name=${1:-order-$(date +%s)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One event a line. The ids are the sender's, so that a request can be repeated when its answer is lost.
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
cat > "$work/events" <<EVENTS
{"id":"$name-requested","occurred_at":"$now","actor":{"id":"u-17","name":"jane@example.com"},"action":"REQUEST","resource":{"type":"CERTIFICATE","id":"4711","name":"www.example.com"},"outcome":"success","source":"example/curl"}
{"id":"$name-approved","occurred_at":"$now","actor":{"id":"u-18","name":"raj@example.com"},"action":"APPROVE","resource":{"type":"CERTIFICATE","id":"4711","name":"www.example.com"},"outcome":"success","source":"example/curl","attributes":{"ticket":"CHG-1042"}}
EVENTS

# --retry repeats after 408, 429 and 5xx, no sooner than the server's Retry-After says.
send() {
  printf 'Authorization: Bearer %s\n' "$COUNTERSIGN_TOKEN" |
    curl --silent --show-error --fail-with-body --retry 8 --retry-connrefused --header @- \
      --header 'Content-Type: application/x-ndjson' --data-binary "@$work/events" "$COUNTERSIGN_URL/api/v1/events"
}

send
send
