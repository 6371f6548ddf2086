//! From events to nodes: anchors and aliases, merge keys, duplicate keys, tags, and the bounds on all of it.
//!
//! Works with its own stack, so that deep nesting cannot exhaust the thread's.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, ScalarStyle, Span, Tag as WrittenTag};

use crate::config::node::{DictKey, Entry, Node, Origin, Value};
use crate::config::problem::Report;

use super::lookalikes::{is_in_typographic, odd_blank, TYPOGRAPHIC};
use super::resolve::{self, Plain};
use super::source::Source;
use super::tags::Tag;
use super::{YamlError, MAX_DEPTH};

/// Builds the document from its events.
pub(super) fn compose(part: &str, source: &Source, events: &[(Event<'_>, Span)], report: &mut Report) -> Result<Node, YamlError> {
    let part: Arc<str> = Arc::from(part);
    let mut composer = Composer {
        part: part.clone(),
        source,
        report,
        open: Vec::new(),
        anchors: HashMap::new(),
        started: Vec::new(),
        copied: Weight::default(),
        root: None,
    };
    for (event, span) in events {
        composer.event(event, span)?;
    }
    Ok(composer.root.unwrap_or_else(|| Node::new(Value::Null, Origin { part, line: 1, column: 1 })))
}

/// A finished node. `<<` and `=` mean something only as keys, so they are carried until it is known what they are.
#[derive(Clone)]
struct Item {
    node: Node,
    special: Option<Special>,
    weight: Weight,
}

#[derive(Clone, Copy, PartialEq)]
enum Special {
    Merge,
    Default,
}

/// What a node costs.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Weight {
    fn add(&mut self, other: Weight) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
        self.depth = self.depth.max(other.depth);
    }
}

/// An open list or mapping.
struct Collection {
    is_map: bool,
    /// Items of a list; keys and values in turn of a mapping.
    items: Vec<Item>,
    tag: Tag,
    anchor: usize,
    origin: Origin,
}

struct Composer<'a> {
    part: Arc<str>,
    source: &'a Source,
    report: &'a mut Report,
    open: Vec<Collection>,
    anchors: HashMap<usize, Item>,
    /// Anchors of collections that are still open.
    started: Vec<usize>,
    /// What aliases have copied so far.
    copied: Weight,
    root: Option<Node>,
}

