//! Who listens on which port, as the kernel tells: `/proc/net/{tcp,udp}{,6}` and the descriptors in `/proc/PID/fd`.
//!
//! A socket whose process may not be looked at is still found, without its owner. Only the network namespace landfall runs in
//! is seen.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::dpkg::admin_file;
use super::procs::Process;
use super::systemd::sockets_in;
use super::Host;
use crate::ordered::{set_of, sort_by_key};

const TABLES: [(&str, Protocol); 4] = [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)];
/// `TCP_LISTEN` and, for UDP, `TCP_CLOSE`: the states of proc(5) in which a socket takes what comes.
const LISTENING: [&str; 2] = ["0A", "07"];
/// Where a merged `/usr` has what older packages still list in the root directory.
const MERGED: [&str; 4] = ["/bin/", "/sbin/", "/lib/", "/lib64/"];

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A socket that takes connections or datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What is spoken.
    pub protocol: Protocol,
    /// The address it is bound to.
    pub address: SocketAddr,
    /// Its number in the kernel.
    pub inode: u64,
}

/// A port that is taken, and by whom, as far as that can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The socket.
    pub socket: Socket,
    /// The eldest process that has it open.
    pub process: Option<Process>,
    /// The systemd unit: that of the process, or the socket unit for which systemd itself listens.
    pub unit: Option<String>,
    /// The package that its program belongs to.
    pub package: Option<String>,
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{protocol} {}", self.address)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is held by ", self.socket.address.port())?;
        let Some(process) = &self.process else { return f.write_str("a process that cannot be seen") };
        write!(f, "{} (pid {}", process.command, process.pid)?;
        if let Some(unit) = &self.unit {
            write!(f, ", {unit}")?;
        }
        if let Some(package) = &self.package {
            write!(f, ", package {package}")?;
        }
        f.write_str(")")
    }
}

/// `0100007F:0050` and the 32 digits of IPv6: each group of four bytes is in the byte order of the machine.
fn address_of(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(address, port))
}

/// The listening sockets of one table.
fn sockets_of(table: &str, protocol: Protocol) -> Vec<Socket> {
    let listening = LISTENING[protocol as usize];
    let socket = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (local, remote, state, inode) = (words.get(1)?, words.get(2)?, words.get(3)?, words.get(9)?);
        if *state != listening || !remote.ends_with(":0000") {
            return None;
        }
        Some(Socket { protocol, address: address_of(local)?, inode: inode.parse().ok()? })
    };
    table.lines().skip(1).filter_map(socket).collect()
}

fn pids() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The kernel's numbers of the sockets that a process has open.
fn open_sockets(pid: i32) -> Vec<u64> {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let number = |target: PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    descriptors.flatten().filter_map(|entry| number(std::fs::read_link(entry.path()).ok()?)).collect()
}

/// The path as a package's list may have it: as it is, and as it was before `/usr` was merged.
fn listed_as(program: &str) -> Vec<String> {
    let program = program.strip_suffix(" (deleted)").unwrap_or(program);
    let mut paths = vec![program.to_owned()];
    match program.strip_prefix("/usr") {
        Some(rest) if MERGED.iter().any(|top| rest.starts_with(top)) => paths.push(rest.to_owned()),
        None if MERGED.iter().any(|top| program.starts_with(top)) => paths.push(format!("/usr{program}")),
        _ => {}
    }
    paths
}

impl Host {
    /// Every socket that listens in landfall's network namespace.
    pub fn listening(&self) -> Vec<Socket> {
        let table = |(name, protocol): (&str, Protocol)| {
            let text = std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
            sockets_of(&text, protocol)
        };
        TABLES.into_iter().flat_map(table).collect()
    }

    /// Which of these TCP ports are taken, in their order, each by whom.
    pub fn taken(&self, ports: &[u16]) -> Vec<Taken> {
        if !self.is_live() {
            return Vec::new();
        }
        let sockets: Vec<Socket> = self.listening().into_iter().filter(|socket| socket.protocol == Protocol::Tcp).collect();
        let mut taken: Vec<Taken> = Vec::new();
        for port in ports {
            for socket in sockets.iter().filter(|socket| socket.address.port() == *port) {
                let one = self.holder(socket);
                // The same holder on IPv4 and IPv6 is one.
                let pid = |taken: &Taken| taken.process.as_ref().map(|process| process.pid);
                if !taken.iter().any(|known| known.socket.address.port() == *port && pid(known) == pid(&one)) {
                    taken.push(one);
                }
            }
        }
        taken
    }

    fn holder(&self, socket: &Socket) -> Taken {
        let process = self.openers(socket.inode).into_iter().min_by_key(|process| (process.started, process.pid));
        let mut unit = process.as_ref().and_then(|process| process.unit.clone());
        if process.as_ref().is_some_and(|process| process.pid == 1) && self.runs_systemd() {
            unit = self.socket_unit(socket.address.port()).or(unit);
        }
        let package = process.as_ref().and_then(|process| self.package_of_process(process.pid));
        Taken { socket: socket.clone(), process, unit, package }
    }

