//! Hosted mode: the pasted bootstrap under the real cloud-init of Debian 12 (22.4) and 13 (25.1).

#[path = "../lab/mod.rs"]
mod lab;

mod bootstrap;
mod cuts;
mod sources;
mod whole;
