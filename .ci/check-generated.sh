#!/usr/bin/env bash
# Fails when a generated *_templ.go is missing, stale or left over. It generates
# into a copy, so that it says the same in a clean clone and amid changes, and
# alters nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -d views ]] || exit 0

copy=.cache/check-generated
rm -rf "$copy"
mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT
find views -name '*.templ' -print0 | xargs -0 -r cp --parents -t "$copy"
"${GO:-go}" tool templ generate -path "$copy/views" >"$copy/log" 2>&1 || { cat "$copy/log"; exit 1; }

status=0
while IFS= read -r f; do
  if ! cmp -s "$f" "$copy/$f"; then
    echo "check-generated: $f is not what its .templ says; run make generate" >&2
    status=1
  fi
done < <({ find views -name '*_templ.go'; (cd "$copy" && find views -name '*_templ.go'); } | sort -u)
exit "$status"
