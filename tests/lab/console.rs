//! The pseudo-terminal that is a host's `/dev/console`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt, PtyMaster};

/// Captures everything written to a console from the moment it is made.
pub struct Console {
    text: Arc<Mutex<Vec<u8>>>,
    master: Arc<PtyMaster>,
    path: String,
    // Keeps the terminal alive while no one in the host has it open; the reader ends when the last one closes it.
    _slave: File,
}

impl Console {
    /// A new terminal and the thread that reads it.
    pub fn new() -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname_r(&master).unwrap();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&path).unwrap();
        let master = Arc::new(master);
        let text = Arc::new(Mutex::new(Vec::new()));
        let (sink, source) = (Arc::clone(&text), Arc::clone(&master));
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = (&*source).read(&mut chunk) {
                sink.lock().unwrap().extend_from_slice(&chunk[..count]);
            }
        });
        Self { text, master, path, _slave: slave }
    }

    /// The terminal's device on this machine.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was shown so far, with line ends as `\n`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Types at the keyboard of the console.
    pub fn type_in(&self, text: &str) {
        (&*self.master).write_all(text.as_bytes()).unwrap();
    }
}
