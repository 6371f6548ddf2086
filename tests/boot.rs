//! First and later boots of real Debian hosts with the package installed: what a user sees, and what a boot leaves alone.

mod lab;

use lab::{BootOptions, Booted, Disk, Dmi, Host, Lab, Limit, Release};

/// Planted in every field that can hold a secret; must be found nowhere but in landfall's own 0700 directory and where it belongs.
const SECRET: &str = "planted-Secret-4711";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl alice";

fn host(release: Release) -> Option<Host> {
    let lab = Lab::require()?;
    let host = lab.host(release, Disk::Directory);
    host.install_deb(&lab::package()?);
    Some(host)
}

fn hosts() -> impl Iterator<Item = Host> {
    [Release::Trixie, Release::Bookworm].into_iter().filter_map(host)
}

fn seed(host: &Host, id: &str, user_data: &str) {
    host.files().write("/var/lib/cloud/seed/nocloud/meta-data", format!("instance-id: {id}\n"), 0o600);
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
}

/// Boots and waits for the end of the run; what `landfall status --format json` says.
fn boot(host: &Host) -> (Booted, serde_json::Value) {
    let booted = host.boot(BootOptions::default());
    booted.wait_unit("landfall.service");
    let status = status(&booted);
    (booted, status)
}

fn status(booted: &Booted) -> serde_json::Value {
    let text = booted.sh("landfall status --wait --timeout 120s --format json").stdout;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn state(status: &serde_json::Value) -> &str {
    status["state"].as_str().unwrap_or("none")
}

fn user_data() -> String {
    format!(
        "#cloud-config\n\
         hostname: web-1\n\
         users:\n\
         \x20 - default\n\
         \x20 - name: alice\n\
         \x20   groups: sudo\n\
         \x20   shell: /bin/bash\n\
         \x20   sudo: ALL=(ALL) NOPASSWD:ALL\n\
         \x20   plain_text_passwd: {SECRET}\n\
         \x20   lock_passwd: false\n\
         \x20   ssh_authorized_keys: ['{KEY}']\n\
         chpasswd: {{expire: false, users: [{{name: root, password: {SECRET}, type: text}}]}}\n\
         write_files:\n\
         \x20 - {{path: /etc/motd, content: 'welcome'}}\n\
         \x20 - {{path: /home/alice/.profile.d/x, owner: alice, content: hi}}\n\
         \x20 - {{path: /root/token, permissions: '0600', content: {SECRET}}}\n\
         apt: {{http_proxy: 'http://user:{SECRET}@127.0.0.1:9/', conf: 'Acquire::file::Proxy \"DIRECT\";'}}\n\
         packages: [hello-lf, svc-lf, no-such-package-lf]\n\
         timezone: Europe/Berlin\n\
         bootcmd: ['echo boot >>/root/boots']\n\
         runcmd:\n\
         \x20 - echo ran >>/root/runs\n\
         \x20 - mysql --password={SECRET} || true\n\
         \x20 - [sh, -c, 'echo two >>/root/runs']\n"
    )
}

fn assert_no_secret(booted: &Booted, what: &str, text: &str) {
    assert!(!text.contains(SECRET), "{what} shows a secret on {}: {text}", booted.host().name());
}

fn first_boot_and_the_next_one(release: Release) {
    let Some(host) = host(release) else { return };
    seed(&host, "i-1", &user_data());
    let (booted, first) = boot(&host);
    assert_eq!(state(&first), "failed", "a package does not exist: {first}");
    assert_eq!(booted.exec(&["systemctl", "show", "--value", "-p", "Result", "landfall.service"]).stdout.trim(), "exit-code");
    let why = booted.sh("landfall why").stdout;
    assert!(why.contains("no-such-package-lf") && why.contains("E_NOT_FOUND"), "{why}");
    assert!(why.lines().count() <= 40, "one screen: {why}");
    assert_eq!(booted.exec(&["hostname"]).stdout.trim(), "web-1");
    assert!(booted.sh("id alice").stdout.contains("sudo"));
    assert!(booted.sh("dpkg -s hello-lf svc-lf").ok(), "the packages that exist are installed");
    assert_eq!(booted.exec(&["systemctl", "is-active", "svc-lf.service"]).stdout.trim(), "active");
    assert_eq!(booted.files().read("/home/alice/.profile.d/x"), "hi");
    assert_eq!(booted.files().read("/root/runs"), "ran\ntwo\n");
    assert_eq!(booted.files().read("/root/boots"), "boot\n");
    assert!(booted.sh("sshd -t").ok(), "host keys were there before sshd");
    assert_eq!(booted.exec(&["systemctl", "is-active", "ssh.service"]).stdout.trim(), "active");
    for timer in ["apt-daily.timer", "apt-daily-upgrade.timer"] {
        assert_eq!(booted.exec(&["systemctl", "is-active", timer]).stdout.trim(), "active", "{timer} was given back");
    }
    let console = booted.console();
    assert!(console.contains("install hello-lf svc-lf no-such-package-lf") && console.contains("SHA256:"), "{console}");
    let journal = booted.journal(&["-t", "landfall", "-o", "json"]);
    for field in ["LANDFALL_RUN", "LANDFALL_PHASE", "LANDFALL_STEP", "LANDFALL_ERROR"] {
        assert!(journal.contains(field), "{field} is in the journal");
    }
    assert!(booted.files().exists("/run/cloud-init/result.json"));
    look_for_secrets(&booted, &console, &journal);
    booted.shutdown();

    let before = host.tree().without(&VOLATILE);
    let (booted, second) = boot(&host);
    assert_eq!(state(&second), "failed", "what failed stays failed until somebody acts");
    assert_eq!(booted.files().read("/root/runs"), "ran\ntwo\n", "nothing is repeated");
    assert_eq!(booted.files().read("/root/boots"), "boot\nboot\n", "bootcmd is for every boot");
    booted.shutdown();
    let mut written = before.difference(&host.tree().without(&VOLATILE));
    written.retain(|line| !line.contains("/root/boots") && !line.contains("/root:") && !line.ends_with(" /root"));
    assert!(written.is_empty(), "the second boot wrote {written:#?}");

    seed(&host, "i-2", "#cloud-config\nruncmd: ['echo new instance >>/root/runs']\n");
    let (booted, third) = boot(&host);
    assert_eq!((state(&third), third["instance"].as_str()), ("done", Some("i-2")));
    let again = booted.sh("landfall run --format json").stdout;
    let again: serde_json::Value = serde_json::from_str(&again).unwrap_or_else(|error| panic!("{error}: {again}"));
    assert_eq!((state(&again), again["instance"].as_str()), ("done", Some("i-2")));
    assert_eq!(booted.files().read("/root/runs"), "ran\ntwo\nnew instance\n");
    booted.shutdown();
}

/// What a boot of Debian itself writes.
const VOLATILE: [&str; 9] = [
    "/var/log/",
    "/var/lib/systemd/",
    "/var/cache/",
    "/var/tmp/",
    "/tmp/",
    "/run/",
    "/etc/machine-id",
    "/etc/resolv.conf",
    "/var/log/landfall.log",
];

fn look_for_secrets(booted: &Booted, console: &str, journal: &str) {
    assert_no_secret(booted, "the console", console);
    assert_no_secret(booted, "the journal", journal);
    assert_no_secret(booted, "the whole journal", &booted.journal(&[]));
    for command in ["landfall status --long", "landfall status --format json", "landfall why", "cat /var/log/landfall.log"] {
        assert_no_secret(booted, command, &booted.sh(command).stdout);
    }
    let plan =
        booted.sh("landfall plan /var/lib/cloud/seed/nocloud/user-data; landfall plan --format json /var/lib/cloud/seed/nocloud/user-data");
    assert_no_secret(booted, "landfall plan", &plan.stdout);
    assert_no_secret(booted, "landfall validate", &booted.sh("landfall validate /var/lib/cloud/seed/nocloud/user-data").stdout);
    let open = booted.sh(&format!(
        "find / -xdev -type f -perm -o+r ! -path '/proc/*' ! -path '/sys/*' ! -path '/var/lib/landfall/*' ! -path '/run/landfall/private/*' \
         -exec grep -lF {SECRET} {{}} + ; grep -rlF {SECRET} /run/landfall /run/cloud-init 2>/dev/null"
    ));
    let allowed = |line: &&str| {
        // For root only, as under cloud-init.
        let of_root = ["/run/cloud-init/instance-data-sensitive.json", "/run/cloud-init/combined-cloud-config.json"];
        *line == "/etc/apt/apt.conf.d/90cloud-init-aptproxy" || of_root.contains(line) || line.starts_with("/run/landfall/private/")
    };
    let found: Vec<&str> = open.stdout.lines().filter(|line| !allowed(line)).collect();
    assert!(found.is_empty(), "files that show a secret: {found:?}");
}

/// Every secret differs, so that none is masked only because another field declared the same.
fn user_data_of_secrets(host_key: &str) -> String {
    let hash = "h".repeat(86);
    let host_key = host_key.replace('\n', "\n    ");
    format!(
        "#cloud-config\n\
         landfall: {{retry: 1}}\n\
         password: {SECRET}-default\n\
         chpasswd:\n\
         \x20 expire: false\n\
         \x20 list: ['alice:{SECRET}-list']\n\
         \x20 users: [{{name: root, password: {SECRET}-root, type: text}}]\n\
         users:\n\
         \x20 - default\n\
         \x20 - {{name: alice, plain_text_passwd: {SECRET}-plain, lock_passwd: false}}\n\
         \x20 - {{name: bob, hashed_passwd: '$6${SECRET}-hash${hash}', lock_passwd: false}}\n\
         \x20 - {{name: carol, passwd: '$6${SECRET}-pass${hash}', lock_passwd: false}}\n\
         ssh_keys:\n\
         \x20 ed25519_private: |\n    {host_key}\n    {SECRET}-host-key\n\
         write_files:\n\
         \x20 - {{path: /root/fetched, source: {{uri: 'http://user:{SECRET}-source@127.0.0.1:9/x', headers: {{X-Key: {SECRET}-header}}}}}}\n\
         apt:\n\
         \x20 http_proxy: 'http://user:{SECRET}-http@127.0.0.1:9/'\n\
         \x20 https_proxy: 'http://user:{SECRET}-https@127.0.0.1:9/'\n\
         \x20 debconf_selections: {{a: 'some some/answer password {SECRET}-debconf'}}\n\
         packages: [no-such-package-lf]\n\
         bootcmd: ['mysql --password={SECRET}-boot || true']\n\
         runcmd:\n\
         \x20 - echo {SECRET}-list {SECRET}-root {SECRET}-plain {SECRET}-http {SECRET}-source\n\
         \x20 - cat /root/declared >&2; true {SECRET}-default {SECRET}-plain {SECRET}-source; false\n"
    )
}

#[test]
fn no_field_that_holds_a_secret_shows_it() {
    for host in hosts() {
        host.chroot(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"]).expect_ok();
        let host_key = host.files().read("/root/key");
        let declared = ["default", "list", "root", "plain", "http", "https", "source", "header", "debconf", "host-key"];
        host.files().write("/root/declared", declared.map(|name| format!("{SECRET}-{name}\n")).concat(), 0o600);
        seed(&host, "i-1", &user_data_of_secrets(host_key.trim_end()));
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "failed", "{status}");
        let why = booted.sh("landfall why").stdout;
        assert!(why.contains("runcmd item 2 failed") && why.contains("    ***\n"), "what it printed is shown, masked: {why}");
        assert!(booted.files().read("/etc/ssh/ssh_host_ed25519_key").contains(SECRET));
        let (console, journal) = (booted.console(), booted.journal(&["-t", "landfall", "-o", "json"]));
        look_for_secrets(&booted, &console, &journal);
        booted.shutdown();
    }
}

#[test]
fn debian_13_is_provisioned_at_first_boot_and_left_alone_by_the_next() {
    first_boot_and_the_next_one(Release::Trixie);
}

#[test]
fn debian_12_is_provisioned_at_first_boot_and_left_alone_by_the_next() {
    first_boot_and_the_next_one(Release::Bookworm);
}

#[test]
fn an_outage_changes_nothing_and_a_copy_without_an_answer_neither() {
    for host in hosts() {
        seed(&host, "i-1", "#cloud-config\nruncmd: ['echo ran >>/root/runs']\nbootcmd: ['echo boot >>/root/boots']\n");
        let (booted, first) = boot(&host);
        assert_eq!(state(&first), "done", "{first}");
        booted.shutdown();

        // Not only gone, but there and broken: this source would answer, and does not.
        host.files().remove("/var/lib/cloud/seed/nocloud/meta-data");
        let (booted, second) = boot(&host);
        assert_eq!(state(&second), "degraded", "{second}");
        assert!(booted.sh("landfall why").stdout.contains("gives no answer"), "{second}");
        assert_eq!(booted.files().read("/root/runs"), "ran\n");
        assert_eq!(booted.files().read("/root/boots"), "boot\nboot\n", "it is the same host, so what is for every boot is done");
        booted.shutdown();

        host.set_dmi(Dmi { product_uuid: "00000000-0000-4000-8000-00000000c0de".into(), ..host.dmi() });
        host.files().write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444);
        let (booted, third) = boot(&host);
        assert_eq!(state(&third), "degraded", "{third}");
        assert_eq!(booted.files().read("/root/boots"), "boot\nboot\n", "another machine: nothing is touched");
        booted.shutdown();

        seed(&host, "i-2", "#cloud-config\nruncmd: ['echo copy >>/root/runs']\n");
        let (booted, fourth) = boot(&host);
        assert_eq!((state(&fourth), fourth["instance"].as_str()), ("done", Some("i-2")));
        assert_eq!(booted.files().read("/root/runs"), "ran\ncopy\n");
        booted.shutdown();
    }
}

