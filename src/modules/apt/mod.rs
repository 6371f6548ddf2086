//! `apt`: sources, keys, settings.
//!
//! Debian's stock configuration keeps the distribution's own sources (`preserve_sources_list: true`); Ubuntu's writes them
//! anew at first boot.

mod check;
mod distribution;
mod template;

use super::{ops, packages, Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::apt::{safe_file_name, Apt, Source};
use crate::config::typed::Located;
use crate::openpgp;
use crate::plan::operation::{content, Command, Edit, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;
use distribution::Keyrings;
use template::{Unfilled, Variables};

/// Everything under `apt`.
pub const APT_CONFIGURE: Module =
    Module { name: "apt_configure", stage: Stage::Final, frequency: Frequency::Instance, keys: &["apt"], implied: true, plan };

const PROXY_FILE: &str = "/etc/apt/apt.conf.d/90cloud-init-aptproxy";
const CONF_FILE: &str = "/etc/apt/apt.conf.d/94cloud-init-config";
const SOURCES_DIR: &str = "/etc/apt/sources.list.d";
/// Keys here are trusted for every source.
const TRUSTED_KEYS: &str = "/etc/apt/trusted.gpg.d";
/// Keys here are trusted where a source names them by `$KEY_FILE`.
const NAMED_KEYS: &str = "/etc/apt/cloud-init.gpg.d";
const DEFAULT_KEYSERVER: &str = "keyserver.ubuntu.com";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let apt = scope.keys.apt.as_ref();
    if let Some(apt) = apt {
        plan_selections(apt, steps);
    }
    let preserve = apt.and_then(|apt| apt.preserve_sources_list).unwrap_or(scope.facts.distro != "ubuntu");
    let mirrors = distribution::mirrors(scope, steps);
    if let Some(apt) = apt.filter(|apt| apt.generate_mirrorlists) {
        distribution::plan_mirror_lists(apt, scope, steps);
        distribution::report_unused(apt, steps);
        steps.sources_changed();
    } else if !preserve {
        distribution::plan_sources(&mirrors, scope, steps);
        steps.sources_changed();
    } else if let Some(apt) = apt {
        distribution::report_unused(apt, steps);
    }
    plan_settings(scope, steps);
    let Some(apt) = apt else { return };
    if !apt.sources.0.is_empty() {
        report_pattern(apt, scope, steps);
        let variables = Variables::new(scope, &mirrors, Keyrings::default());
        for (name, source) in &apt.sources.0 {
            plan_source(name, source, apt, &variables, scope, steps);
        }
        steps.sources_changed();
        steps.update_lists();
    }
}

fn plan_selections(apt: &Apt, steps: &mut Steps) {
    if apt.debconf_selections.0.is_empty() {
        return;
    }
    let mut selections = String::new();
    for (_, text, _) in &apt.debconf_selections.0 {
        selections.push_str(text.expose());
        if !selections.ends_with('\n') {
            selections.push('\n');
        }
    }
    let operation = Operation::Debconf { selections: Secret::new(selections) };
    steps.add("debconf", operation).at(&apt.debconf_selections.0[0].2);
}

/// Proxies and apt.conf; what an earlier instance of this disk left is removed, as with the peer.
fn plan_settings(scope: &Scope<'_>, steps: &mut Steps) {
    let apt = scope.keys.apt.as_ref();
    let origin = apt.map_or_else(|| Origin::new("defaults", 0, 0), |apt| apt.origin.clone());
    let mut proxies = String::new();
    if let Some(apt) = apt {
        let all = [("http", &apt.proxy), ("http", &apt.http_proxy), ("ftp", &apt.ftp_proxy), ("https", &apt.https_proxy)];
        for (scheme, proxy) in all {
            if let Some(proxy) = proxy.as_ref().filter(|proxy| !proxy.0.expose().is_empty()) {
                proxies.push_str(&format!("Acquire::{scheme}::Proxy \"{}\";\n", proxy.0.expose()));
            }
        }
    }
    let mut conf = apt.and_then(|apt| apt.conf.as_ref()).map(|conf| conf.0.expose().as_str()).unwrap_or_default();
    if let (Some(apt), Some(why)) = (apt, check::settings(conf)) {
        let message = format!("apt.conf: {why}: it is left out, apt would read no setting at all");
        steps.report.error("apt-conf", message).at(apt.place("conf")).help("as in APT::Install-Recommends \"false\";");
        conf = "";
    }
    for (name, path, text) in [("proxy", PROXY_FILE, proxies.as_str()), ("conf", CONF_FILE, conf)] {
        if !text.is_empty() {
            steps.add(name, Operation::WriteFile(settings_file(path, text))).at(&origin);
        } else if scope.facts.files.contains(path) {
            steps.add(&format!("{name}/remove"), Operation::RemoveFiles { paths: vec![path.into()] });
        }
    }
}

/// A file of settings or sources: with a password in it, only root's; apt lets others go on without a file that they may not read.
fn settings_file(path: &str, text: &str) -> WriteFile {
    WriteFile { mode: Some(ops::mode_of(text)), ..plain_file(path, text) }
}

fn plain_file(path: &str, bytes: impl Into<Vec<u8>>) -> WriteFile {
    WriteFile { path: path.to_owned(), content: content(bytes), mode: Some(0o644), owner: Some(Owner::root()), own_parents: false }
}

/// One entry of `sources`. Where its key cannot be used, or its text not be filled in, it is left out whole: half of it would
/// make every later `apt-get update` fail.
fn plan_source(name: &Located<String>, source: &Source, apt: &Apt, variables: &Variables, scope: &Scope<'_>, steps: &mut Steps) {
    let file_name = source.filename.as_deref().unwrap_or(&name.value);
    if !safe_file_name(file_name) {
        let message = format!("apt source `{}`: `{file_name}` is no file name: it is left out", name.value);
        let place = if source.filename.is_some() { source.place("filename") } else { &name.origin };
        steps.report.error("apt-source", message).at(place).help("give it a plain `filename`");
        return;
    }
    if source.is_unread("key", source.key.is_none()) || source.is_unread("keyid", source.keyid.is_none()) {
        let message = format!("the key of apt source `{}` cannot be read: the source is left out", name.value);
        steps.report.error("unread", message).at(&source.origin);
        return;
    }
    if !["source", "key", "keyid"].iter().any(|part| source.given.contains(part)) {
        let message = format!("apt source `{}` has neither `source` nor a key: nothing is done", name.value);
        steps.report.warning("apt-source", message).at(&source.origin).help("add `source: deb URL SUITE COMPONENTS`");
    }
    let text = source.source.as_ref().map(|text| text.0.expose().as_str());
    let named_key = text.is_some_and(|text| text.contains("$KEY_FILE") || text.contains("${KEY_FILE}"));
    let key_dir = if named_key { NAMED_KEYS } else { TRUSTED_KEYS };
    let key_path = format!("{key_dir}/{}.gpg", stem(file_name));
    let has_key = source.key.is_some() || source.keyid.is_some();
    if named_key && !has_key {
        let message = format!("apt source `{}` uses $KEY_FILE and has no key: it is left out", name.value);
        steps.report.error("apt-source", message).at(source.place("source")).help("add `key` or `keyid`");
        return;
    }
    let filled = text.map(|text| variables.filled(text, has_key.then_some(&*key_path))).transpose();
    let filled = match filled {
        Ok(filled) => filled,
        Err(Unfilled { why, help }) => {
            let message = format!("apt source `{}` {why}: it is left out", name.value);
            steps.report.error("apt-source", message).at(source.place("source")).help(help);
            return;
        }
    };
    let is_repository = filled.as_deref().is_some_and(|text| is_repository(&name.value, text, apt, scope));
    if let Some(why) = filled.as_deref().filter(|_| !is_repository).and_then(check::sources) {
        let message = format!("apt source `{}`: {why}: it is left out, apt would read no source at all", name.value);
        let help = "write `deb [options] URL SUITE COMPONENTS`, or Types, URIs, Suites, Components on lines of their own";
        steps.report.error("apt-source", message).at(source.place("source")).help(help);
        return;
    }
    if !plan_key(&name.value, source, &key_path, scope, steps) {
        return;
    }
    let Some(text) = filled else { return };
    if is_repository {
        plan_repository(&name.value, &text, source, scope, steps);
    } else {
        plan_source_file(name, file_name, &text, source, steps);
    }
}

fn stem(file_name: &str) -> &str {
    let base = file_name.rsplit('/').next().unwrap_or(file_name);
    match base.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => base,
    }
}

