# Sourced by tests/setup.sh: a Debian 13 with the programs that configure a network on Debian: netplan as in its cloud images,
# and ifupdown, which is used where netplan is taken away.

NETWORK_PACKAGES=netplan.io,ifupdown

network_key() {
  { root_key trixie; cat "$here/lab/network.sh"; } | sha256sum | cut -c1-16
}

build_network_root() {
  ROOT_PACKAGES=$ROOT_PACKAGES,$NETWORK_PACKAGES build_root trixie "$1"
}
