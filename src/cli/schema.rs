//! `landfall schema`: a JSON Schema of cloud-config, made of the types that read it.

use super::{out, Answer};
use crate::config::typed::schema;
use crate::error::exit;

/// Prints it.
pub fn schema() -> Answer {
    out::json(&schema::document())?;
    Ok(exit::OK)
}
