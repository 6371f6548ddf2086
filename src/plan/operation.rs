//! The closed set of things landfall can do to a host.
//!
//! An [`Operation`] is data: the engine's `apply` is its only interpreter, `plan` prints it, `plan.json` stores it.
//! Adding one means a variant here, its sentence in [`Operation::describe`], its undo in [`Operation::undo`] (both in
//! `describe.rs`), and its interpretation in `engine/apply`.

use std::collections::BTreeMap;

use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::storage::{Fstab, MakeFilesystem, PartitionDisk};
use crate::secret::Secret;

/// Bytes that go into a file. Stored as base64 in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == crate::secret::MASK {
            return Ok(Self::default()); // wiped
        }
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A file's content: never shown, so that a key in a `write_files` entry is not either.
pub type Content = Secret<Bytes>;

/// Makes [`Content`] of text or bytes.
pub fn content(bytes: impl Into<Vec<u8>>) -> Content {
    Secret::new(Bytes(bytes.into()))
}

/// Owner of a file by name; `None` leaves that half as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Owner {
    /// User name.
    pub user: Option<String>,
    /// Group name.
    pub group: Option<String>,
}

impl Owner {
    /// `root:root`.
    pub fn root() -> Self {
        Self { user: Some("root".into()), group: Some("root".into()) }
    }
}

/// A whole file, written atomically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFile {
    /// Absolute path.
    pub path: String,
    /// What it holds afterwards.
    pub content: Content,
    /// Permission bits, setuid and sticky included. `None` keeps those of an existing file (0644 for a new one).
    pub mode: Option<u32>,
    /// Owner by name. `None` keeps the owner of an existing file (root for a new one).
    pub owner: Option<Owner>,
    /// Also give this owner to parent directories that have to be created (the peer's `write_files` does).
    #[serde(default)]
    pub own_parents: bool,
}

/// What a file hashes to, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "algorithm", content = "hex")]
pub enum Checksum {
    /// SHA-256.
    Sha256(String),
    /// SHA-512.
    Sha512(String),
}

/// A change to some lines of a text file; applying it twice equals applying it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "edit")]
pub enum Edit {
    /// Appends `line` unless it or one of `unless` stands there as a line (white space trimmed).
    EnsureLine {
        /// The line, without newline.
        line: String,
        /// Lines that make it unnecessary.
        unless: Vec<String>,
    },
    /// Appends a block of lines unless the same block stands there.
    EnsureBlock {
        /// The block; ends in a newline.
        block: Secret<String>,
        /// Text for the head of a file that has to be created.
        header: String,
    },
    /// Sets `keyword<separator>value`: the first line with the keyword is replaced, later ones are commented out as duplicates
    /// are dropped; none: appended. Keywords compare without case.
    SetKeyword {
        /// `PasswordAuthentication`, `LANG`.
        keyword: String,
        /// `" "` or `"="`.
        separator: String,
        /// New value.
        value: String,
    },
    /// Takes the comment mark off `# line` (or appends the line).
    Uncomment {
        /// `de_DE.UTF-8 UTF-8`.
        line: String,
    },
    /// Names for an address in `/etc/hosts` form: other names of that address on other lines stay.
    HostsEntry {
        /// `127.0.1.1`.
        address: String,
        /// Names, canonical first.
        names: Vec<String>,
    },
    /// Puts `prefix` before every line that is neither a comment nor already prefixed.
    PrefixLines {
        /// `!` for ca-certificates.conf.
        prefix: String,
    },
    /// The hostname file: comments stay, the name is replaced.
    HostnameFile {
        /// Short name.
        name: String,
    },
    /// `key = value` lines below `[section]` headers: those that are there are set, the others appended. Keys compare without case.
    SetIni {
        /// What is set.
        entries: Vec<IniEntry>,
    },
}

/// One setting of a file with `[section]` headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IniEntry {
    /// The section; empty for what stands before the first one.
    pub section: String,
    /// The key.
    pub key: String,
    /// Its value, on one line.
    pub value: Secret<String>,
}

