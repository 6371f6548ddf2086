//! Users, groups, passwords and keys, made by the host's own tools.

use landfall::engine::apply::Prior;
use landfall::error::Kind;
use landfall::plan::operation::{CreateUser, NewPassword, Operation, PasswordLock};
use landfall::secret::Secret;

use crate::driver::{done, resumed, run, undone};
use crate::lab::{Disk, Host, Lab, Release};

const HASH: &str = "$6$abcdefgh$ZJb2Lq2ZbJcW4YcW3oYd4o0n3j0Vd1VdYb1m5uYv6bq7lPq1qgQ8sVt3w9f0Qk1XvWwZlTtM4n1d6yJc2eR0l/";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh bob@laptop";

fn bob() -> CreateUser {
    CreateUser {
        name: "bob".into(),
        gecos: Some("Bob B.".into()),
        groups: vec!["sudo".into(), "ops".into()],
        password_hash: Some(Secret::new(HASH.into())),
        shell: Some("/bin/bash".into()),
        create_home: true,
        ..CreateUser::default()
    }
}

fn line(host: &Host, file: &str, name: &str) -> Option<String> {
    host.files().read(file).lines().find(|line| line.starts_with(&format!("{name}:"))).map(str::to_owned)
}

fn stat(host: &Host, path: &str) -> String {
    host.chroot(&["stat", "-c", "%a %U:%G", path]).expect_ok().trim().to_owned()
}

fn each_release(test: fn(&Host)) {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        test(&lab.host(release, Disk::Directory));
    }
}

#[test]
fn a_user_is_made_with_everything_asked_for_and_removed_again() {
    each_release(|host| {
        let group = done(host, Operation::Group { name: "ops".into(), system: false });
        let outcome = done(host, Operation::User(bob()));
        assert!(!outcome.satisfied_before && outcome.satisfied_after);
        assert!(line(host, "/etc/passwd", "bob").unwrap().ends_with(":Bob B.:/home/bob:/bin/bash"));
        assert!(line(host, "/etc/shadow", "bob").unwrap().starts_with(&format!("bob:{HASH}:")));
        assert_eq!(host.chroot(&["id", "-nG", "bob"]).expect_ok().trim(), "bob sudo ops");
        assert!(host.files().exists("/home/bob/.profile"));
        let members = Operation::GroupMembers { group: "adm".into(), users: vec!["bob".into(), "nobody-here".into()] };
        let added = done(host, members);
        assert_eq!(added.done().warnings.len(), 1, "{:?}", added.result);
        assert!(line(host, "/etc/group", "adm").unwrap().ends_with("bob"));
        undone(host, added.prior);
        assert!(!line(host, "/etc/group", "adm").unwrap().contains("bob"));
        undone(host, outcome.prior);
        undone(host, group.prior);
        assert!(
            line(host, "/etc/passwd", "bob").is_none() && !host.files().exists("/home/bob") && line(host, "/etc/group", "ops").is_none()
        );
    });
}

#[test]
fn a_user_whose_making_was_cut_off_is_completed() {
    each_release(|host| {
        done(host, Operation::Group { name: "ops".into(), system: false });
        let whole = done(host, Operation::User(bob()));
        let (shadow, subuid) = (host.files().read("/etc/shadow"), line(host, "/etc/subuid", "bob").unwrap());
        // What may be left at different instants, all at once: only passwd was written, and half of the home.
        for file in ["/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"] {
            let kept: String = host
                .files()
                .read(file)
                .lines()
                .filter(|line| !line.starts_with("bob:"))
                .map(|line| line.replace(",bob", "").trim_end_matches("bob").to_owned() + "\n")
                .collect();
            let mode = if file.contains("shadow") { 0o640 } else { 0o644 };
            host.files().write(file, kept, mode);
        }
        host.files().write("/home/bob/.profile", "", 0o644);
        host.files().remove("/home/bob/.bashrc");
        for lock in ["/etc/passwd.lock", "/etc/group.lock", "/etc/shadow.lock"] {
            host.files().write(lock, "1\0", 0o600);
        }
        host.files().write("/etc/gshadow.lock", "", 0o600);
        let again = resumed(host, Operation::User(bob()), whole.prior.clone());
        assert!(!again.satisfied_before && again.satisfied_after);
        assert_eq!(host.files().read("/etc/shadow").lines().count(), shadow.lines().count());
        assert!(line(host, "/etc/shadow", "bob").unwrap().starts_with(&format!("bob:{HASH}:")));
        assert_eq!(host.chroot(&["id", "-nG", "bob"]).expect_ok().trim(), "bob sudo ops");
        assert_eq!(line(host, "/etc/subuid", "bob").unwrap(), subuid);
        assert_eq!(host.files().read("/home/bob/.profile"), host.files().read("/etc/skel/.profile"));
        assert_eq!(stat(host, "/home/bob/.bashrc"), "644 bob:bob");
        host.chroot(&["pwck", "-rq"]).expect_ok();
        host.chroot(&["grpck", "-r"]).expect_ok();
        assert!(resumed(host, Operation::User(bob()), whole.prior).satisfied_before, "and then left alone");
        for file in ["/etc/passwd.lock", "/etc/gshadow.lock"] {
            assert!(!host.files().exists(file), "{file} is gone");
        }
    });
}

