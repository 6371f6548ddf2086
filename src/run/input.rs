//! From bytes to one document and what comes beside it: unpack, read, merge.

use std::collections::BTreeMap;

use crate::config::merge::{merge_parts, ConfigPart};
use crate::config::node::{Node, Origin, Value};
use crate::config::patch;
use crate::config::problem::Report;
use crate::modules::{unix_lines, ScriptKind, UserHook, UserParts, UserScript};
use crate::plan::operation::{content, HandledPart};
use crate::plan::Frequency;
use crate::userdata::{self, Part, PartKind, Reading, Unpacked};
use crate::yaml;

/// What came out of user-data.
#[derive(Debug)]
pub struct Input {
    /// Its cloud-config parts, merged.
    pub document: Node,
    /// Its scripts, in their order.
    pub scripts: Vec<UserScript>,
    /// Its boothooks, part handlers and the parts behind these, in their order.
    pub hooks: Vec<UserHook>,
    /// The text of every part that a message may quote, by name.
    pub sources: Vec<(String, String)>,
    /// All of it as one message, where that is kept.
    pub message: Option<Vec<u8>>,
}

/// How many values a document has.
fn values(node: &Node) -> usize {
    1 + match &node.value {
        Value::Seq(items) | Value::Set(items) => items.iter().map(values).sum(),
        Value::Map(entries) => entries.iter().map(|entry| 1 + values(&entry.value)).sum(),
        _ => 0,
    }
}

/// Whose data it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Giver<'g> {
    /// The user.
    User,
    /// The vendor; parts of these types are left out.
    Vendor {
        /// MIME types.
        without: &'g [String],
    },
}

/// Takes user-data apart and reads it; `name` is what the whole is called in messages. A part that cannot be read is reported
/// and left out.
pub fn read(name: &str, bytes: &[u8], giver: Giver<'_>, reading: &mut Reading<'_>, report: &mut Report) -> Input {
    let mut input = Input { document: nothing(name), scripts: Vec::new(), hooks: Vec::new(), sources: Vec::new(), message: None };
    let mut configs = Vec::new();
    let Unpacked { parts, others } = userdata::unpack(name, bytes, reading, report);
    input.sources = others;
    input.message = reading.keeps_message.then(|| userdata::message(&parts));
    let mut has_handler = reading.has_handlers;
    let mut known = 0;
    for part in parts {
        if matches!(giver, Giver::Vendor { without } if without.iter().any(|kind| kind == part.kind.mime_type())) {
            let message = format!("the part `{}` is left out: `disabled_handlers` names {}", part.name, part.kind.mime_type());
            report.note("part-left-out", message).at(&Origin::new(part.name.as_str(), 1, 1));
            continue;
        }
        match part.kind {
            PartKind::CloudConfig | PartKind::Jsonp => {
                let Some(config) = config(&mut input, part, report) else { continue };
                known += values(&config.root);
                if known > yaml::MAX_VALUES {
                    let message =
                        format!("the part `{}` is left out: all parts together have more than {} values", config.name, yaml::MAX_VALUES);
                    report.error("too-much", message).at(&config.root.origin);
                    continue;
                }
                configs.push(config);
            }
            PartKind::ShellScript => input.script(part, if giver == Giver::User { ScriptKind::User } else { ScriptKind::Vendor }),
            PartKind::ShellScriptPerBoot => input.script_per(part, Frequency::Boot, giver, report),
            PartKind::ShellScriptPerInstance => input.script_per(part, Frequency::Instance, giver, report),
            PartKind::ShellScriptPerOnce => input.script_per(part, Frequency::Once, giver, report),
            PartKind::Boothook => input.hooks.push(boothook(part)),
            PartKind::PartHandler => {
                has_handler = true;
                input.hooks.push(handler(part));
            }
            PartKind::Unknown(_) if has_handler => input.hooks.push(UserHook::Part(handled(part))),
            // Unknown, and reported.
            _ => input.sources.push((part.name, String::from_utf8_lossy(&part.content).into_owned())),
        }
    }
    input.document = match configs.as_slice() {
        [] => input.document,
        // What is no mapping is told of where the document is read.
        [only] if only.root.as_map().is_none() && !only.is_patch => configs.remove(0).root,
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
    let is_patch = part.kind == PartKind::Jsonp;
    let parsed =
        if is_patch { Ok(patch::read(&part.name, &text, report)) } else { yaml::parse_with_report(&part.name, &text, report).map(Some) };
    input.sources.push((part.name.clone(), text));
    match parsed {
        Ok(root) => {
            let root = root.filter(|root| !root.is_null())?;
            Some(ConfigPart { name: part.name.as_str().into(), root, merge_type: part.merge_type, is_patch })
        }
        Err(error) => {
            error.report(&part.name, report);
            None
        }
    }
}

/// The script without its header, which is none of the shell's.
fn boothook(part: Part) -> UserHook {
    const HEADER: &[u8] = b"#cloud-boothook";
    let text = unix_lines(&part.content);
    let text = text.strip_prefix(HEADER).unwrap_or(&text).trim_ascii_start();
    UserHook::Boothook { name: part.file_name, content: content(text) }
}

/// A handler says by a variable of its module that it is called at every boot.
fn handler(part: Part) -> UserHook {
    let text = String::from_utf8_lossy(&part.content);
    let says_always = |line: &str| {
        let value = line.strip_prefix("frequency").and_then(|rest| rest.trim_start().strip_prefix('='));
        value.is_some_and(|value| value.to_ascii_lowercase().contains("always"))
    };
    let always = text.lines().any(says_always);
    UserHook::Handler { content: content(part.content), always }
}

fn handled(part: Part) -> HandledPart {
    let declared = part.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
    let file_name =
        declared.and_then(|(_, text)| text.split_once("filename=")).map(|(_, name)| name.trim_matches([' ', '"', ';']).to_owned());
    HandledPart {
        content_type: part.kind.mime_type().to_owned(),
        file_name: file_name.filter(|name| !name.is_empty()).unwrap_or(part.file_name),
        content: content(part.content),
        headers: part.headers.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

impl Input {
    /// What of it is no configuration.
    pub fn user_parts(&self) -> UserParts<'_> {
        UserParts { scripts: &self.scripts, hooks: &self.hooks }
    }

    fn script(&mut self, part: Part, kind: ScriptKind) {
        self.scripts.push(UserScript { name: part.file_name, part: part.name, kind, content: content(part.content) });
    }

    fn script_per(&mut self, part: Part, frequency: Frequency, giver: Giver<'_>, report: &mut Report) {
        if giver == Giver::User {
            return self.script(part, ScriptKind::Per(frequency));
        }
        let message = format!("the vendor's script `{}` is left out: {} is for the user's scripts", part.name, part.kind.mime_type());
        report.warning("part-left-out", message).at(&Origin::new(part.name.as_str(), 1, 1));
    }

    /// Takes over what another brings beside its document.
    pub fn add_parts(&mut self, other: Self) -> Node {
        self.scripts.extend(other.scripts);
        self.hooks.extend(other.hooks);
        self.sources.extend(other.sources);
        other.document
    }
}