/// A new account, as `useradd` makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct CreateUser {
    /// Login name.
    pub name: String,
    /// `--comment`.
    pub gecos: Option<String>,
    /// `--home-dir`.
    pub home: Option<String>,
    /// `--gid`.
    pub primary_group: Option<String>,
    /// `--uid`.
    pub uid: Option<u32>,
    /// `--groups`.
    pub groups: Vec<String>,
    /// Password hash: set through `chpasswd -e`, never by an argument.
    pub password_hash: Option<Secret<String>>,
    /// `--shell`.
    pub shell: Option<String>,
    /// `--expiredate`.
    pub expire_date: Option<String>,
    /// `--inactive`.
    pub inactive: Option<String>,
    /// `--selinux-user`.
    pub selinux_user: Option<String>,
    /// `--system`.
    pub system: bool,
    /// `-m`, or `-M` where false.
    pub create_home: bool,
    /// `--no-user-group`.
    pub no_user_group: bool,
    /// `--no-log-init`.
    pub no_log_init: bool,
}

/// How a password is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "form", content = "value")]
pub enum NewPassword {
    /// In clear; hashed by `chpasswd`.
    Plain(Secret<String>),
    /// A crypt(5) hash.
    Hash(Secret<String>),
    /// Made up at run time and shown on the console only.
    Random,
}

/// Whether an account can log in by password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordLock {
    /// `passwd -l`.
    Lock,
    /// `passwd -u`, only where a password is set.
    Unlock,
}

/// What an interrupted item means at the next boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum OnInterrupt {
    /// Run it again, and say so.
    #[default]
    Rerun,
    /// Leave it, count it as done with a warning.
    Skip,
    /// Stop the run.
    Stop,
}

/// Whether the text of an item stops the machine itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopsMachine {
    /// By an orderly reboot, poweroff or halt.
    Orderly,
    /// By force (`reboot -f`, sysrq): nothing gets to know beforehand.
    Forced,
}

/// One item of `runcmd` or `bootcmd`. Adjacent items of one script are run by one shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptItem {
    /// The script: `runcmd`, `bootcmd`, `PHASE.runcmd`.
    pub script: String,
    /// Digest of the whole script: a change anywhere makes it another script.
    pub script_digest: String,
    /// First item of this step, from 1, as the user counts them.
    pub first: u32,
    /// Last item: differs from `first` where several items only parse jointly.
    pub last: u32,
    /// How many items the script has.
    pub total: u32,
    /// Shell text.
    pub text: Secret<String>,
    /// The text with what looks like a secret masked, one line: what is shown.
    pub shown: String,
    /// Only defines things (functions, aliases, `set`, `trap`, `ulimit`, `exec` redirections): replayed into a resumed shell.
    pub definition: bool,
    /// Stops the machine.
    pub stops_machine: Option<StopsMachine>,
    /// State that a resume after this item could not bring back (functions defined beside other work ...).
    #[serde(default)]
    pub lost_on_resume: Vec<String>,
    /// Environment beside the usual one.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A command with arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Command {
    /// Program and arguments; never a secret.
    pub argv: Vec<String>,
    /// What it reads.
    pub stdin: Option<Secret<String>>,
    /// Environment beside the usual one.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Exit codes that mean success.
    pub accept: Vec<i32>,
    /// Running it twice equals running it once.
    pub idempotent: bool,
    /// What it is for, in a few words: "update the certificate store".
    pub purpose: String,
}

/// Who configures a host's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkManager {
    /// netplan, which has networkd or `NetworkManager` do it.
    Netplan,
    /// ifupdown.
    Ifupdown,
    /// systemd-networkd.
    Networkd,
}

/// A network, in the files of who configures it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigureNetwork {
    /// Who.
    pub manager: NetworkManager,
    /// Its files; others that an earlier instance left go.
    pub files: Vec<WriteFile>,
    /// Names that devices are given.
    pub names: Vec<DeviceName>,
}

/// A network device that is found by its hardware address and given a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceName {
    /// Hardware address, lower case.
    pub mac: String,
    /// The name.
    pub name: String,
}

/// What to do with a systemd unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitAction {
    /// `enable`.
    Enable,
    /// `start`.
    Start,
    /// `restart`.
    Restart,
    /// `restart`, only where it is active.
    TryRestart,
    /// `reload-or-restart`, only where it is active.
    TryReload,
    /// `reload-or-restart`, which starts what does not run.
    Reload,
    /// `disable`.
    Disable,
    /// `stop`.
    Stop,
}

