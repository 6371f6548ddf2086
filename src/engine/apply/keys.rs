//! Lines of authorized_keys (sshd(8)), as pure functions of text.

use base64::prelude::{Engine as _, BASE64_STANDARD};

/// Beginnings of key types that OpenSSH knows.
const KINDS: [&str; 9] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-xmss@openssh.com",
];

/// A key line taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key<'l> {
    pub(super) options: Option<&'l str>,
    pub(super) kind: &'l str,
    /// What tells one key from another.
    pub(super) body: &'l str,
    pub(super) comment: &'l str,
}

fn is_kind(word: &str) -> bool {
    let known = |word: &str| KINDS.contains(&word);
    known(word) || word.strip_suffix("-cert-v01@openssh.com").is_some_and(|plain| known(plain) || known(&format!("{plain}@openssh.com")))
}

/// The end of the options at the start of a line: the first blank outside quotes.
fn options_end(line: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, ch) in line.char_indices() {
        match ch {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return at,
            _ => {}
        }
        escaped = ch == '\\' && !escaped;
    }
    line.len()
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// The key in a line, if its type is known and its body is one of that type.
pub(super) fn key_of(line: &str) -> Option<Key<'_>> {
    let line = line.trim();
    let (options, rest) = if is_kind(word(line).0) {
        (None, line)
    } else {
        let (options, rest) = line.split_at(options_end(line));
        (Some(options), rest)
    };
    let (kind, rest) = word(rest);
    let (body, comment) = word(rest);
    let bytes = BASE64_STANDARD.decode(body).ok()?;
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let named = bytes.get(4..4 + usize::try_from(length).ok()?)?;
    (is_kind(kind) && named == kind.as_bytes()).then(|| Key { options, kind, body, comment: comment.trim() })
}

impl Key<'_> {
    /// The line, with `options` instead of the key's own where they are given.
    fn line(&self, options: Option<&str>) -> String {
        let words = [options.or(self.options).unwrap_or(""), self.kind, self.body, self.comment];
        words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" ")
    }
}

/// The file with these keys in it: a key that is there already keeps its place and takes the new line's options and comment;
/// others are added at the end, everything else stays.
pub(super) fn merged(text: &str, keys: &[String], options: Option<&str>) -> String {
    let mut new: Vec<Key<'_>> = Vec::new();
    for key in keys.iter().filter_map(|line| key_of(line)) {
        if !new.iter().any(|other| other.body == key.body) {
            new.push(key);
        }
    }
    let mut lines: Vec<String> = Vec::new();
    let mut placed: Vec<&str> = Vec::new();
    for line in text.lines() {
        let found = key_of(line).and_then(|old| new.iter().find(|key| key.body == old.body));
        match found {
            Some(key) if placed.contains(&key.body) => {}
            Some(key) => {
                placed.push(key.body);
                lines.push(key.line(options));
            }
            None => lines.push(line.to_owned()),
        }
    }
    lines.extend(new.iter().filter(|key| !placed.contains(&key.body)).map(|key| key.line(options)));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Lines that hold no key that OpenSSH could use, shown by their beginning.
pub(super) fn unusable(keys: &[String]) -> Vec<String> {
    let shown = |line: &String| line.trim().chars().take(24).collect::<String>();
    let blank = |line: &&String| line.trim().is_empty() || line.trim().starts_with('#');
    keys.iter().filter(|line| !blank(line) && key_of(line).is_none()).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, tag: u8) -> String {
        let mut bytes = u32::try_from(kind.len()).expect("short").to_be_bytes().to_vec();
        bytes.extend(kind.as_bytes());
        bytes.extend([0, 0, 0, 1, tag]);
        format!("{kind} {}", BASE64_STANDARD.encode(bytes))
    }

    #[test]
    fn a_line_is_taken_apart_whatever_its_options() {
        let plain = key("ssh-ed25519", 1);
        for (line, options, comment) in [
            (plain.clone(), None, ""),
            (format!("{plain} bob@host two"), None, "bob@host two"),
            (format!("no-pty,command=\"echo \\\"a b\\\"\" {plain}\tc"), Some("no-pty,command=\"echo \\\"a b\\\"\""), "c"),
        ] {
            let found = key_of(&line).expect("key");
            assert_eq!((found.options, found.comment), (options, comment));
        }
        assert!(key_of(&key("ssh-ed25519-cert-v01@openssh.com", 1)).is_some() && key_of(&key("sk-ssh-ed25519@openssh.com", 1)).is_some());
        for bad in
            ["", "# x", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa !!!", "ssh-magic AAAA", &plain.replace("ssh-ed25519 ", "ssh-rsa ")]
        {
            assert_eq!(key_of(bad), None, "{bad}");
        }
        assert_eq!(unusable(&[plain, "ssh-rsa broken".into(), "# note".into()]), ["ssh-rsa broken"]);
    }

    #[test]
    fn keys_are_merged_by_their_body() {
        let (one, two, three) = (key("ssh-ed25519", 1), key("ssh-rsa", 2), key("ssh-ed25519", 3));
        let before = format!("# mine\nno-pty {one} old\n{three} c\n{one} again\nbroken line");
        let keys = [format!("{one} new"), two.clone(), format!("{two} twice")];
        let after = merged(&before, &keys, None);
        assert_eq!(after, format!("# mine\n{one} new\n{three} c\nbroken line\n{two}\n"));
        assert_eq!(merged(&after, &keys, None), after, "a second time");
        let root = merged("", &[format!("from=\"x\" {one} c")], Some("command=\"no\""));
        assert_eq!(root, format!("command=\"no\" {one} c\n"));
        assert_eq!(merged("", &[], None), "");
    }
}
