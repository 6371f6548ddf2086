//! The distribution's own sources: `preserve_sources_list: false`, `primary`, `security`, `sources_list`, `disable_suites`.

use super::template::{Unfilled, Variables};
use super::{need_gpg, plain_file, settings_file, DEFAULT_KEYSERVER, GPG, SOURCES_DIR, TRUSTED_KEYS};
use crate::config::node::Origin;
use crate::config::typed::apt::{Apt, Mirror};
use crate::config::typed::scalars::OneOrMany;
use crate::modules::{hostname, Scope, Steps};
use crate::openpgp;
use crate::plan::operation::Operation;
use crate::template;

/// Where lists for apt-transport-mirror(1) lie.
const MIRRORS: &str = "/etc/apt/mirrors";
const SOURCES_LIST: &str = "/etc/apt/sources.list";

/// Addresses of the distribution's archives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// The archive.
    pub primary: String,
    /// Its security updates.
    pub security: String,
}

/// The mirrors for this host's architecture. `security` without `primary` counts for nothing, and `primary` alone is taken for
/// both, as with the peer.
pub fn mirrors(scope: &Scope<'_>, steps: &mut Steps) -> Mirrors {
    let apt = scope.keys.apt.as_ref();
    let chosen = |entries: &[Mirror], key: &str, steps: &mut Steps| -> Option<String> {
        let mirror = for_architecture(entries, |mirror| &mirror.arches, &scope.facts.arch)?;
        let mut addresses = addresses(mirror, key, scope);
        match addresses.as_slice() {
            [] | [_] => addresses.pop(),
            several => {
                let place = mirror.place(if mirror.search.is_empty() { "search_dns" } else { "search" });
                Some(mirror_list(key, several, place, steps))
            }
        }
    };
    let primary = apt.and_then(|apt| chosen(&apt.primary, "primary", steps));
    let security = apt.and_then(|apt| chosen(&apt.security, "security", steps));
    match (primary, security) {
        (Some(primary), security) => Mirrors { security: security.unwrap_or_else(|| primary.clone()), primary },
        (None, security) => {
            if let (Some(_), Some(apt)) = (security, apt) {
                let message = "`apt.security` without `apt.primary` is ignored";
                steps.report.warning("apt", message).at(apt.place("security")).help("give both");
            }
            let [primary, security] = ["primary", "security"].map(|key| {
                let (mut addresses, place) = of_the_system(key, scope);
                match (addresses.as_slice(), place) {
                    ([_, _, ..], Some(place)) => mirror_list(key, &addresses, place, steps),
                    _ => addresses.pop().unwrap_or_default(),
                }
            });
            Mirrors { primary, security }
        }
    }
}

/// Where the mirror is that the image names, or the distribution's own, the best first, and where that stands.
fn of_the_system<'s>(key: &str, scope: &Scope<'s>) -> (Vec<String>, Option<&'s Origin>) {
    let mirrors = scope.keys.system_info.as_ref().map(|system| system.package_mirrors.as_slice()).unwrap_or_default();
    let stock = if key == "security" { stock(scope).security } else { stock(scope).primary };
    let Some(mirror) = for_architecture(mirrors, |mirror| &mirror.arches, &scope.facts.arch) else { return (vec![stock], None) };
    let searched = mirror.search.as_ref().map(|search| if key == "security" { &search.security } else { &search.primary });
    // NoCloud knows of no region, so what names one is no address.
    let known = searched.into_iter().flatten().filter(|address| !address.contains("%(")).map(|address| address.replace("%%", "%"));
    let last = mirror.failsafe.as_ref().and_then(|last| if key == "security" { last.security.as_ref() } else { last.primary.as_ref() });
    let mut addresses: Vec<String> = known.chain(last.map(|address| address.0.clone())).collect();
    if addresses.is_empty() {
        addresses.push(stock);
    }
    (addresses, Some(&mirror.origin))
}

/// Where a mirror is, or may be, the best first.
fn addresses(mirror: &Mirror, key: &str, scope: &Scope<'_>) -> Vec<String> {
    if let Some(uri) = &mirror.uri {
        return vec![uri.0.clone()];
    }
    let mut addresses: Vec<String> = mirror.search.iter().map(|address| address.0.clone()).collect();
    if mirror.search_dns {
        addresses.extend(of_the_domain(key, scope));
    }
    addresses
}