#[test]
fn a_reboot_inside_runcmd_is_a_step_and_the_run_goes_on_after_it() {
    for host in hosts() {
        seed(
        &host,
        "i-1",
        "#cloud-config\nruncmd:\n  - echo before >>/root/runs\n  - reboot\n  - echo after >>/root/runs\n  - systemctl reboot; sleep 60\n  - echo end >>/root/runs\n",
    );
        let booted = host.boot(BootOptions::default());
        booted.wait_end();
        let booted = host.boot(BootOptions::default());
        booted.wait_end();
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "done", "{status}");
        assert_eq!(booted.files().read("/root/runs"), "before\nafter\nend\n");
        booted.shutdown();
    }
}

#[test]
fn landfall_killed_in_the_middle_goes_on_in_the_same_boot_and_a_stop_in_the_next() {
    for host in hosts() {
        let text = "#cloud-config\nruncmd:\n  - echo one >>/root/runs\n  - touch /root/here; [ -e /root/go ] || sleep 300\n  - echo three >>/root/runs\n";
        seed(&host, "i-1", text);
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
        booted.sh("touch /root/go; systemctl kill --kill-whom=main -s KILL landfall.service").expect_ok();
        assert_eq!(state(&status(&booted)), "done");
        assert_eq!(booted.files().read("/root/runs"), "one\nthree\n");
        booted.shutdown();

        booted_files_reset(&host);
        seed(&host, "i-2", text);
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
        booted.sh("touch /root/go; systemctl stop landfall.service").expect_ok();
        assert_eq!(booted.files().read("/root/runs"), "one\n");
        let why = booted.sh("landfall why").stdout;
        assert!(why.contains("interrupted"), "{why}");
        booted.shutdown();
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "done", "{status}");
        assert_eq!(booted.files().read("/root/runs"), "one\nthree\n");
        booted.shutdown();
    }
}

