//! Packages, installed by real apt and dpkg from a repository on the disk, and mended after cuts.

use landfall::engine::apply::Prior;
use landfall::error::Kind;
use landfall::plan::operation::{Operation, Package};
use landfall::secret::Secret;

use crate::driver::{done, resumed, run, run_beside, Outcome};
use crate::lab::{Disk, Host, Lab, Release};

fn install(specs: &[&str]) -> Operation {
    let package = |spec: &&str| Package { spec: (*spec).to_owned(), origin: None };
    Operation::InstallPackages { packages: specs.iter().map(package).collect() }
}

fn each_release(test: fn(&Host)) {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        let host = lab.host(release, Disk::Directory);
        done(&host, Operation::AptUpdate);
        test(&host);
    }
}

#[track_caller]
fn whole(host: &Host) {
    assert_eq!(host.chroot(&["dpkg", "--audit"]).expect_ok(), "");
    assert_eq!(host.chroot(&["sh", "-c", "dpkg --verify | grep -v ' c '; true"]).expect_ok(), "");
}

fn state(host: &Host, package: &str) -> String {
    host.chroot(&["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package]).stdout
}

fn detail(outcome: &Outcome) -> &str {
    outcome.done().detail.as_deref().unwrap_or("")
}

#[test]
fn packages_are_installed_without_a_question() {
    each_release(|host| {
        let answer = "debconf-lf debconf-lf/answer string forty-two\n";
        done(host, Operation::Debconf { selections: Secret::new(answer.into()) });
        let operation = install(&["deps-lf", "debconf-lf", "prompt-lf", "conf-lf=1.0"]);
        let outcome = done(host, operation.clone());
        assert_eq!(detail(&outcome), "installed 6 packages");
        assert!(outcome.satisfied_after && done(host, operation).satisfied_before);
        assert_eq!(host.files().read("/var/lib/debconf-lf.answer"), "forty-two\n");
        assert_eq!(host.files().read("/var/lib/prompt-lf.answer"), "eof\n");
        host.files().write("/etc/conf-lf/main.conf", "value = mine\n", 0o644);
        let upgraded = done(host, Operation::AptUpgrade);
        assert_eq!(detail(&upgraded), "upgraded 1 package");
        assert_eq!(
            (state(host, "conf-lf").as_str(), host.files().read("/etc/conf-lf/main.conf").as_str()),
            ("installed 2.0", "value = mine\n")
        );
        done(host, install(&["hello-lf-"]));
        assert!(!state(host, "hello-lf").starts_with("installed"));
    });
}

#[test]
fn names_that_do_not_exist_are_named_and_the_rest_is_installed() {
    each_release(|host| {
        let outcome = run(host, &[install(&["slow-lf", "helo-lf", "hello-lf", "bash=99"])]).pop().unwrap();
        let failure = outcome.failed();
        assert_eq!(failure.kind, Kind::NotFound, "{failure}");
        assert_eq!(failure.message, "there are no packages helo-lf, bash=99; the other 2 are installed");
        assert!(failure.hint.as_deref().unwrap().contains("did you mean hello-lf?"), "{failure:?}");
        assert!(state(host, "slow-lf").starts_with("installed") && state(host, "hello-lf").starts_with("installed"));
        let outcome = run(host, &[install(&["undep-lf", "big-lf"])]).pop().unwrap();
        assert_eq!(outcome.failed().kind, Kind::Config);
        assert!(outcome.failed().message.contains("no-such-package-lf"), "{:?}", outcome.result);
        assert!(state(host, "big-lf").starts_with("installed"));
        whole(host);
    });
}

#[test]
fn packages_that_exclude_each_other_lose_only_the_later_one() {
    each_release(|host| {
        let outcome = run(host, &[install(&["svc-lf", "hello-lf", "conflict-lf"])]).pop().unwrap();
        assert!(outcome.failed().message.contains("conflict-lf"), "{:?}", outcome.result);
        assert!(state(host, "hello-lf").starts_with("installed") && state(host, "svc-lf").starts_with("installed"));
    });
}

#[test]
fn a_package_that_breaks_is_named_and_does_not_block_later_ones() {
    each_release(|host| {
        let outcome = run(host, &[install(&["broken-lf", "hello-lf"])]).pop().unwrap();
        assert_eq!(outcome.failed().kind, Kind::Exec);
        assert!(outcome.failed().message.contains("broken-lf could not be configured"), "{:?}", outcome.result);
        let later = done(host, install(&["slow-lf"]));
        assert!(later.done().warnings[0].contains("broken-lf"), "{:?}", later.result);
        let flaky = run(host, &[install(&["flaky-lf"])]).pop().unwrap();
        assert!(flaky.failed().message.contains("flaky-lf"));
        done(host, install(&["flaky-lf"]));
    });
}

#[test]
fn what_a_cut_left_is_mended_before_anything_is_installed() {
    each_release(|host| {
        done(host, install(&["big-lf", "svc-lf", "user-lf"]));
        host.files().write("/usr/share/big-lf/file-7", "", 0o644);
        host.files().write("/var/lib/dpkg/info/svc-lf.list", "/.\n/usr\n/usr/sb", 0o644);
        host.files().write("/var/lib/dpkg/info/user-lf.list", "", 0o644);
        host.files().write("/var/lib/dpkg/info/format", "", 0o644);
        let damaged = host.files().read("/var/lib/dpkg/status");
        host.files().write("/var/lib/dpkg/status-old", &damaged, 0o644);
        host.files().write("/var/lib/dpkg/status", "", 0o644);
        for list in host.files().list("/var/lib/apt/lists").iter().filter(|name| name.ends_with("_Packages")) {
            host.files().write(&format!("/var/lib/apt/lists/{list}"), "Package: hel", 0o644);
        }
        let mended = done(host, install(&["hello-lf"]));
        for what in ["status file", "package lists", "installed again: big-lf, svc-lf, user-lf"] {
            assert!(detail(&mended).contains(what), "{what}: {:?}", mended.result);
        }
        assert!(!mended.said.is_empty());
        whole(host);
        assert_eq!(detail(&done(host, install(&["slow-lf"]))), "installed 1 package", "nothing is left to mend");
    });
}

#[test]
fn dpkg_killed_in_the_middle_is_finished_first() {
    each_release(|host| {
        for (package, when) in [("slow-lf", "pgrep -f slow-lf.postinst"), ("big-lf", "test -e /usr/share/big-lf/file-1.dpkg-new")] {
            let kill = format!(
                "apt-get install -y {package} >/dev/null 2>&1 & for i in $(seq 2000); do {when} >/dev/null && break; done; kill -9 $(pidof dpkg) $!; wait; echo killed"
            );
            let outcome = run_beside(host, &kill, &[install(&["hello-lf", package])]).pop().unwrap();
            outcome.done();
            assert!(state(host, package).starts_with("installed"));
            whole(host);
            done(host, install(&["hello-lf-"]));
        }
    });
}

#[test]
fn after_a_cut_packages_are_installed_again_because_their_scripts_synced_nothing() {
    each_release(|host| {
        let answer = "debconf-lf debconf-lf/answer string forty-two\n";
        done(host, Operation::Debconf { selections: Secret::new(answer.into()) });
        let operation = install(&["debconf-lf", "user-lf"]);
        let first = done(host, operation.clone());
        let Prior::Packages { .. } = first.prior else { panic!("{:?}", first.prior) };
        host.files().write("/var/lib/debconf-lf.answer", "", 0o644);
        host.files().write("/var/cache/debconf/config.dat", "", 0o644);
        host.files().write("/var/cache/apt/archives/torn_1_all.deb", "!<arch>", 0o644);
        let left = [
            "/var/lib/systemd/deb-systemd-helper-enabled/.stateAbCdE.tmp",
            "/var/cache/apt/archives/partial/.apt-acquire-privs-test.AbCdEf",
        ];
        left.iter().for_each(|path| host.files().write(path, "", 0o600));
        let again = resumed(host, operation.clone(), first.prior);
        assert!(!again.satisfied_before && detail(&again).contains("installed again: debconf-lf, user-lf"), "{:?}", again.result);
        assert_eq!(host.files().read("/var/lib/debconf-lf.answer"), "forty-two\n");
        assert!(!host.files().exists("/var/cache/apt/archives/torn_1_all.deb"));
        assert_eq!(left.iter().filter(|path| host.files().exists(path)).count(), 0);
        assert!(done(host, operation).satisfied_before);
        whole(host);
    });
}

#[test]
fn who_holds_a_lock_is_named_and_waited_for() {
    each_release(|host| {
        let hold = |lock: &str| {
            format!("perl -e 'use Fcntl; open(my $f, \"+>>\", \"{lock}\"); my $l = pack(\"s s x![q] q q i x![q]\", F_WRLCK, 0, 0, 0, 0); fcntl($f, F_SETLK, $l) or die; $| = 1; print \"held\\n\"; sleep 2'")
        };
        for lock in ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"] {
            let outcome = run_beside(host, &hold(lock), &[Operation::AptUpdate]).pop().unwrap();
            outcome.done();
            assert!(outcome.said[0].starts_with("waiting for perl") && outcome.said[0].contains(lock), "{:?}", outcome.said);
        }
    });
}

#[test]
fn a_source_that_fails_is_named_with_its_kind() {
    each_release(|host| {
        let list = "/etc/apt/sources.list.d/other.list";
        for (source, kind, transient, named) in [
            ("deb [trusted=yes] http://127.0.0.1:9/x ./", Kind::Network, true, "http://127.0.0.1:9/x"),
            ("deb [trusted=yes] http://no-such-host.invalid/x ./", Kind::Network, true, "no-such-host.invalid"),
            ("deb file:/srv/mirror trixie main", Kind::Config, false, "file:/srv/mirror"),
            ("deb nonsense", Kind::Config, false, "Malformed entry"),
        ] {
            host.files().write(list, format!("{source}\n"), 0o644);
            let outcome = run(host, &[Operation::AptUpdate]).pop().unwrap();
            let failure = outcome.failed();
            assert_eq!((failure.kind, failure.transient), (kind, transient), "{source}: {failure:?}");
            assert!(failure.message.contains(named), "{failure}");
        }
        host.files().remove(list);
        host.files().write("/srv/option", "", 0o644);
        assert_eq!(run(host, &[install(&["-y"])]).pop().unwrap().failed().kind, Kind::Input);
    });
}
