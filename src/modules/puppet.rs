//! `puppet`.
//!
//! Where its files are is known of the packages of Debian and Ubuntu, and of Puppet's own all-in-one packages; the peer asks the
//! program, which a plan cannot.

use std::collections::BTreeMap;

use super::{hostname, ops, packages, Module, Scope, Steps};
use crate::config::node::{Entry, Node, Value};
use crate::config::typed::chef::Command as Arguments;
use crate::config::typed::puppet::{CsrAttributes, Puppet, PuppetSource, Setting};
use crate::plan::operation::{content, Command, Edit, IniEntry, Operation, Owner, UnitAction, WriteFile};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

/// Puppet's agent.
pub const PUPPET: Module =
    Module { name: "puppet", stage: Stage::Final, frequency: Frequency::Instance, keys: &["puppet"], implied: false, plan };

/// Where Puppet's own script is, as its documentation says.
const AIO_SCRIPT: &str = "https://raw.githubusercontent.com/puppetlabs/install-puppet/main/install.sh";
/// Where it is kept.
const AIO_FILE: &str = "/var/lib/cloud/instance/puppet-install";
/// puppet-agent(8), `--detailed-exitcodes`, which `--test` means too: something was changed, and nothing failed.
const CHANGED: i32 = 2;

/// Where things are.
struct Places {
    program: &'static str,
    user: &'static str,
    conf: String,
    ssl: String,
    csr: String,
}

fn places(puppet: &Puppet) -> Places {
    let (program, user, directory, ssl) = match puppet.install_type {
        Some(PuppetSource::Aio) => ("/opt/puppetlabs/bin/puppet", "root", "/etc/puppetlabs/puppet", "/etc/puppetlabs/puppet/ssl"),
        _ => ("puppet", "puppet", "/etc/puppet", "/var/lib/puppet/ssl"),
    };
    let own = |path: &Option<crate::config::typed::system::AbsolutePath>, otherwise: String| {
        path.as_ref().map_or(otherwise, |path| path.0.clone())
    };
    Places {
        program,
        user,
        conf: own(&puppet.conf_file, format!("{directory}/puppet.conf")),
        ssl: own(&puppet.ssl_dir, ssl.to_owned()),
        csr: own(&puppet.csr_attributes_path, format!("{directory}/csr_attributes.yaml")),
    }
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(puppet) = &scope.keys.puppet else { return };
    if ops::is_unread("puppet", puppet.unread(), "the agent is left alone", steps) {
        return;
    }
    let places = places(puppet);
    let installed = if puppet.install.unwrap_or(true) {
        install(puppet, scope, steps)
    } else {
        if let Some(version) = &puppet.version {
            let message = format!("puppet.install is false: version {} is not installed", version.0);
            steps.report.warning("puppet", message).at(puppet.place("version")).help("take `version` or `install` away");
        }
        if !scope.facts.has(places.program) {
            let message = "puppet.install is false, and Puppet is not installed: nothing is done";
            steps.report.error("puppet", message).at(puppet.place("install")).help("have the image hold it, or let it be installed");
            return;
        }
        None
    };
    let from = steps.len();
    plan_files(puppet, &places, scope, steps);
    let start = puppet.start_service.unwrap_or(true);
    if start {
        steps.add("enable", ops::unit("puppet", UnitAction::Enable)).at(&puppet.origin).degrades();
    }
    if puppet.exec {
        steps.add("agent", Operation::Command(agent(puppet, &places))).at(puppet.place("exec"));
    }
    if start {
        steps.add("start", ops::unit("puppet", UnitAction::Start)).at(&puppet.origin).degrades();
    }
    if let Some(installed) = installed {
        steps.all_need(from, &installed);
    }
}

/// Has it there. The step that sees to it.
fn install(puppet: &Puppet, scope: &Scope<'_>, steps: &mut Steps) -> Option<String> {
    let version = puppet.version.as_ref().map(|version| version.0.as_str());
    if puppet.install_type == Some(PuppetSource::Aio) {
        return Some(install_all_in_one(puppet, version, steps));
    }
    let name = puppet.package_name.as_ref().map_or_else(|| package(scope), |name| &name.0);
    let spec = version.map_or_else(|| name.to_owned(), |version| format!("{name}={version}"));
    packages::install_together(&[spec], &puppet.origin, steps)
}

/// The agent's package; before Debian 12 and Ubuntu 23.04 it had another name.
fn package(scope: &Scope<'_>) -> &'static str {
    let first = if scope.facts.distro == "ubuntu" { 23 } else { 12 };
    let major = scope.facts.version_id.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major >= first) {
        "puppet-agent"
    } else {
        "puppet"
    }
}

