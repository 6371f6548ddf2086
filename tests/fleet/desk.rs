//! A place to reach guests from, by the real sshd of each.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::lab::{self, run, BootOptions, Booted, Disk, Lab, Release};

/// A key, and the machines that can be reached with it.
pub struct Desk {
    directory: tempfile::TempDir,
    pub program: PathBuf,
}

impl Desk {
    pub fn new() -> Option<Self> {
        let unpacked = tempfile::tempdir().unwrap();
        run(Command::new("dpkg-deb").arg("-x").arg(lab::package()?).arg(unpacked.path()), b"", Duration::from_secs(60)).expect_ok();
        let program = unpacked.path().join("usr/bin/landfall");
        let key = unpacked.path().join("key");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key), b"", Duration::from_secs(30)).expect_ok();
        Some(Self { directory: unpacked, program })
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Lets `user` in on a machine, which is `name` from here.
    pub fn reaches(&self, booted: &Booted, name: &str, user: &str) {
        let key = std::fs::read_to_string(self.path("key.pub")).unwrap();
        let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
        booted.sh("ssh-keygen -A").expect_ok();
        if user != "root" {
            booted.sh(&format!("id {user} 2>/dev/null || useradd --create-home --shell /bin/sh {user}")).expect_ok();
        }
        booted.files().write(&format!("{home}/.ssh/authorized_keys"), key, 0o600);
        booted.sh(&format!("chown -R {user}: {home}/.ssh; chmod 700 {home}/.ssh")).expect_ok();
        // As inetd starts it: no network between the two is needed. The directory is one of ssh.service, which comes and goes.
        let sshd = booted.command(&["sh", "-c", "mkdir -p /run/sshd; exec /usr/sbin/sshd -i"]);
        let words: Vec<String> =
            std::iter::once(sshd.get_program()).chain(sshd.get_args()).map(|word| quoted(&word.to_string_lossy())).collect();
        std::fs::write(self.path(&format!("to-{name}")), words.join(" ")).unwrap();
    }

    /// The next connection there is closed before a word is said.
    pub fn drops_one(&self, name: &str) {
        let path = self.path(&format!("to-{name}"));
        let connect = std::fs::read_to_string(&path).unwrap();
        let mark = self.path("dropped");
        std::fs::write(path, format!("[ -e {mark} ] || {{ touch {mark}; exit 0; }}; {connect}", mark = mark.display())).unwrap();
    }

    /// What ssh has to be told to get there.
    pub fn options(&self) -> [String; 6] {
        let key = format!("IdentityFile={}", self.path("key").display());
        let proxy = format!("ProxyCommand=bash {}", self.path("to-%h").display());
        ["IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", &key, &proxy]
            .map(str::to_owned)
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A booted host.
pub fn machine(release: Release, with_package: bool) -> Option<Booted> {
    let host = Lab::require()?.host(release, Disk::Directory);
    if with_package {
        host.install_deb(&lab::package()?);
    }
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    Some(booted)
}
