//! Runs a plan: check -> intent -> apply -> verify -> outcome. It alone owns the journal, retry, breakers, deadlines,
//! signals, and progress.

pub mod apply;
mod attempts;
pub mod breaker;
pub mod drift;
pub mod execute;
pub mod extent;
mod interruption;
pub mod journal;
mod lanes;
pub mod ledger;
mod look_ahead;
pub mod needs;
pub mod phases;
mod power;
pub mod preflight;
pub mod report;
pub mod retry;
pub mod rollback;
mod run_files;
mod script;
pub mod shell_state;
pub mod summary;

pub use execute::{Engine, Places, Progress, RunEnd, RunIds};

#[cfg(test)]
mod tests;
