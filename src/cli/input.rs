//! What is named on the command line: user-data, as a path, an address or `-` for stdin, and the root directory of a system.

use std::io::Read as _;

use super::Refusal;
use crate::error::exit;
use crate::host::net::{is_address, Request};
use crate::host::Host;
use crate::run::Source;

/// More than any user-data: a disk image by mistake is refused, not read.
const MOST: u64 = 64 << 20;

/// What it is called where it is shown: an address without what may let in.
pub(super) fn shown(name: &str) -> String {
    if is_address(name) {
        return crate::redact::url(name);
    }
    name.to_owned()
}

/// User-data for a plan.
pub(super) fn source(name: &str, first_boot: bool) -> Result<Source, Refusal> {
    Ok(Source::File { name: shown(name), bytes: read(name)?, first_boot })
}

/// Reads it.
pub(super) fn read(name: &str) -> Result<Vec<u8>, Refusal> {
    if is_address(name) {
        return Ok(Host::default().fetch(&Request::new(name, MOST))?);
    }
    let refused = |why: String| Refusal::new(exit::USAGE, format!("{name}: {why}"));
    let mut bytes = Vec::new();
    if name == "-" {
        std::io::stdin().lock().take(MOST + 1).read_to_end(&mut bytes).map_err(|error| refused(error.to_string()))?;
    } else {
        bytes = crate::host::files::read_input(std::path::Path::new(name), MOST + 1).map_err(|error| refused(error.to_string()))?;
    }
    if bytes.len() as u64 > MOST {
        return Err(refused(format!("more than {} MiB; is this user-data?", MOST >> 20)));
    }
    Ok(bytes)
}

/// The system below `--root`, which has to be there: nobody means to provision a directory that a typo names.
pub(super) fn root(directory: &std::path::Path) -> Result<Host, Refusal> {
    let host = Host::rooted(directory);
    if host.exists("/") {
        return Ok(host);
    }
    let refusal = Refusal::new(exit::USAGE, format!("--root {}: there is no such directory", directory.display()));
    Err(refusal.help("give the directory that the system's root is in, as `debootstrap` made it or an image is mounted on"))
}
