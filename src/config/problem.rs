//! Problems in the user's input, located, and how they are shown: text in the manner of a compiler, or JSON.
//!
//! Excerpts of the input never show secrets: the value of a key whose name looks like a secret's, misspelt or not, and whatever
//! stands below such a key, is printed as `***`; so is the value of a key that a problem says it of. Messages are the reporter's own
//! words; whoever writes one keeps values out of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::node::Origin;
use super::typed::reader::nearest;
use crate::secret::MASK;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Probably not what the user meant; the run goes on.
    Warning,
    /// The value, the part or the document cannot be used.
    Error,
}

impl Severity {
    /// "error", "warning", "note".
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// A stable kebab-case name, for scripts and documentation ("unknown-key").
    pub code: &'static str,
    /// What is wrong, in one sentence without full stop. Never a secret.
    pub message: String,
    /// Where, if it has a place.
    pub origin: Option<Origin>,
    /// What to do about it.
    pub help: Option<String>,
    /// It is about a key whose value may be a secret although its name does not tell so: no excerpt shows the value.
    pub hides_value: bool,
}

impl Problem {
    /// Sets the place.
    pub fn at(&mut self, origin: &Origin) -> &mut Self {
        self.origin = Some(origin.clone());
        self
    }

    /// The whole in one sentence: `user-data:3:1: what is wrong (what to do)`.
    pub fn sentence(&self) -> String {
        let place = self.origin.as_ref().filter(|origin| origin.line > 0).map(|origin| format!("{origin}: ")).unwrap_or_default();
        let help = self.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{place}{}{help}", self.message)
    }

    /// Takes out of the sentence and the advice what is secret; names of files and places stay.
    pub fn mask(&mut self, mask: &dyn Fn(&str) -> String) {
        self.message = mask(&self.message);
        self.help = self.help.as_deref().map(mask);
    }

    /// Sets the advice.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }
}

/// The problems found so far, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The problems.
    pub problems: Vec<Problem>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Report::default()
    }

    /// Adds an error: `report.error("bad-mode", "…").at(&node.origin).help("…")`.
    pub fn error(&mut self, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.add(Severity::Error, code, message.into())
    }

    /// Adds a warning.
    pub fn warning(&mut self, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.add(Severity::Warning, code, message.into())
    }

    /// Adds a note.
    pub fn note(&mut self, code: &'static str, message: impl Into<String>) -> &mut Problem {
        self.add(Severity::Note, code, message.into())
    }

    /// Adds a problem.
    pub fn add(&mut self, severity: Severity, code: &'static str, mut message: String) -> &mut Problem {
        // Whatever quotes a key without meaning to.
        if let Some(at) = message.find("-----BEGIN ").filter(|_| message.contains("PRIVATE KEY-----")) {
            message.truncate(at);
            message.push_str("***");
        }
        self.problems.push(Problem { severity, code, message, origin: None, help: None, hides_value: false });
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Whether any problem is an error.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many problems are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|p| p.severity == severity).count()
    }

    /// Takes over another report's problems.
    pub fn extend(&mut self, other: Report) {
        self.problems.extend(other.problems);
    }

    /// Passes every sentence through `mask`: a message may quote what elsewhere in the document is a secret.
    pub fn mask(&mut self, mask: &dyn Fn(&str) -> String) {
        for problem in &mut self.problems {
            problem.mask(mask);
        }
    }

    /// The report as text, each problem with the line it is about and a caret below it. `sources` gives a part's text by its
    /// name; `mask` masks in an excerpt what names do not tell to be secret.
    pub fn render<'a>(&self, sources: &dyn Fn(&str) -> Option<&'a str>, mask: &dyn Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut hidden: BTreeMap<(&str, u32), u32> = BTreeMap::new();
        for origin in self.problems.iter().filter(|problem| problem.hides_value).filter_map(|problem| problem.origin.as_ref()) {
            let column = hidden.entry((&*origin.part, origin.line)).or_insert(origin.column);
            *column = origin.column.min(*column);
        }
        let mut lines = LinesOf { sources, known: BTreeMap::new(), hidden, excerpts: BTreeMap::new() };
        for problem in &self.problems {
            render_problem(&mut out, problem, &mut lines, mask);
        }
        out
    }

    /// The report as JSON: a list of objects with `severity`, `code`, `message`, and where known `part`, `line`, `column`,
    /// `help`.
    pub fn to_json(&self) -> serde_json::Value {
        let one = |problem: &Problem| {
            let mut json = serde_json::json!({
                "severity": problem.severity.name(), "code": problem.code, "message": problem.message,
            });
            if let Some(origin) = &problem.origin {
                json["part"] = (*origin.part).into();
                json["line"] = origin.line.into();
                json["column"] = origin.column.into();
            }
            if let Some(help) = &problem.help {
                json["help"] = help.as_str().into();
            }
            json
        };
        self.problems.iter().map(one).collect()
    }
}

