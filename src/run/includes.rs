//! Fetches what user-data includes: from the network or from a file, as patiently as the stage of the boot allows.
//!
//! What `#include-once` has fetched is kept in the instance's directory, by its address, so that another boot of the same
//! instance asks for it no more.

use std::time::{Duration, Instant};

use crate::engine::retry::Policy;
use crate::error::{Failure, Kind};
use crate::hash::sha256_hex;
use crate::host::files::Attributes;
use crate::host::net::{is_address, Request};
use crate::host::{signals, Host};
use crate::plan::Limits;
use crate::telemetry::{self, Place};
use crate::userdata::{Got, Include, Includes, MAX_BYTES};

/// For one attempt: a server that is there sends a configuration in less.
const ONE: Duration = Duration::from_secs(60);

/// How long is waited for what is included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// There is no network yet: nothing is asked for.
    Later,
    /// It is tried for so long, all addresses together.
    Within(Duration),
}

/// What could not be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its address, without credentials.
    pub url: String,
    /// Why; `None` where it was not asked for yet.
    pub failure: Option<Failure>,
}

impl Missing {
    /// Whether it may be had at another time.
    pub fn may_come(&self) -> bool {
        self.failure.as_ref().is_none_or(|failure| failure.transient)
    }
}

/// Fetches includes.
pub struct Fetcher<'h> {
    host: &'h Host,
    patience: Patience,
    policy: Policy,
    /// Directory of what was fetched once, if it is kept.
    kept: Option<String>,
    start: Instant,
    /// What could not be had so far.
    pub missing: Vec<Missing>,
}

impl<'h> Fetcher<'h> {
    /// One that tries as `limits` says, but no longer than its patience; `kept` is the directory for what is fetched once.
    pub fn new(host: &'h Host, patience: Patience, limits: &Limits, kept: Option<String>) -> Self {
        let within = match patience {
            Patience::Within(time) => time,
            Patience::Later => Duration::ZERO,
        };
        Self { host, patience, policy: Policy::of_includes(limits, within), kept, start: Instant::now(), missing: Vec::new() }
    }

    fn fetch(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let shown = crate::redact::url(url);
        let Patience::Within(total) = self.patience else { return Err(Failure::new(Kind::Network, "there is no network yet")) };
        let mut attempt = 1;
        loop {
            let left = total.saturating_sub(self.start.elapsed());
            if left.is_zero() {
                return Err(Failure::new(Kind::Timeout, format!("{shown}: there was no time left for it")).transient(true));
            }
            let request = Request { deadline: ONE.min(left), ..Request::new(url, MAX_BYTES as u64) };
            let failure = match self.host.fetch(&request) {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => failure,
            };
            attempt += 1;
            let Some(pause) = self.policy.pause(attempt, self.start.elapsed(), &failure, self.host.noise()) else { return Err(failure) };
            let why = failure.message.strip_prefix(&format!("{shown}: ")).unwrap_or(&failure.message);
            let text = format!("include {shown}: {why}; attempt {attempt} in {} s", pause.as_secs().max(1));
            telemetry::say(tracing::Level::WARN, Place::default(), &text);
            if !signals::sleep(pause) {
                return Err(Failure::new(Kind::Interrupted, "stopped while an include was waited for"));
            }
        }
    }

    fn kept_path(&self, url: &str) -> Option<String> {
        self.kept.as_ref().map(|directory| format!("{directory}/{}", sha256_hex(url.as_bytes())))
    }

    /// What was fetched once is kept; that it cannot be is no reason to do without it.
    fn keep(&self, url: &str, bytes: &[u8]) {
        let Some((directory, path)) = self.kept.as_ref().zip(self.kept_path(url)) else { return };
        let made = self.host.make_directories(directory, Attributes::own(0o700));
        if let Err(error) = made.and_then(|_| self.host.write(&path, bytes, Attributes::own(0o600))) {
            tracing::warn!("what was included once could not be kept: {error}");
        }
    }
}

/// The path that an address is on this host, if it is one.
fn local_path(url: &str) -> Option<&str> {
    let is_file = url.get(.."file://".len()).is_some_and(|start| start.eq_ignore_ascii_case("file://"));
    let path = if is_file { &url["file://".len()..] } else { url };
    path.starts_with('/').then_some(path)
}

impl Includes for Fetcher<'_> {
    fn get(&mut self, include: &Include<'_>) -> Got {
        let url = include.url;
        if let Some(path) = local_path(url) {
            let missing = || Failure::new(Kind::NotFound, format!("{path} does not exist"));
            let read = self.host.read(path).map_err(|error| Failure::io(path, &error)).and_then(|bytes| bytes.ok_or_else(missing));
            return self.got(url, read);
        }
        if !is_address(url) {
            let why = "it is neither an address with http:// or https:// nor a file";
            return self.got(url, Err(Failure::new(Kind::Input, why).hint("write the whole address, or `file:///path`")));
        }
        let kept = self.kept_path(url).filter(|_| include.once).and_then(|path| self.host.read(&path).ok().flatten());
        if let Some(bytes) = kept {
            return Got::Content(bytes);
        }
        if self.patience == Patience::Later {
            self.missing.push(Missing { url: crate::redact::url(url), failure: None });
            return Got::Later;
        }
        let fetched = self.fetch(url);
        if let (true, Ok(bytes)) = (include.once, &fetched) {
            self.keep(url, bytes);
        }
        self.got(url, fetched)
    }
}

