//! From bytes to one document and the scripts beside it: unpack, read, merge.

use crate::config::merge::{merge_parts, ConfigPart};
use crate::config::node::{Node, Origin, Value};
use crate::config::problem::Report;
use crate::modules::{ScriptKind, UserScript};
use crate::plan::operation::content;
use crate::plan::Frequency;
use crate::userdata::{self, Part, PartKind};
use crate::yaml;

/// What came out of user-data.
#[derive(Debug)]
pub struct Input {
    /// Its cloud-config parts, merged.
    pub document: Node,
    /// Its scripts, in their order.
    pub scripts: Vec<UserScript>,
    /// The text of every cloud-config part by name, for messages that quote it.
    pub sources: Vec<(String, String)>,
}

/// Takes user-data apart and reads it; `name` is what the whole is called in messages. A part that cannot be read is reported
/// and left out.
pub fn read(name: &str, bytes: &[u8], report: &mut Report) -> Input {
    let mut input = Input { document: nothing(name), scripts: Vec::new(), sources: Vec::new() };
    let mut configs = Vec::new();
    for part in userdata::unpack(name, bytes, report) {
        match part.kind {
            PartKind::CloudConfig => configs.extend(config(&mut input, part, report)),
            PartKind::ShellScript => input.script(part, ScriptKind::User),
            PartKind::ShellScriptPerBoot => input.script(part, ScriptKind::Per(Frequency::Boot)),
            PartKind::ShellScriptPerInstance => input.script(part, ScriptKind::Per(Frequency::Instance)),
            PartKind::ShellScriptPerOnce => input.script(part, ScriptKind::Per(Frequency::Once)),
            // Unknown or not handled yet, and reported.
            _ => input.sources.push((part.name, String::from_utf8_lossy(&part.content).into_owned())),
        }
    }
    input.document = match configs.as_slice() {
        [] => input.document,
        // What is no mapping is told of where the document is read.
        [only] if only.root.as_map().is_none() => configs.remove(0).root,
        _ => merge_parts(configs, report),
    };
    input
}

/// An empty document.
pub fn nothing(name: &str) -> Node {
    Node::new(Value::Map(Vec::new()), Origin::new(name, 1, 1))
}

fn config(input: &mut Input, part: Part, report: &mut Report) -> Option<ConfigPart> {
    let text = part.text(report)?.to_owned();
    let parsed = yaml::parse_with_report(&part.name, &text, report);
    input.sources.push((part.name.clone(), text));
    match parsed {
        Ok(root) if root.is_null() => None,
        Ok(root) => Some(ConfigPart { name: part.name.as_str().into(), root, merge_type: part.merge_type }),
        Err(error) => {
            error.report(&part.name, report);
            None
        }
    }
}

impl Input {
    fn script(&mut self, part: Part, kind: ScriptKind) {
        self.scripts.push(UserScript { name: part.file_name, kind, content: content(part.content) });
    }
}
