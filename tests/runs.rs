//! Whole runs in a directory that stands for a host: which instance it is, what is run, what is left alone.
//!
//! No program is run and nothing is booted: what needs a real Debian is in the boot and power suites.

#[path = "runs/includes.rs"]
mod includes;
#[path = "runs/layers.rs"]
mod layers;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use landfall::config::settings::Overrides;
use landfall::engine::summary::{State, Summary};
use landfall::error::Kind;
use landfall::host::Host;
use landfall::identity::{Here, Recorded};
use landfall::plan::{Stage, Weight};
use landfall::run::{self, NoRun, Report, Request, Source, StatusFile};

struct Machine {
    dir: tempfile::TempDir,
    host: Host,
}

impl Machine {
    /// An empty host; `None` where ownership cannot be set.
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "needs root");
            println!("skipped: needs root");
            return None;
        }
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let machine = Self { dir, host };
        machine.write("etc/os-release", "ID=debian\nVERSION_CODENAME=trixie\nVERSION_ID=13\n");
        machine.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        machine.write("etc/group", "root:x:0:\n");
        machine.write("etc/shadow", "root:*:20000:0:99999:7:::\n");
        machine.write("root/.profile", "");
        machine.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        Some(machine)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(path, text).expect("write");
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    fn seed(&self, id: &str, user_data: &str) {
        self.write("var/lib/cloud/seed/nocloud/meta-data", &format!("instance-id: {id}\n"));
        self.write("var/lib/cloud/seed/nocloud/user-data", user_data);
    }

    /// A boot empties `/run`.
    fn boot(&self) -> Report {
        let _ = fs::remove_dir_all(self.path("run"));
        for stage in [Stage::Local, Stage::Network] {
            run::run(&self.host, &Request::Boot(Some(stage))).expect("runs");
        }
        run::run(&self.host, &Request::Boot(Some(Stage::Final))).expect("runs")
    }

    fn apply(&self, user_data: &str) -> Report {
        let source = Source::File { name: "x.yaml".into(), bytes: user_data.into(), first_boot: false };
        run::run(&self.host, &Request::Apply(source)).expect("runs")
    }
}

fn files(entries: &[(&str, &str)]) -> String {
    let mut out = "#cloud-config\nusers: []\ndisable_root: false\nssh_deletekeys: false\nwrite_files:\n".to_owned();
    for (path, content) in entries {
        out.push_str(&format!("  - {{path: {path}, content: '{content}'}}\n"));
    }
    out
}

fn summary(report: Report) -> Summary {
    let summary = report.summary.expect("there was something to run");
    for step in summary.failures() {
        println!("{}: {:?}", step.description, step.failure);
    }
    println!("{:?}", summary.told);
    summary
}

fn journal_size(machine: &Machine, instance: &str) -> u64 {
    fs::metadata(machine.path(&format!("var/lib/landfall/instances/{instance}/journal"))).map_or(0, |metadata| metadata.len())
}

#[test]
fn a_first_boot_provisions_and_the_next_one_leaves_everything_alone() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    let first = summary(machine.boot());
    assert_eq!((first.state, first.mode.as_str(), first.instance.as_str()), (State::Done, "standalone", "i-1"));
    assert_eq!(machine.read("etc/one").as_deref(), Some("1"));
    let mode = fs::metadata(machine.path("var/lib/landfall")).expect("state").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    machine.write("etc/one", "changed by the administrator");
    let size = journal_size(&machine, "i-1");
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert_eq!(machine.read("etc/one").as_deref(), Some("changed by the administrator"));
    assert_eq!(journal_size(&machine, "i-1"), size, "nothing is recorded where nothing is done");
}

