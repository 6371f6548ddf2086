//! Where landfall's own words go: its log file and the console.

use std::io::{self, Write as _};

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
        let options = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        let opened = fs::OpenOptions::new().write(true).custom_flags(options.bits()).open("/dev/console");
        opened.and_then(|mut console| console.write_all(lines.replace('\n', "\r\n").as_bytes())).is_ok()
    }

    /// Writes one line on the console, if there is one. A console that takes nothing (no reader, a stuck serial line) loses
    /// the line: it must never hold up the run.
    pub fn console_line(&self, text: &str) {
        let options = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        if let Ok(mut console) = fs::OpenOptions::new().write(true).custom_flags(options.bits()).open("/dev/console") {
            let _ = console.write_all(format!("landfall: {text}\r\n").as_bytes());
        }
    }
}
