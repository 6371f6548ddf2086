//! What the `landfall` section has the engine do: pauses, conditions, playbooks, limits.

use super::super::breaker::Position;
use super::*;
use crate::plan::operation::Command;
use crate::plan::phase::OutcomeCondition;
use crate::plan::{Backoff, BreakerLimits, PhaseOutcome, PhaseRules};

fn shell(id: &str, text: &str) -> Step {
    let command = Command {
        argv: ["sh", "-c", text].map(str::to_owned).into(),
        accept: vec![0],
        idempotent: true,
        purpose: "test".into(),
        ..Command::default()
    };
    step(id, Operation::Command(command))
}

#[test]
fn a_step_is_tried_again_after_the_pauses_that_the_user_asked_for() {
    let dir = tempdir();
    let mark = dir.path().join("mark").display().to_string();
    let mut flaky = shell("a.x/1", &format!("echo $LANDFALL_ATTEMPT >>{mark}; test $LANDFALL_ATTEMPT = 3"));
    let backoff = Backoff { delay_seconds: Some(1), max_delay_seconds: Some(1), jitter: Some(false), ..Backoff::default() };
    flaky.limits = Limits { attempts: Some(5), backoff, ..Limits::default() };
    let start = std::time::Instant::now();
    let (_, summary) = run(dir.path(), &plan(vec![flaky.clone()]), "boot-1");
    assert_eq!((summary.state, summary.steps[0].attempts), (State::Done, 3));
    assert_eq!(std::fs::read_to_string(&mark).expect("mark"), "1\n2\n3\n");
    assert!((2..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // No attempt begins after the deadline.
    let dir = tempdir();
    flaky.limits.backoff.deadline_seconds = Some(1);
    let (_, summary) = run(dir.path(), &plan(vec![flaky]), "boot-1");
    assert_eq!((summary.state, summary.steps[0].attempts), (State::Failed, 1));
}

#[test]
fn an_accepted_exit_code_is_success_and_is_told() {
    let accepting = |texts: &[&str]| {
        let mut steps = script(texts);
        steps.iter_mut().for_each(|step| step.limits.accept_exit = vec![3]);
        let dir = tempdir();
        run(dir.path(), &plan(steps), "boot-1").1
    };
    let summary = accepting(&["(exit 3)", "true"]);
    assert_eq!((summary.state, results(&summary)), (State::Done, vec![StepResult::Done; 2]));
    assert_eq!(summary.steps[0].detail.as_deref(), Some("exit 3, which is accepted"));
    let summary = accepting(&["exit 3", "true"]);
    assert_eq!((summary.state, results(&summary)), (State::Done, vec![StepResult::Done, StepResult::NotRun]));
    assert_eq!(summary.steps[0].detail.as_deref(), Some("it ended the script with exit 3, which is accepted; later items are not run"));
    assert_eq!(accepting(&["(exit 4)"]).state, State::Failed);
    let dir = tempdir();
    let file = dir.path().join("script");
    std::fs::write(&file, "#!/bin/sh\nexit 3\n").expect("script");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let operation = Operation::RunFile { path: file.display().to_string(), env: std::collections::BTreeMap::new(), prefix: Vec::new() };
    let mut one = step("scripts_user/script", operation);
    one.limits.accept_exit = vec![3];
    assert_eq!(run(dir.path(), &plan(vec![one]), "boot-1").1.state, State::Done);
}

fn rules(name: &str) -> PhaseRules {
    PhaseRules { name: name.into(), ..PhaseRules::default() }
}

/// A plan of phases with one command each.
fn phased(phases: &[(PhaseRules, &str)]) -> Plan {
    let one = |(rules, text): &(PhaseRules, &str)| Step { phase: rules.name.clone(), ..shell(&format!("{}.x/1", rules.name), text) };
    Plan { phases: phases.iter().map(|(rules, _)| rules.clone()).collect(), ..plan(phases.iter().map(one).collect()) }
}

fn endings(summary: &Summary) -> Vec<&str> {
    summary.phases.iter().map(|phase| phase.outcome.map_or("open", PhaseOutcome::name)).collect()
}

#[test]
fn a_playbook_is_run_right_after_the_failure_it_is_for_and_only_then() {
    use StepResult::{Done, Failed, NotRun, Pending};
    let book = PhaseRules { after_failure_of: Some("main".into()), ..rules("mend") };
    let after = PhaseRules { after_failure_of: Some("mend".into()), ..rules("last") };
    for (main, mend, on_error, expected, ended) in [
        ("true", "true", OnError::Continue, [Done, NotRun, NotRun, Done], State::Done),
        ("false", "true", OnError::Continue, [Failed, Done, NotRun, Done], State::Failed),
        ("false", "false", OnError::Continue, [Failed, Failed, Done, Done], State::Failed),
        ("false", "true", OnError::Stop, [Failed, Done, NotRun, Pending], State::Failed),
        ("false", "false", OnError::Stop, [Failed, Failed, Done, Pending], State::Failed),
        ("false", "true", OnError::Warn, [Failed, Done, NotRun, Done], State::Degraded),
    ] {
        let dir = tempdir();
        let mut plan = phased(&[(rules("main"), main), (book.clone(), mend), (after.clone(), "true"), (rules("other"), "true")]);
        plan.steps.iter_mut().for_each(|step| step.on_error = on_error);
        let (_, summary) = run(dir.path(), &plan, "boot-1");
        assert_eq!((results(&summary), summary.state), (expected.to_vec(), ended), "{main} {mend} {on_error:?}");
        let told = summary.told.iter().any(|told| told.message == "phase `mend` is run because phase `main` failed (step main.x/1)");
        assert_eq!(told, main == "false");
        let before = std::fs::read(dir.path().join("journal")).expect("journal");
        run(dir.path(), &plan, "boot-2");
        assert_eq!(std::fs::read(dir.path().join("journal")).expect("journal"), before, "a later boot has nothing to do");
    }
}

#[test]
fn a_playbook_that_was_cut_off_is_finished_at_the_next_boot() {
    let dir = tempdir();
    let book = PhaseRules { after_failure_of: Some("main".into()), ..rules("mend") };
    let mut plan = phased(&[(rules("main"), "false"), (book, "true"), (rules("other"), "true")]);
    plan.steps.iter_mut().for_each(|step| step.on_error = OnError::Stop);
    run(dir.path(), &plan, "boot-1");
    cut_after_intent(dir.path(), "mend.x/1", false);
    let (end, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!((end, results(&summary)), (RunEnd::Halted, vec![StepResult::Failed, StepResult::Done, StepResult::Pending]));
}

#[test]
fn a_phase_asks_how_earlier_ones_ended_and_what_is_not_run_is_no_failure() {
    let asks = |name: &str, is: &[PhaseOutcome]| {
        let outcome = vec![OutcomeCondition { phase: "main".into(), is: is.to_vec() }];
        PhaseRules { outcome, ..rules(name) }
    };
    for (main, expected) in [("true", ["done", "skipped", "done", "skipped"]), ("false", ["failed", "done", "skipped", "done"])] {
        let dir = tempdir();
        let mut plan = phased(&[
            (rules("main"), main),
            (asks("if-failed", &[PhaseOutcome::Failed, PhaseOutcome::Degraded]), "true"),
            (asks("if-done", &[PhaseOutcome::Done]), "true"),
            (rules("needs"), "true"),
        ]);
        // It needs the phase that asks for the failure.
        plan.steps[3].needs.push("if-failed.x/1".into());
        let (_, summary) = run(dir.path(), &plan, "boot-1");
        assert_eq!(endings(&summary), expected);
        assert_eq!(summary.state, if main == "true" { State::Done } else { State::Failed });
        if main == "true" {
            let why: Vec<&str> = summary.phases.iter().filter_map(|phase| phase.why.as_deref()).collect();
            let because = "phase `main` is done, not failed or degraded";
            assert_eq!(why, [because, &format!("it needs phase `if-failed`, which is not run: {because}")]);
        }
    }
}

#[test]
fn a_phase_left_out_because_of_a_failure_is_run_once_the_failure_is_mended() {
    let dir = tempdir();
    let mark = dir.path().join("mark");
    let outcome = vec![OutcomeCondition { phase: "main".into(), is: vec![PhaseOutcome::Done] }];
    let plan = phased(&[(rules("main"), &format!("test -e {}", mark.display())), (PhaseRules { outcome, ..rules("after") }, "true")]);
    assert_eq!(endings(&run(dir.path(), &plan, "boot-1").1), ["failed", "skipped"]);
    std::fs::write(&mark, "").expect("mark");
    assert_eq!(endings(&rerun(dir.path(), &plan, &["main.x/1"]).1), ["done", "done"]);
}

#[test]
fn a_phase_whose_path_exists_has_nothing_to_do_and_one_that_makes_it_is_finished() {
    let dir = tempdir();
    let made = dir.path().join("made").display().to_string();
    let creates = |name: &str| PhaseRules { creates: Some(made.clone()), ..rules(name) };
    let touch = format!("touch {made}");
    let mut plan = phased(&[(creates("one"), &touch), (creates("two"), "false"), (rules("needs"), "true")]);
    plan.steps.insert(1, Step { phase: "one".into(), ..shell("one.x/2", "true") });
    plan.steps[3].needs.push("two.x/1".into());
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    use StepResult::{Done, NotRun};
    assert_eq!((results(&summary), summary.state), (vec![Done, Done, NotRun, Done], State::Done));
    assert_eq!(summary.phases[1].why.as_deref(), Some(format!("{made} exists").as_str()));
    // Decided once: that the path goes later changes nothing, another path does.
    std::fs::remove_file(&made).expect("remove");
    assert_eq!(results(&run(dir.path(), &plan, "boot-2").1), [Done, Done, NotRun, Done]);
    plan.phases[1].creates = Some(format!("{made}-other"));
    assert_eq!(results(&run(dir.path(), &plan, "boot-2").1), [Done, Done, StepResult::Failed, Done]);
}

#[test]
fn an_item_that_says_nothing_is_ended_and_fails_with_its_last_words_and_what_it_left_behind() {
    let dir = tempdir();
    let mut steps = script(&["echo started; setsid sleep 96 & sleep 95", "true"]);
    steps[0].limits.silence_seconds = Some(3);
    let (_, summary) = run(dir.path(), &plan(steps), "boot-silent");
    assert_eq!(results(&summary), [StepResult::Failed, StepResult::Done]);
    let failure = summary.steps[0].failure.clone().expect("failure");
    let message = "runcmd item 1: no output for 3 s; it was stopped; later items go on as it was before this one";
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Timeout, message));
    assert_eq!(failure.output[0], "started");
    let left = failure.output[1].strip_prefix("still running: sleep 96 (pid ").expect("what is left");
    let pid: i32 = left.split([',', ')']).next().and_then(|pid| pid.parse().ok()).expect("pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).expect("it goes on");
    let dir = tempdir();
    let mut one = shell("a.x/1", "echo still here; sleep 95");
    one.limits.silence_seconds = Some(3);
    let failure = run(dir.path(), &plan(vec![one]), "boot-silent-too").1.steps[0].failure.clone().expect("failure");
    assert_eq!((failure.kind, failure.output), (Kind::Timeout, vec!["still here".to_owned()]));
    assert!(failure.message.ends_with(": no output for 3 s; it was stopped"), "{}", failure.message);
}

#[test]
fn an_item_is_tried_again_in_its_shell_where_its_phase_asks_for_it() {
    let dir = tempdir();
    let tries = dir.path().join("tries").display().to_string();
    let third = format!("echo $LANDFALL_ATTEMPT $here >>{tries}; here=same; [ $(wc -l <{tries}) -ge 3 ]");
    let mut steps = script(&[&third, "exit 3", "true"]);
    for step in &mut steps {
        step.limits.attempts = Some(4);
        step.limits.backoff.delay_seconds = Some(0);
    }
    let (_, summary) = run(dir.path(), &plan(steps.clone()), "boot-1");
    assert_eq!(results(&summary), [StepResult::Done, StepResult::Failed, StepResult::NotRun]);
    assert_eq!([0, 1].map(|at| summary.steps[at].attempts), [3, 4]);
    assert_eq!(std::fs::read_to_string(&tries).expect("tries"), "1\n2 same\n3 same\n");

    let dir = tempdir();
    steps[0].limits.attempts = None;
    let (_, summary) = run(dir.path(), &plan(steps), "boot-1");
    assert_eq!((results(&summary)[0], summary.steps[0].attempts), (StepResult::Done, 1), "tries are three already");
}

/// A server that answers so often with 503, then with 200; and how often it was asked.
fn server(busy: usize) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read as _, Write as _};
    use std::sync::atomic::{AtomicUsize, Ordering};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("http://{}/x", listener.local_addr().expect("address"));
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let status = if count.fetch_add(1, Ordering::SeqCst) < busy { "503 Busy" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
        }
    });
    (url, asked)
}