/// What `search_dns` stands for: the names of the peer in the host's domain, in `localdomain` and without one, and the usual mirror
/// where the network has none of them.
fn of_the_domain(key: &str, scope: &Scope<'_>) -> Vec<String> {
    let distro = &scope.facts.distro;
    let kind = if key == "security" { "security-mirror" } else { "mirror" };
    let names = hostname::names(scope).or_else(|| hostname::own_names(scope));
    let own = names.and_then(|names| names.full.split_once('.').map(|(_, domain)| format!(".{domain}")));
    let domains = own.into_iter().chain([".localdomain".to_owned(), String::new()]);
    let mut found: Vec<String> = domains.map(|domain| format!("http://{distro}-{kind}{domain}/{distro}")).collect();
    found.extend(of_the_system(key, scope).0);
    found
}

/// Several mirrors are given to apt, which takes the first that answers, for each file anew: apt-transport-mirror(1).
fn mirror_list(key: &str, addresses: &[String], place: &Origin, steps: &mut Steps) -> String {
    let path = format!("{MIRRORS}/{key}.list");
    let lines = lines(addresses);
    steps.add(&format!("{key}/mirrors"), Operation::WriteFile(plain_file(&path, lines))).at(place);
    format!("mirror+file:{path}")
}

/// A list for apt-transport-mirror(1).
fn lines(addresses: &[String]) -> String {
    match addresses {
        [one] => format!("{one}\n"),
        several => several.iter().zip(1..).map(|(address, priority)| format!("{address}\tpriority:{priority}\n")).collect(),
    }
}

/// `generate_mirrorlists`: the lists that the sources of Debian's cloud images name.
pub fn plan_mirror_lists(apt: &Apt, scope: &Scope<'_>, steps: &mut Steps) {
    let named = |entries: &[Mirror], key: &str| -> Vec<String> {
        for_architecture(entries, |mirror| &mirror.arches, &scope.facts.arch)
            .map(|mirror| addresses(mirror, key, scope))
            .unwrap_or_default()
    };
    let (mut primary, mut security) = (named(&apt.primary, "primary"), named(&apt.security, "security"));
    if primary.is_empty() {
        (primary, security) = (of_the_system("primary", scope).0, of_the_system("security", scope).0);
    } else if security.is_empty() {
        security.clone_from(&primary);
    }
    let distro = &scope.facts.distro;
    for (name, file, addresses) in [("primary", distro.clone(), primary), ("security", format!("{distro}-security"), security)] {
        let operation = Operation::WriteFile(plain_file(&format!("{MIRRORS}/{file}.list"), lines(&addresses)));
        steps.add(&format!("{name}/list"), operation).at(apt.place("generate_mirrorlists"));
    }
}

fn for_architecture<'m, M>(entries: &'m [M], arches: impl Fn(&M) -> &OneOrMany<String>, arch: &str) -> Option<&'m M> {
    let names = |mirror: &&M, wanted: &str| arches(mirror).0.iter().any(|name| name == wanted);
    entries.iter().find(|mirror| names(mirror, arch)).or_else(|| entries.iter().rfind(|mirror| names(mirror, "default")))
}

fn stock(scope: &Scope<'_>) -> Mirrors {
    let (primary, security) = match (scope.facts.distro.as_str(), scope.facts.arch.as_str()) {
        ("ubuntu", "amd64" | "i386") => ("http://archive.ubuntu.com/ubuntu/", "http://security.ubuntu.com/ubuntu/"),
        ("ubuntu", _) => ("http://ports.ubuntu.com/ubuntu-ports", "http://ports.ubuntu.com/ubuntu-ports"),
        _ => ("https://deb.debian.org/debian", "https://deb.debian.org/debian-security"),
    };
    Mirrors { primary: primary.into(), security: security.into() }
}

/// With the sources preserved, these keys do nothing: the commonest surprise of Debian's stock configuration.
pub fn report_unused(apt: &Apt, steps: &mut Steps) {
    let keys: &[&str] = if apt.generate_mirrorlists {
        &["sources_list", "disable_suites"]
    } else {
        &["primary", "security", "sources_list", "disable_suites"]
    };
    let unused: Vec<&str> = keys.iter().copied().filter(|key| apt.given.contains(key)).collect();
    // `primary` still fills in $MIRROR of `sources`.
    if unused.is_empty() || apt.sources.0.iter().any(|(_, source)| uses_mirror(source.source.as_ref().map(|text| text.0.expose()))) {
        return;
    }
    let (why, help) = if apt.generate_mirrorlists {
        ("`generate_mirrorlists: true` is set", "leave `generate_mirrorlists` out")
    } else if apt.preserve_sources_list.is_some() {
        ("`preserve_sources_list: true` is set", "add `preserve_sources_list: false` under `apt`")
    } else {
        ("`preserve_sources_list: true` is the default here", "add `preserve_sources_list: false` under `apt`")
    };
    let message = format!("`apt.{}` does nothing: {why}", unused.join("`, `apt."));
    steps.report.warning("apt", message).at(apt.place(unused[0])).help(help);
}

