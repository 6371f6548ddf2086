//! Programs that a host's Debian does not have.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{run, Host};

impl Host {
    /// Puts programs of another root (`/` is this machine) into the host, with the libraries that they need and the host lacks. Its
    /// C library must not be older than theirs.
    #[track_caller]
    pub fn lend_programs(&self, from: &Path, programs: &[&str]) {
        for program in programs {
            let needed = run(Command::new("chroot").arg(from).args(["ldd", program]), b"", Duration::from_secs(10)).expect_ok();
            let libraries = needed.lines().filter_map(|line| line.split_once("=> ")?.1.split(' ').next());
            for path in libraries.chain([*program]).filter(|path| !self.files().exists(path)) {
                let real = from.join(path.trim_start_matches('/')).canonicalize().unwrap();
                self.files().write(path, std::fs::read(real).unwrap(), 0o755);
            }
        }
    }
}
