//! The state of a script's shell between two items: what `set`, `export -p` and `umask` said, turned into text that brings
//! it back in a new shell.

use std::borrow::Cow;

use crate::hash::sha256_hex;

/// Variables that belong to the shell itself or to landfall.
const OWN: [&str; 19] = [
    "PPID",
    "OPTIND",
    "LINENO",
    "PWD",
    "OLDPWD",
    "_",
    "SHELLOPTS",
    "BASHOPTS",
    "BASH",
    "EUID",
    "UID",
    "GROUPS",
    "DIRSTACK",
    "PIPESTATUS",
    "RANDOM",
    "SECONDS",
    "HISTCMD",
    "BASHPID",
    "OPTARG",
];

/// What the shell wrote down after an item.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct ShellState {
    flags: String,
    umask: String,
    directory: Option<String>,
    /// Assignments as the shell quoted them.
    assignments: Vec<(String, String)>,
    exported: Vec<String>,
}

impl ShellState {
    /// What the shell wrote down, as it is kept: a half of it would be another state.
    pub fn sealed(written: &[u8]) -> Vec<u8> {
        [sha256_hex(written).as_bytes(), b"\n", written].concat()
    }

    /// Reads what is kept; `None` where it is not whole.
    pub fn read(kept: &[u8]) -> Option<Self> {
        let (digest, written) = kept.split_at_checked(kept.iter().position(|byte| *byte == b'\n')?)?;
        let written = &written[1..];
        (sha256_hex(written).as_bytes() == digest).then(|| Self::parse(&as_text(written)))?
    }

    /// Reads what the shell wrote down.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.splitn(3, '\n');
        let flags = lines.next()?.to_owned();
        let umask = lines.next()?.trim().to_owned();
        let rest = lines.next()?;
        let mut state = Self { flags, umask, ..Self::default() };
        let mut in_exports = true;
        for statement in statements(rest) {
            if statement.is_empty() {
                in_exports = false;
            } else if in_exports {
                let declaration = statement.strip_prefix("export ").or_else(|| statement.strip_prefix("declare -x "));
                if let Some(name) = declaration.map(name_of).filter(|name| !is_own(name)) {
                    state.exported.push(name.to_owned());
                }
            } else {
                let name = name_of(&statement);
                if name == "PWD" {
                    state.directory = Some(statement["PWD=".len().min(statement.len())..].to_owned());
                } else if is_name(name) && statement.len() > name.len() && !is_own(name) {
                    state.assignments.push((name.to_owned(), statement.clone()));
                }
            }
        }
        (!in_exports).then_some(state)
    }

    /// Shell text that goes back to the directory; it fails where that is gone.
    pub fn enter_directory(&self) -> Option<String> {
        self.directory.as_ref().map(|directory| format!("cd -- {directory}"))
    }

    /// Shell text that brings the rest back, but for what [`Self::flags`] names.
    pub fn restore(&self) -> String {
        let mut out = String::new();
        for (_, assignment) in &self.assignments {
            out.push_str(assignment);
            out.push('\n');
        }
        for name in &self.exported {
            out.push_str(&format!("export {name}\n"));
        }
        out.push_str(&format!("umask {}\n", self.umask));
        for flag in self.flags.chars().filter(|flag| "afb".contains(*flag)) {
            out.push_str(&format!("set -{flag}\n"));
        }
        out
    }

    /// Options that are set around each item only.
    pub fn flags(&self) -> String {
        self.flags.chars().filter(|flag| "euxvC".contains(*flag)).collect()
    }
}

/// Shell text that says the same in UTF-8. dash writes bytes of a value as they are, and always within single quotes; bash escapes
/// what is not text by itself.
fn as_text(written: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(written) {
        return text.into();
    }
    let mut out = String::with_capacity(written.len());
    for chunk in written.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("'\"$(printf '\\{byte:03o}')\"'"));
        }
    }
    out.into()
}

fn is_own(name: &str) -> bool {
    OWN.contains(&name) || name.starts_with("_landfall_") || name.starts_with("LANDFALL_") || name.starts_with("BASH_")
}

fn name_of(statement: &str) -> &str {
    statement.split('=').next().unwrap_or(statement)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Splits at newlines outside quotes.
fn statements(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for ch in text.chars() {
        match (quote, ch) {
            _ if escaped => escaped = false,
            (Some('"') | None, '\\') => escaped = true,
            (Some(open), _) if ch == open => quote = None,
            (None, '\'' | '"') => quote = Some(ch),
            (None, '\n') => {
                out.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(ch);
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_and_brought_back() {
        let text = "eu\n0027\nexport A='1'\nexport PATH='/bin'\n\nA='1'\nB='it'\"'\"'s\nB2=x'\nPATH='/bin'\nPPID='7'\nPWD='/a b'\n_landfall_item='x'\n";
        let state = ShellState::parse(text).expect("whole");
        let restore = state.restore();
        assert!(restore.contains("B='it'\"'\"'s\nB2=x'\n"), "{restore}");
        assert!(
            restore.contains("export A\n")
                && state.enter_directory().as_deref() == Some("cd -- '/a b'")
                && restore.contains("umask 0027\n")
        );
        assert!(!restore.contains("PPID") && !restore.contains("_landfall_item"));
        assert_eq!(state.flags(), "eu");
        assert_eq!(ShellState::parse("e\n0022\nexport A='1'"), None);
        let kept = String::from_utf8(ShellState::sealed(text.as_bytes())).expect("text");
        assert_eq!(ShellState::read(kept.as_bytes()), Some(state));
        for damaged in [&kept[..kept.len() / 2], &kept[..kept.len() - 1], &kept.replace("1", "2"), "", "\n"] {
            assert_eq!(ShellState::read(damaged.as_bytes()), None, "{damaged}");
        }
    }
}
