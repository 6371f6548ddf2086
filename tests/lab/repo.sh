# Sourced by tests/setup.sh: two local apt repositories of tiny synthetic packages, so that real apt and dpkg run without a network.
#   repo/    flat; booted roots see it at /srv/repo, `deb [trusted=yes] file:/srv/repo ./` is their only source
#   mirror/  the same packages in Debian's layout (dists/SUITE/main), signed by the throwaway key in key.asc; seen at /srv/mirror
# Packages are listed in tests/lab/README.md.

repo_key() {
  cat "$here/lab/repo.sh" | sha256sum | cut -c1-16
}

# start NAME VERSION [EXTRA CONTROL LINES]: an empty package tree in $tree
start() {
  tree=$work/$1_$2
  mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc/$1"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: The lab <lab@localhost>\nSection: misc\nPriority: optional\n' "$1" "$2" >"$tree/DEBIAN/control"
  [ -z "${3:-}" ] || printf '%s\n' "$3" >>"$tree/DEBIAN/control"
  printf 'Description: test package %s\n A synthetic package for boot tests.\n' "$1" >>"$tree/DEBIAN/control"
  echo "$1 $2" >"$tree/usr/share/doc/$1/about"
}

# script NAME: a maintainer script from standard input
script() {
  { echo '#!/bin/sh'; echo 'set -e'; cat; } >"$tree/DEBIAN/$1"
  chmod 755 "$tree/DEBIAN/$1"
}

finish() {
  (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 -r md5sum >DEBIAN/md5sums)
  if [ -d "$tree/etc" ]; then
    (cd "$tree" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) | grep -v '^/etc/systemd/' >"$tree/DEBIAN/conffiles"
    (cd "$tree" && sed 's,^/,,' DEBIAN/conffiles | while read -r f; do sed -i "\\, $f\$,d" DEBIAN/md5sums; done)
  fi
  # gzip: the fastest for dpkg, and understood by every version.
  dpkg-deb -Zgzip --root-owner-group --build "$tree" "$pool" >/dev/null
  rm -rf "$tree"
}