#[test]
fn landfall_killed_for_want_of_memory_goes_on_in_the_same_boot() {
    for host in hosts() {
        let waits = "touch /root/here; until [ -e /root/go ]; do sleep 0.1; done";
        let text = format!("#cloud-config\nruncmd:\n  - echo one >>/root/runs\n  - {waits}\n  - echo three >>/root/runs\n");
        seed(&host, "i-1", &text);
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
        let main = booted.sh("systemctl show --value --property MainPID landfall.service").stdout;
        let short = Limit::memory(&host, 4096);
        short.take(booted.machine_pid(main.trim()));
        booted.sh("touch /root/go").expect_ok();
        let status = status(&booted);
        assert_eq!((short.killed(), state(&status)), (1, "done"), "{status}");
        assert_eq!(booted.files().read("/root/runs"), "one\nthree\n");
        assert_ne!(booted.sh("systemctl show --value --property NRestarts landfall.service").stdout.trim(), "0");
        booted.shutdown();
    }
}

#[test]
fn landfall_that_hangs_is_ended_by_systemd_and_goes_on_in_the_same_boot_and_one_that_works_for_long_is_not() {
    for host in hosts() {
        let text = "#cloud-config\nruncmd:\n  - echo one >>/root/runs; sleep 9\n  - touch /root/here; until [ -e /root/go ]; do sleep 0.1; done\n  - echo three >>/root/runs\n";
        seed(&host, "i-1", text);
        host.files().write("/etc/systemd/system/landfall.service.d/soon.conf", "[Service]\nTimeoutStartSec=4s\nWatchdogSec=4s\n", 0o644);
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
        let restarts = || booted.sh("systemctl show --value --property NRestarts landfall.service").stdout.trim().to_owned();
        assert_eq!(restarts(), "0", "more time was asked for");
        booted.sh("systemctl kill --kill-whom=main -s STOP landfall.service").expect_ok();
        booted.wait_until("a restart", || restarts() == "1");
        booted.sh("touch /root/go").expect_ok();
        let status = status(&booted);
        assert_eq!(state(&status), "done", "{status}");
        assert_eq!(booted.files().read("/root/runs"), "one\nthree\n");
        booted.shutdown();
    }
}

