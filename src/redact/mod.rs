//! Takes secrets out of text that is going to be shown: by value, where they are known, and by pattern, where they are not.

mod names;
mod patterns;
mod programs;
mod words;

pub use patterns::patterns;

use crate::ordered::sort_by_key;
use crate::secret::MASK;

/// Known secret values, longest first, so that one that contains another is masked whole.
#[derive(Clone, Default)]
pub struct Redactor {
    values: Vec<String>,
}

/// Shorter values would mask ordinary words.
const SHORTEST_SECRET: usize = 4;

impl Redactor {
    /// A redactor for these values.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values
            .into_iter()
            .flat_map(|value| value.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
            .filter(|value| value.len() >= SHORTEST_SECRET)
            .collect();
        sort_by_key(&mut values, |value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self { values }
    }

    /// `text` with every known value and everything that looks like a secret masked.
    pub fn apply(&self, text: &str) -> String {
        patterns(&self.known(text))
    }

    /// A sentence of landfall's own with what it quotes masked: known values and credentials of addresses. Its words, which may
    /// speak of a `password:`, are left alone.
    pub fn quoted(&self, text: &str) -> String {
        let known = self.known(text);
        let masked =
            |word: &words::Word<'_>| [word.blanks.to_owned(), patterns::mask_address(word.body).unwrap_or_else(|| word.body.to_owned())];
        words::words(&known, false).iter().flat_map(masked).collect()
    }

    fn known(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for value in self.values.iter().filter(|value| text.contains(value.as_str())) {
            out = if is_common(value) { mask_words(&out, value) } else { out.replace(value.as_str(), MASK) };
        }
        out
    }

    /// JSON text with every string in it masked but for keys and what [`STRUCTURAL`] ones hold, and nothing else changed: it stays
    /// JSON, in its order. Of an address as much is shown as in an operation's line.
    pub fn apply_to_json(&self, json: &str) -> String {
        let mut out = String::with_capacity(json.len());
        let mut rest = json;
        let (mut key, mut operation) = (String::new(), String::new());
        while let Some(start) = rest.find('"') {
            let length = string_length(&rest[start..]);
            let (before, after) = rest.split_at(start);
            let (literal, after) = after.split_at(length);
            out.push_str(before);
            rest = after;
            match serde_json::from_slice::<String>(literal.as_bytes()) {
                Ok(text) if after.trim_start().starts_with(':') => {
                    out.push_str(literal);
                    key = text;
                }
                Ok(text) if key == "url" => {
                    let shown = if operation == "phone_home" { origin(&text) } else { url(&text) };
                    out.push_str(&serde_json::Value::from(self.apply(&shown)).to_string());
                }
                Ok(text) if !STRUCTURAL.contains(&key.as_str()) => out.push_str(&serde_json::Value::from(self.apply(&text)).to_string()),
                read => {
                    if key == "op" {
                        operation = read.unwrap_or_default();
                    }
                    out.push_str(literal);
                }
            }
        }
        out + rest
    }
}

/// Keys whose values are landfall's own words: a password that is one of them is told by none of them.
const STRUCTURAL: [&str; 13] =
    ["id", "stage", "phase", "module", "frequency", "op", "edit", "needs", "on_error", "on_interrupt", "weight", "severity", "code"];

/// A password that is part of ordinary words, as `local` is of `localhost`: masked there it would be told, and the text unreadable.
fn is_common(value: &str) -> bool {
    let short = value.len() < 8 && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    short || value.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Masks the value where it is a word of its own, or glued to an option of one letter (`-psecret`).
fn mask_words(text: &str, value: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for (at, _) in text.match_indices(value) {
        let (before, after) = (&text[..at], &text[at + value.len()..]);
        let option = before.strip_suffix(|c: char| c.is_ascii_alphabetic()).is_some_and(|before| before.ends_with('-'));
        if after.starts_with(in_word) || (before.ends_with(in_word) && !option) {
            continue;
        }
        out.push_str(&text[rest..at]);
        out.push_str(MASK);
        rest = at + value.len();
    }
    out + &text[rest..]
}

/// Bytes of the JSON string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// A URL without its user information and without the values of its query.
pub fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, tail) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{MASK}@{host}"),
        None => authority.to_owned(),
    };
    let tail = match tail.split_once('?') {
        Some((path, _)) => format!("{path}?{MASK}"),
        None => tail.to_owned(),
    };
    format!("{scheme}://{authority}{tail}")
}

