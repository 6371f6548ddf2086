//! Undoing: what is put back, what is left alone, and going on after a cut.

use std::path::Path;

use super::*;
use crate::engine::extent::{choose, Extent};

const EVERYTHING: Extent = Extent::All;

fn write(dir: &Path, id: &str, name: &str, text: &str) -> Step {
    let path = dir.join(name).to_string_lossy().into_owned();
    step(id, Operation::WriteFile(WriteFile { path, content: content(text), mode: Some(0o600), owner: None, own_parents: false }))
}

/// Undoes what `extent` says; what was said meanwhile.
fn undo(dir: &Path, plan: &Plan, extent: &Extent, force: bool) -> Vec<String> {
    let choice = choose(plan, &ledger(dir), extent, false);
    assert_eq!(choice.needed, [], "nothing that stays rests on them");
    let host = Host::default();
    let heard = Heard::default();
    let ids = RunIds { run: "run-undo".into(), boot: "boot-1".into() };
    let mut engine = Engine::new(&host, plan, ledger(dir), places(dir), ids, &heard);
    engine.roll_back(choice.steps, force).expect("journal works");
    heard.0.into_inner()
}

fn state(dir: &Path, plan: &Plan) -> State {
    let at = Circumstances {
        mode: "test",
        run: "r",
        boot: "b",
        running: false,
        rebooting: false,
        stage: None,
        expected: Stage::Final,
        uptime: 0.0,
        now: 0.0,
    };
    Summary::of(plan, &ledger(dir), &at).state
}

fn text(dir: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(dir.join(name)).ok()
}

fn names(heard: &[String]) -> Vec<&str> {
    heard.iter().filter_map(|line| line.split('/').next_back()?.split(' ').next()).collect()
}

#[test]
fn everything_is_put_back_last_first_and_no_later_boot_does_it_again() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    std::fs::write(dir.join("one"), "mine").expect("write");
    let plan = plan(vec![write(dir, "a/1", "one", "first"), write(dir, "a/2", "one", "second"), write(dir, "b/1", "new/two", "x")]);
    run(dir, &plan, "boot-1");
    assert_eq!((text(dir, "one").as_deref(), text(dir, "new/two").as_deref()), (Some("second"), Some("x")));

    let heard = undo(dir, &plan, &EVERYTHING, false);
    assert_eq!(names(&heard), ["two", "one", "one"], "{heard:?}");
    assert_eq!(text(dir, "one").as_deref(), Some("mine"));
    assert!(!dir.join("new").exists(), "nor is the directory left that was made for it");
    assert_eq!(state(dir, &plan), State::RolledBack);

    let (end, summary) = run(dir, &plan, "boot-2");
    assert_eq!((end, summary.state), (RunEnd::Settled, State::RolledBack));
    assert_eq!(text(dir, "one").as_deref(), Some("mine"));
    assert_eq!(undo(dir, &plan, &EVERYTHING, false), [""; 0], "nothing is left to be undone");

    rerun(dir, &plan, &["a/1", "a/2", "b/1"]);
    assert_eq!((text(dir, "one").as_deref(), state(dir, &plan)), (Some("second"), State::Done), "a person may have it done again");
}

#[test]
fn a_step_that_was_run_twice_goes_back_to_what_was_before_the_first_time() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let plan = plan(vec![write(dir, "a/1", "one", "new")]);
    std::fs::write(dir.join("one"), "mine").expect("write");
    run(dir, &plan, "boot-1");
    std::fs::write(dir.join("one"), "drifted").expect("write");
    rerun(dir, &plan, &["a/1"]);
    undo(dir, &plan, &EVERYTHING, false);
    assert_eq!(text(dir, "one").as_deref(), Some("mine"));
}

#[test]
fn what_somebody_has_changed_since_is_theirs_unless_forced_and_then_a_copy_is_kept() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let plan = plan(vec![write(dir, "a/1", "one", "new"), write(dir, "b/1", "two", "new")]);
    run(dir, &plan, "boot-1");
    std::fs::write(dir.join("one"), "edited").expect("write");

    let heard = undo(dir, &plan, &EVERYTHING, false).join("\n");
    assert!(heard.contains("one has been changed since by somebody else; look at it"), "{heard}");
    assert_eq!((text(dir, "one").as_deref(), text(dir, "two")), (Some("edited"), None));
    assert_eq!(ledger(dir).changes(&plan.steps[0]).len(), 1, "it may be asked for again");

    let heard = undo(dir, &plan, &EVERYTHING, true).join("\n");
    assert_eq!(text(dir, "one"), None);
    let kept = heard.lines().find_map(|line| line.split_once("is kept as ")).expect("a copy").1;
    assert_eq!(std::fs::read_to_string(kept).expect("the copy"), "edited");
}

#[test]
fn a_step_that_a_later_one_rests_on_is_not_undone_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let mut needing = write(dir, "c/1", "three", "x");
    needing.needs = vec!["a/1".into()];
    let plan = plan(vec![write(dir, "a/1", "one", "1"), write(dir, "b/1", "one", "2"), needing, write(dir, "d/1", "four", "x")]);
    run(dir, &plan, "boot-1");
    let first = Extent::Step("a/1".into());
    let alone = choose(&plan, &ledger(dir), &first, false);
    assert_eq!(alone.needed, [("a/1".to_owned(), "b/1".to_owned()), ("a/1".to_owned(), "c/1".to_owned())]);
    assert_eq!(choose(&plan, &ledger(dir), &first, true).steps, ["c/1", "b/1", "a/1"]);
    assert_eq!(choose(&plan, &ledger(dir), &Extent::Phase("d".into()), false).steps, ["d/1"]);
}