synthetic_packages() {
  local version i
  for version in 1.0 2.0; do
    start hello-lf $version
    mkdir -p "$tree/usr/bin" "$tree/etc"
    printf '#!/bin/sh\necho hello %s\n' $version >"$tree/usr/bin/hello-lf"; chmod 755 "$tree/usr/bin/hello-lf"
    echo "greeting = hello" >"$tree/etc/hello-lf.conf"
    finish

    # The conffile changes between the versions: an upgrade asks if the admin changed it too.
    start conf-lf $version
    mkdir -p "$tree/etc/conf-lf"
    printf '# shipped by %s\nvalue = %s\n' $version $version >"$tree/etc/conf-lf/main.conf"
    finish
  done

  start svc-lf 1.0
  mkdir -p "$tree/lib/systemd/system" "$tree/usr/sbin"
  printf '#!/bin/sh\nexec sleep infinity\n' >"$tree/usr/sbin/svc-lf"; chmod 755 "$tree/usr/sbin/svc-lf"
  printf '[Unit]\nDescription=Synthetic service\n[Service]\nExecStart=/usr/sbin/svc-lf\n[Install]\nWantedBy=multi-user.target\n' \
    >"$tree/lib/systemd/system/svc-lf.service"
  script postinst <<'E'
if [ "$1" = configure ]; then
  deb-systemd-helper unmask svc-lf.service >/dev/null || true
  if deb-systemd-helper --quiet was-enabled svc-lf.service; then
    deb-systemd-helper enable svc-lf.service >/dev/null || true
  fi
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-invoke start svc-lf.service >/dev/null || true
  fi
fi
E
  script prerm <<'E'
if [ -d /run/systemd/system ] && [ "$1" = remove ]; then deb-systemd-invoke stop svc-lf.service >/dev/null || true; fi
E
  script postrm <<'E'
if [ "$1" = purge ]; then deb-systemd-helper purge svc-lf.service >/dev/null || true; fi
E
  finish

  start slow-lf 1.0
  mkdir -p "$tree/usr/share/slow-lf"; echo slow >"$tree/usr/share/slow-lf/data"
  script postinst <<'E'
[ "$1" != configure ] || sleep 1
E
  finish

  start deps-lf 1.0 'Depends: hello-lf, slow-lf (>= 1.0)'
  finish

  # The priority is high, so that it would prompt where the frontend is not noninteractive.
  start debconf-lf 1.0 'Depends: debconf'
  printf 'Template: debconf-lf/answer\nType: string\nDefault: unasked\nDescription: What is the answer?\n The answer is written to a file.\n' >"$tree/DEBIAN/templates"
  script config <<'E'
. /usr/share/debconf/confmodule
db_input high debconf-lf/answer || true
db_go || true
E
  script postinst <<'E'
. /usr/share/debconf/confmodule
db_get debconf-lf/answer
echo "$RET" >/var/lib/debconf-lf.answer
E
  script postrm <<'E'
if [ "$1" = purge ]; then
  rm -f /var/lib/debconf-lf.answer
  if [ -e /usr/share/debconf/confmodule ]; then . /usr/share/debconf/confmodule; db_purge; fi
fi
E
  finish

  start broken-lf 1.0
  script postinst <<'E'
echo "broken-lf: this postinst always fails" >&2
exit 1
E
  finish

  # Fails at its first configuration only, as a package does whose service needs something not yet there.
  start flaky-lf 1.0
  script postinst <<'E'
if [ "$1" = configure ] && [ ! -e /var/lib/flaky-lf.tried ]; then touch /var/lib/flaky-lf.tried; exit 1; fi
E
  script postrm <<'E'
if [ "$1" = purge ]; then rm -f /var/lib/flaky-lf.tried; fi
E
  finish

  # Many small files: a power cut while it is unpacked leaves a half of them.
  start big-lf 1.0
  mkdir -p "$tree/usr/share/big-lf"
  for i in $(seq 200); do seq "$i" "$((i + 300))" >"$tree/usr/share/big-lf/file-$i"; done
  finish

  # Its postinst stops reading input, as a maintainer script that prompts without debconf does: only /dev/null ends it.
  start prompt-lf 1.0
  script postinst <<'E'
if [ "$1" = configure ]; then echo "Continue? [y/N]"; read -r answer || answer=eof; echo "$answer" >/var/lib/prompt-lf.answer; fi
E
  script postrm <<'E'
if [ "$1" = purge ]; then rm -f /var/lib/prompt-lf.answer; fi
E
  finish

  # Asks for a reboot the way kernel packages do.
  start reboot-lf 1.0
  script postinst <<'E'
if [ "$1" = configure ]; then touch /run/reboot-required; echo reboot-lf >>/run/reboot-required.pkgs; fi
E
  finish

  start user-lf 1.0
  script postinst <<'E'
if [ "$1" = configure ] && ! getent passwd lf-daemon >/dev/null; then
  useradd --system --home-dir /var/lib/user-lf --shell /usr/sbin/nologin lf-daemon
fi
E
  script postrm <<'E'
if [ "$1" = purge ] && getent passwd lf-daemon >/dev/null; then userdel lf-daemon || true; fi
E
  finish

  start conflict-lf 1.0 'Conflicts: hello-lf'
  finish

  start undep-lf 1.0 'Depends: no-such-package-lf'
  finish

  # A stand-in for the real one: its service holds the frontend lock for 20 s whenever it is started.
  start unattended-upgrades 0.lab
  mkdir -p "$tree/usr/bin" "$tree/lib/systemd/system"
  cat >"$tree/usr/bin/unattended-upgrade" <<'E'
#!/usr/bin/perl
# Takes the dpkg frontend lock the way apt does (fcntl), keeps it for 20 s or as many seconds as the argument says.
use strict; use Fcntl;
open(my $f, '+>>', '/var/lib/dpkg/lock-frontend') or die "lock-frontend: $!";
my $lock = pack('s s x![q] q q i x![q]', F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLKW, $lock) or die "fcntl: $!";
sleep($ARGV[0] // 20);
E
  chmod 755 "$tree/usr/bin/unattended-upgrade"
  printf '[Unit]\nDescription=Unattended Upgrades (lab stand-in)\n[Service]\nExecStart=/usr/bin/unattended-upgrade\n' \
    >"$tree/lib/systemd/system/unattended-upgrades.service"
  finish

  stand_ins
}

# kept_up NAME PROGRAM: a service that PROGRAM keeps up, started when it is installed
kept_up() {
  mkdir -p "$tree/usr/lib/systemd/system" "$(dirname "$tree$2")"
  printf '#!/bin/sh\nexec sleep infinity\n' >"$tree$2"; chmod 755 "$tree$2"
  printf '[Unit]\nDescription=%s (lab stand-in)\n[Service]\nExecStart=%s\nExecReload=/bin/true\n[Install]\nWantedBy=multi-user.target\n' "$1" "$2" \
    >"$tree/usr/lib/systemd/system/$1.service"
  script postinst <<E
if [ "\$1" = configure ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; deb-systemd-invoke start $1.service >/dev/null || true; fi
E
}

# recording PATH: a program, from standard input; `told` in it writes down what it was called with
recording() {
  mkdir -p "$(dirname "$tree$1")"
  { echo '#!/bin/sh'; echo 'told() { echo "$(basename "$0") $*" >>/var/lib/told; }'; cat; } >"$tree$1"
  chmod 755 "$tree$1"
}

# Packages that modules of cloud-init install, as small as can be: their programs write down what they are told.
stand_ins() {
  start chrony 4.lab
  kept_up chrony /usr/sbin/chronyd
  finish

  start puppet-agent 8.lab
  kept_up puppet /usr/sbin/puppetd
  mkdir -p "$tree/etc/puppet"
  printf '[main]\nssldir = /var/lib/puppet/ssl\n' >"$tree/etc/puppet/puppet.conf"
  recording /usr/bin/puppet <<'E'
case "$1 $3" in
  'config config') echo /etc/puppet/puppet.conf;;
  'config ssldir') echo /var/lib/puppet/ssl;;
  'config csr_attributes') echo /etc/puppet/csr_attributes.yaml;;
  agent*) told "$@"; exit 2;;
