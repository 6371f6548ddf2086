//! What the console is shown of SSH keys: the host's own, and who may log in with which.

use base64::prelude::{Engine as _, BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

use super::files::io_failure;
use super::keys::{key_of, Key};
use super::private_key::Fields;
use super::ssh::KEYGEN_LIMIT;
use super::{Context, Effect};
use crate::error::Failure;
use crate::hash::{sha256, sha256_hex};
use crate::host::process::Spec;
use crate::secret::Secret;

const KEY_FILES: &str = "/etc/ssh/ssh_host_*_key.pub";

/// Shows fingerprints and keys on the console, between the marks that tools which read consoles look for; none of the types that
/// are left out.
pub(super) fn host_keys(context: &Context<'_>, without_fingerprints: &[String], without_keys: &[String]) -> Result<Effect, Failure> {
    let host = context.host;
    let mut fingerprints = String::new();
    let mut keys = String::new();
    for path in host.matching(KEY_FILES).map_err(io_failure("look for", KEY_FILES))? {
        let text = host.read_text(&path).map_err(io_failure("read", &path))?.unwrap_or_default();
        let fingerprint = match fingerprint_of_host_key(&text) {
            Some(fingerprint) => fingerprint,
            // Of a type that is not known here, or no key at all.
            None => {
                let ended = host.run(&Spec::new(["ssh-keygen", "-l", "-f", path.as_str()]).deadline(KEYGEN_LIMIT))?;
                if !ended.success() {
                    continue;
                }
                ended.stdout.trim_end().to_owned()
            }
        };
        let kind = text.split_whitespace().next().unwrap_or_default();
        let is_shown = |without: &[String]| !without.iter().any(|left_out| left_out == kind);
        if is_shown(without_fingerprints) {
            fingerprints.push_str(&fingerprint);
            fingerprints.push('\n');
        }
        if is_shown(without_keys) {
            keys.push_str(text.trim_end());
            keys.push('\n');
        }
    }
    let marked = |what: &str, lines: &str| match lines {
        "" => String::new(),
        lines => format!("-----BEGIN SSH HOST KEY {what}-----\n{lines}-----END SSH HOST KEY {what}-----\n"),
    };
    let text = marked("FINGERPRINTS", &fingerprints) + &marked("KEYS", &keys);
    if text.is_empty() {
        return Ok(Effect { detail: Some("there are no host keys to show".into()), ..Effect::default() });
    }
    host.console_only(&text);
    Ok(Effect { detail: Some(fingerprints.trim_end().replace('\n', "; ")), ..Effect::default() })
}

/// What `ssh-keygen -l` says of a public key of the types that hosts have, in its file's one line.
fn fingerprint_of_host_key(text: &str) -> Option<String> {
    let key = key_of(text).filter(|key| key.options.is_none() && text.trim_end().lines().count() == 1)?;
    let blob = BASE64_STANDARD.decode(key.body).ok()?;
    let mut fields = Fields(&blob);
    fields.string().filter(|kind| *kind == key.kind.as_bytes())?;
    let (bits, name) = match key.kind {
        "ssh-ed25519" => (256, "ED25519"),
        "ssh-rsa" => {
            let (_exponent, modulus) = (fields.string()?, fields.string()?);
            let first = modulus.iter().position(|byte| *byte != 0)?;
            (8 * (modulus.len() - first) - modulus[first].leading_zeros() as usize, "RSA")
        }
        kind => (kind.strip_prefix("ecdsa-sha2-nistp")?.parse().ok()?, "ECDSA"),
    };
    let comment = if key.comment.is_empty() { "no comment" } else { key.comment };
    Some(format!("{bits} SHA256:{} {comment} ({name})", BASE64_STANDARD_NO_PAD.encode(sha256(&blob))))
}

/// Shows, for each user, a table of the keys in the file that sshd reads. A user who is not there is left out.
pub(super) fn authorized_keys(context: &Context<'_>, users: &[String], hash: &str) -> Result<Effect, Failure> {
    let host = context.host;
    let mut text = String::new();
    for name in users {
        let Some(user) = host.user(name).map_err(io_failure("read", "/etc/passwd"))? else { continue };
        let path = host.authorized_keys_path(&user).map_err(io_failure("read", "/etc/ssh/sshd_config"))?;
        let found = host.read_own_file(&path, user.uid).map_err(io_failure("read", &path))?;
        let lines = found.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
        let mut rows = Vec::new();
        for key in lines.lines().filter_map(key_of) {
            rows.push(row(&key, &fingerprint(context, key.body, hash)?));
        }
        if rows.is_empty() {
            text.push_str(&format!("ci-info: user {name} has no SSH key to log in with\n"));
            continue;
        }
        let heads = ["Keytype".to_owned(), format!("Fingerprint ({hash})"), "Options".to_owned(), "Comment".to_owned()];
        let table = table(&heads, &rows);
        let width = table.first().map_or(0, String::len);
        text.push_str(&format!("ci-info: {:+^width$}\n", format!("Authorized keys from {path} for user {name}")));
        for line in table {
            text.push_str(&format!("ci-info: {line}\n"));
        }
    }
    host.console_only(&text);
    Ok(Effect::default())
}

fn row(key: &Key<'_>, fingerprint: &str) -> [String; 4] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [key.kind.to_owned(), fingerprint.to_owned(), or_dash(key.options.unwrap_or("")), or_dash(key.comment)]
}

/// Pairs of hexadecimal digits of the key's digest. Of other digests than SHA-256 the host's own program says it.
fn fingerprint(context: &Context<'_>, body: &str, hash: &str) -> Result<String, Failure> {
    let hex: String = if hash == "sha256" {
        sha256_hex(&BASE64_STANDARD.decode(body).unwrap_or_default())
    } else {
        let program = if hash == "blake2b" { "b2sum".to_owned() } else { format!("{hash}sum") };
        let spec = Spec::new(["/bin/sh", "-c", "base64 -d | \"$1\"", "sh", &program]).stdin(Secret::new(body.to_owned()));
        let ended = context.host.run(&spec.deadline(KEYGEN_LIMIT))?;
        let digits: String = ended.stdout.chars().take_while(char::is_ascii_hexdigit).collect();
        if !ended.success() || digits.is_empty() {
            return Err(ended.failure(&format!("the {hash} digest of a key: {program}")));
        }
        digits
    };
    Ok(hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect::<Vec<_>>().join(":"))
}

/// Lines of a table, every cell in the middle of its column.
fn table(heads: &[String; 4], rows: &[[String; 4]]) -> Vec<String> {
    let widest = |column: usize| rows.iter().chain([heads]).map(|row| row[column].chars().count()).max().unwrap_or(0) + 2;
    let widths = [0, 1, 2, 3].map(widest);
    let rule = widths.iter().fold("+".to_owned(), |line, width| line + &"-".repeat(*width) + "+");
    let shown = |row: &[String; 4]| row.iter().zip(widths).fold("|".to_owned(), |line, (cell, width)| line + &format!("{cell:^width$}|"));
    let mut lines = vec![rule.clone(), shown(heads), rule.clone()];
    lines.extend(rows.iter().map(shown));
    lines.push(rule);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keys_fingerprint_is_what_ssh_keygen_says() {
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDYHt98XxcRcIux3fS/Q/I/tom3+IQQV2h0ZnHGEyFiZzOnG2d+ixGqDMuum/+v3yMUTrANPLke5Z9Mw8sU4eEDkqdLalRlZ1txTEckVfKe0Dd/DAlgH7Gh8vheedwoipmSJBMcEbUrWKzErDTiQiLPfdT4urKBzc+NiRHz2X6kwLGJOBOWeZhRexvbbHAlO2sJ43K2uWlwlH8BVQphdo7uCiSV1mZF55QAEgxc/B8Ka5743WAC2UiaYvdQvhcTdpVHGHXxXObnTVul00Qx8sFvGIB34iaB5JsWMJFApDhclhusE87GMjagZdsDtCYqSMRQFYbw03JLiFHN9cC/Nfdp root@web\n";
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBH4DJb4UbwKORk1A69o7QuAsWykM6xeaoIfG5iu2mxBNIn/TUWpGbNexPUNccZR97Y2w1TTpcV+lkymRYs9cwrM= root@web\n";
        let ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILjgJRLU6W9Xpt6aPAhk1AGXH0VKPgiWa6M/KyKFhCwc\n";
        for (key, said) in [
            (rsa, "2048 SHA256:TlfnzRx64LoCJwe2VmMtm3eiTfljaCcXqDqJoiHhc0I root@web (RSA)"),
            (ecdsa, "256 SHA256:fwng8BGg8WeX3oEjFxRKBovRYYKxV1OXAeDfNb1XWHc root@web (ECDSA)"),
            (ed25519, "256 SHA256:+AU8T46J3AifPrHCEt0l8kc6ZWaqvcTEyZ1/dKimVZs no comment (ED25519)"),
        ] {
            assert_eq!(fingerprint_of_host_key(key).as_deref(), Some(said));
        }
        for other in ["", "ssh-dss AAAAB3NzaC1kc3M= x", "ssh-rsa AAAAB3NzaC1yc2EAAAAD x", &format!("{ed25519}{ecdsa}")] {
            assert_eq!(fingerprint_of_host_key(other), None, "{other}");
        }
    }

    #[test]
    fn a_table_of_keys_is_as_wide_as_what_it_holds() {
        let key = key_of("from=\"10.0.0.1\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g bob@home");
        let row = row(&key.expect("a key"), "a1:b2");
        assert_eq!(
            table(&["Keytype".into(), "Fingerprint (md5)".into(), "Options".into(), "Comment".into()], &[row]),
            [
                "+-------------+-------------------+-----------------+----------+",
                "|   Keytype   | Fingerprint (md5) |     Options     | Comment  |",
                "+-------------+-------------------+-----------------+----------+",
                "| ssh-ed25519 |       a1:b2       | from=\"10.0.0.1\" | bob@home |",
                "+-------------+-------------------+-----------------+----------+",
            ]
        );
    }
}