/// Whether the source can go on: a key that cannot be read is reported and its source left out.
fn plan_key(name: &str, source: &Source, path: &str, scope: &Scope<'_>, steps: &mut Steps) -> bool {
    if let Some(key) = &source.key {
        match openpgp::dearmor(&key.0) {
            Ok(bytes) => {
                steps.add(&format!("{name}/key"), Operation::WriteFile(plain_file(path, bytes))).at(&source.origin);
            }
            Err(why) => {
                let message = format!("the key of apt source `{name}` cannot be used: {why}; the source is left out");
                steps.report.error("apt-key", message).at(source.place("key")).help("paste the key as `gpg --armor --export` prints it");
                return false;
            }
        }
    } else if let Some(keyid) = &source.keyid {
        let digits: String = keyid.trim().trim_start_matches("0x").split_whitespace().collect();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message = format!("`{keyid}` is no id of a key: no key server will have it");
            steps
                .report
                .warning("apt-key", message)
                .at(source.place("keyid"))
                .help("write the key's fingerprint, as `gpg --show-keys` prints it");
        }
        let operation = Operation::AptKey {
            keyid: keyid.clone(),
            keyserver: source.keyserver.clone().unwrap_or_else(|| DEFAULT_KEYSERVER.into()),
            path: path.to_owned(),
        };
        need_gpg(scope, steps);
        let step = steps.add(&format!("{name}/key"), operation).at(&source.origin).needs_thing(GPG);
        step.provides(&format!("apt-key:{path}"));
    }
    true
}

