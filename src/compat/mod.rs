//! The files of cloud-init that other software reads or waits for, kept in standalone mode: where no cloud-init is installed
//! and a datasource answered.
//!
//! They repeat what the datasource said and what the journals say; nothing of landfall reads them. What lasts is written only
//! where it differs. What changes at every boot (`status.json`, `result.json`, `boot-finished`) stands in `/run/cloud-init`,
//! and the customary places below `/var/lib/cloud` are links to it, so that a boot with nothing to do writes nothing to the disk.
//!
//! Not covered: `obj.pkl`, `combined-cloud-config.json`, the processed MIME copies (`*.txt.i`), sockets, `ds-identify.log`.

mod instance_data;
mod status;
#[cfg(test)]
mod tests;

use std::io;

use serde::{Deserialize, Serialize};

use crate::config::node::Node;
use crate::datasource::{self, Found};
use crate::engine::summary::{State, StepResult, Summary};
use crate::host::Host;
use crate::modules::{CLOSING, MODULES};
use crate::plan::{Frequency, Stage};
use crate::{clock, identity};

const CLOUD: &str = "/var/lib/cloud";
const RUN: &str = "/run/cloud-init";
/// The instance's subject, for boots in which its datasource gives no answer.
const SUBJECT_FILE: &str = "datasource.json";

const NETWORK_CONFIG: &str = "network-config.json";

/// What the files say of the instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Instance id.
    pub instance_id: String,
    /// Short name of the datasource.
    pub source: String,
    /// Where it was found, as cloud-init names places.
    pub seed: String,
    /// `dsmode`.
    pub dsmode: String,
    /// Hostname of the metadata.
    pub local_hostname: Option<String>,
    /// SSH keys of the metadata.
    pub public_keys: Vec<String>,
    /// The whole metadata.
    pub metadata: serde_json::Value,
}

impl Subject {
    /// What a datasource said.
    pub fn of(found: &Found) -> Self {
        let place = |place: &String| match place.as_str() {
            "SMBIOS serial number" => "dmi".to_owned(),
            "kernel command line" => "cmdline".to_owned(),
            other => other.to_owned(),
        };
        Self {
            instance_id: found.instance_id.clone(),
            source: found.source.to_owned(),
            seed: found.places.iter().map(place).collect::<Vec<_>>().join(","),
            dsmode: found.dsmode.clone().unwrap_or_else(|| "net".into()),
            local_hostname: found.local_hostname.clone(),
            public_keys: found.public_keys.clone(),
            metadata: found.metadata.to_json(),
        }
    }

    /// cloud-init's class of the datasource.
    fn class(&self) -> &'static str {
        match self.source.as_str() {
            "nocloud" => "DataSourceNoCloud",
            _ => "DataSourceNone",
        }
    }

    /// As cloud-init prints the datasource.
    fn display(&self) -> String {
        let mode = if self.dsmode == "net" { String::new() } else { format!("[dsmode={}]", self.dsmode) };
        format!("{} [seed={}]{mode}", self.class(), self.seed)
    }

    /// The instance's directory under `/var/lib/cloud`.
    fn directory(&self) -> String {
        format!("{CLOUD}/instances/{}", identity::directory_of(&self.instance_id))
    }
}

/// Whether the files are ours to write.
fn applies(host: &Host) -> bool {
    datasource::hosted(host).is_none()
}

/// Makes `/var/lib/cloud/instance` lead to the instance's own directory, where scripts are put. Every mode without cloud-init
/// needs it, before the first step.
///
/// # Errors
/// Something that is no link stands there.
pub fn link_instance(host: &Host, directory: &str) -> io::Result<()> {
    if !applies(host) {
        return Ok(());
    }
    let target = format!("{CLOUD}/instances/{directory}");
    host.copy_directory(&target)?;
    host.link_copy(&format!("{CLOUD}/instance"), &target).map(|_| ())
}

/// Writes what lasts as long as the instance. `state` is the instance's directory in landfall's state, `config` the merged
/// configuration.
pub fn new_instance(host: &Host, state: &str, found: &Found, config: &Node) -> io::Result<()> {
    if !applies(host) {
        return Ok(());
    }
    let subject = Subject::of(found);
    let directory = subject.directory();
    // Users' scripts are put there, which nothing writes again.
    let scripts = format!("{directory}/scripts");
    if !host.exists(&scripts) {
        host.make_directories(&scripts, crate::host::files::Attributes::own(0o755))?;
    }
    let data = |name: &str| format!("{CLOUD}/data/{name}");
    let text = |text: &str| format!("{text}\n").into_bytes();
    let previous = host.read(&data("instance-id"))?.unwrap_or_else(|| text(&subject.instance_id));
    let source = text(&format!("{}: {}", subject.class(), subject.display()));
    let mut config_text = b"#cloud-config\n\n".to_vec();
    config_text.extend(serde_yaml::to_string(&config.to_json()).map_err(io::Error::other)?.into_bytes());
    let files: [(String, Vec<u8>, u32); 8] = [
        (format!("{state}/{SUBJECT_FILE}"), serde_json::to_vec(&subject)?, 0o600),
        (format!("{directory}/user-data.txt"), found.user_data.clone(), 0o600),
        (format!("{directory}/vendor-data.txt"), found.vendor_data.clone().unwrap_or_default(), 0o600),
        (format!("{directory}/cloud-config.txt"), config_text, 0o600),
        (format!("{directory}/datasource"), source.clone(), 0o644),
        (data("previous-datasource"), source, 0o644),
        (data("previous-instance-id"), previous, 0o644),
        (data("instance-id"), text(&subject.instance_id), 0o644),
    ];
    for (path, bytes, mode) in files {
        host.write_copy(&path, &bytes, mode)?;
    }
    if let Some(network) = network_config(found) {
        host.write_copy(&format!("{directory}/{NETWORK_CONFIG}"), &serde_json::to_vec(&network.to_json())?, 0o600)?;
    }
    for below in ["sem", "handlers"] {
        host.copy_directory(&format!("{directory}/{below}"))?;
    }
    for below in ["per-boot", "per-instance", "per-once", "vendor"] {
        host.copy_directory(&format!("{CLOUD}/scripts/{below}"))?;
    }
    for (path, name) in [
        (format!("{directory}/boot-finished"), "boot-finished"),
        (data("status.json"), "status.json"),
        (data("result.json"), "result.json"),
    ] {
        host.link_copy(&path, &format!("{RUN}/{name}"))?;
    }
    link_instance(host, &identity::directory_of(&subject.instance_id))
}

