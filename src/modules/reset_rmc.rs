//! A new node id for IBM's Reliable Scalable Cluster Technology, on images that hold it.

use super::{ops, Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// Two hosts of one image would have the same id.
pub const RESET_RMC: Module =
    Module { name: "reset_rmc", stage: Stage::Final, frequency: Frequency::Instance, keys: &[], implied: true, plan };

const PROGRAMS: &str = "/opt/rsct/install/bin";

const RESET: &str = "set -e\nPATH=/opt/rsct/install/bin:$PATH\nbefore=$(head -n 1 /etc/ct_node_id)\nrmcctrl -z\nrecfgct\n\
    [ \"$(head -n 1 /etc/ct_node_id)\" != \"$before\" ] || { echo 'the node id is still the old one' >&2; exit 1; }";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    if scope.implies(&[]) && scope.facts.files.contains(PROGRAMS) {
        steps.add("", Operation::Command(ops::command(&["/bin/sh", "-c", RESET], &[], "give this node an id of its own")));
    }
}
