//! `users`, `groups`, `user`.

use super::passwords::PasswordText;
use super::reader::{quoted, quoted_and, FromNode, Reader, Shape};
use super::scalars::{is_yes_or_no, Located, Text};
use super::ssh::{ImportIds, PublicKeys};
use crate::config::node::{Entry, Node, Origin, Value};
use crate::secret::MASK;

crate::record! {
    /// One user. A mapping without `name` speaks of the default user.
    pub struct UserEntry {
        /// Login name.
        optional name: UserName,
        /// Comment, usually the full name.
        optional gecos: Text,
        /// Home directory.
        optional homedir: AccountPath,
        /// Primary group.
        optional primary_group ["primary-group"]: Text,
        /// User id.
        optional uid: UserId,
        /// Other groups.
        optional groups: NameList,
        /// Make the groups that do not exist.
        optional create_groups ["create-groups"]: bool,
        /// Password hash, for new users only.
        optional passwd: PasswordText,
        /// Password hash.
        optional hashed_passwd ["hashed-passwd"]: PasswordText,
        /// Password in clear.
        optional plain_text_passwd ["plain-text-passwd"]: PasswordText,
        /// No login by password.
        optional lock_passwd ["lock-passwd"]: bool,
        /// Login shell.
        optional shell: AccountPath,
        /// Date on which the account ends.
        optional expiredate: ExpireDate,
        /// Days after which an expired password disables the account.
        optional inactive: Text,
        /// SELinux user.
        optional selinux_user ["selinux-user"]: String,
        /// No group of the user's name.
        optional no_user_group ["no-user-group"]: bool,
        /// System account.
        optional system: bool,
        /// No lastlog entry.
        optional no_log_init ["no-log-init"]: bool,
        /// No home directory.
        optional no_create_home ["no-create-home"]: bool,
        /// sudo rules.
        optional sudo: SudoRules,
        /// doas rules.
        optional doas: Vec<Located<String>>,
        /// Keys for login by ssh.
        optional ssh_authorized_keys ["ssh-authorized-keys"]: PublicKeys,
        /// The instance's keys lead to a message that names the default user.
        optional ssh_redirect_user ["ssh-redirect-user"]: Redirect,
        /// Whose keys are imported for him.
        optional ssh_import_id ["ssh-import-id"]: ImportIds,
        /// Address of an account of Ubuntu's shop; nothing else that is said of the user counts then.
        optional snapuser: Mail,
        /// The account is one that a system-user assertion names.
        optional known: bool,
    }
}

macro_rules! first_of {
    ($first:ident, $second:ident; $($field:ident),*) => {
        Self {
            origin: $first.origin,
            given: $first.given.into_iter().chain($second.given).collect(),
            places: $first.places.into_iter().chain($second.places).collect(),
            $($field: $first.$field.or($second.$field)),*
        }
    };
}

impl UserEntry {
    /// Both descriptions of one user; what the first says holds.
    pub fn or(self, second: Self) -> Self {
        first_of!(self, second; name, gecos, homedir, primary_group, uid, groups, create_groups, passwd, hashed_passwd,
            plain_text_passwd, lock_passwd, shell, expiredate, inactive, selinux_user, no_user_group, system, no_log_init,
            no_create_home, sudo, doas, ssh_authorized_keys, ssh_redirect_user, ssh_import_id, snapuser, known)
    }

    /// A user of whom nothing but the name is known; `None` where that cannot be used, so that it is not taken for the default user.
    fn named(name: &str, origin: &Origin, reader: &mut Reader<'_>) -> Option<Self> {
        let word = |text: &str| Node::new(Value::Str(text.to_owned()), origin.clone());
        let entry = Entry { key: word("name"), value: word(name) };
        read_user(&Node::new(Value::Map(vec![entry]), origin.clone()), reader)
    }
}

/// A login name that `useradd` takes. `default` stands for the distribution's first user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(pub String);

