# Sourced by tests/setup.sh: a Debian 13 whose nsswitch.conf names the sources that systemd brings (resolve, myhostname, mymachines), as
# Ubuntu's does. A static binary that asks glibc for a name loads their modules there, and dies.

NSS_PACKAGES=systemd-resolved,libnss-resolve,libnss-myhostname,libnss-mymachines

nss_key() {
  { root_key trixie; cat "$here/lab/nss.sh"; } | sha256sum | cut -c1-16
}

build_nss_root() {
  ROOT_PACKAGES=$ROOT_PACKAGES,$NSS_PACKAGES build_root trixie "$1"
}
