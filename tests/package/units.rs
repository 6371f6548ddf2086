//! The units in real boots, with a stand-in for the program.

use std::time::Duration;

use crate::built::deb;
use crate::lab::{wait_until, BootOptions, Booted, Disk, Host, Lab, Release};
use crate::stub;

const ALL: [Release; 4] = [Release::Bookworm, Release::Trixie, Release::BookwormCloudInit, Release::TrixieCloudInit];
const UNITS: [&str; 3] = ["landfall-local.service", "landfall-network.service", "landfall.service"];

/// A host with the package installed as an image build does, and the stand-in; `None` says that the test is skipped.
fn host(release: Release) -> Option<Host> {
    let (lab, deb) = (Lab::require()?, deb()?);
    let host = lab.host(release, Disk::Directory);
    host.install_deb(&deb);
    stub::install(&host);
    if release == Release::BookwormCloudInit || release == Release::TrixieCloudInit {
        host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-one\n", 0o644);
        host.files().write("/var/lib/cloud/seed/nocloud/user-data", "#cloud-config\nruncmd: [[touch, /root/ran]]\n", 0o644);
    }
    Some(host)
}

/// A point in the start of a unit, in microseconds since the machine started.
#[track_caller]
fn when(booted: &Booted, unit: &str, property: &str) -> u64 {
    let value = booted.exec(&["systemctl", "show", "--value", "-p", property, unit]).expect_ok();
    value.trim().parse().unwrap_or_else(|_| panic!("{unit} {property}: {value}"))
}

fn started(booted: &Booted, unit: &str) -> u64 {
    match when(booted, unit, "ActiveEnterTimestampMonotonic") {
        0 => u64::MAX,
        time => time,
    }
}

fn begun(booted: &Booted, unit: &str) -> u64 {
    match when(booted, unit, "InactiveExitTimestampMonotonic") {
        0 => u64::MAX,
        time => time,
    }
}

fn assert_no_cycle(booted: &Booted) {
    let journal = booted.journal(&[]);
    let found: Vec<_> = journal.lines().filter(|line| line.contains("ordering cycle") || line.contains("deleted to break")).collect();
    assert!(found.is_empty(), "{found:#?}");
    let verified = booted.exec(&["systemd-analyze", "verify", "--man=no", UNITS[0], UNITS[1], UNITS[2]]);
    let complaints: Vec<_> = verified.stderr.lines().filter(|line| line.contains("landfall") && !line.contains("RestartMode")).collect();
    assert!(verified.ok() && complaints.is_empty(), "{complaints:#?}\n{}", verified.stderr);
}

#[test]
fn stages_run_in_order_and_nothing_is_in_a_cycle() {
    for release in ALL {
        for ssh in ["ssh.service", "ssh.socket"] {
            let Some(host) = host(release) else { return };
            host.chroot(&["ssh-keygen", "-A"]).expect_ok();
            host.chroot(&["systemctl", "disable", "ssh.service", "ssh.socket"]).expect_ok();
            host.chroot(&["systemctl", "enable", ssh, "systemd-networkd.service"]).expect_ok();
            host.chroot(&["systemctl", "disable", "systemd-networkd-wait-online.service"]).expect_ok();
            let booted = host.boot(BootOptions::default());
            let state = booted.wait_running();
            assert_eq!(booted.wait_unit("landfall.service"), "active", "{release:?}: {state}");
            assert_no_cycle(&booted);
            assert_eq!(stub::log(&booted), ["local begin", "local end", "network begin", "network end", "final begin", "final end"]);
            let order = [
                (started(&booted, "local-fs.target"), begun(&booted, UNITS[0]), "file systems before the local stage"),
                (
                    started(&booted, UNITS[0]),
                    begun(&booted, "systemd-networkd.service"),
                    "the local stage before the network is configured",
                ),
                (started(&booted, "systemd-networkd.service"), begun(&booted, UNITS[1]), "the network before the network stage"),
                (started(&booted, UNITS[1]), begun(&booted, "ssh.service"), "the network stage before sshd"),
                (started(&booted, "multi-user.target"), begun(&booted, UNITS[2]), "multi-user.target before the final stage"),
            ];
            for (earlier, later, what) in order {
                assert!(earlier <= later, "{release:?}: {what}: {earlier} {later}");
            }
            if matches!(release, Release::BookwormCloudInit | Release::TrixieCloudInit) {
                assert!(
                    started(&booted, "cloud-final.service") <= begun(&booted, UNITS[2]),
                    "{release:?}: cloud-final before the final stage"
                );
                assert!(host.files().exists("/root/ran"), "cloud-init did its work");
            }
            booted.shutdown();
        }
    }
}

