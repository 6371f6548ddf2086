//! Faults: what a run does when the network, the disk, the machine or its own state lets it down. After each one either the
//! run has ended right, or it has stopped with the right kind of failure, a hint that names the cause, and nothing half
//! changed; a later boot, with the fault gone, finishes it. Everything that says how it ended says the same.

#[path = "../lab/mod.rs"]
mod lab;

mod agree;
mod case;
mod hostile;
mod interruption;
mod limits;
mod names;
mod network_failure;
mod origin;
mod packages;
mod resources;
mod ways;
mod why;
mod writes;
