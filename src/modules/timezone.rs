//! `timezone`.

use super::{packages, Module, Scope, Steps};
use crate::plan::operation::{content, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};

/// The host's time zone.
pub const TIMEZONE: Module =
    Module { name: "timezone", stage: Stage::Final, frequency: Frequency::Instance, keys: &["timezone"], implied: false, plan };

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(zone) = &scope.keys.timezone else { return };
    let (mut name, origin) = (&zone.value.0, &zone.origin);
    match scope.facts.zones.get(name) {
        Some(Some(here)) if here == name => {}
        Some(Some(here)) => {
            steps
                .report
                .note("timezone", format!("`{name}` is a former name of `{here}`, which is set"))
                .at(origin)
                .help("write the name of now");
            name = here;
        }
        Some(None) => {
            let message = format!("there is no time zone `{name}` on this host: it is left as it is");
            steps.report.error("timezone", message).at(origin).help("as in Europe/Berlin; see `timedatectl list-timezones`");
            return;
        }
        None => packages::install_now("tzdata", steps),
    }
    let link = Operation::Symlink { path: "/etc/localtime".into(), target: format!("/usr/share/zoneinfo/{name}") };
    let linked = steps.add("", link).at(origin).needs_thing("package:tzdata").id();
    let file = WriteFile {
        path: "/etc/timezone".into(),
        content: content(format!("{name}\n")),
        mode: Some(0o644),
        owner: Some(Owner::root()),
        own_parents: false,
    };
    steps.add("name", Operation::WriteFile(file)).at(origin).needs(linked);
}