/// What sshd says first, or nothing if it has not said anything after `seconds`.
fn banner(booted: &Booted, seconds: u32) -> String {
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/22 || exit 0; read -r -t {seconds} line <&3; echo \"$line\"");
    booted.exec(&["bash", "-c", &script]).stdout.trim().to_owned()
}

#[test]
fn a_slow_network_stage_holds_up_sshd_and_no_other_login() {
    for release in [Release::Bookworm, Release::Trixie] {
        for ssh in ["ssh.service", "ssh.socket"] {
            let Some(host) = host(release) else { return };
            host.chroot(&["ssh-keygen", "-A"]).expect_ok();
            host.chroot(&["systemctl", "disable", "ssh.service", "ssh.socket"]).expect_ok();
            host.chroot(&["systemctl", "enable", ssh, "console-getty.service"]).expect_ok();
            stub::set(&host, "network", "while [ ! -e /run/go ]; do sleep 0.1; done\n");
            let booted = host.boot(BootOptions::default());
            booted.wait_until("a login prompt", || booted.console().contains("login:"));
            assert_eq!(booted.wait_unit("systemd-user-sessions.service"), "active");
            assert_eq!(stub::log(&booted).last().unwrap(), "network begin");
            if ssh == "ssh.socket" {
                assert_eq!(booted.wait_unit("ssh.socket"), "active");
            }
            assert_eq!(banner(&booted, 1), "", "{release:?}: sshd answers before the network stage is done");
            booted.sh("touch /run/go").expect_ok();
            booted.wait_running();
            assert!(banner(&booted, 10).starts_with("SSH-2.0"));
            booted.shutdown();
        }
    }
}

#[test]
fn a_long_final_stage_holds_up_no_login_and_keeps_the_apt_timers_waiting() {
    for release in [Release::Bookworm, Release::Trixie] {
        let Some(host) = host(release) else { return };
        host.chroot(&["ssh-keygen", "-A"]).expect_ok();
        host.chroot(&["systemctl", "enable", "console-getty.service"]).expect_ok();
        stub::set(&host, "final", "while [ ! -e /run/go ]; do sleep 0.1; done\n");
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the final stage", || stub::count(&booted, "final begin") == 1);
        booted.wait_until("a login prompt", || booted.console().contains("login:"));
        assert!(banner(&booted, 10).starts_with("SSH-2.0"));
        booted.exec(&["systemctl", "start", "--no-block", "apt-daily.service"]).expect_ok();
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(begun(&booted, "apt-daily.service"), u64::MAX);
        booted.sh("touch /run/go").expect_ok();
        booted.wait_until("apt-daily to start", || begun(&booted, "apt-daily.service") != u64::MAX);
        assert!(started(&booted, "landfall.service") <= begun(&booted, "apt-daily.service"));
    }
}

