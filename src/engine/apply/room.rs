//! Room on the disk, asked for right before packages are changed or a file is fetched: a full disk leaves dpkg in the middle.

use super::Context;
use crate::amount::size;
use crate::error::{Failure, Kind};
use crate::host::apt::Apt;
use crate::host::apt_sizes::Caches;
use crate::host::dpkg::admin_directory;
use crate::host::resources::Filesystem;
use crate::identity::STATE;
use crate::plan::{Operation, ResourceCheck};

const ARCHIVES: &str = "/var/cache/apt/archives";
/// Where packages put files too.
const OTHERS: [&str; 3] = ["/", "/var", "/opt"];
/// With so much room nobody has to ask apt.
pub(crate) const PLENTY: u64 = 8 << 30;

/// Where packages are sure to be written.
fn of_packages() -> [&'static str; 3] {
    [admin_directory(), ARCHIVES, "/usr"]
}

/// Where an operation of those that can fill a disk writes.
fn places(operation: &Operation) -> Vec<&str> {
    match operation {
        Operation::AptUpdate | Operation::AptUpgrade | Operation::InstallPackages { .. } => {
            std::iter::once(STATE).chain(of_packages()).collect()
        }
        Operation::Download { file, .. } => vec![STATE, file.path.as_str()],
        _ => Vec::new(),
    }
}

/// Filesystems of these paths, each once. One that cannot be asked is passed over: the step itself will say why.
fn filesystems(context: &Context<'_>, paths: &[&str]) -> Vec<Filesystem> {
    let mut found: Vec<Filesystem> = Vec::new();
    for filesystem in paths.iter().filter_map(|path| context.host.filesystem_of(path).ok()) {
        if !found.iter().any(|known| known.device == filesystem.device) {
            found.push(filesystem);
        }
    }
    found
}

/// What is to be done about too little room, as `resources.check` has it.
fn judged(context: &Context<'_>, message: String, point: &str) -> Result<(), Failure> {
    match context.resources.check {
        ResourceCheck::Stop => {
            let hint = format!("free space on {point} (`df -h {point}`, `apt-get clean`), or enlarge it; then `landfall resume`");
            Err(Failure::new(Kind::Disk, message).hint(hint))
        }
        ResourceCheck::Warn => {
            (context.say)(&message);
            Ok(())
        }
        ResourceCheck::Off => Ok(()),
    }
}

/// Whether the filesystems that an operation fills have the least room that they must keep.
pub fn check_low_disk(operation: &Operation, context: &Context<'_>) -> Result<(), Failure> {
    let places = places(operation);
    if places.is_empty() || context.resources.check == ResourceCheck::Off {
        return Ok(());
    }
    let least = context.resources.low_disk();
    for found in filesystems(context, &places) {
        if found.free_bytes < least {
            let message = format!(
                "not begun: {} free on {}, and {} must be left for packages and downloads (`resources.min_disk`)",
                size(found.free_bytes),
                found.point,
                size(least)
            );
            judged(context, message, &found.point)?;
        }
        if found.free_inodes == Some(0) {
            let message = format!("not begun: no inode is free on {} (`df -i {0}`), so no file can be made there", found.point);
            judged(context, message, &found.point)?;
        }
    }
    Ok(())
}

/// Whether packages fit, by apt's own figures; `None` for an upgrade of all. apt itself only looks at the archives.
pub(super) fn check_packages(context: &Context<'_>, apt: &Apt<'_>, specs: Option<&[String]>) -> Result<(), Failure> {
    let all = filesystems(context, &[of_packages(), OTHERS].concat());
    if context.resources.check == ResourceCheck::Off || all.iter().all(|found| found.free_bytes >= PLENTY) {
        return Ok(());
    }
    // Whatever keeps apt from telling is told when it is asked to do it.
    let Ok(sizes) = apt.sizes(specs.is_none(), specs.unwrap_or_default(), Caches::Renew) else { return Ok(()) };
    let of = |path: &str| context.host.filesystem_of(path).ok();
    let (Some(archives), Some(usr)) = (of(ARCHIVES), of("/usr")) else { return Ok(()) };
    // Half of the makers' estimate: see the preflight.
    let installed = if all.len() == 1 { sizes.installed / 2 } else { 0 };
    let least = context.resources.min_disk.unwrap_or(0);
    let loads = if archives.device == usr.device {
        vec![(usr, sizes.download.saturating_add(installed))]
    } else {
        vec![(archives, sizes.download), (usr, installed)]
    };
    for (found, needed) in loads {
        if found.free_bytes < needed.saturating_add(least) {
            let message = format!(
                "not begun: {} free on {}, and {} packages take {} of archives and {} unpacked",
                size(found.free_bytes),
                found.point,
                sizes.packages,
                size(sizes.download),
                size(sizes.installed)
            );
            judged(context, message, &found.point)?;
        }
    }
    Ok(())
}
