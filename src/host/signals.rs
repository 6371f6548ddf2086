//! SIGTERM, SIGINT and SIGHUP ask the run to stop; SIGCHLD wakes whoever waits for a child.
//!
//! One thread waits for all of them; nothing runs in a signal handler.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{killpg, SigSet, Signal};
use nix::unistd::Pid;

struct Shared {
    stop: Mutex<Option<Signal>>,
    changed: Condvar,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
/// Process group of the child that runs now, for the second signal.
static RUNNING: AtomicI32 = AtomicI32::new(0);
/// Nothing that is watched for takes longer than this to be noticed where no signal tells.
const POLL: Duration = Duration::from_millis(500);
const POLL_WITHOUT_SIGNALS: Duration = Duration::from_millis(5);

/// Starts the watching thread. Must be called before any other thread exists; children start with an empty mask again
/// (the standard library sees to it).
pub fn install() -> std::io::Result<()> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        set.add(signal);
    }
    set.thread_block()?;
    if SHARED.set(Shared { stop: Mutex::new(None), changed: Condvar::new() }).is_err() {
        return Ok(());
    }
    std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || watch(&set))?;
    Ok(())
}

fn watch(set: &SigSet) {
    let Some(shared) = SHARED.get() else { return };
    while let Ok(signal) = set.wait() {
        let mut stop = shared.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if signal != Signal::SIGCHLD {
            if stop.is_some() {
                let group = RUNNING.load(Ordering::SeqCst);
                if group > 0 {
                    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                }
                std::process::exit(128 + signal as i32);
            }
            *stop = Some(signal);
        }
        shared.changed.notify_all();
    }
}

/// The signal that asked to stop, if one has.
pub fn stop_requested() -> Option<Signal> {
    *SHARED.get()?.stop.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a signal arrives (a child ended, a stop) or `limit` passes. May return early.
pub fn wait(limit: Duration) {
    match SHARED.get() {
        Some(shared) => {
            let stop = shared.stop.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = shared.changed.wait_timeout(stop, limit.min(POLL));
        }
        None => std::thread::sleep(limit.min(POLL_WITHOUT_SIGNALS)),
    }
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
