//! Operations as most modules need them.

use super::Steps;
use crate::config::node::Origin;
use crate::plan::operation::{content, Command, Operation, Owner, UnitAction, WriteFile};
use crate::redact;
use crate::script::quote;

/// Writes a whole file of root's.
pub fn write(path: &str, bytes: impl Into<Vec<u8>>, mode: u32) -> Operation {
    let path = path.to_owned();
    Operation::WriteFile(WriteFile { path, content: content(bytes), mode: Some(mode), owner: Some(Owner::root()), own_parents: false })
}

/// Words by themselves.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Runs a command that may be run twice: these words, then `more`.
pub fn command(argv: &[&str], more: &[String], purpose: &str) -> Command {
    let argv = argv.iter().map(|word| (*word).to_owned()).chain(more.iter().cloned()).collect();
    Command { argv, accept: vec![0], idempotent: true, purpose: purpose.to_owned(), ..Command::default() }
}

/// Acts on a service, which has to exist. A name without a suffix is one of a service.
pub fn unit(name: &str, action: UnitAction) -> Operation {
    let unit = if name.contains('.') { name.to_owned() } else { format!("{name}.service") };
    Operation::Unit { unit, action, optional: false }
}

/// A command as a shell reads it; as a login of the user's would run it, where one is given: with his home, his path, and files that
/// a group of his own may write (pam_umask(8), `usergroups`).
pub fn shell_line(user: Option<&str>, words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    match user {
        Some(user) => format!("runuser -l {} -s /bin/sh -c {} -- {}", quote(user), quote(AS_LOGIN), quoted.join(" ")),
        None => quoted.join(" "),
    }
}

/// Says of a key that nothing of it is done, where a part of it could not be read: without that part something else would be done.
pub fn is_unread(key: &str, unread: Option<(&'static str, &Origin)>, then: &str, steps: &mut Steps) -> bool {
    let Some((part, place)) = unread else { return false };
    steps.report.error("unread", format!("`{key}.{part}` cannot be read: {then}")).at(place);
    true
}

/// The mode of a file of settings: with what looks like a password in it, it is only root's.
pub fn mode_of(text: &str) -> u32 {
    if redact::patterns(text) == text {
        0o644
    } else {
        0o600
    }
}

const AS_LOGIN: &str = "[ \"$(id -u)\" = 0 ] || [ \"$(id -un)\" != \"$(id -gn)\" ] || umask 002; exec \"$0\" \"$@\"";
