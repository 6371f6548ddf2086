# Sourced by tests/setup.sh, after roots.sh: the root that virtual machines boot. It is what roots.sh makes of Debian 13, with
# Debian's own kernel and an initrd for a disk on virtio. Its key is a hash of both recipes.

vm_root_key() {
  cat "$here/lab/roots.sh" "$here/lab/vm.sh" | sha256sum | cut -c1-16
}

build_vm_root() {
  local dest=$1 settings=$1.aptconf hooks=$1.hooks sources
  sources=$(apt_sources_for trixie)
  [ -n "$sources" ] || { echo "no Debian source found in this machine's apt configuration; set LANDFALL_MIRROR"; return 1; }
  apt_settings >"$settings"
  mkdir -p "$dest" "$hooks"
  # Only what mounts the root: every module more is unpacked by an emulated processor at every boot.
  printf 'MODULES=list\nCOMPRESS=gzip\nRUNSIZE=10%%\nFSTYPE=ext4\n' >"$hooks/conf"
  printf '#!/bin/sh\n[ "$1" != prereqs ] || exit 0\n. /usr/share/initramfs-tools/hook-functions\nforce_load virtio_pci\nforce_load virtio_blk\nforce_load ext4\n' >"$hooks/modules"
  chmod 755 "$hooks/modules"
  mmdebstrap --mode=root --variant=minbase --format=directory \
    --include="$ROOT_PACKAGES,cryptsetup-bin,initramfs-tools,linux-image-cloud-$(dpkg --print-architecture)" \
    --essential-hook="mkdir -p \"\$1\"/etc/initramfs-tools/conf.d \"\$1\"/etc/initramfs-tools/hooks" \
    --essential-hook="copy-in $hooks/conf /etc/initramfs-tools/conf.d" \
    --essential-hook="copy-in $hooks/modules /etc/initramfs-tools/hooks" \
    --aptopt="$settings" --dpkgopt='force-unsafe-io' \
    trixie "$dest" - <<<"$sources"
  prepare_root "$dest"
  rm -rf "$settings" "$hooks" "$dest/etc/apt/apt.conf.d/99mmdebstrap" "$dest/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
}