/// When a service counts as ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "when")]
pub enum Readiness {
    /// systemd calls it active, and it stays so.
    Active,
    /// It is active and something takes connections on each of these TCP ports.
    Answers {
        /// Where; loopback where none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<std::net::IpAddr>,
        /// The ports.
        ports: Vec<u16>,
    },
}

/// A service that is started, and waited for until it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Unit name.
    pub unit: String,
    /// [`UnitAction::Start`], [`UnitAction::Restart`] or [`UnitAction::Reload`].
    pub action: UnitAction,
    /// What is waited for.
    pub ready: Readiness,
    /// For so long, the job itself included.
    pub timeout_seconds: u64,
    /// TCP ports that nobody else may hold when it is begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

/// A package as apt names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// `nginx`, `name=1.2`, `name/suite`, `name-`, `task^`.
    pub spec: String,
    /// Where the user wrote it.
    #[serde(default)]
    pub origin: Option<String>,
    /// Where apt has no package of this name, the snap of that name is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_snap: bool,
}

impl Package {
    /// A package of apt's that no user wrote down.
    pub fn of_apt(spec: impl Into<String>) -> Self {
        Self { spec: spec.into(), origin: None, or_snap: false }
    }
}

/// `power_state.condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "condition", content = "value")]
pub enum Condition {
    /// Always, or never.
    Constant(bool),
    /// A shell command: 0 go, 1 do not, anything else: warn and do not.
    Shell(Secret<String>),
    /// The same as program and arguments.
    Argv(Vec<String>),
}

/// `power_state.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerMode {
    /// Power off.
    Poweroff,
    /// Reboot.
    Reboot,
    /// Halt.
    Halt,
}

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// What is sent.
    pub value: FormValue,
}

/// The value of a form's field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormValue {
    /// This text.
    Text(String),
    /// What stands in this file then.
    File(String),
}

/// A part that a part handler may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct HandledPart {
    /// Its MIME type.
    pub content_type: String,
    /// Its file name, as declared.
    pub file_name: String,
    /// What it holds.
    pub content: Content,
    /// Its headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A handler, or a part that one of those before it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Walked {
    /// A Python file.
    Handler {
        /// Its absolute path.
        path: String,
    },
    /// A part.
    Part(HandledPart),
}