fn download(id: &str, url: &str, path: &Path) -> Step {
    let path = path.display().to_string();
    let file = WriteFile { path, content: content(""), mode: Some(0o600), owner: None, own_parents: false };
    step(id, Operation::Download { url: url.into(), headers: Default::default(), file, append: false, checksum: None })
}

#[test]
fn a_host_that_fails_again_and_again_is_left_alone_and_asked_once_more_after_the_cool_down() {
    use std::sync::atomic::Ordering;
    let dir = tempdir();
    let (url, asked) = server(3);
    let step = |id: &str| Step {
        limits: Limits { attempts: Some(1), ..Limits::default() },
        ..download(id, &url, &dir.path().join(id.replace('/', "-")))
    };
    let mut plan = plan(["a", "b", "c", "d"].map(|name| step(&format!("write_files/{name}"))).into());
    plan.breaker = BreakerLimits { failures: 2, cooldown_seconds: 2 };
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!((results(&summary), asked.load(Ordering::SeqCst)), (vec![StepResult::Failed; 4], 2), "two were not even tried");
    let failure = summary.steps[2].failure.clone().expect("failure");
    let target = url.trim_start_matches("http://").trim_end_matches("/x");
    assert!(failure.message.starts_with(&format!("{target} failed 2 times in a row; it is not tried again before 2")), "{failure}");
    assert_eq!((failure.kind, summary.steps[2].attempts, failure.target.as_deref()), (Kind::Network, 0, Some(target)));
    let [breaker] = &summary.breakers[..] else { panic!("{:?}", summary.breakers) };
    assert_eq!((breaker.target.as_str(), breaker.position, breaker.failures), (target, Position::Open, 2));
    // Half open: one attempt, which fails, and the rest fails at once; then one that succeeds.
    for (left, expected) in [(3, StepResult::Failed), (7, StepResult::Done)] {
        std::thread::sleep(std::time::Duration::from_millis(2100));
        let (_, summary) = rerun(dir.path(), &plan, &["write_files/a", "write_files/b", "write_files/c", "write_files/d"]);
        assert_eq!((results(&summary), asked.load(Ordering::SeqCst)), (vec![expected; 4], left));
    }
    // Another boot begins anew.
    assert!(run(dir.path(), &plan, "boot-2").1.breakers.is_empty());
}

