//! Which users a configuration means: repeats merged, the default user filled in.
//!
//! The rules are the peer's: of several entries for one user the first that says something holds; `default` stands for the
//! distribution's first user, whose stock description holds over what is said of him, except by `user`; groups said of him
//! under his real name are added to the stock ones.

use std::collections::BTreeSet;

use super::Way;
use crate::config::node::{Entry, Node, Origin, Value};
use crate::config::problem::Report;
use crate::config::typed::reader::{FromNode as _, Reader};
use crate::config::typed::users::NameList;
use crate::config::typed::{CloudConfig, Keys, UserEntry};
use crate::facts::Facts;

/// The keys that say which users there are.
pub const USER_KEYS: &[&str] = &["users", "user"];

const DEFAULT: &str = "default";
/// Where `useradd` puts homes (`HOME` of useradd(8)).
const HOMES: &str = "/home/";

/// One user, ready to be planned.
#[derive(Clone, Debug)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// What is said of him.
    pub entry: UserEntry,
}

/// The users of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// In the order they are made: as written, the default user last.
    pub users: Vec<Account>,
    /// Login name of the default user.
    pub default: Option<String>,
    /// Groups that this configuration makes, by itself or for its users.
    pub groups: BTreeSet<String>,
}

impl Accounts {
    /// The users of the default order and of every phase.
    pub fn of_all(config: &CloudConfig, facts: &Facts, way: Way) -> Self {
        let mut all = Self::default();
        let moved = USER_KEYS.iter().any(|key| config.moved.contains(*key));
        for (at, keys) in config.all_keys().enumerate() {
            let stock = at == 0 && way == Way::FirstBoot && !moved;
            all.extend(Self::of(keys, facts, stock));
        }
        let stock_name = stock_name(&config.keys, facts);
        if all.default.is_none() && way != Way::FirstBoot && facts.users.contains_key(&stock_name) {
            all.default = Some(stock_name);
        }
        all
    }

    /// The users that these keys mean. `stock`: no `users` means the default user.
    pub fn of(keys: &Keys, facts: &Facts, stock: bool) -> Self {
        let mut entries: Vec<UserEntry> = keys.users.as_ref().map(|users| users.0.clone()).unwrap_or_default();
        let wants_default = keys.user.is_some() || (stock && keys.users.is_none());
        let mut named = Vec::new();
        let mut default = wants_default.then(|| blank(DEFAULT));
        for entry in entries.drain(..) {
            match &entry.name {
                Some(name) if name.0 != DEFAULT => merge_into(&mut named, name.0.clone(), entry),
                _ => default = Some(default.map_or(entry.clone(), |known| merge_default(known, entry))),
            }
        }
        let mut accounts = Self { users: named, default: None, groups: BTreeSet::new() };
        if let Some(default) = default {
            accounts.add_default(default, keys, facts);
        }
        accounts.groups = keys.groups.0.iter().map(|group| group.name.clone()).chain(accounts.user_groups()).collect();
        accounts
    }

    fn add_default(&mut self, said: UserEntry, keys: &Keys, facts: &Facts) {
        let overlay = keys.user.as_ref().map(|user| user.0.clone());
        let stock = stock_user(keys, facts);
        let mut distribution = match overlay {
            Some(overlay) => overlay.or(stock),
            None => stock,
        };
        let name = match distribution.name.take() {
            Some(name) if name.0 != DEFAULT => name.0,
            _ => stock_name(keys, facts),
        };
        let stock_groups = distribution.groups.take().unwrap_or_default().0;
        let real = self.users.iter().position(|account| account.name == name).map(|at| self.users.remove(at).entry);
        let real_groups = real.as_ref().and_then(|entry| entry.groups.clone()).unwrap_or_default().0;
        let union: BTreeSet<String> = real_groups.into_iter().chain(stock_groups).collect();
        let groups = said.groups.clone().unwrap_or_else(|| NameList(union.into_iter().collect()));
        let mut entry = distribution.or(said);
        if let Some(real) = real {
            let place = real.origin.clone();
            entry = entry.or(real);
            entry.origin = place;
        }
        entry.groups = Some(groups);
        self.users.push(Account { name: name.clone(), entry });
        self.default = Some(name);
    }

    fn user_groups(&self) -> Vec<String> {
        self.users.iter().flat_map(|account| account.entry.groups.clone().unwrap_or_default().0).collect()
    }

