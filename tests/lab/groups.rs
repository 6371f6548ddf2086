//! The control group of a host's guest.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// A group that was killed once may kill what is later forked into it (kernel 6.18), and real systemd starts with an empty
/// hierarchy anyway: every boot gets new ones.
pub(super) fn renew_group(group: &Path) {
    super::wait_until("the guest's processes to be gone", Duration::from_secs(10), || {
        fs::read_to_string(group.join("cgroup.events")).unwrap().contains("populated 0") && remove_group(group).is_ok()
    });
    fs::create_dir(group).and_then(|()| fs::create_dir(group.join("lab"))).unwrap();
}

fn remove_group(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_group(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}
