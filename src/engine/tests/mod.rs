//! The engine on this machine's own `/bin/sh`, with everything it writes in a temporary directory.

mod downloads;
mod look_ahead;
mod phases;
mod rollback;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use super::journal::{Event, Journal, Outcome, Verdict};
use super::ledger::Ledger;
use super::summary::{Circumstances, State, StepResult, Summary};
use super::{Engine, Places, Progress, RunEnd, RunIds};
use crate::error::Kind;
use crate::host::append_log::AppendLog;
use crate::host::Host;
use crate::plan::operation::{content, OnInterrupt, Operation, ScriptItem, StopsMachine, WriteFile};
use crate::plan::{Frequency, Limits, OnError, Plan, Stage, Step, Weight, FORMAT};
use crate::secret::Secret;

#[derive(Default)]
struct Heard(RefCell<Vec<String>>);

impl Progress for Heard {
    fn started(&self, _step: &Step, _at: usize, _of: usize) {}
    fn ended(&self, _step: &Step, _outcome: &Outcome) {}
    fn say(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
    fn changed(&self, _ledger: &Ledger) {}
}

fn step(id: &str, operation: Operation) -> Step {
    Step {
        id: id.into(),
        phase: id.split('/').next().unwrap_or(id).into(),
        stage: Stage::Final,
        frequency: Frequency::Instance,
        operation,
        needs: Vec::new(),
        on_error: OnError::Continue,
        weight: Weight::Failed,
        on_interrupt: OnInterrupt::Rerun,
        limits: Limits::default(),
        origin: None,
        notices: Vec::new(),
        wiped: None,
        remembered: Default::default(),
    }
}

fn script(texts: &[&str]) -> Vec<Step> {
    let total = texts.len() as u32;
    let item = |at: usize, text: &str| ScriptItem {
        script: "runcmd".into(),
        script_digest: crate::plan::digest_of(&texts),
        first: at as u32 + 1,
        last: at as u32 + 1,
        total,
        text: Secret::new(text.into()),
        shown: text.into(),
        definition: crate::script::Script::read(text).is_definition(),
        stops_machine: text.starts_with("echo reboot").then_some(StopsMachine::Orderly),
        lost_on_resume: Vec::new(),
        env: std::collections::BTreeMap::new(),
    };
    let weight = |at: usize| if at + 1 == texts.len() { Weight::Failed } else { Weight::Degraded };
    texts
        .iter()
        .enumerate()
        .map(|(at, text)| Step { weight: weight(at), ..step(&format!("runcmd/{}", at + 1), Operation::ScriptItem(item(at, text))) })
        .collect()
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        format: FORMAT,
        version: "0".into(),
        instance: "i-1".into(),
        datasource: "test".into(),
        config_digest: String::new(),
        steps,
        phases: Vec::new(),
        breaker: Default::default(),
        apt_get: Default::default(),
        backups: Default::default(),
        resources: Default::default(),
        problems: Vec::new(),
        secrets: Vec::new(),
        notify: Vec::new(),
        wipe_user_data: false,
        waits_for: Vec::new(),
        network_events: Vec::new(),
    }
}

fn ledger(dir: &Path) -> Ledger {
    let open = |name: &str, durable| Journal::open(AppendLog::new(dir.join(name), durable)).expect("journal");
    Ledger::new(open("journal", true), open("once", true), open("boot", false), Stage::Final)
}

fn run(dir: &Path, plan: &Plan, boot: &str) -> (RunEnd, Summary) {
    run_with(dir, plan, boot, &[])
}

fn rerun(dir: &Path, plan: &Plan, steps: &[&str]) -> (RunEnd, Summary) {
    run_with(dir, plan, "boot-1", steps)
}

fn places(dir: &Path) -> Places {
    let dir_text = dir.to_string_lossy().into_owned();
    std::fs::create_dir_all(dir.join("output")).expect("dir");
    Places { instance: dir_text.clone(), boot: format!("{dir_text}/boot.d") }
}

/// By which a run's processes are known on the whole machine: no other test's.
fn run_id(dir: &Path, boot: &str) -> String {
    format!("run-{boot}{}", dir.display().to_string().replace('/', "-"))
}

