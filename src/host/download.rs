//! Downloads into a file of landfall's own that goes on where it broke off, in this boot or a later one.
//!
//! Beside the partial file stands what is known of it: how many of its bytes are on the disk, and by what the server tells
//! whether the file is still the same (RFC 9110, section 13.1.5). Without such a validator, or where the server does not do
//! ranges, a download begins anew. Nothing is held in memory.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::files::{Attributes, TEMPORARY_PREFIX};
use super::net::{self, failure, open_answer, refused_as, Answer, Client, Request, Resume};
use super::walk::Links;
use super::{fault, signals, Host};
use crate::error::{system_cause, Failure, Kind};
use crate::redact::url as shown;

/// What stands beside a partial file.
const KNOWN: &str = ".json";
/// So much, or what came in so much time, may have to be fetched again after a power cut.
const UNSYNCED: u64 = 16 << 20;
const UNSYNCED_FOR: Duration = Duration::from_secs(5);
const CHUNK: usize = 64 << 10;
/// Left free beside a download, for what others write meanwhile.
const SPARE: u64 = 4 << 20;

/// A file that has been fetched whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes.
    pub size: u64,
    /// Its beginning is of an earlier attempt.
    pub resumed: bool,
}

/// What is known of a partial file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Bytes that are on the disk.
    synced: u64,
    /// `ETag`, a strong one.
    etag: Option<String>,
    /// `Last-Modified`.
    last_modified: Option<String>,
    /// Bytes of the whole, as the server said.
    total: Option<u64>,
}

impl Known {
    fn of(answer: &Answer, total: Option<u64>) -> Self {
        let etag = answer.header("etag").filter(|etag| etag.starts_with('"'));
        Self { synced: 0, etag, last_modified: answer.header("last-modified"), total }
    }

    fn resume(&self) -> Option<Resume> {
        let validator = self.etag.clone().or_else(|| self.last_modified.clone())?;
        (self.synced > 0).then_some(Resume { from: self.synced, validator })
    }

    /// Whether the answer is of the same file: what it does not say, the server has compared.
    fn is_of(&self, answer: &Answer) -> bool {
        let same = |known: &Option<String>, name| match (known, answer.header(name)) {
            (Some(known), Some(now)) => *known == now,
            _ => true,
        };
        same(&self.etag, "etag") && (self.etag.is_some() || same(&self.last_modified, "last-modified"))
    }
}

/// First byte and length of the whole in a `Content-Range`: `bytes 10-19/20`, `bytes */20`.
fn content_range(text: &str) -> (Option<u64>, Option<u64>) {
    let Some((range, total)) = text.trim().strip_prefix("bytes ").and_then(|rest| rest.split_once('/')) else { return (None, None) };
    (range.split('-').next().and_then(|first| first.parse().ok()), total.parse().ok())
}

/// How an answer is taken.
enum Taken {
    /// The rest, or all of it: from this byte on.
    From(u64),
    /// Everything was there already.
    Complete,
    /// It fits to nothing: from the beginning, without asking for a range.
    Again,
}

fn judge(answer: &Answer, known: &Known, asked: Option<&Resume>) -> Taken {
    let (first, total) = content_range(&answer.header("content-range").unwrap_or_default());
    match (answer.status, asked) {
        (206, Some(resume)) if first == Some(resume.from) && known.is_of(answer) => Taken::From(resume.from),
        (416, Some(resume)) if total == Some(resume.from) && known.is_of(answer) => Taken::Complete,
        (206 | 416, _) => Taken::Again,
        _ => Taken::From(0),
    }
}

impl Host {
    /// Fetches a URL into `partial`, a file of landfall's own, going on with what stands there. `room` is a directory in which
    /// as many bytes will be needed once more. An answer other than success is a failure, after which the file stays for the next
    /// attempt.
    pub fn download(&self, request: &Request, partial: &str, room: Option<&str>) -> Result<Downloaded, Failure> {
        let directory = partial.rsplit_once('/').map_or("/", |(directory, _)| directory);
        let failed = |error: std::io::Error| Failure::io(format!("download into {directory}"), system_cause(&error));
        self.make_directories(directory, Attributes::own(0o700)).map_err(failed)?;
        let (host, asked) = (self.clone(), request.clone());
        let (partial, room) = (partial.to_owned(), room.map(str::to_owned));
        let roots = self.certificates();
        net::in_background(&request.url, move || {
            let client = Client::new(roots);
            Transfer { host: &host, client: &client, request: &asked, partial: &partial, room: room.as_deref() }.run()
        })
    }

    /// Removes a partial file and what is known of it.
    pub fn discard_download(&self, partial: &str) -> std::io::Result<()> {
        self.remove(&format!("{partial}{KNOWN}"))?;
        self.remove(partial).map(|_| ())
    }

