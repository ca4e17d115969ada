# Shared by the scripts of this folder: saying what could not be run.
# shellcheck shell=bash

# not_run WHAT WHY says it now, and again in the summary of `make test`.
not_run() {
  echo "not run: $1: $2"
  if [[ -n "${TIDEMARK_NOT_RUN:-}" ]]; then
    echo "$1: $2" >>"$TIDEMARK_NOT_RUN"
  fi
}

have() { command -v "$1" >/dev/null 2>&1; }