fn run_with(dir: &Path, plan: &Plan, boot: &str, again: &[&str]) -> (RunEnd, Summary) {
    let host = Host::default();
    let ids = RunIds { run: run_id(dir, boot), boot: boot.into() };
    let heard = Heard::default();
    let mut engine = Engine::new(&host, plan, ledger(dir), places(dir), ids, &heard);
    let again: Vec<String> = again.iter().map(|step| (*step).to_owned()).collect();
    engine.again(&again).expect("journal works");
    let end = engine.run(Stage::Final).expect("journal works");
    let at = Circumstances {
        mode: "test",
        run: "r",
        boot,
        running: false,
        rebooting: end == RunEnd::Rebooting,
        stage: Some(Stage::Final),
        expected: Stage::Final,
        now: host.now(),
        uptime: host.uptime_seconds(),
    };
    let summary = Summary::of(plan, engine.ledger(), &at);
    (end, summary)
}

fn results(summary: &Summary) -> Vec<StepResult> {
    summary.steps.iter().map(|step| step.result).collect()
}

/// Cuts the journal right after the intent of `step`, as a power cut in the middle of it would.
fn cut_after_intent(dir: &Path, step: &str, stop: bool) {
    let text = std::fs::read_to_string(dir.join("journal")).expect("journal");
    let needle = format!("\"step\":\"{step}\"");
    let mut kept = String::new();
    for line in text.lines() {
        kept.push_str(line);
        kept.push('\n');
        if line.contains("\"record\":\"intent\"") && line.contains(&needle) {
            break;
        }
    }
    std::fs::write(dir.join("journal"), kept).expect("journal");
    if let Some(number) = step.strip_prefix("runcmd/").and_then(|number| number.parse::<u32>().ok()) {
        // Later items have not left the state of their shell yet.
        for entry in std::fs::read_dir(dir.join("shell")).expect("directory").flatten() {
            let last = entry.path().extension().and_then(|last| last.to_string_lossy().parse::<u32>().ok());
            if last.is_some_and(|last| last > number) {
                std::fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
    if stop {
        struct Stamp;
        impl super::journal::Stamp for Stamp {
            fn stamp(&self) -> (f64, f64, String, String) {
                (0.0, 0.0, "r".into(), "boot-1".into())
            }
        }
        let mut journal = Journal::open(AppendLog::new(dir.join("journal"), true)).expect("journal");
        let event = Event::StopRequest { step: Some(step.into()), reason: "SIGTERM".into() };
        journal.append(&Stamp, event, true).expect("append");
    }
}

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().expect("dir")
}

#[test]
fn each_item_runs_once_and_has_its_own_result() {
    let dir = tempdir();
    let count = dir.path().join("count");
    let texts = [
        format!("echo 1 >>{}", count.display()),
        "echo no >&2; exit_code() { return 3; }; exit_code".into(),
        format!("echo 3 >>{}", count.display()),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    let (end, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!((end, summary.state), (RunEnd::Settled, State::Degraded), "an earlier item that fails degrades");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Failed, StepResult::Done]);
    let failure = summary.steps[1].failure.clone().expect("failure");
    assert_eq!((failure.exit, failure.output.as_slice()), (Some(3), &["no".to_owned()][..]));
    let before = std::fs::read(dir.path().join("journal")).expect("journal");
    let (_, again) = run(dir.path(), &plan, "boot-2");
    assert_eq!(again.state, State::Degraded);
    assert_eq!(std::fs::read_to_string(&count).expect("count"), "1\n3\n", "nothing is repeated");
    assert_eq!(std::fs::read(dir.path().join("journal")).expect("journal"), before, "nothing is written");
}

#[test]
fn what_a_step_took_is_recorded_and_a_step_without_work_records_nothing() {
    let dir = tempdir();
    let mut steps = script(&["i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", ":"]);
    steps.push(step("noop", Operation::Directory { path: "/usr".into(), mode: 0o755, owner: None, keep: false }));
    let plan = plan(steps);
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    let usage = summary.steps[0].usage.expect("measured");
    assert!(usage.cpu_ms >= 10, "the shell is still open, and counted: {usage:?}");
    assert!(summary.steps[1].usage.is_some());
    assert!(summary.steps[0].ended.as_ref().is_some_and(|ended| ended.boot == "boot-1"));
    let stored = std::fs::read_to_string(dir.path().join("journal")).expect("journal");
    assert!(stored.contains("\"usage\":{\"cpu_ms\":"), "{stored}");
    assert_eq!((summary.steps[2].unchanged, summary.steps[2].usage), (true, None));
}

#[test]
fn a_failing_last_item_fails_the_run_and_exit_leaves_the_rest_not_run() {
    let dir = tempdir();
    let (_, summary) = run(dir.path(), &plan(script(&["true", "false"])), "boot-1");
    assert_eq!(summary.state, State::Failed);
    let dir = tempdir();
    let (_, summary) = run(dir.path(), &plan(script(&["true", "exit 0", "echo never"])), "boot-1");
    assert_eq!((summary.state, results(&summary)[2]), (State::Done, StepResult::NotRun));
    let dir = tempdir();
    let (_, summary) = run(dir.path(), &plan(script(&["set -e", "false", "echo never"])), "boot-1");
    assert_eq!(summary.state, State::Failed, "what ended the script counts as its last item");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Failed, StepResult::NotRun]);
}

