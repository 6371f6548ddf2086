//! `password`, `chpasswd`, `ssh_pwauth`.

use super::reader::{quoted_and, FromNode, Reader, Shape};
use super::scalars::is_yes_or_no;
use super::users::{account_name, UserName};
use crate::config::node::{Node, Origin, Value};
use crate::plan::operation::NewPassword;
use crate::secret::Secret;

crate::record! {
    /// `chpasswd`.
    pub struct Chpasswd {
        /// Passwords must be changed at first login (the default).
        optional expire: bool,
        /// Users and passwords.
        default users: Vec<PasswordEntry>,
        /// The same as `user:password` lines.
        default list: PasswordLines,
    }
}

crate::record! {
    /// One entry of `chpasswd.users`.
    pub struct PasswordEntry {
        /// Login name.
        required name: UserName,
        /// Password or hash.
        optional password: PasswordText,
        /// What `password` is; a hash, if nothing is said.
        optional kind as "type": PasswordKind,
    }
}

/// A password or hash on one line: `chpasswd` reads lines. The newline that a YAML block leaves at the end is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordText {
    /// The line.
    pub text: Secret<String>,
    /// Its place.
    pub origin: Origin,
}

impl FromNode for PasswordText {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = Secret::<String>::from_node(node, reader)?;
        let line = text.expose().trim_end_matches(['\r', '\n']);
        if line.contains(['\r', '\n', '\0']) {
            return reader.invalid(&node.origin, "a password is one line", "write it on one line, in quotes");
        }
        Some(Self { text: reader.secret(line.to_owned()), origin: node.origin.clone() })
    }
}

/// What a password is given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PasswordKind {
    /// A crypt(5) hash.
    #[default]
    Hash,
    /// In clear.
    Text,
    /// To be made up.
    Random,
}

impl FromNode for PasswordKind {
    const SHAPE: Shape = Shape::Words(&["hash", "text", "RANDOM"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match String::from_node(node, reader)?.as_str() {
            "hash" => Some(Self::Hash),
            "text" => Some(Self::Text),
            "RANDOM" | "random" | "R" => Some(Self::Random),
            other => reader.unknown_word(&node.origin, quoted_and(other, "is no type of password"), other, Self::SHAPE.words()),
        }
    }
}

impl PasswordEntry {
    /// Whether it is not known what `password` is: set as a hash, a password in clear would lock the account.
    pub fn is_of_unknown_kind(&self) -> bool {
        self.kind.is_none() && self.given.contains(&"type")
    }

    /// What to set; `None` where nothing is given to set.
    pub fn new_password(&self) -> Option<NewPassword> {
        match (self.kind.unwrap_or_default(), &self.password) {
            (PasswordKind::Random, _) => Some(NewPassword::Random),
            (PasswordKind::Hash, Some(hash)) => Some(NewPassword::Hash(hash.text.clone())),
            (PasswordKind::Text, Some(password)) => Some(NewPassword::Plain(password.text.clone())),
            (_, None) => None,
        }
    }
}

/// One `user:password` line.
#[derive(Clone, Debug)]
pub struct PasswordLine {
    /// Login name.
    pub user: String,
    /// The password.
    pub password: NewPassword,
    /// Its place.
    pub origin: Origin,
}

/// `chpasswd.list`: `user:password` lines, as a list or as one string.
#[derive(Clone, Debug, Default)]
pub struct PasswordLines(pub Vec<PasswordLine>);

impl FromNode for PasswordLines {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Text]);

    /// A line that cannot be read is reported without its text; the peer loses every password over it.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.report.note("deprecated", "`chpasswd.list` is an old form").at(&node.origin).help("use `chpasswd.users`");
        let mut lines = Self::default();
        match &node.value {
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    reader.within(&format!("[{at}]"), |reader| match item.as_str() {
                        Some(line) => lines.read(line.trim_end_matches(['\r', '\n']), "the entry", &item.origin, reader),
                        None => {
                            let _: Option<()> = reader.mismatch(item, "a string USER:PASSWORD");
                        }
                    });
                }
            }
            Value::Str(text) => {
                for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                    lines.read(line, &format!("line {} of the text", at + 1), &node.line(at), reader);
                }
            }
            _ => return reader.mismatch(node, "a list of USER:PASSWORD"),
        }
        Some(lines)
    }
}

impl PasswordLines {
    fn read(&mut self, line: &str, which: &str, origin: &Origin, reader: &mut Reader<'_>) {
        let Some((user, password)) = line.split_once(':') else {
            let _: Option<()> = reader.invalid(origin, format!("{which} has no colon"), "write USER:PASSWORD");
            return;
        };
        let user = user.trim();
        if let Err(why) = account_name(user) {
            let _: Option<()> = reader.invalid(origin, format!("the user's name in {which} {why}"), "write USER:PASSWORD");
            return;
        }
        let password = told_by_looks(password, reader);
        self.0.push(PasswordLine { user: user.to_owned(), password, origin: origin.clone() });
    }
}

/// What a password without a stated type is: `R` and `RANDOM` are made up, what looks like a crypt(5) hash is one.
pub fn told_by_looks(password: &str, reader: &mut Reader<'_>) -> NewPassword {
    match password {
        "R" | "RANDOM" => NewPassword::Random,
        _ => {
            let secret = reader.secret(password.to_owned());
            if is_hash(password) {
                NewPassword::Hash(secret)
            } else {
                NewPassword::Plain(secret)
            }
        }
    }
}

/// Prefixes of crypt(5) that Debian's libcrypt knows. The peer does not know yescrypt (`y`), Debian's own default, nor `2b`, and
/// sets such a hash as the password itself.
const HASH_KINDS: [&str; 9] = ["1", "2a", "2b", "2y", "5", "6", "7", "gy", "y"];

/// `$KIND$salt$hash` in one of crypt(5)'s forms.
pub fn is_hash(password: &str) -> bool {
    let Some((kind, rest)) = password.strip_prefix('$').and_then(|rest| rest.split_once('$')) else { return false };
    let Some((first, second)) = rest.split_once('$') else { return false };
    HASH_KINDS.contains(&kind) && !first.is_empty() && !second.is_empty() && !password.contains(':')
}

/// Whether this may be what crypt(5) makes, in any form of any system, or says that there is no password (`!`, `*`).
pub fn may_be_hash(text: &str) -> bool {
    let settings = text.starts_with('$') && text.matches('$').count() > 1;
    text.is_empty() || text == "x" || text.starts_with(['!', '*']) || settings
}

/// `password`, told by its looks.
#[derive(Clone, Debug)]
pub struct DefaultPassword {
    /// What to set.
    pub password: NewPassword,
    /// Its place.
    pub origin: Origin,
}

impl FromNode for DefaultPassword {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = PasswordText::from_node(node, reader)?;
        Some(Self { password: told_by_looks(text.text.expose(), reader), origin: node.origin.clone() })
    }
}

/// `ssh_pwauth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordLogin {
    /// sshd takes passwords.
    Yes,
    /// sshd takes none.
    No,
    /// As it is.
    Unchanged,
}

impl FromNode for PasswordLogin {
    const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Words(&["unchanged"])]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("unchanged")) {
            reader.report.note("deprecated", "`ssh_pwauth: unchanged` is an old form").at(&node.origin).help("leave the key out");
            return Some(Self::Unchanged);
        }
        if node.as_str().is_some_and(|text| !is_yes_or_no(&text.trim().to_ascii_lowercase())) {
            return reader.mismatch(node, "true, false or unchanged");
        }
        bool::from_node(node, reader).map(|yes| if yes { Self::Yes } else { Self::No })
    }
}
