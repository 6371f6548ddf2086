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
            PartKind::Script => input.script(part, ScriptKind::User),
            PartKind::ScriptPerBoot => input.script(part, ScriptKind::Per(Frequency::Boot)),
            PartKind::ScriptPerInstance => input.script(part, ScriptKind::Per(Frequency::Instance)),
            PartKind::ScriptPerOnce => input.script(part, ScriptKind::Per(Frequency::Once)),
            PartKind::NotYet(kind) => {
                let message = format!("{}: `{kind}` is not supported yet; this part is not used, the others are", part.name);
                report.error("part", message).at(&Origin::new(part.name.as_str(), 1, 1));
            }
            PartKind::Unknown => {
                let message = format!("{}: a part of a type that is not known; it is not used", part.name);
                report.warning("part", message).at(&Origin::new(part.name.as_str(), 1, 1));
            }
            PartKind::Reported => input.sources.push((part.name.clone(), part.text())),
        }
    }
    input.document = match configs.len() {
        0 => input.document,
        1 => configs.remove(0).root,
        _ => merge_parts(configs, report),
    };
    input
}

/// An empty document.
pub fn nothing(name: &str) -> Node {
    Node::new(Value::Map(Vec::new()), Origin::new(name, 1, 1))
}

fn config(input: &mut Input, part: Part, report: &mut Report) -> Option<ConfigPart> {
    let text = part.text();
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
        self.scripts.push(UserScript { name: script_name(part.name), kind, content: content(part.content) });
    }
}

/// A script that is the whole user-data is called as the peer calls its first part.
fn script_name(name: String) -> String {
    if name.contains('/') || name == "user-data" || name == "stdin" {
        "part-001".to_owned()
    } else {
        name
    }
}
