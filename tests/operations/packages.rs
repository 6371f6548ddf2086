//! Packages, installed by real apt and dpkg from a repository on the disk, and mended after cuts.

use landfall::engine::apply::Prior;
use landfall::error::Kind;
use landfall::plan::operation::{Operation, Package};
use landfall::plan::AptGet;
use landfall::secret::Secret;

use crate::driver::{done, resumed, run, run_beside, run_with_apt_get, Outcome};
use crate::lab::{Disk, Host, Lab, Release};

fn install(specs: &[&str]) -> Operation {
    Operation::InstallPackages { packages: specs.iter().map(|spec| Package::of_apt(*spec)).collect() }
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

/// What the user says of configuration files holds, what landfall needs does too, and a wrapper that is not there is done without.
#[test]
fn apt_get_is_called_as_the_user_wants_it() {
    each_release(|host| {
        done(host, install(&["conf-lf=1.0"]));
        host.files().write("/etc/conf-lf/main.conf", "value = mine\n", 0o644);
        host.files().write("/usr/local/bin/told", "#!/bin/sh\necho \"$@\" >>/var/tmp/told\nexec \"$@\"\n", 0o755);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let apt_get = AptGet {
            command: words(&["apt-get", "--no-install-recommends", "--option=Dpkg::Options::=--force-confnew"]),
            wrapper: words(&["told"]),
            wrapper_if_there: true,
            upgrade: Some("upgrade".into()),
        };
        let nowhere = AptGet { wrapper: words(&["nowhere"]), ..apt_get.clone() };
        run_with_apt_get(host, apt_get, &[Operation::AptUpgrade]).pop().unwrap().done();
        assert_eq!(
            (state(host, "conf-lf").as_str(), host.files().read("/etc/conf-lf/main.conf").as_str()),
            ("installed 2.0", "# shipped by 2.0\nvalue = 2.0\n")
        );
        let told = host.files().read("/var/tmp/told");
        let line = told.lines().find(|line| line.ends_with(" upgrade")).unwrap_or_else(|| panic!("{told}"));
        assert!(line.starts_with("apt-get --no-install-recommends ") && line.contains("--no-force-unsafe-io"), "{line}");
        assert!(!line.contains("confold"), "{line}");
        run_with_apt_get(host, nowhere, &[install(&["hello-lf"])]).pop().unwrap().done();
        assert!(state(host, "hello-lf").starts_with("installed") && host.files().read("/var/tmp/told") == told);
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

/// A snapd that has one snap.
const SNAP: &str = r#"#!/bin/sh
case "$*" in
  'wait system seed.loaded') ;;
  'list good-lf') test -e /var/good-lf ;;
  'install good-lf') echo installed >>/var/good-lf ;;
  *) echo "error: snap \"$2\" not found" >&2; exit 1 ;;
esac
"#;

#[test]
fn what_apt_does_not_know_may_be_a_snap() {
    each_release(|host| {
        host.files().write("/usr/bin/snap", SNAP, 0o755);
        let or_snap = |name: &str| Package { or_snap: true, ..Package::of_apt(name) };
        let wanted = Operation::InstallPackages { packages: vec![or_snap("hello-lf"), or_snap("good-lf")] };
        let outcome = done(host, wanted.clone());
        assert_eq!(detail(&outcome), "installed 1 package; as snaps: good-lf");
        assert!(outcome.satisfied_after && state(host, "hello-lf").starts_with("installed"));
        assert!(done(host, wanted.clone()).satisfied_before);
        // Cut off before the outcome was recorded.
        resumed(host, wanted, outcome.prior);
        assert_eq!(host.files().read("/var/good-lf"), "installed\n");

        let packages = vec![or_snap("bad-lf"), Package::of_apt("good-lf"), or_snap("slow-lf")];
        let outcome = run(host, &[Operation::InstallPackages { packages }]).pop().unwrap();
        let failure = outcome.failed();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (Kind::NotFound, "there are no packages bad-lf, good-lf; the other one is installed")
        );
        assert!(failure.output.iter().any(|line| line.contains("snap \"bad-lf\" not found")), "{failure:?}");
        assert!(state(host, "slow-lf").starts_with("installed"));
    });
}

#[test]
fn lists_that_were_never_fetched_are_fetched_before_a_name_is_called_unknown() {
    each_release(|host| {
        let known = run(host, &[install(&["no-such-lf"])]).pop().unwrap();
        assert!(known.failed().kind == Kind::NotFound && known.said.is_empty(), "{known:?}");
        host.chroot(&["sh", "-c", "find /var/lib/apt/lists -type f -delete; rm -f /var/cache/apt/*.bin"]).expect_ok();
        let outcome = done(host, install(&["hello-lf"]));
        assert_eq!(outcome.said, ["some lists of packages were never fetched: they are fetched now"]);
        host.chroot(&["sh", "-c", "find /var/lib/apt/lists -type f -delete; rm -f /var/cache/apt/*.bin"]).expect_ok();
        host.files().write("/etc/apt/sources.list", "deb [trusted=yes] http://127.0.0.1:9/ ./\n", 0o644);
        let away = run(host, &[install(&["slow-lf"])]).pop().unwrap();
        assert_eq!((away.failed().kind, away.failed().transient), (Kind::Network, true), "{away:?}");
    });
}

