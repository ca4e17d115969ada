#!/usr/bin/env bash
# Runs each fuzz target for a short time: fuzz.sh 3s. What a fuzzer finds is kept
# in testdata/fuzz beside the target, and from then on is a test.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-3s}

status=0 targets=0
while IFS=: read -r file func; do
  targets=$((targets + 1))
  echo "fuzz $func ($(dirname "$file"), $time)"
  if ! "${GO:-go}" test -run '^$' -fuzz "^$func\$" -fuzztime "$time" -timeout 5m "./$(dirname "$file")" </dev/null; then
    status=1
  fi
done < <(grep -rHoE --include='*_test.go' --exclude-dir=node_modules --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]*' . | sed 's/func //; s|^\./||')
echo "fuzzed $targets targets"
((targets > 0)) || { echo "fuzz: no target found" >&2; exit 1; }
exit "$status"
