//! What apt says of the packages of a plan, for whoever asks before anything is changed.

use std::collections::BTreeMap;

use crate::engine::needs::Needs;
use crate::host::apt::Apt;
use crate::host::apt_sizes::{Caches, PackageSizes};
use crate::host::process::Limit;
use crate::host::Host;
use crate::plan::AptGet;

/// What the packages take; `None` where the plan has none, or apt has no lists to tell it from.
pub fn package_sizes(host: &Host, needs: &Needs) -> Option<PackageSizes> {
    needs.package_step.as_ref()?;
    if !host.has_package_lists() || !host.finds_program("apt-get") {
        return None;
    }
    let limit = std::time::Duration::from_secs(120);
    let (env, deadline) = (BTreeMap::new(), Limit::begin(Some(limit)));
    let apt = Apt { host, output: "/dev/null".into(), env, deadline, silence: None, apt_get: &AptGet::default(), say: &|_| {} };
    apt.sizes(needs.upgrade, &needs.packages, Caches::Leave).ok()
}
