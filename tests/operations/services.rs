//! Services that have to be ready, and the ports they need.

use landfall::error::Kind;
use landfall::plan::operation::{Operation, Readiness, Service, UnitAction};

use crate::driver::{done, run, stripped, undone};
use crate::lab::Booted;
use crate::units::{each_release, property, service as unit_file, unit};

/// Takes connections at an address, after a while.
const LISTEN: &str = r#"use IO::Socket::INET;
my ($address, $port, $after) = @ARGV;
select undef, undef, undef, $after;
my $s = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 5, ReuseAddr => 1) or die "bind: $!";
while (my $c = $s->accept) { close $c }
"#;

fn listens(address: &str, port: u16, after: f32) -> String {
    format!("[Service]\nExecStart=/usr/bin/perl /usr/local/lib/listen {address} {port} {after}")
}

fn service(unit: &str, action: UnitAction, ready: Readiness, ports: &[u16]) -> Operation {
    Operation::Service(Service { unit: unit.into(), action, ready, timeout_seconds: 20, ports: ports.to_vec() })
}

fn port(port: u16) -> Readiness {
    Readiness::Answers { address: None, ports: vec![port] }
}

fn write(booted: &Booted, name: &str, body: &str) {
    booted.files().write("/usr/local/lib/listen", LISTEN, 0o644);
    booted.files().write(&format!("/etc/systemd/system/{name}"), unit_file(body), 0o644);
    booted.sh("systemctl daemon-reload").expect_ok();
}

#[test]
fn a_service_is_waited_for_until_its_port_answers_and_stopped_when_that_is_undone() {
    each_release(|booted| {
        write(booted, "web.service", &listens("127.0.0.1", 8080, 1.5));
        let start = || service("web.service", UnitAction::Start, port(8080), &[8080]);
        let started = done(booted, start());
        assert!(started.seconds > 1.0 && started.satisfied_after, "{started:?}");
        let detail = started.done().detail.as_deref().unwrap();
        assert!(detail.starts_with("ready after ") && detail.ends_with(" s; listens at tcp 127.0.0.1:8080"), "{detail}");
        assert!(done(booted, start()).satisfied_before, "its own port is no conflict, and there is nothing to do");
        let first = property(booted, "web.service", "MainPID");
        done(booted, service("web.service", UnitAction::Restart, port(8080), &[8080]));
        assert_ne!(property(booted, "web.service", "MainPID"), first);
        undone(booted, started.prior);
        assert_eq!(property(booted, "web.service", "ActiveState"), "inactive");
    });
}

#[test]
fn a_port_that_somebody_else_holds_is_told_with_process_unit_and_package_before_anything_is_started() {
    each_release(|booted| {
        write(booted, "squatter.service", &listens("127.0.0.1", 8080, 0.0));
        write(booted, "web.service", &listens("127.0.0.1", 8080, 0.0));
        done(booted, service("squatter.service", UnitAction::Start, port(8080), &[8080]));
        let refused = run(booted, &[service("web.service", UnitAction::Start, port(8080), &[8080])]).pop().unwrap();
        let failure = refused.failed();
        let pid = property(booted, "squatter.service", "MainPID");
        assert_eq!(failure.kind, Kind::Config, "{failure:?}");
        assert!(failure.message.starts_with("web.service is not started: port 8080 is held by /usr/bin/perl"), "{failure:?}");
        assert!(failure.message.ends_with(&format!("(pid {pid}, squatter.service, package perl-base)")), "{failure:?}");
        assert!(failure.hint.as_deref().unwrap().contains("systemctl disable --now squatter.service"), "{failure:?}");
        assert_eq!(property(booted, "web.service", "ActiveState"), "inactive", "it was not even tried");

        // What systemd itself listens for belongs to a socket unit.
        booted.files().write("/etc/systemd/system/door.socket", "[Socket]\nListenStream=127.0.0.1:8081\n", 0o644);
        write(booted, "door.service", "[Service]\nExecStart=/bin/sleep infinity");
        write(booted, "other.service", "[Service]\nExecStart=/bin/sleep infinity");
        done(booted, service("door.socket", UnitAction::Start, Readiness::Active, &[8081]));
        let refused = run(booted, &[service("other.service", UnitAction::Start, Readiness::Active, &[8081])]).pop().unwrap();
        assert!(refused.failed().message.contains("(pid 1, door.socket, package systemd"), "{:?}", refused.result);
        done(booted, service("door.service", UnitAction::Start, Readiness::Active, &[8081]));
    });
}