    /// What the processes of a unit listen on, by port.
    pub fn bound_by(&self, unit: &str) -> Vec<Socket> {
        if !self.is_live() {
            return Vec::new();
        }
        let own = |pid: &i32| self.process(*pid).is_some_and(|process| process.unit.as_deref() == Some(unit));
        let open = set_of(pids().into_iter().filter(own).flat_map(open_sockets));
        let mut bound: Vec<Socket> = self.listening().into_iter().filter(|socket| open.contains(&socket.inode)).collect();
        sort_by_key(&mut bound, |socket| (socket.address.port(), socket.protocol, socket.address));
        bound
    }

    /// Processes that have a socket open.
    fn openers(&self, inode: u64) -> Vec<Process> {
        pids().into_iter().filter(|pid| open_sockets(*pid).contains(&inode)).filter_map(|pid| self.process(pid)).collect()
    }

    /// The socket unit for which systemd listens on a TCP port.
    fn socket_unit(&self, port: u16) -> Option<String> {
        sockets_in(&self.listening_units().ok()?, port)
    }

    fn package_of_process(&self, pid: i32) -> Option<String> {
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        self.package_of(program.to_str()?).ok().flatten()
    }

    /// The package that brought a program, by the lists of dpkg.
    pub fn package_of(&self, program: &str) -> io::Result<Option<String>> {
        let info = admin_file("info");
        let wanted = listed_as(program);
        for name in self.list(&info)? {
            let Some(package) = name.strip_suffix(".list") else { continue };
            let list = self.read_text(&format!("{info}/{name}"))?.unwrap_or_default();
            if list.lines().any(|line| wanted.iter().any(|path| path == line)) {
                return Ok(Some(package.split(':').next().unwrap_or(package).to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether something takes a TCP connection at an address.
    pub fn answers(&self, address: SocketAddr, limit: Duration) -> bool {
        TcpStream::connect_timeout(&address, limit).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn only_what_listens_is_read_from_the_kernels_tables() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0\n\
            \x20  1: 0100007F:0050 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4 30 10 -1\n\
            \x20  2: garbage\n";
        let found = sockets_of(tcp, Protocol::Tcp);
        assert_eq!(found, [Socket { protocol: Protocol::Tcp, address: "127.0.0.1:80".parse().expect("address"), inode: 4711 }]);
        let tcp6 = "head\n 0: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 12 1 0 1\n";
        assert_eq!(sockets_of(tcp6, Protocol::Tcp)[0].address, "[::1]:443".parse().expect("address"));
        let udp =
            "head\n 9: 00000000:0035 00000000:0000 07 0:0 0:0 0 0 0 13 2 0 0\n 9: 00000000:0036 0100007F:0036 01 0:0 0:0 0 0 0 14 2 0 0\n";
        assert_eq!(sockets_of(udp, Protocol::Udp).iter().map(|socket| socket.address.port()).collect::<Vec<_>>(), [53]);
        assert!(sockets_of("", Protocol::Udp).is_empty());
    }

    #[test]
    fn a_program_is_found_in_the_package_lists_also_where_usr_was_merged_later() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let info = dir.path().join("var/lib/dpkg/info");
        std::fs::create_dir_all(&info).expect("dir");
        std::fs::write(info.join("apache2-bin:amd64.list"), "/.\n/usr/sbin/apache2\n").expect("list");
        std::fs::write(info.join("kmod.list"), "/.\n/bin/kmod\n").expect("list");
        std::fs::write(info.join("kmod.md5sums"), "/usr/sbin/none\n").expect("list");
        let package = |program: &str| host.package_of(program).expect("lists");
        assert_eq!(package("/usr/sbin/apache2").as_deref(), Some("apache2-bin"));
        assert_eq!(package("/usr/sbin/apache2 (deleted)").as_deref(), Some("apache2-bin"));
        assert_eq!(package("/usr/bin/kmod").as_deref(), Some("kmod"));
        assert_eq!(package("/sbin/apache2").as_deref(), Some("apache2-bin"));
        assert_eq!(package("/usr/sbin/none"), None);
    }

    #[test]
    fn a_port_that_is_taken_names_the_process_that_has_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("address");
        let host = Host::default();
        let taken = host.taken(&[address.port()]);
        let me = i32::try_from(std::process::id()).expect("pid");
        assert_eq!(taken.iter().map(|taken| taken.process.as_ref().map(|process| process.pid)).collect::<Vec<_>>(), [Some(me)]);
        assert!(taken[0].to_string().starts_with(&format!("port {} is held by ", address.port())), "{}", taken[0]);
        assert!(host.answers(address, Duration::from_secs(5)));
        drop(listener);
        assert!(host.taken(&[address.port()]).is_empty() && !host.answers(address, Duration::from_secs(5)));
    }

    #[test]
    fn a_holder_is_told_with_process_unit_and_package() {
        let process = Process { pid: 1234, started: 1, command: "apache2".into(), unit: None };
        let socket = Socket { protocol: Protocol::Tcp, address: "0.0.0.0:80".parse().expect("address"), inode: 1 };
        let unit = Some("apache2.service".to_owned());
        let mut taken = Taken { socket, process: Some(process), unit, package: Some("apache2-bin".into()) };
        assert_eq!(taken.to_string(), "port 80 is held by apache2 (pid 1234, apache2.service, package apache2-bin)");
        taken.process = None;
        assert_eq!(taken.to_string(), "port 80 is held by a process that cannot be seen");
    }
}
