//! What sshd is configured to do, as far as provisioning needs to know (sshd_config(5)).

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use nix::fcntl::OFlag;

use super::accounts::User;
use super::files::Attributes;
use super::walk::Links;
use super::Host;

const CONFIG: &str = "/etc/ssh/sshd_config";
/// sshd's own limit.
const INCLUDE_DEPTH: u32 = 16;

/// A file of a user, read without being led elsewhere.
pub struct OwnFile {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Mode, owner, group.
    pub attributes: Attributes,
}

impl Host {
    /// The value of a keyword that holds for every connection: the first one, files that are included in their place.
    pub fn sshd_setting(&self, keyword: &str) -> io::Result<Option<String>> {
        self.setting_in(CONFIG, keyword, 0).map(|(value, _)| value)
    }

    /// The value, and whether a `Match` block has begun, after which nothing holds for every connection.
    fn setting_in(&self, path: &str, keyword: &str, depth: u32) -> io::Result<(Option<String>, bool)> {
        for line in self.read_text(path)?.unwrap_or_default().split('\n') {
            let line = line.trim_ascii();
            // Most lines.
            if matches!(line.as_bytes().first(), None | Some(b'#')) {
                continue;
            }
            let end = line.bytes().position(|byte| byte.is_ascii_whitespace() || byte == b'=').unwrap_or(line.len());
            let (word, rest) = line.split_at(end);
            let value = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '=').trim_ascii();
            if word.eq_ignore_ascii_case(keyword) {
                return Ok((Some(value.to_owned()), false));
            }
            if word.eq_ignore_ascii_case("match") {
                return Ok((None, true));
            }
            if word.eq_ignore_ascii_case("include") && depth < INCLUDE_DEPTH {
                for pattern in value.split_whitespace() {
                    let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/ssh/{pattern}") };
                    for included in self.matching(&pattern)? {
                        // A `Match` of an included file ends with that file.
                        if let (Some(value), _) = self.setting_in(&included, keyword, depth + 1)? {
                            return Ok((Some(value), false));
                        }
                    }
                }
            }
        }
        Ok((None, false))
    }

    /// Where sshd looks for a user's keys: the first of its places that is the user's alone.
    pub fn authorized_keys_path(&self, user: &User) -> io::Result<String> {
        let places = self.sshd_setting("AuthorizedKeysFile")?.unwrap_or_default();
        let own =
            |place: &&str| !place.starts_with('/') && *place != "none" || ["%h", "%u", "%U"].iter().any(|token| place.contains(token));
        let place = places.split_whitespace().map(|place| place.trim_matches('"')).find(own).unwrap_or(".ssh/authorized_keys");
        let path = place
            .replace("%%", "\0")
            .replace("%h", &user.home)
            .replace("%u", &user.name)
            .replace("%U", &user.uid.to_string())
            .replace('\0', "%");
        Ok(if path.starts_with('/') { path } else { format!("{}/{path}", user.home.trim_end_matches('/')) })
    }

    /// Reads a file that a user may have put there: only a plain one, theirs or root's, with no second name that would make it
    /// somebody else's content.
    pub fn read_own_file(&self, path: &str, uid: u32) -> io::Result<Option<OwnFile>> {
        let place = match self.walk(path, Links::Trusted) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            place => place?,
        };
        let mut file = match place.open(OFlag::O_RDONLY, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() != 1 || ![0, uid].contains(&found.uid()) {
            let what = format!("{path} is not a plain file of its user; it is left alone");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let attributes = Attributes { mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() };
        Ok(Some(OwnFile { bytes, attributes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("etc/ssh/sshd_config.d")).expect("directories");
        for (path, text) in files {
            std::fs::write(dir.path().join(path), text).expect("write");
        }
        let host = Host::rooted(dir.path());
        (dir, host)
    }

    #[test]
    fn the_first_value_outside_match_holds() {
        let (_dir, host) = root(&[
            ("etc/ssh/sshd_config", "# x\nInclude /etc/ssh/sshd_config.d/*.conf\nport=22\nStrictModes yes\nMatch User bob\nBanner x\n"),
            ("etc/ssh/sshd_config.d/20.conf", "StrictModes no\n"),
            ("etc/ssh/sshd_config.d/10.conf", "Match all\nStrictModes yes\n"),
        ]);
        assert_eq!(host.sshd_setting("strictmodes").expect("read").as_deref(), Some("no"));
        assert_eq!(host.sshd_setting("Port").expect("read").as_deref(), Some("22"));
        assert_eq!(host.sshd_setting("Banner").expect("read"), None);
    }

    #[test]
    fn keys_go_where_sshd_looks() {
        let bob = User { name: "bob".into(), uid: 1000, gid: 1000, gecos: String::new(), home: "/home/bob".into(), shell: String::new() };
        for (setting, path) in [
            ("", "/home/bob/.ssh/authorized_keys"),
            ("AuthorizedKeysFile none", "/home/bob/.ssh/authorized_keys"),
            ("AuthorizedKeysFile /etc/ssh/all %h/keys", "/home/bob/keys"),
            ("AuthorizedKeysFile /etc/ssh/keys/%u .ssh/authorized_keys", "/etc/ssh/keys/bob"),
            ("AuthorizedKeysFile .k/100%%", "/home/bob/.k/100%"),
        ] {
            let (_dir, host) = root(&[("etc/ssh/sshd_config", setting)]);
            assert_eq!(host.authorized_keys_path(&bob).expect("path"), path);
        }
    }

    #[test]
    fn only_a_plain_file_of_the_user_is_read() {
        let (dir, host) = root(&[("etc/one", "1")]);
        let uid = nix::unistd::geteuid().as_raw();
        assert_eq!(host.read_own_file("/etc/one", uid).expect("read").expect("file").bytes, b"1");
        assert!(host.read_own_file("/none/x", uid).expect("none").is_none());
        std::fs::hard_link(dir.path().join("etc/one"), dir.path().join("etc/two")).expect("link");
        assert!(host.read_own_file("/etc/two", uid).is_err() && host.read_own_file("/etc", uid).is_err());
    }
}
