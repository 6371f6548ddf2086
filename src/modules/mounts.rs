//! `mounts`, `mount_default_fields`, `swap`.

use super::{ops, Module, Scope, Steps, Way};
use crate::config::typed::storage::Swap;
use crate::config::typed::Keys;
use crate::plan::operation::Operation;
use crate::plan::storage::{is_remote, Fstab, MountFields};
use crate::plan::{Frequency, Stage};

/// Swap, `/etc/fstab`, and what it mounts of this host's own devices.
pub const MOUNTS: Module = Module {
    name: "mounts",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["mounts", "swap", "device_aliases", "mount_default_fields"],
    implied: false,
    plan,
};

/// What is mounted from elsewhere, once the network is up.
pub const MOUNTS_OF_NETWORK: Module = Module { stage: Stage::Final, plan: plan_remote, ..MOUNTS };

/// The peer's options; the unit that they name is its own, and not there without it.
const OPTIONS: &str = "defaults,nofail,x-systemd.after=cloud-init-network.service,_netdev";
const SWAP_FILE: &str = "/swap.img";

fn entries(keys: &Keys) -> Vec<MountFields> {
    let usual = [None, None, Some("auto"), Some(OPTIONS), Some("0"), Some("2")];
    let said = keys.mount_default_fields.as_ref().map_or(&[][..], |fields| &fields.0);
    let default = |at: usize| said.get(at).cloned().unwrap_or_else(|| usual[at].map(str::to_owned));
    let entry = |entry: &crate::config::typed::storage::MountEntry| {
        let field = |at: usize| match at {
            0 => Some(entry.device.clone()),
            _ => entry.fields.get(at - 1).cloned().flatten().or_else(|| default(at)),
        };
        MountFields([0, 1, 2, 3, 4, 5].map(|at| field(at).or_else(|| usual[at].map(str::to_owned)).unwrap_or_default()))
    };
    keys.mounts.iter().map(entry).collect()
}

fn usual(device: &str, point: &str, kind: &str, options: &str, pass: &str) -> MountFields {
    MountFields([device, point, kind, options, "0", pass].map(str::to_owned))
}

fn swap_file(keys: &Keys) -> Option<(String, Option<u64>, Option<u64>)> {
    let swap = keys.swap.as_ref()?;
    let size = swap.size.filter(|size| size.0 != Some(0))?.0;
    let path = swap.filename.as_ref().map_or_else(|| SWAP_FILE.to_owned(), |path| path.0.clone());
    Some((path, size, swap.maxsize.map(|most| most.0)))
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    let (entries, aliases) = (entries(keys), keys.device_aliases.0.clone());
    let if_there: Vec<MountFields> = [usual("ephemeral0", "/mnt", "auto", OPTIONS, "2"), usual("swap", "none", "swap", "sw", "0")]
        .into_iter()
        .filter(|entry| aliases.contains_key(entry.device()))
        .collect();
    // Without its size there is none anyhow.
    let unread = keys.swap.as_ref().and_then(Swap::unread).filter(|(key, _)| *key != "size");
    let swap_file = if ops::is_unread("swap", unread, "no swap file is made", steps) { None } else { swap_file(keys) };
    warn_of_none(keys, steps);
    warn_of_hidden(keys, &entries, steps);
    if entries.is_empty() && if_there.is_empty() && swap_file.is_none() {
        return;
    }
    let key = ["mounts", "swap", "device_aliases"].into_iter().find(|key| keys.given.contains(key)).unwrap_or("mounts");
    if let Some((path, size, most)) = swap_file.clone() {
        let step = steps.add("swap", Operation::SwapFile { path, size, most }).at(keys.place("swap"));
        let _ = step.degrades();
    }
    let swap_file = swap_file.map(|(path, ..)| path);
    // Where all are taken back fstab stays as it is, with lines that are not of this instance.
    let is_taken_back = |at: usize| entries[at..].iter().any(|later| later.device() == entries[at].device() && later.point().is_none());
    let leaves_lines = swap_file.is_some() || !if_there.is_empty() || (0..entries.len()).any(|at| !is_taken_back(at));
    // Only the configuration of an instance takes the place of the one before.
    let adds = scope.phase.is_some() || scope.way == Way::Applied;
    let written = Operation::Fstab(Fstab { entries, if_there, adds, aliases, swap_file: swap_file.clone() });
    let written = steps.add("fstab", written).at(keys.place(key)).provides("fstab").id();
    if leaves_lines {
        steps.add("", Operation::MountFstab { remote: false, swap_file }).at(keys.place(key)).needs(written);
    }
}

