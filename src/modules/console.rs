//! What the console is told: `ssh.emit_keys_to_console`, `final_message`.

use super::accounts::Account;
use super::{Module, Scope, Steps};
use crate::config::typed::others::Words;
use crate::ordered::object_of;
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};
use crate::template;

/// Who may log in with which SSH key.
pub const AUTHORIZED_KEY_FINGERPRINTS: Module = Module {
    name: "ssh_authkey_fingerprints",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["authkey_hash", "no_ssh_fingerprints"],
    implied: true,
    plan: plan_authorized_keys,
};

fn plan_authorized_keys(scope: &Scope<'_>, steps: &mut Steps) {
    if scope.keys.no_ssh_fingerprints == Some(true) {
        return;
    }
    let has_home = |account: &&Account| account.entry.no_create_home != Some(true) && account.entry.system != Some(true);
    let users: Vec<String> = scope.own_accounts().users.iter().filter(has_home).map(|account| account.name.clone()).collect();
    if !users.is_empty() {
        let hash = scope.keys.authkey_hash.as_ref().map_or("sha256", |hash| hash.0).to_owned();
        steps.add("", Operation::ShowAuthorizedKeys { users, hash }).degrades();
    }
}

/// Host-key fingerprints.
pub const HOST_KEY_FINGERPRINTS: Module = Module {
    name: "keys_to_console",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["ssh", "ssh_fp_console_blacklist", "ssh_key_console_blacklist"],
    implied: true,
    plan: |scope, steps| {
        let keys = scope.keys;
        let blacklisted = keys.ssh_fp_console_blacklist.is_some() || keys.ssh_key_console_blacklist.is_some();
        let wanted = keys.ssh.as_ref().and_then(|ssh| ssh.emit_keys_to_console);
        if wanted.unwrap_or_else(|| blacklisted || scope.implies(&["ssh"])) {
            let listed = |words: &Option<Words>| words.as_ref().map(|words| words.0.clone()).unwrap_or_default();
            let without_fingerprints = listed(&keys.ssh_fp_console_blacklist);
            let without_keys = listed(&keys.ssh_key_console_blacklist);
            steps.add("", Operation::ShowHostKeys { without_fingerprints, without_keys }).degrades();
        }
    },
};

/// Host keys for the cloud to give to others: no datasource that is known takes them.
pub const PUBLISH_HOST_KEYS: Module = Module {
    name: "ssh",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["ssh_publish_hostkeys"],
    implied: false,
    plan: |scope, steps| {
        if scope.keys.ssh_publish_hostkeys.as_ref().is_some_and(|publish| publish.enabled != Some(false)) {
            let message = format!("`ssh_publish_hostkeys`: the datasource {} takes no host keys", scope.facts.datasource);
            steps.report.note("ssh", message).at(scope.keys.place("ssh_publish_hostkeys"));
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

const VARIABLES: [&str; 4] = ["UPTIME", "TIMESTAMP", "VERSION", "DATASOURCE"];

fn plan_message(scope: &Scope<'_>, steps: &mut Steps) {
    let given = scope.keys.final_message.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let template = given.and_then(|text| usable(text, scope, steps)).unwrap_or_else(|| DEFAULT.to_owned());
    let step = steps.add("", Operation::Message { template }).degrades();
    if given.is_none() {
        // Nobody asked for it: said once, it keeps no later boot busy.
        step.every(Frequency::Instance);
    }
}

/// The message as the run fills it in: with `$UPTIME`, or as jinja where the first line says so. `None` where it cannot be used, which
/// is reported.
fn usable(text: &str, scope: &Scope<'_>, steps: &mut Steps) -> Option<String> {
    let place = scope.keys.place("final_message");
    let mut warn = |message: String| {
        let help = format!("{} can be filled in", VARIABLES.join(", "));
        steps.report.warning("final_message", message).at(place).help(help);
    };
    if template::is_template(text) {
        let like = ["10.00", "Thu, 01 Jan 1970 00:00:00 +0000", "0.1.0", "DataSourceNone"];
        let both = |(name, like): (&&str, &'static str)| [((*name).to_owned(), like.into()), (name.to_ascii_lowercase(), like.into())];
        match template::process::render(text, &object_of(VARIABLES.iter().zip(like).flat_map(both))) {
            Ok(rendered) => rendered.missing.iter().for_each(|(name, _)| warn(format!("final_message: there is no variable `{name}`"))),
            Err(error) => {
                warn(format!("final_message cannot be rendered, so the usual message is shown: {error}"));
                return None;
            }
        }
        return Some(text.to_owned());
    }
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let kind = first.strip_prefix("##").map(str::trim_start).and_then(|header| header.strip_prefix("template:"));
    let text = if kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("basic")) { rest } else { text };
    for part in text.split('$').skip(1) {
        let braced = part.strip_prefix('{').and_then(|inner| inner.split_once('}')).map(|(name, _)| name);
        let name = braced.unwrap_or_else(|| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default());
        if !name.is_empty() && !VARIABLES.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            warn(format!("final_message: there is no variable `{name}`, so `${name}` stays as it is"));
        }
    }
    Some(text.to_owned())
}
