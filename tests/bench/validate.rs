//! Checking a cloud-config of 1,000 lines: `landfall validate` and `cloud-init schema` on the same file in the same root.

use std::fmt::Write as _;
use std::path::Path;

use crate::lab::{Disk, Lab, Release};
use crate::measure::Usage;
use crate::table::{median, Row, Target};

const FILE: &str = "/root/user-data.yaml";
const USAGE: &str = "/var/tmp/usage";
const WRAPPER: &str = "/opt/bench";

/// The rows.
pub fn rows(lab: Lab, deb: &Path, rounds: usize) -> Vec<Row> {
    let host = lab.host(Release::TrixieCloudInit, Disk::Directory);
    host.install_deb(deb);
    host.files().write(WRAPPER, std::fs::read(std::env::current_exe().unwrap()).unwrap(), 0o755);
    host.files().write(FILE, document(), 0o600);
    let measured = |command: &[&str]| -> Vec<Usage> {
        let once = |_| {
            host.chroot(&[&[WRAPPER, "measure", USAGE], command].concat()).expect_ok();
            serde_json::from_slice(&host.files().read_bytes(USAGE)).unwrap()
        };
        (0..rounds).map(once).collect()
    };
    let ours = measured(&["/usr/bin/landfall", "validate", FILE]);
    let peer = measured(&["/usr/bin/cloud-init", "schema", "--config-file", FILE]);
    let row = |name, unit, target, figure: &dyn Fn(&Usage) -> f64| Row {
        name,
        unit,
        peer: Some(median(peer.iter().map(figure))),
        ours: median(ours.iter().map(figure)),
        target,
    };
    vec![
        row("checking a cloud-config of 1,000 lines: own CPU", (1, "ms"), Target::AtMost(10.0), &|usage| 1e3 * usage.cpu),
        row("the same: peak of resident memory", (1, "MiB"), Target::AtMost(20.0), &|usage| usage.peak as f64 / 1024.0),
    ]
}

/// What a large host's user-data is made of, in 1,000 lines.
fn document() -> String {
    let mut text = String::from("#cloud-config\nhostname: web-1\nfqdn: web-1.example.org\npackage_update: true\npackages:\n");
    for n in 0..100 {
        let _ = writeln!(text, "  - package-{n}");
    }
    text += "users:\n  - default\n";
    for n in 0..40 {
        let _ = writeln!(
            text,
            "  - name: user{n}\n    gecos: User number {n}\n    groups: [sudo, adm]\n    shell: /bin/bash\n    lock_passwd: true\n    \
             sudo: ALL=(ALL) NOPASSWD:ALL\n    ssh_authorized_keys:\n      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{n:043} user{n}@example.org"
        );
    }
    text += "write_files:\n";
    for n in 0..50 {
        let _ = writeln!(
            text,
            "  - path: /etc/app/{n}.conf\n    owner: root:root\n    permissions: '0644'\n    content: |\n      [section{n}]\n      \
             key = value\n      other = \"quoted\""
        );
    }
    text += "runcmd:\n";
    for n in 0..60 {
        let _ =
            writeln!(text, "  - if test -e /etc/app/{n}.conf; then echo {n} >> /var/log/app.log; fi\n  - [systemctl, restart, app-{n}]");
    }
    for _ in text.lines().count()..1000 {
        text += "# a comment that says what this is about\n";
    }
    text
}
