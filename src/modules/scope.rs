//! What a module sees: the keys it is to plan, and what surrounds them.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::accounts::USER_KEYS;
use super::{given, Accounts, UserHook, UserScript};
use crate::config::network::Network;
use crate::config::typed::scalars::Located;
use crate::config::typed::{CloudConfig, Keys, Phase};
use crate::facts::Facts;
use crate::redact::Redactor;

/// How the configuration came to this host; it decides what is done that nobody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A first boot, or an image being built: the peer's defaults hold (a default user, new host keys, ...).
    FirstBoot,
    /// Given by hand on a running host: only what is written is done.
    Applied,
    /// The peer did its own keys; only the `landfall` section is done.
    Hosted,
}

/// What a module sees.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The keys to plan: of the default order, or of one phase.
    pub keys: &'a Keys,
    /// Keys of the default order that are planned in phases.
    pub moved: &'a BTreeSet<String>,
    /// The network that the datasource asks for.
    pub network: Option<&'a Network>,
    /// The host.
    pub facts: &'a Facts,
    /// Users of the whole configuration.
    pub accounts: &'a Accounts,
    /// Users of these keys alone, made when they are first asked for.
    pub own_accounts: &'a OnceCell<Accounts>,
    /// Scripts that came with the user-data.
    pub scripts: &'a [UserScript],
    /// What is done while the user-data is read.
    pub hooks: &'a [UserHook],
    /// How the configuration came here.
    pub way: Way,
    /// Modules that are to be run although they are for another distribution.
    pub unverified: &'a [Located<String>],
    /// Masks known secrets in what is shown.
    pub redactor: &'a Redactor,
    /// The user's phase; `None` in the default order.
    pub phase: Option<&'a Phase>,
}

impl<'a> Scope<'a> {
    /// Whether any of these keys has a value here.
    pub fn has_any(&self, keys: &[&str]) -> bool {
        given(self.keys, keys)
    }

    /// Users that these keys mean.
    pub fn own_accounts(&self) -> &'a Accounts {
        self.own_accounts.get_or_init(|| Accounts::of(self.keys, self.facts, self.implies(USER_KEYS)))
    }

    /// `name`, told from the same one of other phases.
    pub fn named(&self, name: &str) -> String {
        self.phase.map_or_else(|| name.to_owned(), |phase| format!("{}.{name}", phase.head.name.0))
    }

    /// Whether the peer's defaults hold for these keys: at first boot, in the default order, none of them moved to a phase.
    pub fn implies(&self, keys: &[&str]) -> bool {
        self.way == Way::FirstBoot && self.phase.is_none() && !keys.iter().any(|key| self.moved.contains(*key))
    }
}

/// What the host has to be asked beyond the fixed facts, since it depends on the configuration.
#[derive(Clone, Debug, Default)]
pub struct Questions<'c> {
    /// The devices of the host.
    pub interfaces: bool,
    /// How much memory there is.
    pub memory: bool,
    /// What the host runs in.
    pub virtualization: bool,
    /// The time zones that are configured.
    pub timezones: Vec<&'c str>,
    /// Programs that the configuration names, beyond [`PROGRAMS`](crate::facts::PROGRAMS).
    pub programs: Vec<&'c str>,
    /// For `joint_items`: each script's name and the texts of its items.
    pub scripts: Vec<(String, Vec<&'c str>)>,
    /// For `repositories`: each `apt.add_apt_repo_match` with the names of sources and their texts.
    pub repositories: Vec<(&'c str, Vec<(String, &'c str)>)>,
}

/// What gathering facts has to ask for this configuration.
pub fn questions(config: &CloudConfig) -> Questions<'_> {
    let mut asked = Questions { interfaces: config.network.is_some(), ..Questions::default() };
    for when in config.phases.iter().filter_map(|phase| phase.head.when.as_ref()) {
        asked.memory |= when.0.memory.is_some();
        asked.virtualization |= !when.0.virtualization.0.is_empty();
    }
    for (prefix, keys) in prefixed(config) {
        if let Some(zone) = &keys.timezone {
            asked.timezones.push(&zone.value.0);
        }
        asked.programs.extend(keys.rsyslog.iter().filter_map(|rsyslog| Some(rsyslog.check_exe.as_ref()?.0.as_str())));
        asked.programs.extend(keys.random_seed.iter().filter_map(|seed| Some(seed.command.first()?.as_str())));
        asked.programs.extend(keys.ntp.iter().filter_map(|ntp| Some(ntp.0.config.as_ref()?.check_exe.as_ref()?.0.as_str())));
        if let Some((apt, pattern)) = keys.apt.as_ref().and_then(|apt| Some((apt, apt.own_repository_pattern()?))) {
            let sources = apt.sources.0.iter();
            let named = sources.filter_map(|(name, source)| Some((format!("{prefix}{}", name.value), source.source.as_ref()?)));
            asked.repositories.push((&pattern.value, named.map(|(name, text)| (name, text.0.expose().as_str())).collect()));
        }
        for (name, script) in [("bootcmd", &keys.bootcmd), ("runcmd", &keys.runcmd)] {
            if !script.items.is_empty() {
                let texts = script.items.iter().map(|item| item.text.expose().as_str()).collect();
                asked.scripts.push((format!("{prefix}{name}"), texts));
            }
        }
    }
    asked
}

fn prefixed(config: &CloudConfig) -> impl Iterator<Item = (String, &Keys)> {
    let phases = config.phases.iter().map(|phase| (format!("{}.", phase.head.name.0), &*phase.keys));
    std::iter::once((String::new(), &config.keys)).chain(phases)
}
