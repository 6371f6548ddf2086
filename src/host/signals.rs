//! SIGTERM, SIGINT and SIGHUP ask the run to stop; SIGCHLD wakes whoever waits for a child.
//!
//! They stay blocked and are read from a descriptor (signalfd(2)) by whoever waits or asks: whatever takes long does one or the
//! other. Nothing runs in a signal handler.

use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{killpg, SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

struct Shared {
    arrivals: SignalFd,
    stop: Mutex<Option<Signal>>,
    /// A child has ended, and nobody was woken by it yet.
    child_ended: AtomicBool,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
/// Process group of the child that runs now, for the second signal.
static RUNNING: AtomicI32 = AtomicI32::new(0);
/// Nothing that is watched for takes longer than this to be noticed where no signal tells.
const POLL: Duration = Duration::from_millis(500);
const POLL_WITHOUT_SIGNALS: Duration = Duration::from_millis(5);

/// Begins to watch. Must be called before any other thread exists, so that all of them have the signals blocked; children start
/// with an empty mask again (the standard library sees to it).
pub fn install() -> std::io::Result<()> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        set.add(signal);
    }
    set.thread_block()?;
    let arrivals = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    // A second call changes nothing.
    let _ = SHARED.set(Shared { arrivals, stop: Mutex::new(None), child_ended: AtomicBool::new(false) });
    Ok(())
}

impl Shared {
    /// Takes in what has arrived. The second signal that asks to stop ends it all.
    fn stop(&self) -> Option<Signal> {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(Some(arrived)) = self.arrivals.read_signal() {
            let Some(signal) = i32::try_from(arrived.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) else { continue };
            if signal == Signal::SIGCHLD {
                self.child_ended.store(true, Ordering::SeqCst);
                continue;
            }
            if stop.is_some() {
                let group = RUNNING.load(Ordering::SeqCst);
                if group > 0 {
                    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                }
                std::process::exit(128 + signal as i32);
            }
            *stop = Some(signal);
        }
        *stop
    }
}

/// The signal that asked to stop, if one has.
pub fn stop_requested() -> Option<Signal> {
    SHARED.get()?.stop()
}

/// Waits until a signal arrives (a child ended, a stop) or `limit` passes. May return early.
pub fn wait(limit: Duration) {
    let Some(shared) = SHARED.get() else {
        std::thread::sleep(limit.min(POLL_WITHOUT_SIGNALS));
        return;
    };
    if shared.child_ended.swap(false, Ordering::SeqCst) {
        return;
    }
    // Rounded up: waiting for less than a millisecond is not waiting.
    let timeout = limit.min(POLL) + Duration::from_micros(999);
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
    let _ = poll(&mut [PollFd::new(shared.arrivals.as_fd(), PollFlags::POLLIN)], timeout);
    let _ = shared.stop();
    shared.child_ended.store(false, Ordering::SeqCst);
}

/// Sleeps `limit`, or until a stop is asked for; says whether it slept it all.
pub fn sleep(limit: Duration) -> bool {
    let end = std::time::Instant::now() + limit;
    loop {
        if stop_requested().is_some() {
            return false;
        }
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return true;
        }
        wait(left);
    }
}

/// Names the process group that the second signal kills; 0 for none.
pub(super) fn set_running_group(group: i32) {
    RUNNING.store(group, Ordering::SeqCst);
}
