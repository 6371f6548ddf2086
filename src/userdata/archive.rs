//! `#cloud-config-archive`: a list of texts, or of mappings that say what each of them is.

use crate::config::node::{Node, Origin, Value};

use super::{sniff, Headers, PartKind, Unpacking};

/// What an entry says that is not one of its headers.
const OWN_KEYS: [&str; 7] = ["content", "filename", "type", "launch-index", "content-disposition", "number-attachments", "content-type"];

impl Unpacking<'_, '_> {
    /// The entries of an archive, each a part.
    pub(super) fn archive(&mut self, name: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        match crate::yaml::parse_with_report(name, &text, self.report) {
            Ok(document) => self.entries(&document),
            Err(error) => error.report(name, self.report),
        }
        self.out.others.push((name.to_owned(), text));
    }

    fn entries(&mut self, document: &Node) {
        match &document.value {
            Value::Null => {}
            Value::Seq(entries) | Value::Set(entries) => entries.iter().for_each(|entry| self.entry(entry)),
            _ => {
                let message = format!("an archive is a list of parts, not {}", document.kind());
                self.report.error("archive", message).at(&document.origin).help("begin each part with `- `");
            }
        }
    }

    fn entry(&mut self, entry: &Node) {
        let (content, said) = match &entry.value {
            Value::Str(_) => (Some(entry), None),
            Value::Map(_) => (entry.get("content"), Some(entry)),
            Value::Null => return,
            _ => return self.refuse(&entry.origin, format!("a part of an archive is a text or a mapping, not {}", entry.kind())),
        };
        let get = |key: &str| said.and_then(|said| said.get(key)).filter(|node| !node.is_null());
        if content.is_none() {
            let message = "this part of the archive has no `content`: there is nothing in it";
            self.report.warning("archive", message).at(&entry.origin).help("write `content: |` with the text below it");
        }
        let bytes = match content.map(|node| (&node.value, node)) {
            None => Vec::new(),
            Some((Value::Str(text), _)) => text.clone().into_bytes(),
            Some((Value::Bytes(bytes), _)) => bytes.clone(),
            Some((_, node)) => {
                let message = format!("`content` is the text of the part, not {}", node.kind());
                return self.refuse(&node.origin, message);
            }
        };
        let declared = get("type").map(Node::python_str).unwrap_or_default().trim().to_ascii_lowercase();
        if !declared.is_empty() && !declared.contains('/') {
            return self.refuse(&entry.origin, format!("`{declared}` is no type: it should be like `text/cloud-config`"));
        }
        let kind = match declared.as_str() {
            "" if matches!(content, Some(Node { value: Value::Bytes(_), .. })) => {
                sniff::kind(&bytes).unwrap_or_else(|| PartKind::Unknown("application/octet-stream".into()))
            }
            "" => sniff::kind(&bytes).unwrap_or(PartKind::CloudConfig),
            declared => sniff::declared(declared),
        };
        let headers = Headers {
            mime_type: kind.mime_type().to_owned(),
            file_name: get("filename").map(Node::python_str).filter(|name| !name.is_empty()),
            merge_type: header(entry, "Merge-Type").or_else(|| header(entry, "X-Merge-Type")),
            launch_index: get("launch-index").and_then(|index| index.python_str().trim().parse().ok()),
            all: said.map(other_headers).unwrap_or_default(),
        };
        let name = self.unique_name(headers.file_name.as_deref());
        self.add(name, kind, &bytes, headers);
    }

    /// It counts all the same: the numbers of the others stay.
    fn refuse(&mut self, place: &Origin, message: String) {
        self.seen += 1;
        self.report.error("archive", message).at(place).help("write `- content: |` with the text below it, or `- |`");
    }
}

fn header(entry: &Node, name: &str) -> Option<String> {
    let found = entry.entries().iter().find(|one| one.key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)))?;
    Some(found.value.python_str().trim().to_owned()).filter(|text| !text.is_empty())
}

fn other_headers(entry: &Node) -> Vec<(String, String)> {
    let named = entry.entries().iter().map(|one| (one.key.python_str(), one.value.python_str()));
    named.filter(|(name, _)| !OWN_KEYS.contains(&name.to_ascii_lowercase().as_str())).collect()
}