#[test]
fn a_step_that_is_still_tried_waits_for_the_cool_down_of_its_host() {
    let dir = tempdir();
    let (url, _) = server(2);
    let backoff = Backoff { delay_seconds: Some(1), jitter: Some(false), ..Backoff::default() };
    let limits = Limits { attempts: Some(3), backoff, ..Limits::default() };
    let mut plan = plan(vec![Step { limits, ..download("write_files/a", &url, &dir.path().join("a")) }]);
    plan.breaker = BreakerLimits { failures: 1, cooldown_seconds: 2 };
    let start = std::time::Instant::now();
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!((results(&summary), summary.steps[0].attempts), (vec![StepResult::Done], 3));
    assert!(start.elapsed().as_secs() >= 3 && summary.breakers.is_empty(), "{:?}", start.elapsed());
}

#[test]
fn a_failure_is_reported_with_all_that_is_known_of_it() {
    let dir = tempdir();
    let mut one = shell("a.x/1", "echo it broke >&2; exit 7");
    one.limits = Limits { attempts: Some(2), backoff: Backoff { delay_seconds: Some(1), ..Backoff::default() }, ..Limits::default() };
    let (_, summary) = run(dir.path(), &plan(vec![one, script(&["(exit 3)", "true"]).remove(0)]), "boot-1");
    let json = serde_json::to_value(&summary.errors).expect("json");
    let elapsed = json[0]["elapsed_ms"].as_u64().expect("milliseconds");
    let expected = serde_json::json!({
        "code": "E_EXEC", "category": "execution", "severity": "critical", "step": "a.x/1",
        "message": "test: sh -c echo it broke >&2; exit 7 failed with exit 7",
        "command": "sh -c echo it broke >&2; exit 7", "exit": 7, "output": ["it broke", "it broke"], "attempts": 2, "elapsed_ms": elapsed,
        "hint": "see the command's output above; mend it, then `landfall rerun a.x/1`",
    });
    let mut found = json[0].clone();
    found["output"] = serde_json::json!(["it broke", "it broke"]);
    assert_eq!(found, expected);
    assert_eq!(json[0]["output"][0], "it broke");
    assert_eq!((json[1]["severity"].as_str(), json[1]["command"].as_str()), (Some("warning"), Some("(exit 3)")));
}

