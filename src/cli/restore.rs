//! `landfall restore`: what a file held before landfall changed it.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::error::exit;
use crate::host::Host;
use crate::run::{self, Version};

use super::refusal::require_root;
use super::{out, Answer, Refusal, TextOrJson};

/// `landfall restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file, by its absolute path
    #[arg(value_name = "PATH")]
    path: String,
    /// Show the versions that are kept; change nothing
    #[arg(short, long)]
    list: bool,
    /// Which version: its number in the list; the newest that differs where it is left out
    #[arg(long, value_name = "N", conflicts_with = "list")]
    version: Option<usize>,
    /// Write the version to standard output instead
    #[arg(long, conflicts_with = "list")]
    show: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

#[derive(Serialize)]
struct Listed<'v> {
    number: usize,
    #[serde(flatten)]
    version: &'v Version,
}

/// Restores.
pub fn restore(args: &RestoreArgs, host: &Host) -> Answer {
    require_root("restore")?;
    if !args.path.starts_with('/') {
        return Err(Refusal::new(exit::USAGE, format!("`{}` is not an absolute path", args.path)).help("as in /etc/hosts"));
    }
    let versions = run::versions(host, &args.path)?;
    if versions.is_empty() {
        return Err(Refusal::new(exit::FAILED, format!("no earlier version of {} is kept", args.path))
            .help("landfall keeps what a file held before it changed it, and nothing else"));
    }
    if args.list {
        return list(args.format, &versions);
    }
    let chosen = choose(args, host, &versions)?;
    if args.show {
        let bytes = run::bytes_of(host, chosen)?;
        out::print(&String::from_utf8_lossy(&bytes));
        return Ok(exit::OK);
    }
    run::restore(host, &args.path, chosen)?;
    let said = format!("{} is as it was before step {} of {}", args.path, chosen.step, clock::rfc3339(chosen.time));
    match args.format {
        TextOrJson::Text => out::print(&format!("{said}; what it held until now is kept (`landfall restore --list {}`)\n", args.path)),
        TextOrJson::Json => drop(out::json(chosen)?),
    }
    Ok(exit::OK)
}

fn choose<'v>(args: &RestoreArgs, host: &Host, versions: &'v [Version]) -> Result<&'v Version, Refusal> {
    if let Some(number) = args.version {
        return number.checked_sub(1).and_then(|at| versions.get(at)).ok_or_else(|| {
            Refusal::new(exit::USAGE, format!("there is no version {number}: {} are kept", versions.len())).help("`--list` shows them")
        });
    }
    let differs = |version: &&Version| !run::is_so(host, &args.path, version).unwrap_or(false);
    versions.iter().find(differs).ok_or_else(|| Refusal::new(exit::FAILED, format!("{} is as every version that is kept", args.path)))
}

fn list(format: TextOrJson, versions: &[Version]) -> Answer {
    let listed: Vec<Listed<'_>> = versions.iter().enumerate().map(|(at, version)| Listed { number: at + 1, version }).collect();
    if format == TextOrJson::Json {
        return out::json(&listed);
    }
    let mut text = String::new();
    for Listed { number, version } in listed {
        let what = match &version.sha256 {
            Some(sha256) => format!("{} bytes, {:04o}, {}", version.size, version.mode, &sha256[..12]),
            None => "did not exist".to_owned(),
        };
        let _ = writeln!(text, "{number:>3}. before {} of {}: {what}", version.step, clock::rfc3339(version.time));
    }
    out::print(&text);
    Ok(exit::OK)
}
