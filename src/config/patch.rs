//! `#cloud-config-jsonp`: a JSON patch (RFC 6902) on the configuration merged so far. All of it is applied, or nothing.
//!
//! What a patch puts in keeps the place it stands at in the patch.

use super::node::{Entry, Node, Origin, Value};
use super::problem::Report;
use crate::yaml;

const HEADER: &str = "#cloud-config-jsonp";

/// Why a patch is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// In a sentence.
    pub reason: String,
    /// The operation that does not go.
    pub place: Origin,
    /// Its `test` says no: that may be meant.
    pub is_test: bool,
}

/// Reads the text of a patch, whose first line begins with its header. What is no JSON is reported.
pub fn read(part: &str, text: &str, report: &mut Report) -> Option<Node> {
    let blank = text.len() - text.trim_start().len();
    // Blanks in its place: lines and columns stay.
    let has_header = text[blank..].get(..HEADER.len()).is_some_and(|start| start.eq_ignore_ascii_case(HEADER));
    let header = if has_header { HEADER.len() } else { 0 };
    let json = format!("{}{}{}", &text[..blank], " ".repeat(header), &text[blank + header..]);
    let parsed: serde_json::Value = match serde_json::from_slice(json.as_bytes()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).max(1);
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            report
                .error("patch", format!("this is no JSON: {message}"))
                .at(&Origin::new(part, place(error.line()), place(error.column())))
                .help("a patch is a list: [{\"op\": \"add\", \"path\": \"/packages/-\", \"value\": \"vim\"}]");
            return None;
        }
    };
    // Nearly all JSON is YAML, which knows where its values stand.
    let placed = yaml::parse(part, &json).ok().filter(|node| node.to_json() == parsed);
    Some(placed.unwrap_or_else(|| Node::from_json(&parsed, &Origin::new(part, 1, 1))))
}

/// Applies a patch.
///
/// # Errors
/// One of its operations does not go; the document is as it was.
pub fn apply(document: &Node, patch: &Node) -> Result<Node, Conflict> {
    let refuse = |node: &Node, reason: String| Conflict { reason, place: node.origin.clone(), is_test: false };
    let operations = patch.as_seq().ok_or_else(|| refuse(patch, format!("a patch is a list, not {}", patch.kind())))?;
    let mut patched = document.clone();
    for operation in operations {
        step(&mut patched, operation).map_err(|reason| {
            let is_test = operation.get("op").and_then(Node::as_str) == Some("test") && operation.get("value").is_some();
            Conflict { is_test, ..refuse(operation, reason) }
        })?;
    }
    if patched.as_map().is_none() {
        return Err(refuse(patch, format!("it would make the configuration {}", patched.kind())));
    }
    Ok(patched)
}

fn step(document: &mut Node, operation: &Node) -> Result<(), String> {
    let text = |key: &str| {
        let node = operation.get(key).ok_or_else(|| format!("an operation has no `{key}`"))?;
        node.as_str().ok_or_else(|| format!("`{key}` is {}, not a string", node.kind()))
    };
    let value = || operation.get("value").cloned().ok_or_else(|| "an operation has no `value`".to_owned());
    let path = pointer(text("path")?)?;
    match text("op")? {
        "add" => add(document, &path, value()?),
        "remove" => remove(document, &path).map(drop),
        "replace" => {
            let value = value()?;
            *find(document, &path)? = value;
            Ok(())
        }
        "move" => {
            let from = pointer(text("from")?)?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(format!("`{}` cannot be moved into itself", shown(&from)));
            }
            let moved = remove(document, &from)?;
            add(document, &path, moved)
        }
        "copy" => {
            let copied = find(document, &pointer(text("from")?)?)?.clone();
            add(document, &path, copied)
        }
        "test" if find(document, &path)?.to_json() == value()?.to_json() => Ok(()),
        "test" => Err(format!("`{}` is not what its test asks for", shown(&path))),
        other => Err(format!("there is no operation `{other}`: add, remove, replace, move, copy and test are")),
    }
}

/// The steps of a JSON pointer (RFC 6901).
fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let steps = text.strip_prefix('/').ok_or_else(|| format!("the path `{text}` does not begin with `/`"))?;
    Ok(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn shown(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

/// The value that a path leads to.
fn find<'n>(document: &'n mut Node, path: &[String]) -> Result<&'n mut Node, String> {
    let mut node = document;
    for (at, step) in path.iter().enumerate() {
        let missing = || format!("there is no `{}`", shown(&path[..=at]));
        node = match &mut node.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|entry| is_key(entry, step)).map(|entry| &mut entry.value).ok_or_else(missing)?
            }
            Value::Seq(items) => index(step, items.len()).and_then(|at| items.get_mut(at)).ok_or_else(missing)?,
            _ => return Err(missing()),
        };
    }
    Ok(node)
}