#[test]
fn a_cut_item_is_run_again_with_the_state_before_it_and_finished_ones_are_not() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let texts = [
        "cd /usr; v='a b'; export v; umask 027".to_owned(),
        "f() { echo \"f $v\"; }".to_owned(),
        format!("echo third >>{}", out.display()),
        format!("{{ f; pwd; umask; }} >>{}", out.display()),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "runcmd/4", false);
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!(summary.state, State::Done);
    assert!(summary.told.iter().any(|told| told.message.contains("was cut off and is run again")), "{:?}", summary.told);
    let once = "f a b\n/usr\n0027\n";
    assert_eq!(std::fs::read_to_string(&out).expect("out"), format!("third\n{once}{once}"));
}

/// What a script does when it exits is part of its last item: a cut in it is told, and it is done again.
#[test]
fn an_exit_trap_belongs_to_the_last_item_and_its_own_exit_counts() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let trap = format!("trap 'echo left $? >>{}' EXIT", out.display());
    let texts = [trap.as_str(), "true", "(exit 3)"];
    let plan_of_it = plan(script(&texts));
    let (_, summary) = run(dir.path(), &plan_of_it, "boot-1");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Done, StepResult::Failed]);
    cut_after_intent(dir.path(), "runcmd/3", false);
    let (_, summary) = run(dir.path(), &plan_of_it, "boot-2");
    assert!(summary.told.iter().any(|told| told.message.contains("was cut off and is run again")), "{:?}", summary.told);
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "left 3\nleft 3\n");

    let dir = tempdir();
    let (_, summary) = run(dir.path(), &plan(script(&["trap 'echo half; exit 4' EXIT", "true"])), "boot-1");
    assert_eq!((summary.state, results(&summary)), (State::Failed, vec![StepResult::Done, StepResult::Failed]));
    let failure = summary.steps[1].failure.as_ref().expect("told");
    assert_eq!((failure.message.as_str(), failure.exit), ("what runcmd does when it exits failed with exit 4", Some(4)));
    assert_eq!(failure.output, ["half"]);

    let dir = tempdir();
    let mut steps = script(&["trap 'sleep 60' EXIT", "true"]);
    steps[1].limits.timeout_seconds = Some(1);
    let (_, summary) = run(dir.path(), &plan(steps), "boot-1");
    let failure = summary.steps[1].failure.as_ref().expect("told");
    assert_eq!(failure.message, "what runcmd does when it exits did not end within 1 s and was stopped");
}

/// An item that the user left empty is counted, and is none.
#[test]
fn the_last_item_is_the_last_that_there_is() {
    let dir = tempdir();
    let mut steps = script(&["trap 'exit 4' EXIT", "true"]);
    for step in &mut steps {
        let Operation::ScriptItem(item) = &mut step.operation else { panic!("an item") };
        item.total = 3;
    }
    let (_, summary) = run(dir.path(), &plan(steps), "boot-1");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Failed]);
}

/// Behind items that are run again and not the last, what the script does when it exits is nobody's own.
#[test]
fn an_exit_trap_that_fails_behind_an_earlier_item_is_told() {
    let dir = tempdir();
    let texts =
        ["trap 'test -e mark || exit 5' EXIT", "true"].map(|text| text.replace("mark", &dir.path().join("mark").display().to_string()));
    let plan = plan(script(&[&texts[0], &texts[1]]));
    std::fs::write(dir.path().join("mark"), "").expect("mark");
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!(summary.state, State::Done);
    std::fs::remove_file(dir.path().join("mark")).expect("mark");
    let (_, summary) = rerun(dir.path(), &plan, &["runcmd/1"]);
    assert_eq!((summary.state, results(&summary)), (State::Failed, vec![StepResult::Done; 2]));
    assert!(summary.told.iter().any(|told| told.message == "what runcmd does when it exits failed with exit 5"), "{:?}", summary.told);
}