#[test]
fn a_service_that_ends_or_never_gets_ready_fails_with_what_it_said() {
    each_release(|booted| {
        write(booted, "bad.service", "[Service]\nExecStart=/bin/sh -c 'sleep 0.3; echo no luck; exit 3'");
        write(booted, "deaf.service", "[Service]\nExecStart=/bin/sh -c 'echo I am deaf; exec sleep infinity'");
        write(booted, "slow.service", "[Service]\nType=notify\nExecStart=/bin/sh -c 'echo wait; exec sleep infinity'");
        write(booted, "once.service", "[Service]\nType=oneshot\nExecStart=/bin/true");
        write(booted, "far.service", &listens("127.0.0.9", 8082, 0.0));
        let short = |unit: &str, ready| {
            let service = Service { unit: unit.into(), action: UnitAction::Start, ready, timeout_seconds: 3, ports: Vec::new() };
            run(booted, &[Operation::Service(service)]).pop().unwrap()
        };
        let bad = short("bad.service", Readiness::Active);
        assert_eq!((bad.failed().kind, bad.failed().exit), (Kind::Exec, Some(3)), "{:?}", bad.result);
        assert!(bad.failed().output.iter().any(|line| line.contains("no luck")), "{:?}", bad.result);
        let deaf = short("deaf.service", port(8083));
        assert_eq!(deaf.failed().kind, Kind::Timeout);
        assert_eq!(deaf.failed().message, "deaf.service is not ready after 3 s: port 8083 does not answer");
        assert!(deaf.failed().output.iter().any(|line| line.contains("I am deaf")) && deaf.seconds < 8.0, "{deaf:?}");
        let slow = short("slow.service", Readiness::Active);
        assert_eq!(slow.failed().message, "start of slow.service has not ended after 3 s");
        assert!(slow.failed().output.iter().any(|line| line.contains("wait")), "{:?}", slow.result);
        let far = short("far.service", port(8082));
        assert!(far.failed().message.contains("listens at 127.0.0.9:8082"), "{:?}", far.result);
        let there = Readiness::Answers { address: Some("127.0.0.9".parse().unwrap()), ports: vec![8082] };
        done(booted, service("far.service", UnitAction::Start, there, &[]));
        short("once.service", Readiness::Active).done();
        assert_eq!(short("none.service", Readiness::Active).failed().kind, Kind::NotFound);
    });
}

#[test]
fn what_was_stopped_and_disabled_runs_and_is_enabled_again_when_that_is_undone() {
    each_release(|booted| {
        write(booted, "good.service", "[Service]\nExecStart=/bin/sleep infinity");
        done(booted, service("good.service", UnitAction::Start, Readiness::Active, &[]));
        done(booted, unit("good.service", UnitAction::Enable));
        let stopped = done(booted, unit("good.service", UnitAction::Stop));
        let disabled = done(booted, unit("good.service", UnitAction::Disable));
        assert!(stopped.satisfied_after && disabled.satisfied_after);
        let state = || {
            let enabled = booted.sh("systemctl is-enabled good.service || true").expect_ok().trim().to_owned();
            (property(booted, "good.service", "ActiveState"), enabled)
        };
        assert_eq!(state(), ("inactive".into(), "disabled".into()));
        undone(booted, disabled.prior);
        undone(booted, stopped.prior);
        assert_eq!(state(), ("active".into(), "enabled".into()));
    });
}

/// A phase whose service needs a port; the second service fails at its first start.
const USER_DATA: &str = "#cloud-config
landfall:
  phases:
    - name: web
      on_error: stop
      retry: {attempts: 2, delay: 1s}
      services:
        - {name: web, ports: 8080, wait: {port: 8080}}
        - {name: shy, timeout: 20s}
";

