//! `grub_dpkg`.

use super::{ops, Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

/// Where the packages of GRUB install it when they are upgraded.
pub const GRUB_DPKG: Module =
    Module { name: "grub_dpkg", stage: Stage::Final, frequency: Frequency::Instance, keys: &["grub_dpkg"], implied: false, plan };

const EFI: &str = "/sys/firmware/efi";

/// Looks where the host's own GRUB is, by the first lasting name of that device. `$1`: what grub-probe is to name; `$2`: of which
/// directory; the rest: selections, in which `@` stands for the device, and `?` for whether there is none.
const PROBE: &str = "target=$1 directory=$2; shift 2\n\
    device=$(grub-probe -t \"$target\" \"$directory\") || device=\n\
    [ -e \"$device\" ] || device=\n\
    for link in /dev/disk/by-id/*; do\n\
    if [ -n \"$device\" ] && [ \"$link\" -ef \"$device\" ]; then device=$link; break; fi\n\
    done\n\
    none=false; [ -n \"$device\" ] || none=true\n\
    printf '%s\\n' \"$@\" | sed \"s,@,$device,; s,?,$none,\" | debconf-set-selections";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(grub) = scope.keys.grub_dpkg.as_ref().filter(|grub| grub.enabled) else { return };
    if ops::is_unread("grub_dpkg", grub.unread(), "GRUB's packages are told nothing", steps) {
        return;
    }
    let efi = scope.facts.files.contains(EFI);
    let given = if efi { &grub.efi_devices } else { &grub.pc_devices };
    let device = given.as_ref().map_or("@", |devices| &devices.0);
    let empty = match (grub.pc_devices_empty, given) {
        (Some(empty), _) => empty.to_string(),
        (None, Some(devices)) => devices.0.is_empty().to_string(),
        (None, None) => "?".to_owned(),
    };
    let selections = if efi {
        vec![format!("grub-pc grub-efi/install_devices string {device}")]
    } else {
        vec![format!("grub-pc grub-pc/install_devices string {device}"), format!("grub-pc grub-pc/install_devices_empty boolean {empty}")]
    };
    let operation = if given.is_some() {
        Operation::Debconf { selections: Secret::new(selections.join("\n") + "\n") }
    } else {
        let (target, directory) = if efi { ("device", "/boot/efi") } else { ("disk", "/boot") };
        let argv = ["/bin/sh", "-c", PROBE, "sh", target, directory];
        Operation::Command(ops::command(&argv, &selections, "tell the packages of GRUB where it is"))
    };
    // The peer only logs that it failed.
    steps.add("", operation).at(&grub.origin).degrades();
}
