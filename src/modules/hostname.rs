//! `hostname`, `fqdn`, `preserve_hostname`, `prefer_fqdn_over_hostname`, `create_hostname_file`, `manage_etc_hosts`.
//!
//! The peer's `update_hostname` compares names at every boot because it reads its metadata anew; here the name is part of the
//! instance's plan, so only a host without `/etc/hostname` needs it set at each boot.

use super::{Module, Scope, Steps};
use crate::config::typed::system::ManageEtcHosts;
use crate::plan::operation::{content, Edit, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};

/// The name of the host.
pub const SET_HOSTNAME: Module = Module {
    name: "set_hostname",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["hostname", "fqdn"],
    implied: true,
    plan: plan_name,
};

/// `/etc/hosts`.
pub const UPDATE_ETC_HOSTS: Module = Module {
    name: "update_etc_hosts",
    stage: Stage::Local,
    frequency: Frequency::Boot,
    keys: &["manage_etc_hosts"],
    implied: false,
    plan: plan_hosts,
};

const HOSTNAME_FILE: &str = "/etc/hostname";

/// Where the peer, and landfall after it, keeps the name it set last; read into `Facts::previous_hostname`.
const LAST_SET: &str = "/var/lib/cloud/data/previous-hostname";

/// The names of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Without domain.
    pub short: String,
    /// With domain, where one is known; otherwise the short name. Beside a `hostname` without domain it is the metadata's name, as the peer
    /// has it.
    pub full: String,
}

/// The names that user-data or metadata give; `None` where neither does.
pub fn names(scope: &Scope<'_>) -> Option<Names> {
    let (keys, facts) = (scope.keys, scope.facts);
    let hostname = keys.hostname.as_ref().map(|name| name.0.as_str());
    if let Some(fqdn) = &keys.fqdn {
        let short = hostname.unwrap_or(first_label(&fqdn.0));
        return Some(Names { short: short.to_owned(), full: fqdn.0.clone() });
    }
    let given = facts.metadata_hostname.as_deref().filter(|name| !name.is_empty()).map(spelled);
    match hostname {
        Some(name) if name.contains('.') => Some(Names { short: first_label(name).to_owned(), full: name.to_owned() }),
        Some(name) => {
            let domain = facts.domain.as_deref().filter(|_| first_label(&facts.hostname) == name);
            let of_host = domain.map_or_else(|| name.to_owned(), |domain| format!("{name}.{domain}"));
            Some(Names { short: name.to_owned(), full: given.unwrap_or(of_host) })
        }
        None => given.map(|full| Names { short: first_label(&full).to_owned(), full }),
    }
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// A metadata name that is an IPv4 address becomes a name, and `localdomain` is no domain, as the peer has it.
fn spelled(name: &str) -> String {
    match name.parse::<std::net::Ipv4Addr>() {
        Ok(_) => format!("ip-{}", name.replace('.', "-")),
        Err(_) => name.strip_suffix(".localdomain").unwrap_or(name).to_owned(),
    }
}

fn plan_name(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    if keys.is_unread("preserve_hostname", keys.preserve_hostname.is_none()) {
        let message = "`preserve_hostname` cannot be read: the name is left as it is";
        steps.report.error("unread", message).at(keys.place("preserve_hostname"));
        return;
    }
    if keys.preserve_hostname == Some(true) {
        return;
    }
    let Some(names) = names(scope) else { return };
    let written = if scope.keys.prefer_fqdn_over_hostname { &names.full } else { &names.short };
    if written.len() > 64 {
        let message = format!("the name `{written}` is longer than the 64 characters Linux allows: it is not set");
        steps.report.error("hostname", message).at(&scope.keys.origin).help("shorten it");
        return;
    }
    // Set before and changed by hand since: an administrator's choice.
    let facts = scope.facts;
    if facts.previous_hostname.as_deref() == Some(written) && facts.etc_hostname.as_deref().is_some_and(|name| name != written) {
        return;
    }
    let has_file = facts.etc_hostname.is_some() || scope.keys.create_hostname_file != Some(false);
    if has_file {
        let change = Edit::HostnameFile { name: written.clone() };
        steps.add("file", Operation::EditFile { path: HOSTNAME_FILE.into(), change, mode: 0o644, force_mode: true });
    }
    let step = steps.add("", Operation::Hostname { name: written.clone() });
    if !has_file {
        step.every(Frequency::Boot);
    }
    let file = WriteFile {
        path: LAST_SET.into(),
        content: content(format!("{written}\n")),
        mode: Some(0o644),
        owner: Some(Owner::root()),
        own_parents: false,
    };
    steps.add("last-set", Operation::WriteFile(file));
}

fn plan_hosts(scope: &Scope<'_>, steps: &mut Steps) {
    let manage = scope.keys.manage_etc_hosts.unwrap_or(ManageEtcHosts::No);
    if manage == ManageEtcHosts::No {
        return;
    }
    let Some(names) = names(scope).or_else(|| own_names(scope)) else {
        steps
            .report
            .warning("hostname", "`manage_etc_hosts` is set, and this host has no name")
            .at(&scope.keys.origin)
            .help("set `hostname`");
        return;
    };
    let operation = match manage {
        ManageEtcHosts::Localhost => Operation::EditFile {
            path: "/etc/hosts".into(),
            change: Edit::HostsEntry { address: "127.0.1.1".into(), names: vec![names.full, names.short] },
            mode: 0o644,
            force_mode: true,
        },
        _ => Operation::WriteFile(WriteFile {
            path: "/etc/hosts".into(),
            content: content(hosts_file(&names)),
            mode: Some(0o644),
            owner: Some(Owner::root()),
            own_parents: false,
        }),
    };
    steps.add("", operation);
}

/// The name the host has, where nothing gives it another.
pub fn own_names(scope: &Scope<'_>) -> Option<Names> {
    let short = first_label(&scope.facts.hostname).to_owned();
    let full = match &scope.facts.domain {
        Some(domain) => format!("{short}.{domain}"),
        None => scope.facts.hostname.clone(),
    };
    (!short.is_empty()).then_some(Names { short, full })
}

fn hosts_file(names: &Names) -> String {
    format!(
        "# landfall writes this file anew at every boot, because the user-data says\n\
         # `manage_etc_hosts: true`. To keep changes of your own, set that to false or\n\
         # to localhost.\n\
         127.0.1.1 {} {}\n\
         127.0.0.1 localhost\n\
         \n\
         # IPv6\n\
         ::1 localhost ip6-localhost ip6-loopback\n\
         ff02::1 ip6-allnodes\n\
         ff02::2 ip6-allrouters\n",
        names.full, names.short
    )
}
