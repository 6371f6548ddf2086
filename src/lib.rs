//! landfall: a cloud-init compatible first-boot provisioner that survives having the plug pulled.
//!
//! Data flows one way: bytes -> parts -> merged document -> typed config -> plan -> engine -> host.
//! Each layer imports only layers to its right; [`host`] is the only code that touches the operating system.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::unwrap_used))]
// Tests lay out their own files and start their own programs.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod amount;
pub mod cli;
pub mod clock;
pub mod compat;
pub mod config;
pub mod datasource;
pub mod engine;
pub mod error;
pub mod facts;
pub mod hash;
pub mod host;
pub mod identity;
pub mod modules;
pub mod openpgp;
pub mod ordered;
pub mod plan;
pub mod push;
pub mod redact;
pub mod run;
pub mod script;
pub mod secret;
pub mod telemetry;
pub mod template;
pub mod userdata;
pub mod yaml;
