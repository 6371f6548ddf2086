//! Every operation that can be undone, undone: the host is as before it, however often the undoing is begun.

use landfall::plan::operation::{content, Checksum, CreateUser, Edit, NewPassword, Operation, Owner, PasswordLock, WriteFile};
use landfall::plan::storage::{Fstab, MountFields};
use landfall::plan::Undo;
use landfall::secret::Secret;

use crate::driver::{done, undone};
use crate::lab::{differences, Disk, Host, Lab, Release};

/// What there is before.
const BEFORE: &str = "set -e
mkdir -p /srv/there
echo old >/srv/old; chmod 640 /srv/old; chown games:games /srv/old
printf '[main]\nkey = 1\n' >/srv/ini
ln -s /srv/old /srv/link
useradd -m -s /bin/sh ann; echo ann:secret | chpasswd
mkdir -m 700 /home/ann/.ssh; echo 'ssh-ed25519 AAAA ann@old' >/home/ann/.ssh/authorized_keys; chown -R ann:ann /home/ann/.ssh
groupadd crew
echo 'UUID=1 /old ext4 defaults 0 2' >>/etc/fstab";

/// Everything that an operation of the table can touch. Tools keep the last version of a database beside it.
const STATE: &str = "find /etc /srv /home /root -xdev ! -name '*-' ! -name .pwd.lock -printf '%p %y %m %u:%g %l\n' | sort
find /etc /srv /home /root -xdev -type f ! -name '*-' ! -name .pwd.lock -exec sha256sum {} + | sort";

fn state(host: &Host) -> String {
    host.chroot(&["sh", "-c", STATE]).expect_ok()
}

fn file(path: &str, text: &str) -> WriteFile {
    let owner = Some(Owner { user: Some("ann".into()), group: Some("crew".into()) });
    WriteFile { path: path.into(), content: content(text), mode: Some(0o604), owner, own_parents: false }
}

fn table() -> Vec<Operation> {
    let own = |name: &str| CreateUser { name: name.into(), create_home: true, groups: vec!["crew".into()], ..CreateUser::default() };
    let download = |path: &str, append| Operation::Download {
        url: "file:///srv/ini".into(),
        headers: Default::default(),
        file: WriteFile { content: Secret::default(), ..file(path, "") },
        append,
        checksum: None::<Checksum>,
    };
    let line = Edit::EnsureLine { line: "key = 2".into(), unless: Vec::new() };
    let edit = |path: &str| Operation::EditFile { path: path.into(), change: line.clone(), mode: 0o600, force_mode: true };
    let fields = MountFields(["/dev/vdz", "/data", "ext4", "defaults,nofail", "0", "2"].map(str::to_owned));
    vec![
        Operation::WriteFile(file("/srv/new/deep/file", "new")),
        Operation::WriteFile(file("/srv/old", "new")),
        Operation::WriteFile(file("/srv/link", "new")),
        Operation::AppendFile(file("/srv/old", "more")),
        Operation::AppendFile(file("/srv/fresh", "more")),
        download("/srv/got/it", false),
        download("/srv/old", true),
        edit("/srv/ini"),
        edit("/srv/made.ini"),
        Operation::CopyFile { from: "/srv/ini".into(), to: "/srv/old".into() },
        Operation::RemoveFiles { paths: vec!["/srv/old".into(), "/srv/link".into(), "/srv/none".into()] },
        Operation::Directory { path: "/srv/a/b".into(), mode: 0o711, owner: None, keep: false },
        Operation::Directory { path: "/srv/there".into(), mode: 0o711, owner: None, keep: false },
        Operation::Symlink { path: "/srv/link".into(), target: "/srv/ini".into() },
        Operation::Symlink { path: "/srv/other".into(), target: "/srv/ini".into() },
        Operation::Group { name: "ops".into(), system: false },
        Operation::GroupMembers { group: "crew".into(), users: vec!["ann".into()] },
        Operation::User(own("bob")),
        Operation::Password { user: "ann".into(), password: NewPassword::Plain(Secret::new("pw".into())), expire: true },
        Operation::PasswordLock { user: "ann".into(), lock: PasswordLock::Lock },
        Operation::AuthorizedKeys { user: "ann".into(), keys: vec!["ssh-ed25519 BBBB ann@new".into()], options: None },
        Operation::AuthorizedKeys { user: "root".into(), keys: vec!["ssh-ed25519 BBBB ann@new".into()], options: None },
        Operation::SshHostKey { kind: "ed25519".into() },
        Operation::Fstab(Fstab { entries: vec![fields], if_there: Vec::new(), adds: true, aliases: Default::default(), swap_file: None }),
    ]
}

