#!/usr/bin/env bash
# Everything that must hold before a change goes in, in the order in which a
# mistake is cheapest to find. Each step's full output is in .cache/logs; what is
# printed is what passed, what failed and why, and at the end what could not run.
# All steps run even when one fails, except that nothing runs without set-up.
set -uo pipefail
cd "$(dirname "$0")/.."

GO=${GO:-go}
logs=.cache/logs
rm -rf "$logs"
mkdir -p "$logs"
export TIDEMARK_NOT_RUN="$PWD/$logs/not-run.txt"
: >"$TIDEMARK_NOT_RUN"

summary=()
failed=0 tests_passed=0 tests_failed=0 tests_skipped=0

# step NAME COMMAND… runs one step, timed, with its output in a log.
step() {
  local name=$1 start=$SECONDS log="$logs/$1.txt" verdict=ok
  shift
  printf '== %s\n' "$name"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    verdict=FAILED
    failed=1
    show_failure "$log"
  fi
  summary+=("$(printf '%-16s %-6s %4ds' "$name" "$verdict" $((SECONDS - start)))")
  printf '   %s, %ds\n' "$verdict" $((SECONDS - start))
  [[ $verdict == ok ]]
}

# go_step is step for a verbose run of Go tests: it counts tests and says which
# were skipped and why.
go_step() {
  local name=$1 log="$logs/$1.txt"
  step "$@"
  local code=$?
  tests_passed=$((tests_passed + $(grep -acE '^ *--- PASS' "$log")))
  tests_failed=$((tests_failed + $(grep -acE '^ *--- FAIL' "$log")))
  tests_skipped=$((tests_skipped + $(grep -acE '^ *--- SKIP' "$log")))
  awk -v step="$name" '$1 == "---" && $2 == "FAIL:" {print step ": " $3}' "$log" >>"$logs/failed.txt"
  grep -aE '^(ok|FAIL)[[:space:]]' "$log" | sed 's/^/   /'
  # The reason is logged before the verdict by go test -v.
  awk '/^ *--- SKIP/ {print $3 ": " reason} /^ +[a-zA-Z0-9_]+\.go:[0-9]+: / {reason=$0; sub(/^ +[^ ]+ /, "", reason)}' \
    "$log" >>"$TIDEMARK_NOT_RUN"
  return $code
}

# show_failure prints what matters of a log: what the failing tests themselves said,
# else, when it is no run of Go tests or a run that broke off, its end.
show_failure() {
  local log=$1
  if grep -aqE '^ *--- FAIL' "$log"; then
    failing "$log" | tail -n 120
  fi
  if ! grep -aqE '^ *--- FAIL' "$log" || grep -aqE '^panic:|DATA RACE' "$log"; then
    grep -avE '^ *(--- (PASS|SKIP)|=== (RUN|PAUSE|CONT|NAME))|^(ok|PASS|\?)' "$log" | tail -n 60
  fi
  echo "   the whole output is in $log"
}

# failing prints the lines of the tests that failed and no others: go test -v names
# the test before its lines, and tests that run in parallel take turns.
failing() {
  awk '
    FNR == NR { if ($1 == "---" && $2 == "FAIL:") bad[$3]; next }
    $1 == "===" { test = $3; next }
    $1 == "---" { if ($2 == "FAIL:") print; test = $3; next }
    test in bad' "$1" "$1"
}

# packages lists what Go tests cover, without what needs a system of its own.
packages() { $GO list ./... | grep -vE '/tests/(browser|clients|real|faults)(/|$)'; }

unit() { packages | xargs $GO test -v -timeout 10m; }

race() { $GO list $RACE | xargs $GO test -race -short -v -timeout 15m; }

# Built once, so that no test's time is a compiler's.
system() { $GO test -count 1 -v -p 1 -timeout 15m "$@"; }

echo "tidemark: $($GO version), $(nproc) cores, $(date -u +%FT%TZ)"
if step setup .ci/setup.sh; then
  step generated make check-generated
  step lint make lint
  step build make build
  go_step unit unit
  go_step browser system ./tests/browser/...
  go_step clients system ./tests/clients/...
  go_step real system ./tests/real/...
  go_step faults system ./tests/faults/...
  go_step race race
  step fuzz .ci/fuzz.sh "${FUZZTIME:-3s}"
  step vulncheck .ci/vulncheck.sh
fi

echo
echo "== summary (${SECONDS}s)"
printf '  %s\n' "${summary[@]}"
echo "  The race detector ran on the packages where goroutines meet (RACE in the Makefile), with -short."
if [[ -s $TIDEMARK_NOT_RUN ]]; then
  echo
  echo "== not run"
  sort -u "$TIDEMARK_NOT_RUN" | sed 's/^/  /'
fi
if [[ -s $logs/failed.txt ]]; then
  echo
  echo "== failed"
  sed 's/^/  /' "$logs/failed.txt"
fi
echo
echo "$tests_passed passed, $tests_failed failed, $tests_skipped skipped"
exit "$failed"
