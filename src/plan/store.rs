//! `plan.json`: the stored form.

use super::{Frequency, Operation, Plan, Step, FORMAT};
use crate::hash::{hex, sha256};
use crate::secret::reveal;

/// Why a stored plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Written by a newer landfall.
    #[error(
        "the stored plan was written by a newer landfall (format {found}, this one reads up to {FORMAT}): install that version again, or `landfall clean`"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// Not a plan.
    #[error("the stored plan cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It is not what was stored.
    #[error("the stored plan is damaged: its checksum is another one")]
    Damaged,
}

/// What the stored form begins with; the checksum is of everything behind it.
const CHECKSUM: &str = "{\"checksum\":\"";
/// Digits of the checksum.
const DIGITS: usize = 16;

/// The stored form, secrets in clear: for the 0700 state directory only.
pub fn to_stored_json(plan: &Plan) -> Result<Vec<u8>, PlanError> {
    for step in &plan.steps {
        let _ = step.digest();
    }
    let plan = reveal(|| serde_json::to_vec(plan))?;
    let rest = [b"\",", &plan[1..]].concat();
    Ok([CHECKSUM.as_bytes(), checksum(&rest).as_bytes(), &rest].concat())
}

fn checksum(rest: &[u8]) -> String {
    hex(&sha256(rest)[..DIGITS / 2])
}

/// Whether it is as it was stored; what has no checksum was stored by a landfall that made none.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(stored) = bytes.strip_prefix(CHECKSUM.as_bytes()) else { return true };
    stored.split_at_checked(DIGITS).is_some_and(|(digits, rest)| checksum(rest).as_bytes() == digits)
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
    if !is_whole(bytes) {
        return Err(PlanError::Damaged);
    }
    let mut plan: Plan = serde_json::from_slice(bytes)?;
    for step in plan.steps.iter_mut().filter(|step| step.remembered.is_unknown()) {
        step.remembered = step.digest_of_old().into();
    }
    Ok(plan)
}

/// The plan without the secrets of the steps that no later boot runs.
pub fn wiped(plan: &Plan) -> Result<Plan, PlanError> {
    let wipe = |step: &Step| {
        if step.frequency == Frequency::Boot || step.wiped.is_some() {
            return Ok(step.clone());
        }
        // Not revealed, so every secret in it is a mask.
        let mut masked: Step = serde_json::from_slice(&serde_json::to_vec(step)?)?;
        if let Operation::Download { url, .. } | Operation::PhoneHome { url, .. } = &mut masked.operation {
            *url = crate::redact::url(url);
        }
        if let Operation::ScriptItem(item) = &mut masked.operation {
            item.shown.clear();
        }
        Ok(Step { wiped: Some(step.digest().to_owned()), ..masked })
    };
    let steps = plan.steps.iter().map(wipe).collect::<Result<_, serde_json::Error>>()?;
    Ok(Plan { steps, secrets: Vec::new(), notify: Vec::new(), ..plan.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::modules::testing::planned;
    use crate::modules::Way;

    #[test]
    fn a_plan_that_is_not_what_was_stored_is_told_and_one_of_before_checksums_is_read() {
        let text = r#"{"format":1,"version":"0","instance":"i","datasource":"file","config_digest":"","steps":[]}"#;
        let plan = parse(text.as_bytes()).expect("as it was stored before");
        let stored = to_stored_json(&plan).expect("json");
        assert_eq!(parse(&stored).expect("whole"), plan);
        assert!(serde_json::from_slice::<serde_json::Value>(&stored).expect("JSON still")["checksum"].is_string());
        for at in [CHECKSUM.len(), stored.len() / 2, stored.len() - 3] {
            let mut bytes = stored.clone();
            bytes[at] ^= 1;
            assert!(parse(&bytes).is_err(), "a bit at {at}");
        }
        let text = String::from_utf8(stored).expect("text").replace("\"version\":\"0\"", "\"version\":\"1\"");
        assert!(matches!(parse(text.as_bytes()), Err(PlanError::Damaged)));
    }

    #[test]
    fn the_credentials_of_an_address_are_wiped_and_the_step_stays_the_same() {
        let text = "write_files: [{path: /a, source: {uri: 'https://bob:geheim@example.org/a?key=geheim'}}]";
        let plan = planned(text, &Facts::default(), &[], Way::Applied);
        let wiped = wiped(&plan).expect("wiped");
        let stored = String::from_utf8(to_stored_json(&wiped).expect("json")).expect("text");
        assert!(!stored.contains("geheim") && stored.contains("https://***@example.org/a?***"), "{stored}");
        assert_eq!(wiped.steps[0].digest(), plan.steps[0].digest());
    }
}
