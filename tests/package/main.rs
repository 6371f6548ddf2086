//! The Debian package on real hosts: what installing, upgrading, removing and purging it does, and how its units behave in a boot.

#[path = "../lab/mod.rs"]
mod lab;

mod built;
mod documented;
mod examples;
mod lifecycle;
mod nss;
mod snapshot;
mod stub;
mod units;