/// The datasource's network-config, where it can be read at all.
fn network_config(found: &Found) -> Option<Node> {
    let text = String::from_utf8_lossy(found.network_config.as_deref()?).into_owned();
    crate::yaml::parse(NETWORK_CONFIG, &text).ok().filter(|document| !document.is_null())
}

/// Empties what lasts of the user-data of the instance whose directory is `name`, its scripts too.
pub fn wipe(host: &Host, name: &str) -> io::Result<()> {
    if !applies(host) {
        return Ok(());
    }
    let directory = format!("{CLOUD}/instances/{name}");
    let empty = [("user-data.txt", ""), ("vendor-data.txt", ""), ("cloud-config.txt", "#cloud-config\n\n{}\n"), (NETWORK_CONFIG, "{}\n")];
    for (file, rest) in empty {
        let path = format!("{directory}/{file}");
        if host.exists(&path) {
            host.write_copy(&path, rest.as_bytes(), 0o600)?;
        }
    }
    let scripts = format!("{directory}/scripts");
    for script in host.list(&scripts)? {
        host.remove(&format!("{scripts}/{script}"))?;
    }
    Ok(())
}

/// What was stored of the instance, if it has a datasource and the files are ours to write.
fn subject(host: &Host, state: &str) -> io::Result<Option<Subject>> {
    if !applies(host) {
        return Ok(None);
    }
    let stored = host.read(&format!("{state}/{SUBJECT_FILE}"))?;
    Ok(stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// A stage of this boot begins: who this is, and that it runs. Writes below `/run` only.
pub fn stage_begins(host: &Host, state: &str, stage: Stage) -> io::Result<()> {
    let Some(subject) = subject(host, state)? else { return Ok(()) };
    let told = host.read(&format!("{RUN}/.instance-id"))?;
    if told.is_none_or(|id| id != format!("{}\n", subject.instance_id).as_bytes()) {
        introduce(host, &subject)?;
    }
    status::begin(host, &subject, stage)
}

/// Says in this boot who this is; the id comes last, as the mark that all of it is there.
fn introduce(host: &Host, subject: &Subject) -> io::Result<()> {
    host.write_runtime(&format!("{RUN}/enabled"), b"", 0o644)?;
    let cloud_id = format!("{RUN}/cloud-id-{}", subject.source);
    host.write_runtime(&cloud_id, format!("{}\n", subject.source).as_bytes(), 0o644)?;
    host.link_copy(&format!("{RUN}/cloud-id"), &cloud_id)?;
    let network_config = format!("{}/{NETWORK_CONFIG}", subject.directory());
    if host.exists(&network_config) {
        host.link_copy(&format!("{RUN}/{NETWORK_CONFIG}"), &network_config)?;
    }
    let data = instance_data::InstanceData::new(subject, host)?;
    host.write_runtime(&format!("{RUN}/instance-data-sensitive.json"), &data.sensitive()?, 0o600)?;
    host.write_runtime(&format!("{RUN}/instance-data.json"), &data.public()?, 0o644)?;
    host.write_runtime(&format!("{RUN}/.instance-id"), format!("{}\n", subject.instance_id).as_bytes(), 0o644)
}

/// A stage of this boot has ended: with what errors, and after the last one, that the boot has finished.
pub fn stage_ended(host: &Host, state: &str, stage: Stage, summary: &Summary) -> io::Result<()> {
    let Some(subject) = subject(host, state)? else { return Ok(()) };
    status::end(host, &subject, stage, summary)?;
    write_semaphores(host, &subject, summary)?;
    let settled = matches!(summary.state, State::Done | State::Degraded | State::Failed);
    if stage == Stage::Final && settled {
        status::result(host, &subject, summary)?;
        let now = clock::rfc2822(host.now());
        let line = format!("{:.2} - {now} - v. {}\n", host.uptime_seconds(), env!("CARGO_PKG_VERSION"));
        host.write_runtime(&format!("{RUN}/boot-finished"), line.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// cloud-init's marks of the modules that have run: scripts of users look at them.
fn write_semaphores(host: &Host, subject: &Subject, summary: &Summary) -> io::Result<()> {
    let content = format!("{}: {}\n", std::process::id(), host.now());
    for module in MODULES.iter().chain(CLOSING) {
        let mut steps = summary.steps.iter().filter(|step| step.phase == module.name).peekable();
        if steps.peek().is_none() || steps.any(|step| step.result == StepResult::Pending) {
            continue;
        }
        let name = module.name.replace('-', "_");
        let path = match module.frequency {
            Frequency::Instance => format!("{}/sem/config_{name}", subject.directory()),
            Frequency::Once => format!("{CLOUD}/sem/config_{name}.once"),
            Frequency::Boot => continue,
        };
        if !host.exists(&path) {
            host.write_copy(&path, content.as_bytes(), 0o644)?;
        }
    }
    Ok(())
}
