//! Names are not resolved: the server of names is away, silent, slow, or wrong.

use std::fs::File;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sched::{setns, CloneFlags};

use crate::agree::end_of;
use crate::case::{faults, host, mended, sample, Tally};
use crate::lab::{BootOptions, Booted, Disk};
use crate::origin::{Manner, Origin};

/// What a server of names does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// Nobody is there.
    Away,
    /// It never answers.
    Silent,
    /// There is no such name.
    NoSuchName,
    /// The server has failed.
    ServerFailure,
    /// An address at which nobody listens.
    WrongAddress,
    /// Bytes that are no answer.
    Garbage,
    /// The right address, late.
    Late,
    /// The right address.
    Right,
}

const ALL: [Answers; 7] =
    [Answers::Away, Answers::Silent, Answers::NoSuchName, Answers::ServerFailure, Answers::WrongAddress, Answers::Garbage, Answers::Late];

/// It ends when it is dropped.
struct Names(Arc<AtomicBool>);

impl Names {
    fn start(booted: &Booted, how: Answers) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if how != Answers::Away {
            let namespace = File::open(format!("/proc/{}/ns/net", booted.machine_pid("1"))).unwrap();
            let over = Arc::clone(&stop);
            thread::spawn(move || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
                let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let mut question = [0; 512];
                while !over.load(Ordering::Relaxed) {
                    let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
                    if how == Answers::Late {
                        thread::sleep(Duration::from_millis(600));
                    }
                    if let Some(answer) = answer(&question[..length], how) {
                        // Who asked may have gone.
                        let _ = socket.send_to(&answer, from);
                    }
                }
            });
        }
        Self(stop)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A response of RFC 1035: the question comes back, with an address where an IPv4 address was asked for.
fn answer(question: &[u8], how: Answers) -> Option<Vec<u8>> {
    let (code, address) = match how {
        Answers::Away | Answers::Silent => return None,
        Answers::Garbage => return Some(vec![0xff; 7]),
        Answers::NoSuchName => (3, None),
        Answers::ServerFailure => (2, None),
        Answers::WrongAddress => (0, Some([127, 0, 0, 9])),
        Answers::Late | Answers::Right => (0, Some([127, 0, 0, 1])),
    };
    let end = 12 + question.get(12..)?.iter().position(|byte| *byte == 0)? + 5;
    let asked = question.get(12..end)?;
    let address = address.filter(|_| asked.ends_with(&[0, 1, 0, 1]));
    let mut response = question[..2].to_vec();
    response.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    response.extend(asked);
    if let Some(address) = address {
        response.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        response.extend(address);
    }
    Some(response)
}

fn run(how: Answers) -> Vec<String> {
    let Some((lab, host)) = host(Disk::Directory, "") else { return Vec::new() };
    let files = host.files();
    files.write("/etc/apt/sources.list", "deb [trusted=yes] http://packages.example.org:3142/ ./\n", 0o644);
    // landfall's own attempts are enough to wait for.
    files.write("/etc/apt/apt.conf.d/99-once", "Acquire::Retries \"0\";\n", 0o644);
    files.remove("/etc/resolv.conf");
    files.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n", 0o644);
    let booted = host.boot(BootOptions::default());
    let names = Names::start(&booted, how);
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    let end = end_of(&booted);
    let kinds: &[&str] = if how == Answers::Late { &[] } else { &["E_NETWORK"] };
    let mut wrong = faults(&end, &booted, kinds);
    if how != Answers::Late && !end.why.contains("packages.example.org") {
        wrong.push(format!("the name is not named: {}", end.why));
    }
    if !matches!(how, Answers::Late | Answers::WrongAddress) && !end.why.to_lowercase().contains("resolv") {
        wrong.push(format!("it is not said that it was not resolved: {}", end.why));
    }
    if !wrong.is_empty() {
        wrong.push(booted.console());
    }
    drop((names, origin));
    booted.shutdown();
    wrong.extend(mended(&host, &|booted| (Names::start(booted, Answers::Right), Origin::start(booted, lab.repo(), Manner::Serves))));
    wrong
}

#[test]
fn names_that_are_not_resolved_are_named_and_the_next_boot_finishes() {
    let tally = Tally::default();
    let chosen = sample(&ALL, 2);
    thread::scope(|scope| {
        for half in chosen.chunks(chosen.len().div_ceil(2)) {
            let tally = &tally;
            scope.spawn(move || half.iter().for_each(|how| tally.note(&format!("{how:?}"), run(*how))));
        }
    });
    tally.close("network failure, names");
}
