//! `apt_pipelining`.

use super::{ops, Module, Scope, Steps};
use crate::config::typed::pipelining::PipelineDepth;
use crate::plan::{Frequency, Stage};

/// How many requests apt has on their way.
pub const APT_PIPELINING: Module =
    Module { name: "apt_pipelining", stage: Stage::Final, frequency: Frequency::Instance, keys: &["apt_pipelining"], implied: false, plan };

const FILE: &str = "/etc/apt/apt.conf.d/90cloud-init-pipelining";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    if let Some(PipelineDepth::Of(depth)) = scope.keys.apt_pipelining {
        let text = format!("// Written by landfall from user-data.\nAcquire::http::Pipeline-Depth \"{depth}\";\n");
        steps.add("", ops::write(FILE, text, 0o644)).at(scope.keys.place("apt_pipelining"));
    }
}
