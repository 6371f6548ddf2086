//! `plan.json`: the stored form.

use super::{Frequency, Operation, Plan, Step, FORMAT};
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
        let mut masked: Step = serde_json::from_value(serde_json::to_value(step)?)?;
        if let Operation::Download { url, .. } = &mut masked.operation {
            *url = crate::redact::url(url);
        }
        Ok(Step { wiped: Some(step.digest().to_owned()), ..masked })
    };
    let steps = plan.steps.iter().map(wipe).collect::<Result<_, serde_json::Error>>()?;
    Ok(Plan { steps, secrets: Vec::new(), ..plan.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Report;
    use crate::config::typed::CloudConfig;
    use crate::facts::Facts;
    use crate::modules::{plan, PlanInput, Way};

    #[test]
    fn the_credentials_of_an_address_are_wiped_and_the_step_stays_the_same() {
        let text = "write_files: [{path: /a, source: {uri: 'https://bob:geheim@example.org/a?key=geheim'}}]";
        let mut report = Report::new();
        let config = CloudConfig::read(&crate::yaml::parse("x", text).expect("yaml"), &mut report).expect("a mapping");
        let plan = plan(PlanInput { config: &config, facts: &Facts::default(), scripts: &[], way: Way::Applied, report: &mut report });
        let wiped = wiped(&plan).expect("wiped");
        let stored = String::from_utf8(to_stored_json(&wiped).expect("json")).expect("text");
        assert!(!stored.contains("geheim") && stored.contains("https://***@example.org/a?***"), "{stored}");
        assert_eq!(wiped.steps[0].digest(), plan.steps[0].digest());
    }
}