#[test]
fn children_can_be_stopped_as_anywhere_else() {
    let script = "#!/bin/bash\ngrep SigBlk /proc/self/status >>/root/signals\nsleep 300 & kill $!; wait $!; echo $? >>/root/signals\n";
    for host in hosts() {
        host.files().write("/var/lib/cloud/scripts/per-boot/one", script, 0o755);
        host.files().write("/root/script", script, 0o755);
        seed(&host, "i-1", "#cloud-config\nbootcmd: [[/root/script]]\nruncmd: [/root/script]\n");
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "done", "{status}");
        assert_eq!(booted.files().read("/root/signals"), "SigBlk:\t0000000000000000\n143\n".repeat(3));
        booted.shutdown();
    }
}

#[test]
fn an_address_that_does_not_answer_keeps_nobody_from_logging_in() {
    for host in hosts() {
        let text = "#cloud-config\nusers: [{name: ada, lock_passwd: true}]\nwrite_files:\n  - path: /root/fetched\n    source: {uri: 'http://127.0.0.1:9/file'}\n";
        seed(&host, "i-1", text);
        let booted = host.boot(BootOptions::default());
        booted.wait_until("ssh", || booted.exec(&["systemctl", "is-active", "ssh.service"]).stdout.trim() == "active");
        booted.exec(&["id", "ada"]).expect_ok();
        booted.wait_until("an attempt", || booted.console().contains("attempt 2 of"));
        let status = booted.exec(&["landfall", "status", "--format", "json"]).stdout;
        assert!(status.contains("\"running\"") && !booted.files().exists("/root/fetched"), "{status}");
        booted.shutdown();
    }
}

