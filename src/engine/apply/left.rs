//! What a step left behind: undoing and `drift` tell by it what has been changed since by somebody else.

use serde::{Deserialize, Serialize};

use super::files::io_failure;
use super::packages::changes_since;
use super::{Context, Prior};
use crate::error::Failure;
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
}

impl Left {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.packages.is_empty()
    }
}

/// What is there now in place of `prior`.
pub fn left_by(prior: &Prior, context: &Context<'_>) -> Result<Left, Failure> {
    Ok(match prior {
        Prior::Files { files, .. } => {
            let files = files.iter().map(|(path, _)| Ok((path.clone(), content_of(context, path)?)));
            Left { files: files.collect::<Result<_, Failure>>()?, packages: Vec::new() }
        }
        Prior::Packages { status, .. } => Left { files: Vec::new(), packages: changes_since(context, status)? },
        _ => Left::default(),
    })
}

fn content_of(context: &Context<'_>, path: &str) -> Result<Option<String>, Failure> {
    let failed = io_failure("look at", path);
    match context.host.status(path).map_err(&failed)? {
        Some(status) if status.kind == FileKind::File => context.host.sha256_of(path).map(Some).map_err(failed),
        _ => Ok(None),
    }
}

/// Paths that are not any more as the step left them.
pub fn changed_since(left: &Left, context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let mut changed = Vec::new();
    for (path, content) in &left.files {
        if content_of(context, path)? != *content {
            changed.push(path.clone());
        }
    }
    Ok(changed)
}
