//! Sends operations into a host and brings back what became of them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use landfall::engine::apply::{self, Checked, Context, Effect, Prior};
use landfall::error::Failure;
use landfall::host::holdback::HoldBack;
use landfall::host::Host;
use landfall::plan::{AptGet, Operation};
use landfall::secret::reveal;
use serde::{Deserialize, Serialize};

use crate::lab;

/// Where the test program stands in the host.
const PROGRAM: &str = "/var/tmp/operations";
const JOB: &str = "/var/tmp/operations.json";

/// What the program in the host is asked to do.
#[derive(Serialize, Deserialize, Default)]
struct Job {
    operations: Vec<Operation>,
    /// Recorded earlier: the operations are those of interrupted steps.
    interrupted: Vec<Prior>,
    /// Undo instead of doing.
    undo: Vec<Prior>,
    /// A shell script that runs meanwhile; the operations begin when it has said something.
    meanwhile: String,
    /// Survive cuts: intents and ends are recorded durably, as the engine does it.
    durable: bool,
    /// Instead of operations: a question to the host layer.
    ask: String,
    /// How apt-get is called.
    apt_get: AptGet,
}

/// What became of one operation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub satisfied_before: bool,
    pub prior: Prior,
    pub result: Result<Effect, Failure>,
    pub satisfied_after: bool,
    /// What was said on the console meanwhile.
    pub said: Vec<String>,
    pub seconds: f64,
}

impl Outcome {
    /// Nothing was done.
    fn settled() -> Self {
        let result = Ok(Effect::default());
        Self { satisfied_before: true, prior: Prior::None, result, satisfied_after: true, said: Vec::new(), seconds: 0.0 }
    }

    #[track_caller]
    pub fn done(&self) -> &Effect {
        self.result.as_ref().unwrap_or_else(|failure| panic!("{failure}\n{:#?}", failure.output))
    }

    #[track_caller]
    pub fn failed(&self) -> &Failure {
        self.result.as_ref().expect_err("it must fail")
    }
}

/// A host that operations can be sent to.
pub trait Target {
    fn exec(&self, command: &[&str]) -> lab::Output;
    fn put(&self, path: &str, content: &[u8], mode: u32);
    fn has(&self, path: &str) -> bool;
}

impl Target for lab::Host {
    fn exec(&self, command: &[&str]) -> lab::Output {
        self.chroot(command)
    }
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        self.files().write(path, content, mode);
    }
    fn has(&self, path: &str) -> bool {
        self.files().exists(path)
    }
}

impl Target for lab::Booted {
    fn exec(&self, command: &[&str]) -> lab::Output {
        self.exec_with(command, b"", Duration::from_secs(120))
    }
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        self.files().write(path, content, mode);
    }
    fn has(&self, path: &str) -> bool {
        self.files().exists(path)
    }
}

/// The test program as it is put into a host.
fn program() -> Vec<u8> {
    static PROGRAM: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    let mut program = PROGRAM.lock().unwrap();
    program.get_or_insert_with(|| stripped(&std::env::current_exe().unwrap())).clone()
}

/// A program without its debug information: a tenth of the size.
pub fn stripped(program: &Path) -> Vec<u8> {
    let name = program.file_name().unwrap().to_string_lossy();
    let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let status = std::process::Command::new("objcopy").arg("--strip-all").arg(program).arg(&stripped).status();
    let from = if status.is_ok_and(|status| status.success()) { &stripped } else { program };
    let bytes = std::fs::read(from).unwrap();
    let _ = std::fs::remove_file(&stripped);
    bytes
}

fn send(target: &dyn Target, job: &Job) -> String {
    if !target.has(PROGRAM) {
        target.put(PROGRAM, &program(), 0o755);
    }
    let text = reveal(|| serde_json::to_vec(job)).unwrap();
    target.put(JOB, &text, 0o600);
    let output = target.exec(&[PROGRAM, "--exact", "driver::inside", "--ignored", "--nocapture"]);
    output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .unwrap_or_else(|| panic!("no result\n{}\n{}", output.stdout, output.stderr))
        .to_owned()
}

/// Does operations one after the other, as the engine would.
pub fn run(target: &dyn Target, operations: &[Operation]) -> Vec<Outcome> {
    run_beside(target, "", operations)
}

