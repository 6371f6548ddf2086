//! SIGTERM, SIGINT and SIGHUP ask the run to stop; SIGCHLD wakes whoever waits for a child.
//!
//! A handler raises the signal's flag and writes into a pipe; whoever waits or asks looks there, and whatever takes long does one
//! or the other; so systemd, too, gets to know there that landfall goes on. No signal is ever blocked: children would inherit that, and a shell's `kill` or `timeout` would be in vain.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

use super::watchdog;

/// What asks to stop.
const STOPS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

struct Shared {
    arrived: [Arc<AtomicBool>; STOPS.len()],
    /// Readable while there is a signal that nobody has been woken by.
    wake: UnixStream,
    stop: Mutex<Option<Signal>>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
/// Process groups of the children that run now, for the second signal.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// How many wait at once, if more than one does: a signal wakes one of them, the others have to look.
static LANES: AtomicUsize = AtomicUsize::new(0);
/// Nothing that is watched for takes longer than this to be noticed where no signal tells.
const POLL: Duration = Duration::from_millis(500);
const POLL_BESIDE_OTHERS: Duration = Duration::from_millis(20);
const POLL_WITHOUT_SIGNALS: Duration = Duration::from_millis(5);

/// Begins to watch. A second call changes nothing.
pub fn install() -> io::Result<()> {
    if SHARED.get().is_some() {
        return Ok(());
    }
    let (wake, written) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let arrived: [Arc<AtomicBool>; STOPS.len()] = Default::default();
    for (signal, flag) in STOPS.iter().zip(&arrived) {
        signal_hook::flag::register(*signal as i32, Arc::clone(flag))?;
    }
    for signal in STOPS.iter().chain([&Signal::SIGCHLD]) {
        signal_hook::low_level::pipe::register(*signal as i32, written.try_clone()?)?;
    }
    let _ = SHARED.set(Shared { arrived, wake, stop: Mutex::new(None) });
    Ok(())
}

impl Shared {
    /// Takes in what has arrived. The second signal that asks to stop ends it all.
    fn stop(&self) -> Option<Signal> {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        for (signal, arrived) in STOPS.iter().zip(&self.arrived) {
            if !arrived.swap(false, Ordering::SeqCst) {
                continue;
            }
            if stop.is_some() {
                for group in &*RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
                    let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
                }
                std::process::exit(128 + *signal as i32);
            }
            *stop = Some(*signal);
        }
        *stop
    }
}

/// The signal that asked to stop, if one has.
pub fn stop_requested() -> Option<Signal> {
    watchdog::goes_on();
    SHARED.get()?.stop()
}

/// Waits until a signal arrives (a child ended, a stop) or `limit` passes. May return early.
pub fn wait(limit: Duration) {
    wait_for(std::iter::empty(), limit);
}

/// The same, and until one of `streams` is ready.
pub(super) fn wait_for<'f>(streams: impl Iterator<Item = (BorrowedFd<'f>, PollFlags)>, limit: Duration) {
    watchdog::goes_on();
    let shared = SHARED.get();
    let limit = limit.min(match shared {
        Some(_) if LANES.load(Ordering::SeqCst) > 1 => POLL_BESIDE_OTHERS,
        Some(_) => POLL,
        None => POLL_WITHOUT_SIGNALS,
    });
    // Rounded up: waiting for less than a millisecond is not waiting.
    let timeout = PollTimeout::try_from(limit + Duration::from_micros(999)).unwrap_or(PollTimeout::ZERO);
    let signals = shared.map(|shared| (shared.wake.as_fd(), PollFlags::POLLIN));
    let mut watched: Vec<PollFd<'_>> = signals.into_iter().chain(streams).map(|(stream, ready)| PollFd::new(stream, ready)).collect();
    let _ = poll(&mut watched, timeout);
    let Some(shared) = shared else { return };
    while matches!((&shared.wake).read(&mut [0; 64]), Ok(64)) {}
    let _ = shared.stop();
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

/// So many threads wait for children from here on.
pub fn set_lanes(lanes: usize) {
    LANES.store(lanes, Ordering::SeqCst);
}

/// The second signal kills this process group.
pub(super) fn group_runs(group: i32) {
    if group > 0 {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
    }
}

/// It has ended.
pub(super) fn group_ended(group: i32) {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&group);
}