/// The lines of parts, each split once, and the excerpts, each made once: hundreds of problems may stand on one line.
struct LinesOf<'a, 's> {
    sources: &'s dyn Fn(&str) -> Option<&'a str>,
    known: BTreeMap<String, Vec<&'a str>>,
    /// The first column of a line, from 1, at which a key stands whose value is hidden.
    hidden: BTreeMap<(&'s str, u32), u32>,
    excerpts: BTreeMap<(String, u32), Option<String>>,
}

impl<'a> LinesOf<'a, '_> {
    fn of(&mut self, part: &str) -> &[&'a str] {
        if !self.known.contains_key(part) {
            let lines = (self.sources)(part).map(|text| text.lines().collect()).unwrap_or_default();
            self.known.insert(part.to_owned(), lines);
        }
        &self.known[part]
    }

    fn excerpt(&mut self, origin: &Origin, mask: &dyn Fn(&str) -> String) -> Option<String> {
        let place = (origin.part.to_string(), origin.line);
        if let Some(made) = self.excerpts.get(&place) {
            return made.clone();
        }
        let hidden = self.hidden.get(&(&*origin.part, origin.line)).copied();
        let made = excerpt(self.of(&origin.part), origin.line, hidden, mask);
        self.excerpts.insert(place, made.clone());
        made
    }
}

fn render_problem(out: &mut String, problem: &Problem, lines: &mut LinesOf<'_, '_>, mask: &dyn Fn(&str) -> String) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}[{}]: {}", problem.severity.name(), problem.code, problem.message);
    let mut margin = 1;
    if let Some(origin) = &problem.origin {
        margin = origin.line.to_string().len();
        let _ = writeln!(out, "{:margin$}--> {origin}", "");
        if let Some(line) = lines.excerpt(origin, mask) {
            let caret = (origin.column as usize - 1).min(line.chars().count());
            let _ = writeln!(out, "{:margin$} |", "");
            let _ = writeln!(out, "{} | {line}", origin.line);
            let _ = writeln!(out, "{:margin$} | {:caret$}^", "", "");
        }
    }
    if let Some(help) = &problem.help {
        let _ = writeln!(out, "{:margin$} = help: {}", "", help.replace('\n', &format!("\n{:margin$}   ", "")));
    }
    out.push('\n');
}

/// Long lines (a key pasted as one line) are cut; a caret beyond stands at the cut.
const EXCERPT_CHARS: usize = 120;

/// A line, from 1, with its secrets masked and made safe for a terminal; `None` if the text has no such line.
fn excerpt(lines: &[&str], number: u32, hidden: Option<u32>, mask: &dyn Fn(&str) -> String) -> Option<String> {
    let index = (number as usize).checked_sub(1)?;
    let line = without_broken_words(mask(&masked(lines, index, hidden)?));
    let printable = |c: char| {
        if c == '\t' {
            ' '
        } else if c.is_control() {
            '\u{fffd}'
        } else {
            c
        }
    };
    let mut shown: String = line.chars().take(EXCERPT_CHARS).map(printable).collect();
    if line.chars().nth(EXCERPT_CHARS).is_some() {
        shown.push('…');
    }
    Some(shown)
}

/// Where a quote or bracket is not closed, as in a document that cannot be read, the words of a command are not seen as such: what
/// looks like a secret without quotes and brackets is not shown then.
fn without_broken_words(line: String) -> String {
    let bare: String = line.chars().map(|c| if "\"'[]{},".contains(c) { ' ' } else { c }).collect();
    if line.contains(MASK) || crate::redact::patterns(&bare) == bare {
        return line;
    }
    let start = line.len() - line.trim_start_matches([' ', '-']).len();
    format!("{}{MASK}", &line[..start])
}