impl FromNode for UserName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        match account_name(&name) {
            Ok(()) => Some(Self(name)),
            Err(why) => {
                // `name:password` is the form of `chpasswd.list`.
                let (shown, is_pair) = name.split_once(':').map_or((name.clone(), false), |(user, _)| (format!("{user}:{MASK}"), true));
                let help = "use lower-case letters, digits, `-` and `_`";
                let message = format!("{}: {}", reader.path(), quoted_and(&shown, why));
                reader.report.error("value", message).at(&node.origin).help(help).hides_value = is_pair;
                None
            }
        }
    }
}

/// A user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(pub u32);

impl FromNode for UserId {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let id = u32::from_node(node, reader)?;
        if node.as_str().is_some() {
            let message = format!("{} as text is an old form", reader.path());
            reader.report.note("deprecated", message).at(&node.origin).help(format!("write `{id}`"));
        }
        Some(Self(id))
    }
}

/// A home or a shell, which `useradd` takes as an absolute path only. Empty, it counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPath(pub String);

impl FromNode for AccountPath {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = String::from_node(node, reader)?;
        if !path.is_empty() && (!path.starts_with('/') || path.contains([':', '\n', '\0'])) {
            return reader.invalid(&node.origin, quoted_and(&path, "is no absolute path"), "begin it with /");
        }
        Some(Self(path))
    }
}

/// An address of mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail(pub String);

impl FromNode for Mail {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        if !text.contains('@') || text.starts_with('-') || text.contains(char::is_whitespace) {
            return reader.invalid(&node.origin, quoted_and(&text, "is no address of mail"), "as in bob@example.org");
        }
        Some(Self(text))
    }
}

/// The date on which an account ends, as `useradd --expiredate` takes it: `YYYY-MM-DD`, or days since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpireDate(pub String);

impl FromNode for ExpireDate {
    const SHAPE: Shape = Shape::TextOrNumber;

    /// What is no date stays: `useradd` refuses it, and an account without its end is not made.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = Text::from_node(node, reader)?.0;
        let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.split('-').collect();
        let is_date = match parts.as_slice() {
            [year, month, day] => year.len() == 4 && digits(year, 4) && digits(month, 2) && digits(day, 2),
            [days] => days.is_empty() || digits(days, 9),
            ["", "1"] => true,
            _ => false,
        };
        if !is_date {
            let _: Option<()> = reader.invalid(&node.origin, quoted_and(&text, "is no date"), "write it as 2032-09-01");
        }
        Some(Self(text))
    }
}

/// Whether the account tools take this name of a user or group (useradd(8), Debian's `--badname` rules are stricter).
pub fn account_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.len() > 32 {
        return Err("is longer than 32 characters");
    }
    if name.starts_with(['-', '+', '~']) {
        return Err("begins with a character no account may begin with");
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || ":,/\\\"'$!".contains(c)) {
        return Err("has a character no account may have");
    }
    Ok(())
}

/// `users`: a list, a comma-separated string or a mapping.
#[derive(Clone, Debug, Default)]
pub struct Users(pub Vec<UserEntry>);

impl FromNode for Users {
    const SHAPE: Shape = Shape::Either(&[
        Shape::List(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Text), UserEntry::SHAPE])),
        Shape::Text,
        Shape::Map(&Shape::Either(&[UserEntry::SHAPE, Shape::Bool])),
    ]);

    /// Never fails: what cannot be read is reported and means no users, rather than the default user.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut users = Self::default();
        match &node.value {
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    reader.within(&format!("[{at}]"), |reader| users.read_item(item, reader));
                }
            }
            Value::Str(names) => {
                reader.report.note("deprecated", "`users` as a string is an old form").at(&node.origin).help("write a list");
                users.read_names(names, &node.origin, reader);
            }
            // A word there would say whether a user called `name` is made.
            Value::Map(_) if node.get("name").and_then(Node::as_str).is_some_and(|name| !is_yes_or_no(name)) => {
                let message = "users is a list, and this is one user without it: nobody is made";
                reader.report.error("type", message).at(&node.origin).help("put `- ` before `name`");
            }
            Value::Map(entries) => {
                reader.report.note("deprecated", "`users` as a mapping is an old form").at(&node.origin).help("write a list");
                for entry in entries {
                    reader.within(&entry.key.source_text(), |reader| users.read_mapped(entry, reader));
                }
            }
            _ => {
                let _: Option<()> = reader.mismatch(node, "a list");
            }
        }
        users.report_same_ids(reader);
        users.report_repeats(reader);
        Some(users)
    }

    /// `users:` with nothing behind it means nobody, as with the peer.
    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self::default())
    }
}

