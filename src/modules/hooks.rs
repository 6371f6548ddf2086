//! What user-data has done while it is read: boothooks, at every boot, and part handlers with the parts that are theirs.

use super::{Module, Scope, Steps};
use crate::ordered::map_of;
use crate::plan::operation::{content, Content, HandledPart, Operation, Owner, PartHandlers, Walked, WriteFile};
use crate::plan::{Frequency, Stage};

/// Boothooks and part handlers, before everything that needs more than names and the network. The peer calls them while it reads
/// user-data, also before its modules.
pub const BOOTHOOKS: Module =
    Module { name: "boothooks", stage: Stage::Network, frequency: Frequency::Boot, keys: &[], implied: false, plan };

const BOOTHOOKS_DIRECTORY: &str = "/var/lib/cloud/instance/boothooks";
const HANDLERS_DIRECTORY: &str = "/var/lib/cloud/instance/handlers";

/// One part that does something while user-data is read, or that a part handler may take.
#[derive(Clone, Debug)]
pub enum UserHook {
    /// `#cloud-boothook`.
    Boothook {
        /// File name, without directory.
        name: String,
        /// What it holds, without its header.
        content: Content,
    },
    /// `#part-handler`.
    Handler {
        /// The Python text.
        content: Content,
        /// It says that it is called at every boot.
        always: bool,
    },
    /// A part of a type that is not known here, behind a part handler.
    Part(HandledPart),
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let mut handlers = plan_handlers(scope, steps);
    let mut taken: Vec<String> = Vec::new();
    for hook in scope.hooks {
        match hook {
            UserHook::Boothook { name, content } => {
                // The vendor's parts are counted like the user's: each has a file of its own.
                let numbered = (2..).map(|number| format!("{name}-{number}"));
                let own = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
                plan_boothook(&own, content, scope, steps);
                taken.push(own);
            }
            // All of them together, where the first stands: they know of each other.
            UserHook::Handler { .. } => add_handlers(handlers.take(), steps),
            UserHook::Part(_) => {}
        }
    }
    add_handlers(handlers, steps);
}

fn plan_boothook(name: &str, text: &Content, scope: &Scope<'_>, steps: &mut Steps) {
    // What is no text may be a program.
    let is_text = std::str::from_utf8(&text.expose().0).is_ok();
    if is_text && !text.expose().0.starts_with(b"#!") {
        let message = format!("{name} has no `#!` line below `#cloud-boothook`: the kernel will not start it");
        steps.report.warning("boothook", message).help("make `#!/bin/sh` the second line");
    }
    let path = format!("{BOOTHOOKS_DIRECTORY}/{name}");
    let file = WriteFile { path: path.clone(), content: text.clone(), mode: Some(0o700), owner: Some(Owner::root()), own_parents: false };
    let written = steps.add(&format!("{name}/write"), Operation::WriteFile(file)).id();
    let env = map_of([("INSTANCE_ID".to_owned(), scope.facts.instance_id.clone())]);
    // As under the peer a failure is told and no more.
    steps.add(name, Operation::RunFile { path, env, prefix: Vec::new() }).needs(written).degrades();
}

/// What one call of the part handlers is made of.
struct Handlers {
    files: Vec<WriteFile>,
    walked: Vec<Walked>,
    on_host: Vec<String>,
    is_of_every_boot: bool,
}

fn plan_handlers(scope: &Scope<'_>, steps: &mut Steps) -> Option<Handlers> {
    let on_host = scope.facts.part_handlers.clone();
    let mut handlers = Handlers { files: Vec::new(), walked: Vec::new(), on_host, is_of_every_boot: false };
    for hook in scope.hooks {
        match hook {
            UserHook::Handler { content: text, always } => {
                let path = format!("{HANDLERS_DIRECTORY}/part-handler-{:03}.py", handlers.files.len());
                handlers.walked.push(Walked::Handler { path: path.clone() });
                let file = WriteFile {
                    path,
                    content: content(text.expose().0.clone()),
                    mode: Some(0o600),
                    owner: Some(Owner::root()),
                    own_parents: false,
                };
                handlers.files.push(file);
                handlers.is_of_every_boot |= always;
            }
            UserHook::Part(part) => handlers.walked.push(Walked::Part(part.clone())),
            UserHook::Boothook { .. } => {}
        }
    }
    if handlers.files.is_empty() && handlers.on_host.is_empty() {
        return None;
    }
    if !scope.facts.has("python3") {
        let message = "part handlers are Python, and this host has no python3 yet: they can only be called where an earlier step brings it";
        steps.report.note("part-handler", message);
    }
    Some(handlers)
}

