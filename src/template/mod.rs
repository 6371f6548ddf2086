//! Jinja templates over instance data, as cloud-init renders them (its documentation, "Instance metadata").
//!
//! A template begins with the line `## template: jinja`. It is rendered with the instance's data, of which every key with `-`
//! or `.` also has a name with `_`, and of which the keys of `v1` also stand at the top. What is not defined is written as
//! `CI_MISSING_JINJA_VAR/NAME` and named in the result. Values print as Python prints them, and the methods of Python's
//! strings, mappings and lists that templates use are there.
//!
//! Not covered: `include`, `import` and `extends` (a template has no files), `lipsum`, `pprint`, `urlize`; `%` of a text that does not
//! stand there as such; `encode`, `translate` and `is_integer`; `2 ** -1`; what a text has not (`v1.instance_id.nothing`), which is an
//! error here. A sum of tuples prints as a list.

mod collections;
mod filters;
mod format;
mod methods;
mod objects;
mod print;
pub mod process;
mod python;
mod texts;
mod variables;

#[cfg(test)]
mod tests;

use minijinja::{Environment, ErrorKind, UndefinedBehavior};

pub use variables::{alias, converted, Variables};

/// What is said of a text with the signs of templates where a value should be, and what to do about it.
pub const NOT_RENDERED: (&str, &str) = (
    "this looks like a template that was not rendered",
    "render it first, or, where it is jinja, make `## template: jinja` the first line",
);

/// What a variable that is not defined is written as, before its name.
pub const MISSING: &str = "CI_MISSING_JINJA_VAR/";

/// Steps of the template's program: many times what a template for user-data takes, and no more than a second.
const FUEL: u64 = 10_000_000;

/// The most bytes that a template may become.
const LONGEST: usize = 8 << 20;

/// Why a template cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Line of the text as the user wrote it, header included, from 1.
    pub line: u32,
    /// What is wrong, in a sentence without full stop.
    pub message: String,
    /// It cannot be read, or has no bound: whatever the variables are.
    pub is_certain: bool,
}

/// A rendered template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text, without the header.
    pub text: String,
    /// What was not defined and was written all the same: each name with the line and the column that it is asked for at, from 1.
    pub missing: Vec<(String, (u32, u32))>,
}

/// Renders a template with variables that are known.
pub type Render<'r> = &'r dyn Fn(&str) -> Result<Rendered, TemplateError>;

/// Whether the first line says that this is a template; blanks and case do not count, as under the peer.
pub fn is_template(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default().trim_end();
    let Some(rest) = first.strip_prefix("##").map(str::trim_start) else { return false };
    let kind = rest.get(.."template:".len()).filter(|start| start.eq_ignore_ascii_case("template:")).map(|start| &rest[start.len()..]);
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("jinja"))
}

/// Renders a template, whose first line is its header, in this process: what the engine does with memory and stack for a hostile
/// one is for the caller to bound.
///
/// # Errors
/// It cannot be read, or rendering it fails.
pub fn render(template: &str, variables: &Variables) -> Result<Rendered, TemplateError> {
    text_of(template, variables).map(|text| with_missing(template, text))
}

/// What a template becomes.
///
/// # Errors
/// As [`render`].
pub fn text_of(template: &str, variables: &Variables) -> Result<String, TemplateError> {
    let body = template.split_once('\n').map_or("", |(_, body)| body);
    // As the peer: the last newline is kept, whatever stands before it.
    let (body, end) = body.strip_suffix('\n').map_or((body, ""), |body| (body, "\n"));
    Ok(rendered(body, variables).map_err(|error| TemplateError { line: error.line + 1, ..error })? + end)
}

/// The text that a template has become, with what was not defined in it.
pub fn with_missing(template: &str, text: String) -> Rendered {
    let mut missing: Vec<(String, (u32, u32))> = Vec::new();
    for (at, _) in text.match_indices(MISSING) {
        let (name, place) = missing_name(template, &text[at + MISSING.len()..]);
        if !missing.iter().any(|(known, _)| known == name) {
            missing.push((name.to_owned(), place));
        }
    }
    Rendered { text, missing }
}

fn rendered(body: &str, variables: &Variables) -> Result<String, TemplateError> {
    if let Some((line, message)) = beyond_the_engine(body) {
        return Err(TemplateError { line, message: message.to_owned(), is_certain: true });
    }
    let mut environment = Environment::empty();
    filters::teach(&mut environment);
    environment.set_trim_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(|out, _, value| print::print(out, value));
    environment.set_unknown_method_callback(methods::call);
    let source = python::for_the_engine(body);
    let template = environment.template_from_str(&source).map_err(|error| told(&error, body))?;
    let mut out = Bounded::default();
    template.render_captured_to(variables.root(), &mut out).map_err(|error| told(&error, body))?;
    String::from_utf8(out.0).map_err(|_| TemplateError { line: 1, message: "the result is no text".into(), is_certain: false })
}