fn booted_files_reset(host: &Host) {
    for path in ["/root/runs", "/root/here", "/root/go"] {
        host.files().remove(path);
    }
}

#[test]
fn a_host_in_use_is_changed_only_when_told_and_an_interrupted_apply_goes_on_at_the_next_boot() {
    for host in hosts() {
        let (booted, _) = boot(&host);
        booted.files().write(
            "/root/x.yaml",
            "#cloud-config\nruncmd:\n  - echo one >>/root/runs\n  - touch /root/here; [ -e /root/go ] || sleep 300\n",
            0o600,
        );
        let mut apply = booted.command(&["landfall", "apply", "/root/x.yaml"]).spawn().expect("apply");
        booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
        let held = booted.sh("landfall apply /root/x.yaml; echo code $?");
        assert!(held.stdout.contains("code 75"), "{held:?}");
        booted.files().write("/root/go", "", 0o600);
        booted.kill();
        let _ = apply.wait();
        let (booted, status) = boot(&host);
        assert_eq!((state(&status), status["mode"].as_str()), ("done", Some("manual")), "{status}");
        assert_eq!(booted.files().read("/root/runs"), "one\n");
        booted.shutdown();
    }
}

/// Only the local stage starts: the conditions of the others do not hold. A script that comes into the directory of every boot in
/// between is run all the same.
#[test]
fn a_later_boot_with_nothing_to_do_is_one_process() {
    for host in hosts() {
        seed(&host, "i-1", "#cloud-config\nhostname: quiet\n");
        let (booted, first) = boot(&host);
        assert_eq!(state(&first), "done", "{first}");
        booted.shutdown();
        let (booted, second) = boot(&host);
        assert_eq!((state(&second), second["stage"].as_str()), ("done", Some("final")), "{second}");
        let units =
            booted.exec(&["systemctl", "show", "--value", "-p", "ActiveState", "landfall-network.service", "landfall.service"]).stdout;
        assert_eq!(units.split_whitespace().collect::<Vec<_>>(), ["inactive", "inactive"]);
        assert_eq!(booted.exec(&["systemctl", "is-active", "landfall-local.service"]).stdout.trim(), "active");
        let stages: serde_json::Value = serde_json::from_str(&booted.files().read("/run/cloud-init/status.json")).unwrap();
        for name in ["init-local", "init", "modules-config", "modules-final"] {
            assert!(stages["v1"][name]["finished"].is_number(), "{name} of {stages}");
        }
        assert!(stages["v1"]["stage"].is_null(), "{stages}");
        for file in ["/run/cloud-init/result.json", "/var/lib/cloud/instance/boot-finished", "/run/landfall/result.json"] {
            assert!(booted.files().exists(file), "{file} on {}", host.name());
        }
        assert!(booted.console().lines().all(|line| !line.starts_with("landfall: ")), "{}", booted.console());
        booted.shutdown();

        let late = "printf '#!/bin/sh\\necho late >>/root/late\\n' >/var/lib/cloud/scripts/per-boot/late; chmod 755 /var/lib/cloud/scripts/per-boot/late";
        let unit = format!("[Unit]\nAfter=landfall-local.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c \"{late}\"\n[Install]\nWantedBy=multi-user.target\n");
        host.files().write("/etc/systemd/system/late.service", unit, 0o644);
        host.chroot(&["systemctl", "enable", "late.service"]).expect_ok();
        for expected in ["late\n", "late\nlate\n"] {
            let (booted, status) = boot(&host);
            assert_eq!(state(&status), "done", "{status}");
            assert_eq!(booted.files().read("/root/late"), expected);
            booted.shutdown();
        }
    }
}

