//! Users and groups, read from the host's own files.
//!
//! Never through getpwnam and its kin: in a static binary they load the host's NSS modules, which kills it. Where
//! nsswitch.conf names other sources than files, `getent` is asked.

use std::io;

use super::process::Spec;
use super::Host;

/// An account of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Comment.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A group of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Users listed in it (those who have it as primary group are not).
    pub members: Vec<String>,
}

/// A user's line of shadow(5).
#[derive(Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The whole line.
    pub line: String,
    /// Its password field: a crypt(5) hash, `!HASH` where locked, `*` or `!` where there is none.
    pub password: String,
    /// Day of the last change since 1970; 0: to be changed at the next login.
    pub changed: Option<u64>,
}

impl Shadow {
    /// A hash is set, locked or not.
    pub fn has_hash(&self) -> bool {
        let bare = self.password.trim_start_matches('!');
        !bare.is_empty() && bare != "*"
    }

    /// The password field lets nobody in.
    pub fn is_locked(&self) -> bool {
        self.password.starts_with(['!', '*'])
    }
}

/// The lines of a name.
fn named<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter(move |line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
}

fn user_of(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let (_, uid, gid) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let mut text = || Some(fields.next()?.to_owned());
    let (gecos, home) = (text()?, text()?);
    Some(User { name, uid, gid, gecos, home, shell: text().unwrap_or_default() })
}

fn group_of(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let (_, gid) = (fields.next()?, fields.next()?.parse().ok()?);
    let members = fields.next().unwrap_or("").split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Group { name, gid, members })
}

fn shadow_of(line: &str) -> Option<Shadow> {
    let mut fields = line.split(':').skip(1);
    let password = fields.next()?.to_owned();
    Some(Shadow { line: line.to_owned(), password, changed: fields.next().and_then(|day| day.parse().ok()) })
}

impl Host {
    /// Every account of `/etc/passwd`.
    pub fn users(&self) -> io::Result<Vec<User>> {
        Ok(self.read_text("/etc/passwd")?.unwrap_or_default().lines().filter_map(user_of).collect())
    }

    /// Every group of `/etc/group`.
    pub fn groups(&self) -> io::Result<Vec<Group>> {
        Ok(self.read_text("/etc/group")?.unwrap_or_default().lines().filter_map(group_of).collect())
    }

    /// An account by name.
    pub fn user(&self, name: &str) -> io::Result<Option<User>> {
        let found = named(&self.read_text("/etc/passwd")?.unwrap_or_default(), name).find_map(user_of);
        Ok(found.or_else(|| self.getent("passwd", name).as_deref().and_then(user_of)))
    }

    /// The home that `useradd` gives an account of which nothing else is said.
    pub fn home_of_new_user(&self, name: &str) -> io::Result<String> {
        let defaults = self.read_text("/etc/default/useradd")?.unwrap_or_default();
        let base = super::facts::assignments(&defaults).remove("HOME").filter(|base| base.starts_with('/'));
        Ok(format!("{}/{name}", base.as_deref().unwrap_or("/home").trim_end_matches('/')))
    }

    /// A group by name.
    pub fn group(&self, name: &str) -> io::Result<Option<Group>> {
        let found = named(&self.read_text("/etc/group")?.unwrap_or_default(), name).find_map(group_of);
        Ok(found.or_else(|| self.getent("group", name).as_deref().and_then(group_of)))
    }

    /// A user's line of `/etc/shadow`.
    pub fn shadow(&self, name: &str) -> io::Result<Option<Shadow>> {
        let text = self.read_text("/etc/shadow")?.unwrap_or_default();
        let found = named(&text, name).next().and_then(shadow_of);
        Ok(found)
    }

    /// A line of a database that has more sources than files.
    fn getent(&self, database: &str, name: &str) -> Option<String> {
        let text = self.read_text("/etc/nsswitch.conf").ok()??;
        let sources = text.lines().find_map(|line| line.strip_prefix(database)?.trim_start().strip_prefix(':'))?;
        let more = sources.split_whitespace().any(|source| !matches!(source, "files" | "compat" | "systemd") && !source.starts_with('['));
        if !more || name.starts_with('-') {
            return None;
        }
        let ended = self.run(&Spec::new(["getent", database, name])).ok()?;
        ended.success().then(|| ended.stdout.lines().next().map(str::to_owned)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_files_and_broken_lines_skipped() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir(dir.path().join("etc")).expect("etc");
        let put = |name: &str, text: &str| std::fs::write(dir.path().join("etc").join(name), text).expect("write");
        put("passwd", "root:x:0:0:root:/root:/bin/bash\nbroken\nbob:x:1000:1001:,,,:/home/bob:\n+::::::\n");
        put("group", "root:x:0:\nsudo:x:27:bob,eve\n");
        put("shadow", "root:*:19000:0:99999:7:::\nbob:!$y$abc:0:0:99999:7:::\n");
        let host = Host::rooted(dir.path());
        let bob = host.user("bob").expect("read").expect("bob");
        assert_eq!((bob.uid, bob.gid, bob.home.as_str(), bob.shell.as_str()), (1000, 1001, "/home/bob", ""));
        assert_eq!(host.group("sudo").expect("read").expect("sudo").members, ["bob", "eve"]);
        assert_eq!(host.user("nobody").expect("read"), None);
        let shadow = host.shadow("bob").expect("read").expect("line");
        assert!(shadow.has_hash() && shadow.is_locked() && shadow.changed == Some(0));
        assert!(!host.shadow("root").expect("read").expect("line").has_hash());
    }
}
