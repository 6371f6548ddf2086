//! `instance-data.json` and its sensitive twin: what scripts and templates of users look up.

use std::io;

use serde_json::{json, Value as Json};

use super::Subject;
use crate::facts::{Facts, System};
use crate::host::Host;

/// What stands in place of what only root may see.
pub const REDACTED: &str = "redacted for non-root user";
/// Top-level keys that only root sees.
const SENSITIVE: [&str; 2] = ["merged_cfg", "merged_system_cfg"];

/// What stands beside the data, for who reads the file.
const DOC_OF_DS: &str = "What the datasource gave, as it gave it. Its shape is the datasource's own; v1 is the same for all.";
const DOC_OF_MERGED: &str = "An old name of merged_system_cfg.";
const DOC_OF_SYSTEM: &str = "The configuration of the image: /etc/cloud, and cc: of the kernel command line.";
const DOC_OF_COMBINED: &str = "The whole configuration that the plan of this instance was made of: user-data over vendor-data over the \
    configuration of the image.";

/// The data, as cloud-init shapes it. Of Python's version it has what the name of the program says: `3.13`.
pub struct InstanceData(Json);

impl InstanceData {
    /// Puts together what is known. `system` is the configuration in `/etc/cloud`.
    pub fn new(subject: &Subject, system: &Json, host: &Host) -> io::Result<Self> {
        let System { distro, codename, version_id, hostname } = host.system()?;
        let kernel = |name: &str| host.read_text(&format!("/proc/sys/kernel/{name}")).ok().flatten().unwrap_or_default().trim().to_owned();
        let (release, version, system_name) = (kernel("osrelease"), kernel("version"), kernel("ostype"));
        let machine = std::env::consts::ARCH;
        let platform = format!("{system_name}-{release}-{machine}");
        let local_hostname = subject.local_hostname.as_deref().map_or(hostname.as_str(), |name| name.split('.').next().unwrap_or(name));
        let mut metadata = subject.metadata.clone();
        if let Some(map) = metadata.as_object_mut() {
            map.entry("instance-id").or_insert_with(|| subject.instance_id.as_str().into());
            map.entry("dsmode").or_insert_with(|| subject.dsmode.as_str().into());
        }
        let python = host.link_target("/usr/bin/python3").ok().flatten();
        let python = python.as_deref().and_then(|name| name.rsplit('/').next()?.strip_prefix("python"));
        let kind = if subject.seed.starts_with("/dev") { "config-disk" } else { "seed-dir" };
        let merged = |doc: &str| {
            let mut merged = system.as_object().cloned().unwrap_or_default();
            merged.remove("system_info");
            merged.insert("_doc".to_owned(), doc.into());
            Json::Object(merged)
        };
        Ok(Self(json!({
            "base64_encoded_keys": [],
            "ds": {"_doc": DOC_OF_DS, "meta_data": metadata},
            "features": features(),
            "merged_cfg": merged(DOC_OF_MERGED),
            "merged_system_cfg": merged(DOC_OF_SYSTEM),
            "sensitive_keys": SENSITIVE,
            "sys_info": {
                "dist": [distro, version_id, codename],
                "platform": platform,
                "python": python,
                "release": release,
                "system": system_name,
                "uname": [system_name, hostname, release, version, machine, ""],
                "variant": distro,
            },
            "system_info": system_info(system, &distro, &version_id),
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
                "python_version": python,
                "region": null,
                "subplatform": format!("{kind} ({})", subject.seed),
                "system_platform": platform,
                "variant": distro,
            },
        })))
    }

    /// All of it.
    pub fn into_json(self) -> Json {
        self.0
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
        if let Some(map) = data.as_object_mut() {
            map.retain(|key, _| !["features", "system_info"].contains(&key.as_str()));
        }
        pretty(&data)
    }

    /// The whole configuration, merged, with what the peer adds to it.
    pub fn combined(&self, config: &Json) -> io::Result<Vec<u8>> {
        let mut combined = config.clone();
        if let Some(map) = combined.as_object_mut() {
            map.insert("_doc".to_owned(), DOC_OF_COMBINED.into());
            map.insert("features".to_owned(), self.0["features"].clone());
            map.insert("system_info".to_owned(), self.0["system_info"].clone());
        }
        pretty(&combined)
    }
}

/// The peer's switches, as they are here.
fn features() -> Json {
    json!({
        "ALLOW_EC2_MIRRORS_ON_NON_AWS_INSTANCE_TYPES": false,
        "APT_DEB822_SOURCE_LIST_FILE": true,
        "DEPRECATION_INFO_BOUNDARY": "devel",
        // What does not depend on it is done.
        "ERROR_ON_USER_DATA_FAILURE": false,
        "EXPIRE_APPLIES_TO_HASHED_USERS": true,
        "MANUAL_NETWORK_WAIT": true,
        "NETPLAN_CONFIG_ROOT_READ_ONLY": true,
        "NOCLOUD_SEED_URL_APPEND_FORWARD_SLASH": true,
    })
}

/// `system_info` as `/etc/cloud` has it, or as it would.
fn system_info(system: &Json, distro: &str, version_id: &str) -> Json {
    if let Some(said) = system.get("system_info").filter(|said| said.is_object()) {
        return said.clone();
    }
    let facts = Facts { distro: distro.to_owned(), version_id: version_id.to_owned(), ..Facts::default() };
    let (name, groups, gecos) = facts.default_user();
    json!({
        "default_user": {
            "gecos": gecos,
            "groups": groups,
            "lock_passwd": true,
            "name": name,
            "shell": "/bin/bash",
            "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
        },
        "distro": distro,
        "paths": {"cloud_dir": "/var/lib/cloud", "templates_dir": "/etc/cloud/templates/"},
    })
}

/// JSON as cloud-init writes it: one space of indentation, keys sorted.
pub fn pretty(value: &Json) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    Ok(bytes)
}