#[test]
fn every_child_of_a_step_knows_what_it_is_run_for() {
    let dir = tempdir();
    let out = dir.path().join("out").display().to_string();
    let say = format!("env | grep -E '^LANDFALL_(RUN|PHASE|STEP|ATTEMPT)=' | sort | tr '\\n' ' ' >>{out}; echo >>{out}");
    let file = dir.path().join("script");
    std::fs::write(&file, format!("#!/bin/sh\n{say}\n")).expect("script");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
    let mut steps = vec![shell("a.x/1", &format!("{say}; test $LANDFALL_ATTEMPT = 2"))];
    steps[0].limits = Limits { attempts: Some(2), backoff: Backoff { delay_seconds: Some(1), ..Backoff::default() }, ..Limits::default() };
    steps.extend(script(&[&say]));
    steps
        .push(step("scripts_user/s", Operation::RunFile { path: file.display().to_string(), env: Default::default(), prefix: Vec::new() }));
    run(dir.path(), &plan(steps), "boot-1");
    let id = run_id(dir.path(), "boot-1");
    let line = |attempt: u32, phase: &str, step: &str| {
        format!("LANDFALL_ATTEMPT={attempt} LANDFALL_PHASE={phase} LANDFALL_RUN={id} LANDFALL_STEP={step} \n")
    };
    let expected =
        [line(1, "a.x", "a.x/1"), line(2, "a.x", "a.x/1"), line(1, "runcmd", "runcmd/1"), line(1, "scripts_user", "scripts_user/s")];
    assert_eq!(std::fs::read_to_string(&out).expect("out"), expected.concat());
    // So do programs that are started without being told, as systemctl is.
    let marks = [("LANDFALL_STEP".to_owned(), "x/1".to_owned())];
    crate::host::process::mark_children(marks.into());
    let ended = Host::default().run(&crate::host::process::Spec::new(["sh", "-c", "echo $LANDFALL_STEP"])).expect("runs");
    crate::host::process::mark_children(Default::default());
    assert_eq!(ended.stdout, "x/1\n");
}

