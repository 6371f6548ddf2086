#!/bin/bash
# Prepares a Debian 12 or 13 machine for the boot and power tests.
#
#   tests/setup.sh          as root: installs the tools that are missing, builds what the cache lacks
#   tests/setup.sh paths    prints "name<TAB>path" of everything cached; installs and builds nothing; exit 1 if something is missing
#
# The cache is ${LANDFALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/landfall}. Its entries are named after a hash of the recipe that
# made them, so checkouts with different recipes share one cache without disturbing each other.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LANDFALL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/landfall}
# shellcheck source=tests/lab/roots.sh
. "$here/lab/roots.sh"
# shellcheck source=tests/lab/nss.sh
. "$here/lab/nss.sh"
# shellcheck source=tests/lab/network.sh
. "$here/lab/network.sh"
# shellcheck source=tests/lab/repo.sh
. "$here/lab/repo.sh"
# shellcheck source=tests/lab/vm.sh
. "$here/lab/vm.sh"
# shellcheck source=tests/lab/examples.sh
. "$here/lab/examples.sh"
# shellcheck source=tests/lab/demo.sh
. "$here/lab/demo.sh"

# tool:package, for every tool that a test, the package build or the demo calls
tools="mmdebstrap:mmdebstrap dh:debhelper lintian:lintian ip:iproute2 mkfs.ext4:e2fsprogs mkfs.vfat:dosfstools mkfs.xfs:xfsprogs btrfs:btrfs-progs mcopy:mtools
  xorriso:xorriso apt-ftparchive:apt-utils dpkg-deb:dpkg dpkg-buildpackage:dpkg-dev gpg:gnupg qemu-system-x86_64:qemu-system-x86
  qemu-img:qemu-utils unshare:util-linux nsenter:util-linux findmnt:util-linux setpriv:util-linux flock:util-linux perl:perl-base
  ssh-keygen:openssh-client ansible-playbook:ansible-core cc:gcc make:make"

missing_packages() {
  local pair
  for pair in $tools; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  # Rust of Debian's own comes in parts.
  if [ "$(command -v cargo)" = /usr/bin/cargo ]; then
    cargo fmt --version >/dev/null 2>&1 || echo rustfmt
    cargo clippy --version >/dev/null 2>&1 || echo rust-clippy
  fi
  # Debian 12 is the last to have it.
  grep -q '^VERSION_ID="12"' /etc/os-release && ! command -v packer >/dev/null && echo packer
  # The first one with the keys of Debian 13.
  dpkg --compare-versions "$(dpkg-query -W -f '${Version}' debian-archive-keyring 2>/dev/null || echo 0)" ge 2023.3+deb12u2 ||
    echo debian-archive-keyring
}

install_tools() {
  local missing
  missing=$(missing_packages | sort -u)
  [ -n "$missing" ] || return 0
  echo "setup: installing" $missing
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o DPkg::Lock::Timeout=600 update
  # shellcheck disable=SC2086 # one word a package
  apt-get -qq -y -o DPkg::Lock::Timeout=600 --no-install-recommends install $missing >/dev/null
}

# name<TAB>path of every cache entry
entries() {
  local name
  for name in $ROOT_NAMES; do
    printf '%s\t%s\n' "$name" "$cache/roots/$name-$(root_key "$name")"
  done
  printf 'trixie-nss\t%s\n' "$cache/roots/trixie-nss-$(nss_key)"
  printf 'trixie-network\t%s\n' "$cache/roots/trixie-network-$(network_key)"
  printf 'trixie-vm\t%s\n' "$cache/roots/trixie-vm-$(vm_root_key)"
  printf 'repo\t%s\n' "$cache/repos/$(repo_key)"
  printf 'examples-repo\t%s\n' "$cache/repos/examples-$(examples_repo_key)"
  printf 'demo-repo\t%s\n' "$cache/repos/demo-$(demo_repo_key)"
}

all_present() {
  entries | { status=0; while IFS=$'\t' read -r _ path; do [ -e "$path.complete" ] || status=1; done; exit $status; }
}

# Entries of older recipes that no checkout has used for two weeks.
prune() {
  local old
  entries | while IFS=$'\t' read -r _ path; do touch "$path.complete"; done
  find "$cache/roots" "$cache/repos" -maxdepth 1 -name '*.complete' -mtime +14 | while read -r old; do
    rm -rf --one-file-system "$old" "${old%.complete}" "${old%.complete}.log" "${old%.complete}.ext4"
  done
}

build_entry() {
  case $1 in
    examples-repo) build_examples_repo "$2";;
    demo-repo) build_demo_repo "$2" "$(entries | sed -n 's/^trixie\t//p')";;
    trixie-nss) build_nss_root "$2";;
    trixie-network) build_network_root "$2";;
    trixie-vm) build_vm_root "$2";;
    *) build_root "$@";;
  esac
}

build_missing() {
  local name path status jobs=0 failed=0
  mkdir -p "$cache/roots" "$cache/repos"
  # What a killed setup left half-built; we hold the lock, so nobody is building.
  find "$cache/roots" "$cache/repos" -maxdepth 1 -name '*.partial' -exec rm -rf --one-file-system {} +
  while IFS=$'\t' read -r name path; do
    [ -e "$path.complete" ] && continue
    echo "setup: building $name"
    if [ "$name" = repo ]; then
      build_repo "$path.partial"
      mv -T "$path.partial" "$path"; touch "$path.complete"
      continue
    fi
    if [ "$name" = demo-repo ]; then   # needs a root
      while [ "$jobs" -gt 0 ]; do wait -n || failed=1; jobs=$((jobs - 1)); done
      [ "$failed" = 0 ] || return 1
    fi
    (
      # Not `build_entry || ...`: there bash would ignore `set -e` in it and take a half-built root for a whole one.
      set +e; (set -e; build_entry "$name" "$path.partial") >"$path.log" 2>&1; status=$?; set -e
      [ $status = 0 ] || { tail -n 40 "$path.log"; echo "setup: $name failed, see $path.log"; exit 1; }
      mv -T "$path.partial" "$path"; touch "$path.complete"
    ) &
    jobs=$((jobs + 1))
    if [ "$jobs" -ge 2 ]; then wait -n || failed=1; jobs=$((jobs - 1)); fi
  done < <(entries)
  while [ "$jobs" -gt 0 ]; do wait -n || failed=1; jobs=$((jobs - 1)); done
  return $failed
}

case ${1:-} in
  paths)
    all_present || { echo "the test cache in $cache is not complete: run tests/setup.sh as root" >&2; exit 1; }
    entries
    ;;
  '')
    [ "$(id -u)" = 0 ] || { echo "tests/setup.sh needs root" >&2; exit 77; }
    mkdir -p "$cache"
    exec 9>"$cache/setup.lock"
    flock 9
    install_tools
    all_present || build_missing
    prune
    entries | sed 's/^/setup: /'
    ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
    ;;
esac
