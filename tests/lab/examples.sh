# Sourced by tests/setup.sh, after repo.sh: a flat repository of stand-ins for the packages that the examples of cloud-config/
# install, with just what cloud-config/README.md says the examples use of them. They do as Debian's packages do where an example
# depends on it: services are enabled and started on installation, PostgreSQL makes its cluster and its user, nftables does not
# start by itself.

examples_repo_key() {
  cat "$here/lab/repo.sh" "$here/lab/examples.sh" | sha256sum | cut -c1-16
}

# program PATH: an executable from standard input, in $tree
program() {
  mkdir -p "$tree/${1%/*}"
  { echo '#!/bin/sh'; cat; } >"$tree/$1"
  chmod 755 "$tree/$1"
}

# service NAME LINE...: a unit with these lines in its [Service] section
service() {
  local name=$1
  shift
  mkdir -p "$tree/lib/systemd/system"
  { printf '[Unit]\nDescription=%s (stand-in)\n[Service]\n' "$name"; printf '%s\n' "$@"; printf '[Install]\nWantedBy=multi-user.target\n'; } \
    >"$tree/lib/systemd/system/$name.service"
}

# enabled_service NAME: a postinst that enables and starts the unit, after what standard input says
enabled_service() {
  {
    cat
    echo "[ \"\$1\" = configure ] || exit 0
deb-systemd-helper unmask $1.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled $1.service; then deb-systemd-helper enable $1.service >/dev/null || true; fi
if [ -d /run/systemd/system ]; then systemctl --system daemon-reload; deb-systemd-invoke start $1.service; fi"
  } | script postinst
}

nftables_stand_in() {
  start nftables 1.1
  mkdir -p "$tree/etc"
  echo '# empty' >"$tree/etc/nftables.conf"
  program usr/sbin/nft <<'E'
# The file must be there and whole.
tail -n 1 /etc/nftables.conf | grep -qx "}"
E
  service nftables Type=oneshot RemainAfterExit=yes 'ExecStart=/usr/sbin/nft -f /etc/nftables.conf'
  sed -i 's/^WantedBy=.*/WantedBy=sysinit.target/' "$tree/lib/systemd/system/nftables.service"
  finish
}

nginx_stand_in() {
  start nginx 1.26
  mkdir -p "$tree/etc/nginx/conf.d" "$tree/etc/nginx/sites-enabled"
  echo '# empty' >"$tree/etc/nginx/nginx.conf"
  echo 'server { listen 80 default_server; }' >"$tree/etc/nginx/sites-enabled/default"
  program usr/sbin/nginx <<'E'
# Every site must be whole.
for site in /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/*; do
  [ -e "$site" ] || continue
  [ "$(grep -o '{' "$site" | wc -l)" = "$(grep -o '}' "$site" | wc -l)" ] || exit 1
done
[ "${1:-}" = -t ] || exec sleep infinity
E
  service nginx ExecStart=/usr/sbin/nginx
  enabled_service nginx </dev/null
  finish
}

postgresql_stand_in() {
  start postgresql 17
  program usr/bin/psql <<'E'
# Keeps what it was told by whom: psql [OPTION...] -f FILE
for file; do :; done
{ echo "-- $(id -un)"; cat "$file"; } >>/var/lib/postgresql/executed.sql
E
  program usr/bin/pg_dumpall </dev/null
  program usr/lib/postgresql/bin/postgres <<'E'
# A server that does not start with settings that are not there.
[ -r /etc/postgresql/17/main/pg_hba.conf ] && exec sleep infinity
E
  service postgresql User=postgres ExecStart=/usr/lib/postgresql/bin/postgres
  enabled_service postgresql <<'E'
if [ "$1" = configure ]; then
  getent passwd postgres >/dev/null || useradd --system --user-group --home-dir /var/lib/postgresql --create-home --shell /bin/bash postgres
  mkdir -p /etc/postgresql/17/main/conf.d
  [ -e /etc/postgresql/17/main/pg_hba.conf ] || echo 'local all postgres peer' >/etc/postgresql/17/main/pg_hba.conf
  chown -R postgres:postgres /etc/postgresql /var/lib/postgresql
  chmod 640 /etc/postgresql/17/main/pg_hba.conf
fi
E
  finish
}

# Services of which an example only writes the settings, as conffiles lie in the same directories.
other_stand_ins() {
  start fail2ban 1.1
  mkdir -p "$tree/etc/fail2ban/jail.d"
  printf '[sshd]\nenabled = true\n' >"$tree/etc/fail2ban/jail.d/defaults-debian.conf"
  service fail2ban 'ExecStart=/bin/sleep infinity'
  enabled_service fail2ban </dev/null
  finish

  start auditd 4.0
  mkdir -p "$tree/etc/audit/rules.d"
  echo '-D' >"$tree/etc/audit/rules.d/audit.rules"
  service auditd 'ExecStart=/bin/sleep infinity'
  enabled_service auditd </dev/null
  finish

  start rsync 3.4
  program usr/bin/rsync </dev/null
  program usr/bin/rrsync </dev/null
  finish

  start unattended-upgrades 2.12
  service unattended-upgrades 'ExecStart=/bin/sleep infinity'
  enabled_service unattended-upgrades </dev/null
  finish
}

# flat_repo DIR: the index of the packages in it
flat_repo() {
  (cd "$1" && apt-ftparchive packages . >Packages && gzip -9nk Packages && apt-ftparchive release . >Release.new && mv Release.new Release)
}

build_examples_repo() {
  local dest=$1 work=$1/work pool=$1
  mkdir -p "$work"
  nginx_stand_in
  postgresql_stand_in
  nftables_stand_in
  other_stand_ins
  rmdir "$work"
  flat_repo "$dest"
}