#[test]
fn parallel_phases_run_at_once_and_each_goes_on_after_a_power_cut_where_it_was() {
    for release in [Release::Trixie, Release::Bookworm] {
        let Some(lab) = Lab::require() else { return };
        let host = lab.host(release, Disk::Ext4Upper);
        host.install_deb(&lab::package().unwrap());
        let phase = |name: &str| {
            let waits = format!("touch /root/{name}-waits; until [ -e /root/go ]; do sleep 0.1; done; echo 2 >>/root/{name}");
            format!("  - {{name: {name}, parallel: true, runcmd: ['echo 1 >>/root/{name}', '{waits}', 'echo 3 >>/root/{name}']}}\n")
        };
        let packages = "  - {name: packages, parallel: true, packages: [hello-lf]}\n  - {name: last, needs: [a, b], runcmd: ['cat /root/a /root/b >/root/both']}\n";
        seed(&host, "i-1", &format!("#cloud-config\nlandfall:\n  phases:\n{}{}{packages}", phase("a"), phase("b")));
        let booted = host.boot(BootOptions::default());
        booted.wait_until("both phases are in the middle", || {
            ["a", "b"].iter().all(|name| booted.files().exists(&format!("/root/{name}-waits")))
        });
        booted.wait_until("the package is there", || booted.sh("landfall status --format json").stdout.contains("installed 1 package"));
        booted.power_cut();
        host.files().write("/root/go", "", 0o600);
        let (booted, status) = boot(&host);
        assert_eq!((state(&status), &status["boots"]), ("done", &2.into()), "{status}\n{}", booted.console());
        assert_eq!(booted.files().read("/root/both"), "1\n2\n3\n1\n2\n3\n", "no item is run twice");
        let intents = booted
            .sh("grep -c '\"record\":\"intent\".*packages.package_update_upgrade_install/install' /var/lib/landfall/instances/*/journal");
        assert_eq!(intents.stdout.trim(), "1", "the packages were done before");
        booted.shutdown();
    }
}

#[test]
fn what_a_cut_script_left_of_packages_is_mended_before_it_runs_again_whoever_called_apt() {
    let hidden = "runcmd: [/root/setup]\nwrite_files:\n  - {path: /root/setup, permissions: '0755', content: \"#!/bin/sh\\napt-get install -y slow-lf\\n\"}\n";
    for (release, text) in [(Release::Trixie, "bootcmd: [apt-get install -y slow-lf]\n"), (Release::Bookworm, hidden)] {
        let Some(lab) = Lab::require() else { return };
        let host = lab.host(release, Disk::Ext4Upper);
        host.install_deb(&lab::package().unwrap());
        host.chroot(&["apt-get", "update"]).expect_ok();
        seed(&host, "i-1", &format!("#cloud-config\n{text}"));
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the package is being configured", || booted.sh("pgrep -f slow-lf.postinst").ok());
        booted.power_cut();
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "done", "{text}{status}\n{}", booted.sh("landfall why").stdout);
        assert_eq!(booted.sh("dpkg-query -W -f '${db:Status-Status}' slow-lf; dpkg --audit").stdout, "installed");
        booted.shutdown();
    }
}

