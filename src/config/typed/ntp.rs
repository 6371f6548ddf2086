//! `ntp`: who tells this host the time.

use super::scalars::Word;
use super::system::AbsolutePath;

crate::record! {
    /// `ntp`.
    pub struct Ntp {
        /// Servers.
        default servers: Vec<Word>,
        /// Pools of servers.
        default pools: Vec<Word>,
        /// Hosts of the same rank.
        default peers: Vec<Word>,
        /// Networks that may ask this host.
        default allow: Vec<Word>,
        /// The program: `auto`, `chrony`, `systemd-timesyncd`, `ntp`, or another one that `config` describes.
        optional ntp_client: String,
        /// Whether anything is done (the default).
        optional enabled: bool,
        /// What holds instead of what is known of the program.
        optional config: NtpConfig,
    }
}

crate::record! {
    /// `ntp.config`.
    pub struct NtpConfig {
        /// The configuration file.
        optional confpath: AbsolutePath,
        /// The program whose presence says that it is installed.
        optional check_exe: Word,
        /// Packages that bring it.
        optional packages: Vec<Word>,
        /// The unit.
        optional service_name: Word,
        /// What the configuration file is made of.
        optional template: String,
    }
}