#[test]
fn a_phase_that_was_cut_off_is_finished_though_what_it_creates_is_there_by_now() {
    let dir = tempdir();
    let (made, out) = (dir.path().join("made").display().to_string(), dir.path().join("out"));
    let mut plan = phased(&[(PhaseRules { creates: Some(made.clone()), ..rules("one") }, &format!("touch {made}"))]);
    plan.steps.push(Step { phase: "one".into(), ..shell("one.x/2", &format!("echo x >>{}", out.display())) });
    run(dir.path(), &plan, "boot-1");
    for step in ["one.x/1", "one.x/2"] {
        cut_after_intent(dir.path(), step, false);
        let (_, summary) = run(dir.path(), &plan, "boot-2");
        assert_eq!((results(&summary), endings(&summary)), (vec![StepResult::Done; 2], vec!["done"]));
    }
    assert_eq!(std::fs::read_to_string(&out).expect("out"), "x\nx\nx\n");
}

/// A plan of phases with several commands each, all of them parallel.
fn beside(phases: &[(PhaseRules, &[&str])]) -> Plan {
    let mut steps = Vec::new();
    for (rules, texts) in phases {
        let one = |(at, text): (usize, &&str)| Step { phase: rules.name.clone(), ..shell(&format!("{}.x/{}", rules.name, at + 1), text) };
        steps.extend(texts.iter().enumerate().map(one));
    }
    let parallel = |(rules, _): &(PhaseRules, &[&str])| PhaseRules { parallel: true, ..rules.clone() };
    Plan { phases: phases.iter().map(parallel).collect(), ..plan(steps) }
}

