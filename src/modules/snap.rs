//! `snap`.

use super::{gate, ops, packages, scripts, Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// Snaps, where snapd is there.
pub const SNAP: Module = Module {
    name: "snap",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["snap"],
    implied: false,
    plan: |scope, steps| {
        if scope.facts.has("snap") {
            plan(scope, steps);
        }
    },
};

/// Where it has to be installed first, from the sources that the user wants.
pub const SNAP_AFTER_APT: Module = Module {
    plan: |scope, steps| {
        if !scope.facts.has("snap") {
            plan(scope, steps);
        }
    },
    ..SNAP
};

const ASSERTIONS: &str = "/var/lib/cloud/instance/snapd.assertions";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(snap) = scope.keys.snap.as_ref().filter(|_| gate::is_done_here(SNAP.name, "snap", scope, steps)) else { return };
    if snap.assertions.0.is_empty() && snap.commands.0.items.is_empty() {
        return;
    }
    let mut needed = vec![seeded(scope, steps)];
    if !snap.assertions.0.is_empty() {
        let written = steps.add("assertions/write", ops::write(ASSERTIONS, snap.assertions.0.join("\n"), 0o644)).at(&snap.origin).id();
        let command = ops::command(&["snap", "ack", ASSERTIONS], &[], "import assertions");
        let step = steps.add("assertions", Operation::Command(command)).at(snap.place("assertions")).needs(written);
        needed.push(step.needs(needed[0].clone()).id());
    }
    scripts::plan_commands(&snap.commands.0, &needed, scope, steps);
}

/// snapd is there and has taken up what came with the image. The step that sees to it.
pub fn seeded(scope: &Scope<'_>, steps: &mut Steps) -> String {
    if let Some(done) = steps.provider("snap:seeded") {
        return done.to_owned();
    }
    let missing = !scope.facts.has("snap");
    let installed = missing.then(|| packages::install_together(&["snapd".to_owned()], &scope.keys.origin, steps)).flatten();
    let command = ops::command(&["snap", "wait", "system", "seed.loaded"], &[], "wait until snapd is ready");
    let mut step = steps.add("seeded", Operation::Command(command)).provides("snap:seeded");
    if let Some(installed) = installed {
        step = step.needs(installed);
    }
    step.id()
}