#[test]
fn a_phase_names_who_holds_its_port_goes_on_when_it_is_free_and_is_undone_as_a_whole() {
    each_release(|booted| {
        let program = stripped(std::path::Path::new(env!("CARGO_BIN_EXE_landfall")));
        booted.files().write("/usr/local/bin/landfall", program, 0o755);
        booted.files().write("/root/user-data", USER_DATA, 0o600);
        write(booted, "squatter.service", &listens("127.0.0.1", 8080, 0.0));
        write(booted, "web.service", &listens("127.0.0.1", 8080, 0.5));
        let shy = "[ -e /run/shy ] || { touch /run/shy; echo not yet; exit 4; }; exec sleep infinity";
        write(booted, "shy.service", &format!("[Service]\nExecStart=/bin/sh -c '{shy}'"));
        done(booted, service("squatter.service", UnitAction::Start, port(8080), &[]));
        let states = || ["web.service", "shy.service"].map(|unit| property(booted, unit, "ActiveState"));

        let failed = booted.sh("landfall apply /root/user-data");
        assert_eq!(failed.code(), Some(1), "{}\n{}", failed.stdout, failed.stderr);
        let why = booted.sh("landfall why").stdout;
        for part in
            ["E_CONFIG", "port 8080 is held by /usr/bin/perl", "squatter.service, package perl-base", "disable --now squatter.service"]
        {
            assert!(why.contains(part), "{part}\n{why}");
        }
        assert_eq!(states(), ["inactive", "inactive"], "on_error: stop");
        assert_eq!(booted.sh("systemctl is-enabled web.service").stdout.trim(), "disabled", "what cannot run is not enabled");

        booted.sh("systemctl disable --now squatter.service").expect_ok();
        let resumed = booted.sh("landfall resume");
        assert_eq!(resumed.code(), Some(0), "{}\n{}\n{}", resumed.stdout, resumed.stderr, booted.sh("landfall why").stdout);
        assert_eq!(states(), ["active", "active"]);
        assert_eq!(booted.sh("systemctl is-enabled web.service shy.service").stdout, "enabled\nenabled\n");
        let attempts = booted.sh("landfall status --long --format json").stdout;
        assert!(attempts.contains("\"attempts\":2") || attempts.contains("\"attempts\": 2"), "{attempts}");

        let undone = booted.sh("landfall rollback");
        assert_eq!(undone.code(), Some(0), "{}\n{}", undone.stdout, undone.stderr);
        assert_eq!(states(), ["inactive", "inactive"]);
        assert_eq!(booted.sh("systemctl is-enabled web.service shy.service").stdout, "disabled\ndisabled\n");
    });
}

/// Three phases that need the same service, which does not start until it is mended.
const FRAIL: &str = "#cloud-config
landfall:
  breaker: {failures: 2, cooldown: 12s}
  phases:
    - {name: one, retry: {attempts: 1}, services: [{name: frail}]}
    - {name: two, retry: {attempts: 1}, services: [{name: frail}]}
    - {name: three, retry: {attempts: 1}, services: [{name: frail}]}
";

#[test]
fn a_service_that_fails_again_and_again_is_left_alone_and_the_attempt_after_the_cool_down_decides() {
    each_release(|booted| {
        let program = stripped(std::path::Path::new(env!("CARGO_BIN_EXE_landfall")));
        booted.files().write("/usr/local/bin/landfall", program, 0o755);
        booted.files().write("/root/user-data", FRAIL, 0o600);
        let frail = "echo start >>/run/starts; [ -e /run/mended ] || exit 4; exec sleep infinity";
        write(booted, "frail.service", &format!("[Service]\nExecStart=/bin/sh -c '{frail}'"));
        let starts = || booted.files().read("/run/starts").lines().count();
        let breaker = || {
            let status: serde_json::Value = serde_json::from_str(&booted.sh("landfall status --format json").stdout).unwrap();
            status["breakers"][0].clone()
        };

        let failed = booted.sh("landfall apply /root/user-data");
        assert_eq!((failed.code(), starts()), (Some(1), 2), "the third is not even tried\n{}\n{}", failed.stdout, failed.stderr);
        assert!(booted.sh("landfall status --long").stdout.contains("frail.service failed 2 times in a row; it is not tried again before"));
        assert_eq!((&breaker()["target"], &breaker()["failures"]), (&"frail.service".into(), &2.into()));

        booted.wait_until("the cool-down is over", || breaker()["position"] == "half-open");
        booted.files().write("/run/mended", "", 0o600);
        let resumed = booted.sh("landfall resume");
        assert_eq!(resumed.code(), Some(0), "{}\n{}\n{}", resumed.stdout, resumed.stderr, booted.sh("landfall why").stdout);
        assert_eq!((starts(), breaker()), (3, serde_json::Value::Null), "it is closed again");
        assert_eq!(property(booted, "frail.service", "ActiveState"), "active");
    });
}
