//! Files from elsewhere.

use std::collections::BTreeMap;

use super::files::{append, append_again, has_attributes, io_failure, target_directory, write, write_from};
use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::hash::sha256_hex;
use crate::host::net;
use crate::plan::operation::{Checksum, WriteFile};
use crate::plan::Operation;
use crate::secret::Secret;

/// What is appended is held in memory; more is not.
const APPEND_LIMIT: u64 = 512 << 20;

/// A download as the plan has it.
pub(super) struct Download<'o> {
    pub url: &'o str,
    pub headers: &'o BTreeMap<String, Secret<String>>,
    pub file: &'o WriteFile,
    pub append: bool,
    pub checksum: Option<&'o Checksum>,
}

/// The bytes to be written, in a file of the host.
struct Source {
    path: String,
    /// It is landfall's own, and goes when it has been written.
    is_own: bool,
    resumed: bool,
}

/// The name of the file that is fetched into: it stays the same as long as address and target do.
pub fn partial_name(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Download { url, file, .. } => Some(partial_of(url, file)),
        _ => None,
    }
}

fn partial_of(url: &str, file: &WriteFile) -> String {
    sha256_hex(format!("{url}\n{}", file.path).as_bytes())[..32].to_owned()
}

/// The file has the checksum, mode and owner it is to have.
pub(super) fn check(context: &Context<'_>, file: &WriteFile, checksum: &Checksum) -> Result<Checked, Failure> {
    let Some(target) = has_attributes(context, file)? else { return Ok(Checked::Needed) };
    Ok(Checked::satisfied_if(matches(context, &target, checksum)?))
}

fn matches(context: &Context<'_>, path: &str, checksum: &Checksum) -> Result<bool, Failure> {
    let (found, wanted) = match checksum {
        Checksum::Sha256(wanted) => (context.host.sha256_of(path), wanted),
        Checksum::Sha512(wanted) => (context.host.sha512_of(path), wanted),
    };
    Ok(found.map_err(io_failure("read", path))? == *wanted)
}

/// Fetches and writes; after an interruption an addition that is there already is not made again.
pub(super) fn download(context: &Context<'_>, download: &Download<'_>, interrupted: Option<&Prior>) -> Result<Effect, Failure> {
    let source = fetch(context, download)?;
    if let Some(checksum) = download.checksum {
        if !matches(context, &source.path, checksum)? {
            return Err(wrong(context, download, &source)?);
        }
    }
    let effect = if download.append {
        let size = context.host.status(&source.path).map_err(io_failure("look at", &source.path))?.map_or(0, |status| status.size);
        if size > APPEND_LIMIT {
            let message = format!("{} is larger than {APPEND_LIMIT} bytes: it is not appended", crate::redact::url(download.url));
            return Err(Failure::new(Kind::Input, message));
        }
        let bytes = context.host.read(&source.path).map_err(io_failure("read", &source.path))?.unwrap_or_default();
        add(context, download.file, &bytes, interrupted)?
    } else {
        write_from(context, download.file, &source.path)?
    };
    discard(context, &source)?;
    Ok(effect)
}

fn discard(context: &Context<'_>, source: &Source) -> Result<(), Failure> {
    if source.is_own {
        context.host.discard_download(&source.path).map_err(io_failure("remove", &source.path))?;
    }
    Ok(())
}

fn add(context: &Context<'_>, file: &WriteFile, bytes: &[u8], interrupted: Option<&Prior>) -> Result<Effect, Failure> {
    match interrupted {
        Some(prior) => append_again(context, file, bytes, prior),
        None => append(context, file, bytes),
    }
}

/// The bytes are not those that were meant. What was put together from two attempts is had once more, whole.
fn wrong(context: &Context<'_>, download: &Download<'_>, source: &Source) -> Result<Failure, Failure> {
    discard(context, source)?;
    let message =
        format!("{} has not the checksum that the user-data says: {} is not written", crate::redact::url(download.url), download.file.path);
    let failure = Failure::new(Kind::PackageCorrupt, message).transient(source.resumed);
    Ok(failure.hint(
        "see whether the address has another file now: correct the checksum or the address (`landfall apply FILE`); else `landfall resume`",
    ))
}

fn fetch(context: &Context<'_>, download: &Download<'_>) -> Result<Source, Failure> {
    if let Some(path) = local_path(download.url) {
        return match context.host.status(path).map_err(io_failure("look at", path))? {
            Some(_) if context.host.exists(path) => Ok(Source { path: path.to_owned(), is_own: false, resumed: false }),
            _ => Err(Failure::new(Kind::NotFound, format!("{path} does not exist"))),
        };
    }
    if !["http://", "https://"].iter().any(|scheme| download.url.starts_with(scheme)) {
        let message = format!("{}: only http, https and file can be read", crate::redact::url(download.url));
        return Err(Failure::new(Kind::Input, message));
    }
    let mut request = net::Request::new(download.url, u64::MAX);
    request.headers.clone_from(download.headers);
    request.deadline = context.deadline.left().unwrap_or(request.deadline);
    let path = format!("{}/{}", context.downloads, partial_of(download.url, download.file));
    let room = target_directory(context, &download.file.path)?;
    let downloaded = context.host.download(&request, &path, Some(&room))?;
    Ok(Source { path, is_own: true, resumed: downloaded.resumed })
}

/// Whether the plan has something for the case that all attempts are in vain.
pub fn has_fallback(operation: &Operation) -> bool {
    matches!(operation, Operation::Download { file, .. } if !file.content.expose().0.is_empty())
}

/// Writes the content that the user-data gives beside the address, with a warning.
pub fn fall_back(operation: &Operation, failure: &Failure, interrupted: Option<&Prior>, context: &Context<'_>) -> Result<Effect, Failure> {
    let Operation::Download { file, append, .. } = operation else { return Err(failure.clone()) };
    let content = &file.content.expose().0;
    let mut effect = if *append { add(context, file, content, interrupted)? } else { write(context, file, content)? };
    effect.warnings.push(format!("{}; the content given in the user-data is used", failure.message));
    Ok(effect)
}

/// The path of a `file:` URL, or of what is a path already.
pub(crate) fn local_path(url: &str) -> Option<&str> {
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
