//! Configuration of landfall's own inside user-data: what `write_files` puts into `/etc/landfall`, and what a script item puts
//! there by a here-document, as the pasted bootstrap does.

use std::sync::Arc;

use crate::config::node::{Node, Origin};

/// Files whose content is configuration of landfall's own.
const OWN_CONFIGURATION: [&str; 2] = ["/etc/landfall/conf.d/", "/etc/landfall/landfall.yaml"];

/// One such file.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// What its places are called: the part that holds it where its lines are lines of that part, else its own path.
    pub part: Arc<str>,
    /// Its text; where it is placed in a part, each line stands on the line and in the column it has there.
    pub text: String,
}

/// Every such file that the document writes; `source` gives a part's text.
pub fn find<'s>(document: &Node, source: &dyn Fn(&str) -> Option<&'s str>) -> Vec<Written> {
    let mut found = Vec::new();
    for entry in document.get("write_files").and_then(Node::as_seq).unwrap_or_default() {
        let (Some(path), Some(content)) = (entry.get("path").and_then(Node::as_str), entry.get("content").and_then(Node::as_str)) else {
            continue;
        };
        if is_own(path) && entry.get("encoding").is_none_or(Node::is_null) {
            found.push(Written { part: path.into(), text: content.to_owned() });
        }
    }
    for script in ["bootcmd", "runcmd"] {
        for item in document.get(script).and_then(Node::as_seq).unwrap_or_default() {
            if let Some(text) = item.as_str() {
                found.extend(here_documents(text).into_iter().map(|document| document.placed(text, &item.origin, source)));
            }
        }
    }
    found
}

fn is_own(path: &str) -> bool {
    OWN_CONFIGURATION.iter().any(|own| path.starts_with(own)) && path.ends_with(".yaml")
}

/// A here-document of a script, for a file of landfall's own.
struct HereDocument<'t> {
    path: &'t str,
    /// The script's line, from 0, that its first line is.
    first: usize,
    lines: Vec<&'t str>,
}

/// The here-documents on whose line such a file is named. One that the shell fills in is left out: nobody knows what it says.
fn here_documents(script: &str) -> Vec<HereDocument<'_>> {
    let lines: Vec<&str> = script.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        let Some((delimiter, literal)) = delimiter(line) else { continue };
        let length = lines[at..].iter().position(|line| line.trim_start_matches('\t') == delimiter).unwrap_or(lines.len() - at);
        let body = &lines[at..at + length];
        let filled_in = !literal && body.iter().any(|line| line.contains(['$', '`', '\\']));
        if let Some(path) = line.split_whitespace().map(unquoted).find(|word| is_own(word)).filter(|_| !filled_in) {
            found.push(HereDocument { path, first: at, lines: body.to_vec() });
        }
        at += length + 1;
    }
    found
}

/// A word of shell text without its quotes and without the redirection it may be glued to.
fn unquoted(word: &str) -> &str {
    word.trim_start_matches(['>', '|', '0', '1']).trim_matches(['"', '\'', ';'])
}

/// The delimiter of the here-document that a line begins, and whether it is quoted.
fn delimiter(line: &str) -> Option<(&str, bool)> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let (_, rest) = line.split_once("<<")?;
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let quote = rest.chars().next().filter(|c| "'\"".contains(*c));
    let word = match quote {
        Some(quote) => rest[1..].split(quote).next()?,
        None => rest.split(|c: char| c.is_whitespace() || ";&|)".contains(c)).next()?.trim_start_matches('\\'),
    };
    let literal = quote.is_some() || rest.starts_with('\\');
    (!word.is_empty() && !word.starts_with('<')).then_some((word, literal))
}

impl HereDocument<'_> {
    /// Its text on the lines it has in the user's file; under its own path where the script is no literal block of that file.
    fn placed<'s>(&self, script: &str, item: &Origin, source: &dyn Fn(&str) -> Option<&'s str>) -> Written {
        let plain = || Written { part: self.path.into(), text: self.lines.join("\n") + "\n" };
        let Some(text) = source(&item.part) else { return plain() };
        // The origin of a block scalar is its first line that is not empty.
        let empty = script.lines().take_while(|line| line.trim().is_empty()).count();
        let Some(first) = (item.line as usize + self.first).checked_sub(1 + empty) else { return plain() };
        let there: Vec<&str> = text.lines().skip(first).take(self.lines.len()).collect();
        let same = there.len() == self.lines.len() && there.iter().zip(&self.lines).all(|(there, here)| there.trim() == here.trim());
        if !same {
            return plain();
        }
        Written { part: item.part.clone(), text: "\n".repeat(first) + &there.join("\n") + "\n" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Written> {
        let document = crate::yaml::parse("user-data", text).expect("yaml");
        find(&document, &|part| (part == "user-data").then_some(text))
    }

    #[test]
    fn a_here_document_keeps_its_lines_and_columns() {
        let text = "bootcmd:\n  - |\n\n    put /etc/landfall/conf.d/5.yaml <<'END'\n    landfall:\n      retry: 5\n    END\n    put x <<END\n    y\n    END\n";
        let expected = Written { part: "user-data".into(), text: "\n\n\n\n    landfall:\n      retry: 5\n".into() };
        assert_eq!(found(text), [expected]);
    }

    #[test]
    fn one_that_stands_in_no_block_is_called_by_its_path() {
        let text = "runcmd: [\"cat >/etc/landfall/conf.d/5.yaml <<END\\nlandfall: {}\\nEND\"]\n";
        assert_eq!(found(text), [Written { part: "/etc/landfall/conf.d/5.yaml".into(), text: "landfall: {}\n".into() }]);
    }

    #[test]
    fn what_the_shell_fills_in_and_other_files_are_left_out() {
        for text in [
            "cat >/etc/landfall/conf.d/5.yaml <<END\n$X\nEND",
            "cat >/etc/other.yaml <<'END'\nx\nEND",
            "# put /etc/landfall/conf.d/5.yaml <<'END'",
            "cat <<<x",
            "cat /etc/landfall/conf.d/5.yaml",
        ] {
            assert!(here_documents(text).is_empty(), "{text}");
        }
        let inside = "cat >/etc/motd <<'A'\nput /etc/landfall/landfall.yaml <<'B'\nB\nA\nput '/etc/landfall/landfall.yaml' <<\\B\n$x\nB";
        let found = here_documents(inside);
        assert_eq!((found.len(), found[0].first, found[0].lines.as_slice()), (1, 5, &["$x"][..]));
    }
}
