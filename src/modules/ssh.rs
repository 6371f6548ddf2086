//! `ssh_deletekeys`, `ssh_genkeytypes`, `ssh_keys`; `ssh_authorized_keys`, `disable_root`, `allow_public_ssh_keys`.

use super::users::thing;
use super::{Module, Scope, Steps, Way};
use crate::config::typed::ssh::{HostKey, HostKeys};
use crate::plan::operation::{content, Command, Edit, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};

/// Host keys, before sshd starts.
pub const HOST_KEYS: Module = Module {
    name: "ssh",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["ssh_deletekeys", "ssh_genkeytypes", "ssh_keys", "ssh_quiet_keygen"],
    implied: true,
    plan: plan_host_keys,
};

/// Keys of the default user and of root.
pub const AUTHORIZED_KEYS: Module = Module {
    name: "ssh",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["ssh_authorized_keys", "disable_root", "disable_root_opts", "allow_public_ssh_keys"],
    implied: true,
    plan: plan_authorized_keys,
};

const DROP_IN: &str = "/etc/ssh/sshd_config.d/50-cloud-init.conf";
const MAIN_FILE: &str = "/etc/ssh/sshd_config";

/// Options that let a key do nothing but tell which user to take, as the peer's default has them: `$USER` and
/// `$DISABLE_USER` are filled in.
pub const REDIRECT: &str = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the user \
                            \\\"$USER\\\" rather than the user \\\"$DISABLE_USER\\\".';echo;sleep 10;exit 142\"";

/// `template` with the user to take and the user that is closed.
pub fn redirect_options(template: &str, user: &str, closed: &str) -> String {
    template.replace("$USER", user).replace("$DISABLE_USER", closed)
}

/// The file of sshd's configuration to change, and the mode a new one gets. Where sshd is not installed yet the drop-in is
/// written: the package's own file will include it.
pub fn sshd_file(scope: &Scope<'_>) -> (&'static str, u32) {
    if scope.facts.sshd_includes_dropins || !scope.facts.has("sshd") {
        (DROP_IN, 0o600)
    } else {
        (MAIN_FILE, 0o644)
    }
}

fn plan_host_keys(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    let unread = keys.is_unread("ssh_deletekeys", keys.ssh_deletekeys.is_none());
    if unread {
        let message = "`ssh_deletekeys` cannot be read: the host keys are kept";
        steps.report.error("unread", message).at(keys.place("ssh_deletekeys"));
    }
    let delete = keys.ssh_deletekeys.unwrap_or_else(|| !unread && scope.implies(HOST_KEYS.keys));
    if delete {
        steps.add("delete-host-keys", Operation::RemoveFiles { paths: vec!["/etc/ssh/ssh_host_*key*".into()] });
    }
    if let Some(given) = &keys.ssh_keys {
        plan_given_keys(given, scope, steps);
        // Without a key sshd lets nobody in.
        if given.by_kind().iter().any(|key| key.private.is_some()) {
            return;
        }
    }
    // A removed key is made again, whatever else is said.
    let asked = delete || keys.ssh_genkeytypes.is_some() || scope.implies(HOST_KEYS.keys);
    if !asked {
        return;
    }
    if !scope.facts.has("ssh-keygen") {
        if keys.ssh_genkeytypes.is_some() {
            let message = "`ssh_genkeytypes`: ssh-keygen is not installed; the package makes keys of its own when it is";
            steps.report.warning("ssh", message).at(&keys.origin);
        }
        return;
    }
    let all = ["rsa", "ecdsa", "ed25519"].map(str::to_owned);
    for kind in keys.ssh_genkeytypes.as_ref().map_or(&all[..], |kinds| &kinds.0) {
        steps.add(&format!("host-key/{kind}"), Operation::SshHostKey { kind: kind.clone() }).degrades();
    }
}