/// What a key that is only named is fetched with.
const GPG: &str = "package:gnupg";

fn need_gpg(scope: &Scope<'_>, steps: &mut Steps) {
    if !scope.facts.has("gpg") {
        packages::install_now("gnupg", steps);
    }
}

/// Whether `add-apt-repository` is given the source: by the user's pattern, which is asked of the text as it is written, or the usual one.
fn is_repository(name: &str, text: &str, apt: &Apt, scope: &Scope<'_>) -> bool {
    let matched = apt.own_repository_pattern().and_then(|pattern| scope.facts.repositories.get(&pattern.value)?.as_ref());
    if let Some(names) = matched {
        return names.contains(&scope.named(name));
    }
    let name = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte)).count();
    let after = text[name..].strip_prefix(':');
    name > 0 && after.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// A pattern that cannot be used.
fn report_pattern(apt: &Apt, scope: &Scope<'_>, steps: &mut Steps) {
    let Some(pattern) = apt.own_repository_pattern() else { return };
    if scope.facts.repositories.get(&pattern.value).is_some_and(Option::is_none) {
        let message = "`apt.add_apt_repo_match` cannot be used as a regular expression: what looks like `ppa:user/name` is matched";
        steps.report.error("apt-pattern", message).at(&pattern.origin).help("write it as for `grep -P`");
    }
}

fn plan_repository(name: &str, text: &str, source: &Source, scope: &Scope<'_>, steps: &mut Steps) {
    if !scope.facts.has("add-apt-repository") {
        packages::install_now("software-properties-common", steps);
    }
    let command = Command {
        argv: ["add-apt-repository", "--yes", "--no-update", text.trim()].map(str::to_owned).to_vec(),
        accept: vec![0],
        idempotent: true,
        purpose: "add the repository".into(),
        ..Command::default()
    };
    let step = steps.add(name, Operation::Command(command)).at(&source.origin);
    let _ = step.needs_thing("package:software-properties-common");
}

/// deb822 text goes to a `.sources` file; the peer writes it to a `.list` file, which apt then refuses.
fn plan_source_file(name: &Located<String>, file_name: &str, text: &str, source: &Source, steps: &mut Steps) {
    let suffix = if distribution::is_deb822(text) { ".sources" } else { ".list" };
    let base = file_name.strip_suffix(".list").or_else(|| file_name.strip_suffix(".sources")).unwrap_or(file_name);
    let base = if suffix == ".list" && file_name.ends_with(".sources") { file_name } else { base };
    let path = if base.starts_with('/') { format!("{base}{suffix}") } else { format!("{SOURCES_DIR}/{base}{suffix}") };
    let block = format!("{text}\n");
    let operation = if source.append.unwrap_or(true) && suffix == ".list" {
        let change = Edit::EnsureBlock { block: Secret::new(block), header: String::new() };
        let mode = ops::mode_of(text);
        Operation::EditFile { path, change, mode, force_mode: mode != 0o644 }
    } else {
        Operation::WriteFile(settings_file(&path, &block))
    };
    let key = format!("{}/{}.gpg", if text.contains(NAMED_KEYS) { NAMED_KEYS } else { TRUSTED_KEYS }, stem(file_name));
    steps.add(&name.value, operation).at(&source.origin).needs_thing(&format!("apt-key:{key}"));
}

#[cfg(test)]
mod tests;