#[test]
fn a_damaged_plan_is_made_anew_from_the_same_user_data_and_nothing_is_done_twice() {
    let Some(machine) = Machine::new() else { return };
    let user_data = files(&[("/etc/two", "b")]).replace("write_files:\n", "write_files:\n  - {path: /etc/one, content: a, append: true}\n");
    machine.seed("i-1", &user_data);
    machine.boot();
    let plan = "var/lib/landfall/instances/i-1/plan.json";
    let whole = machine.read(plan).expect("a plan");
    machine.write(plan, &whole.replace("/etc/two", "/etc/tvo"));
    let report = machine.boot();
    let summary = report.summary.expect("a run");
    assert_eq!(summary.state, State::Degraded, "{:?} {:?}", summary.told, summary.failures().collect::<Vec<_>>());
    assert!(summary.told.iter().any(|told| told.message.contains("its checksum is another one; it was made anew")), "{:?}", summary.told);
    assert_eq!((machine.read("etc/one").as_deref(), machine.read("etc/tvo")), (Some("a"), None));

    machine.write(plan, &whole[..whole.len() / 2]);
    machine.seed("i-1", "#cloud-config\nruncmd: [other]\n");
    let _ = fs::remove_dir_all(machine.path("run"));
    let failure = run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect_err("other user-data does not say what the plan was");
    assert!(failure.next_action().contains("landfall clean"), "{failure:?}");
}

#[test]
fn the_text_of_runcmd_lies_where_cloud_init_has_it_until_it_is_wiped() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", "#cloud-config\nruncmd: ['echo one', [echo, \"it's\"]]\n");
    machine.boot();
    let path = "var/lib/cloud/instances/i-1/scripts/runcmd";
    let text = machine.read(path).expect("the script");
    assert!(text.starts_with("#!/bin/sh\necho one\n") && text.lines().count() == 3, "{text}");
    assert_eq!(fs::metadata(machine.path(path)).expect("there").permissions().mode() & 0o777, 0o700);
    machine.seed("i-2", &(files(&[("/etc/one", "1")]) + "runcmd: []\n"));
    machine.boot();
    assert_eq!(machine.read("var/lib/cloud/instances/i-2/scripts/runcmd"), None);
    assert!(machine.path("var/lib/cloud/instances/i-2/sem/config_scripts_user").exists());
}

#[test]
fn another_id_is_another_instance_and_changed_user_data_alone_is_not() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.boot();
    machine.seed("i-1", &files(&[("/etc/one", "2")]));
    let same = summary(machine.boot());
    assert_eq!(machine.read("etc/one").as_deref(), Some("1"));
    assert!(same.told.iter().any(|told| told.message.contains("has changed since")), "{:?}", same.told);
    assert_eq!(same.state, State::Done, "a notice is not a failure");
    machine.seed("i-2", &files(&[("/etc/one", "3")]));
    assert_eq!(summary(machine.boot()).instance, "i-2");
    assert_eq!(machine.read("etc/one").as_deref(), Some("3"));
}

#[test]
fn a_datasource_that_is_gone_is_an_outage_and_changes_nothing() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.boot();
    fs::remove_dir_all(machine.path("var/lib/cloud/seed")).expect("remove");
    let out = summary(machine.boot());
    assert_eq!((out.state, out.instance.as_str()), (State::Degraded, "i-1"));
    machine.write("etc/machine-id", "ffffffffffffffffffffffffffffffff\n");
    let report = machine.boot();
    assert!(report.summary.is_none(), "perhaps a clone: nothing is touched");
    assert!(matches!(run::read_status(&machine.host), Some(StatusFile::Nothing(NoRun { state: State::Degraded, .. }))));
}

#[test]
fn a_datasource_that_comes_late_in_a_later_boot_is_no_outage() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.boot();
    fs::remove_dir_all(machine.path("run")).expect("remove");
    let (seed, away) = (machine.path("var/lib/cloud/seed"), machine.path("away"));
    fs::rename(&seed, &away).expect("away");
    run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect("runs");
    fs::rename(&away, &seed).expect("back");
    run::run(&machine.host, &Request::Boot(Some(Stage::Network))).expect("runs");
    let last = summary(run::run(&machine.host, &Request::Boot(Some(Stage::Final))).expect("runs"));
    assert_eq!((last.state, last.told.len()), (State::Done, 0));
}