/// Neither does its trap run in a directory that the script never was in.
#[test]
fn a_script_whose_directory_is_gone_is_not_gone_on_with_elsewhere() {
    let dir = tempdir();
    let (place, out) = (dir.path().join("place"), dir.path().join("out"));
    std::fs::create_dir(&place).expect("mkdir");
    let texts =
        [format!("cd {}", place.display()), format!("trap 'pwd >>{}' EXIT", out.display()), "set -e".into(), "true".into(), "true".into()];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    run(dir.path(), &plan, "boot-1");
    assert_eq!(std::fs::read_to_string(&out).expect("out"), format!("{}\n", place.display()));
    cut_after_intent(dir.path(), "runcmd/4", false);
    std::fs::remove_dir(&place).expect("rmdir");
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!(results(&summary)[3..], [StepResult::Failed, StepResult::Failed]);
    assert_eq!(std::fs::read_to_string(&out).expect("out"), format!("{}\n", place.display()), "no trap ran");
}

#[test]
fn a_directory_of_scripts_that_is_run_again_runs_those_that_failed_or_else_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir();
    let (scripts, out, mark) = (dir.path().join("scripts"), dir.path().join("out"), dir.path().join("mark"));
    std::fs::create_dir(&scripts).expect("mkdir");
    for (name, text) in [("1-first", "echo first".to_owned()), ("2-second", format!("test -e {} && echo second", mark.display()))] {
        std::fs::write(scripts.join(name), format!("#!/bin/sh\n{text} >>{}\n", out.display())).expect("script");
        std::fs::set_permissions(scripts.join(name), std::fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let id = "scripts_per_instance";
    let plan = plan(vec![step(id, Operation::RunDirectory { path: scripts.to_string_lossy().into_owned() })]);
    assert_eq!(run(dir.path(), &plan, "boot-1").1.state, State::Failed);
    std::fs::write(&mark, "").expect("mark");
    for ran in ["first\nsecond\n", "first\nsecond\nfirst\nsecond\n"] {
        let (_, summary) = rerun(dir.path(), &plan, &[id]);
        assert_eq!((summary.state, std::fs::read_to_string(&out).expect("out").as_str()), (State::Done, ran));
    }
}

#[test]
fn items_that_ended_are_not_run_again_where_the_journal_has_lost_them() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let write = |text: &str| format!("{text} >>{}", out.display());
    let texts = ["v=kept".to_owned(), write("echo one $v"), write("echo two $v")];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "runcmd/3", false);
    std::fs::write(dir.path().join("journal"), "").expect("journal");
    let shell = dir.path().join("shell");
    for entry in std::fs::read_dir(&shell).expect("directory").flatten() {
        if entry.file_name().to_string_lossy().ends_with(".3") {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!(summary.state, State::Degraded);
    assert!(summary.told.iter().any(|told| told.message.contains("lost its last records")), "{:?}", summary.told);
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "one kept\ntwo kept\ntwo kept\n", "the third is run with the state before it");
}

#[test]
fn an_item_that_reboots_is_done_when_its_stop_was_recorded() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let texts = [format!("echo reboot >>{}", out.display()), format!("echo after >>{}", out.display())];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "runcmd/1", true);
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!(summary.state, State::Done);
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "reboot\nafter\nafter\n", "the reboot is not repeated");
}

#[test]
fn a_failed_item_is_run_again_where_it_stood_and_with_what_it_kept_from_running() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let mark = |name: &str| dir.path().join(name).display().to_string();
    let texts = [
        "v=1; cd /usr".to_owned(),
        format!("v=2; test -e {}", mark("a")),
        format!("v=3; echo $v >>{}", out.display()),
        format!("echo $v $PWD >>{}; test -e {} || exit 3", out.display(), mark("b")),
        format!("echo last $v >>{}", out.display()),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    let (_, first) = run(dir.path(), &plan, "boot-1");
    let expected = [StepResult::Done, StepResult::Failed, StepResult::Done, StepResult::Failed, StepResult::NotRun];
    assert_eq!(results(&first), expected);
    std::fs::write(dir.path().join("a"), "").expect("mark");
    std::fs::write(dir.path().join("b"), "").expect("mark");
    let (_, second) = rerun(dir.path(), &plan, &["runcmd/2", "runcmd/4"]);
    assert_eq!(results(&second), [StepResult::Done; 5]);
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "3\n3 /usr\n3 /usr\nlast 3\n");
}

