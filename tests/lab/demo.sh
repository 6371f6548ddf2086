# Sourced by tests/setup.sh, after roots.sh, repo.sh and examples.sh: a flat repository with what cloud-config/web-server.yaml
# installs, for `make demo`. nginx and rsync are Debian's, with all that they need beyond the root; nftables and unattended-upgrades
# are stand-ins: a host in namespaces has no firewall of its own, and nothing to upgrade.

demo_repo_key() {
  cat "$here/lab/roots.sh" "$here/lab/repo.sh" "$here/lab/examples.sh" "$here/lab/demo.sh" | sha256sum | cut -c1-16
}

# build_demo_repo DEST ROOT
build_demo_repo() {
  local dest=$1 root=$2 work=$1/work pool=$1 apt
  mkdir -p "$dest" "$work/lists/partial" "$work/archives/partial" "$work/pkgs"
  apt_sources_for trixie >"$work/sources.list"
  apt_settings >"$work/apt.conf"
  cp "$root/var/lib/dpkg/status" "$work/status"
  # apt of this machine, with the sources and the installed packages of that root; what it fetches is installed nowhere.
  apt="-o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$work/lists
    -o Dir::State::status=$work/status -o Dir::Cache::archives=$work/archives -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Install-Recommends=false -o APT::Sandbox::User=root
    -o Debug::NoLocking=true"
  # shellcheck disable=SC2086 # one word an option
  APT_CONFIG=$work/apt.conf apt-get -qq $apt update
  # shellcheck disable=SC2086
  APT_CONFIG=$work/apt.conf apt-get -qq -y $apt --download-only install nginx rsync
  mv "$work"/archives/*.deb "$dest"

  work=$work/pkgs
  nftables_stand_in
  start unattended-upgrades 2.12
  finish
  rm -rf "$dest/work"
  flat_repo "$dest"
}