fn install_all_in_one(puppet: &Puppet, version: Option<&str>, steps: &mut Steps) -> String {
    let url = puppet.aio_install_url.as_ref().map_or(AIO_SCRIPT, |url| &url.0).to_owned();
    let file = WriteFile { path: AIO_FILE.into(), content: content(""), mode: Some(0o700), owner: Some(Owner::root()), own_parents: false };
    let download = Operation::Download { url, headers: BTreeMap::new(), file, append: false, checksum: None };
    let fetched = steps.add("fetch", download).at(&puppet.origin).id();
    let mut argv = vec![AIO_FILE.to_owned()];
    for (option, value) in [("-v", version), ("-c", puppet.collection.as_ref().map(|collection| collection.0.as_str()))] {
        argv.extend(value.map(|value| ops::words(&[option, value])).unwrap_or_default());
    }
    argv.extend(puppet.cleanup.unwrap_or(true).then(|| "--cleanup".to_owned()));
    let command = ops::command(&[], &argv, "install Puppet's own packages");
    steps.add("install", Operation::Command(command)).at(&puppet.origin).needs(fetched).id()
}

fn plan_files(puppet: &Puppet, places: &Places, scope: &Scope<'_>, steps: &mut Steps) {
    if let Some(conf) = &puppet.conf {
        if let Some(certificate) = &conf.ca_cert {
            plan_certificate(certificate, puppet, places, steps);
        }
        if !conf.settings.is_empty() {
            let path = places.conf.clone();
            let entries = conf.settings.iter().map(|setting| entry(setting, scope)).collect();
            steps.add("keep", Operation::CopyFile { from: path.clone(), to: format!("{path}.old") }).at(&puppet.origin);
            let edit = Operation::EditFile { path, change: Edit::SetIni { entries }, mode: 0o644, force_mode: false };
            steps.add("conf", edit).at(puppet.place("conf"));
        }
    }
    let Some(attributes) = &puppet.csr_attributes else { return };
    match crate::yaml::to_string(&csr(attributes)) {
        // One of them may be a password.
        Ok(text) => drop(steps.add("csr", ops::write(&places.csr, text, 0o600)).at(puppet.place("csr_attributes"))),
        Err(error) => {
            let message = format!("puppet.csr_attributes cannot be written as YAML: {error}");
            steps.report.error("puppet", message).at(puppet.place("csr_attributes"));
        }
    }
}

fn plan_certificate(certificate: &str, puppet: &Puppet, places: &Places, steps: &mut Steps) {
    let owner = Owner { user: Some(places.user.into()), group: Some("root".into()) };
    let certs = format!("{}/certs", places.ssl);
    for (name, path, mode) in [("ssl", &places.ssl, 0o771), ("certs", &certs, 0o755)] {
        let directory = Operation::Directory { path: path.clone(), mode, owner: Some(owner.clone()), keep: false };
        steps.add(name, directory).at(puppet.place("conf"));
    }
    let path = format!("{certs}/ca.pem");
    let file = WriteFile { path, content: content(certificate), mode: Some(0o644), owner: Some(owner), own_parents: false };
    steps.add("ca_cert", Operation::WriteFile(file)).at(puppet.place("conf"));
}

/// `certname` has `%f` and `%i` filled in, and is written small.
fn entry(setting: &Setting, scope: &Scope<'_>) -> IniEntry {
    let mut value = setting.value.expose().clone();
    if setting.key == "certname" {
        let full = hostname::names(scope).map_or_else(|| scope.facts.hostname.clone(), |names| names.full);
        value = value.replace("%f", &full).replace("%i", &scope.facts.instance_id).to_lowercase();
    }
    IniEntry { section: setting.section.clone(), key: setting.key.clone(), value: Secret::new(value) }
}

fn csr(attributes: &CsrAttributes) -> Node {
    let parts = [("custom_attributes", &attributes.custom_attributes), ("extension_requests", &attributes.extension_requests)];
    let entry = |(name, part): &(&str, &Option<crate::config::typed::puppet::Attributes>)| {
        let key = Node::new(Value::Str((*name).to_owned()), attributes.origin.clone());
        Some(Entry { key, value: part.as_ref()?.0.clone() })
    };
    Node::new(Value::Map(parts.iter().filter_map(entry).collect()), attributes.origin.clone())
}

fn agent(puppet: &Puppet, places: &Places) -> Command {
    let arguments = match &puppet.exec_args {
        None => vec!["--test".to_owned()],
        Some(Arguments::Words(words)) => words.clone(),
        Some(Arguments::Text(text)) => text.split_whitespace().map(str::to_owned).collect(),
    };
    let tells_changes = arguments.iter().any(|word| ["--test", "-t", "--detailed-exitcodes"].contains(&word.as_str()));
    let command = ops::command(&[places.program, "agent"], &arguments, "run Puppet's agent");
    Command { accept: if tells_changes { vec![0, CHANGED] } else { vec![0] }, ..command }
}