#[test]
fn without_a_datasource_nothing_is_done() {
    let Some(machine) = Machine::new() else { return };
    let report = machine.boot();
    assert!(report.summary.is_none() && report.remark.contains("nothing to do"), "{}", report.remark);
    assert!(!machine.path("var/lib/landfall").exists(), "an image that was booted without datasource stays fresh");
}

#[test]
fn the_off_switch_switches_off() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.write("etc/landfall/disabled", "");
    machine.boot();
    assert_eq!(machine.read("etc/one"), None);
    assert!(matches!(run::read_status(&machine.host), Some(StatusFile::Nothing(NoRun { state: State::Disabled, .. }))));
    fs::remove_file(machine.path("etc/landfall/disabled")).expect("remove");
    assert_eq!(summary(machine.boot()).state, State::Done);
}

#[test]
fn a_file_that_takes_the_place_of_one_that_was_cut_off_says_what_will_not_be_done() {
    let Some(machine) = Machine::new() else { return };
    machine.apply(&files(&[("/etc/one", "1"), ("/etc/two", "2")]));
    let journal = "var/lib/landfall/instances/manual/journal";
    let text = machine.read(journal).expect("journal");
    let cut: String = text.split_inclusive('\n').take_while(|line| !line.contains("/etc/two")).collect();
    machine.write(journal, &cut);
    let told = |report: run::Report| summary(report).told.into_iter().map(|told| told.message).collect::<Vec<_>>().join("\n");
    assert!(!told(machine.apply(&files(&[("/etc/one", "1"), ("/etc/two", "2")]))).contains("takes its place"), "it is the same file");
    machine.write(journal, &cut);
    let other = told(machine.apply(&files(&[("/etc/three", "3")])));
    assert!(other.contains("this one takes its place: `write_files/etc/two` and"), "{other}");
}

#[test]
fn what_is_applied_by_hand_is_not_applied_again_by_a_boot() {
    let Some(machine) = Machine::new() else { return };
    let applied = summary(machine.apply(&files(&[("/etc/one", "1")])));
    assert_eq!((applied.state, applied.mode.as_str()), (State::Done, "manual"));
    fs::remove_file(machine.path("etc/one")).expect("remove");
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert_eq!(machine.read("etc/one"), None);
    machine.apply(&files(&[("/etc/one", "2")]));
    assert_eq!(machine.read("etc/one").as_deref(), Some("2"));
    let again = machine.apply(&files(&[("/etc/one", "2")]));
    assert!(again.remark.contains("nothing to do") && again.remark.contains("done"), "{again:?}");
}

#[test]
fn an_id_that_appears_on_a_host_in_use_is_adopted() {
    let Some(machine) = Machine::new() else { return };
    // As the installation of the package on a running host does.
    Recorded::of(&Here::read(&machine.host)).store(&machine.host).expect("stored");
    machine.apply(&files(&[("/etc/one", "1")]));
    machine.seed("i-1", &files(&[("/etc/one", "2")]));
    machine.boot();
    assert_eq!(machine.read("etc/one").as_deref(), Some("1"), "it is the same host: nothing is provisioned");
    machine.seed("i-2", &files(&[("/etc/one", "3")]));
    machine.boot();
    assert_eq!(machine.read("etc/one").as_deref(), Some("3"), "a clone of it is another instance");
}

#[test]
fn a_host_in_use_is_not_provisioned_by_a_later_stage_or_boot_either() {
    let Some(machine) = Machine::new() else { return };
    Recorded::of(&Here::read(&machine.host)).store(&machine.host).expect("stored");
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    for stage in [Some(Stage::Local), Some(Stage::Network), Some(Stage::Final), None] {
        let report = run::run(&machine.host, &Request::Boot(stage)).expect("runs");
        assert!(report.remark.contains("in use as instance i-1"), "{stage:?}: {}", report.remark);
        assert_eq!(machine.read("etc/one"), None, "{stage:?}");
    }
    machine.seed("i-2", &files(&[("/etc/one", "2")]));
    machine.boot();
    assert_eq!(machine.read("etc/one").as_deref(), Some("2"));
}

