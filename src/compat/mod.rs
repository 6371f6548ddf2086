//! The files of cloud-init that other software reads or waits for, kept in standalone mode: where no cloud-init is installed
//! and a datasource answered.
//!
//! They repeat what the datasource said and what the journals say; nothing of landfall reads them. What lasts is written only
//! where it differs. What changes at every boot (`status.json`, `result.json`, `boot-finished`) stands in `/run/cloud-init`,
//! and the customary places below `/var/lib/cloud` are links to it, so that a boot with nothing to do writes nothing to the disk.
//!
//! Not covered: `obj.pkl`, sockets, `ds-identify.log`.

mod instance_data;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};

use crate::config::node::Node;
use instance_data::InstanceData;

use crate::datasource::{self, Found};
use crate::engine::summary::{State, StepResult, StepSummary, Summary};
use crate::host::Host;
use crate::modules::{CLOSING, MODULES};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Plan, Stage};
use crate::{clock, identity};
pub use instance_data::{pretty, REDACTED};
pub use status::{stages, told_in_all};

/// Where cloud-init keeps what lasts.
pub const CLOUD: &str = "/var/lib/cloud";
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
    /// The configuration in `/etc/cloud` and of the kernel command line, as it was when the instance was new.
    #[serde(default)]
    pub system: serde_json::Value,
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
            system: serde_json::Value::Null,
        }
    }

    /// What is known where no datasource said anything: for templates in a file that is applied by hand.
    pub fn without_datasource(id: &str) -> Self {
        Self {
            instance_id: id.to_owned(),
            source: "none".to_owned(),
            seed: String::new(),
            dsmode: "local".to_owned(),
            local_hostname: None,
            public_keys: Vec::new(),
            metadata: serde_json::json!({}),
            system: serde_json::Value::Null,
        }
    }

    /// Which of several instances that were started together this is.
    pub fn launch_index(&self) -> Option<i64> {
        match self.metadata.get("launch-index")? {
            serde_json::Value::String(text) => text.trim().parse().ok(),
            number => number.as_i64(),
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

/// The instance's data, as templates and `query` know it. `system` is the configuration in `/etc/cloud`.
pub fn instance_data(host: &Host, subject: &Subject, system: &serde_json::Value) -> io::Result<serde_json::Value> {
    InstanceData::new(subject, system, host).map(InstanceData::into_json)
}

/// What was stored of the instance whose directory in landfall's state is `state`.
pub fn stored_subject(host: &Host, state: &str) -> Option<Subject> {
    let stored = host.read(&format!("{state}/{SUBJECT_FILE}")).ok().flatten()?;
    serde_json::from_slice(&stored).ok()
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

/// A configuration as cloud-init writes one.
pub fn cloud_config_text(config: &Node) -> io::Result<Vec<u8>> {
    let text = serde_yaml::to_string(&config.to_json()).map_err(io::Error::other)?;
    Ok(format!("#cloud-config\n\n{text}").into_bytes())
}

/// Writes what lasts as long as the instance, and leaves it to the caller to sync it. `state` is the instance's directory in landfall's
/// state, `copies` are names and contents of what is made of user-data, `system` is what of the configuration is the peer's.
pub fn new_instance(host: &Host, state: &str, found: &Found, copies: &[(&str, Vec<u8>)], system: &serde_json::Value) -> io::Result<()> {
    if !applies(host) {
        return Ok(());
    }
    let subject = Subject { system: system.clone(), ..Subject::of(found) };
    let directory = subject.directory();
    host.copy_directory(&format!("{directory}/scripts"))?;
    let data = |name: &str| format!("{CLOUD}/data/{name}");
    let text = |text: &str| format!("{text}\n").into_bytes();
    let own = text(&subject.instance_id);
    let before = host.read(&data("instance-id"))?;
    // Of the instance that is only stored again the one before is known already.
    let previous = if before.as_ref() == Some(&own) { host.read(&data("previous-instance-id"))? } else { before };
    let previous = previous.unwrap_or_else(|| own.clone());
    let source = text(&format!("{}: {}", subject.class(), subject.display()));
    for (name, bytes) in copies {
        host.write_copy(&format!("{directory}/{name}"), bytes, 0o600)?;
    }
    let files: [(String, Vec<u8>, u32); 8] = [
        (format!("{state}/{SUBJECT_FILE}"), serde_json::to_vec(&subject)?, 0o600),
        (format!("{directory}/user-data.txt"), found.user_data.clone(), 0o600),
        (format!("{directory}/vendor-data.txt"), found.vendor_data.clone().unwrap_or_default(), 0o600),
        (format!("{directory}/vendor-data2.txt"), found.vendor_data2.clone().unwrap_or_default(), 0o600),
        (format!("{directory}/datasource"), source.clone(), 0o644),
        (data("previous-datasource"), source, 0o644),
        (data("previous-instance-id"), previous, 0o644),
        (data("instance-id"), own, 0o644),
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
    for below in ["scripts/per-boot", "scripts/per-instance", "scripts/per-once", "scripts/vendor", "handlers"] {
        host.copy_directory(&format!("{CLOUD}/{below}"))?;
    }
    for (path, name) in [
        (format!("{directory}/boot-finished"), "boot-finished"),
        (data("status.json"), "status.json"),
        (data("result.json"), "result.json"),
    ] {
        let target = format!("{RUN}/{name}");
        match host.link_copy(&path, &target) {
            // A file of the cloud-init that was installed here before.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                host.remove(&path)?;
                host.link_copy(&path, &target)?;
            }
            linked => drop(linked?),
        }
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
    let empty = [
        ("user-data.txt", ""),
        ("user-data.txt.i", ""),
        ("vendor-data.txt", ""),
        ("vendor-data.txt.i", ""),
        ("vendor-data2.txt", ""),
        ("vendor-data2.txt.i", ""),
        ("vendor-cloud-config.txt", "#cloud-config\n\n{}\n"),
        ("vendor2-cloud-config.txt", "#cloud-config\n\n{}\n"),
        ("cloud-config.txt", "#cloud-config\n\n{}\n"),
        (NETWORK_CONFIG, "{}\n"),
    ];
    for (file, rest) in empty {
        let path = format!("{directory}/{file}");
        if host.exists(&path) {
            host.write_copy(&path, rest.as_bytes(), 0o600)?;
        }
    }
    host.remove(&format!("{RUN}/combined-cloud-config.json"))?;
    let scripts = format!("{directory}/scripts");
    for script in host.list(&scripts)? {
        host.remove_tree(&format!("{scripts}/{script}"))?;
    }
    Ok(())
}

/// What was stored of the instance, if it has a datasource and the files are ours to write.
fn subject(host: &Host, state: &str) -> io::Result<Option<Subject>> {
    if !applies(host) {
        return Ok(None);
    }
    Ok(stored_subject(host, state))
}

/// A stage of this boot begins: who this is, and that it runs. Writes below `/run` only.
pub fn stage_begins(host: &Host, state: &str, stage: Stage) -> io::Result<()> {
    let Some(subject) = subject(host, state)? else { return Ok(()) };
    let told = host.read(&format!("{RUN}/.instance-id"))?;
    if told.is_none_or(|id| id != format!("{}\n", subject.instance_id).as_bytes()) {
        introduce(host, state, &subject)?;
    } else if stage != Stage::Local {
        // What an earlier stage could not include may have come since.
        tell_configuration(host, state, &subject)?;
    }
    status::begin(host, &subject, stage)
}

/// This boot finds the instance that this host was in use as when landfall was installed: who it is, and that nothing is to be done.
/// Where landfall stands in for the cloud-init that had provisioned it, that is what software waits for. Writes below `/run` only.
pub fn in_use(host: &Host, found: &Found) -> io::Result<()> {
    if !datasource::stands_in(host) || host.exists(&format!("{RUN}/result.json")) {
        return Ok(());
    }
    let subject = Subject::of(found);
    let state = format!("{}/instances/{}", identity::STATE, identity::directory_of(&subject.instance_id));
    introduce(host, &state, &subject)?;
    status::nothing_to_do(host, &subject)
}

/// Says in this boot who this is; the id comes last, as the mark that all of it is there.
fn introduce(host: &Host, state: &str, subject: &Subject) -> io::Result<()> {
    host.write_runtime(&format!("{RUN}/enabled"), b"", 0o644)?;
    let cloud_id = format!("{RUN}/cloud-id-{}", subject.source);
    host.write_runtime(&cloud_id, format!("{}\n", subject.source).as_bytes(), 0o644)?;
    host.link_copy(&format!("{RUN}/cloud-id"), &cloud_id)?;
    let network_config = format!("{}/{NETWORK_CONFIG}", subject.directory());
    if host.exists(&network_config) {
        host.link_copy(&format!("{RUN}/{NETWORK_CONFIG}"), &network_config)?;
    }
    let data = InstanceData::new(subject, &subject.system, host)?;
    host.write_runtime(&format!("{RUN}/instance-data-sensitive.json"), &data.sensitive()?, 0o600)?;
    host.write_runtime(&format!("{RUN}/instance-data.json"), &data.public()?, 0o644)?;
    write_combined(host, state, &data)?;
    host.write_runtime(&format!("{RUN}/.instance-id"), format!("{}\n", subject.instance_id).as_bytes(), 0o644)
}

fn tell_configuration(host: &Host, state: &str, subject: &Subject) -> io::Result<()> {
    write_combined(host, state, &InstanceData::new(subject, &subject.system, host)?)
}

/// The whole configuration of the instance, for root; once it is wiped there is none.
fn write_combined(host: &Host, state: &str, data: &InstanceData) -> io::Result<()> {
    let Some(config) = host.read(&format!("{state}/config.json"))? else { return Ok(()) };
    let combined = data.combined(&serde_json::from_slice(&config)?)?;
    let path = format!("{RUN}/combined-cloud-config.json");
    if host.read(&path)?.as_deref() != Some(combined.as_slice()) {
        host.write_runtime(&path, &combined, 0o600)?;
    }
    Ok(())
}

/// The shell text of `runcmd` where cloud-init has it, for who looks at it: nothing runs this file.
pub fn runcmd_script(host: &Host, state: &str, plan: &Plan) -> io::Result<()> {
    let Some(subject) = subject(host, state)? else { return Ok(()) };
    let path = format!("{}/scripts/runcmd", subject.directory());
    let mut text = String::new();
    for step in &plan.steps {
        match &step.operation {
            Operation::ScriptItem(item) if item.script == "runcmd" && step.wiped.is_none() => {
                text.push_str(item.text.expose());
                text.push('\n');
            }
            // The user's own of this name is run.
            Operation::WriteFile(file) if file.path.ends_with("/scripts/runcmd") => return Ok(()),
            _ => {}
        }
    }
    if !text.is_empty() {
        host.write_copy(&path, format!("#!/bin/sh\n{text}").as_bytes(), 0o700)?;
    }
    Ok(())
}

/// A stage of this boot has ended: with what errors, and after the last one, that the boot has finished.
pub fn stage_ended(host: &Host, state: &str, stage: Stage, summary: &Summary) -> io::Result<()> {
    let Some(subject) = subject(host, state)? else { return Ok(()) };
    status::end(host, &subject, stage, summary)?;
    // A disk that takes no marks does not keep what stands in /run from being told.
    let marked = write_semaphores(host, &subject, stage, summary);
    if stage == Stage::Final && is_settled(summary) {
        status::result(host, &subject, summary)?;
        let now = clock::rfc2822(host.now());
        let line = format!("{:.2} - {now} - v. {}\n", host.uptime_seconds(), env!("CARGO_PKG_VERSION"));
        host.write_runtime(&format!("{RUN}/boot-finished"), line.as_bytes(), 0o644)?;
    }
    marked
}

/// This host is switched off: cloud-init's generator says so here.
pub fn switched_off(host: &Host) -> io::Result<()> {
    if !applies(host) {
        return Ok(());
    }
    host.write_runtime(&format!("{RUN}/disabled"), b"", 0o644)
}

/// Nothing can be run in this boot, and why.
pub fn not_begun(host: &Host, why: &str) -> io::Result<()> {
    if !applies(host) {
        return Ok(());
    }
    status::not_begun(host, why)
}

/// What cloud-init marks on every Debian host, whatever its configuration: those of its modules that are always run, and that the data
/// of the instance were taken in.
const ALWAYS_MARKED: [(Stage, &str); 2] = [
    (Stage::Network, "seed_random mounts set_hostname users_groups ssh"),
    (
        Stage::Final,
        "ssh_import_id locale set_passwords apt_configure byobu reset_rmc scripts_vendor scripts_per_instance scripts_user \
         ssh_authkey_fingerprints keys_to_console install_hotplug",
    ),
];

/// cloud-init's marks of the modules that have run: scripts of users look at them. Nothing here does.
fn write_semaphores(host: &Host, subject: &Subject, stage: Stage, summary: &Summary) -> io::Result<()> {
    let (mut instance, mut once) = (BTreeSet::new(), BTreeSet::new());
    for module in MODULES.iter().chain(CLOSING) {
        let mut steps = summary.steps.iter().filter(|step| step.phase == module.name).peekable();
        if steps.peek().is_none() || steps.any(|step| step.result == StepResult::Pending) {
            continue;
        }
        let name = module.name.replace('-', "_");
        match module.frequency {
            Frequency::Instance => instance.insert(format!("config_{name}")),
            Frequency::Once => once.insert(format!("config_{name}.once")),
            Frequency::Boot => continue,
        };
    }
    let is_open = |name: &str| {
        let of_module = |step: &&StepSummary| step.phase.replace('-', "_") == name;
        summary.steps.iter().filter(of_module).any(|step| step.result == StepResult::Pending)
    };
    let has_ended = match stage {
        Stage::Local => false,
        Stage::Network => true,
        Stage::Final => is_settled(summary),
    };
    if has_ended {
        // An earlier stage with nothing to do starts no process.
        let always = ALWAYS_MARKED.iter().filter(|(of, _)| *of == stage || stage == Stage::Final).flat_map(|(_, names)| names.split(' '));
        instance.extend(always.filter(|name| !is_open(name) && is_listed(subject, name)).map(|name| format!("config_{name}")));
        if stage == Stage::Final && is_listed(subject, "scripts_per_once") {
            once.insert("config_scripts_per_once.once".to_owned());
        }
        instance.insert("consume_data".to_owned());
    }
    let content = format!("{}: {}\n", std::process::id(), host.now());
    for (directory, names) in [(format!("{}/sem", subject.directory()), instance), (format!("{CLOUD}/sem"), once)] {
        if !names.is_empty() {
            host.write_missing_marks(&directory, names.iter().map(String::as_str), content.as_bytes())?;
        }
    }
    Ok(())
}

fn is_settled(summary: &Summary) -> bool {
    matches!(summary.state, State::Done | State::Degraded | State::Failed)
}

/// Whether an image that says which modules there are names this one.
fn is_listed(subject: &Subject, name: &str) -> bool {
    let lists = ["cloud_init_modules", "cloud_config_modules", "cloud_final_modules"].map(|key| subject.system.get(key));
    let names = |module: &serde_json::Value| {
        let module = module.as_str().or_else(|| module.get(0)?.as_str());
        module.is_some_and(|module| module.replace('-', "_") == name)
    };
    lists.iter().all(Option::is_none) || lists.iter().flatten().filter_map(|list| list.as_array()).flatten().any(names)
}
