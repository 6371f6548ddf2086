#!/bin/bash
# Builds the package in a clean Debian 13 with that release's own cargo and debhelper, from vendored crates, without a network:
# what a Debian builder would do, and the proof that the program builds with the Rust version Cargo.toml names.
#
#   packaging/make-deb-clean-root.sh        needs root and mmdebstrap; leaves target/clean-root/landfall_*.deb and landfall-cloud-init_*.deb
#
# The root is kept in ${LANDFALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/landfall}/build and used read-only, under an overlay.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$top/target/clean-root
cache=${LANDFALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/landfall}/build
here=$top/tests
# shellcheck source=tests/lab/roots.sh
. "$top/tests/lab/roots.sh"

packages=build-essential,debhelper,cargo,rustc,lld,lintian,binutils
root=$cache/trixie-$(printf '%s' "$packages" | sha256sum | cut -c1-16)

build_builder() {
  local settings=$root.aptconf
  rm -rf --one-file-system "$root.partial"
  mkdir -p "$root.partial"
  apt_settings >"$settings"
  mmdebstrap --mode=root --variant=minbase --format=directory --include="$packages" --aptopt="$settings" --dpkgopt='force-unsafe-io' \
    trixie "$root.partial" - <<<"$(apt_sources_for trixie)"
  rm -f "$settings"
  mv "$root.partial" "$root"
}

[ "$(id -u)" = 0 ] || { echo "make deb-clean-root needs root" >&2; exit 77; }
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
[ -d "$root" ] || build_builder
flock -u 9

rm -rf --one-file-system "$work"
mkdir -p "$work"/{upper,overlay,merged}
"$top/packaging/vendor.sh" "$work/vendor"

# Mounts in a namespace of its own: they are gone with it, however it ends. --net: there is none but a dead lo.
export root work top
unshare --mount --net --pid --fork --kill-child bash -euo pipefail -c '
  mount --make-rprivate /
  mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/overlay" "$work/merged"
  mount -t proc proc "$work/merged/proc"
  mkdir -p "$work/merged/build/landfall"
  tar -C "$top" -c --exclude=./target --exclude=./vendor --exclude=./.git . | tar -C "$work/merged/build/landfall" -x --no-same-owner
  mv "$work/vendor" "$work/merged/build/landfall/vendor"
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent LANG=C.UTF-8 DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc)}" \
    chroot "$work/merged" sh -euc "
      rustc --version
      cd /build/landfall
      dpkg-buildpackage -b -us -uc
      lintian --allow-root --fail-on error,warning ../landfall_*.deb ../landfall-cloud-init_*.deb"
  cp "$work"/merged/build/landfall_*.deb "$work"/merged/build/landfall-cloud-init_*.deb "$work/"
' >"$work/build.log" 2>&1 || { tail -n 60 "$work/build.log"; echo "make deb-clean-root: failed, see $work/build.log"; exit 1; } >&2
rm -rf --one-file-system "$work/upper" "$work/overlay" "$work/merged"

deb=$(echo "$work"/landfall_*.deb)
grep -m1 '^rustc ' "$work/build.log"
size=$(dpkg-deb --fsys-tarfile "$deb" | tar -t -v ./usr/bin/landfall | awk '{ print $3 }')
echo "$deb: binary of $size bytes"
