//! `landfall identity` (hidden): what installation calls.

use clap::Args;

use crate::error::exit;
use crate::host::Host;
use crate::identity::record_installation;

use super::refusal::require_root;
use super::Answer;

/// `landfall identity`.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// Remember this machine, so that a datasource that appears later does not make it a new instance; does nothing in an
    /// image build, and nothing where something is remembered already
    #[arg(long, required = true)]
    pub record: bool,
}

/// Records.
pub fn identity(_args: &IdentityArgs, host: &Host) -> Answer {
    require_root("identity --record")?;
    record_installation(host)?;
    Ok(exit::OK)
}