#[test]
fn a_killed_stage_is_started_again_in_the_same_boot() {
    for release in [Release::Bookworm, Release::Trixie] {
        for signal in ["KILL", "ABRT"] {
            let Some(host) = host(release) else { return };
            host.chroot(&["ssh-keygen", "-A"]).expect_ok();
            stub::set(&host, "network", &format!("[ -e /run/killed ] || {{ touch /run/killed; kill -{signal} $$; }}\n"));
            let booted = host.boot(BootOptions::default());
            booted.wait_until("the stage to be done", || stub::count(&booted, "network end") == 1);
            assert_eq!(booted.wait_running(), "running");
            assert_eq!(stub::count(&booted, "network begin"), 2);
            assert_eq!(booted.wait_unit("landfall-network.service"), "active");
            if release == Release::Trixie {
                // systemd 252 has no RestartMode=direct: there what is ordered after the stage does not wait for its restart.
                assert!(started(&booted, "landfall-network.service") <= begun(&booted, "ssh.service"));
                assert_eq!(stub::log(&booted)[4..], ["network end", "final begin", "final end"]);
            }
            booted.shutdown();
        }
    }
}

#[test]
fn a_stage_that_keeps_crashing_is_given_up_and_the_boot_goes_on() {
    let Some(host) = host(Release::Trixie) else { return };
    stub::set(&host, "local", "kill -ABRT $$\n");
    let booted = host.boot(BootOptions::default());
    assert_eq!(booted.wait_running(), "degraded");
    assert_eq!(stub::count(&booted, "local begin"), 10);
    assert_eq!(stub::count(&booted, "final end"), 1);
}

#[test]
fn a_failed_run_is_not_started_again() {
    for release in [Release::Bookworm, Release::Trixie] {
        let Some(host) = host(release) else { return };
        stub::set(&host, "final", "exit 1\n");
        let booted = host.boot(BootOptions::default());
        assert_eq!(booted.wait_running(), "degraded");
        assert_eq!(booted.wait_unit("landfall.service"), "failed");
        assert_eq!(stub::count(&booted, "final begin"), 1);
    }
}

#[test]
fn background_jobs_of_a_run_that_is_done_go_on() {
    let Some(host) = host(Release::Trixie) else { return };
    stub::set(&host, "final", "sleep 4711 &\n");
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    assert_eq!(booted.wait_unit("landfall.service"), "active");
    booted.exec(&["pgrep", "-f", "sleep 4711"]).expect_ok();
}

#[test]
fn a_command_that_is_killed_for_lack_of_memory_does_not_take_the_run_with_it() {
    // Containers have no memory controller everywhere, so the policy is read and not tried.
    let Some(host) = host(Release::Trixie) else { return };
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    for unit in UNITS {
        assert_eq!(booted.exec(&["systemctl", "show", "--value", "-p", "OOMPolicy", unit]).stdout.trim(), "continue");
    }
}

#[test]
fn the_file_that_switches_landfall_off_does() {
    let Some(host) = host(Release::Trixie) else { return };
    host.files().write("/etc/landfall/disabled", "", 0o644);
    let booted = host.boot(BootOptions::default());
    assert_eq!(booted.wait_running(), "running");
    assert_eq!(stub::log(&booted), Vec::<String>::new());
}

#[test]
fn the_kernel_command_line_that_switches_landfall_off_is_asked_by_every_unit() {
    // systemd in a container takes its own arguments for the kernel's: the condition cannot be tried here, only read.
    let Some(host) = host(Release::Trixie) else { return };
    for unit in UNITS {
        let text = host.files().read(&format!("/usr/lib/systemd/system/{unit}"));
        assert!(text.contains("\nConditionKernelCommandLine=!landfall=off\n"), "{text}");
    }
}

#[test]
fn a_shutdown_in_the_middle_of_a_run_is_not_held_up() {
    let Some(host) = host(Release::Trixie) else { return };
    stub::set(&host, "final", "trap 'note term; exit 143' TERM; sleep 1000 & wait $!\n");
    let booted = host.boot(BootOptions::default());
    booted.wait_until("the final stage", || stub::count(&booted, "final begin") == 1);
    let begin = std::time::Instant::now();
    booted.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    wait_until("the host to be down", Duration::from_secs(10), || !host.is_booted());
}