impl Fetcher<'_> {
    fn got(&mut self, url: &str, read: Result<Vec<u8>, Failure>) -> Got {
        match read {
            Ok(bytes) => Got::Content(bytes),
            Err(failure) => {
                self.missing.push(Missing { url: crate::redact::url(url), failure: Some(failure.clone()) });
                Got::Failed(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::node::Origin;
    use crate::host::loopback::{self, reply};
    use crate::plan::Backoff;

    fn get(fetcher: &mut Fetcher<'_>, url: &str, once: bool) -> Got {
        fetcher.get(&Include { url, once, place: &Origin::new("user-data", 2, 1) })
    }

    fn quick() -> Limits {
        Limits { attempts: Some(3), backoff: Backoff { delay_seconds: Some(0), ..Backoff::default() }, ..Limits::default() }
    }

    /// A server whose answers come one after the other, the last one for ever, and what it was asked.
    fn answering(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        let url = loopback::server(move |request| {
            let mut log = log.lock().expect("log");
            log.push(request.line.clone());
            match answers[(log.len() - 1).min(answers.len() - 1)] {
                "busy" => reply("503 Busy", "", ""),
                "gone" => reply("404 Not Found", "", ""),
                body => reply("200 OK", "", body),
            }
        });
        (url, asked)
    }

    #[test]
    fn a_server_that_is_busy_is_asked_again_and_one_that_says_no_is_not() {
        let host = Host::default();
        let (url, asked) = answering(&["busy", "busy", "hello"]);
        let mut fetcher = Fetcher::new(&host, Patience::Within(Duration::from_secs(60)), &quick(), None);
        assert_eq!(get(&mut fetcher, &url, false), Got::Content(b"hello".to_vec()));
        assert_eq!((asked.lock().expect("log").len(), fetcher.missing.len()), (3, 0));
        let (url, asked) = answering(&["gone"]);
        assert!(matches!(get(&mut fetcher, &format!("{url}/x?token=1"), false), Got::Failed(failure) if failure.kind == Kind::NotFound));
        assert_eq!(asked.lock().expect("log").len(), 1);
        assert!(!fetcher.missing[0].may_come() && !fetcher.missing[0].url.contains("token=1"), "{:?}", fetcher.missing);
        let (url, asked) = answering(&["busy"]);
        assert!(matches!(get(&mut fetcher, &url, false), Got::Failed(_)));
        assert_eq!(asked.lock().expect("log").len(), 3, "as often as is allowed");
        assert!(fetcher.missing[1].may_come());
    }

    #[test]
    fn before_the_network_is_there_nothing_is_asked_for_but_files() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::write(dir.path().join("part"), "x").expect("file");
        let host = Host::rooted(dir.path());
        let (url, asked) = answering(&["hello"]);
        let mut fetcher = Fetcher::new(&host, Patience::Later, &quick(), None);
        assert_eq!(get(&mut fetcher, &url, false), Got::Later);
        for path in ["/part", "file:///part", "FILE:///part"] {
            assert_eq!(get(&mut fetcher, path, false), Got::Content(b"x".to_vec()), "{path}");
        }
        assert_eq!(asked.lock().expect("log").len(), 0);
        assert!(matches!(get(&mut fetcher, "/none", false), Got::Failed(failure) if failure.kind == Kind::NotFound));
        for bad in ["ftp://h/x", "example.org/x", "part"] {
            assert!(matches!(get(&mut fetcher, bad, false), Got::Failed(failure) if failure.kind == Kind::Input), "{bad}");
        }
    }

    #[test]
    fn what_is_included_once_is_fetched_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let (url, asked) = answering(&["hello", "other"]);
        let fetcher = || Fetcher::new(&host, Patience::Within(Duration::from_secs(60)), &quick(), Some("/kept".into()));
        for _ in 0..2 {
            assert_eq!(get(&mut fetcher(), &url, true), Got::Content(b"hello".to_vec()));
        }
        assert_eq!(get(&mut fetcher(), &url, false), Got::Content(b"other".to_vec()), "a plain include is fetched each time");
        assert_eq!(asked.lock().expect("log").len(), 2);
        let kept = std::fs::read_dir(dir.path().join("kept")).expect("kept").next().expect("one").expect("entry");
        assert_eq!(kept.metadata().expect("metadata").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn all_addresses_together_have_one_time() {
        let host = Host::default();
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("listen").local_addr().expect("address");
        let mut fetcher = Fetcher::new(&host, Patience::Within(Duration::from_millis(1)), &Limits::default(), None);
        std::thread::sleep(Duration::from_millis(2));
        assert!(matches!(get(&mut fetcher, &format!("http://{free}/"), false), Got::Failed(failure) if failure.kind == Kind::Timeout));
    }
}