/// The text of a block scalar that was forgotten to be indented.
fn below_open_secret(lines: &[&str], index: usize) -> bool {
    let Some(above) = lines[..index].iter().rev().find(|line| !line.trim().is_empty()) else { return false };
    let opens =
        |(name, end): (&str, usize)| looks_secret(name) && above[end..].trim().starts_with(['|', '>']) && opens_block(&above[end..]);
    indentation(lines[index]) <= indentation(above) && keys(above).last().is_some_and(opens)
}

fn masked(lines: &[&str], index: usize, hidden: Option<u32>) -> Option<String> {
    let line = *lines.get(index)?;
    let blank = line.len() - line.trim_start().len();
    if below_secret(lines, index) || below_open_secret(lines, index) {
        return Some(format!("{}***", &line[..blank]));
    }
    let hidden = hidden.and_then(|column| line.char_indices().nth(column as usize - 1)).map_or(usize::MAX, |(at, _)| at);
    let mut holder = None;
    let secret = keys(line).find(|(name, end)| {
        let is_secret =
            looks_secret(name) || *end > hidden || holder.is_some_and(|holder: &Holder| !holder.is_harmless(name, &line[*end..]));
        holder = HOLDERS.iter().find(|holder| holder.key == *name).or(holder);
        is_secret
    });
    match secret {
        Some((_, end)) if !opens_block(&line[end..]) => Some(format!("{} ***", &line[..end])),
        _ => Some(line.to_string()),
    }
}

/// A key that has secrets below it which have no key of their own, or one whose name does not tell.
struct Holder {
    key: &'static str,
    /// Keys below it whose values may be shown.
    harmless: &'static [&'static str],
    /// Keys below it that may be shown where their values stand in other lines, or are lists or mappings.
    opening: &'static [&'static str],
}

const HOLDERS: [Holder; 2] = [
    // Lists `user:password` lines.
    Holder { key: "chpasswd", harmless: &["expire", "name", "type"], opening: &["users", "list"] },
    Holder { key: "random_seed", harmless: &["file", "encoding", "command", "command_required"], opening: &["data"] },
];

impl Holder {
    /// Whether a key below it, with what follows on its line, may be shown.
    fn is_harmless(&self, name: &str, rest: &str) -> bool {
        let opens = || opens_block(rest) || rest.trim_start().starts_with(['[', '{']);
        self.harmless.contains(&name) || self.opening.contains(&name) && opens()
    }

    /// The same of a line of its own: what is in a list there is not looked at.
    fn is_harmless_line(&self, line: &str) -> bool {
        keys(line)
            .next()
            .is_some_and(|(name, end)| self.harmless.contains(&name) || self.opening.contains(&name) && opens_block(&line[end..]))
    }
}

/// Whether what follows a key on its line is no value: nothing, a comment, or a block scalar's indicator.
fn opens_block(rest: &str) -> bool {
    let rest = rest.trim();
    rest.is_empty() || rest.starts_with('#') || matches!(rest.trim_end_matches(['+', '-']).trim_end_matches(char::is_numeric), "|" | ">")
}

/// Whether a line of smaller indentation above, up to the top level, has a secret's key: then this line is its value.
fn below_secret(lines: &[&str], index: usize) -> bool {
    let mut depth = indentation(lines[index]);
    if lines[index].trim().is_empty() {
        depth = usize::MAX;
    }
    for line in lines[..index].iter().rev() {
        if depth == 0 {
            return false;
        }
        if line.trim().is_empty() || indentation(line) >= depth {
            continue;
        }
        depth = indentation(line);
        let Some((name, _)) = keys(line).next() else {
            continue;
        };
        let holder = HOLDERS.iter().find(|holder| holder.key == name);
        if looks_secret(name) || holder.is_some_and(|holder| !holder.is_harmless_line(lines[index])) {
            return true;
        }
    }
    false
}

/// Spaces before the text, list dashes counted as indentation, so that `- passwd:` and the lines below it are siblings.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t', '-']).len()
}