/// Makes one file and waits until the other is there: neither of two such commands ends alone.
fn meet(dir: &Path, own: &str, other: &str) -> String {
    let dir = dir.display();
    format!("touch {dir}/{own}; for i in $(seq 500); do test -e {dir}/{other} && exit 0; sleep 0.02; done; exit 1")
}

#[test]
fn parallel_phases_are_run_side_by_side_and_the_journal_is_one() {
    let dir = tempdir();
    let (one, two) = (meet(dir.path(), "one", "two"), meet(dir.path(), "two", "one"));
    let plan = beside(&[(rules("a"), &[&one, "echo $LANDFALL_STEP $LANDFALL_PHASE"]), (rules("b"), &[&two]), (rules("c"), &["false"])]);
    let (end, summary) = run(dir.path(), &plan, "boot-1");
    let expected = vec![StepResult::Done, StepResult::Done, StepResult::Done, StepResult::Failed];
    assert_eq!((end, results(&summary)), (RunEnd::Settled, expected));
    assert_eq!(std::fs::read_to_string(dir.path().join("output/a.x.log")).expect("output"), "a.x/2 a\n");
    assert_eq!(endings(&summary), ["done", "done", "failed"]);
    assert!(summary.steps.iter().all(|step| step.usage.is_none()), "what others take beside it is not told as its own");
    let before = std::fs::read(dir.path().join("journal")).expect("journal");
    assert_eq!(run(dir.path(), &plan, "boot-1").0, RunEnd::Settled);
    assert_eq!(std::fs::read(dir.path().join("journal")).expect("journal"), before, "nothing is left to do");
}