#[test]
fn packages_that_cannot_fit_by_apts_own_figures_are_not_begun() {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        let host = lab.host(release, Disk::Ext4Upper);
        let stanza = "Package: huge-lf\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nInstalled-Size: 900000000\n\
            Depends: hello-lf\nFilename: ./huge-lf_1.0_all.deb\nSize: 1000\nMD5sum: d41d8cd98f00b204e9800998ecf8427e\nDescription: larger than any disk\n";
        host.files().write("/srv/huge/Packages", stanza, 0o644);
        host.files().write("/etc/apt/sources.list.d/huge.list", "deb [trusted=yes] file:/srv/huge ./\n", 0o644);
        done(&host, Operation::AptUpdate);
        let outcome = run(&host, &[install(&["huge-lf"])]).pop().unwrap();
        let failure = outcome.failed();
        assert_eq!(failure.kind, Kind::Disk, "{failure}");
        assert!(failure.message.contains("2 packages take 0 B of archives and 858.3 GiB unpacked"), "{failure}");
        assert!(!state(&host, "hello-lf").starts_with("installed"), "nothing was begun");
        whole(&host);
        done(&host, install(&["hello-lf"]));
    }
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

/// As a power cut leaves them: the names and sizes were on the disk, what the files hold was not.
#[test]
fn lists_that_a_cut_emptied_are_fetched_again_by_an_update() {
    each_release(|host| {
        let lists = || -> Vec<String> {
            let names = host.files().list("/var/lib/apt/lists");
            names.into_iter().filter(|name| name.ends_with("_Packages")).map(|name| format!("/var/lib/apt/lists/{name}")).collect()
        };
        let wipe = "for f in /var/lib/apt/lists/*_Packages; do cp -p $f /var/tmp/was; dd if=/dev/zero of=$f bs=$(stat -c %s $f) count=1 2>/dev/null; \
                    touch -r /var/tmp/was $f; done; rm -f /var/lib/apt/lists/*Release /var/cache/apt/*.bin";
        for interrupted in [false, true] {
            done(host, Operation::AptUpdate);
            assert!(!lists().is_empty());
            assert!(host.chroot(&["sh", "-c", wipe]).ok());
            if interrupted {
                resumed(host, Operation::AptUpdate, Prior::None);
            } else {
                done(host, Operation::AptUpdate);
            }
            for list in lists() {
                assert!(host.files().read(&list).starts_with("Package: "), "{list}, interrupted: {interrupted}");
            }
            assert!(host.chroot(&["apt-cache", "policy", "hello-lf"]).stdout.contains("Candidate: "));
        }
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

/// The conffile that was to come is there by name and size only, however the one before it stood.
#[test]
fn a_configuration_file_that_a_cut_emptied_before_it_was_configured_is_brought_again() {
    each_release(|host| {
        let unpack = |package: &str, conffile: &str| {
            let script = format!("dpkg --unpack $(find /srv/repo -name '{package}') && : >{conffile}.dpkg-new");
            host.chroot(&["sh", "-c", &script]).expect_ok();
        };
        let (hello, conf) = ("/etc/hello-lf.conf", "/etc/conf-lf/main.conf");
        let mut next = ["slow-lf", "big-lf", "svc-lf", "user-lf"].into_iter();
        let mut mend = || done(host, install(&[next.next().unwrap()]));
        let read = |path: &str| host.files().read(path);
        unpack("hello-lf_2.0*", hello);
        mend();
        assert_eq!(read(hello), "greeting = hello\n", "it is new");
        host.chroot(&["dpkg", "--remove", "hello-lf"]).expect_ok();
        unpack("hello-lf_2.0*", hello);
        mend();
        assert_eq!(read(hello), "greeting = hello\n", "it was there already");
        done(host, install(&["conf-lf=1.0"]));
        unpack("conf-lf_2.0*", conf);
        mend();
        assert_eq!(read(conf), "# shipped by 2.0\nvalue = 2.0\n", "it changes");
        for path in [hello, conf] {
            assert!(!["new", "dist", "old"].iter().any(|kind| host.files().exists(&format!("{path}.dpkg-{kind}"))), "{path}");
        }
        host.files().write(conf, "value = mine\n", 0o644);
        unpack("conf-lf_2.0*", conf);
        mend();
        assert_eq!(read(conf), "value = mine\n", "the admin changed it");
        whole(host);
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

/// What deb-systemd-helper keeps is synced by nobody: of a file that a cut fell on, the length may be stored and the bytes not.
#[test]
fn a_list_of_links_of_which_a_cut_stored_only_the_length_is_made_anew() {
    each_release(|host| {
        const LINKS: &str = "/var/lib/systemd/deb-systemd-helper-enabled/svc-lf.service.dsh-also";
        let operation = install(&["svc-lf"]);
        let first = done(host, operation.clone());
        let links = host.files().read(LINKS);
        assert!(links.starts_with("/etc/systemd/system/"), "{links}");
        host.files().write(LINKS, "\0".repeat(links.len()), 0o644);
        resumed(host, operation, first.prior);
        assert_eq!(host.files().read(LINKS), links);
        whole(host);
    });
}
