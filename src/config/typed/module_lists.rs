//! `cloud_init_modules`, `cloud_config_modules`, `cloud_final_modules`: which modules are run, how often, with what arguments.

use super::reader::{FromNode, Reader, Shape};
use crate::config::node::{Entry, Node, Origin, Value};
use crate::plan::Frequency;

/// The keys of the three lists.
pub const LIST_KEYS: [&str; 3] = ["cloud_init_modules", "cloud_config_modules", "cloud_final_modules"];

/// One module of a list.
#[derive(Clone, Debug)]
pub struct ModuleEntry {
    /// Its name with underscores, without `cc_`.
    pub name: String,
    /// How often, where the list says so.
    pub frequency: Option<Frequency>,
    /// Its arguments.
    pub arguments: Vec<Node>,
    /// Where it stands.
    pub origin: Origin,
}

/// A list of modules: names, lists of name, frequency and arguments, or mappings of these.
#[derive(Clone, Debug, Default)]
pub struct ModuleList {
    /// Its modules, in the user's order.
    pub modules: Vec<ModuleEntry>,
    /// Where it stands.
    pub origin: Option<Origin>,
}

impl FromNode for ModuleList {
    const SHAPE: Shape = Shape::List(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Any), Shape::Map(&Shape::Any)]));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(items) = node.as_seq() else { return reader.mismatch(node, "a list of module names") };
        let given = |item: &&Node| !item.is_null() && item.as_str() != Some("");
        let modules = items.iter().filter(given).filter_map(|item| module(item, reader)).collect();
        Some(Self { modules, origin: Some(node.origin.clone()) })
    }
}

fn module(item: &Node, reader: &mut Reader<'_>) -> Option<ModuleEntry> {
    let (name, frequency, arguments) = match &item.value {
        Value::Str(_) => (Some(item), None, Vec::new()),
        Value::Seq(words) => (words.first(), words.get(1), words.iter().skip(2).cloned().collect()),
        Value::Map(_) => {
            let arguments = item.get("args").and_then(Node::as_seq).unwrap_or_default().to_vec();
            (item.get("name"), item.get("frequency"), arguments)
        }
        _ => return reader.mismatch(item, "the name of a module, or a list or mapping that begins with it"),
    };
    let Some(name) = name.and_then(Node::as_str).map(canonical).filter(|name| !name.is_empty()) else {
        return reader.invalid(&item.origin, "an entry without the name of a module", "write its name, or `[NAME, always]`");
    };
    let frequency = frequency.filter(|node| !node.is_null()).and_then(|node| frequency_of(node, reader));
    Some(ModuleEntry { name, frequency, arguments, origin: item.origin.clone() })
}

/// The peer's module of this name, as its own list of modules has it.
pub fn canonical(name: &str) -> String {
    let name = name.trim().replace('-', "_");
    let name = name.strip_suffix(".py").unwrap_or(&name);
    let name = name.strip_prefix("cc_").unwrap_or(name);
    if name == "ubuntu_advantage" { "ubuntu_pro" } else { name }.to_owned()
}

fn frequency_of(node: &Node, reader: &mut Reader<'_>) -> Option<Frequency> {
    match node.as_str().map(str::trim) {
        Some("always") => Some(Frequency::Boot),
        Some("once-per-instance") => Some(Frequency::Instance),
        Some("once") => Some(Frequency::Once),
        _ => {
            let message = format!("{}: `{}` is no frequency: the module is run as often as usual", reader.path(), node.source_text());
            reader.report.warning("value", message).at(&node.origin).help("use always, once-per-instance or once");
            None
        }
    }
}

/// Modules that take one argument, and the key that it stands for.
const ARGUMENTS: [(&str, &str); 6] = [
    ("timezone", "timezone"),
    ("locale", "locale"),
    ("final_message", "final_message"),
    ("set_passwords", "password"),
    ("byobu", "byobu_by_default"),
    ("resizefs", "resize_rootfs"),
];

/// The module that looks at its arguments itself.
const OWN_ARGUMENTS: &str = "ssh_import_id";

/// What the lists give a module as its argument holds over the key of it.
pub fn apply_arguments(top: &mut Vec<Entry>, reader: &mut Reader<'_>) {
    let lists: Vec<Node> = top
        .iter()
        .filter(|entry| entry.key.as_str().is_some_and(|key| LIST_KEYS.contains(&key)))
        .flat_map(|entry| entry.value.as_seq().unwrap_or_default().to_vec())
        .collect();
    let mut quiet = crate::config::problem::Report::new();
    for module in lists.iter().filter_map(|item| module(item, &mut Reader::new(&mut quiet))) {
        let Some(first) = module.arguments.first() else { continue };
        if module.name == OWN_ARGUMENTS {
            continue;
        }
        let Some((_, key)) = ARGUMENTS.iter().find(|(name, _)| *name == module.name) else {
            let message = format!("the module `{}` takes no arguments here: they are ignored", module.name);
            let ignored = reader.report.warning("module-arguments", message).at(&first.origin);
            if module.name == "phone_home" {
                ignored.help("what the file says that the argument names belongs under `phone_home`");
            }
            continue;
        };
        let value = Entry { key: Node::new(Value::Str((*key).to_owned()), first.origin.clone()), value: first.clone() };
        match top.iter_mut().find(|entry| entry.key.as_str() == Some(key)) {
            Some(entry) => {
                let message = format!("the argument of `{}` replaces `{key}` at {}", module.name, entry.key.origin);
                reader.report.note("key-replaced", message).at(&first.origin);
                *entry = value;
            }
            None => top.push(value),
        }
    }
}