fn plan_given_keys(given: &HostKeys, scope: &Scope<'_>, steps: &mut Steps) {
    let mut certificates = Vec::new();
    for key in given.by_kind() {
        // Its other half would not fit the one that is made instead.
        if given.given.contains(&key.private_name) && key.private.is_none() {
            continue;
        }
        let path = format!("/etc/ssh/ssh_host_{}_key", key.kind);
        let files = [
            (key.private.map(|text| text.expose()), path.clone(), 0o600, "private"),
            (key.public, format!("{path}.pub"), 0o644, "public"),
            (key.certificate, format!("{path}-cert.pub"), 0o644, "certificate"),
        ];
        for (text, path, mode, part) in files {
            let Some(text) = text else { continue };
            let file = WriteFile {
                path: path.clone(),
                content: content(with_newline(text)),
                mode: Some(mode),
                owner: Some(Owner::root()),
                own_parents: false,
            };
            let name = format!("host-key/{}/{part}", key.kind);
            steps.add(&name, Operation::WriteFile(file)).at(&given.origin).provides(&format!("host-key:{}:{part}", key.kind));
            if part == "certificate" {
                certificates.push(path);
            }
        }
        plan_derived(&key, &path, given, scope, steps);
    }
    let (path, mode) = sshd_file(scope);
    for certificate in certificates {
        let change = Edit::EnsureLine { line: format!("HostCertificate {certificate}"), unless: Vec::new() };
        steps.add("host-certificate", Operation::EditFile { path: path.into(), change, mode, force_mode: false }).at(&given.origin);
    }
}

/// The public half of a private key that came without it.
fn plan_derived(key: &HostKey<'_>, path: &str, given: &HostKeys, scope: &Scope<'_>, steps: &mut Steps) {
    if key.private.is_none() || key.public.is_some() {
        return;
    }
    if !scope.facts.has("ssh-keygen") {
        let message = format!("`ssh_keys` has no {}_public, and ssh-keygen is not installed to derive it", key.kind);
        steps.report.warning("ssh", message).at(&given.origin).help("add the public key");
        return;
    }
    let script = "set -e; key=$(ssh-keygen -y -f \"$1\"); umask 022; printf '%s root@localhost\\n' \"$key\" >\"$1.pub.new\"; mv -f \"$1.pub.new\" \"$1.pub\"";
    let command = Command {
        argv: ["/bin/sh", "-c", script, "sh", path].map(str::to_owned).to_vec(),
        accept: vec![0],
        idempotent: true,
        purpose: format!("derive the public {} host key", key.kind),
        ..Command::default()
    };
    let name = format!("host-key/{}/derive", key.kind);
    let step = steps.add(&name, Operation::Command(command)).at(&given.origin);
    step.needs_thing(&format!("host-key:{}:private", key.kind)).degrades();
}

/// OpenSSH reads no key whose last line does not end.
fn with_newline(text: &str) -> String {
    if text.ends_with('\n') {
        text.to_owned()
    } else {
        format!("{text}\n")
    }
}

/// The keys that are nobody's own: the instance's and those at the top level.
pub(super) fn common_keys(scope: &Scope<'_>) -> Vec<String> {
    let keys = scope.keys;
    let mut lines: Vec<String> = Vec::new();
    if keys.allow_public_ssh_keys.unwrap_or(true) {
        lines.extend(scope.facts.metadata_keys.iter().cloned());
    }
    lines.extend(keys.ssh_authorized_keys.iter().flat_map(|keys| keys.0.iter().cloned()));
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

fn plan_authorized_keys(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    let lines = common_keys(scope);
    let default = scope.accounts.default.as_deref();
    if let Some(user) = default {
        let operation = Operation::AuthorizedKeys { user: user.to_owned(), keys: lines.clone(), options: None };
        steps.add(&format!("authorized-keys/{user}"), operation).needs_thing(&thing(user));
    }
    // The peer's default is for a host's first boot; on a host that runs, root keeps the way in that it has.
    let disable_root = keys.disable_root.unwrap_or(scope.way != Way::Applied);
    let options = disable_root.then(|| {
        let template = keys.disable_root_opts.as_deref().unwrap_or(REDIRECT);
        redirect_options(template, default.unwrap_or("NONE"), "root")
    });
    let options = options.filter(|options| !options.is_empty());
    let closed = options.is_some() && !lines.is_empty() && default.is_none();
    let operation = Operation::AuthorizedKeys { user: "root".into(), keys: lines, options };
    let step = steps.add("authorized-keys/root", operation);
    if closed {
        step.notice("there is no default user and root is closed (`disable_root` is true unless set): these keys let nobody in");
    }
}
