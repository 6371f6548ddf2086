//! What a step left behind: undoing and `drift` tell by it what has been changed since by somebody else.

use serde::{Deserialize, Serialize};

use super::files::io_failure;
use super::packages::changes_since;
use super::{Context, Prior};
use crate::error::Failure;
use crate::hash::sha256_hex;
use crate::host::files::FileKind;

/// A package whose version is another one than before; `None` is not installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Name, with its architecture where it has one.
    pub package: String,
    /// Version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Version after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What stands where the step changed something.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Left {
    /// Each path, and the SHA-256 of what is in the file; `None` where there is no file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<(String, Option<String>)>,
    /// Each package that was installed, upgraded or removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageChange>,
    /// Each thing that is no file of its own, and the SHA-256 of what it came to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<(Thing, Option<String>)>,
}

/// What is no file of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// A user's line in `/etc/shadow`.
    Shadow(String),
    /// The kernel's hostname.
    Hostname,
}

impl Thing {
    fn describe(&self) -> String {
        match self {
            Self::Shadow(user) => format!("the password of {user}"),
            Self::Hostname => "the hostname".to_owned(),
        }
    }

    fn content(&self, context: &Context<'_>) -> Result<Option<String>, Failure> {
        let content = match self {
            Self::Shadow(user) => super::accounts::shadow(context, user)?.map(|shadow| shadow.line),
            Self::Hostname => context.host.running_hostname(),
        };
        Ok(content.map(|content| sha256_hex(content.as_bytes())))
    }
}

impl Left {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.packages.is_empty() && self.things.is_empty()
    }
}

/// What is there now in place of `prior`.
pub fn left_by(prior: &Prior, context: &Context<'_>) -> Result<Left, Failure> {
    Ok(match prior {
        Prior::Files { files, .. } => {
            let files = files.iter().map(|(path, _)| Ok((path.clone(), content_of(context, path)?)));
            Left { files: files.collect::<Result<_, Failure>>()?, ..Left::default() }
        }
        Prior::Packages { status, .. } => Left { packages: changes_since(context, status)?, ..Left::default() },
        Prior::Shadow { user, .. } => left_thing(Thing::Shadow(user.clone()), context)?,
        Prior::Hostname { .. } if context.host.is_live() => left_thing(Thing::Hostname, context)?,
        _ => Left::default(),
    })
}

fn left_thing(thing: Thing, context: &Context<'_>) -> Result<Left, Failure> {
    let content = thing.content(context)?;
    Ok(Left { things: vec![(thing, content)], ..Left::default() })
}

fn content_of(context: &Context<'_>, path: &str) -> Result<Option<String>, Failure> {
    let failed = io_failure("look at", path);
    match context.host.status(path).map_err(&failed)? {
        Some(status) if status.kind == FileKind::File => context.host.sha256_of(path).map(Some).map_err(failed),
        _ => Ok(None),
    }
}

/// Paths, and what else there is, that are not any more as the step left them.
pub fn changed_since(left: &Left, context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let mut changed = Vec::new();
    for (path, content) in &left.files {
        if content_of(context, path)? != *content {
            changed.push(path.clone());
        }
    }
    for (thing, content) in &left.things {
        if thing.content(context)? != *content {
            changed.push(thing.describe());
        }
    }
    Ok(changed)
}
