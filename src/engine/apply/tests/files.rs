use super::*;
use crate::plan::operation::{content, Edit, Owner, WriteFile};

fn file(path: &str, text: &str) -> WriteFile {
    WriteFile { path: path.into(), content: content(text), mode: Some(0o640), owner: None, own_parents: false }
}

#[test]
fn a_file_is_written_with_its_parents_and_put_back() {
    let root = Root::new();
    root.put("/srv/old", "before");
    let operation = Operation::WriteFile(file("/srv/old", "after"));
    let before = root.done(&operation);
    root.satisfied(&operation);
    assert_eq!((root.text("/srv/old").as_str(), root.mode("/srv/old")), ("after", 0o640));
    undo(&before, None, &root.context()).expect("undo");
    assert_eq!(root.text("/srv/old"), "before");

    let new = Operation::WriteFile(file("/a/b/c", "x"));
    let before = root.done(&new);
    assert_eq!(root.mode("/a/b"), 0o755);
    assert!(matches!(&before, Prior::Files { new_directories, .. } if new_directories == &["/a", "/a/b"]));
    undo(&before, None, &root.context()).expect("undo");
    undo(&before, None, &root.context()).expect("undo again");
    assert!(!root.host.exists("/a"));
}

#[test]
fn mode_and_owner_are_kept_unless_given() {
    let root = Root::new();
    let setuid = WriteFile { mode: Some(0o4755), owner: Some(Owner { user: Some("bob".into()), group: None }), ..file("/x", "1") };
    root.done(&Operation::WriteFile(setuid));
    assert_eq!(root.mode("/x"), 0o4755);
    root.done(&Operation::WriteFile(WriteFile { mode: None, ..file("/x", "2") }));
    assert_eq!(root.mode("/x"), 0o4755);
    let changed = Operation::WriteFile(WriteFile { mode: Some(0o600), ..file("/x", "2") });
    root.done(&changed);
    assert_eq!(root.mode("/x"), 0o600);
}

#[test]
fn what_cannot_be_written_is_refused_with_its_reason() {
    let root = Root::new();
    let eve = WriteFile { owner: Some(Owner { user: Some("eve".into()), group: None }), ..file("/x", "1") };
    let failure = root.refused(&Operation::WriteFile(eve));
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(failure.message.contains("the user eve does not exist"), "{failure}");
    assert!(!root.host.exists("/x"));

    std::fs::create_dir(root.dir.path().join("dir")).expect("dir");
    let failure = root.refused(&Operation::WriteFile(file("/dir", "1")));
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Config, "/dir is a directory; a file is wanted there"));
    nix::unistd::mkfifo(&root.dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("pipe");
    assert_eq!(root.refused(&Operation::WriteFile(file("/pipe", "1"))).kind, Kind::Config);
    assert_eq!(root.refused(&Operation::WriteFile(file("/etc/passwd/x", "1"))).kind, Kind::NotFound);
}

#[test]
fn an_interrupted_append_adds_once() {
    let root = Root::new();
    let operation = Operation::AppendFile(file("/log", "new\n"));
    for (at_restart, expected) in [
        ("old\n", "old\nnew\n"),
        ("old\nnew\n", "old\nnew\n"),
        ("old\nnew\nother\n", "old\nnew\nother\n"),
        ("old\nother\n", "old\nother\nnew\n"),
        ("changed\nnew\n", "changed\nnew\n"),
    ] {
        root.put("/log", "old\n");
        let before = prior(&operation, &root.context()).expect("prior");
        root.put("/log", at_restart);
        apply_again(&operation, &before, &root.context()).expect("again");
        verify(&operation, &root.context()).expect("verify");
        assert_eq!((root.text("/log").as_str(), root.mode("/log")), (expected, 0o640));
    }
    root.put("/log", "new\n");
    apply(&operation, &root.context()).expect("apply");
    assert_eq!(root.text("/log"), "new\nnew\n", "an addition that was there before is not ours");
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let root = Root::new();
    root.put("/etc/hosts", "127.0.0.1 localhost\n");
    let change = Edit::HostsEntry { address: "127.0.1.1".into(), names: vec!["a.b".into(), "a".into()] };
    let operation = Operation::EditFile { path: "/etc/hosts".into(), change, mode: 0o644, force_mode: false };
    let before = root.done(&operation);
    root.satisfied(&operation);
    undo(&before, None, &root.context()).expect("undo");
    assert_eq!(root.text("/etc/hosts"), "127.0.0.1 localhost\n");

    let line = Edit::EnsureLine { line: "x".into(), unless: vec![] };
    let new = |force_mode| Operation::EditFile { path: "/etc/new".into(), change: line.clone(), mode: 0o440, force_mode };
    root.done(&new(false));
    assert_eq!(root.mode("/etc/new"), 0o440);
    nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        &root.dir.path().join("etc/new"),
        nix::sys::stat::Mode::S_IRUSR,
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    )
    .expect("chmod");
    root.satisfied(&new(false));
    root.done(&new(true));
    assert_eq!(root.mode("/etc/new"), 0o440);
    std::fs::write(root.dir.path().join("etc/hosts"), b"\xff\n").expect("write");
    assert_eq!(root.refused(&operation).kind, Kind::Config);
}

