//! Whether the private half of a host key is whole, and its public half: of a file as ssh-keygen writes it since OpenSSH 7.8, with no
//! passphrase (OpenSSH's `PROTOCOL.key`; the fields of each type: `PROTOCOL.agent`). Whatever else there is, ssh-keygen is asked.

use base64::prelude::{Engine as _, BASE64_STANDARD};

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
const END: &str = "-----END OPENSSH PRIVATE KEY-----\n";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The public half as `ssh-keygen -y` prints it, where all parts of the file are there and agree with each other.
pub(super) fn public_half_of(text: &str) -> Option<String> {
    let body: String = text.strip_prefix(BEGIN)?.strip_suffix(END)?.lines().collect();
    let bytes = BASE64_STANDARD.decode(body).ok()?;
    let mut file = Fields(bytes.strip_prefix(MAGIC)?);
    let is_plain = file.string()? == b"none" && file.string()? == b"none" && file.string()?.is_empty() && file.number()? == 1;
    let (public, private) = (file.string()?, file.string()?);
    let mut key = Fields(private);
    let (check, again) = (key.number()?, key.number()?);
    if !is_plain || !file.0.is_empty() || check != again {
        return None;
    }
    let kind = std::str::from_utf8(key.string()?).ok()?;
    let of_private = match kind {
        "ssh-ed25519" => {
            let public = key.string()?;
            // The secret, and the public half once more.
            let secret = key.string()?;
            (secret.len() == 64 && secret.ends_with(public) && public.len() == 32).then(|| vec![public])?
        }
        "ssh-rsa" => {
            let (modulus, exponent) = (key.string()?, key.string()?);
            let secrets = [key.string()?, key.string()?, key.string()?, key.string()?];
            secrets.iter().all(|number| !number.is_empty()).then(|| vec![exponent, modulus])?
        }
        kind if kind.starts_with("ecdsa-sha2-nistp") => {
            let (curve, point, secret) = (key.string()?, key.string()?, key.string()?);
            (!secret.is_empty()).then(|| vec![curve, point])?
        }
        _ => return None,
    };
    let comment = std::str::from_utf8(key.string()?).ok()?;
    let mut of_public = Fields(public);
    let agree = of_public.string()? == kind.as_bytes() && of_private.into_iter().all(|field| of_public.string() == Some(field));
    // What is left fills a block up: 1, 2, 3 and so on.
    let is_filled = key.0.len() < 8 && key.0.iter().zip(1..).all(|(byte, number)| *byte == number);
    let line = format!("{kind} {} {comment}", BASE64_STANDARD.encode(public));
    (agree && of_public.0.is_empty() && is_filled).then(|| line.trim_end().to_owned())
}

/// What is left to read of numbers and strings of the SSH protocol (RFC 4251, section 5).
pub(super) struct Fields<'b>(pub &'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Bytes with their number before them.
    pub(super) fn string(&mut self) -> Option<&'b [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn said(arguments: &[&str]) -> Option<String> {
        let ended = Command::new("ssh-keygen").args(arguments).output().ok()?;
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        Some(String::from_utf8_lossy(&ended.stdout).trim_end().to_owned())
    }

    #[test]
    fn the_public_half_is_what_ssh_keygen_says_and_what_is_damaged_has_none() {
        let dir = tempfile::tempdir().expect("dir");
        for (kind, bits, comment) in [
            ("ed25519", "256", "root@web"),
            ("rsa", "2048", "root@web"),
            ("ecdsa", "256", ""),
            ("ecdsa", "384", "two words"),
            ("ecdsa", "521", "x"),
        ] {
            let path = dir.path().join(format!("{kind}{bits}"));
            let path = path.to_str().expect("text");
            if said(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", comment, "-f", path]).is_none() {
                assert!(std::env::var_os("CI").is_none(), "there is no ssh-keygen");
                eprintln!("skipped: there is no ssh-keygen");
                return;
            }
            let text = std::fs::read_to_string(path).expect("read");
            assert_eq!(public_half_of(&text), said(&["-y", "-f", path]), "{kind} {bits}");
            for cut in 0..text.len() {
                assert_eq!(public_half_of(&text[..cut]), None, "{kind}: only {cut} bytes");
                let zeros: String = text[..cut].chars().chain(std::iter::repeat_n('\0', text.len() - cut)).collect();
                assert_eq!(public_half_of(&zeros), None, "{kind}: zeros from {cut}");
            }
            let other = dir.path().join("with-passphrase");
            let _ = std::fs::remove_file(&other);
            let other = other.to_str().expect("text");
            said(&["-q", "-t", kind, "-b", bits, "-N", "secret phrase", "-f", other]);
            assert_eq!(public_half_of(&std::fs::read_to_string(other).expect("read")), None, "{kind} with a passphrase");
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_are_no_key() {
        let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).expect("short").to_be_bytes()[..], bytes].concat();
        let file = |public: &[u8], check: u32, filling: &[u8]| {
            let own = [1; 32];
            let secret = [[7; 32], own].concat();
            let key = [string(b"ssh-ed25519"), string(&own), string(&secret), string(b"me")].concat();
            let private = [&5_u32.to_be_bytes()[..], &check.to_be_bytes(), &key, filling].concat();
            let public = [string(b"ssh-ed25519"), string(public)].concat();
            let head = [string(b"none"), string(b"none"), string(b""), 1_u32.to_be_bytes().to_vec()].concat();
            let bytes = [MAGIC, &head, &string(&public), &string(&private)].concat();
            public_half_of(&format!("{BEGIN}{}\n{END}", BASE64_STANDARD.encode(bytes)))
        };
        assert!(file(&[1; 32], 5, &[1, 2, 3]).is_some_and(|line| line.starts_with("ssh-ed25519 ") && line.ends_with(" me")));
        assert_eq!(file(&[2; 32], 5, &[1, 2, 3]), None, "another public half");
        assert_eq!(file(&[1; 32], 6, &[1, 2, 3]), None, "the two numbers differ");
        assert_eq!(file(&[1; 32], 5, &[0, 0, 0]), None, "not filled up");
    }
}
