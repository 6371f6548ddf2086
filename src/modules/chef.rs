//! `chef`.

use std::collections::BTreeMap;

use super::{ops, packages, Module, Scope, Steps};
use crate::config::typed::chef::{Chef, ChefSource, Command as Arguments, Nullable};
use crate::plan::operation::{content, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};

/// Chef's client: its files are seen to at every boot, as it is run at every boot.
pub const CHEF: Module = Module { name: "chef", stage: Stage::Final, frequency: Frequency::Boot, keys: &["chef"], implied: false, plan };

const DIRECTORIES: [&str; 6] = ["/etc/chef", "/var/log/chef", "/var/lib/chef", "/var/chef/cache", "/var/chef/backup", "/var/run/chef"];
const CLIENT_RB: &str = "/etc/chef/client.rb";
const FIRST_BOOT: &str = "/etc/chef/firstboot.json";
const VALIDATION_KEY: &str = "/etc/chef/validation.pem";
const PROGRAM: &str = "/usr/bin/chef-client";
/// Chef's own script, and where it is kept.
const OMNIBUS_SCRIPT: &str = "https://www.chef.io/chef/install.sh";
const OMNIBUS_FILE: &str = "/var/lib/cloud/instance/chef-install";
/// Tries beyond the first, as the peer.
const OMNIBUS_RETRIES: u32 = 5;

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(chef) = &scope.keys.chef else { return };
    if ops::is_unread("chef", chef.unread(), "the client is left alone", steps) {
        return;
    }
    let settings = client_rb(chef, scope);
    for path in directories(chef, &settings) {
        steps.add(&path, Operation::Directory { path: path.clone(), mode: 0o755, owner: None, keep: true }).at(&chef.origin);
    }
    plan_validation_key(chef, steps);
    if settings.iter().any(|(name, value)| *name == "ssl_verify_mode" && value.as_deref() == Some(":verify_none")) {
        let message = "chef.ssl_verify_mode: the certificate of the server is not checked";
        steps.report.note("chef", message).at(&chef.origin).help("write `ssl_verify_mode: \":verify_peer\"`");
    }
    let text = ruby(&settings);
    let path = chef.config_path.as_ref().map_or(CLIENT_RB, |path| &path.0);
    steps.add("client.rb", ops::write(path, text.as_str(), ops::mode_of(&text))).at(&chef.origin);
    let first_boot = chef.firstboot_path.as_ref().map_or(Some(FIRST_BOOT), |path| path.0.as_deref()).filter(|path| !path.is_empty());
    if let Some(path) = first_boot {
        let text = first_boot_json(chef);
        steps.add("firstboot", ops::write(path, text.as_str(), ops::mode_of(&text))).at(&chef.origin);
    }
    plan_client(chef, scope, steps);
}

fn plan_validation_key(chef: &Chef, steps: &mut Steps) {
    let Some(key) = chef.validation_cert.as_ref().filter(|key| key.expose() != "system") else { return };
    let path = chef.validation_key.as_ref().map_or(VALIDATION_KEY, |path| &path.0);
    let step = steps.add("validation-key", ops::write(path, key.expose().as_str(), 0o600)).at(chef.place("validation_cert"));
    if chef.delete_validation_post_exec {
        step.every(Frequency::Instance);
    }
}

/// Settings of `client.rb` in their order; `None`: left out.
fn client_rb(chef: &Chef, scope: &Scope<'_>) -> Vec<(&'static str, Option<String>)> {
    let of = |said: &Option<Nullable>, otherwise: Option<&str>| match said {
        Some(said) => said.0.clone(),
        None => otherwise.map(str::to_owned),
    };
    let validation_key =
        chef.validation_cert.is_some().then(|| chef.validation_key.as_ref().map_or(VALIDATION_KEY, |path| &path.0).to_owned());
    vec![
        ("chef_license", chef.chef_license.as_ref().map(|license| license.0.clone())),
        ("log_level", of(&chef.log_level, Some(":info"))),
        ("ssl_verify_mode", of(&chef.ssl_verify_mode, Some(":verify_none"))),
        ("log_location", of(&chef.log_location, Some("/var/log/chef/client.log"))),
        ("validation_client_name", Some(chef.validation_name.0.clone())),
        ("validation_key", validation_key),
        ("client_key", of(&chef.client_key, Some("/etc/chef/client.pem"))),
        ("chef_server_url", Some(chef.server_url.0.clone())),
        ("environment", Some(chef.environment.as_ref().map_or("_default", |name| &name.0).to_owned())),
        ("node_name", Some(chef.node_name.as_ref().map_or(&scope.facts.instance_id, |name| &name.0).clone())),
        ("json_attribs", of(&chef.json_attribs, Some(FIRST_BOOT))),
        ("file_cache_path", of(&chef.file_cache_path, Some("/var/chef/cache"))),
        ("file_backup_path", of(&chef.file_backup_path, Some("/var/chef/backup"))),
        ("pid_file", of(&chef.pid_file, Some("/var/run/chef/client.pid"))),
        ("Chef::Log::Formatter.show_time =", chef.show_time.unwrap_or(true).then(|| "true".to_owned())),
        ("encrypted_data_bag_secret", of(&chef.encrypted_data_bag_secret, None)),
    ]
}