/// Part handlers and parts, in the order of the document: each handler is told that the parts begin, is given those of its types
/// that follow, and is told that they end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PartHandlers {
    /// Files of handlers that lie on the host, which come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_host: Vec<String>,
    /// Handlers and parts.
    pub walked: Vec<Walked>,
    /// Only those are called that want to be at every boot, unless all have been called in this one.
    #[serde(default)]
    pub every_boot: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Operation {
    /// Writes a whole file atomically.
    WriteFile(WriteFile),
    /// Appends to a file (or creates it). Not repeated blindly: the length before is in the intent.
    AppendFile(WriteFile),
    /// Downloads into a file.
    Download {
        /// `http:`, `https:` or `file:` URL.
        url: String,
        /// Request headers; values are secrets.
        headers: BTreeMap<String, Secret<String>>,
        /// Where it goes; its `content` is used if the download fails and is not empty.
        file: WriteFile,
        /// Append instead of replace.
        append: bool,
        /// What the downloaded bytes have to hash to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checksum: Option<Checksum>,
    },
    /// Changes some lines of a text file, atomically.
    EditFile {
        /// Absolute path.
        path: String,
        /// The change.
        change: Edit,
        /// Permission bits for a file that has to be created, and, where `force_mode`, for any.
        mode: u32,
        /// Also set `mode` on an existing file.
        #[serde(default)]
        force_mode: bool,
    },
    /// Keeps a copy of a file beside it, before it is written anew. Nothing to do where there is no such file.
    CopyFile {
        /// Absolute path.
        from: String,
        /// Where the copy goes, with mode and owner of the file.
        to: String,
    },
    /// Removes files by path; the last component may hold `*`.
    RemoveFiles {
        /// Absolute paths or patterns.
        paths: Vec<String>,
    },
    /// Makes a directory, with parents.
    Directory {
        /// Absolute path.
        path: String,
        /// Permission bits.
        mode: u32,
        /// Owner.
        owner: Option<Owner>,
        /// One that is there stays as it is.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// A symbolic link, replaced atomically.
    Symlink {
        /// Where the link stands.
        path: String,
        /// What it points to.
        target: String,
    },
    /// Runtime and stored hostname.
    Hostname {
        /// The name given to the kernel.
        name: String,
    },
    /// The network, as the datasource has it.
    ConfigureNetwork(ConfigureNetwork),
    /// `groupadd`.
    Group {
        /// Group name.
        name: String,
        /// `--system`.
        #[serde(default)]
        system: bool,
    },
    /// `usermod -a -G`.
    GroupMembers {
        /// Group name.
        group: String,
        /// Users; those that do not exist are reported.
        users: Vec<String>,
    },
    /// `useradd`; an existing account is left as it is.
    User(CreateUser),
    /// `chpasswd`.
    Password {
        /// Login name.
        user: String,
        /// The password.
        password: NewPassword,
        /// Must be changed at first login.
        expire: bool,
    },
    /// Locks or unlocks password login.
    PasswordLock {
        /// Login name.
        user: String,
        /// Which.
        lock: PasswordLock,
    },
    /// Merges keys into a user's authorized_keys, as that user.
    AuthorizedKeys {
        /// Login name.
        user: String,
        /// Key lines.
        keys: Vec<String>,
        /// Options put before every key.
        options: Option<String>,
    },
    /// `ssh-keygen` for a host key that does not exist.
    SshHostKey {
        /// `rsa`, `ecdsa`, `ed25519`.
        kind: String,
    },
    /// Shows host keys and their fingerprints on the console.
    ShowHostKeys {
        /// Types (`ssh-rsa`) whose fingerprints are not shown.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without_fingerprints: Vec<String>,
        /// Types that are not shown themselves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without_keys: Vec<String>,
    },
    /// Shows on the console who may log in with which SSH key.
    ShowAuthorizedKeys {
        /// Login names.
        users: Vec<String>,
        /// Digest that the fingerprints are of: `sha256`.
        hash: String,
    },
    /// An OpenPGP key from a key server into a keyring file.
    AptKey {
        /// Key id or fingerprint.
        keyid: String,
        /// Key server.
        keyserver: String,
        /// Keyring file.
        path: String,
    },
    /// `debconf-set-selections`.
    Debconf {
        /// Selections text.
        selections: Secret<String>,
    },
    /// `apt-get update`.
    AptUpdate,
    /// `apt-get dist-upgrade`.
    AptUpgrade,
    /// `apt-get install`; names that do not exist are isolated and reported, the rest is installed.
    InstallPackages {
        /// Packages in the user's order.
        packages: Vec<Package>,
    },
    /// Runs a command.
    Command(Command),
    /// Runs one item of a script.
    ScriptItem(ScriptItem),
    /// Runs an executable file.
    RunFile {
        /// Absolute path.
        path: String,
        /// Environment beside the usual one.
        #[serde(default)]
        env: BTreeMap<String, String>,
        /// A program with arguments that is given the path; none: the file itself is run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        prefix: Vec<String>,
    },
    /// Calls Python part handlers with the parts that follow them.
    PartHandlers(PartHandlers),
    /// Runs every executable of a directory in byte order; each has its own record.
    RunDirectory {
        /// Absolute path.
        path: String,
    },
    /// Gives a partition the room behind it.
    GrowPartition {
        /// Its device, or where it is mounted.
        device: String,
        /// Also where `/etc/growroot-disabled` says no.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        even_if_disabled: bool,
    },
    /// Gives the root filesystem all of its device.
    GrowFilesystem,
    /// Partitions a disk.
    PartitionDisk(PartitionDisk),
    /// Makes a filesystem.
    MakeFilesystem(MakeFilesystem),
    /// Makes a swap file.
    SwapFile {
        /// Absolute path.
        path: String,
        /// Bytes; `None` for as many as the memory and the room on the disk ask for.
        size: Option<u64>,
        /// How large at most, in bytes, where the size is chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most: Option<u64>,
    },
    /// Lines of `/etc/fstab`.
    Fstab(Fstab),
    /// Mounts, or swaps to, what these lines name.
    MountFstab {
        /// What is reached over the network, or what is not.
        remote: bool,
        /// The swap file, whose line has no mark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        swap_file: Option<String>,
    },
    /// A systemd unit.
    Unit {
        /// Unit name.
        unit: String,
        /// What to do.
        action: UnitAction,
        /// Nothing to do where the unit does not exist.
        #[serde(default)]
        optional: bool,
    },
    /// A systemd service that has to be ready.
    Service(Service),
    /// Reboots now if packages asked for it; the run goes on after it.
    RebootIfRequired,
    /// Sends a form to where hosts report themselves.
    PhoneHome {
        /// `http:` or `https:` URL.
        url: String,
        /// What is sent.
        form: Vec<FormField>,
        /// Tries in all.
        tries: u32,
    },
    /// Shows a text on the console and in the log. `$UPTIME`, `$TIMESTAMP`, `$VERSION`, `$DATASOURCE` are filled in;
    /// or it is rendered, where it begins with the header of a template.
    Message {
        /// Template.
        template: String,
    },
    /// Powers off, halts or reboots after the run.
    PowerState {
        /// Which.
        mode: PowerMode,
        /// Minutes, or now.
        delay_minutes: u32,
        /// Shown to logged-in users.
        message: Option<String>,
        /// Whether to.
        condition: Condition,
    },
}

impl Operation {
    /// Whether applying it twice equals applying it once, so that an interrupted one is simply applied again.
    pub const fn is_idempotent(&self) -> bool {
        match self {
            Self::AppendFile(_)
            | Self::ScriptItem(_)
            | Self::RunFile { .. }
            | Self::RunDirectory { .. }
            | Self::PartHandlers(_)
            | Self::RebootIfRequired
            | Self::PowerState { .. } => false,
            Self::Password { password, .. } => !matches!(password, NewPassword::Random),
            Self::Download { append, .. } => !*append,
            Self::Command(command) => command.idempotent,
            _ => true,
        }
    }

    /// Whether it runs what the user wrote, with exit codes of the user's own making.
    pub const fn runs_users_text(&self) -> bool {
        matches!(self, Self::ScriptItem(_) | Self::RunFile { .. } | Self::RunDirectory { .. } | Self::PartHandlers(_))
    }

    /// Whether it is left for when all of the user-data is known: it cannot be done again when that says something else, or it
    /// ends the run.
    pub const fn needs_whole_user_data(&self) -> bool {
        self.runs_users_text()
            || matches!(self, Self::RebootIfRequired | Self::PhoneHome { .. } | Self::Message { .. } | Self::PowerState { .. })
    }

    /// Whether a try that fails leaves a part, which a check of the whole cannot tell from what somebody else made.
    pub const fn leaves_halves(&self) -> bool {
        matches!(self, Self::User(_) | Self::Group { .. } | Self::MakeFilesystem(_) | Self::SwapFile { .. })
    }

    /// Whether it works with apt and dpkg, so that others are held back meanwhile.
    pub const fn uses_apt(&self) -> bool {
        matches!(self, Self::Debconf { .. } | Self::AptUpdate | Self::AptUpgrade | Self::InstallPackages { .. })
    }

    /// Whether a child process does the work, so that what it wrote has to be synced before the outcome is recorded.
    pub const fn uses_child(&self) -> bool {
        !matches!(
            self,
            Self::WriteFile(_)
                | Self::AppendFile(_)
                | Self::Download { .. }
                | Self::EditFile { .. }
                | Self::CopyFile { .. }
                | Self::RemoveFiles { .. }
                | Self::Directory { .. }
                | Self::Symlink { .. }
                | Self::AuthorizedKeys { .. }
                | Self::Fstab(_)
                | Self::ShowHostKeys { .. }
                | Self::ShowAuthorizedKeys { .. }
                | Self::PhoneHome { .. }
                | Self::Message { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_that_has_got_fields_since_is_the_same_step_where_they_are_not_used() {
        for (stored, operation) in [
            (r#"{"op":"show_host_keys"}"#, Operation::ShowHostKeys { without_fingerprints: Vec::new(), without_keys: Vec::new() }),
            (
                r#"{"op":"directory","path":"/a","mode":488,"owner":null}"#,
                Operation::Directory { path: "/a".into(), mode: 0o750, owner: None, keep: false },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Operation>(stored).expect("it is read"), operation);
            assert_eq!(serde_json::to_string(&operation).expect("JSON"), stored, "its digest stays");
        }
    }
}
