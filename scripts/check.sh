#!/usr/bin/env bash
# Format, vet, staticcheck. The shape of the tree is checked by the tests of the root package.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
  echo "gofmt would change:"; echo "$unformatted"; exit 1
fi
staticcheck=$(go tool -n staticcheck)
for module in . bench test; do
  (cd "$module" && go vet ./... && "$staticcheck" ./...)
done
