//! What tells one machine from another, and a running system from an image that is being built.

use std::os::unix::fs::MetadataExt as _;

use fs_err as fs;

use super::Host;

/// Container managers whose guests see the DMI data of the machine below, which says nothing about the guest.
const SHARING_DMI: [&str; 9] = ["lxc", "lxc-libvirt", "systemd-nspawn", "docker", "podman", "openvz", "rkt", "proot", "pouch"];
/// DMI uuids that vendors ship for every board.
const WORTHLESS_UUIDS: [&str; 3] =
    ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "03000200-0400-0500-0006-000700080009"];

impl Host {
    /// The system's DMI uuid in lower case, where there is one that identifies it. Root alone can read it.
    pub fn dmi_uuid(&self) -> Option<String> {
        let container = self.read_text("/run/systemd/container").ok().flatten().unwrap_or_default();
        if SHARING_DMI.contains(&container.trim()) {
            return None;
        }
        let uuid = self.dmi("product_uuid")?.to_ascii_lowercase();
        (!WORTHLESS_UUIDS.contains(&uuid.as_str())).then_some(uuid)
    }

    /// One of the values below `/sys/class/dmi/id`, if it is there and not empty.
    pub fn dmi(&self, name: &str) -> Option<String> {
        let text = self.read_text(&format!("/sys/class/dmi/id/{name}")).ok().flatten()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The machine id of machine-id(5), unless it is still to be made.
    pub fn machine_id(&self) -> Option<String> {
        let text = self.read_text("/etc/machine-id").ok().flatten()?;
        let id = text.trim();
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
    }

    /// Whether this process has another root directory than PID 1. Where that cannot be told, it has.
    pub fn in_chroot(&self) -> bool {
        match (fs::metadata("/proc/1/root/."), fs::metadata("/")) {
            (Ok(init), Ok(own)) => (init.dev(), init.ino()) != (own.dev(), own.ino()),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("dir");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        }
        let host = Host::rooted(dir.path());
        (dir, host)
    }

    #[test]
    fn a_machine_id_that_is_still_to_be_made_is_none() {
        for (text, expected) in
            [("", None), ("uninitialized\n", None), ("0123456789abcdef0123456789abcdef\n", Some("0123456789abcdef0123456789abcdef"))]
        {
            assert_eq!(host(&[("etc/machine-id", text)]).1.machine_id().as_deref(), expected);
        }
        assert_eq!(host(&[]).1.machine_id(), None);
    }

    #[test]
    fn a_dmi_uuid_that_many_machines_share_is_none() {
        let uuid = "sys/class/dmi/id/product_uuid";
        let real = "4C4C4544-0042-3510-8053-B9C04F4D3532\n";
        for (files, expected) in [
            (vec![(uuid, real)], Some("4c4c4544-0042-3510-8053-b9c04f4d3532")),
            (vec![(uuid, "00000000-0000-0000-0000-000000000000")], None),
            (vec![(uuid, "03000200-0400-0500-0006-000700080009\n")], None),
            (vec![(uuid, real), ("run/systemd/container", "lxc\n")], None),
            (vec![(uuid, " \n")], None),
        ] {
            assert_eq!(host(&files).1.dmi_uuid().as_deref(), expected);
        }
    }
}
