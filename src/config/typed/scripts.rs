//! `runcmd` and `bootcmd`.

use super::reader::{FromNode, Reader, Shape};
use crate::config::node::{Node, Origin, Value};
use crate::secret::{Secret, MASK};

/// One item of a script, as shell text.
#[derive(Clone, Debug)]
pub struct ScriptLine {
    /// Its number from 1, as the user counts (items left out count too).
    pub number: u32,
    /// Shell text: a string as it stands, a list with every element quoted.
    pub text: Secret<String>,
    /// Its place.
    pub origin: Origin,
}

/// The items of a script.
#[derive(Clone, Debug, Default)]
pub struct ScriptItems {
    /// The items that can be run.
    pub items: Vec<ScriptLine>,
    /// How many items the user counts, those left out included.
    pub total: u32,
}

impl FromNode for ScriptItems {
    const SHAPE: Shape = Shape::List(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Scalar), Shape::Null]));

    /// A list of strings and lists. The peer loses the whole script over one number or mapping; here only that item is lost,
    /// and a number or truth value is run as written.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(items) = node.as_seq() else { return reader.mismatch(node, "a list of commands") };
        let mut script = Self { total: items.len() as u32, ..Self::default() };
        for (at, item) in items.iter().enumerate() {
            let number = at as u32 + 1;
            if item.is_null() {
                continue;
            }
            let text = reader.within(&format!("[{at}]"), |reader| match &item.value {
                Value::Seq(words) => {
                    warn_of_one_word(words, reader);
                    quote_words(words, reader)
                }
                _ => String::from_node(item, reader),
            });
            // An item that is no command has been reported as an error; the others are run.
            if let Some(text) = text {
                script.items.push(ScriptLine { number, text: Secret::new(text), origin: item.origin.clone() });
            }
        }
        Some(script)
    }
}

/// A whole line as the only word of a list: quoted, it names one program.
fn warn_of_one_word(words: &[Node], reader: &mut Reader<'_>) {
    let [word] = words else { return };
    if word.as_str().is_some_and(|text| text.trim().contains(char::is_whitespace)) {
        let message = format!("{} is a list of one word with blanks in it: the shell looks for a program of this name", reader.path());
        reader
            .report
            .warning("one-word", message)
            .at(&word.origin)
            .help("write it without the brackets, or each word as an item of its own");
    }
}

/// Words as a shell reads them; one that is no scalar is reported, and then there is no command.
pub fn quote_words(words: &[Node], reader: &mut Reader<'_>) -> Option<String> {
    let mut quoted = Vec::with_capacity(words.len());
    for word in words {
        let (run, written) = (word.python_str(), word.source_text());
        if word.is_scalar() && word.as_str().is_none() && run != written {
            let is_secret = holds_secret(&quoted, &run);
            let shown = |text: &str| if is_secret { MASK.to_owned() } else { text.to_owned() };
            let message = format!("{}: `{}` is {} here, and run as `{}`", reader.path(), shown(&written), word.kind(), shown(&run));
            reader.report.warning("quote", message).at(&word.origin).help("write it in quotes");
        }
        if !word.is_scalar() {
            return reader.mismatch(word, "a string");
        }
        quoted.push(crate::script::quote(&run));
    }
    Some(quoted.join(" "))
}

/// Whether a word behind these is a secret: `--token 0123`.
fn holds_secret(before: &[String], word: &str) -> bool {
    let line = format!("{} {}", before.join(" "), crate::script::quote(word));
    !crate::redact::patterns(&line).ends_with(&crate::script::quote(word))
}
