//! The typical first boot that is cut: a bit of every kind of step, and items of a script that count how often they ran.

use crate::lab::{Host, Lab, Release};

/// The instance that the seed names.
pub const INSTANCE: &str = "i-power";
/// Where each counted item of `runcmd` appends its number, without a sync of its own.
pub const COUNT: &str = "/root/count";
/// Items of `runcmd` that are counted: all but the one that only defines a function, which a resumed run replays.
pub const COUNTED: [usize; 8] = [1, 2, 4, 5, 6, 7, 8, 9];
/// What `runcmd` and the packages install.
pub const PACKAGES: [&str; 7] = ["hello-lf", "svc-lf", "slow-lf", "deps-lf", "big-lf", "debconf-lf", "conf-lf"];
/// A user whose password is given in plain text, and that.
pub const PLAIN: (&str, &str) = ("deploy", "correct horse battery");

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIv2Jg7+iN0M6Nv13oJLEQjnkLJRlP4T+m9OJ1ZUjQm ada@example.org",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDIv2Jg7+iN0M6Nv13oJLEQjnkLJRlP4T+m9OJ1ZUjQn deploy@example.org",
];

/// `runcmd` counts by appending to a file, with no sync of its own; what else its items do may be done twice.
const USER_DATA: &str = r##"#cloud-config
hostname: power
fqdn: power.example.org
timezone: Europe/Berlin
groups: [operators]
users:
  - name: ada
    gecos: Ada Example
    groups: [sudo, operators]
    shell: /bin/bash
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    lock_passwd: false
    passwd: "$6$lfsalt$CBOptHcsuEfhsYil2C9M9VqPxQso0fIZjxoEuEGg6a7Wg2jJBbEcBtGzQme8jJXh8byNK2ubnu0GSgISbZM0j."
    ssh_authorized_keys: ["@KEY0@"]
  - name: deploy
    groups: operators
    shell: /bin/sh
    lock_passwd: false
    plain_text_passwd: "@PLAIN@"
    ssh_authorized_keys: ["@KEY1@"]
ssh_genkeytypes: [ed25519, ecdsa]
bootcmd:
  - echo boot >>/run/bootcmd-count
  - [mkdir, -p, /var/lib/example]
write_files:
  - path: /etc/example/app.conf
    owner: root:adm
    permissions: "0640"
    content: |
      listen = 127.0.0.1:8080
      workers = 4
  - path: /etc/example/token
    permissions: "0600"
    encoding: b64
    content: dGhlIHRva2VuIG9mIHRoZSBleGFtcGxlCg==
  - path: /etc/bash.bashrc
    append: true
    content: |
      alias ll='ls -l'
  - path: /home/ada/.config/app/settings.toml
    owner: ada:ada
    permissions: "0600"
    defer: true
    content: |
      colour = "blue"
  - path: /etc/example/large
    content: |
@LARGE@apt:
  conf: |
    APT::Install-Recommends "false";
  debconf_selections:
    answer: debconf-lf debconf-lf/answer string forty-two
  sources:
    lab:
      source: "deb file:/srv/mirror $RELEASE main"
      key: |
@ARCHIVE_KEY@package_update: true
packages: [hello-lf, svc-lf, deps-lf, big-lf, debconf-lf]
final_message: ready
runcmd:
  - echo 1 >>/root/count; mkdir -p /srv/app/releases && cd /srv/app
  - echo 2 >>/root/count; release=blue; export release
  - 'announce() { echo "$1 from $PWD" >/srv/app/announced; }'
  - echo 4 >>/root/count; announce "$release"; pwd >/root/where
  - [sh, -c, "echo 5 >>/root/count; sleep 0.3; mkdir -p releases/blue; for n in 1 2 3 4 5 6 7 8; do seq $n 300 >releases/blue/part-$n; done"]
  - echo 6 >>/root/count; sleep 60 & true
  - echo 7 >>/root/count; ln -sfn releases/$release current; cp /etc/example/app.conf current/
  - echo 8 >>/root/count; apt-get install -y conf-lf
  - echo 9 >>/root/count; hello-lf >/root/said; sed s/workers/threads/ /etc/example/app.conf >/etc/example/derived.conf
"##;

/// The user-data; one of its files is long enough to be torn.
fn user_data(lab: Lab) -> String {
    let key = std::fs::read_to_string(lab.mirror().join("key.asc")).unwrap();
    let key: String = key.lines().map(|line| format!("        {line}\n")).collect();
    let large: String = (0..6000).map(|line| format!("      line {line} of a file of many pages\n")).collect();
    let values = [("@KEY0@", KEYS[0]), ("@KEY1@", KEYS[1]), ("@PLAIN@", PLAIN.1), ("@LARGE@", &large), ("@ARCHIVE_KEY@", &key)];
    values.iter().fold(USER_DATA.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Puts the user-data where NoCloud looks first.
pub fn seed(host: &Host, lab: Lab) {
    host.files().write("/var/lib/cloud/seed/nocloud/meta-data", format!("instance-id: {INSTANCE}\n"), 0o644);
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data(lab), 0o600);
}

/// Releases that landfall's trials use.
pub const RELEASES: [Release; 2] = [Release::Trixie, Release::Bookworm];
