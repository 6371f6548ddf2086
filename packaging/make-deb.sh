#!/bin/bash
# Builds the package with this machine's own cargo and leaves it as target/debian/landfall_*.deb, and beside it
# landfall-cloud-init_*.deb, cloud-init's commands and unit names.
#
#   packaging/make-deb.sh
#
# The tree itself is not touched: debhelper works in a copy, below target/. What cargo compiled is kept for the next time;
# target/debian/landfall is the binary before it was stripped, for the tests that look at its symbols.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$top/target/debian
copy=$work/source

command -v cargo >/dev/null || { echo "make deb: cargo is not installed" >&2; exit 1; }
command -v dh >/dev/null || { echo "make deb: debhelper is not installed (tests/setup.sh installs it)" >&2; exit 1; }

export CARGO_TARGET_DIR=$work/build CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}

rm -rf "$copy"
mkdir -p "$copy"
# With their times, by which cargo sees what has changed.
tar -C "$top" -c --exclude=./target --exclude=./vendor --exclude=./.git . | tar -C "$copy" -x

(
  cd "$copy"
  # -d: cargo and rustc may come from rustup, of which dpkg knows nothing.
  dpkg-buildpackage -b -d -us -uc
) >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; echo "make deb: failed, see $work/build.log"; exit 1; } >&2

cp -p --remove-destination "$(find "$work/build" -path '*-linux-gnu/release/landfall' -type f)" "$work/landfall"
version=$(dpkg-parsechangelog -l "$copy/debian/changelog" -S Version)
# Of earlier versions nothing is left beside it, so that landfall_*.deb is one file.
find "$work" -maxdepth 1 -name 'landfall*_*.deb' ! -name "landfall*_${version}_*.deb" -delete
ls "$work"/landfall_*.deb "$work"/landfall-cloud-init_*.deb
