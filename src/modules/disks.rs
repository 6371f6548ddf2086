//! `disk_setup`, `fs_setup`.

use super::gate::CLOUD_DEVICE;
use super::{Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::problem::Severity;
use crate::config::typed::reader::{nearest, quoted};
use crate::config::typed::storage::Aliases;
use crate::plan::operation::Operation;
use crate::plan::storage::{FsPlace, Layout, MakeFilesystem, PartitionDisk};
use crate::plan::{Frequency, Stage};

/// Partition tables, then filesystems.
pub const DISK_SETUP: Module = Module {
    name: "disk_setup",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["disk_setup", "fs_setup"],
    implied: false,
    plan,
};

/// The device that a name means.
fn path_of(name: &str, aliases: &Aliases) -> Option<String> {
    let named = aliases.0.get(name).map_or(name, String::as_str);
    let is_cloud_name = named.starts_with("ephemeral") || ["ami", "root", "swap"].contains(&named);
    (!is_cloud_name).then(|| if named.starts_with('/') { named.to_owned() } else { format!("/dev/{named}") })
}

/// The same; one that is none is reported.
fn device(name: &str, aliases: &Aliases, origin: &Origin, steps: &mut Steps) -> Option<String> {
    let path = path_of(name, aliases);
    if path.is_none() {
        let named = aliases.0.get(name).map_or(name, String::as_str);
        let message = format!("no device here is called `{named}`: it is left out");
        steps
            .report
            .error(CLOUD_DEVICE, message)
            .at(origin)
            .help(format!("say which it is, as in `device_aliases: {{{named}: /dev/vdb}}`"));
    }
    path
}

/// Filesystems that programs in Debian and Ubuntu make; the nearest is looked for in this order.
const KINDS: [&str; 19] = [
    "ext4", "ext3", "ext2", "xfs", "btrfs", "vfat", "fat", "msdos", "swap", "f2fs", "ntfs", "exfat", "jfs", "reiserfs", "nilfs2", "udf",
    "minix", "bcachefs", "erofs",
];

/// How long a label may be, in bytes.
fn longest_label(kind: &str) -> usize {
    match kind {
        "xfs" => 12,
        "vfat" | "fat" | "msdos" => 11,
        "swap" => 15,
        "btrfs" => 255,
        kind if kind.starts_with("ext") => 16,
        _ => usize::MAX,
    }
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    let aliases = &keys.device_aliases;
    let mut unread = Vec::new();
    for (name, disk) in &keys.disk_setup.0 {
        let Some(disk) = disk else {
            unread.extend(path_of(name, aliases));
            continue;
        };
        let layout = disk.layout.clone().unwrap_or(Layout::Nothing);
        if layout == Layout::Nothing {
            continue;
        }
        let Some(device) = device(name, aliases, &disk.origin, steps) else { continue };
        let loses = disk.overwrite || layout == Layout::Remove;
        let wanted =
            PartitionDisk { device: device.clone(), table: disk.table_type.unwrap_or_default(), layout, overwrite: disk.overwrite };
        let step = steps.add(name, Operation::PartitionDisk(wanted)).at(&disk.origin).provides(&format!("disk:{device}"));
        if loses {
            let _ = step.notice(format!("what is on {device} is lost"));
        }
    }
    for (at, entry) in keys.fs_setup.iter().enumerate() {
        let kind = entry.filesystem.as_ref().map_or("", |kind| kind.0.as_str());
        if kind.is_empty() && entry.cmd.is_none() {
            let message = format!("fs_setup[{at}] says neither `filesystem` nor `cmd`: it is left out");
            steps.report.error("required", message).at(&entry.origin).help("as in `filesystem: ext4`");
            continue;
        }
        if entry.cmd.is_none() && !KINDS.contains(&kind) {
            let near =
                nearest(kind, &KINDS).map_or_else(|| format!("have the image hold mkfs.{kind}"), |near| format!("did you mean `{near}`?"));
            let message = format!("no program of Debian's makes a filesystem called {}", quoted(kind));
            steps.report.warning("filesystem", message).at(entry.place("filesystem")).help(near);
        }
        // What cannot be read has been reported; without it another device might be formatted, or otherwise.
        let given = |key: &str, read: bool| entry.given.contains(&key) && !read;
        if given("partition", entry.partition.is_some()) || given("cmd", entry.cmd.is_some()) || given("label", entry.label.is_some()) {
            continue;
        }
        let mut label = entry.label.as_ref().map_or("", |label| label.0.as_str());
        if entry.cmd.is_none() && label.len() > longest_label(kind) {
            // mke2fs and mkswap cut it short; others refuse it.
            let is_cut_short = kind == "swap" || kind.starts_with("ext");
            let long = label;
            let (severity, becomes) = if is_cut_short {
                label = &long[..(0..=longest_label(kind)).rev().find(|end| long.is_char_boundary(*end)).unwrap_or(0)];
                (Severity::Warning, format!("it becomes `{label}`"))
            } else {
                (Severity::Error, format!("fs_setup[{at}] is left out"))
            };
            let message = format!("`{long}` is too long for a label of {kind}: {becomes}");
            let help = format!("{} bytes at most", longest_label(kind));
            steps.report.add(severity, "label", message).at(entry.place("label")).help(help);
            if !is_cut_short {
                continue;
            }
        }
        let dotted = entry.device.0.rsplit_once('.').and_then(|(device, number)| Some((device, number.parse::<u32>().ok()?)));
        let (name, place) = match dotted {
            Some((name, number)) if !entry.device.0.contains('/') => (name, FsPlace::Number(number)),
            _ => (entry.device.0.as_str(), entry.partition.unwrap_or_default()),
        };
        if place != entry.partition.unwrap_or(place) {
            let message = format!("`{}` names the partition, so `partition` does not count", entry.device.0);
            steps.report.note("partition", message).at(entry.place("partition"));
        }
        let Some(device) = device(name, aliases, &entry.origin, steps) else { continue };
        if unread.contains(&device) {
            let message = format!("{device} is not partitioned as it is to be: fs_setup[{at}] is left out");
            steps.report.error("device", message).at(&entry.origin).help("correct its entry of `disk_setup`");
            continue;
        }
        for key in ["overwrite", "extra_opts"] {
            if entry.cmd.is_some() && entry.given.contains(&key) && key == "extra_opts" {
                let message = format!("`{key}` does not count beside `cmd`");
                steps.report.warning("fs-setup", message).at(entry.place(key)).help("put it into the command");
            }
        }
        let wanted = MakeFilesystem {
            device: device.clone(),
            place,
            kind: kind.to_owned(),
            label: label.to_owned(),
            overwrite: entry.overwrite,
            replaced: entry.replace_fs.as_ref().map(|kind| kind.0.clone()),
            options: entry.extra_opts.0.clone(),
            command: entry.cmd.as_ref().map_or_else(Vec::new, |command| command.0.clone()),
        };
        let step = steps.add(&format!("fs/{}", at + 1), Operation::MakeFilesystem(wanted)).at(&entry.origin);
        let step = step.needs_thing(&format!("disk:{device}"));
        // With `auto` and `any` nothing is overwritten.
        if entry.overwrite && !matches!(place, FsPlace::Auto | FsPlace::Any) {
            let _ = step.notice(format!("what is on {device} is lost"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{applied, assert_problems, assert_steps};
    use crate::plan::Operation;

    #[test]
    fn disks_are_partitioned_before_filesystems_are_made_on_them() {
        let plan = applied(
            "device_aliases: {data: /dev/vdb}\n\
             disk_setup: {data: {table_type: gpt, layout: [50, [50, 82]], overwrite: true}, vdc: {layout: true}, vdd: {layout: false}}\n\
             fs_setup: [{device: data.1, filesystem: ext4, label: d}, {device: vdc, filesystem: xfs, partition: auto}, \
             {device: /dev/vde, cmd: 'mkfs -t %(filesystem)s %(device)s', filesystem: ext4, partition: none}]\n",
        );
        assert_steps(
            &plan,
            &[
                "disk_setup/data: partition /dev/vdb (gpt: 50 %, 50 % of type 82), whatever it holds",
                "disk_setup/vdc: partition /dev/vdc (mbr: one partition), unless it holds something",
                "disk_setup/fs/1: make ext4 on partition 1 of /dev/vdb, unless it holds something <- disk_setup/data",
                "disk_setup/fs/2: make xfs on a free partition of /dev/vdc <- disk_setup/vdc",
                "disk_setup/fs/3: make ext4 on /dev/vde, unless it holds something, by `mkfs -t %(filesystem)s %(device)s`",
            ],
        );
        assert_eq!(plan.steps[0].notices, ["what is on /dev/vdb is lost"]);
        assert_problems(&plan, &[]);
        assert!(matches!(plan.steps[0].operation.undo(), crate::plan::Undo::None(_)));
        assert!(!plan.steps.iter().any(|step| matches!(step.operation, Operation::Command(_))));
    }

    #[test]
    fn what_cannot_be_done_is_said_and_the_rest_planned() {
        let plan = applied(
            "disk_setup: {ephemeral0: {layout: true}, vdb: {layout: [20, 20, 20, 20, 20]}, vdc: {layout: [[50, Linux]]}, vdd: {layout: some}}\n\
             fs_setup: [{device: vdb}, {filesystem: ext4}, {device: ephemeral0, filesystem: ext4}, {device: vdf, filesystem: ext4, partition: first}]\n",
        );
        let said: Vec<String> = super::super::testing::problems(&plan);
        assert_eq!(said.len(), 8, "{said:#?}");
        assert!(said.iter().all(|problem| problem.starts_with("failed: ")), "{said:#?}");
        assert_steps(&plan, &[]);
    }

    #[test]
    fn shares_leave_something_for_the_last_part_and_a_misspelt_filesystem_is_told() {
        let plan = applied(
            "disk_setup: {vdb: {layout: [60, 40, 20]}, vdc: {layout: [60, 40]}, vdd: {layout: [60, 60]}}\n\
             fs_setup: [{device: vdc.1, filesystem: ext5}, {device: vdc.2, filesystem: zfs2}, {device: vdc.3, filesystem: own, cmd: mk}]\n",
        );
        assert_problems(
            &plan,
            &[
                "failed: disk_setup.vdb.layout: nothing is left for the last part: those before it take 100 % (let them be 100 together)",
                "degraded: no program of Debian's makes a filesystem called `ext5` (did you mean `ext4`?)",
                "degraded: no program of Debian's makes a filesystem called `zfs2` (have the image hold mkfs.zfs2)",
            ],
        );
        assert_eq!(plan.steps.len(), 5);
    }

    #[test]
    fn no_filesystem_is_made_on_a_disk_whose_entry_cannot_be_read_or_with_a_label_that_is_too_long() {
        let plan = applied(
            "device_aliases: {data: /dev/vdb}\n\
             disk_setup: {/dev/vdb: {layout: some}}\n\
             fs_setup: [{device: data, filesystem: ext4}, {device: vdb.1, filesystem: ext4}, \
             {device: vdd, filesystem: xfs, label: a-long-label-}, {device: vdd, filesystem: xfs, label: a-long-label}, \
             {device: vde, filesystem: xfs, label: a-long-label-, cmd: mk}, {device: vdf, filesystem: xfs, cmd: {}}]\n",
        );
        assert_steps(
            &plan,
            &[
                "disk_setup/fs/4: make xfs on a free partition of /dev/vdd",
                "disk_setup/fs/5: make xfs on a free partition of /dev/vde, by `mk`",
            ],
        );
        let said = super::super::testing::problems(&plan);
        assert_eq!(said.len(), 5, "{said:#?}");
        assert!(said.contains(&"failed: `a-long-label-` is too long for a label of xfs: fs_setup[2] is left out (12 bytes at most)".into()));
        let plan = applied(
            "fs_setup: [{device: vdb, filesystem: xfs, overwrite: true}, {device: vdc, filesystem: xfs, partition: none, overwrite: true}]",
        );
        assert_eq!(plan.steps[0].notices, Vec::<String>::new());
        assert_eq!(plan.steps[1].notices, ["what is on /dev/vdc is lost"]);
    }

    /// As mke2fs and mkswap cut it.
    #[test]
    fn a_label_that_is_too_long_for_ext4_or_swap_is_cut_short() {
        let plan = applied(
            "fs_setup: [{device: vdb, filesystem: ext4, partition: none, label: postgresql-data-01}, \
             {device: vdc, filesystem: swap, partition: none, label: 0123456789abcdé}]\n",
        );
        let labels = plan.steps.iter().filter_map(|step| match &step.operation {
            Operation::MakeFilesystem(made) => Some(made.label.as_str()),
            _ => None,
        });
        assert_eq!(labels.collect::<Vec<_>>(), ["postgresql-data-", "0123456789abcd"]);
        let told = "degraded: `postgresql-data-01` is too long for a label of ext4: it becomes `postgresql-data-` (16 bytes at most)";
        assert!(super::super::testing::problems(&plan).contains(&told.into()), "{:?}", super::super::testing::problems(&plan));
    }
}
