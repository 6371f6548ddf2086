//! `cloud-init-per`: a command that is run once, once per instance or always, for `bootcmd` and boothooks. What has run is marked where
//! cloud-init marks it, whatever its exit code; the mark is on the disk before this ends.

use super::super::{out, refusal, Answer, Refusal};
use crate::compat::CLOUD;
use crate::error::exit;
use crate::host::files::Attributes;
use crate::host::Host;

const USAGE: &str = "usage: cloud-init-per FREQUENCY NAME COMMAND [ARGUMENT...]\n\n\
    Runs COMMAND unless the mark NAME says that it has run:\n  \
    once      on this host\n  instance  as this instance\n  always    it is run each time\n";

/// Runs the command of a command line.
pub fn per(words: &[String], host: &Host) -> Answer {
    if words.first().is_some_and(|word| ["-h", "--help"].contains(&word.as_str())) {
        out::print(USAGE);
        return Ok(exit::OK);
    }
    let [frequency, name, command @ ..] = words else { return Err(wrong("a frequency, a name and a command are required")) };
    if command.is_empty() {
        return Err(wrong("a command is required"));
    }
    if name.contains('/') {
        return Err(wrong(format!("`{name}` is no name: it has a slash")));
    }
    if refusal::require_root("cloud-init-per").is_err() {
        return Err(Refusal::new(exit::NEEDS_ROOT, "`cloud-init-per` needs root"));
    }
    let place = match frequency.as_str() {
        "once" | "always" => CLOUD.to_owned(),
        "instance" => instance(host)?,
        _ => return Err(wrong(format!("`{frequency}` is no frequency: once, instance and always are"))),
    };
    let mark = format!("{place}/sem/bootper.{}.{frequency}", name.split_whitespace().collect::<Vec<_>>().join(" ").replace('-', "_"));
    let failed = |error: std::io::Error| Refusal::new(exit::FAILED, format!("{mark}: {error}"));
    host.make_directories(&format!("{place}/sem"), Attributes::own(0o755)).map_err(failed)?;
    // Releases of long ago wrote dashes.
    if frequency != "always" && (host.exists(&mark) || host.exists(&mark.replace('_', "-"))) {
        return Ok(exit::OK);
    }
    let code = host.run_here(command)?;
    host.write(&mark, format!("{code}\t{:.0}\n", host.now().floor()).as_bytes(), Attributes::own(0o644)).map_err(failed)?;
    Ok(u8::try_from(code).unwrap_or(exit::FAILED))
}

fn wrong(what: impl Into<String>) -> Refusal {
    Refusal::new(exit::FAILED, what).help(USAGE.trim_end())
}

/// A directory of that name would be in the way of the link to the next instance.
fn instance(host: &Host) -> Result<String, Refusal> {
    let link = format!("{CLOUD}/instance");
    if host.exists(&link) {
        return Ok(link);
    }
    Err(Refusal::new(exit::FAILED, format!("there is no instance yet: {link} does not exist")).help("use `once` or `always`"))
}
