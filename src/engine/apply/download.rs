//! Files from elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::files::{append, append_again, io_failure, write};
use super::{Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::{net, signals};
use crate::plan::operation::WriteFile;
use crate::secret::Secret;

/// More is not held in memory.
const LIMIT: u64 = 512 << 20;
/// How often a source is tried that has a content to fall back on; the engine's own attempts are for those that have none.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(3);

/// A download as the plan has it.
pub(super) struct Download<'o> {
    pub url: &'o str,
    pub headers: &'o BTreeMap<String, Secret<String>>,
    pub file: &'o WriteFile,
    pub append: bool,
}

/// Fetches and writes; after an interruption an addition that is there already is not made again.
pub(super) fn download(context: &Context<'_>, download: &Download<'_>, interrupted: Option<&Prior>) -> Result<Effect, Failure> {
    let fallback = &download.file.content.expose().0;
    let mut effect = Effect::default();
    let bytes = match fetch(context, download, if fallback.is_empty() { 1 } else { TRIES }) {
        Ok(bytes) => bytes,
        Err(failure) if fallback.is_empty() || failure.kind == Kind::Interrupted => return Err(failure),
        Err(failure) => {
            effect.warnings.push(format!("{}; the content given in the user-data is used", failure.message));
            fallback.clone()
        }
    };
    match interrupted {
        Some(prior) if download.append => append_again(context, download.file, &bytes, prior)?,
        _ if download.append => append(context, download.file, &bytes)?,
        _ => write(context, download.file, &bytes)?,
    };
    Ok(effect)
}

fn fetch(context: &Context<'_>, download: &Download<'_>, tries: u32) -> Result<Vec<u8>, Failure> {
    if let Some(path) = local_path(download.url) {
        let read = context.host.read(path).map_err(io_failure("read", path))?;
        return read.ok_or_else(|| Failure::new(Kind::NotFound, format!("{path} does not exist")));
    }
    if !["http://", "https://"].iter().any(|scheme| download.url.starts_with(scheme)) {
        let message = format!("{}: only http, https and file can be read", crate::redact::url(download.url));
        return Err(Failure::new(Kind::Input, message));
    }
    let mut request = net::Request::new(download.url, LIMIT);
    request.headers.clone_from(download.headers);
    request.deadline = context.deadline.unwrap_or(request.deadline);
    for _ in 1..tries {
        match context.host.fetch(&request) {
            Err(failure) if failure.transient && signals::sleep(PAUSE) => {}
            other => return other,
        }
    }
    context.host.fetch(&request)
}

/// The path of a `file:` URL, or of what is a path already.
fn local_path(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("file:").unwrap_or(url);
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_host_are_named_in_several_ways() {
        for (url, path) in [
            ("file:///etc/motd", Some("/etc/motd")),
            ("file:/etc/motd", Some("/etc/motd")),
            ("file://localhost/etc/motd", Some("/etc/motd")),
            ("/etc/motd", Some("/etc/motd")),
            ("http://host/etc/motd", None),
            ("etc/motd", None),
        ] {
            assert_eq!(local_path(url), path);
        }
    }
}