impl Users {
    /// `useradd` refuses the second of two.
    fn report_same_ids(&self, reader: &mut Reader<'_>) {
        for (at, user) in self.0.iter().enumerate() {
            let name = user.name.as_ref().map(|name| &name.0);
            let same = |other: &&UserEntry| user.uid.is_some() && other.uid == user.uid && other.name.as_ref().map(|name| &name.0) != name;
            let Some(first) = self.0[..at].iter().find(same) else { continue };
            let whose = first.name.as_ref().map_or("the default user", |name| &name.0);
            let message = format!("this id is that of `{whose}` too");
            let _: Option<()> = reader.invalid(user.place("uid"), message, "give each user an id of their own, or none");
        }
    }

    /// One user of two entries: what both say is taken from the first.
    fn report_repeats(&self, reader: &mut Reader<'_>) {
        for (at, user) in self.0.iter().enumerate() {
            let Some(name) = &user.name else { continue };
            let Some(first) = self.0[..at].iter().find(|other| other.name.as_ref() == Some(name)) else { continue };
            let both: Vec<&str> = user.given.iter().copied().filter(|key| *key != "name" && first.given.contains(key)).collect();
            if !both.is_empty() {
                let message = format!("`{}` stands here twice: {} of the first entry counts", name.0, both.join(" and "));
                let message = format!("{}: {message}", reader.path());
                reader.report.warning("user-twice", message).at(&user.origin).help("write one entry for each user");
            }
        }
    }

    fn read_item(&mut self, item: &Node, reader: &mut Reader<'_>) {
        match &item.value {
            Value::Str(names) => self.read_names(names, &item.origin, reader),
            Value::Seq(names) => {
                for name in names {
                    if let Some(text) = String::from_node(name, reader) {
                        self.read_names(&text, &name.origin, reader);
                    }
                }
            }
            Value::Map(_) => {
                let user = read_user(item, reader);
                if user.as_ref().is_some_and(|user| user.name.is_none() && !user.given.contains(&"snapuser")) {
                    let message = format!("{}: this entry has no `name`: it changes the default user", reader.path());
                    let other = ["username", "user", "login"].into_iter().find(|key| item.get(key).is_some());
                    let help = other.map_or("add `name: ...`".into(), |other| format!("write `name` in place of `{other}`"));
                    reader.report.warning("no-name", message).at(&item.origin).help(help);
                }
                self.0.extend(user);
            }
            _ => {
                let _: Option<()> = reader.mismatch(item, "a user's name or a mapping");
            }
        }
    }

    fn read_names(&mut self, names: &str, origin: &Origin, reader: &mut Reader<'_>) {
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            self.0.extend(UserEntry::named(name, origin, reader));
        }
    }

    fn read_mapped(&mut self, entry: &Entry, reader: &mut Reader<'_>) {
        let name = entry.key.source_text();
        match &entry.value.value {
            Value::Map(inner) => {
                let mut inner = inner.clone();
                inner.retain(|known| known.key.as_str() != Some("name"));
                inner.push(Entry { key: Node::new(Value::Str("name".into()), entry.key.origin.clone()), value: entry.key.clone() });
                self.0.extend(read_user(&Node::new(Value::Map(inner), entry.key.origin.clone()), reader));
            }
            Value::Bool(false) => {}
            Value::Null => {
                let message = format!("{} has nothing behind it: no such user is made", reader.path());
                reader.report.warning("no-name", message).at(&entry.key.origin).help(format!("write `{name}: true`"));
            }
            Value::Str(word) if is_yes_or_no(word) => {
                if bool::from_node(&entry.value, reader) == Some(true) {
                    self.0.extend(UserEntry::named(&name, &entry.key.origin, reader));
                }
            }
            Value::Bool(true) | Value::Int(1) => self.0.extend(UserEntry::named(&name, &entry.key.origin, reader)),
            _ => {
                let _: Option<()> = reader.mismatch(&entry.value, "a mapping, true or false");
            }
        }
    }
}

