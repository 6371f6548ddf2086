//! `growpart`, `resize_rootfs`.

use super::{Module, Scope, Steps};
use crate::config::typed::storage::{GrowMode, ResizeRoot};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// Partitions take the room behind them; by default that of the root filesystem.
pub const GROWPART: Module =
    Module { name: "growpart", stage: Stage::Local, frequency: Frequency::Boot, keys: &["growpart"], implied: true, plan: plan_partitions };

/// The root filesystem takes all of its device.
pub const RESIZEFS: Module = Module {
    name: "resizefs",
    stage: Stage::Local,
    frequency: Frequency::Boot,
    keys: &["resize_rootfs"],
    implied: true,
    plan: |scope, steps| plan_filesystem(scope, steps, ResizeRoot::Yes),
};

/// The same where nobody is to wait for it: when the host is up.
pub const RESIZEFS_LATER: Module =
    Module { stage: Stage::Final, implied: false, plan: |scope, steps| plan_filesystem(scope, steps, ResizeRoot::Later), ..RESIZEFS };

fn plan_partitions(scope: &Scope<'_>, steps: &mut Steps) {
    let said = match &scope.keys.growpart {
        Some(growing) if growing.0.is_none() => return,
        // One that cannot be read has been reported.
        None if scope.has_any(&["growpart"]) => return,
        growing => growing.as_ref().and_then(|growing| growing.0.as_ref()),
    };
    if said.is_some_and(|growpart| growpart.mode == Some(GrowMode::Off)) {
        return;
    }
    // A part that cannot be read has been reported.
    if said.is_some_and(|growpart| growpart.unread().is_some()) {
        return;
    }
    let devices = said.and_then(|growpart| growpart.devices.as_ref());
    let devices: Vec<&str> = devices.map_or_else(|| vec!["/"], |devices| devices.0.iter().map(|device| device.0.as_str()).collect());
    let even_if_disabled = said.is_some_and(|growpart| growpart.ignore_growroot_disabled);
    for device in devices {
        if device == "/" && !scope.facts.root_on_device {
            continue;
        }
        let id = if device == "/" { "" } else { device.trim_start_matches('/') };
        let step = steps.add(id, Operation::GrowPartition { device: device.to_owned(), even_if_disabled }).degrades();
        if said.is_some() {
            let _ = step.at(scope.keys.place("growpart"));
        }
    }
}

fn plan_filesystem(scope: &Scope<'_>, steps: &mut Steps, when: ResizeRoot) {
    // One that cannot be read has been reported.
    let unread = scope.has_any(&["resize_rootfs"]) && scope.keys.resize_rootfs.is_none();
    if unread || scope.keys.resize_rootfs.unwrap_or(ResizeRoot::Yes) != when || !scope.facts.root_on_device {
        return;
    }
    let step = steps.add("", Operation::GrowFilesystem);
    if scope.keys.resize_rootfs.is_some() {
        let _ = step.at(scope.keys.place("resize_rootfs"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{applied, assert_problems, debian, planned, steps};
    use crate::facts::Facts;
    use crate::modules::Way;

    fn growth(text: &str, way: Way) -> Vec<String> {
        let plan = planned(text, &Facts { root_on_device: true, ..debian() }, &[], way);
        let of_growth = |step: &String| step.starts_with("growpart") || step.starts_with("resizefs");
        steps(&plan).into_iter().filter(of_growth).collect()
    }

    #[test]
    fn the_root_grows_by_itself_at_first_boot_and_at_every_other() {
        let partition = "growpart: take the room behind the partition of / [boot] ~";
        let filesystem = "resizefs: grow the root filesystem to its device [boot]";
        for (text, way, expected) in [
            ("{}", Way::FirstBoot, &[partition, filesystem][..]),
            ("{}", Way::Applied, &[]),
            ("growpart: {mode: auto}", Way::Applied, &[partition]),
            ("{growpart: {mode: off}, resize_rootfs: false}", Way::FirstBoot, &[]),
            ("{growpart: {mode: 'off'}}", Way::FirstBoot, &[filesystem]),
            ("growpart: false", Way::FirstBoot, &[filesystem]),
            ("growpart: off", Way::FirstBoot, &[filesystem]),
            ("growpart: 'OFF'", Way::FirstBoot, &[filesystem]),
            ("growpart: [auto]", Way::FirstBoot, &[filesystem]),
            ("growpart: 1", Way::FirstBoot, &[filesystem]),
            ("growpart: null", Way::FirstBoot, &[filesystem]),
            ("{growpart: {devices: null}, resize_rootfs: null}", Way::FirstBoot, &[]),
            ("{growpart: {devices: {a: b}}, resize_rootfs: {a: b}}", Way::FirstBoot, &[]),
            ("growpart: {devices: /}", Way::FirstBoot, &[partition, filesystem]),
            ("growpart: {devices: []}", Way::FirstBoot, &[filesystem]),
            (
                "{growpart: {devices: [/, /dev/vdb1]}, resize_rootfs: noblock}",
                Way::FirstBoot,
                &[
                    partition,
                    "growpart/dev/vdb1: take the room behind the partition /dev/vdb1 [boot] ~",
                    "resizefs: grow the root filesystem to its device @final [boot]",
                ],
            ),
        ] {
            assert_eq!(growth(text, way), expected, "{text}");
        }
    }

    #[test]
    fn a_root_without_a_device_has_no_step() {
        assert!(steps(&applied("{growpart: {mode: auto}, resize_rootfs: true}")).is_empty());
    }

    #[test]
    fn modes_that_are_none_are_said() {
        for off in ["false", "off", "'no'"] {
            assert_problems(&applied(&format!("growpart: {off}\n")), &[]);
        }
        assert_problems(&applied("growpart: 7\n"), &["failed: growpart must be a mapping, not an integer"]);
        let plan = applied("growpart: {mode: gpart}\nresize_rootfs: perhaps\n");
        assert_problems(
            &plan,
            &["failed: growpart.mode: this is a tool of FreeBSD (use auto)", "failed: resize_rootfs must be true or false, not a string"],
        );
    }
}
