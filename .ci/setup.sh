#!/usr/bin/env bash
# Installs what is missing and says what it could not. Only the Go tool and a C
# compiler are needed to build; the rest is for tests that skip without it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=.ci/lib.sh
. .ci/lib.sh

# A Debian package for each thing that is not here yet.
missing_packages() {
  have cc || echo gcc libc6-dev
  have npm || echo npm
  have chromium || have chromium-browser || have google-chrome || echo chromium
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || have postgres || echo postgresql
  have redis-server || echo redis-server
  have strace || echo strace
  compgen -G '/usr/share/fonts/*/*' >/dev/null || echo fonts-dejavu-core
}

install_packages() {
  local -a want
  mapfile -t want < <(missing_packages | tr ' ' '\n')
  if ((${#want[@]} == 0)); then
    return
  fi
  if ! have apt-get; then
    not_run "installing ${want[*]}" "this is not a Debian system; install them by hand for the tests that use them"
    return
  fi
  if ((EUID != 0)); then
    not_run "installing ${want[*]}" "needs root; run: sudo apt-get install ${want[*]}"
    return
  fi
  echo "installing ${want[*]}"
  local log=.cache/apt.log
  mkdir -p .cache
  # RUNLEVEL=1 keeps the packages from starting their services: tests start their own.
  if ! { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${want[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 5 "$log"
    not_run "installing ${want[*]}" "apt-get failed, see $log"
  fi
}

check_tools() {
  have "${GO:-go}" || { echo "setup: the Go tool is not here; install Go $(awk '/^go /{print $2}' go.mod) or newer" >&2; return 1; }
  have cc || { echo "setup: no C compiler, which SQLite needs; install gcc" >&2; return 1; }
}

# npm leaves node_modules/.package-lock.json as its own stamp.
install_browser_code() {
  [[ -f package.json ]] || return 0
  if ! make static/vendor/.stamp </dev/null; then
    echo "setup: the browser code could not be installed from npm" >&2
    return 1
  fi
}

install_packages
check_tools
"${GO:-go}" mod download
install_browser_code