#[test]
fn a_script_is_left_as_it_is_and_what_was_still_to_come_does_not_come() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let mark = dir.join("ran").to_string_lossy().into_owned();
    let mut steps = script(&[&format!("echo one >>{mark}"), "kill -9 $$"]);
    steps[1].on_error = OnError::Stop;
    steps.push(write(dir, "z/1", "last", "x"));
    let plan = plan(steps);
    run(dir, &plan, "boot-1");
    let heard = undo(dir, &plan, &EVERYTHING, false).join("\n");
    assert!(heard.contains("a script's effects are not known"), "{heard}");
    run(dir, &plan, "boot-2");
    assert_eq!((text(dir, "ran").as_deref(), text(dir, "last")), (Some("one\n"), None));
}

#[test]
fn a_failed_step_has_its_phase_undone_and_the_run_has_failed() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let bad = Operation::Command(crate::plan::operation::Command { argv: vec!["false".into()], ..Default::default() });
    let plan = plan(vec![
        write(dir, "first/1", "kept", "x"),
        write(dir, "site/1", "gone", "x"),
        Step { on_error: OnError::Rollback, phase: "site".into(), ..step("site/2", bad) },
        write(dir, "later/1", "never", "x"),
    ]);
    let (end, summary) = run(dir, &plan, "boot-1");
    assert_eq!((end, summary.state), (RunEnd::Halted, State::Failed));
    let results: Vec<StepResult> = summary.steps.iter().map(|step| step.result).collect();
    assert_eq!(results, [StepResult::Done, StepResult::Undone, StepResult::Failed, StepResult::Pending]);
    assert_eq!((text(dir, "kept").as_deref(), text(dir, "gone"), text(dir, "never")), (Some("x"), None, None));
    let (end, summary) = run(dir, &plan, "boot-2");
    assert_eq!((end, summary.state), (RunEnd::Halted, State::Failed), "a command that failed fails again: nothing is tried");
    assert_eq!(text(dir, "gone"), None);
}

#[test]
fn a_phase_that_was_undone_for_a_failure_that_may_pass_is_done_by_a_later_boot() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let port = closed.local_addr().expect("address").port();
    drop(closed);
    let file = WriteFile {
        path: dir.join("got").to_string_lossy().into(),
        mode: Some(0o600),
        ..WriteFile { path: String::new(), content: content(""), mode: None, owner: None, own_parents: false }
    };
    let fetch =
        Operation::Download { url: format!("http://127.0.0.1:{port}/x"), headers: Default::default(), file, append: false, checksum: None };
    let limits = Limits { attempts: Some(1), ..Limits::default() };
    let fetch = Step { on_error: OnError::Rollback, phase: "site".into(), limits, ..step("site/2", fetch) };
    let plan = plan(vec![write(dir, "site/1", "before", "x"), fetch]);
    let (end, _) = run(dir, &plan, "boot-1");
    assert_eq!((end, text(dir, "before")), (RunEnd::Halted, None));

    let server = std::net::TcpListener::bind(("127.0.0.1", port)).expect("port");
    let answer = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut client, _) = server.accept().expect("client");
        let _ = client.read(&mut [0; 4096]);
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").expect("answer");
    });
    let (end, summary) = run(dir, &plan, "boot-2");
    answer.join().expect("server");
    assert_eq!((end, summary.state), (RunEnd::Settled, State::Done));
    assert_eq!((text(dir, "before").as_deref(), text(dir, "got").as_deref()), (Some("x"), Some("ok")));
}

#[test]
fn a_rollback_that_was_cut_off_is_gone_on_with_by_the_next_boot() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path();
    let plan = plan(vec![write(dir, "a/1", "one", "x"), write(dir, "a/2", "two", "x"), write(dir, "a/3", "three", "x")]);
    run(dir, &plan, "boot-1");
    // As the journal is after a cut: the last step is undone and recorded, the one before undone and not recorded.
    let whole = std::fs::read(dir.join("journal")).expect("journal");
    undo(dir, &plan, &EVERYTHING, false);
    let undone = std::fs::read(dir.join("journal")).expect("journal");
    let records = undone[whole.len()..].split_inclusive(|byte| *byte == b'\n');
    let kept: usize = records.take(3).map(<[u8]>::len).sum();
    std::fs::write(dir.join("journal"), &undone[..whole.len() + kept]).expect("cut");
    std::fs::write(dir.join("one"), "x").expect("not undone yet");
    assert_eq!(ledger(dir).rollback().expect("open").steps, ["a/2", "a/1"]);
    assert_eq!(state(dir, &plan), State::Interrupted);

    let (end, summary) = run(dir, &plan, "boot-2");
    assert_eq!((end, summary.state), (RunEnd::Settled, State::RolledBack));
    assert_eq!((text(dir, "one"), text(dir, "two"), text(dir, "three")), (None, None, None));
    assert!(ledger(dir).rollback().is_none());
}
