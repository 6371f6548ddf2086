//! `landfall rollback` on real Debian hosts: what a run did is undone to what was there before, also through power cuts.

mod lab;

use std::time::{Duration, Instant};

use lab::{differences, BootOptions, Booted, Disk, Host, Lab, Release};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada";

/// What a host has before landfall changes anything: packages in older versions, a changed configuration file, a home without
/// an account, and an account that gets more.
const BEFORE: &str = "set -e
apt-get -q -y update >/dev/null
apt-get -q -y install hello-lf=1.0 conf-lf=1.0 >/dev/null
apt-mark auto hello-lf >/dev/null
echo 'value = mine' >/etc/conf-lf/main.conf
useradd -m -s /bin/sh old
mkdir -p /home/ada && echo keep >/home/ada/notes && chmod 750 /home/ada
echo 'welcome to the old host' >/etc/motd
ln -sf /etc/motd /root/link
systemctl disable -q --now cron.service 2>/dev/null || true
sync";

fn user_data() -> String {
    format!(
        "#cloud-config\n\
         package_update: true\n\
         package_upgrade: true\n\
         packages: [deps-lf, svc-lf, debconf-lf]\n\
         groups: [crew: [old]]\n\
         users:\n\
         \x20 - {{name: ada, groups: [crew], shell: /bin/sh, ssh_authorized_keys: ['{KEY}']}}\n\
         \x20 - {{name: eve, ssh_authorized_keys: ['{KEY}']}}\n\
         chpasswd: {{expire: false, users: [{{name: old, password: x, type: text}}]}}\n\
         write_files:\n\
         \x20 - {{path: /etc/motd, content: new, permissions: '0600'}}\n\
         \x20 - {{path: /srv/made/for/it, content: new, owner: 'old:old'}}\n\
         \x20 - {{path: /etc/profile.d/x.sh, content: ':', append: true}}\n\
         timezone: Europe/Berlin\n\
         runcmd: ['echo ran >>/root/runs']\n"
    )
}

/// What rollback is to bring back, in words: packages with their marks, accounts, files.
fn state(booted: &Booted) -> String {
    const ASK: &str = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'
        echo auto: $(apt-mark showauto)
        sort /etc/passwd /etc/group /etc/gshadow; cut -d: -f1,2,4-8 /etc/shadow | sort
        systemctl is-enabled svc-lf.service 2>&1; systemctl is-active svc-lf.service
        for path in /etc /srv /home /root /usr /var/lib/debconf-lf.answer; do
            [ -e $path ] && find $path -xdev ! -path '/etc/.pwd.lock' ! -name '*-' ! -path /root/runs ! -path '*/ssl/*' \\
                ! -path '/usr/share/info/*' ! -name '*.cache' ! -name '*.pyc' -printf '%p %y %m %u:%g %l\\n'
        done | sort
        find /etc /srv /home /root -xdev -type f ! -name '*-' ! -path /root/runs ! -path /etc/ld.so.cache -exec sha256sum {} + | sort";
    booted.sh(ASK).stdout
}

/// A host as [`BEFORE`] leaves it, up, with the user-data in a file.
fn prepared(release: Release, disk: Disk) -> Option<Booted> {
    let lab = Lab::require()?;
    let host = lab.host(release, disk);
    host.install_deb(&lab::package()?);
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    booted.sh(BEFORE).expect_ok();
    booted.files().write("/root/user-data", user_data(), 0o600);
    booted.sh("sync").expect_ok();
    Some(booted)
}

fn apply(booted: &Booted) {
    let output = booted.exec_with(&["landfall", "apply", "/root/user-data"], b"", Duration::from_secs(180));
    assert!(output.ok(), "{output:?}\n{}", booted.sh("landfall why").stdout);
}

