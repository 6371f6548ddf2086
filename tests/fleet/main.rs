//! Many machines: pushed to over ssh, and by the tools that fleets are kept with.

#[path = "../lab/mod.rs"]
mod lab;

mod ansible;
mod desk;
mod packer;
mod push;
