//! User-data that means harm: links that a user has planted, paths with `..`, secrets in every field.

use std::time::Duration;

use crate::case::idle;
use crate::lab::Booted;

/// Planted by an earlier user of the host, in their own home.
const PLANTED: &str =
    "useradd -m eve && cd /home/eve && mkdir deep && ln -s /etc/shadow notes && ln -s /etc deep/etc && ln -s /root/.ssh .ssh
    ln -s /etc/passwd .profile-lf; chown -h -R eve:eve /home/eve; cp -p /etc/shadow /root/shadow.was; cp -p /etc/passwd /root/passwd.was
    chmod 700 /root; mkdir -p -m 700 /root/.ssh; sync";

const DOCUMENT: &str = "#cloud-config
users:
  - {name: eve, ssh_authorized_keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh eve@laptop']}
write_files:
  - {path: /home/eve/notes, content: 'eve:x:1:', owner: 'eve:eve', permissions: '0666', defer: true}
  - {path: /home/eve/deep/etc/planted, content: x, owner: 'eve:eve', defer: true}
  - {path: /home/eve/.profile-lf, content: x, append: true, owner: 'eve:eve', defer: true}
  - {path: ../../etc/relative, content: x}
  - {path: /srv/../etc/dotted, content: x}
";

/// Everything that a user-data can keep secret, each with a mark of its own.
const SECRETS: &str = "#cloud-config
chpasswd: {expire: false, list: ['eve:SECRET-list']}
password: SECRET-password
users:
  - {name: mallory, plain_text_passwd: SECRET-plain, lock_passwd: false}
write_files:
  - {path: /root/token, content: SECRET-content, permissions: '0600'}
  - {path: /root/fetched, source: {uri: 'http://user:SECRET-uri@127.0.0.1:9/f', headers: {Authorization: 'Bearer SECRET-header'}}}
apt:
  http_proxy: 'http://user:SECRET-proxy@127.0.0.1:9'
  conf: 'Acquire::http::Proxy::deb.example.org \"http://user:SECRET-conf@127.0.0.1:9\";'
  debconf_selections: {one: 'a a/password password SECRET-debconf'}
phone_home: {url: 'http://user:SECRET-phone@127.0.0.1:9/', tries: 1}
landfall: {retry: 1, notify: {url: 'http://127.0.0.1:9/hooks/SECRET-hook'}}
runcmd:
  - 'export API_TOKEN=SECRET-token; false'
";

fn applied(booted: &Booted, document: &str) -> String {
    booted.files().write("/root/case.yaml", document, 0o600);
    let applied = booted.exec_with(&["landfall", "apply", "/root/case.yaml"], b"", Duration::from_secs(90));
    format!("{}{}", applied.stdout, applied.stderr)
}

#[test]
fn what_a_user_has_planted_in_their_home_leads_nowhere() {
    let Some((_, booted)) = idle() else { return };
    booted.sh(PLANTED).expect_ok();
    let said = applied(&booted, DOCUMENT);
    // `groups` and the like may add lines elsewhere; these two files nobody here has a reason to change but for eve's own.
    let strangers =
        "diff <(grep -v ^eve: /root/shadow.was) <(grep -v ^eve: /etc/shadow); diff /root/passwd.was /etc/passwd; ls -A /root/.ssh";
    let look = format!("bash -c '{strangers}'; stat -c '%a %U' /etc/shadow /root/.ssh; ls -d /etc/planted /etc/relative /root/../etc/relative 2>&1 | grep -v cannot");
    let found = booted.sh(&look).stdout;
    assert_eq!(found, "640 root\n700 root\n", "{said}");
    let why = booted.exec(&["landfall", "why"]).stdout;
    for word in ["/home/eve/notes", "/home/eve/deep/etc/planted"] {
        assert!(said.contains(word) || why.contains(word), "{word} is not named\n{said}\n{why}");
    }
    booted.shutdown();
}

#[test]
fn secrets_of_every_field_are_shown_nowhere() {
    let Some((_, booted)) = idle() else { return };
    let said = applied(&booted, SECRETS);
    let mut shown = said.clone();
    for command in [
        "landfall status --long",
        "landfall status --format json",
        "landfall why",
        "landfall why --format json",
        "landfall logs",
        "landfall analyze",
        "landfall plan /root/case.yaml",
        "landfall plan --format json /root/case.yaml",
        "landfall validate /root/case.yaml",
        "landfall config /root/case.yaml",
        "landfall drift",
        "landfall rollback --dry-run",
        "journalctl --no-pager -o json",
        "cat /var/log/landfall.log /run/landfall/*.json /run/cloud-init/*.json",
        // What others than root can read.
        "runuser -u nobody -- grep -rs 'SECRE[T]-' / --include='*' --exclude-dir=proc --exclude-dir=sys 2>/dev/null",
    ] {
        let output = booted.sh(command);
        shown += &format!("{command}\n{}{}", output.stdout, output.stderr);
    }
    let leaks: Vec<&str> = shown.lines().filter(|line| line.contains("SECRET-")).collect();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert!(said.contains("failed"), "the addresses cannot be reached: {said}");
    booted.shutdown();
}