/// A user's mapping. One whose name cannot be used is left out whole, so that it is not taken for the default user.
fn read_user(node: &Node, reader: &mut Reader<'_>) -> Option<UserEntry> {
    let entry = UserEntry::from_node(node, reader)?;
    (entry.name.is_some() || !entry.given.contains(&"name")).then_some(entry)
}

/// `user`: what the default user is to be.
#[derive(Clone, Debug)]
pub struct DefaultUser(pub UserEntry);

impl FromNode for DefaultUser {
    const SHAPE: Shape = Shape::Either(&[UserEntry::SHAPE, Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Some(name) = node.as_str() {
            reader.report.note("deprecated", "`user` as a string is an old form").at(&node.origin).help("use `users`");
            return UserEntry::named(name, &node.origin, reader).map(Self);
        }
        read_user(node, reader).map(Self)
    }
}

/// `system_info.default_user`: who the default user is where `user` says nothing.
#[derive(Clone, Debug)]
pub struct StockUser(pub UserEntry);

impl FromNode for StockUser {
    const SHAPE: Shape = UserEntry::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        read_user(node, reader).map(Self)
    }
}

/// Names as a list, as "a, b", or (an old form) as the keys of a mapping. Repeats are dropped, order is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList(pub Vec<String>);

impl FromNode for NameList {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::TextOrNumber), Shape::TextOrNumber, Shape::Map(&Shape::Any)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut names = Vec::new();
        match &node.value {
            Value::Seq(items) => {
                for item in items {
                    names.extend(Text::from_node(item, reader).into_iter().flat_map(|text| split_names(&text.0)));
                }
            }
            Value::Map(entries) => {
                let message = format!("{} as a mapping is an old form", reader.path());
                reader.report.note("deprecated", message).at(&node.origin).help("write a list");
                names.extend(entries.iter().map(|entry| entry.key.source_text()));
            }
            _ => names.extend(split_names(&Text::from_node(node, reader)?.0)),
        }
        let mut kept = Vec::new();
        for name in names {
            match account_name(&name) {
                Err(why) => {
                    let _: Option<()> = reader.invalid(&node.origin, quoted_and(&name, why), "correct the name");
                }
                Ok(()) if !kept.contains(&name) => kept.push(name),
                Ok(()) => {}
            }
        }
        Some(Self(kept))
    }
}

fn split_names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// One group of `groups`.
#[derive(Clone, Debug)]
pub struct GroupEntry {
    /// Its name.
    pub name: String,
    /// Users to be added.
    pub members: Vec<String>,
    /// Its place.
    pub origin: Origin,
}

/// `groups`: a list of names and of `{name: members}`, a mapping, or a comma-separated string.
#[derive(Clone, Debug, Default)]
pub struct Groups(pub Vec<GroupEntry>);

impl FromNode for Groups {
    const SHAPE: Shape = Shape::Either(&[
        Shape::List(&Shape::Either(&[Shape::Text, Shape::Map(&Shape::Either(&[NameList::SHAPE, Shape::Null]))])),
        Shape::Text,
        Shape::Map(&Shape::Either(&[NameList::SHAPE, Shape::Null])),
    ]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut groups = Self::default();
        match &node.value {
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    reader.within(&format!("[{at}]"), |reader| groups.read_item(item, reader));
                }
            }
            _ => groups.read_item(node, reader),
        }
        Some(groups)
    }
}

