//! Named points at which the power suite cuts, and saboteurs it must catch. Compiled to nothing without the `faults` feature.
//!
//! Settings are environment variables, or `NAME=value` lines in `/run/landfall-faults`:
//!
//! | Setting | What it does |
//! |---|---|
//! | `LANDFALL_CUT_AT=POINT[@STEP][:N]` | cuts at the N-th time (from 1) this process reaches the point, in that step if one is named |
//! | `LANDFALL_CUT_BY=COMMAND` | the cut is this command, and then standing still; without it, abort |
//! | `LANDFALL_CUT_MARK=FILE` | made just before the cut; where it exists already there is no cut |
//! | `LANDFALL_FAULT_TRACE=FILE` | every point that is reached is appended, as `POINT@STEP` |
//! | `LANDFALL_SABOTAGE=A,B` | saboteurs: `no-syncfs`, `no-record-fsync`, `outcome-first` |

/// Is cut here if the settings ask for it.
#[inline]
pub fn point(name: &str) {
    #[cfg(feature = "faults")]
    armed::point(name);
    #[cfg(not(feature = "faults"))]
    let _ = name;
}

/// From here on points belong to this step.
#[inline]
pub fn step(id: &str) {
    #[cfg(feature = "faults")]
    armed::step(id);
    #[cfg(not(feature = "faults"))]
    let _ = id;
}

/// Whether a saboteur is at work.
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
    use std::io::Write as _;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Mutex, OnceLock};

    static STEP: Mutex<String> = Mutex::new(String::new());

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

    fn current() -> String {
        STEP.lock().map(|step| step.clone()).unwrap_or_default()
    }

    pub fn step(id: &str) {
        if let Ok(mut step) = STEP.lock() {
            id.clone_into(&mut step);
        }
    }

    /// Point, step if one is named, and which time.
    fn target() -> Option<&'static (String, Option<String>, u32)> {
        static TARGET: OnceLock<Option<(String, Option<String>, u32)>> = OnceLock::new();
        let parsed = TARGET.get_or_init(|| {
            let text = setting("LANDFALL_CUT_AT")?;
            let (rest, number) = match text.rsplit_once(':') {
                Some((rest, digits)) if digits.parse::<u32>().is_ok() => (rest, digits.parse().unwrap_or(1)),
                _ => (text.as_str(), 1),
            };
            Some(match rest.split_once('@') {
                Some((name, step)) => (name.to_owned(), Some(step.to_owned()), number),
                None => (rest.to_owned(), None, number),
            })
        });
        parsed.as_ref()
    }

    pub fn point(name: &str) {
        static REACHED: AtomicU32 = AtomicU32::new(0);
        trace(name);
        let Some((wanted, step, number)) = target() else { return };
        let here = name == wanted && step.as_ref().is_none_or(|step| *step == current());
        if here && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *number {
            cut();
        }
    }

    fn trace(name: &str) {
        static FILE: OnceLock<Option<String>> = OnceLock::new();
        if let Some(file) = FILE.get_or_init(|| setting("LANDFALL_FAULT_TRACE")) {
            if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(file) {
                let _ = file.write_all(format!("{name}@{}\n", current()).as_bytes());
            }
        }
    }

    fn cut() {
        if let Some(mark) = setting("LANDFALL_CUT_MARK") {
            if std::fs::OpenOptions::new().write(true).create_new(true).open(mark).is_err() {
                return;
            }
        }
        if let Some(command) = setting("LANDFALL_CUT_BY") {
            let _ = std::process::Command::new("/bin/sh").arg("-c").arg(command).status();
            std::thread::sleep(std::time::Duration::from_secs(3600));
        }
        std::process::abort();
    }
}
