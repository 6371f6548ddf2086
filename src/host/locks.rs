//! Who holds apt's and dpkg's locks.
//!
//! The four files always exist; only the kernel's lock on them means anything, and `F_GETLK` names its holder. They are never
//! deleted: that takes a lock from nobody, and lets two programs in at once.

use std::io;
use std::time::{Duration, Instant};

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::libc;

use super::dpkg::admin_file;
use super::procs::Process;
use super::walk::Links;
use super::{signals, Host};
use crate::error::{Failure, Kind};

/// The locks, the one that is taken first at the front.
pub fn package_locks() -> [String; 4] {
    [admin_file("lock-frontend"), admin_file("lock"), "/var/lib/apt/lists/lock".into(), "/var/cache/apt/archives/lock".into()]
}

const POLL: Duration = Duration::from_millis(500);
/// How often it is said again who is waited for.
const REMIND: Duration = Duration::from_secs(30);

/// A held lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which.
    pub lock: String,
    /// Process id; 0 where it is in another container.
    pub pid: i32,
    /// The process, if it can be seen.
    pub process: Option<Process>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.process {
            Some(process) => write!(f, "{process}"),
            None => write!(f, "process {}", self.pid),
        }
    }
}

impl Host {
    /// Everybody who holds one of the four locks.
    pub fn package_lock_holders(&self) -> io::Result<Vec<Holder>> {
        let mut holders = Vec::new();
        for lock in package_locks() {
            let file = match self.walk(&lock, Links::Any).and_then(|place| place.open(OFlag::O_RDWR, 0)) {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
                file => file?,
            };
            let mut found = libc::flock { l_type: libc::F_WRLCK as libc::c_short, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
            fcntl(&file, FcntlArg::F_GETLK(&mut found))?;
            if found.l_type != libc::F_UNLCK as libc::c_short {
                holders.push(Holder { lock, pid: found.l_pid, process: self.process(found.l_pid) });
            }
        }
        Ok(holders)
    }

    /// Waits until nobody holds any of them, saying whom it waits for: at once, and again from time to time.
    pub fn wait_for_package_locks(&self, limit: Duration, say: &dyn Fn(&str)) -> Result<(), Failure> {
        let start = Instant::now();
        let mut said: Option<(String, Instant)> = None;
        loop {
            let holders = self.package_lock_holders().map_err(|error| Failure::io("package locks", &error))?;
            let Some(holder) = holders.first() else { return Ok(()) };
            let name = holder.to_string();
            if start.elapsed() >= limit {
                let message = format!("{name} holds {} for more than {} s", holder.lock, limit.as_secs());
                let hint = format!("let {name} finish or stop it; then `landfall resume`");
                return Err(Failure::new(Kind::Lock, message).hint(hint));
            }
            if said.as_ref().is_none_or(|(before, when)| *before != name || when.elapsed() >= REMIND) {
                say(&format!("waiting for {name}, which holds {}", holder.lock));
                said = Some((name, Instant::now()));
            }
            if !signals::sleep(POLL) {
                return Err(Failure::new(Kind::Interrupted, "stopped while it waited for the package locks"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    use std::sync::Mutex;

    #[test]
    fn the_holder_of_a_lock_is_named_and_waited_for() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        assert_eq!(host.package_lock_holders().expect("none"), []);
        std::fs::create_dir_all(dir.path().join("var/lib/dpkg")).expect("directories");
        let path = dir.path().join("var/lib/dpkg/lock-frontend");
        std::fs::write(&path, "").expect("write");
        assert_eq!(host.package_lock_holders().expect("free"), []);
        let script = "use Fcntl; open(my $f, '+>>', $ARGV[0]); my $whole = pack('s s x![q] q q i x![q]', F_WRLCK, 0, 0, 0, 0); \
                      fcntl($f, F_SETLK, $whole) or die; $| = 1; print qq(held\\n); sleep 1;";
        let Ok(mut holder) = Command::new("perl").args(["-e", script]).arg(&path).stdout(Stdio::piped()).spawn() else { return };
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("pipe")).read_line(&mut line).expect("read");
        let pid = i32::try_from(holder.id()).expect("pid");
        let found = host.package_lock_holders().expect("held");
        assert_eq!((found[0].pid, found[0].lock.as_str(), found.len()), (pid, "/var/lib/dpkg/lock-frontend", 1));
        let failure = host.wait_for_package_locks(Duration::ZERO, &|_| {}).expect_err("too long");
        assert!(failure.kind == Kind::Lock && failure.transient && failure.message.contains(&format!("pid {pid}")), "{failure}");
        let said = Mutex::new(Vec::new());
        host.wait_for_package_locks(Duration::from_secs(20), &|text| said.lock().expect("lock").push(text.to_owned())).expect("free again");
        assert!(said.lock().expect("lock")[0].starts_with("waiting for perl"), "{said:?}");
        holder.wait().expect("end");
    }
}