fn uses_mirror(text: Option<&String>) -> bool {
    let is_used = |text: &String, name: &str| {
        let names = [name.to_owned(), name.to_ascii_lowercase()];
        names.iter().any(|name| text.contains(&format!("${name}")) || (template::is_template(text) && text.contains(name)))
    };
    text.is_some_and(|text| ["MIRROR", "PRIMARY", "SECURITY"].iter().any(|name| is_used(text, name)))
}

/// Writes the distribution's sources anew.
pub fn plan_sources(mirrors: &Mirrors, scope: &Scope<'_>, steps: &mut Steps) {
    let apt = scope.keys.apt.as_ref();
    let none_read = |apt: &Apt| {
        let unread = |mirror: &Mirror| mirror.is_unread("uri", mirror.uri.is_none());
        let lists = [("primary", &apt.primary), ("security", &apt.security)];
        let found = lists.into_iter().find(|(key, list)| apt.is_unread(key, list.is_empty()) || list.iter().any(unread));
        found.map(|(key, _)| (key, apt.place(key).clone()))
    };
    if let Some((key, place)) = apt.and_then(none_read) {
        let message = format!("`apt.{key}` has no mirror that can be read: the sources are left as they are");
        steps.report.error("unread", message).at(&place).help("give a list: `[{arches: [default], uri: \"http://...\"}]`");
        return;
    }
    let keys = plan_mirror_keys(apt, scope, steps);
    let (text, origin) = match apt.and_then(|apt| apt.sources_list.as_ref().map(|text| (text, apt.place("sources_list")))) {
        Some((text, origin)) => {
            let variables = Variables::new(scope, mirrors, keys);
            (filled(text.0.expose(), &variables, origin, steps), Some(origin))
        }
        None => (Some(built_in(mirrors, &keys, scope)), apt.map(|apt| &apt.origin)),
    };
    let Some(text) = text else { return };
    let suites: Vec<String> =
        apt.map(|apt| apt.disable_suites.iter().map(|suite| suite_name(suite, &scope.facts.codename)).collect()).unwrap_or_default();
    let deb822 = is_deb822(&text);
    let text = if deb822 { without_suites(&text, &suites) } else { without_suite_lines(&text, &suites) };
    let path = if deb822 { format!("{SOURCES_DIR}/{}.sources", scope.facts.distro) } else { SOURCES_LIST.to_owned() };
    let step = steps.add("sources", Operation::WriteFile(settings_file(&path, &text)));
    let written = match origin {
        Some(origin) => step.at(origin).id(),
        None => step.id(),
    };
    if deb822 && scope.facts.has_sources_list {
        let operation = if scope.facts.distro == "ubuntu" {
            let note = format!("# The sources of this system are in {path}; see sources.list(5).\n");
            Operation::WriteFile(plain_file(SOURCES_LIST, note))
        } else {
            Operation::RemoveFiles { paths: vec![SOURCES_LIST.into()] }
        };
        steps.add("sources/old", operation).needs(written);
    }
}

fn filled(text: &str, variables: &Variables, origin: &Origin, steps: &mut Steps) -> Option<String> {
    if text.contains("{{") && !template::is_template(text) {
        let (what, help) = template::NOT_RENDERED;
        steps.report.warning("apt", format!("apt.sources_list: {what}")).at(origin).help(help);
    }
    match variables.filled(text, None) {
        Ok(text) => Some(text),
        Err(Unfilled { why, help }) => {
            let message = format!("`apt.sources_list` {why}: the sources are left as they are");
            steps.report.error("apt", message).at(origin).help(help);
            None
        }
    }
}

/// Keyrings of `primary` and `security`, where they bring keys.
#[derive(Default)]
pub struct Keyrings {
    /// That of the archive.
    pub primary: Option<String>,
    /// That of its security updates.
    pub security: Option<String>,
}