    fn extend(&mut self, other: Self) {
        for account in other.users {
            if !self.users.iter().any(|known| known.name == account.name) {
                self.users.push(account);
            }
        }
        self.default = self.default.take().or(other.default);
        self.groups.extend(other.groups);
    }

    /// The user of this name, if this configuration speaks of him.
    pub fn get(&self, name: &str) -> Option<&Account> {
        self.users.iter().find(|account| account.name == name)
    }

    /// Whether this configuration makes the user.
    pub fn creates(&self, name: &str, facts: &Facts) -> bool {
        self.get(name).is_some() && !facts.users.contains_key(name)
    }

    /// The user this configuration makes in whose home `path` lies.
    pub fn owner_of_home(&self, path: &str, facts: &Facts) -> Option<&Account> {
        self.users.iter().find(|account| account.has_below_home(path) && !facts.users.contains_key(&account.name))
    }
}

impl Account {
    /// Home directory, as `useradd` would choose it where nothing is said.
    pub fn home(&self) -> String {
        self.entry.homedir.as_ref().map_or_else(|| format!("{HOMES}{}", self.name), |home| home.0.clone())
    }

    /// Whether `path` lies in the home directory.
    fn has_below_home(&self, path: &str) -> bool {
        let below = match &self.entry.homedir {
            Some(home) => path.strip_prefix(home.0.trim_end_matches('/')),
            None => path.strip_prefix(HOMES).and_then(|rest| rest.strip_prefix(self.name.as_str())),
        };
        below.is_some_and(|rest| rest.starts_with('/'))
    }
}

fn merge_into(named: &mut Vec<Account>, name: String, entry: UserEntry) {
    match named.iter().position(|account| account.name == name) {
        Some(at) => {
            let known = named.remove(at);
            named.insert(at, Account { name, entry: known.entry.or(entry) });
        }
        None => named.push(Account { name, entry }),
    }
}

fn merge_default(known: UserEntry, entry: UserEntry) -> UserEntry {
    let place = entry.origin.clone();
    let mut merged = known.or(entry);
    if merged.origin.line == 0 {
        merged.origin = place;
    }
    merged
}

/// An entry that comes from no text.
fn blank(name: &str) -> UserEntry {
    read(vec![("name", Value::Str(name.into()))])
}

/// What the system's configuration says of the distribution's first user.
fn configured(keys: &Keys) -> Option<&UserEntry> {
    keys.system_info.as_ref()?.default_user.as_ref().map(|user| &user.0)
}

fn stock_name(keys: &Keys, facts: &Facts) -> String {
    let named = configured(keys).and_then(|user| user.name.as_ref()).map(|name| name.0.clone());
    named.unwrap_or_else(|| facts.default_user().0.to_owned())
}

/// The distribution's first user: as the system's configuration has him, and where it says nothing as the distribution's own
/// cloud images do.
fn stock_user(keys: &Keys, facts: &Facts) -> UserEntry {
    let usual = usual_user(facts);
    match configured(keys) {
        Some(configured) => UserEntry { origin: usual.origin.clone(), ..configured.clone().or(usual) },
        None => usual,
    }
}

fn usual_user(facts: &Facts) -> UserEntry {
    let (name, groups, gecos) = facts.default_user();
    let groups = groups.iter().map(|group| word(group)).collect();
    read(vec![
        ("name", Value::Str(name.into())),
        ("gecos", Value::Str(gecos.into())),
        ("groups", Value::Seq(groups)),
        ("lock_passwd", Value::Bool(true)),
        ("shell", Value::Str("/bin/bash".into())),
        ("sudo", Value::Seq(vec![word("ALL=(ALL) NOPASSWD:ALL")])),
    ])
}

fn nowhere() -> Origin {
    Origin::new("defaults", 0, 0)
}

fn word(text: &str) -> Node {
    Node::new(Value::Str(text.to_owned()), nowhere())
}

fn read(fields: Vec<(&str, Value)>) -> UserEntry {
    let entries = fields.into_iter().map(|(key, value)| Entry { key: word(key), value: Node::new(value, nowhere()) }).collect();
    let mut report = Report::new();
    let node = Node::new(Value::Map(entries), nowhere());
    let entry = UserEntry::from_node(&node, &mut Reader::new(&mut report));
    entry.expect("a mapping is always read as a user")
}