fn json(booted: &Booted, command: &str) -> serde_json::Value {
    let text = booted.exec_with(&["sh", "-c", command], b"", Duration::from_secs(180)).stdout;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn run_state(booted: &Booted) -> String {
    json(booted, "landfall status --format json")["state"].as_str().unwrap_or("none").to_owned()
}

fn on(releases: &[Release], test: fn(Booted)) {
    for release in releases {
        if let Some(booted) = prepared(*release, Disk::Directory) {
            test(booted);
        }
    }
}

#[test]
fn a_whole_run_is_undone_to_what_was_there_before() {
    on(&[Release::Trixie, Release::Bookworm], |booted| {
        let before = state(&booted);
        apply(&booted);
        let applied = state(&booted);
        assert!(applied.contains("svc-lf 1.0 ii") && applied.contains("conf-lf 2.0 ii") && applied.contains("hello-lf 2.0 ii"));

        let said = booted.sh("landfall rollback --dry-run").stdout;
        assert!(said.contains("a script's effects are not known") && said.ends_with("nothing was changed\n"), "{said}");
        assert_eq!(differences(&applied, &state(&booted)), "", "a dry run changes nothing");

        let lines = json(&booted, "landfall rollback --format json");
        let of = |result: &str| -> Vec<&str> {
            let lines = lines.as_array().unwrap().iter().filter(|line| line["result"] == result);
            lines.map(|line| line["step"].as_str().unwrap()).collect()
        };
        assert_eq!((of("failed"), of("left")), (vec![], vec!["runcmd/1"]), "{lines:#}");
        assert_eq!(differences(&before, &state(&booted)), "");
        assert_eq!((booted.files().read("/home/ada/notes"), booted.files().read("/root/runs")), ("keep\n".into(), "ran\n".into()));
        assert_eq!(booted.exec(&["dpkg", "--audit"]).expect_ok(), "");
        assert_eq!(run_state(&booted), "rolled-back");
        booted.shutdown();

        let booted = booted.host().boot(BootOptions::default());
        booted.wait_running();
        assert_eq!(differences(&before, &state(&booted)), "", "the next boot does nothing of it again");
        assert_eq!(run_state(&booted), "rolled-back");
        assert_eq!(booted.sh("landfall rollback").stdout, "nothing to undo\n");
        booted.exec_with(&["landfall", "resume"], b"", Duration::from_secs(180)).expect_ok();
        assert_eq!((run_state(&booted).as_str(), booted.files().read("/etc/motd").as_str()), ("done", "new"));
        assert_eq!(booted.files().read("/root/runs"), "ran\n", "what was left is not repeated");

        booted.exec_with(&["landfall", "rollback"], b"", Duration::from_secs(180)).expect_ok();
        assert_eq!(differences(&before, &state(&booted)), "");
        apply(&booted);
        assert_eq!((run_state(&booted).as_str(), booted.files().read("/etc/motd").as_str()), ("done", "new"), "applied again");
        booted.shutdown();
    });
}

#[test]
fn what_others_have_done_since_is_left_alone_and_named() {
    on(&[Release::Trixie], |booted| {
        apply(&booted);
        booted.sh("echo mine >>/etc/motd; echo old:other | chpasswd; echo letter >/home/eve/letter").expect_ok();
        let theirs = booted.sh("grep ^old: /etc/shadow").stdout;
        let drift = booted.sh("landfall drift").stdout;
        assert!(drift.contains("/etc/motd has been changed") && drift.contains("the password of old has been changed"), "{drift}");
        booted.sh("apt-get -q -y install big-lf; apt-get -q -y install hello-lf=1.0 --allow-downgrades").expect_ok();
        let alone = booted.sh("landfall rollback --step users_groups/eve 2>&1; echo $?").stdout;
        assert!(alone.contains("rests on it") && alone.ends_with("64\n"), "{alone}");

        let output = booted.exec_with(&["landfall", "rollback"], b"", Duration::from_secs(180));
        assert_eq!(output.code(), Some(1), "{output:?}");
        assert!(output.stdout.contains("/etc/motd has been changed since by somebody else"), "{output:?}");
        assert_eq!(booted.files().read("/etc/motd"), "newmine\n");
        assert!(output.stdout.contains("the password of old has been changed since by somebody else"), "{output:?}");
        assert_eq!(booted.sh("grep ^old: /etc/shadow").stdout, theirs);
        assert_eq!(booted.sh("cat /home/eve/letter; getent passwd eve; ls -A /home").stdout, "letter\nada\neve\nold\n");
        assert!(booted.sh("landfall logs").stdout.contains("/home/eve holds what was put there since and stays"));
        let packages = booted.sh("dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' '*-lf'").stdout;
        assert!(
            packages.contains("big-lf 1.0 ii") && packages.contains("hello-lf 1.0 ii") && !packages.contains("svc-lf 1.0 ii"),
            "{packages}"
        );

        let forced = booted.exec_with(&["landfall", "rollback", "--force"], b"", Duration::from_secs(180));
        forced.expect_ok();
        assert_eq!(booted.files().read("/etc/motd"), "welcome to the old host\n");
        assert!(booted.sh("grep ^old: /etc/shadow").stdout.starts_with("old:!:"));
        booted.shutdown();
    });
}

#[test]
fn a_package_that_came_later_and_needs_one_is_not_taken_away_with_it() {
    on(&[Release::Trixie], |booted| {
        booted.sh("apt-get -q -y purge hello-lf").expect_ok();
        booted.files().write("/root/user-data", "#cloud-config\npackages: [hello-lf, slow-lf]\n", 0o600);
        apply(&booted);
        booted.sh("apt-get -q -y install deps-lf").expect_ok();
        let output = booted.exec(&["landfall", "rollback"]);
        assert!(output.code() == Some(1) && output.stdout.contains("packages that came later need these: deps-lf"), "{output:?}");
        let left = booted.sh("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' hello-lf slow-lf deps-lf").stdout;
        assert_eq!(left, "deps-lf ii \nhello-lf ii \nslow-lf ii \n", "nothing is half done");
        booted.shutdown();
    });
}

#[test]
fn each_step_is_asked_for_and_a_phase_is_undone_alone() {
    on(&[Release::Trixie], |booted| {
        let text = "#cloud-config\nlandfall:\n  phases:\n    - {name: one, write_files: [{path: /srv/one, content: x}]}\n    - {name: two, needs: one, write_files: [{path: /srv/two, content: x}]}\n    - {name: three, write_files: [{path: /srv/three, content: x}]}\n";
        booted.files().write("/root/user-data", text, 0o600);
        apply(&booted);
        let there = |booted: &Booted| ["one", "two", "three"].map(|name| booted.files().exists(&format!("/srv/{name}")));
        assert_eq!(booted.sh("landfall rollback --phase one").code(), Some(64));
        assert_eq!(there(&booted), [true; 3]);
        booted.sh("landfall rollback --phase three").expect_ok();
        assert_eq!(there(&booted), [true, true, false]);
        booted.sh("printf 'n\\ny\\n' | landfall rollback --interactive").expect_ok();
        assert_eq!(there(&booted), [true, true, false], "what a kept step rests on is kept");
        booted.sh("printf 'y\\nn\\n' | landfall rollback --interactive").expect_ok();
        assert_eq!(there(&booted), [true, false, false]);
        assert_eq!(booted.sh("landfall rollback --phase no").code(), Some(64));
        booted.shutdown();
    });
}

#[test]
fn drift_names_what_was_changed_since_and_restore_brings_back_what_a_file_held() {
    on(&[Release::Trixie], |booted| {
        apply(&booted);
        let clean = booted.exec_with(&["landfall", "drift"], b"", Duration::from_secs(60));
        assert!(clean.ok() && clean.stdout.contains("not compared, their effects are not known: "), "{clean:?}");
        booted.sh("echo more >>/etc/motd; rm /srv/made/for/it; gpasswd -q -d ada crew; apt-get -q -y remove svc-lf; sed -i s/ada/x/ /home/ada/.ssh/authorized_keys").expect_ok();
        let drifted = json(&booted, "landfall drift --format json");
        let told = drifted["drifted"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect::<Vec<_>>().join("\n");
        for what in ["/etc/motd has been changed", "/srv/made/for/it is gone", "svc-lf", "/home/ada/.ssh/authorized_keys has been changed"]
        {
            assert!(told.contains(what), "{what}: {told}");
        }
        assert_eq!(booted.exec(&["landfall", "drift"]).code(), Some(1));

        let list = booted.exec(&["landfall", "restore", "--list", "/etc/motd"]).expect_ok();
        assert!(list.starts_with("  1. before write_files/") && list.lines().count() == 1, "{list}");
        assert_eq!(booted.exec(&["landfall", "restore", "--show", "/etc/motd"]).expect_ok(), "welcome to the old host\n");
        booted.exec(&["landfall", "restore", "/etc/motd"]).expect_ok();
        assert_eq!(booted.sh("stat -c %a /etc/motd; cat /etc/motd").stdout, "644\nwelcome to the old host\n");
        assert_eq!(
            booted.exec(&["landfall", "restore", "--list", "/etc/motd"]).expect_ok().lines().count(),
            2,
            "what it held until then is kept"
        );
        booted.exec(&["landfall", "restore", "--version", "1", "/etc/motd"]).expect_ok();
        assert_eq!(booted.files().read("/etc/motd"), "newmore\n");
        assert_eq!(booted.exec(&["landfall", "restore", "/etc/shells"]).code(), Some(1));
        assert_eq!(booted.exec(&["landfall", "restore", "etc/motd"]).code(), Some(64));
        booted.shutdown();
    });
}

/// How many cuts: more in the long check.
fn count() -> u32 {
    if std::env::var_os("LANDFALL_LONG").is_some() {
        20
    } else {
        4
    }
}

#[test]
fn a_rollback_that_is_cut_off_is_finished_by_the_next_boot() {
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut random = seed;
    let Some(booted) = prepared(Release::Trixie, Disk::Ext4Upper) else { return };
    let before = state(&booted);
    apply(&booted);
    booted.shutdown();
    let host: Host = booted.host().clone();
    let mut whole = Duration::from_secs(6);
    let mut inside = 0;
    for cut in 0..=count() {
        let host = host.duplicate();
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let begin = Instant::now();
        let mut running = booted.command(&["landfall", "rollback"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        if cut == 0 {
            // Measured: how long it takes here and now.
            assert!(running.wait().unwrap().success());
            whole = begin.elapsed();
            assert_eq!(differences(&before, &state(&booted)), "");
            booted.shutdown();
            continue;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = whole.mul_f64((random >> 33) as f64 / f64::from(1_u32 << 31));
        std::thread::sleep(at);
        booted.power_cut();
        let _ = running.wait();
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let said = booted.exec_with(&["landfall", "status", "--wait", "--timeout", "120s"], b"", Duration::from_secs(180));
        let journal = booted.sh("cat /var/lib/landfall/instances/*/journal").stdout;
        if journal.contains("\"record\":\"rollback\"") {
            inside += 1;
        } else {
            // Before its first record: nothing was asked for yet.
            booted.exec_with(&["landfall", "rollback"], b"", Duration::from_secs(180)).expect_ok();
        }
        let found = differences(&before, &state(&booted));
        assert_eq!(found, "", "cut {cut} at {at:?} of {whole:?} (seed {seed})\n{said:?}\n{}", booted.console());
        assert_eq!(run_state(&booted), "rolled-back");
        assert_eq!(booted.exec(&["dpkg", "--audit"]).expect_ok(), "");
        booted.shutdown();
    }
    println!("closing: rollback: {} cuts (seed {seed}), {inside} after it began, 0 differ", count());
}
