//! Programs that take a secret in a way of their own, which no name tells.

/// Where a program has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    names: &'static [&'static str],
    /// Options of one letter with the value in the same word: `-pS`.
    pub glued: &'static str,
    /// Options of one letter with the value in the next word: `-p S`.
    pub next: &'static str,
    /// Words behind which one argument is secret.
    pub after: &'static [&'static str],
    /// Words behind which every argument may be.
    pub all_after: &'static [&'static str],
    /// The number, from 0, of the argument that is, and of those behind it.
    pub argument: Option<usize>,
}

const NONE: Program = Program { names: &[], glued: "", next: "", after: &[], all_after: &[], argument: None };

static PROGRAMS: [Program; 17] = [
    Program { names: &["mysqladmin", "mariadb-admin"], glued: "p", after: &["password"], ..NONE },
    Program { names: &["mysql*", "mariadb*", "7z*"], glued: "p", ..NONE },
    Program { names: &["sshpass", "mongo*"], glued: "p", next: "p", ..NONE },
    Program { names: &["useradd", "usermod", "groupadd", "groupmod"], glued: "p", next: "p", ..NONE },
    Program { names: &["ldap*"], glued: "w", next: "w", ..NONE },
    Program { names: &["redis-cli"], next: "a", after: &["requirepass"], ..NONE },
    Program { names: &["zip", "unzip"], glued: "P", next: "P", ..NONE },
    // `user%password`.
    Program { names: &["smbclient", "smbget", "rpcclient"], glued: "U", next: "U", ..NONE },
    Program { names: &["nmcli"], after: &["password", "wifi-sec.psk", "802-11-wireless-security.psk"], ..NONE },
    Program { names: &["openssl"], all_after: &["passwd"], ..NONE },
    Program { names: &["pro", "ua"], all_after: &["attach"], ..NONE },
    Program { names: &["vault"], all_after: &["login"], ..NONE },
    Program { names: &["htpasswd"], argument: Some(2), ..NONE },
    Program { names: &["wpa_passphrase"], argument: Some(1), ..NONE },
    Program { names: &["mkpasswd"], argument: Some(0), ..NONE },
    Program { names: &["rabbitmqctl"], all_after: &["add_user", "change_password"], ..NONE },
    // What runs behind `sshpass` has a port behind `-p`.
    Program { names: &["ssh", "scp", "sftp", "rsync"], ..NONE },
];

/// What is known of a program by its name.
pub fn named(name: &str) -> Option<&'static Program> {
    let is_it = |known: &&str| known.strip_suffix('*').map_or(name == *known, |start| name.starts_with(start));
    PROGRAMS.iter().find(|program| program.names.iter().any(is_it))
}

impl Program {
    /// Whether it is only known in order that it is not taken for the one before it.
    pub fn is_without_secrets(&self) -> bool {
        *self == Self { names: self.names, ..NONE }
    }
}