#[test]
fn a_host_that_is_switched_off_on_the_kernel_command_line_is_left_alone_and_says_so() {
    for host in hosts() {
        seed(&host, "i-1", "#cloud-config\nruncmd: ['echo ran >>/root/runs']\nbootcmd: ['echo boot >>/root/runs']\n");
        let booted = host.boot(BootOptions { cmdline: "quiet landfall=off".into(), ..BootOptions::default() });
        booted.wait_running();
        let status = status(&booted);
        assert_eq!(state(&status), "disabled", "{status}");
        assert!(booted.sh("landfall status").stdout.contains("off: landfall=off on the kernel command line"));
        assert!(!booted.files().exists("/root/runs") && !booted.files().exists("/var/lib/landfall/instances"));
        booted.shutdown();
        let (booted, status) = boot(&host);
        assert_eq!((state(&status), booted.files().read("/root/runs")), ("done", "boot\nran\n".into()));
        booted.shutdown();
    }
}

#[test]
fn the_plan_of_a_host_is_what_its_next_boot_runs() {
    for host in hosts() {
        let text = "#cloud-config\nusers: [default, {name: ada}]\npassword: keep-this-hidden\nssh_pwauth: true\npackages: [hello-lf]\nruncmd: [echo one]\n";
        seed(&host, "i-1", text);
        host.files().write("/etc/landfall/disabled", "", 0o644);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let before = booted.sh("landfall plan --format json").expect_ok().to_owned();
        assert!(!before.contains("keep-this-hidden"), "{before}");
        assert!(!booted.files().exists("/var/lib/landfall/instances"), "it changes nothing");
        booted.shutdown();
        host.files().remove("/etc/landfall/disabled");
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "done", "{status}");
        let steps = |text: &str| -> Vec<(serde_json::Value, serde_json::Value, serde_json::Value)> {
            let plan: serde_json::Value = serde_json::from_str(text).unwrap();
            plan["steps"]
                .as_array()
                .unwrap()
                .iter()
                .map(|step| (step["id"].clone(), step["stage"].clone(), step["needs"].clone()))
                .collect()
        };
        let stored = booted.sh("cat /var/lib/landfall/instances/*/plan.json").stdout;
        assert!(steps(&before).len() > 12 && steps(&before) == steps(&stored), "{:?}\n{:?}", steps(&before), steps(&stored));
        assert_eq!(steps(&booted.sh("landfall plan --format json").stdout), steps(&stored), "the plan on record");
        booted.shutdown();
    }
}

/// Makes the node of the root's device, which the lab's hosts do not have, before landfall looks.
const ROOT_NODE: &str =
    "[Unit]\nDefaultDependencies=no\nAfter=systemd-tmpfiles-setup-dev.service\nBefore=landfall-local.service\n[Service]\nType=oneshot\n\
    ExecStart=/bin/sh -c 'd=$(findmnt -n -o SOURCE /); mknod $d b 7 $${d#/dev/loop}'\n[Install]\nRequiredBy=landfall-local.service\n";

#[test]
fn a_root_that_fills_its_disk_is_looked_at_by_every_boot_and_costs_it_nothing() {
    let (Some(lab), Some(deb)) = (Lab::require(), lab::package()) else { return };
    let host = lab.host(Release::Trixie, Disk::Ext4Whole);
    host.install_deb(&deb);
    host.files().write("/etc/systemd/system/root-node.service", ROOT_NODE, 0o644);
    host.chroot(&["systemctl", "enable", "root-node.service"]).expect_ok();
    seed(&host, "i-1", "#cloud-config\nhostname: quiet\n");
    for round in ["first", "second"] {
        let (booted, status) = boot(&host);
        assert_eq!(state(&status), "done", "{round}: {status}");
        let long = booted.sh("landfall status --long").expect_ok();
        for what in ["take the room behind the partition of /", "grow the root filesystem to its device"] {
            assert!(long.lines().any(|line| line.contains("unchanged") && line.ends_with(what)), "{round}: {long}");
        }
        if round == "second" {
            let units = booted.exec(&["systemctl", "is-active", "landfall-network.service", "landfall.service"]).stdout;
            assert_eq!(units.split_whitespace().collect::<Vec<_>>(), ["inactive", "inactive"]);
        }
        booted.shutdown();
    }
}