    /// Removes from a directory of downloads all that is none of these files.
    pub fn sweep_downloads(&self, directory: &str, keep: &[String]) -> std::io::Result<()> {
        for name in self.list(directory)? {
            let of = name.strip_suffix(KNOWN).unwrap_or(&name);
            if name.starts_with(TEMPORARY_PREFIX) || !keep.iter().any(|kept| kept == of) {
                self.remove(&format!("{directory}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Bytes that may be written into the filesystem a directory is in (or would be in), and that filesystem.
    pub fn free_space(&self, directory: &str) -> std::io::Result<(u64, u64)> {
        let mut path = self.real_path(directory);
        while !path.exists() && path.pop() {}
        let status = nix::sys::statvfs::statvfs(&path).map_err(std::io::Error::from)?;
        let device = nix::sys::stat::stat(&path).map_err(std::io::Error::from)?.st_dev;
        Ok((status.blocks_available().saturating_mul(status.fragment_size()), device))
    }
}

struct Transfer<'t> {
    host: &'t Host,
    client: &'t Client,
    request: &'t Request,
    partial: &'t str,
    room: Option<&'t str>,
}

impl Transfer<'_> {
    fn run(&self) -> Result<Downloaded, Failure> {
        let mut known = self.known();
        // An answer that fits to nothing is had once more, whole.
        for _ in 0..2 {
            let resume = known.resume();
            let asked = Request { resume: resume.clone(), ..self.request.clone() };
            let answer = open_answer(self.client, asked)?;
            if !(200..=299).contains(&answer.status) && answer.status != 416 {
                return Err(refused_as(&self.request.url, answer.status, answer.retry_after));
            }
            match judge(&answer, &known, resume.as_ref()) {
                Taken::From(from) => return self.receive(answer, from, known),
                Taken::Complete => return Ok(Downloaded { size: known.synced, resumed: true }),
                Taken::Again => {
                    self.host.discard_download(self.partial).map_err(|error| self.on_disk(&error))?;
                    known = Known::default();
                }
            }
        }
        Err(Failure::new(Kind::Network, format!("{} answers with other parts than it is asked for", shown(&self.request.url))))
    }

    fn on_disk(&self, error: &std::io::Error) -> Failure {
        Failure::io(format!("download of {}", shown(&self.request.url)), system_cause(error))
    }

    /// What is known of the partial file, as far as it is there.
    fn known(&self) -> Known {
        let read = self.host.read(&format!("{}{KNOWN}", self.partial)).ok().flatten();
        let known: Known = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let size = self.host.status(self.partial).ok().flatten().map_or(0, |status| status.size);
        if size < known.synced {
            return Known::default();
        }
        known
    }

    fn note(&self, known: &Known) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(known).map_err(std::io::Error::from)?;
        self.host.write(&format!("{}{KNOWN}", self.partial), &bytes, Attributes::own(0o600))
    }

    /// Whether what is still to come has room: a disk that fills up harms more than this download.
    fn check_room(&self, whole: u64, rest: u64) -> Result<(), Failure> {
        let directory = self.partial.rsplit_once('/').map_or("/", |(directory, _)| directory);
        let space = |directory: &str| self.host.free_space(directory).map_err(|error| self.on_disk(&error));
        let (free, device) = space(directory)?;
        let mut needs = vec![(directory, rest, free)];
        if let Some(room) = self.room {
            let (free, other) = space(room)?;
            if other == device {
                needs[0].1 = rest.saturating_add(whole);
            } else {
                needs.push((room, whole, free));
            }
        }
        match needs.into_iter().find(|(_, needed, free)| needed.saturating_add(SPARE) > *free) {
            None => Ok(()),
            Some((directory, needed, free)) => {
                let url = shown(&self.request.url);
                let message = format!("{url} needs {needed} bytes in {directory}, of which {free} are free: it is not fetched");
                Err(Failure::new(Kind::Disk, message))
            }
        }
    }

    fn receive(&self, answer: Answer, from: u64, before: Known) -> Result<Downloaded, Failure> {
        let length: Option<u64> = answer.header("content-length").and_then(|text| text.trim().parse().ok());
        let total = length.map(|length| from + length);
        if let (Some(total), Some(length)) = (total, length) {
            self.check_room(total, length)?;
        }
        let mut known = if from > 0 { before } else { Known::of(&answer, total) };
        known.synced = from;
        let open = || {
            let place = self.host.walk(self.partial, Links::Trusted)?;
            let mut file = place.open(OFlag::O_WRONLY | OFlag::O_CREAT, 0o600)?;
            file.set_len(from)?;
            file.seek(SeekFrom::Start(from))?;
            self.note(&known)?;
            Ok(file)
        };
        let mut file = open().map_err(|error| self.on_disk(&error))?;
        let received = self.copy(answer, &mut file, &mut known);
        // What has come stays, however it ended.
        let kept = file.stream_position().and_then(|at| self.keep(&file, &mut known, at));
        received?;
        kept.map_err(|error| self.on_disk(&error))?;
        match total.filter(|total| *total != known.synced) {
            None => Ok(Downloaded { size: known.synced, resumed: from > 0 }),
            Some(total) => {
                let message = format!("{} broke off after {} of {total} bytes", shown(&self.request.url), known.synced);
                Err(Failure::new(Kind::Network, message))
            }
        }
    }

    fn copy(&self, answer: Answer, file: &mut std::fs::File, known: &mut Known) -> Result<(), Failure> {
        let mut body = answer.body.into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; CHUNK];
        let mut at = known.synced;
        let mut synced = Instant::now();
        while signals::stop_requested().is_none() {
            let count = body.read(&mut buffer).map_err(|error| failure(&self.request.url, &ureq::Error::from(error)))?;
            if count == 0 {
                return Ok(());
            }
            file.write_all(&buffer[..count]).map_err(|error| self.on_disk(&error))?;
            at += count as u64;
            if at - known.synced >= UNSYNCED || synced.elapsed() >= UNSYNCED_FOR {
                self.keep(file, known, at).map_err(|error| self.on_disk(&error))?;
                synced = Instant::now();
            }
        }
        Err(Failure::new(Kind::Interrupted, format!("the download of {} was stopped", shown(&self.request.url))))
    }

    /// The bytes before their number.
    fn keep(&self, file: &std::fs::File, known: &mut Known, at: u64) -> std::io::Result<()> {
        file.sync_data()?;
        known.synced = at;
        fault::point("download.synced");
        self.note(known)
    }
}

#[cfg(test)]
mod tests;
