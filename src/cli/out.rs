//! Printing. A reader that went away (`landfall plan x | head`) is no error and no panic.

use std::io::Write as _;

use crate::error::exit;

use super::{Answer, Refusal};

/// Writes to stdout.
pub fn print(text: &str) {
    print_or_gone(text);
}

/// Writes to stdout; says whether somebody still reads.
pub fn print_or_gone(text: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}

/// Writes to stderr.
pub fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a value to stdout as JSON, for programs and people both.
pub fn json(value: &impl serde::Serialize) -> Answer {
    print(&json_text(value)?);
    Ok(exit::OK)
}

/// A value as [`json`] writes it.
pub fn json_text(value: &impl serde::Serialize) -> Result<String, Refusal> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Refusal::new(exit::FAILED, format!("cannot write this as JSON: {error}")))?;
    Ok(text + "\n")
}

/// Writes a value to stdout as YAML.
pub fn yaml(value: &impl serde::Serialize) -> Answer {
    let text = serde_yaml::to_string(value).map_err(|error| Refusal::new(exit::FAILED, format!("cannot write this as YAML: {error}")))?;
    print(&text);
    Ok(exit::OK)
}