/// The `key:`s of a line, also in flow style, each with the offset just after its colon.
fn keys(line: &str) -> impl Iterator<Item = (&str, usize)> {
    line.match_indices(':').filter_map(|(colon, _)| {
        let before = line[..colon].trim_end();
        let start = before.rfind(|c: char| " \t{[,'\"-".contains(c) && c != '-').map_or(0, |at| at + 1);
        let quoted = before.ends_with(['"', '\'']);
        let name = if quoted {
            let inner = &before[..before.len() - 1];
            &inner[inner.rfind(['"', '\'']).map_or(0, |at| at + 1)..]
        } else {
            before[start..].trim_start_matches('-')
        };
        (!name.is_empty()).then_some((name, colon + 1))
    })
}

/// Words for secrets, as they may be misspelt.
const SECRETS: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "private", "credential"];

/// Characters of a key that are looked at for such a word; no key is as long.
const LONGEST_KEY: usize = 80;

/// Whether a key of this name holds a secret: passwords and their hashes, private keys, tokens, key material, and the
/// content of files, which may be any of these; also if it is misspelt.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if matches!(name.as_str(), "lock_passwd" | "chpasswd" | "ssh_pwauth" | "nopasswd") {
        return false;
    }
    let parts = ["passw", "passphrase", "secret", "token", "private", "credential"];
    let ends = ["_key", "apikey", "_psk"];
    let whole = ["key", "content", "psk", "pass", "auth", "auth_key", "authkey"];
    // What stands before a colon may be a whole line: its last words are looked at.
    let start = name.char_indices().rev().take(LONGEST_KEY).last().map_or(0, |(at, _)| at);
    let is_misspelt = |word: &str| nearest(word, &SECRETS).is_some();
    parts.iter().any(|part| name.contains(part))
        || ends.iter().any(|end| name.ends_with(end))
        || whole.contains(&name.as_str())
        || name[start..].split('_').any(is_misspelt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, line: u32, column: u32) -> String {
        let mut report = Report::new();
        report.error("bad", "something is wrong").at(&Origin::new("user-data", line, column)).help("do this");
        report.render(&|name| (name == "user-data").then_some(text), &str::to_owned)
    }

    fn shown_line(text: &str, line: u32) -> String {
        let all = rendered(text, line, 1);
        let start = all.find(&format!("\n{line} | ")).expect("an excerpt") + 4 + line.to_string().len();
        all[start..].lines().next().unwrap_or_default().to_string()
    }

    #[test]
    fn a_problem_shows_its_line_with_a_caret_and_the_advice() {
        let expected = "error[bad]: something is wrong\n --> user-data:2:3\n  |\n2 | b: x\n  |   ^\n  = help: do this\n\n";
        assert_eq!(rendered("a: 1\nb: x\n", 2, 3), expected);
    }

    #[test]
    fn a_problem_beyond_the_text_has_no_excerpt() {
        assert_eq!(rendered("a", 9, 1), "error[bad]: something is wrong\n --> user-data:9:1\n  = help: do this\n\n");
    }

    #[test]
    fn excerpts_never_show_secrets() {
        let rows: &[(&str, u32, &str)] = &[
            ("sudo: ALL=(ALL) NOPASSWD: ALL", 1, "sudo: ALL=(ALL) NOPASSWD: ALL"),
            ("password: hunter2", 1, "password: ***"),
            ("users:\n  - passwd: $6$salt$hash", 2, "  - passwd: ***"),
            ("users: [{name: a, hashed_passwd: $6$x}, b]", 1, "users: [{name: a, hashed_passwd: ***"),
            ("users: [{\"plain_text_passwd\": \"x\"}]", 1, "users: [{\"plain_text_passwd\": ***"),
            ("ssh_keys:\n  rsa_private: |\n    -----BEGIN\n    abc", 4, "    ***"),
            ("ssh_keys:\n  rsa_private: |\n    abc", 2, "  rsa_private: |"),
            ("chpasswd:\n  list: |\n    root:hunter2", 3, "    ***"),
            ("chpasswd:\n  list:\n    - root:hunter2", 3, "    ***"),
            ("chpasswd:\n  expire: maybe", 2, "  expire: maybe"),
            ("chpasswd:\n  users:\n  - {name: root, password: x}", 3, "  - {name: root, password: ***"),
            ("write_files:\n- path: /a\n  content: hunter2", 3, "  content: ***"),
            ("write_files:\n- content: |\n    hunter2\n  path: /a", 4, "  path: /a"),
            ("write_files:\n- content: |\n    hunter2\n  path: /a", 3, "    ***"),
            ("write_files:\n- path: /a\n  content: |\n  *:*:*:postgres:S", 4, "  ***"),
            ("write_files:\n- content: |\n    x\n- path: /b", 4, "- path: /b"),
            ("- \"mysql -uroot -pS -e select", 1, "- ***"),
            ("- [mysql, -u, root, \"-pS\"", 1, "- ***"),
            ("runcmd: [htpasswd, -bc, /x, admin, S", 1, "***"),
            ("- [mysql, -u, root, \"-e", 1, "- [mysql, -u, root, \"-e"),
            ("users: [{name: a, plain_text_paswd: S}]", 1, "users: [{name: a, plain_text_paswd: ***"),
            ("- {name: a, pasword: S}", 1, "- {name: a, pasword: ***"),
            ("plain_text_paswd:\n    S", 2, "    ***"),
            ("chpasswd: {users: [{name: x, pswd: S}]}", 1, "chpasswd: {users: [{name: x, pswd: ***"),
            ("chpasswd: {expire: maybe, list: \"root:root\"}", 1, "chpasswd: {expire: maybe, list: ***"),
            ("chpasswd: {list: [root:S]}", 1, "chpasswd: {list: [root: ***"),
            ("ssh_keys: {rsa_privat: S}", 1, "ssh_keys: {rsa_privat: ***"),
            ("random_seed: {data: S, encodin: x}", 1, "random_seed: {data: ***"),
            ("random_seed:\n  data: S\n  encoding: x", 2, "  ***"),
            ("random_seed:\n  data: S\n  encoding: x", 3, "  encoding: x"),
            ("random_seed: {file: /a, encoding: x}", 1, "random_seed: {file: /a, encoding: x}"),
            ("lock_passwd: maybe", 1, "lock_passwd: maybe"),
            ("apt_token: x", 1, "apt_token: ***"),
            ("packages: [nginx]", 1, "packages: [nginx]"),
        ];
        for (text, line, expected) in rows {
            assert_eq!(shown_line(text, *line), *expected, "{text:?}");
        }
    }

    #[test]
    fn a_value_that_a_problem_hides_is_shown_with_no_other_either() {
        let mut report = Report::new();
        report.note("x", "m").at(&Origin::new("p", 1, 1));
        report.note("y", "m").at(&Origin::new("p", 1, 10)).hides_value = true;
        let shown = report.render(&|_| Some("- {a: 1, ö: S, c: T}"), &str::to_owned);
        assert_eq!(shown.matches("1 | - {a: 1, ö: ***\n").count(), 2, "{shown}");
    }

    #[test]
    fn the_caller_can_mask_what_names_do_not_tell() {
        let mut report = Report::new();
        report.note("x", "m").at(&Origin::new("p", 1, 1));
        let shown = report.render(&|_| Some("runcmd: [curl hunter2]"), &|line| line.replace("hunter2", "***"));
        assert!(shown.contains("1 | runcmd: [curl ***]\n"), "{shown}");
    }

    #[test]
    fn a_terminal_gets_no_control_characters_and_no_endless_line() {
        assert_eq!(shown_line("a: \u{1b}[2J", 1), "a: \u{fffd}[2J");
        assert!(shown_line(&"x".repeat(9_000), 1).chars().count() <= EXCERPT_CHARS + 1);
    }

    #[test]
    fn json_carries_every_field() {
        let mut report = Report::new();
        report.warning("unknown-key", "m").at(&Origin::new("part-002", 3, 5)).help("h");
        report.note("n", "m2");
        let expected = serde_json::json!([
            {"severity": "warning", "code": "unknown-key", "message": "m", "part": "part-002", "line": 3, "column": 5, "help": "h"},
            {"severity": "note", "code": "n", "message": "m2"},
        ]);
        assert_eq!(report.to_json(), expected);
        assert!(!report.has_errors());
    }
}