/// The same while a shell script runs, which has to say something when it is ready.
pub fn run_beside(target: &dyn Target, script: &str, operations: &[Operation]) -> Vec<Outcome> {
    let job = Job { operations: operations.to_vec(), meanwhile: script.into(), ..Job::default() };
    serde_json::from_str(&send(target, &job)).unwrap()
}

/// The same with another apt-get than usual.
pub fn run_with_apt_get(target: &dyn Target, apt_get: AptGet, operations: &[Operation]) -> Vec<Outcome> {
    let job = Job { operations: operations.to_vec(), apt_get, ..Job::default() };
    serde_json::from_str(&send(target, &job)).unwrap()
}

/// One operation that must succeed.
#[track_caller]
pub fn done(target: &dyn Target, operation: Operation) -> Outcome {
    let outcome = run(target, &[operation]).pop().unwrap();
    outcome.done();
    outcome
}

/// Resumes an operation whose first try was interrupted.
#[track_caller]
pub fn resume(target: &dyn Target, operation: Operation, prior: Prior) -> Outcome {
    let job = Job { operations: vec![operation], interrupted: vec![prior], ..Job::default() };
    serde_json::from_str::<Vec<Outcome>>(&send(target, &job)).unwrap().pop().unwrap()
}

/// The same, which must succeed.
#[track_caller]
pub fn resumed(target: &dyn Target, operation: Operation, prior: Prior) -> Outcome {
    let outcome = resume(target, operation, prior);
    outcome.done();
    outcome
}

/// The command that does operations durably in a booted host, going on where a cut left off.
pub fn durable_command(target: &dyn Target, operations: &[Operation]) -> [&'static str; 5] {
    if !target.has(PROGRAM) {
        target.put(PROGRAM, &program(), 0o755);
    }
    let job = Job { operations: operations.to_vec(), durable: true, ..Job::default() };
    let text = reveal(|| serde_json::to_vec(&job)).unwrap();
    target.put(JOB, &text, 0o600);
    [PROGRAM, "--exact", "driver::inside", "--ignored", "--nocapture"]
}

/// What such a command said.
pub fn outcomes(stdout: &str) -> Vec<Outcome> {
    let line = stdout.lines().find_map(|line| line.strip_prefix("RESULT ")).unwrap_or_else(|| panic!("no result\n{stdout}"));
    serde_json::from_str(line).unwrap()
}

/// Undoes.
#[track_caller]
pub fn undone(target: &dyn Target, prior: Prior) {
    let job = Job { undo: vec![prior], ..Job::default() };
    let text = send(target, &job);
    assert_eq!(text, "[]", "undoing failed");
}

/// Asks the host layer something; see [`answer`].
#[track_caller]
pub fn ask(target: &dyn Target, question: &str) -> String {
    let text = send(target, &Job { ask: question.into(), ..Job::default() });
    serde_json::from_str(&text).unwrap()
}

/// Where what is held back is recorded.
pub const HELD: &str = "/var/lib/landfall/held-back.json";

fn answer(host: &Host, question: &str) -> String {
    match question {
        "hold back" => format!("{:?}", HoldBack::take(host, HELD).unwrap().is_some()),
        "recover" => format!("{:?}", HoldBack::recover(host, HELD)),
        "hold back and restore" => {
            let held = HoldBack::take(host, HELD).unwrap().expect("something to hold back");
            format!("{:?}", held.restore(host, HELD))
        }
        "is stopping" => format!("{:?}", host.is_stopping()),
        "sync" => format!("{:?}", host.sync_filesystems()),
        "facts" => {
            host.facts(&[]).unwrap();
            let start = std::time::Instant::now();
            let facts = host.facts(&[]).unwrap();
            format!("{} us {}", start.elapsed().as_micros(), serde_json::to_string(&facts).unwrap())
        }
        other => panic!("no such question: {other}"),
    }
}