#[test]
fn a_user_of_the_name_of_a_group_and_a_bad_one() {
    each_release(|host| {
        done(host, Operation::Group { name: "bob".into(), system: false });
        done(host, Operation::User(CreateUser { name: "bob".into(), create_home: true, ..CreateUser::default() }));
        assert_eq!(host.chroot(&["id", "-ng", "bob"]).expect_ok().trim(), "bob");
        let unknown_group = CreateUser { name: "eve".into(), groups: vec!["nowhere".into()], ..CreateUser::default() };
        let failed = run(host, &[Operation::User(unknown_group)]).pop().unwrap();
        assert!(failed.failed().message.contains("nowhere") && failed.failed().exit == Some(6), "{:?}", failed.result);
        let option = CreateUser { name: "--help".into(), ..CreateUser::default() };
        assert_eq!(run(host, &[Operation::User(option)]).pop().unwrap().failed().kind, Kind::Input);
    });
}

#[test]
fn passwords_are_set_locked_expired_and_put_back() {
    each_release(|host| {
        done(host, Operation::User(CreateUser { name: "bob".into(), create_home: true, ..CreateUser::default() }));
        let before = line(host, "/etc/shadow", "bob").unwrap();
        let lock = |lock| Operation::PasswordLock { user: "bob".into(), lock };
        assert!(done(host, lock(PasswordLock::Lock)).satisfied_before, "useradd leaves it locked");
        let nothing = done(host, lock(PasswordLock::Unlock));
        assert!(nothing.done().warnings[0].contains("has no password"));

        let password = |password, expire| Operation::Password { user: "bob".into(), password, expire };
        let plain = done(host, password(NewPassword::Plain(Secret::new("pass:word \"quoted\"".into())), false));
        assert!(line(host, "/etc/shadow", "bob").unwrap().starts_with("bob:$"));
        undone(host, plain.prior);
        assert_eq!(line(host, "/etc/shadow", "bob").unwrap(), before);

        let hash = password(NewPassword::Hash(Secret::new(HASH.into())), true);
        assert!(done(host, hash.clone()).satisfied_after);
        assert!(done(host, hash).satisfied_before);
        assert!(line(host, "/etc/shadow", "bob").unwrap().starts_with(&format!("bob:{HASH}:0:")));
        done(host, lock(PasswordLock::Lock));
        assert!(line(host, "/etc/shadow", "bob").unwrap().starts_with("bob:!$"));
        done(host, lock(PasswordLock::Unlock));
        assert!(line(host, "/etc/shadow", "bob").unwrap().starts_with("bob:$"));
        let random = done(host, password(NewPassword::Random, false));
        assert!(line(host, "/etc/shadow", "bob").is_some_and(|line| !line.contains(HASH)));
        assert!(random.said.is_empty() && !host.files().exists("/var/tmp/operations.out"), "shown on the console only");

        let nobody = Operation::Password { user: "eve".into(), password: NewPassword::Random, expire: false };
        assert_eq!(run(host, &[nobody]).pop().unwrap().failed().kind, Kind::NotFound);
        let two_lines = password(NewPassword::Plain(Secret::new("x\nroot:y".into())), false);
        assert_eq!(run(host, &[two_lines]).pop().unwrap().failed().kind, Kind::Input);
    });
}

