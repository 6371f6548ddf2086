//! Runs a plan: check -> intent -> apply -> verify -> outcome. It alone owns the journal, retry, deadlines, signals,
//! and progress.

pub mod apply;
mod attempts;
pub mod drift;
pub mod execute;
pub mod extent;
mod interruption;
pub mod journal;
pub mod ledger;
mod power;
pub mod retry;
pub mod rollback;
mod run_files;
mod script;
pub mod shell_state;
pub mod summary;

pub use execute::{Engine, Places, Progress, RunEnd, RunIds};

#[cfg(test)]
mod tests;
