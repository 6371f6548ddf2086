//! Names of secrets: of options, variables, headers and keys.

const WORDS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "auth_key",
    "authkey",
    "auth-key",
    "_pwd",
    "-pwd",
    "credential",
    "x-auth",
];

/// What else the name of a variable or an option is, or ends with behind `_`, `-` or `.`, that holds one. A signed address lets in.
const ENDS: [&str; 6] = ["pass", "pw", "psk", "key", "sig", "signature"];

/// Options that have the word in them and take no secret: `adduser --disabled-password bob`.
const WITHOUT_VALUE: [&str; 6] = ["no-", "disabled-", "disable-", "ask-", "allow-", "skip-"];

/// What a name ends with that has the word in it and says where the secret is, or what about it: `--password-file`.
const ABOUT: [&str; 11] = ["file", "path", "dir", "stdin", "fd", "url", "ttl", "type", "name", "id", "cert-hash"];

/// Where the value begins that a word gives to a secret: behind the first `=` or `:` after a name of one.
pub fn value_in(word: &str) -> Option<usize> {
    // Most words have no value.
    if !word.bytes().any(|byte| matches!(byte, b'=' | b':')) {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    // The key's value is yes or no.
    if lower.replace('-', "_").contains("lock_passwd") {
        return None;
    }
    let by_words = WORDS.iter().filter_map(|name| behind(word, &lower, name));
    let by_ends = word.match_indices('=').filter(|(at, _)| ends_as_one(&word[..*at], &word[at + 1..])).map(|(at, _)| at + 1);
    by_words.chain(by_ends).min()
}

/// Where the value begins of the first name that has `name` in it and a value.
fn behind(word: &str, lower: &str, name: &str) -> Option<usize> {
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || "_-\"'".contains(c);
    let mut from = 0;
    while let Some(found) = lower[from..].find(name).map(|at| from + at) {
        let rest = &word[found + name.len()..];
        let end = rest.find(|c| !is_in_name(c)).unwrap_or(rest.len());
        from = found + name.len() + end;
        let inside_a_name = word[..found].ends_with(|c: char| c.is_ascii_alphabetic());
        if rest[end..].starts_with('=') || rest[end..].starts_with(':') && !inside_a_name {
            return Some(from + 1);
        }
    }
    None
}

/// Whether a name by its end is one of a secret. Of a key's file nothing is secret, nor is a public key.
fn ends_as_one(before: &str, value: &str) -> bool {
    let start = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c)).len();
    let name = &before[start..];
    let lower = name.to_ascii_lowercase();
    let Some(end) = ENDS.iter().find(|end| lower.ends_with(*end)) else { return false };
    let head = &lower[..lower.len() - end.len()];
    match *end {
        "key" if head.is_empty() => name == "KEY" && !is_path(value),
        "key" => head.ends_with(['_', '-', '.']) && !head.contains("pub") && !is_path(value),
        _ => head.is_empty() || head.ends_with(['_', '-', '.']),
    }
}

/// Characters of a value that are looked at to tell whether it is a path.
const LONGEST_PATH: usize = 256;

/// A path of lower-case names: no key in base64 is one.
fn is_path(value: &str) -> bool {
    let value = value.trim_start_matches(['"', '\'']);
    value.starts_with(['/', '~']) && !value.chars().take(LONGEST_PATH).any(|c| c.is_ascii_uppercase() || "+=".contains(c))
}

/// Whether the whole word is the name of a secret: `user.token`.
pub fn is_name(word: &str) -> bool {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:/".contains(c));
    let is_about = ABOUT.iter().any(|end| word.to_ascii_lowercase().strip_suffix(end).is_some_and(|head| head.ends_with(['_', '-', '.'])));
    is_plain && !is_about && value_in(&format!("{word}=x")) == Some(word.len() + 1)
}

/// Whether this is an option whose value, a secret, is the next word: `--token`, `-password`.
pub fn is_option(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    let lower = name.to_ascii_lowercase();
    name.len() < word.len() && is_name(name) && !WITHOUT_VALUE.iter().any(|start| lower.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_others() {
        for name in ["password", "aws_secret_access_key", "user.token", "DB_PASS", "PW", "LICENSE_KEY", "TS_AUTHKEY", "KEY", "wifi-sec.psk"]
        {
            assert!(is_name(name), "{name}");
        }
        for name in ["PWD", "OLDPWD", "COMPASS", "MONKEY", "SSH_PUBLIC_KEY", "key", "password-file", "a b_pass", "lock_passwd"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_option("--secret-key") && is_option("-password") && is_option("--auth-key"));
        assert!(!is_option("--disabled-password") && !is_option("--password-file") && !is_option("password"));
        assert_eq!((value_in("TLS_KEY=/etc/tls/x.key"), value_in("X_KEY=/aB9+"), value_in("a=1,pass=S,token=T")), (None, Some(6), Some(9)));
    }

    #[test]
    fn every_name_has_a_sign() {
        for name in WORDS.iter().chain(&ENDS) {
            for text in [format!("X_{name}=x"), format!("x_{}=x", name.to_ascii_uppercase())] {
                assert!(super::super::patterns::may_hold_secret(&text), "{text}");
            }
        }
    }
}
