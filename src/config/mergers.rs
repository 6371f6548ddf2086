//! The rules by which one value is merged into another: cloud-init's mergers `dict`, `list` and `str` with their options.

use std::collections::HashMap;

use super::node::{DictKey, Entry, Node, Value};

/// The mergers of a part: one for each kind of value, the first mentioned counts.
#[derive(Default)]
pub(super) struct Mergers {
    dict: Option<DictMerger>,
    list: Option<ListMerger>,
    str: Option<StrMerger>,
    /// Options that no merger knows.
    pub(super) unknown: Vec<String>,
}

struct DictMerger {
    replace: bool,
    allow_delete: bool,
    recurse: Recurse,
}

struct ListMerger {
    method: ListMethod,
    recurse: Recurse,
}

#[derive(Clone, Copy, PartialEq)]
enum ListMethod {
    Append,
    Prepend,
    Replace,
    NoReplace,
}

struct StrMerger {
    append: bool,
}

/// Which kinds of new values are merged into the old one instead of replacing it or giving way.
struct Recurse {
    dict: bool,
    list: bool,
    str: bool,
}

impl Recurse {
    fn merges(&self, new: &Node) -> bool {
        match new.value {
            Value::Map(_) => self.dict,
            Value::Seq(_) => self.list,
            Value::Str(_) => self.str,
            _ => false,
        }
    }
}

impl Mergers {
    /// Reads the string form: `name(option,option)+name()`.
    pub(super) fn parse(text: &str) -> Result<Mergers, String> {
        let mut mergers = Mergers::default();
        for one in text.split('+').map(|one| one.trim().to_lowercase().replace('-', "_")).filter(|one| !one.is_empty()) {
            let (name, options) = one
                .strip_suffix(')')
                .and_then(|one| one.split_once('('))
                .filter(|(name, _)| is_name(name))
                .ok_or_else(|| format!("`{one}` is not of the form `name(option,…)`"))?;
            let options = options.split(',').map(|option| option.trim().to_string()).collect();
            mergers.add_named(name, &Options::List(options))?;
        }
        Ok(mergers)
    }

    /// Reads the value of `merge_how`.
    pub(super) fn from_node(how: &Node) -> Result<Mergers, String> {
        if let Some(text) = how.as_str() {
            return Mergers::parse(text);
        }
        if how.as_map().is_some_and(<[_]>::is_empty) {
            return Ok(Mergers::default());
        }
        let items = how.as_seq().ok_or_else(|| format!("`merge_how` is {}, not a string or a list", how.kind()))?;
        let mut mergers = Mergers::default();
        for item in items {
            match &item.value {
                Value::Map(_) => {
                    let name = item.get("name").and_then(Node::as_str).ok_or("a merger has no `name`")?;
                    let settings = item.get("settings").ok_or("a merger has no `settings`")?;
                    mergers.add_named(name.replace('-', "_").trim(), &Options::from_node(settings)?)?;
                }
                Value::Seq(parts) => {
                    let (name, options) = parts.split_first().ok_or("a merger has no name")?;
                    let name = name.as_str().ok_or_else(|| format!("a merger's name is {}", name.kind()))?;
                    mergers.add_named(name, &Options::List(options.iter().map(Node::python_str).collect()))?;
                }
                _ => return Err(format!("a merger is {}, not a mapping or a list", item.kind())),
            }
        }
        Ok(mergers)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.dict.is_none() && self.list.is_none() && self.str.is_none()
    }

    pub(super) fn add(&mut self, other: Mergers) {
        self.dict = self.dict.take().or(other.dict);
        self.list = self.list.take().or(other.list);
        self.str = self.str.take().or(other.str);
        self.unknown.extend(other.unknown);
    }

    fn add_named(&mut self, name: &str, options: &Options) -> Result<(), String> {
        self.unknown.extend(options.unknown());
        let lists = options.has("recurse_array") || options.has("recurse_list");
        let recurse = Recurse { dict: true, list: lists, str: options.has("recurse_str") };
        let mut one = Mergers::default();
        match name.strip_prefix("m_").unwrap_or(name) {
            _ if name.is_empty() => {}
            "dict" => {
                let (replace, allow_delete) = (options.has("replace"), options.has("allow_delete"));
                one.dict = Some(DictMerger { replace, allow_delete, recurse });
            }
            "list" => {
                let recurse = Recurse { dict: options.has("recurse_dict"), ..recurse };
                let method = match () {
                    () if options.has("append") => ListMethod::Append,
                    () if options.has("prepend") => ListMethod::Prepend,
                    () if options.has("replace") => ListMethod::Replace,
                    () if options.has("no_replace") => ListMethod::NoReplace,
                    () => ListMethod::Replace,
                };
                one.list = Some(ListMerger { method, recurse });
            }
            "str" => one.str = Some(StrMerger { append: options.has("append") }),
            unknown => return Err(format!("there is no merger `{unknown}`; there are dict, list and str")),
        }
        self.add(one);
        Ok(())
    }

