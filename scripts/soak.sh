#!/usr/bin/env bash
# The long form of the random tests: shares MINUTES (default 30) out over its parts, each with new seeds, and prints how many
# of each it did and the seeds. docs/testing.md says what the numbers mean. PARTS="model crash" does some only. What was done
# is added to bin/soak.tsv, whose sums over all runs stand at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
MINUTES=${MINUTES:-30}
PARTS=${PARTS:-model crash dialects kill flips tampering fuzz}
declare -A weight=([model]=25 [crash]=20 [dialects]=15 [kill]=15 [flips]=5 [tampering]=10 [fuzz]=10)
unset COUNTERSIGN_SEED COUNTERSIGN_TAMPER_SEED # each part makes its own
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
total=0
for part in $PARTS; do total=$((total + ${weight[$part]})); done

# seconds PART: its share of the time.
seconds() { echo $((MINUTES * 60 * ${weight[$1]} / total)); }

# build PACKAGE: its tests as a program.
build() { go test -c -o "$work/${1//\//-}.test" "./$1" || exit 1; }

# ran NAME COMMAND...: runs it, in the folder of the package, with its output in a log; a failure is shown at once.
ran() {
  local log="$work/$1.log"
  (cd "$2" && "${@:3}") >>"$log" 2>&1 && return 0
  status=1
  echo "==== FAILED: ${*:3}"
  grep -vE '^=== ' "$log" | tail -c 6000
  return 1
}

# timed PART PACKAGE TEST: a test that goes on for as long as COUNTERSIGN_SOAK_FOR says.
timed() {
  build "$2"
  COUNTERSIGN_SOAK_FOR=$(seconds "$1")s ran "$1" "$2" "$work/${2//\//-}.test" -test.run "^$3\$" -test.v -test.timeout 24h
}

# again PART SECONDS PACKAGE TEST NUMBER WHAT: a test that is run again and again until the time is over, and does NUMBER
# each time.
again() {
  build "$3"
  local end=$(($(date +%s) + $2)) n=0
  while [ "$n" -eq 0 ] || [ "$(date +%s)" -lt "$end" ]; do
    ran "$1" "$3" "$work/${3//\//-}.test" -test.run "^$4\$" -test.v || return 1
    n=$((n + $5))
  done
  echo "SOAK $n $6" >>"$work/$1.log"
}

fuzz() {
  local targets each end
  targets=$(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | grep -vE '^\./(bench|test)/' | shuf)
  end=$(($(date +%s) + $(seconds fuzz)))
  each=$(($(seconds fuzz) / 10))
  each=$((each < 5 ? 5 : each > 60 ? 60 : each))
  while read -r line; do
    [ "$(date +%s)" -lt "$end" ] || break
    local pkg target out="$work/one.log"
    pkg=$(dirname "${line%%:*}") target=${line##* }
    if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "${each}s" "$pkg" >"$out" 2>&1 &&
      { ! grep -q 'context deadline exceeded' "$out" || grep -qE 'Failing input|panic:' "$out"; }; then
      echo "==== FAILED: $pkg $target"
      tail -c 6000 "$out"
      status=1
    fi
    { echo "$pkg $target for ${each}s"
      echo "SOAK 1 fuzz targets"
      echo "SOAK $(grep -oE 'execs: [0-9]+' "$out" | tail -1 | grep -oE '[0-9]+' || echo 0) inputs of fuzz targets"; } >>"$work/fuzz.log"
  done <<<"$targets"
}

for part in $PARTS; do
  echo "==== $part, $(seconds "$part") s"
  case $part in
    model) timed model store TestRandomLivesAgreeWithTheModel ;;
    crash) timed crash store TestCrashKeepsWhatWasAcknowledged ;;
    flips) timed flips store TestEveryFlippedByteIsFoundOrHarmless ;;
    kill) timed kill cmd/countersign TestKillWhileSealingLosesNothing ;;
    tampering) COUNTERSIGN_TAMPERINGS=1000 again tampering "$(seconds tampering)" verify TestTamperingSuiteIsFoundWithoutExceptions 1000 "tamperings" ;;
    dialects)
      timed dialects dialect TestDialectsAnswerFromASealedTrailAsFromASlice
      third=$(($(seconds dialects) / 6))
      again dialects $third dialect/digicertone TestAnEntryIsMatchedExactlyWhenWhatIsShownAgrees 100000 "entries held to the law of a dialect"
      again dialects $third dialect/discovery TestAnEntryIsMatchedExactlyWhenItsRowAgrees 100000 "entries held to the law of a dialect"
      again dialects $third dialect/keyfactor TestAnEntryIsMatchedExactlyWhenItsRowAgrees 40000 "entries held to the law of a dialect" ;;
    fuzz) fuzz ;;
    *) echo "no such part: $part"; exit 2 ;;
  esac
  grep -ohE 'COUNTERSIGN_[A-Z_]*SEED=[0-9]+$|seed [0-9]+$|seed none.*' "$work/$part.log" | head -20
done

mkdir -p bin
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
cat "$work"/*.log | grep -oE 'SOAK [0-9]+ .*' | awk '{ n = $2; sub(/^SOAK [0-9]+ /, ""); sum[$0] += n } END { for (w in sum) print sum[w] "\t" w }' | sort -k2 >"$work/counts"
echo "==== done in this run"
cat "$work/counts"
sed "s/^/$(date -u +%Y-%m-%dT%H:%M:%SZ)\t$commit\t$([ "$status" -eq 0 ] && echo clean || echo FAILED)\t/" "$work/counts" >>bin/soak.tsv
echo "==== done in all clean runs (bin/soak.tsv)"
awk -F'\t' '$3 == "clean" { sum[$5] += $4 } END { for (w in sum) print sum[w] "\t" w }' bin/soak.tsv | sort -k2
exit "$status"