fn plan_mirror_keys(apt: Option<&Apt>, scope: &Scope<'_>, steps: &mut Steps) -> Keyrings {
    let mut one = |entries: &[Mirror], name: &str| -> Option<String> {
        let mirror = for_architecture(entries, |mirror| &mirror.arches, &scope.facts.arch)?;
        let path = format!("{TRUSTED_KEYS}/{name}.gpg");
        let operation = match (&mirror.key, &mirror.keyid) {
            (Some(key), _) => match openpgp::dearmor(&key.0) {
                Ok(bytes) => Operation::WriteFile(plain_file(&path, bytes)),
                Err(why) => {
                    let message = format!("the key of `apt.{name}` cannot be used: {why}");
                    steps.report.error("apt-key", message).at(mirror.place("key"));
                    return None;
                }
            },
            (None, Some(keyid)) => {
                need_gpg(scope, steps);
                Operation::AptKey {
                    keyid: keyid.clone(),
                    keyserver: mirror.keyserver.clone().unwrap_or_else(|| DEFAULT_KEYSERVER.into()),
                    path: path.clone(),
                }
            }
            (None, None) => return None,
        };
        let step = steps.add(&format!("{name}/key"), operation).at(&mirror.origin);
        if mirror.key.is_none() {
            let _ = step.needs_thing(GPG);
        }
        Some(path)
    };
    match apt {
        Some(apt) => Keyrings { primary: one(&apt.primary, "primary"), security: one(&apt.security, "security") },
        None => Keyrings { primary: None, security: None },
    }
}

/// The distribution's usual sources in deb822 form, as the peer's template has them.
fn built_in(mirrors: &Mirrors, keys: &Keyrings, scope: &Scope<'_>) -> String {
    let codename = &scope.facts.codename;
    let ubuntu = scope.facts.distro == "ubuntu";
    let (types, components, keyring) = if ubuntu {
        ("deb", "main universe restricted multiverse", "/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    } else {
        ("deb deb-src", "main", "/usr/share/keyrings/debian-archive-keyring.gpg")
    };
    let primary_key = keys.primary.as_deref().unwrap_or(keyring);
    let security_key = keys.security.as_deref().or(keys.primary.as_deref()).unwrap_or(keyring);
    let stanza = |address: &str, suites: &str, key: &str| {
        format!("Types: {types}\nURIs: {address}\nSuites: {suites}\nComponents: {components}\nSigned-By: {key}\n")
    };
    format!(
        "# Written by landfall at the first boot of this instance.\n\n{}\n{}",
        stanza(&mirrors.primary, &format!("{codename} {codename}-updates {codename}-backports"), primary_key),
        stanza(&mirrors.security, &format!("{codename}-security"), security_key),
    )
}

/// Whether the text is deb822 rather than one-line sources (sources.list(5)).
pub fn is_deb822(text: &str) -> bool {
    let begins = |line: &str, words: &[&str]| words.iter().any(|word| line.starts_with(word));
    let lines = || text.lines().map(str::trim_end);
    !lines().any(|line| begins(line, &["deb ", "deb-src ", "deb\t", "deb-src\t"]))
        && lines().any(|line| begins(line, &["Types:", "URIs:", "Suites:", "Components:"]))
}

/// `updates` and its like stand for suites of this release.
fn suite_name(suite: &str, codename: &str) -> String {
    match suite {
        "updates" | "backports" | "security" | "proposed" => format!("{codename}-{suite}"),
        "release" => codename.to_owned(),
        other => other.replace("${RELEASE}", codename).replace("$RELEASE", codename),
    }
}

/// One-line sources whose suite is among `suites`, commented out.
fn without_suite_lines(text: &str, suites: &[String]) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut words = line.split_whitespace().skip(1).peekable();
        if words.peek().is_some_and(|word| word.starts_with('[')) {
            let _ = words.by_ref().find(|word| word.ends_with(']'));
        }
        let suite = words.nth(1);
        if !line.starts_with('#') && suite.is_some_and(|suite| suites.iter().any(|disabled| disabled == suite)) {
            out.push_str("# suite disabled by user-data: ");
        }
        out.push_str(line);
    }
    out
}

/// deb822 stanzas without these suites; a stanza with none left is commented out.
fn without_suites(text: &str, suites: &[String]) -> String {
    if suites.is_empty() {
        return text.to_owned();
    }
    let stanzas: Vec<String> = text.split("\n\n").map(|stanza| stanza_without(stanza, suites)).collect();
    let mut out = stanzas.join("\n\n");
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn stanza_without(stanza: &str, suites: &[String]) -> String {
    let mut empty = false;
    let lines: Vec<String> = stanza
        .lines()
        .map(|line| match line.strip_prefix("Suites:") {
            Some(names) => {
                let kept: Vec<&str> = names.split_whitespace().filter(|name| !suites.iter().any(|disabled| disabled == name)).collect();
                empty = kept.is_empty();
                format!("Suites: {}", kept.join(" "))
            }
            None => line.to_owned(),
        })
        .collect();
    if !empty {
        return lines.join("\n");
    }
    let commented = stanza.lines().map(|line| if line.starts_with('#') { line.to_owned() } else { format!("# {line}") });
    let body: Vec<String> = commented.collect();
    format!("# Disabled by user-data:\n{}", body.join("\n"))
}