/// The line of what the engine cannot be given, and why. The first slice whose step is not a number without a sign: of nothing,
/// the engine ends the program at one that goes back. A long chain of `*`: it copies a long text at each of them, again and again.
fn beyond_the_engine(body: &str) -> Option<(u32, &'static str)> {
    const MOST_STARS: u32 = 20;
    let mut open: Vec<(char, u32)> = Vec::new();
    let (mut in_tag, mut quote, mut line, mut stars) = (false, None, 1, 0);
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        line += u32::from(c == '\n');
        match (quote, c) {
            _ if !in_tag => {
                in_tag = c == '{' && matches!(next, Some('{' | '%'));
                if in_tag {
                    chars.next();
                    open.clear();
                    stars = 0;
                }
            }
            (Some(_), '\\') => drop(chars.next()),
            (Some(mark), _) => quote = quote.filter(|_| c != mark),
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(' | '{') => open.push((c, 0)),
            (None, '}' | '%') if open.is_empty() && next == Some('}') => in_tag = false,
            (None, ']' | ')' | '}') => drop(open.pop()),
            (None, '*') => {
                stars += 1;
                if stars > MOST_STARS {
                    return Some((line, "more than twenty `*` stand in one expression"));
                }
            }
            (None, ':') => {
                if let Some(('[', colons)) = open.last_mut() {
                    *colons += 1;
                    let step = body[at + 1..].split(']').next().unwrap_or_default().trim();
                    if *colons == 2 && !step.chars().all(|c| c.is_ascii_digit()) {
                        return Some((line, "a slice goes forward here, by a number that is written out: use `|reverse`"));
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// What a template becomes, up to [`LONGEST`].
#[derive(Default)]
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(std::io::Error::other("it becomes longer than 8 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn told(error: &minijinja::Error, body: &str) -> TemplateError {
    let is_certain = matches!(
        error.kind(),
        ErrorKind::SyntaxError | ErrorKind::OutOfFuel | ErrorKind::WriteFailure | ErrorKind::UnknownFilter | ErrorKind::UnknownTest
    );
    let line = error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(1).max(1);
    let mut message = match error.kind() {
        ErrorKind::OutOfFuel => "it does not come to an end".to_owned(),
        ErrorKind::WriteFailure => "it becomes longer than 8 MiB".to_owned(),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    let text = body.lines().nth(line as usize - 1).unwrap_or_default();
    let name = if error.kind() == ErrorKind::InvalidOperation { hyphened_name(text) } else { None };
    if let Some(name) = name {
        message = format!("`{name}` takes away what is behind the `-` from what is before it, and these are no numbers");
    }
    let is_certain = is_certain || name.is_some_and(|name| name.starts_with("v1."));
    if error.kind() == ErrorKind::InvalidOperation && text.contains('-') {
        message.push_str("; a name with `-` is written with `_` here, or quoted: `ds['a-b']`");
    }
    TemplateError { line, message, is_certain }
}

/// The first name of a line that has a `-` in it, which the engine reads as a minus. What `v1` has are texts and lists: of it there is
/// no number to take away from.
fn hyphened_name(line: &str) -> Option<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let is_hyphened = |name: &&str| {
        let mut words = name.split('-');
        name.contains('-') && words.all(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
    };
    let tags = [("{{", "}}"), ("{%", "%}")];
    let inside =
        tags.iter().flat_map(|(open, close)| line.split(open).skip(1).map(move |rest| rest.split(*close).next().unwrap_or_default()));
    // What stands in quotes is text.
    inside.flat_map(|tag| tag.split(['\'', '"']).step_by(2)).flat_map(|code| code.split(|c| !is_of_name(c))).find(is_hyphened)
}

/// The name that a text begins with, and where the template asks for it. What follows a variable may look like more of its name: it
/// is the longest one that the template has. The place is the first of all where it has none.
fn missing_name<'t>(template: &str, text: &'t str) -> (&'t str, (u32, u32)) {
    let is_of_name = |c: char| c.is_alphanumeric() || "_.".contains(c);
    let longest = text.find(|c: char| !is_of_name(c) && c != '-').unwrap_or(text.len()).min(200);
    let ends = (1..=longest).rev().filter(|end| text.is_char_boundary(*end));
    let found = ends.map(|end| &text[..end]).find_map(|name| Some((name, place_of(template, name)?)));
    let usual = || text.split(|c| !is_of_name(c)).next().unwrap_or_default().trim_end_matches('.');
    found.unwrap_or_else(|| (usual(), (1, 1)))
}

/// Where a name stands as such between the signs of an expression or of a statement.
fn place_of(template: &str, name: &str) -> Option<(u32, u32)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_asked = |at: &usize| {
        let (before, after) = (&template[..*at], &template[*at + name.len()..]);
        let opened = before.rfind("{{").max(before.rfind("{%"));
        let closed = before.rfind("}}").max(before.rfind("%}"));
        opened.is_some() && opened > closed && !before.ends_with(is_word) && !after.starts_with(is_word)
    };
    let at = template.match_indices(name).map(|(at, _)| at).find(is_asked)?;
    let line_start = template[..at].rfind('\n').map_or(0, |end| end + 1);
    let count = |number: usize| u32::try_from(number + 1).unwrap_or(1);
    Some((count(template[..at].matches('\n').count()), count(template[line_start..at].chars().count())))
}