fn is_key(entry: &Entry, step: &str) -> bool {
    entry.key.as_str() == Some(step)
}

/// A place in a list of `length`: digits without leading zeros, or `-` for behind the last.
fn index(step: &str, length: usize) -> Option<usize> {
    let is_plain = step == "0" || (!step.starts_with('0') && !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()));
    match step {
        "-" => Some(length),
        _ if is_plain => step.parse().ok(),
        _ => None,
    }
}

fn add(document: &mut Node, path: &[String], value: Node) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    let parent = find(document, parents)?;
    match &mut parent.value {
        Value::Map(entries) => match entries.iter_mut().find(|entry| is_key(entry, last)) {
            Some(entry) => entry.value = value,
            None => entries.push(Entry { key: Node::new(Value::Str(last.clone()), value.origin.clone()), value }),
        },
        Value::Seq(items) => {
            let at = index(last, items.len()).filter(|at| *at <= items.len());
            items.insert(at.ok_or_else(|| format!("`{last}` is no place in the list `{}`", shown(parents)))?, value);
        }
        _ => return Err(format!("`{}` is {}, nothing can be put into it", shown(parents), parent.kind())),
    }
    Ok(())
}

fn remove(document: &mut Node, path: &[String]) -> Result<Node, String> {
    let missing = || format!("there is no `{}`", shown(path));
    let (last, parents) = path.split_last().ok_or("the whole configuration cannot be removed")?;
    match &mut find(document, parents)?.value {
        Value::Map(entries) => {
            let at = entries.iter().position(|entry| is_key(entry, last)).ok_or_else(missing)?;
            Ok(entries.remove(at).value)
        }
        Value::Seq(items) => {
            let at = index(last, items.len()).filter(|at| *at < items.len()).ok_or_else(missing)?;
            Ok(items.remove(at))
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patched(document: &str, patch: &str) -> Result<String, String> {
        let document = yaml::parse("part-001", document).expect("YAML");
        let mut report = Report::new();
        let patch = read("part-002", patch, &mut report).ok_or_else(|| report.problems[0].message.clone())?;
        apply(&document, &patch).map(|node| node.python_str()).map_err(|conflict| conflict.reason)
    }

    #[test]
    fn operations_do_what_the_rfc_says() {
        for (document, patch, expected) in [
            ("a: 1", r#"[{"op": "add", "path": "/b", "value": 2}]"#, "{'a': 1, 'b': 2}"),
            ("a: 1", r#"[{"op": "add", "path": "/a", "value": {"x": [1]}}]"#, "{'a': {'x': [1]}}"),
            ("l: [1, 3]", r#"[{"op": "add", "path": "/l/1", "value": 2}]"#, "{'l': [1, 2, 3]}"),
            ("l: [1]", r#"[{"op": "add", "path": "/l/-", "value": 2}]"#, "{'l': [1, 2]}"),
            ("l: [1, 2]", r#"[{"op": "remove", "path": "/l/0"}]"#, "{'l': [2]}"),
            ("{a: 1, b: 2}", r#"[{"op": "remove", "path": "/a"}]"#, "{'b': 2}"),
            ("{a: 1, b: 2}", r#"[{"op": "replace", "path": "/b", "value": null}]"#, "{'a': 1, 'b': None}"),
            ("{a: {x: 1}, b: 2}", r#"[{"op": "move", "from": "/a/x", "path": "/b"}]"#, "{'a': {}, 'b': 1}"),
            ("{a: {x: 1}}", r#"[{"op": "copy", "from": "/a", "path": "/c"}]"#, "{'a': {'x': 1}, 'c': {'x': 1}}"),
            ("a: 1", r#"[{"op": "test", "path": "/a", "value": 1}, {"op": "add", "path": "/b", "value": 2}]"#, "{'a': 1, 'b': 2}"),
            ("{a/b: 1, m~n: 2}", r#"[{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}]"#, "{}"),
            ("a: 1", r#"[{"op": "add", "path": "", "value": {"z": 1}}]"#, "{'z': 1}"),
            ("a: 1", "#cloud-config-jsonp [{\"op\": \"add\", \"path\": \"/b\", \"value\": 1e3}]", "{'a': 1, 'b': 1000.0}"),
            ("a: 1", "\n#Cloud-Config-JSONP\n[]", "{'a': 1}"),
        ] {
            assert_eq!(patched(document, patch).as_deref(), Ok(expected), "{patch}");
        }
    }

    #[test]
    fn what_does_not_go_changes_nothing_and_says_why() {
        for (document, patch, why) in [
            ("a: 1", r#"[{"op": "add", "path": "/b/c", "value": 2}]"#, "there is no `/b`"),
            ("a: 1", r#"[{"op": "remove", "path": "/b"}]"#, "there is no `/b`"),
            ("a: 1", r#"[{"op": "replace", "path": "/b", "value": 1}]"#, "there is no `/b`"),
            ("l: [1]", r#"[{"op": "add", "path": "/l/2", "value": 1}]"#, "`2` is no place in the list `/l`"),
            ("l: [1]", r#"[{"op": "remove", "path": "/l/-"}]"#, "there is no `/l/-`"),
            ("l: [1]", r#"[{"op": "replace", "path": "/l/00", "value": 1}]"#, "there is no `/l/00`"),
            ("a: 1", r#"[{"op": "add", "path": "/a/b", "value": 1}]"#, "`/a` is an integer, nothing can be put into it"),
            ("a: 1", r#"[{"op": "test", "path": "/a", "value": 2}]"#, "`/a` is not what its test asks for"),
            ("a: {b: 1}", r#"[{"op": "move", "from": "/a", "path": "/a/b/c"}]"#, "`/a` cannot be moved into itself"),
            (
                "a: 1",
                r#"[{"op": "delete", "path": "/a"}]"#,
                "there is no operation `delete`: add, remove, replace, move, copy and test are",
            ),
            ("a: 1", r#"[{"op": "add", "path": "b", "value": 1}]"#, "the path `b` does not begin with `/`"),
            ("a: 1", r#"[{"op": "add", "path": "/b"}]"#, "an operation has no `value`"),
            ("a: 1", r#"[{"path": "/b", "value": 1}]"#, "an operation has no `op`"),
            ("a: 1", r#"{"op": "add"}"#, "a patch is a list, not a mapping"),
            ("a: 1", r#"[{"op": "add", "path": "", "value": [1]}]"#, "it would make the configuration a list"),
            ("a: 1", r#"[{"op": "add",}]"#, "this is no JSON: trailing comma"),
        ] {
            assert_eq!(patched(document, patch), Err(why.to_owned()), "{patch}");
        }
    }

    #[test]
    fn what_is_put_in_keeps_its_place_and_bad_json_has_one() {
        let document = yaml::parse("part-001", "a: 1").expect("YAML");
        let mut report = Report::new();
        let text = "#cloud-config-jsonp\n[\n  {\"op\": \"add\", \"path\": \"/b\", \"value\": {\"c\": 5}}\n]\n";
        let patched = apply(&document, &read("part-002", text, &mut report).expect("JSON")).expect("applied");
        assert_eq!(patched.get("b").and_then(|b| b.get("c")).map(|c| c.origin.to_string()).as_deref(), Some("part-002:3:46"));
        assert_eq!(patched.entry("b").map(|entry| entry.key.origin.line), Some(3));
        assert!(read("part-002", "#cloud-config-jsonp\n[{]", &mut report).is_none());
        assert_eq!(report.problems[0].origin, Some(Origin::new("part-002", 2, 3)));
    }

    proptest! {
        /// Adding under a new key and removing it again, or moving there and back, changes nothing.
        #[test]
        fn a_patch_and_its_opposite_leave_the_document_as_it_was(
            keys in prop::collection::btree_map("[a-z~/]{1,4}", 0..9_i64, 1..5), new in "[A-Z]{1,4}", at in 0..5_usize,
        ) {
            let json = serde_json::json!(keys);
            let place = Origin::new("p", 1, 1);
            let document = Node::from_json(&json, &place);
            let old = keys.keys().nth(at % keys.len()).expect("a key");
            let (new, old) = (shown(&[new]), shown(std::slice::from_ref(old)));
            let there = serde_json::json!([{"op": "add", "path": new, "value": json}, {"op": "move", "from": old, "path": format!("{new}/-x")}]);
            let back = serde_json::json!([{"op": "move", "from": format!("{new}/-x"), "path": old}, {"op": "remove", "path": new}]);
            let patched = apply(&document, &Node::from_json(&there, &place)).expect("applied");
            prop_assert_ne!(patched.to_json(), document.to_json());
            let again = apply(&patched, &Node::from_json(&back, &place)).expect("applied");
            prop_assert_eq!(again.to_json(), document.to_json());
        }
    }
}
