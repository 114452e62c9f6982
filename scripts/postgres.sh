#!/usr/bin/env bash
# Makes sure that a PostgreSQL server is installed, for `make demo` and `make test`.
#
# Does nothing where TENANTCTL_PG_BIN names one or one is found. What it installs is programs only: it makes no cluster
# and starts nothing.
set -euo pipefail

# The places where tenantctl looks, too.
installed() {
  local dir path
  IFS=: read -ra path <<<"$PATH"
  for dir in "${path[@]}" "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
    /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then return 0; fi
  done
  return 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a cluster with the package unless it is told not to; the common package brings the place to say so.
install_debian() {
  local quiet=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  local no_cluster=/etc/postgresql-common/createcluster.d/tenantctl.conf
  as_root "${quiet[@]}" update
  as_root "${quiet[@]}" install -y --no-install-recommends postgresql-common
  # shellcheck disable=SC2064 # The path is known now.
  trap "as_root rm -f $no_cluster" EXIT
  as_root mkdir -p "${no_cluster%/*}"
  echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
  as_root "${quiet[@]}" install -y --no-install-recommends postgresql
}

if [ -n "${TENANTCTL_PG_BIN:-}" ] || installed; then exit 0; fi

echo "postgres: no PostgreSQL server found, installing one" >&2
if command -v apt-get >/dev/null; then
  install_debian >/dev/null </dev/null
elif command -v dnf >/dev/null; then
  as_root dnf install -y -q postgresql-server >/dev/null </dev/null
elif command -v brew >/dev/null; then
  brew install --quiet postgresql@17 >/dev/null </dev/null
else
  echo "postgres: found none of apt-get, dnf and brew" >&2
fi
if ! installed; then
  echo "postgres: no server; install PostgreSQL 14 or newer, or set TENANTCTL_PG_BIN to the folder of initdb" >&2
  exit 1
fi
