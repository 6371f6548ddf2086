//! The user's configuration: nodes that know where they were written, problems located in the user's text, and the
//! merge of several parts into one document.

pub mod node;
pub mod problem;