/// All are called once for the instance; those that say so, at every later boot too, by a step of their own.
fn add_handlers(handlers: Option<Handlers>, steps: &mut Steps) {
    let Some(handlers) = handlers else { return };
    let mut written = Vec::new();
    for file in handlers.files {
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        written.push(steps.add(&format!("{name}/write"), Operation::WriteFile(file)).id());
    }
    let frequencies: &[Frequency] =
        if handlers.is_of_every_boot { &[Frequency::Instance, Frequency::Boot] } else { &[Frequency::Instance] };
    for frequency in frequencies {
        let every_boot = *frequency == Frequency::Boot;
        let operation =
            Operation::PartHandlers(PartHandlers { on_host: handlers.on_host.clone(), walked: handlers.walked.clone(), every_boot });
        let name = if every_boot { "part-handlers/every-boot" } else { "part-handlers" };
        let mut step = steps.add(name, operation).every(*frequency).degrades();
        for id in &written {
            step = step.needs(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_steps, debian, document, problems};
    use super::super::{plan, PlanInput, ScriptKind, UserParts, UserScript, Way};
    use super::*;
    use crate::config::problem::Report;
    use crate::config::typed::CloudConfig;
    use crate::facts::Facts;
    use crate::plan::Plan;

    fn planned(text: &str, scripts: &[UserScript], hooks: &[UserHook], facts: &Facts) -> Plan {
        let mut report = Report::new();
        let config = CloudConfig::read(&document(text), &mut report).expect("a mapping");
        let user = UserParts { scripts, hooks };
        plan(PlanInput { config: &config, facts, user, way: Way::Applied, report: &mut report })
    }

    fn boothook(name: &str) -> UserHook {
        UserHook::Boothook { name: name.into(), content: content("#!/bin/sh\n") }
    }

    fn part(kind: &str) -> UserHook {
        UserHook::Part(HandledPart { content_type: kind.into(), file_name: "part-002".into(), ..HandledPart::default() })
    }

    #[test]
    fn boothooks_are_run_at_every_boot_before_bootcmd_in_the_order_of_the_document() {
        let plan = planned("bootcmd: [a]\n", &[], &[boothook("z"), boothook("a")], &debian());
        assert_steps(
            &plan,
            &[
                "boothooks/z/write: write /var/lib/cloud/instance/boothooks/z (10 bytes, 0700, root:root) @network [boot]",
                "boothooks/z: run /var/lib/cloud/instance/boothooks/z @network [boot] ~ <- boothooks/z/write",
                "boothooks/a/write: write /var/lib/cloud/instance/boothooks/a (10 bytes, 0700, root:root) @network [boot]",
                "boothooks/a: run /var/lib/cloud/instance/boothooks/a @network [boot] ~ <- boothooks/a/write",
                "bootcmd/1: bootcmd item 1 of 1: a @network [boot]",
            ],
        );
        let twice = planned("{}", &[], &[boothook("a"), boothook("a")], &debian());
        assert_eq!(twice.steps[3].operation.describe(), "run /var/lib/cloud/instance/boothooks/a-2");
        let Operation::RunFile { env, .. } = &plan.steps[1].operation else { panic!("{:?}", plan.steps[1]) };
        assert_eq!(env.get("INSTANCE_ID").map(String::as_str), Some("i-1"));
    }

    #[test]
    fn handlers_are_called_together_and_those_of_every_boot_again() {
        let handler = |always| UserHook::Handler { content: content("x"), always };
        let hooks = [handler(false), part("text/x-a"), boothook("b"), handler(true), part("text/x-b")];
        let facts = Facts { programs: ["python3".to_owned()].into(), ..debian() };
        let plan = planned("{}", &[], &hooks, &facts);
        assert_steps(
            &plan,
            &[
                "boothooks/part-handler-000.py/write: write /var/lib/cloud/instance/handlers/part-handler-000.py (1 byte, 0600, root:root) @network [boot]",
                "boothooks/part-handler-001.py/write: write /var/lib/cloud/instance/handlers/part-handler-001.py (1 byte, 0600, root:root) @network [boot]",
                "boothooks/part-handlers: call 2 part handlers with 2 parts @network ~ <- boothooks/part-handler-000.py/write boothooks/part-handler-001.py/write",
                "boothooks/part-handlers/every-boot: call 2 part handlers again, as far as they want it at every boot, with 2 parts @network [boot] ~ <- boothooks/part-handler-000.py/write boothooks/part-handler-001.py/write",
                "boothooks/b/write: write /var/lib/cloud/instance/boothooks/b (10 bytes, 0700, root:root) @network [boot]",
                "boothooks/b: run /var/lib/cloud/instance/boothooks/b @network [boot] ~ <- boothooks/b/write",
            ],
        );
        assert_eq!(problems(&plan), [""; 0]);
        let plan = planned("{}", &[], &hooks[..2], &debian());
        assert!(!plan.steps.iter().any(|step| step.id.contains("every-boot")));
        assert!(problems(&plan)[0].starts_with("note: part handlers are Python"), "{:?}", problems(&plan));
    }

    #[test]
    fn handlers_of_the_image_are_called_whatever_the_user_data_has() {
        let facts = Facts { part_handlers: vec!["/var/lib/cloud/handlers/own.py".into()], ..debian() };
        let plan = planned("{}", &[], &[], &facts);
        assert_steps(&plan, &["boothooks/part-handlers: call 1 part handler with 0 parts @network ~"]);
    }

    #[test]
    fn scripts_of_the_vendor_come_before_the_users_and_with_their_prefix() {
        let script = |name: &str, kind| UserScript { name: name.into(), part: name.into(), kind, content: content("x") };
        let scripts = [script("b", ScriptKind::Vendor), script("a", ScriptKind::Vendor), script("u", ScriptKind::User)];
        let plan = planned("vendor_data: {prefix: [env, A=1]}\n", &scripts, &[], &debian());
        let run: Vec<String> = plan.steps.iter().map(|step| step.operation.describe()).filter(|step| step.starts_with("run ")).collect();
        let directory = "/var/lib/cloud/instance/scripts";
        let expected =
            [format!("run env A=1 {directory}/vendor/a"), format!("run env A=1 {directory}/vendor/b"), format!("run {directory}/u")];
        assert_eq!(run, expected);
    }
}
