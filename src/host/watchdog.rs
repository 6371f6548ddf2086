//! systemd is told that landfall goes on, so that one that hangs is ended and started again.
//!
//! systemd's own watchdog (`WatchdogSec=`) watches a service that has started, which a oneshot never is while it works. What it
//! does for one that is starting is to end it after `TimeoutStartSec=`, unless it asks for more time: `EXTEND_TIMEOUT_USEC=` of
//! sd_notify(3). So the units have both, of one length, and whatever waits or asks for a stop asks for more time here.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Whom to tell, and how often.
struct Watchdog {
    socket: UnixDatagram,
    address: SocketAddr,
    /// What is asked for each time.
    limit: Duration,
    told: Mutex<Instant>,
}

static WATCHDOG: OnceLock<Option<Watchdog>> = OnceLock::new();

/// What the unit says: `WATCHDOG_USEC` is the length of its `WatchdogSec=`, `NOTIFY_SOCKET` where systemd listens.
fn from_environment() -> Option<Watchdog> {
    let variable = |name: &str| std::env::var(name).ok();
    let limit = Duration::from_micros(variable("WATCHDOG_USEC")?.parse().ok()?);
    let name = variable("NOTIFY_SOCKET")?;
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    // A manager that does not listen must not hold us up.
    socket.set_nonblocking(true).ok()?;
    Some(Watchdog { socket, address: address.ok()?, limit, told: Mutex::new(Instant::now()) })
}

/// landfall goes on: asks systemd for more time where a quarter of what it has given is over.
pub(super) fn goes_on() {
    let Some(watchdog) = WATCHDOG.get_or_init(from_environment) else { return };
    let mut told = watchdog.told.lock().unwrap_or_else(PoisonError::into_inner);
    if told.elapsed() < watchdog.limit / 4 {
        return;
    }
    *told = Instant::now();
    let request = format!("EXTEND_TIMEOUT_USEC={}\n", watchdog.limit.as_micros());
    // What is not heard is asked again the next time.
    let _ = watchdog.socket.send_to_addr(request.as_bytes(), &watchdog.address);
}