#[test]
fn a_failed_file_fails_the_run_and_resume_tries_it_again() {
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/block", "a file where a directory is needed");
    machine.seed("i-1", &files(&[("/etc/block/one", "1"), ("/etc/two", "2")]));
    let report = machine.boot();
    assert_eq!(run::exit_code(&report), 1);
    assert_eq!(summary(report).state, State::Failed);
    assert_eq!(machine.read("etc/two").as_deref(), Some("2"), "what is independent is done");
    fs::remove_file(machine.path("etc/block")).expect("remove");
    let resumed = run::run(&machine.host, &Request::Resume).expect("runs");
    assert_eq!(summary(resumed).state, State::Done);
    assert_eq!(machine.read("etc/block/one").as_deref(), Some("1"));
}

#[test]
fn one_step_is_run_again_and_an_unknown_one_is_named() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1"), ("/etc/two", "2")]));
    machine.boot();
    fs::remove_file(machine.path("etc/one")).expect("remove");
    fs::remove_file(machine.path("etc/two")).expect("remove");
    let again = run::run(&machine.host, &Request::Rerun("write_files/etc/one".into())).expect("runs");
    assert_eq!(summary(again).state, State::Done);
    assert_eq!((machine.read("etc/one").as_deref(), machine.read("etc/two")), (Some("1"), None));
    let failure = run::run(&machine.host, &Request::Rerun("write_files/etc/oen".into())).expect_err("unknown");
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(failure.hint.is_some_and(|hint| hint.contains("write_files/etc/one")));
}

#[test]
fn a_plan_from_a_newer_landfall_is_refused_before_anything_changes() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.boot();
    machine.write("var/lib/landfall/instances/i-1/plan.json", "{\"format\": 99, \"steps\": \"whatever\"}");
    let _ = fs::remove_dir_all(machine.path("run"));
    let failure = run::run(&machine.host, &Request::Boot(Some(Stage::Final))).expect_err("refused");
    assert!(failure.kind == Kind::Config && failure.message.contains("format 99"), "{failure}");
}

#[test]
fn plans_and_journals_of_every_released_format_are_read() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let mut seen = 0;
    for entry in fs::read_dir(formats).expect("formats") {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("read");
        if name.starts_with("plan-") {
            let plan = landfall::plan::parse(&bytes).expect("a plan of a released format");
            assert!(!plan.steps.is_empty());
            let stored = landfall::plan::to_stored_json(&plan).expect("stored");
            assert_eq!(landfall::plan::parse(&stored).expect("again"), plan);
        } else {
            let log = landfall::host::append_log::AppendLog::new(&path, true);
            let journal = landfall::engine::journal::Journal::view(log).expect("journal");
            assert_eq!(journal.damaged(), 0);
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(journal.records().len(), lines, "every record of {name} is understood");
        }
        seen += 1;
    }
    assert!(seen >= 2, "fixtures are there");
}

