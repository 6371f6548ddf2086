//! `landfall clean`: forgets the run and the instance, so that the next boot provisions this host anew.

use clap::Args;
use serde::Serialize;

use crate::datasource;
use crate::error::exit;
use crate::host::files::Attributes;
use crate::host::log::LOG_FILE;
use crate::host::runlock::Take;
use crate::host::Host;
use crate::identity::STATE;
use crate::run::RUNTIME;

use super::refusal::require_root;
use super::{out, Answer, Refusal, TextOrJson};
use crate::ordered::sort_by_key;

/// Files that other software reads, kept in standalone mode.
const CLOUD: &str = "/var/lib/cloud";

/// `landfall clean`.
#[derive(Debug, Args)]
pub struct CleanArgs {
    /// The log files too
    #[arg(long, short)]
    pub(super) logs: bool,
    /// The seed directory too (/var/lib/cloud/seed)
    #[arg(long, short)]
    pub(super) seed: bool,
    /// Make the machine-id anew at the next boot (for images)
    #[arg(long)]
    pub(super) machine_id: bool,
    /// How what was removed is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub(super) format: TextOrJson,
}

#[derive(Debug, Serialize)]
struct Cleaned {
    removed: Vec<String>,
}

/// Forgets, and says what was removed.
pub fn clean(args: &CleanArgs, host: &Host) -> Answer {
    let removed = forget(args, host)?;
    match args.format {
        TextOrJson::Json => out::json(&Cleaned { removed }),
        TextOrJson::Text => {
            for path in &removed {
                out::print(&format!("removed {path}\n"));
            }
            out::print("the next boot provisions this host anew, if it has a datasource\n");
            Ok(exit::OK)
        }
    }
}

/// Forgets; what was removed.
pub(super) fn forget(args: &CleanArgs, host: &Host) -> Result<Vec<String>, Refusal> {
    require_root("clean")?;
    let failed = |error: std::io::Error| Refusal::new(exit::FAILED, error.to_string());
    let _lock = match host.try_take_run_lock("landfall clean").map_err(failed)? {
        Take::Taken(lock) => lock,
        _ => return Err(Refusal::new(exit::LOCKED, "a run holds the lock").help("see `landfall unlock`")),
    };
    let mut removed = Vec::new();
    for path in targets(args, host).map_err(failed)? {
        if host.remove_tree(&path).map_err(failed)? {
            removed.push(path);
        }
    }
    if args.machine_id {
        host.write("/etc/machine-id", b"uninitialized\n", Attributes { mode: 0o444, uid: 0, gid: 0 }).map_err(failed)?;
        removed.push("/etc/machine-id".into());
    }
    Ok(removed)
}

/// What is removed. The identity goes last: while it is there, a clean that was cut off can be told from a new host.
fn targets(args: &CleanArgs, host: &Host) -> std::io::Result<Vec<String>> {
    let below = |directory: &str| -> std::io::Result<Vec<String>> {
        Ok(host.list(directory)?.into_iter().map(|name| format!("{directory}/{name}")).collect())
    };
    // The lock stays, we hold it; a volume may be mounted.
    let mut paths: Vec<String> =
        below(RUNTIME)?.into_iter().filter(|path| !path.ends_with("/lock") && !path.ends_with("/volume")).collect();
    if datasource::hosted(host).is_none() {
        paths.extend(below(CLOUD)?.into_iter().filter(|path| args.seed || !path.ends_with("/seed")));
        // What says that a run has ended.
        paths.extend(["status.json", "result.json", "boot-finished"].map(|name| format!("/run/cloud-init/{name}")));
    }
    if args.logs {
        paths.extend(below("/var/log")?.into_iter().filter(|path| path == LOG_FILE || path.starts_with(&format!("{LOG_FILE}."))));
    }
    let mut state = below(STATE)?;
    sort_by_key(&mut state, |path| path == crate::identity::HOST_FILE);
    paths.extend(state);
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(files: &[&str], args: &CleanArgs) -> Vec<String> {
        let dir = tempfile::tempdir().expect("dir");
        for path in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, "").expect("write");
        }
        let host = Host::rooted(dir.path());
        targets(args, &host).expect("targets").into_iter().filter(|path| host.exists(path)).collect()
    }

    #[test]
    fn everything_of_the_instance_goes_and_the_identity_goes_last() {
        let args = CleanArgs { logs: false, seed: false, machine_id: false, format: TextOrJson::Text };
        let files =
            ["var/lib/landfall/host.json", "var/lib/landfall/once", "var/lib/landfall/instances/i/plan.json", "var/log/landfall.log"];
        assert_eq!(cleaned(&files, &args), ["/var/lib/landfall/instances", "/var/lib/landfall/once", "/var/lib/landfall/host.json"]);
        let logs = CleanArgs { logs: true, ..args };
        assert_eq!(cleaned(&["var/log/landfall.log", "var/log/landfall.log.1.gz", "var/log/syslog"], &logs).len(), 2);
    }

    #[test]
    fn cloud_inits_own_state_and_the_seed_are_left_alone() {
        let args = CleanArgs { logs: false, seed: false, machine_id: false, format: TextOrJson::Text };
        let files = ["var/lib/cloud/data/instance-id", "var/lib/cloud/seed/nocloud/user-data", "run/cloud-init/result.json"];
        assert_eq!(cleaned(&files, &args), ["/var/lib/cloud/data", "/run/cloud-init/result.json"]);
        assert!(cleaned(&[&files[..], &["usr/bin/cloud-init"]].concat(), &args).is_empty());
        let seed = CleanArgs { seed: true, ..args };
        assert_eq!(cleaned(&files, &seed), ["/var/lib/cloud/data", "/var/lib/cloud/seed", "/run/cloud-init/result.json"]);
    }
}
