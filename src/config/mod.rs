//! The user's configuration: nodes that know where they were written, problems located in the user's text, the
//! merge of several parts into one document, and its typed form.

pub mod merge;
mod mergers;
pub mod network;
pub mod node;
pub mod patch;
pub mod problem;
pub(crate) mod python;
pub mod settings;
pub mod typed;