#[test]
fn any_item_can_be_run_again_and_what_it_kept_is_brought_back_byte_by_byte() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let texts = [
        "v=$(printf 'it'\\''s \\351\\nA=1')".to_owned(),
        format!("printf '%s' \"$v\" >{}", out.display()),
        "w=2".to_owned(),
        "true".to_owned(),
        "true".to_owned(),
    ];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let plan = plan(script(&texts));
    let (_, first) = run(dir.path(), &plan, "boot-1");
    assert_eq!(results(&first), [StepResult::Done; 5]);
    std::fs::remove_file(&out).expect("written");
    for item in ["runcmd/2", "runcmd/3", "runcmd/1", "runcmd/5"] {
        let (_, again) = rerun(dir.path(), &plan, &[item]);
        assert_eq!((again.state, results(&again)), (State::Done, vec![StepResult::Done; 5]), "{item}");
    }
    assert_eq!(std::fs::read(&out).expect("out"), b"it's \xe9\nA=1");
}

#[test]
fn a_script_of_a_directory_that_reboots_is_done_too_and_others_go_on() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir();
    let (scripts, out) = (dir.path().join("scripts"), dir.path().join("out"));
    std::fs::create_dir(&scripts).expect("mkdir");
    for (name, text) in [("1-first", "false && reboot; echo first"), ("2-second", "echo second")] {
        std::fs::write(scripts.join(name), format!("#!/bin/sh\n{text} >>{}\n", out.display())).expect("script");
        std::fs::set_permissions(scripts.join(name), std::fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let plan = plan(vec![step("scripts_per_instance", Operation::RunDirectory { path: scripts.to_string_lossy().into_owned() })]);
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "scripts_per_instance/1-first", true);
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!(summary.state, State::Done);
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "first\nsecond\nsecond\n", "the reboot is not repeated");
}

#[test]
fn work_cut_off_in_three_boots_running_is_given_up() {
    let dir = tempdir();
    let plan = plan(script(&["true", "true"]));
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "runcmd/1", false);
    let first = std::fs::read_to_string(dir.path().join("journal")).expect("journal");
    struct Stamp(&'static str);
    impl super::journal::Stamp for Stamp {
        fn stamp(&self) -> (f64, f64, String, String) {
            (0.0, 0.0, "r".into(), self.0.into())
        }
    }
    assert!(first.contains("boot-1"));
    let digest = plan.steps[0].digest();
    for boot in ["boot-2", "boot-3"] {
        let mut journal = Journal::open(AppendLog::new(dir.path().join("journal"), true)).expect("journal");
        let event = Event::Intent { step: "runcmd/1".into(), digest: digest.to_owned(), prior: super::apply::Prior::None };
        journal.append(&Stamp(boot), event, true).expect("append");
    }
    let (_, summary) = run(dir.path(), &plan, "boot-4");
    assert_eq!(results(&summary), [StepResult::Failed, StepResult::Done]);
    assert!(summary.steps[0].failure.as_ref().is_some_and(|failure| failure.message.contains("given up")));
}

/// Nothing but what the user wrote brings a host down by itself: a file, a package, a user is finished however often the power goes.
#[test]
fn work_of_landfall_itself_is_finished_however_often_it_was_cut_off() {
    let dir = tempdir();
    let target = dir.path().join("target").display().to_string();
    let file = WriteFile { path: target.clone(), content: content("x"), mode: Some(0o600), owner: None, own_parents: false };
    let plan = plan(vec![step("write_files/x", Operation::WriteFile(file))]);
    for boot in ["boot-1", "boot-2", "boot-3", "boot-4"] {
        let (_, summary) = run(dir.path(), &plan, boot);
        assert_eq!(results(&summary), [StepResult::Done], "{boot}: {:?}", summary.steps[0].failure);
        std::fs::remove_file(&target).expect("written");
        cut_after_intent(dir.path(), "write_files/x", false);
    }
    let (_, summary) = run(dir.path(), &plan, "boot-5");
    assert_eq!(results(&summary), [StepResult::Done]);
}

