//! A package origin in a guest's own network that behaves as badly as it is told to.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sched::{setns, CloneFlags};

use crate::lab::Booted;

/// Where hosts look for it.
pub const ADDRESS: &str = "127.0.0.1:3142";

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Serves what there is.
    Serves,
    /// Nobody listens.
    IsAway,
    /// Answers with this status line and these headers.
    Answers(&'static str, &'static str),
    /// The same, and serves from the third request on.
    AnswersTwice(&'static str, &'static str),
    /// Sends one byte a second.
    Trickles,
    /// Changes a byte in the middle of every archive.
    Corrupts,
    /// Closes the connection in the middle of every archive.
    BreaksOff,
    /// Sends the client back to the same address for ever.
    Redirects,
    /// Accepts, and says nothing.
    IsSilent,
}

/// It ends when it is dropped.
pub struct Origin {
    stop: Arc<AtomicBool>,
}

impl Origin {
    /// Listens in the guest's network and serves `repo`.
    pub fn start(booted: &Booted, repo: PathBuf, manner: Manner) -> Self {
        Self::start_at(booted, ADDRESS, repo, manner)
    }

    /// The same at another address.
    pub fn start_at(booted: &Booted, address: &'static str, repo: PathBuf, manner: Manner) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if manner == Manner::IsAway {
            return Self { stop };
        }
        let namespace = File::open(format!("/proc/{}/ns/net", booted.machine_pid("1"))).unwrap();
        let (over, asked) = (Arc::clone(&stop), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
            let listener = TcpListener::bind(address).unwrap();
            listener.set_nonblocking(true).unwrap();
            while !over.load(Ordering::Relaxed) {
                let Ok((client, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let (repo, asked, over) = (repo.clone(), Arc::clone(&asked), Arc::clone(&over));
                thread::spawn(move || {
                    // A client that goes away is its own affair.
                    let _ = serve(&client, &repo, manner, &asked, &over);
                });
            }
        });
        Self { stop }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(client: &TcpStream, repo: &Path, manner: Manner, asked: &AtomicUsize, over: &AtomicBool) -> std::io::Result<()> {
    client.set_nonblocking(false)?;
    let mut reader = BufReader::new(client);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = path_of(line.split_whitespace().nth(1).unwrap_or("/")).to_owned();
        while line.trim() != "" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        answer(client, &repo.join(&path), manner, asked.fetch_add(1, Ordering::Relaxed), over)?;
    }
}

/// A proxy is asked for whole addresses.
fn path_of(target: &str) -> &str {
    let path = target.strip_prefix("http://").map_or(target, |rest| rest.split_once('/').map_or("", |(_, path)| path));
    path.trim_start_matches('/').trim_start_matches("./")
}

fn answer(mut client: &TcpStream, file: &Path, manner: Manner, before: usize, over: &AtomicBool) -> std::io::Result<()> {
    let refuse = |mut client: &TcpStream, status: &str, headers: &str| {
        write!(client, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: keep-alive\r\n\r\n")
    };
    match manner {
        Manner::Answers(status, headers) => return refuse(client, status, headers),
        Manner::AnswersTwice(status, headers) if before < 2 => return refuse(client, status, headers),
        Manner::Redirects => return refuse(client, "302 Found", &format!("Location: http://{ADDRESS}/round\r\n")),
        Manner::IsSilent => {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
            }
            return Ok(());
        }
        _ => {}
    }
    let Ok(mut bytes) = fs::read(file) else { return refuse(client, "404 Not Found", "") };
    let is_archive = file.extension().is_some_and(|extension| extension == "deb");
    let middle = bytes.len() / 2;
    if manner == Manner::Corrupts && is_archive {
        bytes[middle] ^= 0x55;
    }
    write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n", bytes.len())?;
    match manner {
        Manner::BreaksOff if is_archive => {
            client.write_all(&bytes[..middle])?;
            client.shutdown(std::net::Shutdown::Both)
        }
        Manner::Trickles => {
            for byte in bytes {
                client.write_all(&[byte])?;
                thread::sleep(Duration::from_secs(1));
                if over.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            Ok(())
        }
        _ => client.write_all(&bytes),
    }
}