/// What an older landfall has done is known by the digests of its steps: this one must find the same in its plan.
#[test]
fn what_the_journal_of_a_released_format_tells_is_found_in_its_plan() {
    let read = |name: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats").join(name)).expect("fixture");
    let plan = landfall::plan::parse(&read("plan-1.json")).expect("plan");
    let journal = String::from_utf8(read("journal-1")).expect("text");
    let record = |line: &str| serde_json::from_str::<serde_json::Value>(line.split_once(' ').expect("a checksum").1).expect("JSON");
    let digests: std::collections::BTreeMap<String, String> = journal
        .lines()
        .map(record)
        .filter(|record| record["record"] == "outcome")
        .map(|record| (record["step"].as_str().expect("a step").to_owned(), record["digest"].as_str().expect("a digest").to_owned()))
        .collect();
    let mut compared = 0;
    for step in &plan.steps {
        if let Some(digest) = digests.get(&step.id) {
            assert_eq!(step.digest(), digest, "{}", step.id);
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared} of {}", digests.len());
    let again = landfall::plan::parse(&landfall::plan::to_stored_json(&plan).expect("stored")).expect("parsed");
    assert!(again.steps.iter().zip(&plan.steps).all(|(one, other)| one.digest() == other.digest()));
}

#[test]
fn phases_are_run_as_their_conditions_and_failures_have_it() {
    let Some(machine) = Machine::new() else { return };
    let file = |path: &str| format!("write_files: [{{path: {path}, content: x}}]");
    let phases = [
        format!("{{name: main, on_failure: mend, {}}}", file("/etc/passwd/x")),
        format!("{{name: mend, {}}}", file("/etc/mended")),
        format!("{{name: elsewhere, when: {{release: bookworm}}, {}}}", file("/etc/elsewhere")),
        format!("{{name: there, creates: /etc/passwd, {}}}", file("/etc/there")),
        format!("{{name: after, when: {{outcome: {{main: failed, mend: done}}}}, {}}}", file("/etc/after")),
        format!("{{name: well, when: {{outcome: {{main: done}}}}, {}}}", file("/etc/well")),
    ];
    machine.seed("i-1", &format!("{}landfall: {{phases: [{}]}}\n", files(&[("/etc/one", "1")]), phases.join(", ")));
    let first = summary(machine.boot());
    let ended: Vec<_> = first.phases.iter().map(|phase| phase.outcome.map_or("open", |outcome| outcome.name())).collect();
    assert_eq!((first.state, ended), (State::Failed, vec!["failed", "done", "skipped", "skipped", "done", "skipped"]));
    for (path, written) in [("mended", true), ("elsewhere", false), ("there", false), ("after", true), ("well", false)] {
        assert_eq!(machine.read(&format!("etc/{path}")).is_some(), written, "{path}");
    }
    let why: Vec<&str> = first.phases.iter().filter_map(|phase| phase.why.as_deref()).collect();
    assert_eq!(why, ["release is trixie, not bookworm", "/etc/passwd exists", "phase `main` is failed, not done"]);
    let Some(StatusFile::Run(shown)) = run::read_status(&machine.host) else { panic!("a status file") };
    assert_eq!((shown.phases, shown.errors.len()), (first.phases, 1));
    let size = journal_size(&machine, "i-1");
    assert_eq!(summary(machine.boot()).state, State::Failed);
    assert_eq!(journal_size(&machine, "i-1"), size, "nothing is recorded where nothing is done");
}

#[test]
fn a_newer_journal_is_refused() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.boot();
    let path = machine.path("var/lib/landfall/instances/i-1/journal");
    let text = fs::read_to_string(&path).expect("journal");
    let line = text.lines().next().expect("begin").replacen("\"format\":1", "\"format\":99", 1);
    let json = &line[17..];
    let sum = landfall::hash::hex(&<sha2::Sha256 as sha2::Digest>::digest(json.as_bytes())[..8]);
    fs::write(&path, format!("{sum} {json}\n")).expect("write");
    let _ = fs::remove_dir_all(machine.path("run"));
    let failure = run::run(&machine.host, &Request::Boot(Some(Stage::Final))).expect_err("refused");
    assert!(failure.message.contains("newer landfall"), "{failure}");
}

