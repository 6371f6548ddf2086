//! `instance-data.json` and its sensitive twin: what scripts and templates of users look up.

use std::io;

use serde_json::{json, Value as Json};

use super::Subject;
use crate::facts::System;
use crate::host::Host;

const REDACTED: &str = "redacted for non-root user";
/// Top-level keys that only root sees.
const SENSITIVE: [&str; 2] = ["merged_cfg", "merged_system_cfg"];

/// The data, as cloud-init shapes it. Python's version is not known here and null.
pub struct InstanceData(Json);

impl InstanceData {
    /// Puts together what is known.
    pub fn new(subject: &Subject, host: &Host) -> io::Result<Self> {
        let System { distro, codename, version_id, hostname } = host.system()?;
        let kernel = |name: &str| host.read_text(&format!("/proc/sys/kernel/{name}")).ok().flatten().unwrap_or_default().trim().to_owned();
        let (release, version, system) = (kernel("osrelease"), kernel("version"), kernel("ostype"));
        let machine = std::env::consts::ARCH;
        let platform = format!("{system}-{release}-{machine}");
        let local_hostname = subject.local_hostname.as_deref().map_or(hostname.as_str(), |name| name.split('.').next().unwrap_or(name));
        let mut metadata = subject.metadata.clone();
        if let Some(map) = metadata.as_object_mut() {
            map.entry("instance-id").or_insert_with(|| subject.instance_id.as_str().into());
            map.entry("dsmode").or_insert_with(|| subject.dsmode.as_str().into());
        }
        let kind = if subject.seed.starts_with("/dev") { "config-disk" } else { "seed-dir" };
        Ok(Self(json!({
            "base64_encoded_keys": [],
            "ds": {"meta_data": metadata},
            "merged_cfg": {},
            "merged_system_cfg": {},
            "sensitive_keys": SENSITIVE,
            "sys_info": {
                "dist": [distro, version_id, codename],
                "platform": platform,
                "python": null,
                "release": release,
                "system": system,
                "uname": [system, hostname, release, version, machine, ""],
                "variant": distro,
            },
            "v1": {
                "_beta_keys": ["subplatform"],
                "availability-zone": null,
                "availability_zone": null,
                "cloud-name": "unknown",
                "cloud_id": subject.source,
                "cloud_name": "unknown",
                "distro": distro,
                "distro_release": codename,
                "distro_version": version_id,
                "instance-id": subject.instance_id,
                "instance_id": subject.instance_id,
                "kernel_release": release,
                "local-hostname": local_hostname,
                "local_hostname": local_hostname,
                "machine": machine,
                "platform": subject.source,
                "public_ssh_keys": subject.public_keys,
                "python_version": null,
                "region": null,
                "subplatform": format!("{kind} ({})", subject.seed),
                "system_platform": platform,
                "variant": distro,
            },
        })))
    }

    /// For root.
    pub fn sensitive(&self) -> io::Result<Vec<u8>> {
        pretty(&self.0)
    }

    /// For everybody.
    pub fn public(&self) -> io::Result<Vec<u8>> {
        let mut data = self.0.clone();
        for key in SENSITIVE {
            data[key] = REDACTED.into();
        }
        pretty(&data)
    }
}

/// JSON as cloud-init writes it: one space of indentation, keys sorted.
pub fn pretty(value: &Json) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    Ok(bytes)
}
