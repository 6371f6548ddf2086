//! The run lock: one landfall changes a host at a time.
//!
//! A kernel lock (flock) on `/run/landfall/lock`, so that it ends with its holder, however that ends. The file says who holds
//! it; it is 0600, because whoever can open it can lock it.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::time::{Duration, Instant};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::files::Attributes;
use super::{signals, Host};

/// Directory of the runtime state.
pub const RUNTIME: &str = "/run/landfall";
const LOCK: &str = "lock";
/// How often a held lock is tried again.
const POLL: Duration = Duration::from_millis(50);

/// Who holds the run lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: i32,
    /// Start time of the process in clock ticks since boot.
    pub started: u64,
    /// The boot it was taken in.
    pub boot_id: String,
    /// What was run.
    pub command: String,
    /// When it was taken, in seconds since 1970.
    pub since: f64,
}

/// The lock, held. Dropping it gives it back.
#[derive(Debug)]
pub struct RunLock {
    file: Flock<std::fs::File>,
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

/// What came of asking for the lock.
#[derive(Debug)]
pub enum Take {
    /// It is ours.
    Taken(RunLock),
    /// Another run has it; who is not known in the instant in which it takes it.
    Held(Option<Owner>),
    /// A stop was asked for while it was waited for.
    Stopped,
}

impl Host {
    fn open_lock(&self) -> io::Result<std::fs::File> {
        self.make_directories(RUNTIME, Attributes::own(0o755))?;
        let path = self.inside(RUNTIME)?.join(LOCK);
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(file.into_parts().0)
    }

    /// Takes the lock if it is free. `command` is what others are told.
    pub fn try_take_run_lock(&self, command: &str) -> io::Result<Take> {
        match Flock::lock(self.open_lock()?, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                self.sign(&mut file, command)?;
                Ok(Take::Taken(RunLock { file }))
            }
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => Ok(Take::Held(self.owner_in(&mut file))),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Takes the lock, waiting for its holder as long as `limit` says (for ever, by default) or until a stop is asked for.
    /// `held` is told once by whom, and says whether that is waited for.
    pub fn wait_take_run_lock(&self, command: &str, limit: Option<Duration>, held: &dyn Fn(&Owner) -> bool) -> io::Result<Take> {
        let start = Instant::now();
        let mut told = false;
        loop {
            match self.try_take_run_lock(command)? {
                Take::Held(owner) => {
                    let waits = match &owner {
                        Some(owner) if !told => {
                            told = true;
                            held(owner)
                        }
                        _ => true,
                    };
                    if !waits || limit.is_some_and(|limit| start.elapsed() >= limit) {
                        return Ok(Take::Held(owner));
                    }
                }
                other => return Ok(other),
            }
            if !signals::sleep(POLL) {
                return Ok(Take::Stopped);
            }
        }
    }

    /// Whether a run has ever asked for the lock since the host booted: no other can hold it.
    pub fn has_run_lock(&self) -> bool {
        self.inside(RUNTIME).is_ok_and(|directory| directory.join(LOCK).exists())
    }

    /// Who holds the lock now: a record whose process is gone, or was another one, names nobody.
    pub fn run_lock_owner(&self) -> io::Result<Option<Owner>> {
        let Ok(directory) = self.inside(RUNTIME) else { return Ok(None) };
        match fs::File::open(directory.join(LOCK)) {
            Ok(file) => Ok(self.owner_in(&mut file.into_parts().0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes who we are; a longer record of an earlier holder is cut off afterwards, the first value is the one that counts.
    fn sign(&self, file: &mut std::fs::File, command: &str) -> io::Result<()> {
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        let started = self.process_start(pid).unwrap_or(0);
        let owner = Owner { pid, started, boot_id: self.boot_id(), command: command.to_owned(), since: self.now() };
        let line = serde_json::to_string(&owner)? + "\n";
        file.rewind()?;
        file.write_all(line.as_bytes())?;
        file.set_len(line.len() as u64)
    }

    fn owner_in(&self, file: &mut std::fs::File) -> Option<Owner> {
        let mut text = String::new();
        file.rewind().ok()?;
        file.read_to_string(&mut text).ok()?;
        let owner: Owner = serde_json::Deserializer::from_str(&text).into_iter().next()?.ok()?;
        (owner.boot_id == self.boot_id() && self.is_running(owner.pid, owner.started)).then_some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_has_one_holder_and_says_who() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        assert_eq!(host.run_lock_owner().expect("owner"), None);
        assert!(!host.has_run_lock() && !dir.path().join("run").exists(), "looking leaves nothing behind");
        let Take::Taken(lock) = host.try_take_run_lock("landfall run").expect("lock") else { panic!("it is free") };
        let Take::Held(Some(owner)) = host.try_take_run_lock("landfall apply").expect("try") else { panic!("it is held") };
        assert_eq!((owner.pid, owner.command.as_str()), (i32::try_from(std::process::id()).expect("pid"), "landfall run"));
        assert_eq!(host.run_lock_owner().expect("owner"), Some(owner));
        let waited = host.wait_take_run_lock("x", Some(Duration::ZERO), &|_| true).expect("wait");
        assert!(matches!(waited, Take::Held(_)));
        drop(lock);
        assert_eq!(host.run_lock_owner().expect("owner"), None);
        assert!(matches!(host.try_take_run_lock("again").expect("lock"), Take::Taken(_)));
        assert_eq!(host.status("/run/landfall/lock").expect("status").expect("file").attributes.mode, 0o600);
    }

    #[test]
    fn a_record_left_by_a_dead_or_other_process_names_nobody() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        drop(host.try_take_run_lock("x").expect("lock"));
        let me = host.process(i32::try_from(std::process::id()).expect("pid")).expect("me");
        let record = |started: u64, boot_id: String| Owner { pid: me.pid, started, boot_id, command: "x".into(), since: 0.0 };
        for (owner, named) in [
            (record(me.started, host.boot_id()), true),
            (record(me.started + 1, host.boot_id()), false),
            (record(me.started, "other".into()), false),
        ] {
            let text = serde_json::to_string(&owner).expect("json") + "\n{\"torn";
            std::fs::write(dir.path().join("run/landfall/lock"), text).expect("write");
            assert_eq!(host.run_lock_owner().expect("owner").is_some(), named);
        }
    }
}
