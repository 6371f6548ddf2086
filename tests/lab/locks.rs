//! Holding the locks of apt and dpkg in a guest.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

use super::Booted;

impl Booted {
    /// Takes a record lock (fcntl) on a file in the guest, as apt and dpkg do on theirs; returns once it is held.
    #[track_caller]
    pub fn hold_lock(&self, path: &str) -> HeldLock {
        const HOLD: &str = r#"use Fcntl; open(my $f, "+>>", $ARGV[0]) or die "$ARGV[0]: $!";
            my $lock = pack("s s x![q] q q i x![q]", F_WRLCK, 0, 0, 0, 0);
            fcntl($f, F_SETLK, $lock) or die "$ARGV[0]: $!";
            $| = 1; print "held\n"; sleep;"#;
        let mut holder = self.command(&["perl", "-e", HOLD, path]);
        let mut holder = holder.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n", "{path} could not be locked");
        HeldLock(holder)
    }
}

/// A lock that a process in the guest holds until this is dropped.
pub struct HeldLock(Child);

impl Drop for HeldLock {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}
