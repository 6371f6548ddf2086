//! Part handlers: user's Python, called in one process with the parts that follow it.

use serde_json::json;

use super::{Checked, Context, Effect};
use crate::error::{Failure, Kind};
use crate::host::process::Spec;
use crate::host::Host;
use crate::plan::operation::PartHandlers;
use crate::secret::{reveal, Secret};

/// Speaks the peer's calling convention.
const DRIVER: &str = include_str!("part_handlers.py");

/// What the driver tells begins so.
const TOLD: &str = "landfall: ";

/// Types of parts that are done without handlers.
const OWN: [&str; 13] = [
    "text/cloud-config",
    "text/cloud-config-archive",
    "text/cloud-config-jsonp",
    "text/cloud-boothook",
    "text/jinja2",
    "text/part-handler",
    "text/x-include-once-url",
    "text/x-include-url",
    "text/x-shellscript",
    "text/x-shellscript-per-boot",
    "text/x-shellscript-per-instance",
    "text/x-shellscript-per-once",
    "multipart/mixed",
];

/// Says in this boot that all of the instance's handlers have been called: those of every boot with them.
const CALLED: &str = "/run/landfall/part-handlers-called";

/// Those of every boot are called by themselves from the second boot on.
pub(super) fn check(context: &Context<'_>, handlers: &PartHandlers) -> Checked {
    Checked::satisfied_if(handlers.every_boot && context.host.exists(CALLED))
}

pub(super) fn call(context: &Context<'_>, handlers: &PartHandlers) -> Result<Effect, Failure> {
    if !context.host.finds_program("python3") {
        let failure = Failure::new(Kind::NotFound, "part handlers are Python, and there is no python3");
        return Err(failure.hint("install python3 (`packages: [python3]`); then `landfall resume`"));
    }
    let job = reveal(|| {
        json!({
            "instance": context.instance,
            "every_boot": handlers.every_boot,
            "on_host": handlers.on_host,
            "walked": handlers.walked,
            "own": OWN,
        })
    });
    if !handlers.every_boot {
        context.host.write_runtime(CALLED, b"", 0o644).map_err(|error| Failure::io(CALLED, &error))?;
    }
    let before = length(context);
    let mut spec = Spec::new(["python3", "-c", DRIVER]).stdin(Secret::new(job.to_string())).output(&context.output);
    spec.env.clone_from(&context.env);
    spec.deadline = context.deadline.left();
    spec.silence = context.silence;
    let ended = context.host.run(&spec)?;
    let told = told_since(context, before);
    if ended.success() {
        return Ok(Effect { detail: None, warnings: told });
    }
    let mut failure = ended.failure("a part handler");
    if !told.is_empty() {
        failure.message = told.join("; ");
    }
    Err(failure)
}

fn length(context: &Context<'_>) -> u64 {
    let path = context.output.display().to_string();
    Host::default().status(&path).ok().flatten().map_or(0, |status| status.size)
}

/// What the driver has told since the output was so long.
fn told_since(context: &Context<'_>, before: u64) -> Vec<String> {
    let bytes = Host::default().read(&context.output.display().to_string()).ok().flatten().unwrap_or_default();
    let since = bytes.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or_default();
    String::from_utf8_lossy(since).lines().filter_map(|line| line.strip_prefix(TOLD)).map(str::to_owned).collect()
}
