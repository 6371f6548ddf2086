//! What is looked at before a plan changes anything, and before packages and downloads.

use super::*;
use crate::plan::{ResourceCheck, Resources};

fn write(path: &Path) -> Operation {
    let path = path.to_string_lossy().into_owned();
    Operation::WriteFile(WriteFile { path, content: content("x"), mode: Some(0o600), owner: None, own_parents: false })
}

fn demanding(steps: Vec<Step>, check: ResourceCheck) -> Plan {
    Plan { resources: Resources { min_disk: Some(u64::MAX / 2), min_memory: None, check }, ..plan(steps) }
}

#[test]
fn a_run_that_cannot_have_its_room_is_not_begun_and_is_done_when_it_can() {
    let dir = tempfile::tempdir().expect("dir");
    let steps = || vec![step("write_files/a", write(&dir.path().join("a"))), step("write_files/b", write(&dir.path().join("b")))];
    let (end, summary) = run(dir.path(), &demanding(steps(), ResourceCheck::Stop), "boot-1");
    assert_eq!((end, summary.state), (RunEnd::Settled, State::Failed));
    assert_eq!(results(&summary), [StepResult::Failed, StepResult::Skipped]);
    let failure = summary.steps[0].failure.as_ref().expect("a failure");
    assert_eq!(failure.kind, Kind::Disk);
    assert!(failure.message.contains(" free, ") && failure.next_action().contains("landfall resume"), "{failure:?}");
    assert!(!dir.path().join("a").exists() && !dir.path().join("b").exists(), "nothing is changed");
    let (_, again) = run(dir.path(), &demanding(steps(), ResourceCheck::Stop), "boot-2");
    assert_eq!((again.state, again.errors.len()), (State::Failed, 1), "looked at again by the next boot");
    let (_, later) = run(dir.path(), &plan(steps()), "boot-3");
    assert_eq!(results(&later), [StepResult::Done, StepResult::Done]);
    assert!(dir.path().join("a").exists() && dir.path().join("b").exists());
}

#[test]
fn a_run_that_is_only_warned_goes_on_and_tells() {
    let dir = tempfile::tempdir().expect("dir");
    let plan = demanding(vec![step("write_files/a", write(&dir.path().join("a")))], ResourceCheck::Warn);
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!(summary.state, State::Done);
    assert!(summary.told.iter().any(|told| told.weight.is_none() && told.message.starts_with("preflight: disk ")), "{:?}", summary.told);
    let other = tempfile::tempdir().expect("dir");
    let plan = demanding(vec![step("write_files/a", write(&other.path().join("a")))], ResourceCheck::Off);
    let (_, summary) = run(other.path(), &plan, "boot-1");
    assert_eq!((summary.state, summary.told.len()), (State::Done, 0));
}

#[test]
fn nobody_looks_ahead_once_something_was_changed() {
    let dir = tempfile::tempdir().expect("dir");
    let first = step("write_files/a", write(&dir.path().join("a")));
    run(dir.path(), &plan(vec![first.clone()]), "boot-1");
    let second = step("write_files/b", write(&dir.path().join("b")));
    let (_, summary) = run(dir.path(), &demanding(vec![first, second], ResourceCheck::Stop), "boot-2");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Done], "a file is no package: its own step says if it fails");
}

#[test]
fn a_download_is_not_begun_on_a_disk_that_is_nearly_full() {
    let dir = tempfile::tempdir().expect("dir");
    let first = step("write_files/a", write(&dir.path().join("a")));
    run(dir.path(), &plan(vec![first.clone()]), "boot-1");
    let path = dir.path().join("fetched").to_string_lossy().into_owned();
    let file = WriteFile { path, content: content(""), mode: None, owner: None, own_parents: false };
    let source =
        Operation::Download { url: "file:///etc/hostname".into(), headers: Default::default(), file, append: false, checksum: None };
    let (_, summary) = run(dir.path(), &demanding(vec![first, step("write_files/f", source)], ResourceCheck::Stop), "boot-2");
    let failure = summary.steps[1].failure.as_ref().expect("a failure");
    assert_eq!((failure.kind, summary.steps[1].attempts), (Kind::Disk, 0));
    assert!(failure.message.contains("`resources.min_disk`") && !dir.path().join("fetched").exists(), "{failure:?}");
}