/// A landfall that is killed outside of its units leaves behind what it started: it is not to run beside the same work again.
#[test]
fn what_goes_on_of_an_item_whose_landfall_was_killed_is_ended_before_it_is_run_again() {
    let dir = tempdir();
    let (out, host) = (dir.path().join("out"), Host::default());
    let text = format!("echo begun >>{}", out.display());
    let plan = plan(script(&[&text, "true"]));
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "runcmd/1", false);
    let id = run_id(dir.path(), "boot-1");
    let mut of_item = Left::behind("sh", "sleep 97; true", "runcmd/1", &id);
    // Busy, and at its end by itself where nobody ends it.
    let busy = "n=0; while [ $n -lt 50000000 ]; do n=$((n + 1)); done";
    let mut shell = Left::behind("/var/lib/cloud/instance/scripts/runcmd", busy, "runcmd/0", &id);
    let mut of_other = Left::behind("sh", "sleep 98; true", "users/x", &id);
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Done]);
    assert!(of_item.was_ended() && shell.was_ended());
    assert!(of_other.0.try_wait().expect("asked").is_none(), "what belongs to another step goes on");
    assert!(host.process(i32::try_from(of_other.0.id()).expect("pid")).is_some());
}

/// A process that a landfall which is no more has started; the test ends it, however it ends itself.
struct Left(std::process::Child);

impl Left {
    fn behind(name: &str, script: &str, step: &str, run: &str) -> Self {
        let mut command = std::process::Command::new("/bin/sh");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        std::os::unix::process::CommandExt::arg0(&mut command, name);
        let child = command.args(["-c", script]).env("LANDFALL_RUN", run).env("LANDFALL_STEP", step).spawn().expect("starts");
        // vfork(2) ends before the kernel shows the environment of the new program.
        let environment = format!("/proc/{}/environ", child.id());
        let start = std::time::Instant::now();
        while std::fs::read(&environment).is_ok_and(|shown| shown.is_empty()) {
            assert!(start.elapsed() < Duration::from_secs(30), "{name} shows no environment");
            std::thread::sleep(Duration::from_millis(1));
        }
        Self(child)
    }

