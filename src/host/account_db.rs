//! What the account tools leave behind when the power goes: their lock files, and accounts of which only a part was stored.

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::libc;

use super::accounts::User;
use super::files::{Attributes, FileKind};
use super::procs::Process;
use super::unsynced::is_cut_copy;
use super::walk::{at_path, Links};
use super::Host;

/// The databases. To change one, the account tools (shadow-utils `commonio`) make `NAME.PID`, which holds the pid, and link(2) it
/// to `NAME.lock`; then they write `NAME+` and rename it.
const DATABASES: [&str; 6] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"];
/// Where pam_unix(8) writes what it then renames.
const PAM_FILES: [&str; 3] = ["/etc/npasswd", "/etc/nshadow", "/etc/nopasswd"];
/// Programs that take them.
const TOOLS: [&str; 18] = [
    "useradd",
    "usermod",
    "userdel",
    "groupadd",
    "groupmod",
    "groupdel",
    "gpasswd",
    "passwd",
    "chpasswd",
    "chgpasswd",
    "newusers",
    "chage",
    "vipw",
    "pwconv",
    "grpconv",
    "chfn",
    "chsh",
    "systemd-sysusers",
];
/// The kernel lock that every tool takes first (lckpwdf(3)), and how long it is waited for.
const PWD_LOCK: &str = "/etc/.pwd.lock";
const PWD_LOCK_WAIT: Duration = Duration::from_secs(15);
const SHADOW: &str = "/etc/shadow";
const GSHADOW: &str = "/etc/gshadow";
/// useradd's defaults where login.defs does not say otherwise.
const SUB_ID_MIN: u64 = 100_000;
const SUB_ID_COUNT: u64 = 65_536;

/// Holds `/etc/.pwd.lock`; closing the file gives it back.
struct PasswordDatabaseLock {
    _file: std::fs::File,
}

impl Host {
    /// Locks and half-written files of account tools that are gone, as after a power cut; an id that another program has by now
    /// is no holder. Nothing while one is at work.
    pub fn account_leftovers(&self) -> io::Result<Vec<String>> {
        if self.account_lock_holder()?.is_some() {
            return Ok(Vec::new());
        }
        let names = self.list("/etc")?;
        let left = names.iter().map(|name| format!("/etc/{name}")).filter(|path| {
            let own = DATABASES.iter().find_map(|database| path.strip_prefix(database));
            own.is_some_and(|rest| rest == "+" || rest == ".lock" || rest.strip_prefix('.').is_some_and(is_number))
                || PAM_FILES.contains(&path.as_str())
        });
        Ok(left.collect())
    }

    /// Removes them.
    pub fn clear_account_leftovers(&self) -> io::Result<()> {
        if self.account_leftovers()?.is_empty() {
            return Ok(());
        }
        // An account tool takes this lock before any of those.
        let _lock = self.lock_password_database()?;
        self.account_leftovers()?.iter().try_for_each(|path| self.remove(path).map(drop))
    }

    /// An account tool that is at work.
    pub fn account_lock_holder(&self) -> io::Result<Option<Process>> {
        for database in DATABASES {
            let text = self.read_text(&format!("{database}.lock"))?.unwrap_or_default();
            let pid = text.trim_matches(|c: char| c.is_whitespace() || c == '\0').parse().ok();
            let holder = pid.and_then(|pid| self.process(pid)).filter(|process| {
                let program = process.command.split(' ').next().unwrap_or("");
                TOOLS.contains(&program.rsplit('/').next().unwrap_or(""))
            });
            if holder.is_some() {
                return Ok(holder);
            }
        }
        Ok(None)
    }