impl Groups {
    fn read_item(&mut self, item: &Node, reader: &mut Reader<'_>) {
        match &item.value {
            Value::Map(entries) => {
                for entry in entries {
                    let name = entry.key.source_text();
                    let members = match entry.value.is_null() {
                        true => Some(NameList::default()),
                        false => reader.within(&name, |reader| NameList::from_node(&entry.value, reader)),
                    };
                    self.add(&name, members.unwrap_or_default().0, &entry.key.origin, reader);
                }
            }
            Value::Str(names) => {
                for name in split_names(names) {
                    self.add(&name, Vec::new(), &item.origin, reader);
                }
            }
            _ => {
                let _: Option<()> = reader.mismatch(item, "a group's name or a mapping of a group to its members");
            }
        }
    }

    fn add(&mut self, name: &str, members: Vec<String>, origin: &Origin, reader: &mut Reader<'_>) {
        if let Err(why) = account_name(name) {
            let _: Option<()> = reader.invalid(origin, quoted_and(name, why), "correct the name");
            return;
        }
        match self.0.iter_mut().find(|group| group.name == name) {
            Some(group) => group.members.extend(members),
            None => self.0.push(GroupEntry { name: name.to_owned(), members, origin: origin.clone() }),
        }
    }
}

/// `ssh_redirect_user`: true, or the old word `default` for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect(pub bool);

impl FromNode for Redirect {
    const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Words(&["default"])]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_str() {
            Some("default") => Some(Self(true)),
            _ => bool::from_node(node, reader).map(Self),
        }
    }
}

/// sudo rules of one user. One that sudo could not read would make it refuse all of them, so each is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SudoRules(pub Vec<String>);

/// Whether every parenthesis of a rule is closed; one behind a backslash is text (sudoers(5)).
fn is_balanced(rule: &str) -> bool {
    let mut open = 0_i32;
    let mut escaped = false;
    for c in rule.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => open += 1,
            ')' if open == 0 => return false,
            ')' => open -= 1,
            _ => {}
        }
    }
    open == 0
}

const RULE_HELP: &str = "write HOSTS=(RUNAS) COMMANDS, as in ALL=(ALL) NOPASSWD:ALL";

/// Tags of commands (sudoers(5)).
const TAGS: [&str; 18] = [
    "EXEC",
    "NOEXEC",
    "SETENV",
    "NOSETENV",
    "PASSWD",
    "NOPASSWD",
    "LOG_INPUT",
    "NOLOG_INPUT",
    "LOG_OUTPUT",
    "NOLOG_OUTPUT",
    "MAIL",
    "NOMAIL",
    "FOLLOW",
    "NOFOLLOW",
    "INTERCEPT",
    "NOINTERCEPT",
    "LOG_STDIN",
    "NOLOG_STDIN",
];

/// What visudo(8) would refuse before the `=` of a rule: it wants hosts there, with a comma between two. A name in quotes or with
/// escapes may hold anything.
fn refused_host(rule: &str) -> Option<String> {
    let (hosts, _) = rule.split_once('=')?;
    if hosts.contains(['"', '\\']) {
        return None;
    }
    let name = |host: &str| host.trim().trim_start_matches('!').trim().to_owned();
    let host = hosts.split(',').map(name).find(|host| host.is_empty() || host.contains(char::is_whitespace))?;
    Some(if host.is_empty() { "a host is missing before the `=`".to_owned() } else { quoted_and(&host, "is no host") })
}

/// The first command of a rule that is but a tag, which sudo takes for the name of an alias.
fn lone_tag(rule: &str) -> Option<&str> {
    rule.split(['=', ')', ',']).skip(1).map(str::trim).find(|command| TAGS.contains(command))
}