    /// Somebody has ended it.
    fn was_ended(&mut self) -> bool {
        let start = std::time::Instant::now();
        loop {
            match self.0.try_wait().expect("asked") {
                Some(status) => return !status.success(),
                None if start.elapsed() > Duration::from_secs(30) => return false,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(0));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

#[test]
fn changed_user_data_inherits_nothing() {
    let dir = tempdir();
    let out = dir.path().join("out");
    let write = |text: &str| plan(script(&[&format!("echo {text} >>{}", out.display()), "true"]));
    run(dir.path(), &write("one"), "boot-1");
    run(dir.path(), &write("two"), "boot-1");
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "one\ntwo\n");
}

#[test]
fn what_needs_a_failed_step_is_skipped_and_says_why_and_stop_stops() {
    let dir = tempdir();
    let file = |id: &str, path: String| {
        step(id, Operation::WriteFile(WriteFile { path, content: content("x"), mode: Some(0o600), owner: None, own_parents: false }))
    };
    let mut bad = file("write_files/bad", "/proc/nothing/here".into());
    let mut needs = file("write_files/needs", dir.path().join("needs").to_string_lossy().into_owned());
    needs.needs.push(bad.id.clone());
    let good = file("write_files/good", dir.path().join("good").to_string_lossy().into_owned());
    let (_, summary) = run(dir.path(), &plan(vec![bad.clone(), needs.clone(), good.clone()]), "boot-1");
    assert_eq!(results(&summary), [StepResult::Failed, StepResult::Skipped, StepResult::Done]);
    assert_eq!(summary.state, State::Failed);
    assert!(!dir.path().join("needs").exists());
    let dir = tempdir();
    bad.on_error = OnError::Stop;
    let (end, summary) = run(dir.path(), &plan(vec![bad, good]), "boot-1");
    assert_eq!((end, summary.state), (RunEnd::Halted, State::Failed));
    assert_eq!(results(&summary)[1], StepResult::Pending);
}

/// Whether an item that was cut off is begun again, and what the run that finds it says.
fn run_after_a_cut(dir: &Path, on_interrupt: OnInterrupt) -> (Plan, RunEnd, Summary) {
    let texts = ["one", "two", "three"].map(|name| format!("echo {name} >>{}", dir.join("out").display()));
    let mut steps = script(&texts.each_ref().map(String::as_str));
    for step in &mut steps {
        step.on_interrupt = on_interrupt;
    }
    let plan = plan(steps);
    // The cut takes what the journal says of later items, not the files that they replaced.
    let begun = Plan { steps: plan.steps[..2].to_vec(), ..plan.clone() };
    run(dir, &begun, "boot-1");
    cut_after_intent(dir, "runcmd/2", false);
    std::fs::write(dir.join("out"), "").expect("out");
    let (end, summary) = run(dir, &plan, "boot-2");
    (plan, end, summary)
}

fn written(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("out")).expect("out")
}

#[test]
fn a_cut_item_is_left_with_a_warning_where_the_user_says_skip() {
    let dir = tempdir();
    let (plan, end, summary) = run_after_a_cut(dir.path(), OnInterrupt::Skip);
    assert_eq!((end, summary.state, results(&summary)), (RunEnd::Settled, State::Degraded, vec![StepResult::Done; 3]));
    assert!(summary.steps[1].warnings[0].contains("was cut off and is not run again"), "{:?}", summary.steps[1].warnings);
    assert_eq!(written(dir.path()), "three\n");
    let (_, next) = run(dir.path(), &plan, "boot-3");
    assert_eq!((next.state, written(dir.path())), (State::Degraded, "three\n".to_owned()), "nor at the boot after it");
}

#[test]
fn a_cut_item_stops_the_run_where_the_user_says_so_until_it_is_told_to_be_run_again() {
    let dir = tempdir();
    let (plan, end, summary) = run_after_a_cut(dir.path(), OnInterrupt::Stop);
    assert_eq!((end, results(&summary)), (RunEnd::Halted, vec![StepResult::Done, StepResult::Failed, StepResult::Pending]));
    assert_eq!(summary.steps[1].failure.as_ref().map(|failure| failure.kind), Some(Kind::Interrupted));
    assert_eq!(summary.state, State::Failed);
    for boot in ["boot-2", "boot-3"] {
        let (end, told) = run(dir.path(), &plan, boot);
        assert_eq!((end, told.state, results(&told)), (RunEnd::Halted, State::Failed, results(&summary)), "{boot}");
    }
    assert_eq!(written(dir.path()), "");
    let (end, told) = rerun(dir.path(), &plan, &["runcmd/2"]);
    assert_eq!((end, told.state, results(&told)), (RunEnd::Settled, State::Done, vec![StepResult::Done; 3]));
    assert_eq!(written(dir.path()), "two\nthree\n");
}

/// When the journal of the instance can no longer be written: as a step begins, while it runs, or once it has ended.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Moment {
    Before(&'static str),
    During(&'static str),
    After(&'static str),
}

/// Holds the reading end of the journal, which is a pipe: without it every write to the journal fails.
struct Reader {
    end: RefCell<Option<std::fs::File>>,
    path: std::path::PathBuf,
    begun: RefCell<String>,
    lost_at: Moment,
}

/// The writing end of a pipe; an error where nobody reads.
fn write_end(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(path)
}

impl Reader {
    fn lose(&self, at: bool) {
        if at && self.end.take().is_some() {
            // A child that another test is starting may hold it for an instant.
            while write_end(&self.path).is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    }
}

impl Progress for Reader {
    fn started(&self, step: &Step, _at: usize, _of: usize) {
        self.begun.replace(step.id.clone());
        self.lose(matches!(self.lost_at, Moment::Before(id) if id == step.id));
    }
    fn ended(&self, step: &Step, _outcome: &Outcome) {
        self.lose(matches!(self.lost_at, Moment::After(id) if id == step.id));
    }
    fn say(&self, _text: &str) {}
    fn changed(&self, _ledger: &Ledger) {
        self.lose(matches!(self.lost_at, Moment::During(id) if id == *self.begun.borrow()));
    }
}

#[test]
fn after_a_write_error_of_the_journal_nothing_more_is_changed() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let cases: [(Moment, &[&str]); 5] = [
        (Moment::After("write_files/a"), &["a"]),
        (Moment::Before("runcmd/1"), &["a"]),
        (Moment::During("runcmd/1"), &["a", "b"]),
        (Moment::After("runcmd/1"), &["a", "b"]),
        (Moment::After("write_files/d"), &["a", "b", "c", "d"]),
    ];
    for (lost_at, changed) in cases {
        let dir = tempdir();
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let file = |name: &str, frequency| {
            let operation = WriteFile { path: path(name), content: content("x"), mode: Some(0o600), owner: None, own_parents: false };
            Step { frequency, ..step(&format!("write_files/{name}"), Operation::WriteFile(operation)) }
        };
        let mut items = script(&[&format!("echo >{}", path("b")), &format!("echo >{}", path("c"))]).into_iter();
        let mut steps = vec![file("a", Frequency::Instance)];
        steps.extend(items.by_ref());
        steps.extend([
            file("d", Frequency::Instance),
            file("e", Frequency::Boot),
            file("f", Frequency::Once),
            file("g", Frequency::Instance),
        ]);
        if lost_at == Moment::After("write_files/d") {
            // Until the broken journal is written to, nobody knows, and other scopes go on.
            steps.retain(|step| step.frequency == Frequency::Instance);
        }
        let plan = plan(steps);
        let open = |name: &str| Journal::open(AppendLog::new(dir.path().join(name), false)).expect("journal");
        let ledger = Ledger::new(open("journal"), open("once"), open("boot"), Stage::Final);
        nix::unistd::mkfifo(&dir.path().join("journal"), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
        let end =
            std::fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(dir.path().join("journal")).expect("fifo");
        let reader = Reader { end: RefCell::new(Some(end)), path: dir.path().join("journal"), begun: RefCell::default(), lost_at };
        let host = Host::default();
        let ids = RunIds { run: "run".into(), boot: "boot-1".into() };
        let mut engine = Engine::new(&host, &plan, ledger, places(dir.path()), ids, &reader);
        for why in ["journal", "nothing more is changed"] {
            let failure = engine.run(Stage::Final).expect_err("a run that cannot record what it does");
            assert!(failure.message.contains(why), "{lost_at:?}: {failure:?}");
            let found: Vec<&str> = ["a", "b", "c", "d", "e", "f", "g"].into_iter().filter(|name| dir.path().join(name).exists()).collect();
            assert_eq!(found, changed, "{lost_at:?}");
        }
    }
}

#[test]
fn a_verdict_is_stored_as_it_is_named() {
    assert_eq!(serde_json::to_string(&Verdict::NotRun).expect("json"), "\"not-run\"");
}

#[test]
fn a_script_that_ended_because_nothing_could_be_started_is_gone_on_with_at_the_next_boot() {
    let dir = tempdir();
    let mark = dir.path().join("mark").display().to_string();
    let fails = format!("echo x >>{mark}; [ $(wc -l <{mark}) = 2 ] || {{ echo 'runcmd: 6: Cannot fork' >&2; exit 2; }}");
    let plan = plan(script(&["true", &fails, "true"]));
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Failed, StepResult::NotRun]);
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!((results(&summary), summary.state), (vec![StepResult::Done; 3], State::Done));
    let dir = tempdir();
    let plain = Plan { steps: script(&["exit 2", "true"]), ..plan };
    run(dir.path(), &plain, "boot-1");
    let (_, summary) = run(dir.path(), &plain, "boot-2");
    assert_eq!(results(&summary), [StepResult::Failed, StepResult::NotRun], "what a script has decided stays");
}

#[test]
fn what_stood_before_the_first_try_is_known_until_a_try_ends_well() {
    let dir = tempdir();
    let below = dir.path().join("below");
    let path = below.join("x").display().to_string();
    let file = WriteFile { path, content: content("x"), mode: Some(0o600), owner: None, own_parents: false };
    let plan = plan(vec![step("write", Operation::WriteFile(file))]);
    run(dir.path(), &plan, "boot-1");
    assert_eq!(ledger(dir.path()).begun(&plan.steps[0]), None);
    cut_after_intent(dir.path(), "write", false);
    let first = ledger(dir.path()).begun(&plan.steps[0]).expect("it was begun");
    std::fs::remove_dir_all(&below).expect("remove");
    std::fs::write(&below, "in the way").expect("write");
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!(results(&summary), [StepResult::Failed]);
    assert_eq!(ledger(dir.path()).begun(&plan.steps[0]), Some(first), "a try that failed has left what it left");
}
