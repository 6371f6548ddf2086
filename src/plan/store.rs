//! `plan.json`: the stored form.

use super::{Frequency, Plan, Step, FORMAT};
use crate::secret::reveal;

/// Why a stored plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Written by a newer landfall.
    #[error(
        "the stored plan has format {found}, this landfall reads up to {FORMAT}: install the newer version again, or `landfall clean`"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// Not a plan.
    #[error("the stored plan cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// The stored form, secrets in clear: for the 0700 state directory only.
pub fn to_stored_json(plan: &Plan) -> Result<Vec<u8>, PlanError> {
    Ok(reveal(|| serde_json::to_vec(plan))?)
}

/// Reads a stored plan. A newer format is refused before anything else of it is looked at.
pub fn parse(bytes: &[u8]) -> Result<Plan, PlanError> {
    #[derive(serde::Deserialize)]
    struct Header {
        format: u32,
    }
    let header: Header = serde_json::from_slice(bytes)?;
    if header.format > FORMAT {
        return Err(PlanError::Newer { found: header.format });
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// The plan without the secrets of the steps that no later boot runs.
pub fn wiped(plan: &Plan) -> Result<Plan, PlanError> {
    let wipe = |step: &Step| {
        if step.frequency == Frequency::Boot || step.wiped.is_some() {
            return Ok(step.clone());
        }
        // Not revealed, so every secret in it is a mask.
        let masked = serde_json::from_value(serde_json::to_value(step)?)?;
        Ok(Step { wiped: Some(step.digest().to_owned()), ..masked })
    };
    let steps = plan.steps.iter().map(wipe).collect::<Result<_, serde_json::Error>>()?;
    Ok(Plan { steps, secrets: Vec::new(), ..plan.clone() })
}