    /// Merges a new value into an old one. The old value's kind decides; a kind without a merger keeps the old value.
    pub(super) fn merge(&self, old: Node, new: Node) -> Result<Node, String> {
        match (&old.value, &self.dict, &self.list, &self.str) {
            (Value::Map(_), Some(merger), _, _) => self.merge_dict(merger, old, new),
            (Value::Seq(_), _, Some(merger), _) => self.merge_list(merger, old, new),
            (Value::Str(text), _, _, Some(StrMerger { append: true })) => match new.as_str() {
                Some(more) => Ok(Node::new(Value::Str(format!("{text}{more}")), new.origin)),
                None => Err(format!("{} cannot be appended to a string", new.kind())),
            },
            (Value::Str(_), _, _, Some(StrMerger { append: false })) => Ok(new),
            _ => Ok(old),
        }
    }

    fn merge_dict(&self, merger: &DictMerger, old: Node, new: Node) -> Result<Node, String> {
        let Value::Map(additions) = new.value else { return Ok(old) };
        let Value::Map(entries) = old.value else { return Ok(old) };
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        let mut index: HashMap<Option<DictKey>, usize> = HashMap::with_capacity(entries.len());
        for (at, entry) in entries.iter().flatten().enumerate() {
            index.insert(entry.key.dict_key(), at);
        }
        for new in additions {
            let Some((at, Some(old))) = index.get(&new.key.dict_key()).map(|&at| (at, entries[at].take())) else {
                index.insert(new.key.dict_key(), entries.len());
                entries.push(Some(new));
                continue;
            };
            entries[at] = if new.value.is_null() && merger.allow_delete {
                None
            } else if merger.replace {
                Some(new)
            } else if merger.recurse.merges(&new.value) {
                Some(Entry { key: old.key, value: self.merge(old.value, new.value)? })
            } else {
                Some(old)
            };
        }
        Ok(Node::new(Value::Map(entries.into_iter().flatten().collect()), old.origin))
    }

    fn merge_list(&self, merger: &ListMerger, old: Node, new: Node) -> Result<Node, String> {
        if merger.method == ListMethod::Replace && new.as_seq().is_none() {
            return Ok(new);
        }
        let additions = iterated(&new)?;
        let Value::Seq(mut items) = old.value else { return Ok(old) };
        match merger.method {
            ListMethod::Append => items.extend(additions),
            ListMethod::Prepend => {
                items.splice(0..0, additions);
            }
            ListMethod::NoReplace if new.as_map().is_some() && !items.is_empty() && !additions.is_empty() => {
                return Err("a mapping cannot be merged into a list".into());
            }
            ListMethod::NoReplace => {}
            ListMethod::Replace => {
                for (item, new) in items.iter_mut().zip(additions) {
                    *item = if merger.recurse.merges(&new) { self.merge(item.clone(), new)? } else { new };
                }
            }
        }
        Ok(Node::new(Value::Seq(items), old.origin))
    }
}

/// What Python iterates over when it extends a list by a value.
fn iterated(node: &Node) -> Result<Vec<Node>, String> {
    match &node.value {
        Value::Seq(items) => Ok(items.clone()),
        Value::Map(entries) => Ok(entries.iter().map(|entry| entry.key.clone()).collect()),
        Value::Str(text) => Ok(text.chars().map(|c| Node::new(Value::Str(c.to_string()), node.origin.clone())).collect()),
        _ => Err(format!("{} cannot be merged into a list", node.kind())),
    }
}

/// What the text form takes for a name.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Every option of any merger.
pub(super) const OPTIONS: [&str; 9] =
    ["append", "prepend", "replace", "no_replace", "allow_delete", "recurse_array", "recurse_list", "recurse_dict", "recurse_str"];

/// A merger's options: words, or a text in which they occur.
enum Options {
    List(Vec<String>),
    Text(String),
}

impl Options {
    fn from_node(settings: &Node) -> Result<Options, String> {
        match &settings.value {
            Value::Seq(items) => Ok(Options::List(items.iter().map(Node::python_str).collect())),
            Value::Map(entries) => Ok(Options::List(entries.iter().map(|entry| entry.key.python_str()).collect())),
            Value::Str(text) => Ok(Options::Text(text.clone())),
            _ => Err(format!("a merger's `settings` are {}, not a list", settings.kind())),
        }
    }

    /// Those that no merger knows, which the peer passes over.
    fn unknown(&self) -> Vec<String> {
        let Self::List(options) = self else { return Vec::new() };
        options.iter().filter(|option| !option.is_empty() && !OPTIONS.contains(&option.as_str())).cloned().collect()
    }

    fn has(&self, option: &str) -> bool {
        match self {
            Options::List(options) => options.iter().any(|one| one == option),
            Options::Text(text) => text.contains(option),
        }
    }
}
