//! Where landfall's own words go: its log file and the console.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

use super::Host;

/// The log file.
pub const LOG_FILE: &str = "/var/log/landfall.log";
/// Group `adm`, whose number Debian fixes (base-passwd).
const ADM: u32 = 4;

/// The open log file.
#[derive(Debug)]
pub struct LogFile(fs::File);

impl LogFile {
    /// Appends whole lines in one write, so that two processes' lines do not mix.
    pub fn append(&mut self, lines: &str) -> io::Result<()> {
        self.0.write_all(lines.as_bytes())
    }
}

impl Host {
    /// Opens the log file for appending; a new one is 0640 root:adm.
    pub fn open_log_file(&self) -> io::Result<LogFile> {
        let path = self.real_path(LOG_FILE);
        match fs::OpenOptions::new().append(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = fs::OpenOptions::new().append(true).create(true).mode(0o640).open(&path)?;
                std::os::unix::fs::chown(&path, Some(0), Some(ADM))?;
                Ok(LogFile(file))
            }
            opened => opened.map(LogFile),
        }
    }

    /// Writes lines on the console as they are: for what must be seen there and nowhere else, such as a password made up for an
    /// account. Says whether the console took them.
    pub fn console_only(&self, lines: &str) -> bool {
        write_console(lines).is_ok()
    }

    /// Writes one line on the console, if there is one. A console that takes nothing (no reader, a stuck serial line) loses
    /// the line: it must never hold up the run.
    pub fn console_line(&self, text: &str) {
        let _ = write_console(&format!("landfall: {text}\n"));
    }
}

/// How long a console that takes nothing is asked again. Linux refuses a write that does not wait whenever another process, such
/// as systemd with its lines of a boot, writes at the same moment; what it writes on a serial line takes its time.
const CONSOLE_PATIENCE: Duration = Duration::from_millis(500);

/// Whether the console took nothing for as long as that. It is not waited for then, until it takes something again.
static CONSOLE_IS_STUCK: AtomicBool = AtomicBool::new(false);

/// The console, once something was written on it.
static CONSOLE: Mutex<Option<fs::File>> = Mutex::new(None);

/// A getty that starts hangs the terminal up under whoever has it open (`TTYVHangup=`): what was to be said is said to the one that
/// is opened after that.
fn write_console(lines: &str) -> io::Result<()> {
    let bytes = lines.replace('\n', "\r\n").into_bytes();
    let mut console = CONSOLE.lock().unwrap_or_else(PoisonError::into_inner);
    let hung_up = |error: &io::Error| error.raw_os_error() == Some(nix::libc::EIO);
    let mut written = write_on(&mut console, &bytes);
    if written.as_ref().is_err_and(hung_up) {
        written = write_on(&mut console, &bytes);
    }
    written
}

fn write_on(console: &mut Option<fs::File>, bytes: &[u8]) -> io::Result<()> {
    let mut open = match console.take() {
        Some(open) => open,
        None => {
            let options = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
            fs::OpenOptions::new().write(true).custom_flags(options.bits()).open("/dev/console")?
        }
    };
    write_patiently(&mut open, bytes, CONSOLE_PATIENCE, &CONSOLE_IS_STUCK)?;
    // What could not be written is opened anew the next time.
    *console = Some(open);
    Ok(())
}

/// Writes all of `bytes` to something that may refuse for a moment.
fn write_patiently(target: &mut impl io::Write, mut bytes: &[u8], patience: Duration, is_stuck: &AtomicBool) -> io::Result<()> {
    let mut took_last = Instant::now();
    while !bytes.is_empty() {
        match target.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                took_last = Instant::now();
                is_stuck.store(false, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_stuck.load(Ordering::Relaxed) => {
                is_stuck.store(took_last.elapsed() >= patience, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses as often as told before it takes each few bytes.
    struct Refusing {
        times: usize,
        left: usize,
        taken: Vec<u8>,
    }

    impl io::Write for Refusing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left > 0 {
                self.left -= 1;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.left = self.times;
            let count = bytes.len().min(4);
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_console_that_refuses_for_a_moment_gets_the_whole_line() {
        let stuck = AtomicBool::new(false);
        let mut console = Refusing { times: 3, left: 3, taken: Vec::new() };
        write_patiently(&mut console, b"landfall: the end\r\n", Duration::from_secs(60), &stuck).unwrap();
        assert_eq!(console.taken, b"landfall: the end\r\n");
    }

    #[test]
    fn a_stuck_console_is_waited_for_once() {
        let stuck = AtomicBool::new(false);
        let mut console = Refusing { times: 0, left: usize::MAX, taken: Vec::new() };
        let first = write_patiently(&mut console, b"one", Duration::ZERO, &stuck).unwrap_err();
        assert_eq!((first.kind(), usize::MAX - console.left), (io::ErrorKind::WouldBlock, 2));
        write_patiently(&mut console, b"two", Duration::from_secs(60), &stuck).unwrap_err();
        assert_eq!(usize::MAX - console.left, 3, "not asked again");
        console.left = 0;
        write_patiently(&mut console, b"three", Duration::from_secs(60), &stuck).unwrap();
        assert!(!stuck.load(Ordering::Relaxed));
    }
}
