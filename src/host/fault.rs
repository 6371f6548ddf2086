//! Named points at which the power suite cuts, and saboteurs it must catch. Compiled to nothing without the `faults` feature.

/// Dies here if the environment asks for it: `LANDFALL_CUT_AT=NAME[:N]` cuts at the N-th time (from 1) the point is reached.
/// What the cut is, `LANDFALL_CUT_BY` says: a command run at that instant (the suite's power switch); without it, abort.
#[inline]
pub fn point(name: &str) {
    #[cfg(feature = "faults")]
    armed::point(name);
    #[cfg(not(feature = "faults"))]
    let _ = name;
}

/// Whether a saboteur is at work: `LANDFALL_SABOTAGE=no-syncfs,no-record-fsync,outcome-first`.
#[inline]
pub fn sabotaged(what: &str) -> bool {
    #[cfg(feature = "faults")]
    return armed::sabotaged(what);
    #[cfg(not(feature = "faults"))]
    {
        let _ = what;
        false
    }
}

#[cfg(feature = "faults")]
mod armed {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::OnceLock;

    fn setting(name: &str) -> Option<String> {
        if let Ok(value) = std::env::var(name) {
            return Some(value);
        }
        let text = std::fs::read_to_string("/run/landfall-faults").ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    }

    pub fn sabotaged(what: &str) -> bool {
        static SABOTAGE: OnceLock<String> = OnceLock::new();
        SABOTAGE.get_or_init(|| setting("LANDFALL_SABOTAGE").unwrap_or_default()).split(',').any(|one| one == what)
    }

    pub fn point(name: &str) {
        static TARGET: OnceLock<Option<(String, u32)>> = OnceLock::new();
        static REACHED: AtomicU32 = AtomicU32::new(0);
        let target = TARGET.get_or_init(|| {
            let text = setting("LANDFALL_CUT_AT")?;
            Some(match text.split_once(':') {
                Some((name, number)) => (name.to_owned(), number.parse().unwrap_or(1)),
                None => (text, 1),
            })
        });
        let Some((wanted, number)) = target else { return };
        if name != wanted || REACHED.fetch_add(1, Ordering::SeqCst) + 1 != *number {
            return;
        }
        if let Some(command) = setting("LANDFALL_CUT_BY") {
            let _ = std::process::Command::new("/bin/sh").arg("-c").arg(command).status();
            std::thread::sleep(std::time::Duration::from_secs(3600));
        }
        std::process::abort();
    }
}