esac
E
  # As in the real one the agent's user is there before anybody asks for its certificates.
  script preinst <<'E'
getent passwd puppet >/dev/null || useradd --system --home-dir /var/lib/puppet --shell /usr/sbin/nologin puppet
E
  finish

  start salt-minion 3007.lab
  kept_up salt-minion /usr/bin/salt-minion
  mkdir -p "$tree/etc/salt/pki/minion"; echo "#master: salt" >"$tree/etc/salt/minion"
  recording /usr/bin/salt-call <<'E'
told "$@"
E
  finish

  start mcollective 2.lab
  kept_up mcollective /usr/sbin/mcollectived
  mkdir -p "$tree/etc/mcollective/ssl"
  printf 'main_collective = mcollective\nloglevel = info\n' >"$tree/etc/mcollective/server.cfg"
  finish

  start chef 18.lab
  recording /usr/bin/chef-client <<'E'
told "$@"
E
  finish

  start landscape-client 24.lab
  # Whether it is told its settings one by one or in a file, it keeps those that are the user's.
  recording /usr/bin/landscape-config <<'E'
case " $* " in *' --is-registered '*) exit 5;; esac
mkdir -p /etc/landscape
while [ $# -gt 0 ]; do
  case $1 in
    --import=*) sed -n 's/ *= */=/p' "${1#*=}" | sed 's/_/-/';;
    --silent) ;;
    --*) echo "${1#--}=$2"; shift;;
  esac
  shift
done | grep -E '^(account-name|computer-title|registration-key|tags)=' | sort >/etc/landscape/told
E
  finish

  start byobu 6.lab 'Depends: debconf'
  printf 'Template: byobu/launch-by-default\nType: boolean\nDefault: false\nDescription: Launch it at login?\n For everybody.\n' >"$tree/DEBIAN/templates"
  script postinst <<'E'
. /usr/share/debconf/confmodule
db_get byobu/launch-by-default
echo "$RET" >/var/lib/byobu.launched
E
  recording /usr/bin/byobu <<'E'
E
  recording /usr/bin/byobu-launcher-install <<'E'
echo install >"$HOME/.byobu"; chmod 644 "$HOME/.byobu"
E
  recording /usr/bin/byobu-launcher-uninstall <<'E'
echo uninstall >"$HOME/.byobu"; chmod 644 "$HOME/.byobu"
E
  finish
}

build_repo() {
  local dest=$1 work suite
  mkdir -p "$dest/repo" "$dest/mirror/pool/main"
  work=$dest/work pool=$dest/repo
  mkdir -p "$work"
  synthetic_packages
  rmdir "$work"
  (cd "$dest/repo" && apt-ftparchive packages . >Packages && gzip -9nk Packages && apt-ftparchive release . >Release.new && mv Release.new Release)

  cp "$dest"/repo/*.deb "$dest/mirror/pool/main/"
  # A short path, as gpg-agent's socket needs one.
  export GNUPGHOME; GNUPGHOME=$(mktemp -d)
  gpg --batch --quiet --passphrase '' --quick-generate-key 'Lab archive <lab@localhost>' ed25519 sign never
  gpg --batch --quiet --export --armor >"$dest/mirror/key.asc"
  for suite in bookworm bookworm-updates bookworm-security trixie trixie-updates trixie-security; do
    sign_suite "$dest/mirror" "$suite"
  done
  gpgconf --kill all
  rm -rf "$GNUPGHOME"; unset GNUPGHOME
}

# The release pocket holds everything, the other two nothing, as on a mirror without updates.
sign_suite() {
  local mirror=$1 suite=$2 dir=$1/dists/$2
  mkdir -p "$dir/main/binary-amd64" "$dir/main/binary-arm64"
  case $suite in
    *-*) : >"$dir/main/binary-amd64/Packages";;
    *) (cd "$mirror" && apt-ftparchive packages pool/main) >"$dir/main/binary-amd64/Packages";;
  esac
  cp "$dir/main/binary-amd64/Packages" "$dir/main/binary-arm64/Packages"
  gzip -9nk "$dir"/main/binary-*/Packages
  apt-ftparchive -o APT::FTPArchive::Release::Suite="$suite" -o APT::FTPArchive::Release::Codename="$suite" \
    -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures='amd64 arm64' \
    -o APT::FTPArchive::Release::Origin=Lab release "$dir" >"$dir/Release.new"
  mv "$dir/Release.new" "$dir/Release"
  gpg --batch --quiet --yes --clearsign -o "$dir/InRelease" "$dir/Release"
  gpg --batch --quiet --yes --detach-sign --armor -o "$dir/Release.gpg" "$dir/Release"
}