#[test]
fn keys_are_authorized_where_sshd_looks_and_planted_links_are_refused() {
    each_release(|host| {
        done(host, Operation::User(CreateUser { name: "bob".into(), create_home: true, ..CreateUser::default() }));
        let keys_of = |user: &str, keys: &[&str]| Operation::AuthorizedKeys {
            user: user.into(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            options: None,
        };
        let keys = |keys: &[&str]| keys_of("bob", keys);
        let first = done(host, keys(&[KEY]));
        assert!(first.satisfied_after);
        assert_eq!(host.files().read("/home/bob/.ssh/authorized_keys"), format!("{KEY}\n"));
        assert_eq!(
            (stat(host, "/home/bob/.ssh").as_str(), stat(host, "/home/bob/.ssh/authorized_keys").as_str()),
            ("700 bob:bob", "600 bob:bob")
        );
        assert_eq!(done(host, keys(&[KEY, "ssh-rsa broken"])).done().warnings.len(), 1);
        undone(host, first.prior);
        assert!(!host.files().exists("/home/bob/.ssh"));

        // The home of an account of the system's is often not there: it is root's, and what is in it the user's.
        let of_www = |keys: &[&str]| keys_of("www-data", keys);
        assert!(!host.files().exists("/var/www") && done(host, of_www(&[])).satisfied_before && !host.files().exists("/var/www"));
        let made = done(host, of_www(&[KEY]));
        assert!(made.satisfied_after);
        assert_eq!(
            ["/var/www", "/var/www/.ssh", "/var/www/.ssh/authorized_keys"].map(|path| stat(host, path)),
            ["755 root:root", "700 www-data:www-data", "600 www-data:www-data"]
        );
        undone(host, made.prior);
        assert!(!host.files().exists("/var/www"));

        host.files().write("/etc/victim", "secret", 0o600);
        host.chroot(&["su", "bob", "-c", "mkdir -p ~/.ssh && ln -s /etc/victim ~/.ssh/authorized_keys"]).expect_ok();
        assert_eq!(run(host, &[keys(&[KEY])]).pop().unwrap().failed().kind, Kind::Permission);
        host.chroot(&["su", "bob", "-c", "rm -r ~/.ssh && ln -s /etc ~/.ssh"]).expect_ok();
        assert_eq!(run(host, &[keys(&[KEY])]).pop().unwrap().failed().kind, Kind::Permission);
        assert_eq!((host.files().read("/etc/victim").as_str(), host.files().exists("/etc/authorized_keys")), ("secret", false));

        host.files().write("/etc/ssh/sshd_config.d/keys.conf", "AuthorizedKeysFile /etc/ssh/keys/%u\n", 0o644);
        done(host, keys(&[KEY]));
        assert_eq!((stat(host, "/etc/ssh/keys").as_str(), stat(host, "/etc/ssh/keys/bob").as_str()), ("755 root:root", "600 bob:bob"));
    });
}

#[test]
fn host_keys_are_made_and_half_of_one_is_made_anew() {
    each_release(|host| {
        let make = || Operation::SshHostKey { kind: "ed25519".into() };
        let made = done(host, make());
        assert!(made.satisfied_after && !made.satisfied_before);
        let public = host.files().read("/etc/ssh/ssh_host_ed25519_key.pub");
        host.files().write("/etc/ssh/ssh_host_ed25519_key.pub", "", 0o644);
        done(host, make());
        let words = |text: &str| text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&host.files().read("/etc/ssh/ssh_host_ed25519_key.pub")), words(&public), "the same key");
        host.files().write("/etc/ssh/ssh_host_ed25519_key", "", 0o600);
        assert!(done(host, make()).satisfied_after);
        assert_ne!(words(&host.files().read("/etc/ssh/ssh_host_ed25519_key.pub")), words(&public), "another key");
        assert_eq!(stat(host, "/etc/ssh/ssh_host_ed25519_key"), "600 root:root");
        assert!(done(host, Operation::ShowHostKeys { without_fingerprints: vec![], without_keys: vec![] })
            .done()
            .detail
            .as_deref()
            .unwrap()
            .contains("SHA256:"));
        undone(host, made.prior);
        assert!(!host.files().exists("/etc/ssh/ssh_host_ed25519_key") && !host.files().exists("/etc/ssh/ssh_host_ed25519_key.pub"));
    });
}

#[test]
fn what_was_recorded_survives_its_json() {
    let prior = Prior::NewUser { name: "bob".into(), home_existed: true, home: Some("/home/bob".into()) };
    let text = serde_json::to_string(&prior).unwrap();
    assert_eq!(serde_json::from_str::<Prior>(&text).unwrap(), prior);
}

/// Homes may be elsewhere by default; whose it was before is not ours to take away.
#[test]
fn undoing_an_account_leaves_a_home_that_was_there_before_wherever_homes_are() {
    each_release(|host| {
        host.files().write("/etc/default/useradd", "SHELL=/bin/sh\nHOME=/srv/homes\n", 0o644);
        let user = |name: &str, uid| Operation::User(CreateUser { name: name.into(), uid, create_home: true, ..CreateUser::default() });
        let made = done(host, user("ann", None));
        assert!(line(host, "/etc/passwd", "ann").unwrap().contains(":/srv/homes/ann:"));
        host.files().write("/srv/homes/bob/letters", "old\n", 0o600);
        host.chroot(&["chown", "-R", "5000:5000", "/srv/homes/bob"]).expect_ok();
        let kept = done(host, user("bob", Some(5000)));
        undone(host, made.prior);
        undone(host, kept.prior);
        assert!(line(host, "/etc/passwd", "ann").is_none() && line(host, "/etc/passwd", "bob").is_none());
        assert!(!host.files().exists("/srv/homes/ann"));
        assert_eq!(host.files().read("/srv/homes/bob/letters"), "old\n");
    });
}