impl Composer<'_> {
    fn event(&mut self, event: &Event<'_>, span: &Span) -> Result<(), YamlError> {
        let origin = self.origin(span);
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(error(&origin, "a second document starts here").with_help("only one document is read; remove the `---`"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let has_properties = *anchor > 0 || tag.is_some();
                let text = without_added_break(self.source, text, *style, span, has_properties);
                let item = self.scalar(&self.source.original(text), *style, tag.as_deref(), origin)?;
                self.finish(item, *anchor)
            }
            Event::SequenceStart(anchor, tag) => self.start(false, *anchor, tag.as_deref(), origin),
            Event::MappingStart(anchor, tag) => self.start(true, *anchor, tag.as_deref(), origin),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(*anchor, origin),
            _ => Ok(()),
        }
    }

    fn origin(&self, span: &Span) -> Origin {
        let (line, column) = self.source.place_of(&span.start);
        Origin { part: self.part.clone(), line, column }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&WrittenTag>, origin: Origin) -> Result<Item, YamlError> {
        // `!` makes PyYAML resolve even a quoted scalar.
        let plain = (style == ScalarStyle::Plain && tag.is_none()) || tag.is_some_and(|tag| tag.handle.is_empty() && tag.suffix == "!");
        let mut special = None;
        let value = if plain {
            match resolve::plain(text) {
                Ok(Plain::Value(value)) => value,
                Ok(Plain::Merge) => {
                    special = Some(Special::Merge);
                    Value::Str(text.to_string())
                }
                Ok(Plain::Default) => {
                    special = Some(Special::Default);
                    Value::Str(text.to_string())
                }
                Err(reason) => return Err(error(&origin, reason).with_help(format!("put it in quotes to keep it as text: '{text}'"))),
            }
        } else {
            let tag = known(tag, &origin)?;
            tag.scalar(text).map_err(|reason| error(&origin, reason))?
        };
        if style == ScalarStyle::Plain && !text.is_ascii() {
            warn_of_lookalikes(self.report, text, &origin);
        }
        let weight = Weight { nodes: 1, bytes: text.len(), depth: 0 };
        let mut node = Node::new(value, origin);
        node.is_literal = style == ScalarStyle::Literal;
        if plain && !matches!(node.value, Value::Str(_)) && node.python_str() != text && !text.is_empty() {
            node.raw = Some(text.into());
            self.warn_of_base_60(&node);
        }
        Ok(Item { node, special, weight })
    }

    fn start(&mut self, is_map: bool, anchor: usize, tag: Option<&WrittenTag>, origin: Origin) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(error(&origin, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let tag = known(tag, &origin)?;
        let fits = match tag {
            Tag::Implicit => true,
            Tag::Seq | Tag::Omap | Tag::Pairs => !is_map,
            Tag::Map | Tag::Set => is_map,
            _ => false,
        };
        if !fits {
            return Err(error(&origin, format!("the value does not fit its tag `{}`", tag.name())));
        }
        if anchor > 0 {
            self.started.push(anchor);
        }
        self.open.push(Collection { is_map, items: Vec::new(), tag, anchor, origin });
        Ok(())
    }

    fn end(&mut self) -> Result<(), YamlError> {
        let Some(collection) = self.open.pop() else {
            return Ok(());
        };
        let anchor = collection.anchor;
        let mut weight = Weight { nodes: 1, ..Weight::default() };
        collection.items.iter().for_each(|item| weight.add(item.weight));
        weight.depth += 1;
        let origin = collection.origin.clone();
        let value = match (collection.is_map, collection.tag) {
            (true, tag) => {
                let entries = self.mapping(collection.items)?;
                match tag {
                    Tag::Set => Value::Set(entries.into_iter().map(|entry| entry.key).collect()),
                    _ => Value::Map(entries),
                }
            }
            (false, Tag::Omap | Tag::Pairs) => Value::Seq(pairs(collection.items)?),
            (false, _) => Value::Seq(collection.items.into_iter().map(ordinary).collect::<Result<_, _>>()?),
        };
        if anchor > 0 {
            self.started.retain(|started| *started != anchor);
        }
        self.finish(Item { node: Node::new(value, origin), special: None, weight }, anchor)
    }

    fn alias(&mut self, anchor: usize, origin: Origin) -> Result<(), YamlError> {
        if self.started.contains(&anchor) {
            return Err(error(&origin, "this alias stands inside the value it names, which would never end")
                .with_help("write the value out instead"));
        }
        let Some(item) = self.anchors.get(&anchor) else {
            return Err(error(&origin, "this alias has no anchor before it"));
        };
        let mut item = item.clone();
        item.node.origin = origin;
        self.copied.add(item.weight);
        let text = self.source.text().len();
        let too_many =
            self.copied.nodes > (100 * text).clamp(10_000, 1_000_000) || self.copied.bytes > (100 * text).clamp(1 << 20, 64 << 20);
        if too_many {
            return Err(error(&item.node.origin, "aliases swell the document beyond a hundred times its size"));
        }
        if self.open.len() + item.weight.depth > MAX_DEPTH {
            return Err(error(&item.node.origin, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.finish(item, 0)
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, item: Item, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            self.anchors.insert(anchor, item.clone());
        }
        match self.open.last_mut() {
            Some(collection) => collection.items.push(item),
            None => self.root = Some(ordinary(item)?),
        }
        Ok(())
    }

    /// Makes a mapping of keys and values in turn, as Python fills a dict: merged entries first, then the mapping's own; a
    /// later value replaces an earlier one in the earlier one's position.
    fn mapping(&mut self, items: Vec<Item>) -> Result<Vec<Entry>, YamlError> {
        let mut merged = Vec::new();
        let mut own = Vec::new();
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            let value = ordinary(value)?;
            match key.special {
                Some(Special::Merge) => merged.extend(merge_sources(value)?),
                _ => own.push(Entry { key: key.node, value }),
            }
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(merged.len() + own.len());
        let mut index: HashMap<DictKey, (usize, bool)> = HashMap::new();
        let all = merged.into_iter().map(|entry| (entry, false)).chain(own.into_iter().map(|entry| (entry, true)));
        for (entry, is_own) in all {
            let id = key_id(&entry.key)?;
            match index.get_mut(&id) {
                None => {
                    index.insert(id, (entries.len(), is_own));
                    entries.push(entry);
                }
                Some((at, was_own)) => {
                    let earlier = &mut entries[*at];
                    if *was_own && is_own {
                        warn_of_duplicate(self.report, &earlier.key.origin, &entry.key);
                    }
                    *was_own |= is_own;
                    earlier.key.origin = entry.key.origin;
                    earlier.value = entry.value;
                }
            }
        }
        Ok(entries)
    }

    fn warn_of_base_60(&mut self, node: &Node) {
        let Some(raw) = node.raw.as_deref().filter(|raw| raw.contains(':')) else {
            return;
        };
        if matches!(node.value, Value::Int(_) | Value::BigInt(_) | Value::Float(_)) {
            let message = format!("`{raw}` is the number {} in base 60", node.python_str());
            self.report.warning("base-60", message).at(&node.origin).help(format!("put it in quotes to keep it as text: '{raw}'"));
        }
    }
}

/// Without a final line break in the text, a block scalar at its end has none in PyYAML; saphyr adds one if the last line
/// reaches the scalar's indentation, and to a `|+` that has nothing but blanks below it.
fn without_added_break<'a>(source: &Source, text: &'a str, style: ScalarStyle, span: &Span, has_properties: bool) -> &'a str {
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    if !block || source.text().ends_with('\n') || source.offset(&span.end) < source.text().len() {
        return text;
    }
    let last = source.line_of(source.text().len());
    // With an anchor or tag the span starts there, without it starts with the content.
    let start = source.offset(&span.start);
    let header = source.line_of(if has_properties { source.behind_properties(start) } else { start });
    let added = if text.trim_end_matches('\n').is_empty() {
        text == "\n" && header + 1 == last
    } else {
        let is_filled = |line: &usize| !source.line(*line).trim().is_empty();
        let indentation = |line: usize| source.line(line).len() - source.line(line).trim_start_matches(' ').len();
        let content_column = match has_properties {
            true => indentation((header + 1..last).find(is_filled).unwrap_or(last)),
            false => span.start.col(),
        };
        source.line(last).chars().count() >= content_column.max(1)
    };
    text.strip_suffix('\n').filter(|_| added).unwrap_or(text)
}

