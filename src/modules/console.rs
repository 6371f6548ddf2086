//! What the console is told: `ssh.emit_keys_to_console`, `final_message`.

use super::{Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// Host-key fingerprints.
pub const HOST_KEY_FINGERPRINTS: Module = Module {
    name: "keys_to_console",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["ssh"],
    implied: true,
    plan: |scope, steps| {
        let wanted = scope.keys.ssh.as_ref().and_then(|ssh| ssh.emit_keys_to_console);
        if wanted.unwrap_or_else(|| scope.implies(&["ssh"])) {
            steps.add("", Operation::ShowHostKeys).degrades();
        }
    },
};

/// The last word.
pub const FINAL_MESSAGE: Module = Module {
    name: "final_message",
    stage: Stage::Final,
    frequency: Frequency::Boot,
    keys: &["final_message"],
    implied: true,
    plan: plan_message,
};

const DEFAULT: &str = "landfall $VERSION finished at $TIMESTAMP. Datasource $DATASOURCE. Up $UPTIME seconds";

const VARIABLES: [&str; 4] = ["VERSION", "TIMESTAMP", "DATASOURCE", "UPTIME"];

fn plan_message(scope: &Scope<'_>, steps: &mut Steps) {
    let given = scope.keys.final_message.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let template = given.map_or_else(|| DEFAULT.to_owned(), with_plain_variables);
    let step = steps.add("", Operation::Message { template }).degrades();
    if given.is_none() {
        // Nobody asked for it: said once, it keeps no later boot busy.
        step.every(Frequency::Instance);
    }
}

/// `$uptime`, `${UPTIME}` and, after a jinja header, `{{ uptime }}` as `$UPTIME`.
fn with_plain_variables(text: &str) -> String {
    let jinja = text.lines().next().is_some_and(|line| line.replace(' ', "").starts_with("##template:jinja"));
    let mut out = if jinja { text.split_once('\n').map_or("", |(_, rest)| rest).to_owned() } else { text.to_owned() };
    for upper in VARIABLES {
        let lower = upper.to_ascii_lowercase();
        let plain = format!("${upper}");
        for name in [upper, &lower] {
            if jinja {
                out = out.replace(&format!("{{{{{name}}}}}"), &plain).replace(&format!("{{{{ {name} }}}}"), &plain);
            } else {
                out = out.replace(&format!("${{{name}}}"), &plain).replace(&format!("${name}"), &plain);
            }
        }
    }
    out
}
