//! An append-only file whose lines survive a power cut once [`AppendLog::append`] was asked for durability.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::fault;
use super::files::sync_directory;

/// The open file.
#[derive(Debug)]
pub struct AppendLog {
    path: PathBuf,
    file: Option<fs::File>,
    durable: bool,
    /// That there is a file of this name may not be on the disk yet.
    may_be_new: bool,
}

impl AppendLog {
    /// The log at `path`; it is created by the first append. `durable: false` never syncs (a file on tmpfs).
    pub fn new(path: impl Into<PathBuf>, durable: bool) -> Self {
        Self { path: path.into(), file: None, durable, may_be_new: true }
    }

    /// What it holds; nothing where it does not exist.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    /// Cuts off what follows the first `len` bytes.
    pub fn truncate(&mut self, len: u64) -> io::Result<()> {
        let file = fs::OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    /// Appends `line` (with its newline). With `sync`, it is on the disk when this returns, and so are the lines before it.
    pub fn append(&mut self, line: &[u8], sync: bool) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
                self.file.insert(file)
            }
        };
        fault::point("journal.before-record");
        file.write_all(line)?;
        fault::point("journal.after-record");
        if sync && self.durable && !fault::sabotaged("no-record-fsync") {
            file.sync_data()?;
            // Another process may have made it, and synced nothing: where all is on the disk this is next to nothing.
            if std::mem::take(&mut self.may_be_new) {
                sync_directory(self.path.parent().unwrap_or_else(|| Path::new("/")))?;
            }
        }
        fault::point("journal.after-fsync");
        Ok(())
    }
}
