//! What needs a booted host: units, timers, the state of the system.

use landfall::error::Kind;
use landfall::plan::operation::{Operation, UnitAction};

use crate::driver::{ask, done, run, HELD};
use crate::lab::{BootOptions, Booted, Disk, Lab, Release};

pub fn unit(unit: &str, action: UnitAction) -> Operation {
    Operation::Unit { unit: unit.into(), action, optional: false }
}

pub fn service(body: &str) -> String {
    format!("[Unit]\nDescription=Test\n{body}\n[Install]\nWantedBy=multi-user.target\n")
}

pub fn property(booted: &Booted, unit: &str, name: &str) -> String {
    booted.exec(&["systemctl", "show", "--value", "-p", name, unit]).expect_ok().trim().to_owned()
}

pub fn each_release(test: fn(&Booted)) {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        let host = lab.host(release, Disk::Directory);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        test(&booted);
    }
}

#[test]
fn units_are_enabled_started_and_restarted_and_a_failure_says_why() {
    each_release(|booted| {
        let write = |name: &str, body: &str| booted.files().write(&format!("/etc/systemd/system/{name}"), service(body), 0o644);
        write("good.service", "[Service]\nExecStart=/bin/sleep infinity");
        write("bad.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no luck; exit 3'");
        // Waits for a job that never ends: landfall would deadlock behind its own stage in the same way.
        write("stuck.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep infinity");
        write("behind.service", "After=stuck.service\n[Service]\nExecStart=/bin/sleep infinity");
        let enabled = done(booted, unit("good.service", UnitAction::Enable));
        assert!(!enabled.satisfied_before && enabled.satisfied_after);
        assert!(done(booted, unit("good.service", UnitAction::TryRestart)).satisfied_before, "it does not run");
        assert!(done(booted, unit("good.service", UnitAction::Start)).satisfied_after);
        let first = property(booted, "good.service", "MainPID");
        done(booted, unit("good.service", UnitAction::TryRestart));
        assert_ne!(property(booted, "good.service", "MainPID"), first);
        // A unit file that was changed is read again first.
        write("good.service", "[Service]\nExecStart=/bin/sleep 12345");
        done(booted, unit("good.service", UnitAction::Restart));
        assert!(property(booted, "good.service", "ExecStart").contains("12345"));

        let failed = run(booted, &[unit("bad.service", UnitAction::Start)]).pop().unwrap();
        let failure = failed.failed();
        assert_eq!((failure.kind, failure.exit), (Kind::Exec, Some(3)), "{failure:?}");
        assert!(failure.output.iter().any(|line| line.contains("no luck")), "{failure:?}");

        booted.sh("systemctl start --no-block stuck.service").expect_ok();
        let behind = done(booted, unit("behind.service", UnitAction::Start));
        assert!(behind.done().detail.as_deref().unwrap().contains("when its turn"), "{:?}", behind.result);
        booted.sh("systemctl stop stuck.service").expect_ok();
        assert_eq!(booted.wait_unit("behind.service"), "active");

        let missing = run(booted, &[unit("none.service", UnitAction::Restart)]).pop().unwrap();
        assert_eq!(missing.failed().kind, Kind::NotFound);
        let optional = Operation::Unit { unit: "none.service".into(), action: UnitAction::Restart, optional: true };
        assert!(done(booted, optional).satisfied_before);
    });
}

#[test]
fn apt_timers_are_held_back_and_given_back_also_after_a_crash() {
    each_release(|booted| {
        let timers = || ["apt-daily.timer", "apt-daily-upgrade.timer"].map(|timer| property(booted, timer, "ActiveState"));
        let up = ["active", "active"].map(str::to_owned);
        let down = ["inactive", "inactive"].map(str::to_owned);
        assert_eq!(timers(), up);
        // The process ends here without restoring, as after a crash.
        assert_eq!(ask(booted, "hold back"), "true");
        assert_eq!(timers(), down);
        assert!(booted.files().exists(HELD));
        assert_eq!(ask(booted, "recover"), "Ok(())");
        assert_eq!(timers(), up);
        assert!(!booted.files().exists(HELD));
        booted.sh("systemctl stop apt-daily.timer").expect_ok();
        assert_eq!(ask(booted, "hold back and restore"), "Ok(())");
        assert_eq!(timers(), ["inactive", "active"].map(str::to_owned), "as it was found");
    });
}

#[test]
fn the_state_of_the_system_is_known() {
    each_release(|booted| {
        let facts = ask(booted, "facts");
        println!("{facts}");
        let micros: u32 = facts.split(' ').next().unwrap().parse().unwrap();
        assert!(micros < 50_000, "facts take {micros} us");
        assert!(facts.contains("\"distro\":\"debian\"") && facts.contains("\"arch\":\"amd64\"") && facts.contains("\"sshd\""));
        assert_eq!(ask(booted, "sync"), "Ok(())");
        assert_eq!(ask(booted, "is stopping"), "false");
        let renamed = done(booted, Operation::Hostname { name: "web1".into() });
        assert!(renamed.satisfied_after);
        assert_eq!(booted.sh("uname -n").expect_ok().trim(), "web1");
        booted.files().write(
            "/etc/systemd/system/slowstop.service",
            service("[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 20"),
            0o644,
        );
        booted.sh("systemctl daemon-reload; systemctl start slowstop; systemctl reboot").expect_ok();
        assert_eq!(ask(booted, "is stopping"), "true");
    });
}
