//! What `landfall validate` finds and what `landfall schema` says, and the table of keys made of the same types.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../lab/mod.rs"]
mod lab;

mod documents;
mod peer;
#[path = "../cli/plain_debian.rs"]
mod plain_debian;
mod run;
mod schema;
mod table;
