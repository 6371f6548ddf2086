//! Runs a plan: check -> intent -> apply -> verify -> outcome. It alone owns the journal, retry, deadlines, signals,
//! and progress.

pub mod apply;
pub mod journal;
pub mod ledger;
pub mod retry;
pub mod shell_state;
pub mod summary;
