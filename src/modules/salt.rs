//! `salt_minion` and `mcollective`.

use super::{ops, packages, Module, Scope, Steps};
use crate::config::node::Node;
use crate::config::typed::puppet::Setting;
use crate::config::typed::salt::{Mcollective, SaltMinion};
use crate::plan::operation::{Edit, IniEntry, Operation, Owner, UnitAction};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

/// Salt's minion.
pub const SALT_MINION: Module =
    Module { name: "salt_minion", stage: Stage::Final, frequency: Frequency::Instance, keys: &["salt_minion"], implied: false, plan };

/// The Marionette Collective.
pub const MCOLLECTIVE: Module = Module { name: "mcollective", keys: &["mcollective"], plan: plan_mcollective, ..SALT_MINION };

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(salt) = &scope.keys.salt_minion else { return };
    if ops::is_unread("salt_minion", salt.unread(), "the minion is left alone", steps) {
        return;
    }
    let package = salt.pkg_name.as_ref().map_or("salt-minion", |name| &name.0);
    let directory = salt.config_dir.as_ref().map_or("/etc/salt", |path| &path.0).trim_end_matches('/').to_owned();
    let service = salt.service_name.as_ref().map_or("salt-minion", |name| &name.0);
    let missing = !scope.facts.has("salt-minion");
    let installed = missing.then(|| packages::install_together(&[package.to_owned()], &salt.origin, steps)).flatten();
    let from = steps.len();
    steps.add("directory", Operation::Directory { path: directory.clone(), mode: 0o755, owner: None, keep: true }).at(&salt.origin);
    for (key, mapping) in [("conf", &salt.conf), ("grains", &salt.grains)] {
        let Some(mapping) = mapping else { continue };
        let path = format!("{directory}/{}", if key == "conf" { "minion" } else { "grains" });
        match crate::yaml::to_string(&mapping.0) {
            Ok(text) => drop(steps.add(key, ops::write(&path, text.as_str(), ops::mode_of(&text))).at(salt.place(key))),
            Err(error) => {
                let message = format!("salt_minion.{key} cannot be written as YAML: {error}");
                steps.report.error("salt-minion", message).at(salt.place(key));
            }
        }
    }
    plan_keys(salt, &directory, steps);
    let file_client = salt.conf.as_ref().and_then(|conf| conf.0.get("file_client")).and_then(Node::as_str);
    let actions = if file_client == Some("local") {
        [("disable", UnitAction::Disable), ("stop", UnitAction::Stop)]
    } else {
        [("enable", UnitAction::Enable), ("restart", UnitAction::Restart)]
    };
    for (name, action) in actions {
        steps.add(name, ops::unit(service, action)).at(&salt.origin);
    }
    if file_client == Some("local") {
        let command = ops::command(&["salt-call", "--local", "state.apply"], &[], "apply Salt's states");
        steps.add("apply", Operation::Command(command)).at(&salt.origin);
    }
    if let Some(installed) = installed {
        steps.all_need(from, &installed);
    }
}

/// A key pair; one half alone is none.
fn plan_keys(salt: &SaltMinion, directory: &str, steps: &mut Steps) {
    let (public, private) = match (&salt.public_key, &salt.private_key) {
        (Some(public), Some(private)) => (public, private),
        (None, None) => return,
        _ => {
            let message = "salt_minion has one half of a key pair: it is not written";
            steps.report.error("salt-minion", message).at(&salt.origin).help("give both `public_key` and `private_key`");
            return;
        }
    };
    let pki = salt.pki_dir.as_ref().map_or_else(|| format!("{directory}/pki/minion"), |path| path.0.clone());
    let keys = Operation::Directory { path: pki.clone(), mode: 0o700, owner: Some(Owner::root()), keep: true };
    steps.add("pki", keys).at(&salt.origin);
    steps.add("public-key", ops::write(&format!("{pki}/minion.pub"), public.as_str(), 0o644)).at(salt.place("public_key"));
    steps.add("private-key", ops::write(&format!("{pki}/minion.pem"), private.expose().as_str(), 0o600)).at(salt.place("private_key"));
}

const SERVER_CFG: &str = "/etc/mcollective/server.cfg";
const PUBLIC_CERT: &str = "/etc/mcollective/ssl/server-public.pem";
const PRIVATE_CERT: &str = "/etc/mcollective/ssl/server-private.pem";

fn plan_mcollective(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(mcollective) = &scope.keys.mcollective else { return };
    if ops::is_unread("mcollective", mcollective.unread(), "its server is left alone", steps) {
        return;
    }
    let missing = !scope.facts.has("mcollectived");
    let installed = missing.then(|| packages::install_together(&["mcollective".to_owned()], &mcollective.origin, steps)).flatten();
    let from = steps.len();
    plan_server(mcollective, steps);
    steps.add("restart", ops::unit("mcollective", UnitAction::Restart)).at(&mcollective.origin);
    if let Some(installed) = installed {
        steps.all_need(from, &installed);
    }
}

fn plan_server(mcollective: &Mcollective, steps: &mut Steps) {
    let Some(conf) = &mcollective.conf else { return };
    let place = mcollective.place("conf");
    let own = |key: &str, value: &str| IniEntry { section: String::new(), key: key.into(), value: Secret::new(value.into()) };
    let entry = |setting: &Setting| IniEntry { section: setting.section.clone(), key: setting.key.clone(), value: setting.value.clone() };
    let mut entries: Vec<IniEntry> = conf.settings.iter().map(entry).collect();
    if let Some(key) = &conf.private_cert {
        steps.add("private-cert", ops::write(PRIVATE_CERT, key.expose().as_str(), 0o600)).at(place);
        entries.push(own("plugin.ssl_server_private", PRIVATE_CERT));
    }
    if conf.private_cert.is_some() || conf.public_cert.is_some() {
        entries.push(own("securityprovider", "ssl"));
    }
    if let Some(certificate) = &conf.public_cert {
        steps.add("public-cert", ops::write(PUBLIC_CERT, certificate.as_str(), 0o644)).at(place);
        entries.push(own("plugin.ssl_server_public", PUBLIC_CERT));
    }
    steps.add("keep", Operation::CopyFile { from: SERVER_CFG.into(), to: format!("{SERVER_CFG}.old") }).at(place);
    let edit = Operation::EditFile { path: SERVER_CFG.into(), change: Edit::SetIni { entries }, mode: 0o644, force_mode: false };
    steps.add("conf", edit).at(place);
}
