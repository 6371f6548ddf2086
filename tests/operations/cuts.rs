//! The power goes while operations are done; the next boot goes on, and the host ends as if it never had.

use std::time::{Duration, Instant};

use landfall::plan::operation::{content, CreateUser, Edit, IniEntry, NewPassword, Operation, Package, WriteFile};
use landfall::secret::Secret;

use crate::driver::{durable_command, outcomes};
use crate::lab::{differences, BootOptions, Booted, Disk, Host, Lab, Release};

const HASH: &str = "$6$abcdefgh$ZJb2Lq2ZbJcW4YcW3oYd4o0n3j0Vd1VdYb1m5uYv6bq7lPq1qgQ8sVt3w9f0Qk1XvWwZlTtM4n1d6yJc2eR0l/";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh bob@laptop";

fn operations() -> Vec<Operation> {
    let file = |path: &str, text: &str| WriteFile {
        path: path.into(),
        content: content(text),
        mode: Some(0o640),
        owner: None,
        own_parents: false,
    };
    let bob = CreateUser {
        name: "bob".into(),
        groups: vec!["ops".into(), "sudo".into()],
        password_hash: Some(Secret::new(HASH.into())),
        create_home: true,
        ..CreateUser::default()
    };
    let entry = |section: &str, key: &str| IniEntry { section: section.into(), key: key.into(), value: Secret::new("a value".into()) };
    let entries = vec![entry("", "top"), entry("main", "key"), entry("agent", "key")];
    let packages = ["debconf-lf", "user-lf", "svc-lf", "big-lf", "hello-lf", "conf-lf"];
    vec![
        Operation::WriteFile(file("/srv/one", "one\n")),
        Operation::CopyFile { from: "/srv/one".into(), to: "/srv/one.old".into() },
        Operation::WriteFile(file("/srv/one", "another\n")),
        Operation::AppendFile(file("/srv/log", "line\n")),
        Operation::EditFile { path: "/srv/ini".into(), change: Edit::SetIni { entries }, mode: 0o644, force_mode: false },
        Operation::Group { name: "ops".into(), system: false },
        Operation::User(bob),
        Operation::AuthorizedKeys { user: "bob".into(), keys: vec![KEY.into()], options: None },
        Operation::Password { user: "bob".into(), password: NewPassword::Plain(Secret::new("pw".into())), expire: false },
        Operation::SshHostKey { kind: "ed25519".into() },
        Operation::Debconf { selections: Secret::new("debconf-lf debconf-lf/answer string forty-two\n".into()) },
        Operation::AptUpdate,
        Operation::InstallPackages { packages: packages.iter().map(|name| Package::of_apt(*name)).collect() },
    ]
}

/// Everything that must be as after an uncut run, as one text.
const STATE: &str = r#"
cat /srv/one /srv/one.old /srv/ini /srv/log; stat -c '%a %U:%G %n' /srv/one /srv/log /home/bob /home/bob/.ssh/authorized_keys /home/bob/.bashrc
id bob; grep bob: /etc/subuid /etc/subgid; cut -d: -f1 /etc/shadow /etc/passwd /etc/group /etc/gshadow | sort
cmp /etc/skel/.bashrc /home/bob/.bashrc; cmp /etc/skel/.profile /home/bob/.profile; cat /home/bob/.ssh/authorized_keys
grep -c '^bob:\$' /etc/shadow; ssh-keygen -y -P '' -f /etc/ssh/ssh_host_ed25519_key | cut -d' ' -f1,2 | cmp - <(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)
cat /var/lib/debconf-lf.answer /etc/conf-lf/main.conf /etc/hello-lf.conf; hello-lf; getent passwd lf-daemon | cut -d: -f1,6,7
dpkg-query -W -f '${Package} ${db:Status-Status} ${Version}\n'; dpkg --audit; debsums -s; systemctl is-enabled svc-lf
find / -xdev -name '.landfall-tmp-*' -o -xdev -name '*.dpkg-new' | head; find /etc /var/lib/dpkg /var/lib/apt -xdev -newer /etc/debian_version -size 0 -type f \
  ! -name lock ! -name 'lock-frontend' ! -name '.pwd.lock' ! -name Lock ! -name '*dsh-also' ! -path '*deb-systemd-helper*' | sort
"#;

fn state(booted: &Booted) -> String {
    let output = booted.exec(&["bash", "-c", STATE]);
    output.stdout + &output.stderr
}

fn prepared(lab: Lab, release: Release) -> Host {
    let host = lab.host(release, Disk::Ext4Upper);
    host.files().write("/srv/log", "before\n", 0o640);
    host
}

#[track_caller]
fn finish(booted: &Booted) {
    let output = booted.exec_with(&durable_command(booted, &operations()), b"", Duration::from_secs(120));
    if !output.stdout.contains("RESULT ") {
        println!(
            "{}\n{}",
            output.stderr,
            booted.sh("tail -80 /var/tmp/operations.out; ls -la /var/lib/dpkg/updates; tail -30 /var/log/dpkg.log").stdout
        );
    }
    let times: Vec<String> = outcomes(&output.stdout)
        .iter()
        .map(|outcome| {
            outcome.done();
            format!("{:.2}", outcome.seconds)
        })
        .collect();
    println!("seconds: {}", times.join(" "));
}

fn cuts(release: Release, cuts: u32, seed: u64) {
    let Some(lab) = Lab::require() else { return };
    let host = prepared(lab, release);
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    let start = Instant::now();
    finish(&booted);
    let whole = start.elapsed();
    let wanted = state(&booted);
    booted.shutdown();
    println!("{release:?}: uncut {whole:?}");
    let mut random = seed;
    for cut in 0..cuts {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = whole.mul_f64((random >> 33) as f64 / f64::from(1_u32 << 31));
        let host = prepared(lab, release);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let mut running = booted.command(&durable_command(&booted, &operations())).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(at);
        booted.power_cut();
        let _ = running.wait();
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let left = booted.files().list("/var/lib/landfall/test").join(" ");
        finish(&booted);
        let found = state(&booted);
        println!("cut {cut} at {at:?}: {left}");
        assert!(found == wanted, "cut {cut} at {at:?}, {left}\n{}", differences(&wanted, &found));
        booted.shutdown();
    }
    println!("closing: operations on {release:?}: {cuts} cuts, seed {seed}, 0 differ");
}

/// How many: asked for, or few, because the power suite cuts whole runs; more in the long check.
fn count() -> u32 {
    let asked = std::env::var("LANDFALL_OPERATION_CUTS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if std::env::var_os("LANDFALL_LONG").is_some() { 20 } else { 2 })
}

#[test]
fn a_cut_changes_nothing_about_where_bookworm_ends() {
    cuts(Release::Bookworm, count(), 12);
}

#[test]
fn a_cut_changes_nothing_about_where_trixie_ends() {
    cuts(Release::Trixie, count(), 13);
}