/// Files below `directory` that contain `text`.
fn holding(directory: &Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("type");
        if kind.is_dir() {
            found.extend(holding(&entry.path(), text));
        } else if kind.is_file() && String::from_utf8_lossy(&fs::read(entry.path()).expect("read")).contains(text) {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn what_undoing_the_recorded_run_needs_is_kept_and_older_copies_go() {
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/one", "from the image");
    let apply = |content: &str| {
        let report = machine.apply(&(files(&[("/etc/one", content)]) + "landfall: {backups: {copies: 1}}\n"));
        assert_eq!(summary(report).state, State::Done);
        let versions = run::versions(&machine.host, "/etc/one").expect("versions");
        let held = |version: &run::Version| String::from_utf8(run::bytes_of(&machine.host, version).expect("kept")).expect("text");
        versions.iter().map(held).collect::<Vec<_>>()
    };
    assert_eq!(apply("first"), ["from the image"]);
    assert_eq!(apply("second"), ["first", "from the image"], "the newest of the others");
    assert_eq!(apply("third"), ["second", "first"]);
    assert_eq!(apply("fourth"), ["third", "second"]);
}

#[test]
fn user_data_is_wiped_after_a_run_that_ended_well_and_stays_done() {
    let Some(machine) = Machine::new() else { return };
    let wanted = files(&[("/etc/token", "geheim-1234")]) + "landfall: {wipe_user_data: true}\n";
    machine.seed("i-1", &wanted);
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert_eq!(machine.read("etc/token").as_deref(), Some("geheim-1234"));
    let base64 = "Z2VoZWltLTEyMzQ";
    for place in ["var/lib/landfall", "var/lib/cloud/instances", "run"] {
        for text in ["geheim-1234", base64] {
            assert_eq!(holding(&machine.path(place), text), Vec::<std::path::PathBuf>::new(), "{text}");
        }
    }
    fs::remove_file(machine.path("etc/token")).expect("remove");
    let again = summary(machine.boot());
    assert_eq!(again.state, State::Done);
    assert!(again.told.iter().all(|told| !told.message.contains("changed")), "{:?}", again.told);
    assert_eq!(machine.read("etc/token"), None, "the instance's steps are done");
    let step = again.steps.iter().find(|step| step.id.starts_with("write_files")).expect("listed").id.clone();
    assert_eq!(run::run(&machine.host, &Request::Rerun(step)).expect_err("wiped").kind, Kind::NotFound);
}

#[test]
fn what_cannot_be_read_is_refused_where_it_is_given_by_hand() {
    let Some(machine) = Machine::new() else { return };
    machine.apply(&files(&[("/etc/one", "1")]));
    let plan = machine.read("var/lib/landfall/instances/manual/plan.json");
    for broken in ["#cloud-config\nwrite_files:\n\t- path: /x\n", "#cloud-config\n- a\n- b\n", "#include\n/no/such/file\n"] {
        let source = Source::File { name: "x.yaml".into(), bytes: broken.into(), first_boot: false };
        let failure = run::run(&machine.host, &Request::Apply(source)).expect_err("refused");
        assert_eq!(failure.kind, Kind::Input, "{broken:?}: {failure}");
        assert!(failure.message.contains("x.yaml"), "{failure}");
        assert_eq!(machine.read("var/lib/landfall/instances/manual/plan.json"), plan);
    }
}

#[test]
fn user_data_that_is_wholly_unreadable_is_an_error_and_loses_nothing_of_the_image() {
    for broken in [
        "This is no cloud-config.\nhostname: web1\n",
        "#cloud-config\nhostname: web1\nruncmd:\n  - echo \"unclosed\n users: [\n",
        "#cloud-config\n- hostname: web1\n",
        "#cloud-config-archive\nhostname: web1\n",
    ] {
        let Some(machine) = Machine::new() else { return };
        machine.write("etc/cloud/cloud.cfg.d/90-image.cfg", &files(&[("/etc/one", "of the image")]));
        machine.seed("i-1", broken);
        let found = summary(machine.boot());
        assert_eq!(found.state, State::Failed, "{broken:?}");
        assert!(found.told.iter().any(|told| told.weight == Some(Weight::Failed)), "{broken:?}: {:?}", found.told);
        assert_eq!(machine.read("etc/one").as_deref(), Some("of the image"), "{broken:?}");
    }
}

#[test]
fn what_is_applied_to_an_instance_leaves_what_it_does_at_every_boot() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.boot();
    let ids = |summary: &Summary| summary.steps.iter().map(|step| step.id.clone()).collect::<Vec<_>>();
    assert!(ids(&summary(machine.boot())).iter().any(|id| id.starts_with("scripts_per_boot")));
    let applied = summary(machine.apply(&files(&[("/etc/two", "2")])));
    assert_eq!(applied.state, State::Done);
    let again = summary(machine.boot());
    assert!(ids(&again).iter().any(|id| id.starts_with("scripts_per_boot")), "{:?}", ids(&again));
    assert!(again.told.iter().all(|told| !told.message.contains("has changed")), "{:?}", again.told);
    machine.seed("i-1", &files(&[("/etc/three", "3")]));
    let changed = summary(machine.boot());
    assert!(changed.told.iter().any(|told| told.message.contains("has changed")), "{:?}", changed.told);
    assert_eq!(machine.read("etc/three"), None);
}

#[test]
fn nothing_is_applied_over_a_run_that_has_not_ended() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect("runs");
    let source = Source::File { name: "x.yaml".into(), bytes: files(&[("/etc/two", "2")]).into(), first_boot: false };
    let failure = run::run(&machine.host, &Request::Apply(source)).expect_err("refused");
    assert!(failure.message.contains("has not ended") && failure.next_action().contains("resume"), "{failure}");
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert_eq!(machine.read("etc/one").as_deref(), Some("1"));
}

