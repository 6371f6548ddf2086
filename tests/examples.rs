//! The examples of `cloud-config/`, each booted to its end: a host that is given one becomes what its first lines promise.
//! `bootstrap.yaml` is booted by the suite `hosted`. The packages are stand-ins: `tests/lab/examples.sh`.

mod lab;

use std::path::Path;
use std::time::Duration;

use lab::{BootOptions, Booted, Disk, Lab, Release};

/// Boots an image with the package and the example in its seed directory; the run is done, without a word of complaint.
fn provisioned(release: Release, example: &str) -> Option<Booted> {
    let lab = Lab::require()?;
    let host = lab.host(release, Disk::Directory);
    host.install_deb(&lab::package()?);
    for package in std::fs::read_dir(lab.examples_repo()).unwrap() {
        let package = package.unwrap();
        let name = package.file_name().into_string().unwrap();
        host.files().write(&format!("/opt/repo/{name}"), std::fs::read(package.path()).unwrap(), 0o644);
    }
    host.files().write("/etc/apt/sources.list", "deb [trusted=yes] file:/opt/repo ./\n", 0o644);
    let user_data = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-config").join(example)).unwrap();
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
    host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-example\n", 0o644);

    let booted = host.boot(BootOptions { timeout: Duration::from_secs(240), ..BootOptions::default() });
    let ended = booted.exec(&["landfall", "status", "--wait", "--timeout", "200s", "--strict", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let why = booted.sh("landfall why; landfall status --long").stdout;
    assert_eq!((ended.code(), status["state"].as_str()), (Some(0), Some("done")), "{example}: {why}");
    assert_eq!(booted.wait_unit("landfall.service"), "active", "{why}");
    assert_eq!(booted.wait_running(), "running", "{}", booted.sh("systemctl --failed").stdout);
    holds(&booted, "nothing is half-installed", r#"[ -z "$(dpkg --audit)" ] && debsums -s"#);
    Some(booted)
}

/// A shell script in the guest succeeds.
#[track_caller]
fn holds(booted: &Booted, what: &str, script: &str) {
    let ended = booted.sh(script);
    assert!(ended.ok(), "it does not hold that {what}: {script}\n{ended:?}");
}

/// What all three ask for.
fn assert_common(booted: &Booted, hostname: &str, fqdn: &str, packages: &str) {
    holds(booted, "the host has its name", &format!("[ $(hostname) = {hostname} ] && [ $(cat /etc/hostname) = {hostname} ]"));
    holds(booted, "its full name is known", &format!("grep -Eq '^127[.]0[.]1[.]1\\s+{fqdn} {hostname}$' /etc/hosts"));
    holds(booted, "its clock shows UTC", "[ $(cat /etc/timezone) = Etc/UTC ] && [ $(date +%Z) = UTC ]");
    holds(booted, "the administrator may log in by her key", "grep -q 'ada@example.com$' ~ada/.ssh/authorized_keys");
    holds(booted, "her key is hers", r#"[ "$(stat -c %U:%a ~ada/.ssh ~ada/.ssh/authorized_keys | xargs)" = "ada:700 ada:600" ]"#);
    holds(booted, "she may become root", "id -nG ada | grep -qw sudo && runuser -u ada -- sudo -n true");
    holds(booted, "nobody logs in by password", "! grep -E '^(ada|root|deploy|linus|fetch-backup):[^!*]' /etc/shadow");
    holds(booted, "sshd takes no password", "sshd -T | grep -qx 'passwordauthentication no'");
    holds(
        booted,
        "the packages are installed",
        &format!("dpkg-query -W -f '${{db:Status-Status}}\\n' {packages} | grep -vx installed; [ $? = 1 ]"),
    );
    holds(booted, "the firewall is up, with the user's rules", "systemctl is-enabled nftables && systemctl is-active nftables");
    holds(booted, "the rules are the user's", "grep -q 'policy drop' /etc/nftables.conf && [ $(stat -c %a /etc/nftables.conf) = 755 ]");
    assert!(booted.console().contains(" is ready after "), "{}", booted.console());
}

fn web_server(release: Release) {
    let Some(booted) = provisioned(release, "web-server.yaml") else { return };
    assert_common(&booted, "web1", "web1.example.com", "nginx nftables rsync unattended-upgrades");
    holds(&booted, "nginx serves", "systemctl is-enabled nginx && systemctl is-active nginx && nginx -t");
    holds(
        &booted,
        "the default site is gone, ours is there",
        "[ ! -e /etc/nginx/sites-enabled/default ] && [ -s /etc/nginx/conf.d/www.example.com.conf ]",
    );
    holds(&booted, "the site is deploy's", "[ $(stat -c %U:%G:%a /srv/www) = deploy:www-deploy:2775 ]");
    holds(
        &booted,
        "so is its page",
        "[ $(stat -c %U:%G:%a /srv/www/index.html) = deploy:www-deploy:664 ] && grep -q deployed /srv/www/index.html",
    );
    holds(
        &booted,
        "deploy can do nothing but copy",
        "grep -q '^restrict,command=\"/usr/bin/rrsync -wo /srv/www\" ssh-ed25519 ' ~deploy/.ssh/authorized_keys",
    );
    holds(&booted, "updates install themselves", r#"apt-config dump APT::Periodic::Unattended-Upgrade | grep -q '"1"'"#);
    holds(&booted, "the language is there", "locale -a | grep -qi '^en_US.utf-\\?8$' && grep -q en_US.UTF-8 /etc/default/locale");
    booted.shutdown();
}

fn database_host(release: Release) {
    let Some(booted) = provisioned(release, "database-host.yaml") else { return };
    assert_common(&booted, "db1", "db1.internal.example.com", "postgresql nftables rsync unattended-upgrades");
    holds(&booted, "PostgreSQL runs", "systemctl is-enabled postgresql && systemctl is-active postgresql");
    holds(&booted, "with our settings", "grep -q scram-sha-256 /etc/postgresql/17/main/conf.d/60-local.conf");
    holds(&booted, "which it can read", "[ $(stat -c %U:%a /etc/postgresql/17/main/conf.d/60-local.conf) = postgres:644 ]");
    holds(&booted, "one network may reach it", "[ $(grep -c 10.20.0.0/16 /etc/postgresql/17/main/pg_hba.conf) = 1 ]");
    holds(&booted, "the database was made by its administrator", "grep -qx -- '-- postgres' /var/lib/postgresql/executed.sql");
    holds(&booted, "once", "[ $(grep -c 'CREATE DATABASE app OWNER app' /var/lib/postgresql/executed.sql) = 1 ]");
    holds(&booted, "the password is not left lying about", "[ ! -e /usr/local/share/postgresql/app.sql ]");
    holds(
        &booted,
        "backups are made every night",
        "systemctl is-enabled backup-databases.timer && systemctl is-active backup-databases.timer",
    );
    holds(&booted, "and can be made", "systemctl start backup-databases.service && gzip -t /var/backups/postgresql/all-*.sql.gz");
    holds(
        &booted,
        "for another host to fetch",
        "[ $(stat -c %G:%a /var/backups/postgresql) = backup-readers:2750 ] && id -nG fetch-backup | grep -qw backup-readers",
    );
    holds(
        &booted,
        "the fetched files are readable to it",
        "runuser -u fetch-backup -- cat /var/backups/postgresql/all-*.sql.gz >/dev/null",
    );
    booted.shutdown();
}

fn hardened_bastion(release: Release) {
    let Some(booted) = provisioned(release, "hardened-bastion.yaml") else { return };
    assert_common(&booted, "bastion", "bastion.example.com", "nftables fail2ban auditd unattended-upgrades");
    let effective = |user: &str| booted.exec(&["sshd", "-T", "-C", &format!("user={user},host=a.example,addr=192.0.2.1")]).expect_ok();
    let for_ada = effective("ada");
    for line in
        ["permitrootlogin no", "kbdinteractiveauthentication no", "authenticationmethods publickey", "maxauthtries 3", "forcecommand none"]
    {
        assert!(for_ada.lines().any(|set| set == line), "sshd lacks {line:?}: {for_ada}");
    }
    let for_linus = effective("linus");
    for line in ["allowtcpforwarding local", "permitopen 10.20.0.10:22 10.20.0.11:22", "permittty no", "forcecommand /usr/sbin/nologin"] {
        assert!(for_linus.lines().any(|set| set == line), "sshd lacks {line:?} for a guest: {for_linus}");
    }
    holds(&booted, "linus has no shell", "getent passwd linus | grep -q ':/usr/sbin/nologin$' && id -nG linus | grep -qw jump-only");
    holds(&booted, "the one host key is new", "[ \"$(ls /etc/ssh/ssh_host_*_key)\" = /etc/ssh/ssh_host_ed25519_key ]");
    holds(&booted, "sshd runs", "systemctl is-active ssh");
    for unit in ["fail2ban", "auditd"] {
        holds(
            &booted,
            "repeated failures are locked out and recorded",
            &format!("systemctl is-enabled {unit} && systemctl is-active {unit}"),
        );
    }
    holds(&booted, "the jail is ours", "grep -q 'bantime = 1h' /etc/fail2ban/jail.d/sshd.local");
    holds(&booted, "the audit rules are private", "[ $(stat -c %a /etc/audit/rules.d/60-accounts.rules) = 640 ]");
    booted.shutdown();
}

#[test]
fn a_web_server_on_debian_13() {
    web_server(Release::Trixie);
}

#[test]
fn a_database_host_on_debian_13() {
    database_host(Release::Trixie);
}

#[test]
fn a_hardened_bastion_on_debian_13() {
    hardened_bastion(Release::Trixie);
}

#[test]
fn a_web_server_on_debian_12() {
    web_server(Release::Bookworm);
}

#[test]
fn a_database_host_on_debian_12() {
    database_host(Release::Bookworm);
}

#[test]
fn a_hardened_bastion_on_debian_12() {
    hardened_bastion(Release::Bookworm);
}
