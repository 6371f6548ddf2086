//! Operations on throwaway Debian hosts, with their real account tools, apt, dpkg and systemd.
//!
//! The test program copies itself into the host and runs there again: what is tested is the interpreter as it is, on `/`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "operations/accounts.rs"]
mod accounts;
#[path = "operations/cuts.rs"]
mod cuts;
#[path = "operations/driver.rs"]
mod driver;
#[path = "operations/files.rs"]
mod files;
mod lab;
#[path = "operations/packages.rs"]
mod packages;
#[path = "operations/services.rs"]
mod services;
#[path = "operations/storage.rs"]
mod storage;
#[path = "operations/undo.rs"]
mod undo;
#[path = "operations/units.rs"]
mod units;