#[test]
fn both_of_two_parallel_phases_that_were_cut_off_are_finished_at_the_next_boot() {
    let dir = tempdir();
    let plan = beside(&[(rules("a"), &["true", "true"]), (rules("b"), &["true"])]);
    run(dir.path(), &plan, "boot-1");
    let path = dir.path().join("journal");
    let text = std::fs::read_to_string(&path).expect("journal");
    let kept =
        |line: &&str| !(line.contains("\"outcome\"") && (line.contains("a.x/2") || line.contains("b.x/1"))) && !line.contains("\"end\"");
    std::fs::write(&path, text.lines().filter(kept).map(|line| format!("{line}\n")).collect::<String>()).expect("journal");
    let (end, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!((end, results(&summary), summary.state), (RunEnd::Settled, vec![StepResult::Done; 3], State::Done));
    let intents = |id: &str| {
        let text = std::fs::read_to_string(&path).expect("journal");
        text.lines().filter(|line| line.contains("\"intent\"") && line.contains(id)).count()
    };
    assert_eq!((intents("a.x/1"), intents("a.x/2"), intents("b.x/1")), (1, 2, 2));
}

#[test]
fn a_failure_that_stops_the_run_lets_parallel_phases_end_and_then_its_playbook_is_run() {
    use StepResult::{Done, Failed, Pending};
    let dir = tempdir();
    let (one, two) = (meet(dir.path(), "one", "two"), meet(dir.path(), "two", "one"));
    let book = PhaseRules { after_failure_of: Some("b".into()), ..rules("mend") };
    let mut plan = beside(&[
        (rules("a"), &[&one, "sleep 0.3"]),
        (rules("b"), &[&two.replace("exit 0", "exit 3"), "true"]),
        (book, &["true"]),
        (rules("last"), &["true"]),
    ]);
    plan.steps.iter_mut().for_each(|step| step.on_error = OnError::Stop);
    let (end, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!((end, results(&summary)), (RunEnd::Halted, vec![Done, Done, Failed, Pending, Done, Pending]));
}

#[test]
fn what_depends_on_a_parallel_phase_waits_for_it() {
    let lanes = |plan: &Plan| plan.side_by_side(0);
    let mut plan = beside(&[(rules("a"), &["true", "true"]), (rules("b"), &["true"]), (rules("c"), &["true"])]);
    assert_eq!(lanes(&plan), [vec![0, 1], vec![2], vec![3]]);
    plan.steps[2].needs = vec!["a.x/1".into()];
    assert_eq!(lanes(&plan), [[0, 1]]);
    plan.steps[2].needs.clear();
    plan.phases[2].outcome = vec![OutcomeCondition { phase: "a".into(), is: vec![PhaseOutcome::Done] }];
    assert_eq!(lanes(&plan), [vec![0, 1], vec![2]]);
    plan.phases[1].after_failure_of = Some("a".into());
    assert_eq!(lanes(&plan), [[0, 1]]);
    plan.phases[0].parallel = false;
    assert!(lanes(&plan).is_empty());
    let dir = tempdir();
    let mark = dir.path().join("mark").display().to_string();
    let mut plan = beside(&[(rules("a"), &[&format!("sleep 0.3; touch {mark}")]), (rules("b"), &[&format!("test -e {mark}")])]);
    plan.steps[1].needs = vec!["a.x/1".into()];
    assert_eq!(run(dir.path(), &plan, "boot-1").1.state, State::Done);
}

#[test]
fn scripts_of_parallel_phases_have_shells_of_their_own() {
    let dir = tempdir();
    let of = |phase: &str, texts: &[&str]| -> Vec<Step> {
        let mut steps = script(texts);
        for step in &mut steps {
            step.id = step.id.replace("runcmd", &format!("{phase}.runcmd"));
            step.phase = phase.to_owned();
            if let Operation::ScriptItem(item) = &mut step.operation {
                item.script = format!("{phase}.runcmd");
            }
        }
        steps
    };
    let (one, two) = (meet(dir.path(), "one", "two"), meet(dir.path(), "two", "one"));
    let mut steps = of("a", &["cd /usr; v=a", &format!("({one})"), "echo $v $PWD"]);
    steps.extend(of("b", &["cd /etc; v=b", &format!("({two})"), "echo $v $PWD"]));
    let parallel = |name: &str| PhaseRules { parallel: true, ..rules(name) };
    let plan = Plan { phases: vec![parallel("a"), parallel("b")], ..plan(steps) };
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!((results(&summary), summary.state), (vec![StepResult::Done; 6], State::Done));
    for (phase, said) in [("a", "a /usr\n"), ("b", "b /etc\n")] {
        assert_eq!(std::fs::read_to_string(dir.path().join(format!("output/{phase}.runcmd.log"))).expect("output"), said);
    }
}