#[test]
fn files_are_removed_by_pattern_and_put_back() {
    let root = Root::new();
    for name in ["a_key", "a_key.pub", "keep"] {
        root.put(&format!("/etc/ssh/{name}"), name);
    }
    let operation = Operation::RemoveFiles { paths: vec!["/etc/ssh/*_key*".into(), "/none".into()] };
    let before = root.done(&operation);
    root.satisfied(&operation);
    assert_eq!(root.host.list("/etc/ssh").expect("list"), ["keep"]);
    undo(&before, None, &root.context()).expect("undo");
    assert_eq!(root.host.list("/etc/ssh").expect("list"), ["a_key", "a_key.pub", "keep"]);
    assert_eq!(root.refused(&Operation::RemoveFiles { paths: vec!["/etc/ssh".into()] }).kind, Kind::Config);
}

#[test]
fn directories_and_links_are_made_and_put_back() {
    let root = Root::new();
    let operation = Operation::Directory { path: "/etc/sudoers.d".into(), mode: 0o750, owner: None, keep: false };
    let before = root.done(&operation);
    root.satisfied(&operation);
    let narrower = Operation::Directory { path: "/etc/sudoers.d".into(), mode: 0o700, owner: None, keep: false };
    let narrow = root.done(&narrower);
    undo(&narrow, None, &root.context()).expect("undo");
    assert_eq!(root.mode("/etc/sudoers.d"), 0o750);
    undo(&before, None, &root.context()).expect("undo");
    assert!(!root.host.exists("/etc/sudoers.d"));

    root.put("/etc/localtime", "zone");
    let link = Operation::Symlink { path: "/etc/localtime".into(), target: "/usr/share/zoneinfo/UTC".into() };
    let before = root.done(&link);
    root.satisfied(&link);
    undo(&before, None, &root.context()).expect("undo");
    assert_eq!(root.text("/etc/localtime"), "zone");
    assert_eq!(root.refused(&Operation::Symlink { path: "/etc".into(), target: "x".into() }).kind, Kind::Config);
}

#[test]
fn a_copy_is_kept_with_mode_and_owner_and_one_of_nothing_is_none() {
    let root = Root::new();
    let operation = Operation::CopyFile { from: "/etc/ntp.conf".into(), to: "/etc/ntp.conf.dist".into() };
    root.satisfied(&operation);
    root.done(&Operation::WriteFile(file("/etc/ntp.conf", "old\n")));
    root.put("/etc/ntp.conf.dist", "older\n");
    let before = root.done(&operation);
    assert_eq!((root.text("/etc/ntp.conf.dist").as_str(), root.mode("/etc/ntp.conf.dist")), ("old\n", 0o640));
    root.satisfied(&operation);
    undo(&before, None, &root.context()).expect("undo");
    assert_eq!(root.text("/etc/ntp.conf.dist"), "older\n");
    let directory = Operation::CopyFile { from: "/etc".into(), to: "/x".into() };
    assert_eq!(root.refused(&directory).kind, Kind::Config);
}
