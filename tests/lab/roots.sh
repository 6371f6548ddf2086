# Sourced by tests/setup.sh: how the Debian roots that the tests boot are made. Each is an unpacked directory, used read-only
# as the lower layer of overlays. A root's key is a hash of this file, so a change here builds it anew.

ROOT_NAMES="bookworm trixie bookworm-cloudinit trixie-cloudinit"

ROOT_PACKAGES=systemd,systemd-sysv,dbus,udev,openssh-server,sudo,ca-certificates,locales,tzdata,iproute2,debsums,logrotate,procps,login
CLOUDINIT_PACKAGES=cloud-init,gpg

root_key() {
  { echo "$1"; cat "$here/lab/roots.sh"; } | sha256sum | cut -c1-16
}

# The machine's own Debian sources, as one-line entries for another suite: whatever mirror the machine uses is used here.
# LANDFALL_MIRROR names another one. Works before the first `apt-get update` too.
apt_sources_for() {
  local codename
  if [ -n "${LANDFALL_MIRROR:-}" ]; then echo "deb $LANDFALL_MIRROR $1 main"; return; fi
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v ours="$codename" -v wanted="$1" '
      $3 == "main" && ($2 == ours || index($2, ours "-") == 1) {
        pocket = substr($2, length(ours) + 1)
        if (pocket == "" || pocket == "-updates" || pocket == "-security") print "deb " $1 " " wanted pocket " main"
      }' | sort -u
}

# Proxies, validity checks, retries: how this machine reaches its mirror.
apt_settings() {
  apt-config dump | grep -E '^Acquire::(http|https|ftp|Retries|Check-Valid-Until|Check-Date|ForceIPv|Queue-Mode)' || true
}

build_root() {
  local name=$1 dest=$2 suite=${1%%-*} packages=$ROOT_PACKAGES settings=$2.aptconf sources
  case $name in *-cloudinit) packages=$packages,$CLOUDINIT_PACKAGES;; esac
  sources=$(apt_sources_for "$suite")
  [ -n "$sources" ] || { echo "no Debian source found in this machine's apt configuration; set LANDFALL_MIRROR"; return 1; }
  apt_settings >"$settings"
  mkdir -p "$dest"
  # /var/lib/apt/lists goes (mmdebstrap's default clean-up); documentation stays, so that debsums finds every file.
  mmdebstrap --mode=root --variant=minbase --format=directory --include="$packages" \
    --aptopt="$settings" --dpkgopt='force-unsafe-io' \
    "$suite" "$dest" - <<<"$sources"
  prepare_root "$dest"
  rm -f "$settings" "$dest/etc/apt/apt.conf.d/99mmdebstrap" "$dest/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
}

# Makes a bootable image-like root of a fresh bootstrap: no identity, no key, the local repository as the only source.
prepare_root() {
  local root=$1
  rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf" "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
  : >"$root/etc/machine-id"
  : >"$root/etc/resolv.conf"
  echo localhost >"$root/etc/hostname"
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
  rm -f "$root"/etc/apt/sources.list.d/*
  echo 'deb [trusted=yes] file:/srv/repo ./' >"$root/etc/apt/sources.list"
  printf '# root is supplied by the lab\n' >"$root/etc/fstab"
  mkdir -p "$root/srv/repo" "$root/srv/mirror"
  chroot "$root" passwd -l root
  # An image is up to date with itself: without these, the first boot rebuilds ld.so.cache and the like.
  touch "$root/etc/.updated" "$root/var/.updated"
  rm -f "$root"/var/log/apt/* "$root"/var/log/dpkg.log "$root"/var/log/bootstrap.log "$root"/var/log/alternatives.log
}