/// What looks like a blank or a quote and is text.
fn warn_of_lookalikes(report: &mut Report, text: &str, origin: &Origin) {
    if let Some(blank) = odd_blank(text) {
        let message = format!("{} {}", blank.name, blank.place.effect());
        report.warning("odd-blank", message).at(origin).help(blank.place.help());
    }
    if is_in_typographic(text) {
        let (message, help) = TYPOGRAPHIC;
        report.warning("odd-quotes", message).at(origin).help(help);
    }
}

fn warn_of_duplicate(report: &mut Report, earlier: &Origin, later: &Node) {
    let message = format!("`{}` is given twice; the one in line {} is ignored", later.source_text(), earlier.line);
    report.warning("duplicate-key", message).at(&later.origin).help("remove one of the two, or join them");
}

fn error(origin: &Origin, message: impl Into<String>) -> YamlError {
    YamlError::at((origin.line, origin.column), message)
}

fn known(tag: Option<&WrittenTag>, origin: &Origin) -> Result<Tag, YamlError> {
    Tag::of(tag).map_err(|name| {
        error(origin, format!("the tag `{name}` is unknown")).with_help("if the value should start with `!`, put it in quotes")
    })
}

/// The node, unless it is a plain `<<` or `=`, which stand for nothing but keys.
fn ordinary(item: Item) -> Result<Node, YamlError> {
    match item.special {
        None => Ok(item.node),
        Some(_) => {
            let text = item.node.python_str();
            Err(error(&item.node.origin, format!("`{text}` has a special meaning in YAML 1.1 and is no value"))
                .with_help(format!("put it in quotes: '{text}'")))
        }
    }
}

/// The entries that a merge key's value brings in, in the order in which a dict takes them: of a list's mappings the
/// first must win, so it comes last.
fn merge_sources(value: Node) -> Result<Vec<Entry>, YamlError> {
    match value.value {
        Value::Seq(items) => {
            let sources: Result<Vec<_>, _> = items.into_iter().rev().map(mapping_to_merge).collect();
            Ok(sources?.into_iter().flatten().collect())
        }
        _ => mapping_to_merge(value),
    }
}

fn mapping_to_merge(node: Node) -> Result<Vec<Entry>, YamlError> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::Set(keys) => Ok(keys.into_iter().map(|key| Entry { value: Node::new(Value::Null, key.origin.clone()), key }).collect()),
        _ => Err(error(&node.origin, format!("`<<` merges mappings, but this is {}", node.kind()))),
    }
}

/// `!!omap` and `!!pairs`: a list of mappings of one entry each becomes a list of pairs.
fn pairs(items: Vec<Item>) -> Result<Vec<Node>, YamlError> {
    let pair = |item: Item| {
        let node = ordinary(item)?;
        let origin = node.origin;
        match node.value {
            Value::Map(entries) if entries.len() == 1 => {
                let both = entries.into_iter().flat_map(|entry| [entry.key, entry.value]).collect();
                Ok(Node::new(Value::Seq(both), origin))
            }
            _ => Err(error(&origin, "`!!omap` and `!!pairs` are lists of mappings with one entry each")),
        }
    };
    items.into_iter().map(pair).collect()
}

fn key_id(key: &Node) -> Result<DictKey, YamlError> {
    key.dict_key().ok_or_else(|| {
        error(&key.origin, format!("a key cannot be {}", key.kind()))
            .with_help("if this is text such as `{{ name }}` or `[x]`, put it in quotes")
    })
}
