//! `byobu_by_default`.

use super::users::thing;
use super::{ops, packages, Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

/// Whether a login starts byobu.
pub const BYOBU: Module =
    Module { name: "byobu", stage: Stage::Final, frequency: Frequency::Instance, keys: &["byobu_by_default"], implied: false, plan };

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(byobu) = scope.keys.byobu_by_default else { return };
    let place = scope.keys.place("byobu_by_default");
    let missing = !scope.facts.has("byobu");
    let installed = missing.then(|| packages::install_together(&["byobu".to_owned()], place, steps)).flatten();
    let user = scope.accounts.default.as_ref().filter(|_| byobu.user);
    if byobu.user && user.is_none() {
        let message = "`byobu_by_default` is for the default user, and there is none";
        steps.report.warning("byobu", message).at(place).help("add `default` to `users`");
    }
    if let Some(user) = user {
        let launcher = if byobu.enable { "byobu-launcher-install" } else { "byobu-launcher-uninstall" };
        let command = ops::command(&["runuser", "-u", user, "--", launcher], &[], &format!("byobu at logins of {user}"));
        let mut step = steps.add(user, Operation::Command(command)).at(place).needs_thing(&thing(user));
        if let Some(installed) = &installed {
            step = step.needs(installed);
        }
        let _ = step;
    }
    if byobu.system {
        let selections = Secret::new(format!("byobu byobu/launch-by-default boolean {}\n", byobu.enable));
        let mut told = steps.add("debconf", Operation::Debconf { selections }).at(place);
        if let Some(installed) = installed {
            told = told.needs(installed);
        }
        let told = told.id();
        let command = ops::command(&["dpkg-reconfigure", "byobu", "--frontend=noninteractive"], &[], "byobu at everybody's logins");
        steps.add("", Operation::Command(command)).at(place).needs(told);
    }
}