/// The word `None`, which YAML takes for text, where it is used.
fn warn_of_none(keys: &Keys, steps: &mut Steps) {
    let Some(defaults) = &keys.mount_default_fields else { return };
    let lacks = |at: usize| keys.mounts.iter().any(|entry| entry.fields.get(at - 1).is_none_or(Option::is_none));
    if (1..defaults.0.len()).any(|at| defaults.0[at].as_deref() == Some("None") && lacks(at)) {
        let message = "mount_default_fields: `None` is written to fstab as it is";
        steps.report.warning("none", message).at(keys.place("mount_default_fields")).help("write `null`");
    }
}

/// What is mounted where something else is: one hides the other, and a second root may keep the host from booting.
fn warn_of_hidden(keys: &Keys, entries: &[MountFields], steps: &mut Steps) {
    let point =
        |entry: &MountFields| entry.point().filter(|point| point.starts_with('/')).map(|point| point.trim_end_matches('/').to_owned());
    for (at, (entry, given)) in entries.iter().zip(&keys.mounts).enumerate() {
        let Some(path) = point(entry) else { continue };
        let is_taken_back = |other: &MountFields| entries.iter().any(|one| one.device() == other.device() && one.point().is_none());
        let hides =
            |other: &&MountFields| other.device() != entry.device() && point(other).as_ref() == Some(&path) && !is_taken_back(other);
        let other = entries[..at].iter().find(hides);
        let message = match other {
            _ if path.is_empty() => format!("mounts[{at}]: {} at /: the root is mounted by a line of its own", entry.device()),
            Some(other) => {
                format!("mounts[{at}]: {} at {path}, where {} is mounted too: one hides the other", entry.device(), other.device())
            }
            None => continue,
        };
        steps.report.warning("mount-point", message).at(&given.origin).help("give each device a place of its own");
    }
}