#[test]
fn a_datasource_that_cannot_be_used_is_no_quiet_success() {
    let Some(machine) = Machine::new() else { return };
    machine.write("var/lib/cloud/seed/nocloud/user-data", "#cloud-config\n{}\n");
    run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect("a later stage knows more");
    let failure = run::run(&machine.host, &Request::Boot(Some(Stage::Final))).expect_err("failed");
    assert!(failure.message.contains("meta-data"), "{failure}");
    let status = run::read_status(&machine.host);
    assert!(matches!(status, Some(StatusFile::Nothing(NoRun { state: State::Failed, .. }))), "{status:?}");
}

#[test]
fn a_network_configuration_that_nobody_can_apply_is_an_error_and_the_rest_is_done() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    machine.write("var/lib/cloud/seed/nocloud/network-config", "version: 2\nethernets: {eth0: {dhcp4: true}}\n");
    let summary = summary(machine.boot());
    assert_eq!(summary.state, State::Failed);
    assert!(summary.told.iter().any(|told| told.message.contains("the network-config is not applied")), "{:?}", summary.told);
    assert_eq!(machine.read("etc/one").as_deref(), Some("1"));
}

#[test]
fn a_host_passes_a_network_stage_that_has_nothing_to_do() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    let passes = || machine.path("run/landfall/instance-settled").exists();
    run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect("runs");
    assert!(passes(), "all of it is done before the network is needed");
    machine.boot();
    let _ = fs::remove_dir_all(machine.path("run"));
    run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect("runs");
    assert!(passes());
    machine.seed("i-2", "#cloud-config\nbootcmd: [\"true\"]\n");
    let _ = fs::remove_dir_all(machine.path("run"));
    run::run(&machine.host, &Request::Boot(Some(Stage::Local))).expect("runs");
    assert!(!passes(), "bootcmd belongs to that stage");
}

#[test]
fn settings_given_beside_the_documents_count_where_a_plan_is_made_and_not_where_it_is_resumed() {
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/landfall/landfall.yaml", "landfall: {retry: 2}\n");
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    let attempts = |machine: &Machine| {
        let plan: serde_json::Value =
            serde_json::from_str(&machine.read("var/lib/landfall/instances/i-1/plan.json").expect("a plan")).expect("JSON");
        let steps = plan["steps"].as_array().expect("steps").clone();
        steps.iter().find(|step| step["id"] == "write_files/etc/one").expect("a step")["limits"]["attempts"].as_u64()
    };
    let given = |retry: &'static str| Overrides::new(&|_| None, &[("--retry", "retry", Some(retry))]);
    let request = || Request::Boot(Some(Stage::Final));
    run::run_with(&machine.host, &request(), &given("7")).expect("runs");
    assert_eq!(attempts(&machine), Some(7));
    run::run_with(&machine.host, &request(), &given("9")).expect("runs");
    assert_eq!(attempts(&machine), Some(7), "the stored plan is resumed as it was made");
}