/// Scheme, host and port of a URL: for one whose path may be what lets in.
pub fn origin(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    url(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_patterns_are_masked() {
        let redactor = Redactor::new(["hunter2!".to_owned(), "abc".to_owned()]);
        for (text, expected) in [
            ("echo hunter2! abc", "echo *** abc"),
            ("curl https://bob:pw@example.org/x?token=1", "curl https://***@example.org/x?***"),
            ("mysql --password=geheim -u root", "mysql --password=*** -u root"),
            ("tool --token geheim next", "tool --token *** next"),
            ("curl -H 'Authorization: Bearer geheim' x", "curl -H 'Authorization: Bearer ***' x"),
            ("DB_PASSWORD=geheim run", "DB_PASSWORD=*** run"),
            ("curl -u bob:geheim https://example.org", "curl -u bob:*** https://example.org"),
            ("docker run --user 1000:1000 -u bob x", "docker run --user 1000:1000 -u bob x"),
            ("passwd: geheim", "passwd: ***"),
            ("MYSQL_PWD=geheim mysql", "MYSQL_PWD=*** mysql"),
            ("curl -H 'X-Auth-Token: geheim' x", "curl -H 'X-Auth-Token: ***' x"),
            ("PWD=/srv OLDPWD=/ true", "PWD=/srv OLDPWD=/ true"),
            ("--credential geheim", "--credential ***"),
            ("cat /etc/passwd", "cat /etc/passwd"),
            ("chpasswd: command not found", "chpasswd: command not found"),
            ("set `lock_passwd: false`", "set `lock_passwd: false`"),
            ("  lock-passwd: maybe", "  lock-passwd: maybe"),
        ] {
            assert_eq!(redactor.apply(text), expected);
        }
        let redactor = Redactor::new(["local".to_owned(), "n4me".to_owned(), "password".to_owned(), "Local-Admin".to_owned()]);
        for (text, expected) in [
            ("stage local: localhost, /etc/n4me_x/n4me.conf", "stage ***: localhost, /etc/n4me_x/***.conf"),
            ("mysql -uroot -plocal --pass 'local'", "mysql -uroot -p*** --pass '***'"),
            ("xLocal-Adminx: my password is no passwords", "x***x: my *** is no passwords"),
        ] {
            assert_eq!(redactor.quoted(text), expected);
        }
        let redactor = Redactor::new(["hunter2!".to_owned()]);
        let own = "users[0].passwd: a password is one line, not hunter2! of https://bob:pw@x/";
        assert_eq!(redactor.quoted(own), "users[0].passwd: a password is one line, not *** of https://***@x/");
    }

    #[test]
    fn json_stays_json_in_its_order() {
        let redactor = Redactor::new(["hunter2!".to_owned()]);
        let json = r#"{"z": "a \"hunter2!\" \\", "a": [1, "password=geheim"], "": null}"#;
        let expected = r#"{"z": "a \"***\" \\", "a": [1, "password=***"], "": null}"#;
        assert_eq!(redactor.apply_to_json(json), expected);
        let json = r#"{"op": "download", "url": "https://x/a?sig=geheim", "op": "phone_home", "url": "https://x/hooks/geheim"}"#;
        let expected = r#"{"op": "download", "url": "https://x/a?***", "op": "phone_home", "url": "https://x"}"#;
        assert_eq!(redactor.apply_to_json(json), expected);
        let redactor = Redactor::new(["stage".to_owned(), "write_file".to_owned()]);
        let json = r#"{"id": "stage/write_file", "stage": "stage", "needs": ["stage"], "write_file" : "stage", "x": ["write_file"]}"#;
        let expected = r#"{"id": "stage/write_file", "stage": "stage", "needs": ["stage"], "write_file" : "***", "x": ["***"]}"#;
        assert_eq!(redactor.apply_to_json(json), expected);
    }
}