/// Where the undoing of an operation is seen. A new one has to say.
fn seen_in(operation: &Operation) -> &'static str {
    match operation {
        Operation::WriteFile(_)
        | Operation::AppendFile(_)
        | Operation::Download { .. }
        | Operation::EditFile { .. }
        | Operation::CopyFile { .. }
        | Operation::RemoveFiles { .. }
        | Operation::Directory { .. }
        | Operation::Symlink { .. }
        | Operation::Group { .. }
        | Operation::GroupMembers { .. }
        | Operation::User(_)
        | Operation::Password { .. }
        | Operation::PasswordLock { .. }
        | Operation::AuthorizedKeys { .. }
        | Operation::SshHostKey { .. }
        | Operation::Fstab(_) => "here",
        Operation::Hostname { .. } | Operation::AptKey { .. } | Operation::ConfigureNetwork(_) => {
            "as files are: here; the hostname: tests/rollback.rs"
        }
        Operation::AptUpgrade | Operation::InstallPackages { .. } => "tests/rollback.rs: a_whole_run_is_undone_to_what_was_there_before",
        Operation::SwapFile { .. } => "storage.rs: a_swap_file_is_made_kept_and_taken_away_and_a_file_of_somebody_elses_stays",
        Operation::Unit { .. } | Operation::Service(_) => {
            "services.rs: what_was_stopped_and_disabled_runs_and_is_enabled_again_when_that_is_undone"
        }
        Operation::ShowHostKeys { .. }
        | Operation::ShowAuthorizedKeys { .. }
        | Operation::Debconf { .. }
        | Operation::AptUpdate
        | Operation::Command(_)
        | Operation::ScriptItem(_)
        | Operation::RunFile { .. }
        | Operation::PartHandlers(_)
        | Operation::RunDirectory { .. }
        | Operation::GrowPartition { .. }
        | Operation::GrowFilesystem
        | Operation::PartitionDisk(_)
        | Operation::MakeFilesystem(_)
        | Operation::MountFstab { .. }
        | Operation::RebootIfRequired
        | Operation::PhoneHome { .. }
        | Operation::Message { .. }
        | Operation::PowerState { .. } => "nowhere: there is none",
    }
}

#[test]
fn every_operation_that_can_be_undone_leaves_the_host_as_it_was() {
    let Some(lab) = Lab::require() else { return };
    let all = [Release::Trixie, Release::Bookworm];
    for release in all.into_iter().take(if std::env::var_os("LANDFALL_LONG").is_some() { 2 } else { 1 }) {
        let host = lab.host(release, Disk::Directory);
        host.chroot(&["sh", "-c", BEFORE]).expect_ok();
        let before = state(&host);
        for operation in table() {
            assert!(matches!(operation.undo(), Undo::Restored(_)) && seen_in(&operation) == "here", "{operation:?}");
            let what = operation.describe();
            let first = done(&host, operation.clone());
            assert_ne!(state(&host), before, "{what} changes nothing");
            undone(&host, first.prior.clone());
            assert_eq!(differences(&before, &state(&host)), "", "{what}");
            // A power cut may have it begun again, or before anything was done.
            undone(&host, first.prior);
            assert_eq!(differences(&before, &state(&host)), "", "{what}, undone twice");
            let second = done(&host, operation);
            undone(&host, second.prior);
            assert_eq!(differences(&before, &state(&host)), "", "{what}, done and undone again");
        }
    }
}