fn plan_remote(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    let of_network = |entry: &MountFields| entry.point().is_some() && is_remote(entry.device(), &entry.0[2]);
    if entries(keys).iter().any(of_network) {
        let step = steps.add("network", Operation::MountFstab { remote: true, swap_file: None });
        let _ = step.at(keys.place("mounts")).needs_thing("fstab").attempts_unless_said(3);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{applied, assert_problems, assert_steps, first_boot};
    use crate::plan::operation::Operation;

    #[test]
    fn what_hides_another_is_told() {
        let text = "mounts: [[/dev/vdb, /data], [/dev/vdb, /data, ext4], [/dev/vdc, /data/], [/dev/vdd, /], [/dev/vde, /e], [/dev/vde, null], [/dev/vdf, /e], [swap, none], [vde, none]]";
        let expected = [
            "degraded: mounts[2]: /dev/vdc at /data, where /dev/vdb is mounted too: one hides the other (give each device a place of its own)",
            "degraded: mounts[3]: /dev/vdd at /: the root is mounted by a line of its own (give each device a place of its own)",
        ];
        assert_problems(&applied(text), &expected);
    }

    #[test]
    fn mounts_are_a_swap_file_then_fstab_then_what_it_mounts_and_the_network_last() {
        let plan = applied("mounts: [[vdb, /srv], ['nas:/x', /net, nfs]]\nswap: {size: 1G}\nruncmd: [a]\n");
        assert_steps(
            &plan,
            &[
                "mounts/swap: make the swap file /swap.img, 1.0 GiB ~",
                "mounts/fstab: write to /etc/fstab: vdb at /srv, nas:/x at /net, swap file /swap.img",
                "mounts: mount and swap to what these lines of /etc/fstab name <- mounts/fstab",
                "mounts/network: mount what these lines of /etc/fstab name of the network @final <- mounts/fstab",
                "runcmd/1: runcmd item 1 of 1: a @final",
            ],
        );
        assert_problems(&plan, &[]);
    }

    #[test]
    fn fields_that_are_not_given_have_the_defaults_and_a_mount_point_of_null_cancels() {
        let plan =
            applied("mounts: [[vdb, /srv, ext4, null, 0, '1'], [vdb], [vdc, null]]\nmount_default_fields: [null, null, xfs, noatime]\n");
        let Operation::Fstab(fstab) = &plan.steps[0].operation else { panic!("{:?}", plan.steps) };
        let lines: Vec<String> = fstab.entries.iter().map(|entry| entry.0.join(" ")).collect();
        assert_eq!(lines, ["vdb /srv ext4 noatime 0 1", "vdb  xfs noatime 0 2", "vdc  xfs noatime 0 2"]);
    }

    #[test]
    fn a_default_of_none_in_a_word_is_pointed_out() {
        let plan = applied("mounts: [[vdb, /srv]]\nmount_default_fields: [None, null, auto, None]\n");
        assert_problems(&plan, &["degraded: mount_default_fields: `None` is written to fstab as it is (write `null`)"]);
        let theirs = "mount_default_fields: [None, None, auto, 'defaults,nofail', '0', '2']\n";
        assert_problems(&applied(&format!("mounts: [[vdb, /srv]]\n{theirs}")), &[]);
        assert_eq!(applied(&format!("mounts: [[vdb]]\n{theirs}")).problems.len(), 1);
    }

    #[test]
    fn only_at_first_boot_lines_of_an_earlier_configuration_go() {
        for (plan, keeps) in [(applied("mounts: [[vdb, /srv]]"), true), (first_boot("mounts: [[vdb, /srv]]"), false)] {
            let adds = plan.steps.iter().find_map(|step| match &step.operation {
                Operation::Fstab(fstab) => Some(fstab.adds),
                _ => None,
            });
            assert_eq!(adds, Some(keeps));
        }
    }

    #[test]
    fn nothing_to_mount_is_no_step() {
        for text in [
            "mounts: []",
            "swap: {size: 0}",
            "swap: {filename: /s}",
            "mount_default_fields: [null, null, ext4]",
            "device_aliases: {a: /dev/b}",
        ] {
            assert_steps(&applied(text), &[]);
        }
        assert_eq!(applied("mounts: [[vdb, /srv], [vdb]]").steps.len(), 1, "nothing is left to be mounted");
        let plan = applied("device_aliases: {ephemeral0: /dev/vdb}");
        assert_eq!(plan.steps.len(), 2, "the disk of that name is mounted at /mnt, as by the peer");
        assert!(first_boot("{}").steps.iter().all(|step| step.phase != "mounts"));
    }

    #[test]
    fn a_password_among_the_options_is_masked_and_pointed_out() {
        let plan = applied("mounts: [['//nas/x', /net, cifs, 'username=bob,password=geheim']]\nruncmd: [echo geheim]\n");
        assert_problems(
            &plan,
            &["degraded: mounts[0]: everybody can read the password in /etc/fstab (put it into a file of root's that `credentials=` names)"],
        );
        assert!(plan.steps.iter().all(|step| !step.operation.describe().contains("geheim")), "{:?}", plan.steps);
    }

    #[test]
    fn bad_entries_are_left_out_and_the_others_kept() {
        let plan = applied("mounts: [[vdb, /srv], vdc, [], [null, /a], [a, b], [a, /b, c, d, e, f, g]]\nswap: {size: much}\n");
        assert_problems(
            &plan,
            &[
                "failed: mounts[1] must be a list, not a string",
                "failed: mounts[2]: it names no device (as in [vdb, /srv])",
                "failed: mounts[3]: it names no device (as in [vdb, /srv])",
                "failed: mounts[4]: `b` is no mount point (an absolute path, or `none` for swap)",
                "failed: mounts[5]: it has more than six fields (device, mount point, type, options, dump, pass)",
                "failed: swap.size: this is no size for swap (1 MiB or more, as in 512M or 2G, or auto)",
            ],
        );
        assert_eq!(plan.steps.len(), 2);
    }
}