/// Symbols and constants stand as they are, the rest in quotes.
fn ruby(settings: &[(&'static str, Option<String>)]) -> String {
    let mut text = "# Written by landfall from user-data.\n".to_owned();
    for (name, value) in settings {
        let Some(value) = value.as_ref().filter(|value| !value.is_empty()) else { continue };
        let bare = ["log_level", "ssl_verify_mode", "Chef::Log::Formatter.show_time ="].contains(name);
        let value =
            if bare { value.clone() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('#', "\\#")) };
        text.push_str(&format!("{name:22} {}\n", value.replace('\n', " ")));
    }
    text
}

/// Those that are asked for, and those that files are put into.
fn directories(chef: &Chef, settings: &[(&'static str, Option<String>)]) -> Vec<String> {
    let mut all: Vec<String> = match &chef.directories {
        Some(own) => own.0.iter().map(|path| path.0.clone()).chain(["/etc/chef".to_owned()]).collect(),
        None => ops::words(&DIRECTORIES),
    };
    let files =
        ["log_location", "validation_key", "client_key", "json_attribs", "file_cache_path", "pid_file", "encrypted_data_bag_secret"];
    for (_, value) in settings.iter().filter(|(name, _)| files.contains(name)) {
        let parent = value.as_ref().and_then(|path| path.rsplit_once('/')).map(|(parent, _)| parent.to_owned());
        all.extend(parent.filter(|parent| parent.starts_with('/')));
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|path| seen.insert(path.clone()));
    let is_above = |path: &str| seen.iter().any(|other| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
    all.retain(|path| !is_above(path));
    all
}

fn first_boot_json(chef: &Chef) -> String {
    let mut object = serde_json::Map::new();
    if let Some(list) = &chef.run_list {
        object.insert("run_list".to_owned(), list.to_json());
    }
    if let Some(attributes) = &chef.initial_attributes {
        for entry in attributes.entries() {
            object.insert(entry.key.source_text(), entry.value.to_json());
        }
    }
    serde_json::Value::Object(object).to_string()
}

fn plan_client(chef: &Chef, scope: &Scope<'_>, steps: &mut Steps) {
    let is_there = scope.facts.has(PROGRAM);
    let source = chef.install_type.unwrap_or(ChefSource::Packages);
    let by_gem = source == ChefSource::Gems;
    let installed = if is_there && !chef.force_install { None } else { install(source, chef, scope, steps) };
    let run = chef.exec.unwrap_or(by_gem && installed.is_some());
    if !run {
        return;
    }
    let arguments = match &chef.exec_arguments {
        None => ops::words(&["-d", "-i", "1800", "-s", "20"]),
        Some(Arguments::Words(words)) => words.clone(),
        Some(Arguments::Text(text)) => vec![text.clone()],
    };
    let command = ops::command(&[PROGRAM], &arguments, "run Chef's client");
    let mut step = steps.add("client", Operation::Command(command)).at(chef.place("exec"));
    if let Some(installed) = installed {
        step = step.needs(installed);
    }
    let ran = step.id();
    if chef.delete_validation_post_exec {
        steps.add("validation-key/remove", Operation::RemoveFiles { paths: vec![VALIDATION_KEY.into()] }).at(&chef.origin).needs(ran);
    }
}

/// Has the client there, once. The step that sees to it.
fn install(source: ChefSource, chef: &Chef, scope: &Scope<'_>, steps: &mut Steps) -> Option<String> {
    match source {
        ChefSource::Packages => packages::install_together(&["chef".to_owned()], &chef.origin, steps),
        ChefSource::Omnibus => Some(install_omnibus(chef, steps)),
        ChefSource::Gems => Some(install_gem(chef, scope, steps)),
    }
}

fn install_omnibus(chef: &Chef, steps: &mut Steps) -> String {
    let url = chef.omnibus_url.as_ref().map_or(OMNIBUS_SCRIPT, |url| &url.0).to_owned();
    let file =
        WriteFile { path: OMNIBUS_FILE.into(), content: content(""), mode: Some(0o700), owner: Some(Owner::root()), own_parents: false };
    let download = Operation::Download { url, headers: BTreeMap::new(), file, append: false, checksum: None };
    let attempts = chef.omnibus_url_retries.unwrap_or(OMNIBUS_RETRIES).saturating_add(1);
    let fetched = steps.add("fetch", download).at(&chef.origin).every(Frequency::Instance).attempts_unless_said(attempts).id();
    let version = chef.omnibus_version.as_ref().map(|version| ops::words(&["-v", &version.0])).unwrap_or_default();
    let command = ops::command(&[OMNIBUS_FILE], &version, "install Chef's own package");
    steps.add("install", Operation::Command(command)).at(&chef.origin).every(Frequency::Instance).needs(fetched).id()
}

/// The peer takes Ruby 1.8 where nothing is said, which no distribution has any more: the distribution's own is taken.
fn install_gem(chef: &Chef, scope: &Scope<'_>, steps: &mut Steps) -> String {
    let version = chef.ruby_version.as_ref().map_or("", |version| &version.0);
    let missing = !scope.facts.has("gem") || !version.is_empty();
    let ruby = [format!("ruby{version}"), format!("ruby{version}-dev")];
    let ruby = missing.then(|| packages::install_together(&ruby, &chef.origin, steps)).flatten();
    let mut more = chef.version.as_ref().map(|version| ops::words(&["-v", &version.0])).unwrap_or_default();
    more.extend(ops::words(&["--no-document", "--bindir", "/usr/bin", "-q"]));
    let command = ops::command(&["gem", "install", "chef"], &more, "install Chef's client from Ruby's packages");
    let mut step = steps.add("install", Operation::Command(command)).at(&chef.origin).every(Frequency::Instance);
    if let Some(ruby) = ruby {
        step = step.needs(ruby);
    }
    step.id()
}