    fn lock_password_database(&self) -> io::Result<PasswordDatabaseLock> {
        let place = self.walk(PWD_LOCK, Links::TrustedButLast)?;
        let file = place.open(OFlag::O_WRONLY | OFlag::O_CREAT, 0o600)?;
        let start = Instant::now();
        loop {
            let whole = libc::flock { l_type: libc::F_WRLCK as libc::c_short, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
            match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)) {
                Ok(_) => return Ok(PasswordDatabaseLock { _file: file }),
                Err(Errno::EAGAIN | Errno::EACCES) if start.elapsed() < PWD_LOCK_WAIT => {
                    super::signals::sleep(Duration::from_millis(50));
                }
                Err(errno) => return Err(at_path(PWD_LOCK)(errno)),
            }
        }
    }

    /// Puts `line` in place of the user's line of `/etc/shadow`, or adds it.
    pub fn set_shadow_line(&self, user: &str, line: &str) -> io::Result<()> {
        let _lock = self.lock_password_database()?;
        let text = self.read_text(SHADOW)?.unwrap_or_default();
        let is_theirs = |found: &str| found.split(':').next() == Some(user);
        let mut lines: Vec<&str> = text.lines().collect();
        match lines.iter().position(|found| is_theirs(found)) {
            Some(at) => lines[at] = line,
            None => lines.push(line),
        }
        let attributes = self.status(SHADOW)?.map_or_else(|| Attributes::own(0o640), |status| status.attributes);
        self.write(SHADOW, (lines.join("\n") + "\n").as_bytes(), attributes)
    }

    /// Whether `/etc/gshadow` lacks one of these groups, or says other members of it than `/etc/group`: the tools write it after
    /// that. With `change`, it says the same afterwards. Hosts without the file need none.
    pub fn complete_group_shadow(&self, groups: &[String], change: bool) -> io::Result<bool> {
        let _lock = if change { Some(self.lock_password_database()?) } else { None };
        let Some(text) = self.read_text(GSHADOW)? else { return Ok(false) };
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for group in self.groups()?.iter().filter(|group| groups.contains(&group.name)) {
            let members = group.members.join(",");
            match lines.iter_mut().find(|line| line.split(':').next() == Some(&group.name)) {
                None => lines.push(format!("{}:!::{members}", group.name)),
                Some(line) => {
                    let mut fields: Vec<&str> = line.split(':').collect();
                    fields.resize(4, "");
                    fields[3] = &members;
                    *line = fields.join(":");
                }
            }
        }
        let wanted = lines.join("\n") + "\n";
        let lacking = wanted != text;
        if lacking && change {
            let attributes = self.status(GSHADOW)?.map_or_else(|| Attributes::own(0o640), |status| status.attributes);
            self.write(GSHADOW, wanted.as_bytes(), attributes)?;
        }
        Ok(lacking)
    }

    /// Completes accounts of which a cut stored only a part, whoever was making them: a shadow line, the group named as the user,
    /// lines of `/etc/gshadow`. The tools write one file after the other. Says what was done.
    pub fn complete_accounts(&self) -> io::Result<Vec<String>> {
        if self.account_lock_holder()?.is_some() {
            return Ok(Vec::new());
        }
        self.clear_account_leftovers()?;
        let (mut actions, groups) = (Vec::new(), self.groups()?);
        for user in self.users()? {
            if self.exists(SHADOW) && self.shadow(&user.name)?.is_none() {
                self.set_shadow_line(&user.name, &self.empty_shadow_line(&user.name))?;
                actions.push(format!("gave {} a line in {SHADOW}", user.name));
            }
            if !groups.iter().any(|group| group.gid == user.gid || group.name == user.name) {
                self.add_group_line(&format!("{}:x:{}:", user.name, user.gid))?;
                actions.push(format!("gave {} its group", user.name));
            }
        }
        let names: Vec<String> = self.groups()?.into_iter().map(|group| group.name).collect();
        if self.complete_group_shadow(&names, true)? {
            actions.push(format!("brought {GSHADOW} up to date"));
        }
        Ok(actions)
    }

    /// Whether a cut in userdel(8) left anything of an account that `/etc/passwd` has no more: it writes one file after the other.
    /// With `change`, it is taken away, as userdel would have: the lines of that name, the group of that name if it is nobody
    /// else's, and memberships.
    pub fn remains_of_user(&self, name: &str, change: bool) -> io::Result<bool> {
        let users = self.users()?;
        if users.iter().any(|user| user.name == name) {
            return Ok(false);
        }
        let _lock = if change { Some(self.lock_password_database()?) } else { None };
        let mut remains = false;
        let groups = self.groups()?;
        let is_private = |group: &str| {
            let Some(found) = groups.iter().find(|found| found.name == group) else { return true };
            found.members.iter().all(|member| member == name) && !users.iter().any(|user| user.gid == found.gid)
        };
        for file in DATABASES.iter().skip(1) {
            let Some(text) = self.read_text(file)? else { continue };
            let is_of_groups = ["/etc/group", GSHADOW].contains(file);
            let kept: Vec<String> = text
                .lines()
                .filter(|line| line.split(':').next() != Some(name) || (is_of_groups && !is_private(name)))
                .map(|line| if is_of_groups { without_member(line, name) } else { line.to_owned() })
                .collect();
            remains |= self.keep_lines(file, &text, &kept, change)?;
        }
        Ok(remains)
    }

    /// The same of a group and groupdel(8).
    pub fn remains_of_group(&self, name: &str, change: bool) -> io::Result<bool> {
        if self.group(name)?.is_some() {
            return Ok(false);
        }
        let _lock = if change { Some(self.lock_password_database()?) } else { None };
        let Some(text) = self.read_text(GSHADOW)? else { return Ok(false) };
        let kept: Vec<String> = text.lines().filter(|line| line.split(':').next() != Some(name)).map(str::to_owned).collect();
        self.keep_lines(GSHADOW, &text, &kept, change)
    }

    /// Whether a database has other lines than these; with `change`, it has them afterwards.
    fn keep_lines(&self, file: &str, text: &str, kept: &[String], change: bool) -> io::Result<bool> {
        let has_others = !text.lines().eq(kept.iter().map(String::as_str));
        if has_others && change {
            let wanted: String = kept.iter().map(|line| format!("{line}\n")).collect();
            let attributes = self.status(file)?.map_or_else(|| Attributes::own(0o640), |status| status.attributes);
            self.write(file, wanted.as_bytes(), attributes)?;
        }
        Ok(has_others)
    }

    fn add_group_line(&self, line: &str) -> io::Result<()> {
        const GROUP: &str = "/etc/group";
        let _lock = self.lock_password_database()?;
        let text = self.read_text(GROUP)?.unwrap_or_default();
        let attributes = self.status(GROUP)?.map_or_else(|| Attributes::own(0o644), |status| status.attributes);
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.write(GROUP, format!("{text}{newline}{line}\n").as_bytes(), attributes)
    }

    /// A shadow line without a password, as useradd makes it.
    pub fn empty_shadow_line(&self, user: &str) -> String {
        let days = (self.now() / 86_400.0) as u64;
        format!("{user}:!:{days}:0:99999:7:::")
    }

    /// The first range of subordinate ids that nobody has, as useradd chooses it; `None` where the file is not used or the
    /// user has one.
    pub fn missing_sub_ids(&self, file: &str, user: &str) -> io::Result<Option<(u64, u64)>> {
        let Some(text) = self.read_text(file)? else { return Ok(None) };
        let mut first = SUB_ID_MIN;
        for line in text.lines() {
            let mut fields = line.split(':');
            if fields.next() == Some(user) {
                return Ok(None);
            }
            let mut number = || fields.next()?.trim().parse::<u64>().ok();
            if let (Some(start), Some(count)) = (number(), number()) {
                first = first.max(start.saturating_add(count));
            }
        }
        Ok(Some((first, first + SUB_ID_COUNT - 1)))
    }

    /// Mode of a new home: `HOME_MODE` of login.defs, else what its `UMASK` leaves.
    pub fn home_mode(&self) -> io::Result<u32> {
        let text = self.read_text("/etc/login.defs")?.unwrap_or_default();
        let octal = |name: &str| {
            let mut words = text.lines().map(str::split_whitespace).find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
            u32::from_str_radix(words.next()?, 8).ok()
        };
        Ok(octal("HOME_MODE").unwrap_or_else(|| 0o777 & !octal("UMASK").unwrap_or(0o022)))
    }

    /// Makes the user's home as useradd does, or completes it: what `/etc/skel` has and the home lacks is copied, and what a cut
    /// took the bytes of. Says whether there was anything to do.
    pub fn complete_home(&self, user: &User, change: bool) -> io::Result<bool> {
        let attributes = Attributes { mode: self.home_mode()?, uid: user.uid, gid: user.gid };
        let now = self.status(&self.follow_trusted(&user.home)?)?;
        let right = now.as_ref().is_some_and(|status| status.attributes.uid == user.uid);
        if change && !right {
            if let Some((parent, _)) = user.home.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
                self.make_directories(parent, Attributes::own(0o755))?;
            }
            self.make_directories(&user.home, attributes)?;
            self.set_attributes(&user.home, attributes)?;
        }
        let copied = self.copy_missing("/etc/skel", &user.home, attributes, change)?;
        Ok(!right || copied)
    }

    /// Nothing is in a home but what `/etc/skel` put there.
    pub fn home_is_untouched(&self, home: &str) -> io::Result<bool> {
        self.has_only_copies("/etc/skel", home)
    }

    fn has_only_copies(&self, of: &str, at: &str) -> io::Result<bool> {
        for name in self.list(at)? {
            let (model, copy) = (format!("{of}/{name}"), format!("{at}/{name}"));
            // A name that is no UTF-8 is listed as another one.
            let Some(now) = self.status(&copy)? else { return Ok(false) };
            let is_one = match (now.kind, self.status(&model)?) {
                (FileKind::Directory, _) => self.has_only_copies(&model, &copy)?,
                (FileKind::File, Some(was)) if was.kind == FileKind::File => {
                    now.size <= was.size && {
                        let (now, was) = (self.read(&copy)?.unwrap_or_default(), self.read(&model)?.unwrap_or_default());
                        now == was || is_cut_copy(&now, &was)
                    }
                }
                (FileKind::Symlink, Some(was)) if was.kind == FileKind::Symlink => self.link_target(&copy)? == self.link_target(&model)?,
                _ => false,
            };
            if !is_one {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn copy_missing(&self, from: &str, to: &str, owner: Attributes, change: bool) -> io::Result<bool> {
        let mut something = false;
        for name in self.list(from)? {
            let (from, to) = (format!("{from}/{name}"), format!("{to}/{name}"));
            let (Some(model), copy) = (self.status(&from)?, self.status(&to)?) else { continue };
            let attributes = Attributes { mode: model.attributes.mode, ..owner };
            match model.kind {
                FileKind::Directory => {
                    something |= copy.is_none();
                    if change {
                        self.make_directories(&to, attributes)?;
                    }
                    something |= self.copy_missing(&from, &to, owner, change)?;
                }
                FileKind::File => {
                    let model = self.read(&from)?.unwrap_or_default();
                    let is_needed = match copy {
                        None => true,
                        Some(copy) if copy.kind == FileKind::File && copy.size <= model.len() as u64 => {
                            is_cut_copy(&self.read(&to)?.unwrap_or_default(), &model)
                        }
                        Some(_) => false,
                    };
                    something |= is_needed;
                    if change && is_needed {
                        self.replace(&to, &model, attributes)?;
                    }
                }
                FileKind::Symlink if copy.is_none() => {
                    something = true;
                    if change {
                        self.symlink(&to, &self.link_target(&from)?.unwrap_or_default())?;
                    }
                }
                _ => {}
            }
        }
        Ok(something)
    }
}

/// A line of `/etc/group` or `/etc/gshadow` without this member, who is no administrator of it either.
fn without_member(line: &str, name: &str) -> String {
    let is_named = |list: &str| list.split(',').any(|member| member == name);
    let without = |list: &str| list.split(',').filter(|member| *member != name).collect::<Vec<_>>().join(",");
    let fields = line.split(':').enumerate().map(|(at, field)| if at >= 2 && is_named(field) { without(field) } else { field.to_owned() });
    fields.collect::<Vec<_>>().join(":")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("etc/skel/.config")).expect("etc");
        let host = Host::rooted(dir.path());
        (dir, host)
    }

    #[test]
    fn a_lock_is_stale_unless_an_account_tool_holds_it() {
        let (dir, host) = root();
        let put = |text: &str| std::fs::write(dir.path().join("etc/passwd.lock"), text).expect("write");
        for stale in ["", "junk", "2147483647\0", &format!("{}\0", std::process::id())] {
            put(stale);
            assert_eq!(host.account_lock_holder().expect("holder"), None);
            host.clear_account_leftovers().expect("cleared");
            assert!(!host.exists("/etc/passwd.lock"), "{stale:?}");
        }
    }

    #[test]
    fn half_written_files_of_account_tools_are_removed_and_no_others() {
        let (dir, host) = root();
        let etc = dir.path().join("etc");
        let left = ["group+", "group.185", "nshadow", "passwd.lock", "subuid.7"];
        let others = ["group", "group-", "group.d185", "passwd.old", "shadow.", "nsswitch.conf"];
        for name in left.iter().chain(&others) {
            std::fs::write(etc.join(name), "185\0").expect("write");
        }
        assert_eq!(host.account_leftovers().expect("look"), left.map(|name| format!("/etc/{name}")));
        host.clear_account_leftovers().expect("clear");
        assert_eq!(host.account_leftovers().expect("look"), [""; 0]);
        assert!(others.iter().all(|name| etc.join(name).exists()));
    }

    #[test]
    fn a_shadow_line_is_replaced_or_added() {
        let (dir, host) = root();
        std::fs::write(dir.path().join("etc/shadow"), "root:*:1::::::\nbob:!:1::::::\n").expect("write");
        host.set_shadow_line("bob", "bob:$y$x:2::::::").expect("set");
        host.set_shadow_line("eve", "eve:!:3::::::").expect("set");
        assert_eq!(host.read_text("/etc/shadow").expect("read").expect("file"), "root:*:1::::::\nbob:$y$x:2::::::\neve:!:3::::::\n");
    }

    #[test]
    fn group_shadow_follows_the_group_file() {
        let (dir, host) = root();
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        std::fs::write(dir.path().join("etc/group"), "ops:x:1:ada,bob\nnew:x:2:\nother:x:3:ada\n").expect("write");
        assert!(!host.complete_group_shadow(&groups(&["ops"]), true).expect("no gshadow"));
        std::fs::write(dir.path().join("etc/gshadow"), "ops:!:eve:ada\nother:!::\n").expect("write");
        assert!(host.complete_group_shadow(&groups(&["ops", "new"]), false).expect("look"));
        assert!(host.complete_group_shadow(&groups(&["ops", "new"]), true).expect("complete"));
        assert!(!host.complete_group_shadow(&groups(&["ops", "new"]), false).expect("look again"));
        let text = host.read_text("/etc/gshadow").expect("read").expect("file");
        assert_eq!(text, "ops:!:eve:ada,bob\nother:!::\nnew:!::\n");
    }

    #[test]
    fn accounts_that_a_cut_left_half_made_are_completed() {
        let (dir, host) = root();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join("etc").join(name), text).expect("write");
        put("passwd", "root:x:0:0::/root:/bin/sh\ndaemon-lf:x:998:998::/nonexistent:/usr/sbin/nologin\n");
        put("shadow", "root:*:1::::::\n");
        put("group", "root:x:0:\n");
        put("gshadow", "root:*::\n");
        put("shadow+", "");
        assert_eq!(host.complete_accounts().expect("complete").len(), 3);
        assert_eq!(host.complete_accounts().expect("again"), [""; 0]);
        let text = |name: &str| host.read_text(&format!("/etc/{name}")).expect("read").expect("file");
        assert_eq!(text("group"), "root:x:0:\ndaemon-lf:x:998:\n");
        assert_eq!(text("gshadow"), "root:*::\ndaemon-lf:!::\n");
        assert!(text("shadow").lines().nth(1).is_some_and(|line| line.starts_with("daemon-lf:!:")));
        assert!(!host.exists("/etc/shadow+"));
    }

    #[test]
    fn what_a_cut_in_userdel_and_groupdel_left_is_taken_away_and_nothing_else() {
        let (dir, host) = root();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join("etc").join(name), text).expect("write");
        let text = |name: &str| host.read_text(&format!("/etc/{name}")).expect("read").expect("file");
        let whole = [
            ("passwd", "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"),
            ("shadow", "root:*:1::::::\nada:!:1::::::\n"),
            ("group", "root:x:0:\nada:x:1000:\ncrew:x:7:bob,ada\nadam:x:8:\n"),
            ("gshadow", "root:*::\nada:!::\ncrew:!:ada:bob,ada\nadam:!::\n"),
            ("subuid", "ada:100000:65536\nadam:165536:65536\n"),
            ("subgid", "ada:100000:65536\n"),
        ];
        let gone = [
            ("passwd", "root:x:0:0::/root:/bin/sh\n"),
            ("shadow", "root:*:1::::::\n"),
            ("group", "root:x:0:\ncrew:x:7:bob\nadam:x:8:\n"),
            ("gshadow", "root:*::\ncrew:!::bob\nadam:!::\n"),
            ("subuid", "adam:165536:65536\n"),
            ("subgid", ""),
        ];
        whole.iter().for_each(|(name, lines)| put(name, lines));
        assert!(!host.remains_of_user("ada", true).expect("an account that is there"));
        for written in 1..=gone.len() {
            whole.iter().for_each(|(name, lines)| put(name, lines));
            gone[..written].iter().for_each(|(name, lines)| put(name, lines));
            assert_eq!(host.remains_of_user("ada", false).expect("look"), written < gone.len(), "{written}");
            assert_eq!(host.remains_of_user("ada", true).expect("change"), written < gone.len(), "{written}");
            gone.iter().for_each(|(name, lines)| assert_eq!(text(name), *lines, "{written}: {name}"));
        }
        put("passwd", "eve:x:1001:1000::/home/eve:/bin/sh\n");
        put("group", "ada:x:1000:\n");
        assert!(!host.remains_of_user("ada", true).expect("a group that is another's too"));
        put("gshadow", "ada:!::\ncrew:!::bob\n");
        assert!(host.remains_of_group("crew", true).expect("change") && !host.remains_of_group("crew", false).expect("look"));
        assert_eq!(text("gshadow"), "ada:!::\n");
    }

    #[test]
    fn a_half_made_home_is_completed_and_own_files_stay() {
        let (dir, host) = root();
        std::fs::write(dir.path().join("etc/skel/.profile"), "profile").expect("write");
        std::fs::write(dir.path().join("etc/skel/.bashrc"), "bashrc").expect("write");
        std::fs::write(dir.path().join("etc/skel/.config/x"), "x").expect("write");
        std::fs::write(dir.path().join("etc/login.defs"), "#HOME_MODE 0700\nUMASK\t\t027\n").expect("write");
        std::fs::create_dir_all(dir.path().join("home/bob")).expect("home");
        std::fs::write(dir.path().join("home/bob/.profile"), "").expect("cut");
        std::fs::write(dir.path().join("home/bob/.bashrc"), "mine").expect("own");
        let me = Attributes::own(0);
        let bob =
            User { name: "bob".into(), uid: me.uid, gid: me.gid, gecos: String::new(), home: "/home/bob".into(), shell: String::new() };
        assert!(host.complete_home(&bob, false).expect("look"));
        assert!(host.complete_home(&bob, true).expect("complete"));
        assert!(!host.complete_home(&bob, false).expect("look again"));
        // As long as it was to be, and nothing of it written.
        std::fs::write(dir.path().join("home/bob/.profile"), [0; 7]).expect("cut");
        assert!(host.complete_home(&bob, true).expect("complete"));
        assert!(!host.complete_home(&bob, false).expect("look again"));
        let text = |path: &str| host.read_text(path).expect("read").expect("file");
        assert_eq!(
            (text("/home/bob/.profile"), text("/home/bob/.bashrc"), text("/home/bob/.config/x")),
            ("profile".into(), "mine".into(), "x".into())
        );
        let new = User { home: "/srv/homes/eve".into(), ..bob };
        host.complete_home(&new, true).expect("made");
        assert_eq!(host.status("/srv/homes/eve").expect("status").expect("home").attributes.mode, 0o750);
    }

    #[test]
    fn subordinate_ids_follow_the_last_range() {
        let (dir, host) = root();
        assert_eq!(host.missing_sub_ids("/etc/subuid", "bob").expect("none"), None);
        std::fs::write(dir.path().join("etc/subuid"), "").expect("write");
        assert_eq!(host.missing_sub_ids("/etc/subuid", "bob").expect("first"), Some((100_000, 165_535)));
        std::fs::write(dir.path().join("etc/subuid"), "eve:100000:65536\n").expect("write");
        assert_eq!(host.missing_sub_ids("/etc/subuid", "bob").expect("next"), Some((165_536, 231_071)));
        assert_eq!(host.missing_sub_ids("/etc/subuid", "eve").expect("has"), None);
    }
}
