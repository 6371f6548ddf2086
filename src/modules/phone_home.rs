//! `phone_home`.

use super::{hostname, Module, Scope, Steps};
use crate::config::typed::phone_home::{FIELDS, NOT_THERE};
use crate::plan::operation::{FormField, FormValue, Operation};
use crate::plan::{Frequency, Stage};

/// Report this host when all else is done.
pub const PHONE_HOME: Module =
    Module { name: "phone_home", stage: Stage::Final, frequency: Frequency::Instance, keys: &["phone_home"], implied: false, plan };

/// As the peer.
const TRIES: u32 = 10;

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(home) = &scope.keys.phone_home else { return };
    let id = &scope.facts.instance_id;
    let names = hostname::names(scope).unwrap_or_else(|| {
        let short = scope.facts.hostname.clone();
        let full = scope.facts.domain.as_ref().map_or_else(|| short.clone(), |domain| format!("{short}.{domain}"));
        hostname::Names { short, full }
    });
    let field = |name: &String| {
        let value = match name.as_str() {
            "instance_id" => FormValue::Text(id.clone()),
            "hostname" => FormValue::Text(names.short.clone()),
            "fqdn" => FormValue::Text(names.full.clone()),
            unknown if !FIELDS.contains(&unknown) => FormValue::Text(NOT_THERE.into()),
            key => FormValue::File(format!("/etc/ssh/ssh_host_{}_key.pub", key.trim_start_matches("pub_key_"))),
        };
        FormField { name: name.clone(), value }
    };
    let operation = Operation::PhoneHome {
        url: home.url.0.replace("${INSTANCE_ID}", id).replace("$INSTANCE_ID", id),
        form: home.post.0.iter().map(field).collect(),
        tries: home.tries.map_or(TRIES, |tries| tries.0),
    };
    // The peer only logs that nobody answered.
    let step = steps.add("", operation).at(&home.origin).degrades();
    if let Some(tries) = &home.tries {
        // Said of this alone, it is nearer than what is said of all.
        let _ = step.attempts(tries.0);
    }
}
