//! The typed configuration: one struct a key family, read from the merged document.

pub mod files;
pub mod reader;
pub mod scripts;

pub use files::FileEntry;
pub use scripts::ScriptItems;

use crate::config::node::Node;
use crate::config::problem::Report;
use reader::{FromNode as _, Reader};

crate::record! {
    /// Every top-level key landfall knows. What is not here is reported as unknown.
    pub struct CloudConfig {
        /// Files to write.
        default write_files: Vec<FileEntry>,
        /// Commands of every boot, before anything else.
        default bootcmd: ScriptItems,
        /// Commands of the first boot.
        default runcmd: ScriptItems,
    }
}

impl CloudConfig {
    /// Reads the merged document; what does not fit is reported and left out.
    pub fn read(document: &Node, report: &mut Report) -> Option<Self> {
        Self::from_node(document, &mut Reader::new(report))
    }
}