/// What visudo(8) would refuse of a rule, of what is often written so. Where a rule goes on in a way that is not looked into, with
/// other hosts or an expression, nothing is said.
fn refused(rule: &str) -> Option<String> {
    let (_, commands) = rule.split_once('=')?;
    let mut depth = 0_i32;
    let mut escaped = false;
    let plain: String = commands
        .chars()
        .filter(|c| {
            let shown = !escaped && depth == 0 && !"(\\".contains(*c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            shown
        })
        .collect();
    if plain.contains(['"', '^', '#']) {
        return None;
    }
    if plain.trim().is_empty() || plain.trim_end().ends_with([',', ':']) {
        return Some("a command is missing at its end".into());
    }
    for command in plain.split(',') {
        let mut rest = command.trim_start();
        loop {
            let word = &rest[..rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()];
            let after = rest[word.len()..].trim_start();
            match after.strip_prefix(':') {
                _ if word.is_empty() => break,
                Some(next) if TAGS.contains(&word) => rest = next.trim_start(),
                // Other hosts, or a digest.
                Some(_) if plain.contains('=') || word.starts_with("sha") => return None,
                Some(_) => return Some(format!("`{word}:` is no tag")),
                None if TAGS.contains(&word) && !after.is_empty() => return Some(format!("`{word}` wants a colon behind it")),
                None => break,
            }
        }
        let mut words = rest.trim_start_matches(['!', ' ']).split_whitespace();
        let program = words.next().unwrap_or_default();
        let is_alias = program.starts_with(|c: char| c.is_ascii_uppercase())
            && program.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if is_alias && words.next().is_some_and(|next| !next.starts_with([':', '='])) {
            return Some(format!("`{program}` takes nothing behind it but a comma"));
        }
        if rest.contains([':', '=']) {
            return None;
        }
        if program.starts_with(|c: char| c.is_ascii_lowercase() || c == '.') && !["sudoedit", "list"].contains(&program) {
            return Some(format!("{} is no absolute path", quoted(program)));
        }
    }
    None
}

impl FromNode for SudoRules {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Text), Shape::Bool]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let rules = match &node.value {
            Value::Bool(false) => {
                reader.report.note("deprecated", "`sudo: false` is an old form").at(&node.origin).help("write `sudo: null`");
                return Some(Self::default());
            }
            Value::Bool(true) => {
                return reader.invalid(&node.origin, "`true` is no rule", "write `sudo: ALL=(ALL) NOPASSWD:ALL`");
            }
            Value::Seq(_) => Vec::<Located<String>>::from_node(node, reader)?,
            _ => vec![Located::<String>::from_node(node, reader)?],
        };
        let mut kept = Vec::new();
        for rule in rules {
            let text = rule.value.trim();
            // As the peer.
            if text.is_empty() {
                continue;
            }
            let host = refused_host(text);
            let help = match host {
                Some(_) => {
                    "leave out the user's name, which is put before the rule: write HOSTS=(RUNAS) COMMANDS, as in ALL=(ALL) NOPASSWD:ALL"
                }
                None => RULE_HELP,
            };
            if let Some(why) = host.or_else(|| refused(text)).filter(|_| text.contains('=') && is_balanced(text)) {
                let message = format!("{}: {why}; sudo would refuse every rule of the file", quoted(text));
                let _: Option<()> = reader.invalid(&rule.origin, message, help);
            } else if text.contains('\n') || !text.contains('=') || !is_balanced(text) {
                let message = format!("{} is no sudo rule; sudo would refuse every rule of the file", quoted(text));
                let _: Option<()> = reader.invalid(&rule.origin, message, RULE_HELP);
            } else {
                if let Some(tag) = lone_tag(text) {
                    let message = format!("{}: {}: no command is behind `{tag}`, so this allows nothing", reader.path(), quoted(text));
                    reader.report.warning("sudo-tag", message).at(&rule.origin).help(format!("write `{tag}:ALL`, or the commands"));
                }
                kept.push(text.to_owned());
            }
        }
        Some(Self(kept))
    }

    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self::default())
    }
}
