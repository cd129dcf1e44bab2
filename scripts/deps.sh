#!/usr/bin/env bash
# Installs what the tests need beside Go, where that is possible: as root or with sudo on a Debian-like
# system. Elsewhere it says what is missing, and the tests that need it say so again.
set -euo pipefail

# command:packages
needed=(
  "cc:gcc libc6-dev"  # the race detector links with it
  "python3:python3"   # the independent reader of entry v1
  "curl:curl"         # the lines that the demo prints, and the examples
  "jq:jq"             # the examples in curl
  "java:default-jdk-headless" # the examples in Java
  "chromium:chromium fonts-dejavu-core" # the page at /docs, and reports
  "pdftotext:poppler-utils" # reads the PDFs of reports back
  "systemd-analyze:systemd" # the unit in packaging/
  "pg_lsclusters:postgresql" # what bench/ measures beside
)

missing=()
for n in "${needed[@]}"; do
  command -v "${n%%:*}" >/dev/null 2>&1 || missing+=(${n##*:})
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

run=()
if [ "$(id -u)" -ne 0 ]; then
  run=(sudo -n)
fi
if command -v apt-get >/dev/null 2>&1 && "${run[@]}" true 2>/dev/null; then
  echo "installing ${missing[*]}"
  "${run[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
  echo "WARNING: these packages are missing and cannot be installed here: ${missing[*]}" >&2
  echo "WARNING: tests that need them will be skipped; install them and run again" >&2
fi