/// The part that runs inside a host.
#[test]
#[ignore = "run by the other tests, inside a host"]
fn inside() {
    let job: Job = serde_json::from_slice(&std::fs::read(JOB).unwrap()).unwrap();
    assert_eq!(std::fs::metadata(PROGRAM).unwrap().permissions().mode() & 0o777, 0o755, "not in a throwaway host");
    let _beside = (!job.meanwhile.is_empty()).then(|| beside(&job.meanwhile));
    let host = Host::default();
    if !job.ask.is_empty() {
        println!("\nRESULT {}", serde_json::to_string(&answer(&host, &job.ask)).unwrap());
        return;
    }
    let said = Mutex::new(Vec::new());
    let say = |text: &str| said.lock().unwrap().push(text.to_owned());
    let context = Context {
        host: &host,
        output: "/var/tmp/operations.out".into(),
        env: BTreeMap::new(),
        deadline: landfall::host::process::Limit::begin(None),
        silence: None,
        backups: "/var/lib/landfall/backups".into(),
        downloads: "/var/lib/landfall/downloads".into(),
        instance: "i-test".into(),
        datasource: "nocloud".into(),
        resources: Default::default(),
        apt_get: &job.apt_get,
        say: &say,
    };
    let mut failures = Vec::new();
    for prior in &job.undo {
        if let Err(failure) = apply::undo(prior, None, &context) {
            failures.push(failure.to_string());
        }
    }
    if !job.undo.is_empty() {
        println!("\nRESULT {}", serde_json::to_string(&failures).unwrap());
        return;
    }
    let outcomes: Vec<Outcome> = job
        .operations
        .iter()
        .enumerate()
        .map(|(at, operation)| {
            let start = std::time::Instant::now();
            let mut outcome =
                if job.durable { settle_durably(at, operation, &context) } else { settle(operation, job.interrupted.get(at), &context) };
            outcome.said = std::mem::take(&mut said.lock().unwrap());
            outcome.seconds = start.elapsed().as_secs_f64();
            outcome
        })
        .collect();
    println!("\nRESULT {}", reveal(|| serde_json::to_string(&outcomes)).unwrap());
}

/// Starts a script and waits for its first line.
fn beside(script: &str) -> std::process::Child {
    use std::io::{BufRead as _, BufReader};
    let mut child = std::process::Command::new("sh").arg("-c").arg(script).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "the script beside said nothing");
    child
}

/// As the engine settles a step: intent on the disk, effect, everything synced, outcome on the disk.
fn settle_durably(at: usize, operation: &Operation, context: &Context<'_>) -> Outcome {
    use landfall::host::files::Attributes;
    let host = context.host;
    host.make_directories("/var/lib/landfall/test", Attributes::own(0o700)).unwrap();
    let (intent, end) = (format!("/var/lib/landfall/test/{at}.intent"), format!("/var/lib/landfall/test/{at}.end"));
    if host.exists(&end) {
        return Outcome::settled();
    }
    let recorded: Option<Prior> = host.read(&intent).unwrap().map(|bytes| serde_json::from_slice(&bytes).unwrap());
    let record = |prior: &Prior| host.write(&intent, &reveal(|| serde_json::to_vec(prior)).unwrap(), Attributes::own(0o600)).unwrap();
    let outcome = settle_recording(operation, recorded.as_ref(), context, &record);
    outcome.done();
    host.sync_filesystems().unwrap();
    host.write(&end, b"", Attributes::own(0o600)).unwrap();
    outcome
}

fn settle(operation: &Operation, interrupted: Option<&Prior>, context: &Context<'_>) -> Outcome {
    settle_recording(operation, interrupted, context, &|_| ())
}

/// What is recorded is what is then applied: a prior may hold what was drawn by lot.
fn settle_recording(operation: &Operation, interrupted: Option<&Prior>, context: &Context<'_>, record: &dyn Fn(&Prior)) -> Outcome {
    let mut outcome = Outcome { satisfied_before: false, ..Outcome::settled() };
    let checked = match interrupted {
        Some(prior) => apply::check_again(operation, prior, context),
        None => apply::check(operation, context),
    };
    let result = checked.and_then(|checked| {
        if checked == Checked::Satisfied {
            outcome.satisfied_before = true;
            return Ok(Effect::default());
        }
        let effect = match interrupted {
            Some(prior) => apply::apply_again(operation, prior, context)?,
            None => {
                outcome.prior = apply::prior(operation, context)?;
                record(&outcome.prior);
                apply::apply_intended(operation, &outcome.prior, context)?
            }
        };
        apply::verify(operation, context).map(|()| effect)
    });
    // The driver makes one attempt: after that the content beside an address is used, as by the engine.
    outcome.result = match result {
        Err(failure) if apply::has_fallback(operation) => apply::fall_back(operation, &failure, interrupted, context),
        result => result,
    };
    outcome.satisfied_after = apply::check(operation, context).is_ok_and(|checked| checked == Checked::Satisfied);
    outcome
}
