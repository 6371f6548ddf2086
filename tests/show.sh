#!/bin/bash
# tests/show.sh demo|bench: what `make demo` and `make bench` run. Installs the tools and builds the roots (tests/setup.sh), builds
# the package, then runs the example of that name with LANDFALL_DEB naming the package. Progress goes to standard error.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
  demo) profile=dev;;
  bench) profile=bench;;
  *) sed -n '2,3s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64;;
esac
[ "$(id -u)" = 0 ] || { echo "make $1 boots a throwaway host and needs root" >&2; exit 77; }
command -v cargo >/dev/null || { echo "make $1 builds landfall and needs Rust 1.85 or newer" >&2; exit 69; }
log=target/$1.log
mkdir -p target

# step NAME COMMAND...: runs it quietly; shows what it said if it fails
step() {
  local name=$1 begin=$SECONDS
  shift
  printf '%s ... ' "$name" >&2
  "$@" >"$log" 2>&1 || { echo "failed" >&2; tail -n 60 "$log" >&2; exit 1; }
  echo "$((SECONDS - begin)) s" >&2
}

step "tools and Debian roots, cached (some minutes the first time)" tests/setup.sh
step "the package" packaging/make-deb.sh
step "the $1" cargo build --locked --profile "$profile" --example "$1"

LANDFALL_DEB=$(realpath target/debian/landfall_*.deb)
export LANDFALL_DEB
exec cargo run --quiet --locked --profile "$profile" --example "$1"
