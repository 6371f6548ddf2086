//! Templates are rendered in a process of their own: whatever one makes the engine do, it ends that process and not this one.
//!
//! The process is this program again, called with [`COMMAND`]. It reads a template and the data from its standard input, so that
//! neither is an argument, and may hold [`MEMORY`]; a template that needs more, whose values stand in each other without an end
//! or at which the engine fails is an error like any other.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::resource::{setrlimit, Resource};
use nix::sys::signal::{SigSet, Signal};
use serde_json::{json, Value as Json};

use super::{Rendered, TemplateError, Variables};
use crate::error::exit;
use crate::host::process::Spec;
use crate::host::Host;
use crate::secret::Secret;

/// What the program is called with to render one template.
const COMMAND: &str = "render-template";

/// Bytes of memory of its own that rendering may take (`RLIMIT_DATA`, setrlimit(2)).
const MEMORY: u64 = 44 << 20;

/// Seconds of processor time that rendering may take (`RLIMIT_CPU`). The engine counts its own steps and ends long before, but takes
/// what it makes of nothing, as often as `nothing * 99999999999` says, for one step.
const PROCESSOR: u64 = 3;

/// How long rendering may take, on a host that is busy with other things.
const LONGEST: Duration = Duration::from_secs(60);

/// The program that knows [`COMMAND`].
static PROGRAM: OnceLock<&str> = OnceLock::new();

/// Has templates rendered by this program, which calls [`main`] first of all.
pub fn answered_by(program: &'static str) {
    PROGRAM.get_or_init(|| program);
}

/// Renders a template with instance data: in a process of its own where a program is known that does it and can be started, and else
/// in this one.
///
/// # Errors
/// It cannot be read, or rendering it fails.
pub fn render(template: &str, data: &Json) -> Result<Rendered, TemplateError> {
    let here = || super::render(template, &Variables::of(data));
    let Some(program) = PROGRAM.get() else { return here() };
    let job = json!({ "template": template, "data": data });
    let mut spec = Spec::new([program, COMMAND]).stdin(Secret::new(job.to_string())).deadline(LONGEST);
    spec.ignore_stop = true;
    let Ok(ended) = Host::default().run(&spec) else { return here() };
    if ended.success() {
        return Ok(super::with_missing(template, ended.stdout));
    }
    let said = (ended.code == i32::from(exit::DATA)).then(|| said(&ended.stdout)).flatten();
    Err(said.unwrap_or_else(|| TemplateError {
        line: 1,
        message: format!(
            "it needs more than {} MiB of memory or {PROCESSOR} s of the processor, its values stand too deep in each other, or the engine fails at it",
            MEMORY >> 20
        ),
        is_certain: true,
    }))
}

/// The error that the process has written.
fn said(text: &str) -> Option<TemplateError> {
    let error: Json = serde_json::from_slice(text.as_bytes()).ok()?;
    Some(TemplateError {
        line: error["line"].as_u64()?.try_into().ok()?,
        message: error["message"].as_str()?.to_owned(),
        is_certain: error["is_certain"].as_bool()?,
    })
}

/// Renders the template on standard input, if that is what the program was called for; gives the exit code.
pub fn main(arguments: &[OsString]) -> Option<u8> {
    answered_by("/proc/self/exe");
    if arguments.len() != 2 || arguments[1] != COMMAND {
        return None;
    }
    let done = answer();
    Some(done.unwrap_or(exit::FAILED))
}

/// `None` where the question cannot be read, or the answer not be written.
fn answer() -> Option<u8> {
    // What stops a run, stops what asked: half an answer would be taken for an error of the template.
    let stops: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    stops.thread_block().ok()?;
    setrlimit(Resource::RLIMIT_DATA, MEMORY, MEMORY).ok()?;
    setrlimit(Resource::RLIMIT_CPU, PROCESSOR, PROCESSOR).ok()?;
    // A file of several MB with everything that was held would be left by each that ends badly.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).ok()?;
    let job: Json = {
        let mut question = Vec::new();
        std::io::stdin().read_to_end(&mut question).ok()?;
        serde_json::from_slice(&question).ok()?
    };
    let mut out = std::io::stdout();
    match super::text_of(job["template"].as_str()?, &Variables::of(&job["data"])) {
        Ok(text) => out.write_all(text.as_bytes()).ok().map(|()| exit::OK),
        Err(error) => {
            let said = json!({ "line": error.line, "message": error.message, "is_certain": error.is_certain });
            out.write_all(said.to_string().as_bytes()).ok().map(|()| exit::DATA)
        }
    }
}
