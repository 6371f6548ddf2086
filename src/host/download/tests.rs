use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::super::loopback::{self, reply, Asked};
use super::*;

const PARTIAL: &str = "/state/downloads/one";

struct Place {
    _dir: tempfile::TempDir,
    host: Host,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        Self { host, _dir: dir }
    }

    fn get(&self, url: &str) -> Result<Downloaded, Failure> {
        self.get_within(url, Duration::from_secs(20))
    }

    fn get_within(&self, url: &str, deadline: Duration) -> Result<Downloaded, Failure> {
        self.host.download(&Request { deadline, ..Request::new(url, u64::MAX) }, PARTIAL, Some("/"))
    }

    fn held(&self) -> String {
        self.host.read_text(PARTIAL).expect("read").unwrap_or_default()
    }
}

/// The file that is served, of 1000 bytes.
fn file(letter: char) -> String {
    (0..100).map(|line| format!("{letter} {line:07}\n")).collect()
}

/// First byte that is asked for, and the validator beside it.
fn asked_range(asked: &Asked) -> Option<(usize, String)> {
    let header = |name: &str| asked.headers.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let from = header("range:")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
    Some((from, header("if-range:").unwrap_or_default()))
}

/// The file as far as `sent` bytes, after which the line breaks.
fn broken(whole: &str, headers: &str, sent: usize) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{}", whole.len(), &whole[..sent])
}

fn part(whole: &str, headers: &str, from: usize) -> String {
    reply("206 Partial Content", &format!("{headers}Content-Range: bytes {from}-{}/{}\r\n", whole.len() - 1, whole.len()), &whole[from..])
}

/// Answers the first request with 400 bytes of the file and the later ones by `answer`; what was asked is remembered.
fn server(headers: &'static str, answer: impl Fn(&Asked, usize) -> String + Send + 'static) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let seen: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let all = Arc::clone(&seen);
    let url = loopback::server(move |asked| {
        let mut all = all.lock().expect("seen");
        all.push(asked.clone());
        match all.len() {
            1 => broken(&file('a'), headers, 400),
            number => answer(asked, number),
        }
    });
    (format!("{url}/file"), seen)
}

const ETAG: &str = "ETag: \"v1\"\r\n";
const DATE: &str = "Last-Modified: Sat, 01 Aug 2026 12:30:45 GMT\r\n";

#[test]
fn a_download_that_broke_off_goes_on_where_it_was() {
    for (headers, validator) in [(ETAG, "\"v1\""), (DATE, "sat, 01 aug 2026 12:30:45 gmt"), ("ETag: W/\"v1\"\r\n", "")] {
        let (url, seen) = server(headers, |asked, _| match asked_range(asked) {
            Some((from, _)) => part(&file('a'), "", from),
            None => reply("200 OK", "", &file('a')),
        });
        let place = Place::new();
        let failure = place.get(&url).expect_err("the line broke");
        assert_eq!((failure.kind, failure.transient), (Kind::Network, true), "{failure}");
        assert_eq!(place.held(), file('a')[..400]);
        assert_eq!(place.host.status(PARTIAL).expect("status").expect("file").attributes.mode, 0o600);
        let resumed = !validator.is_empty();
        assert_eq!(place.get(&url).expect("the rest"), Downloaded { size: 1000, resumed }, "{headers}");
        assert_eq!(place.held(), file('a'));
        let asked = asked_range(&seen.lock().expect("seen")[1]);
        assert_eq!(asked, resumed.then(|| (400, validator.to_owned())), "a weak validator is none");
    }
}

#[test]
fn a_file_that_has_changed_meanwhile_is_fetched_anew() {
    // By the book, a server that does no ranges, and servers that send a part of another file or another part.
    let answers: [fn(&Asked, usize) -> String; 5] = [
        |_, _| reply("200 OK", "ETag: \"v2\"\r\n", &file('b')),
        |_, _| reply("200 OK", "", &file('b')),
        |asked, _| match asked_range(asked) {
            Some((from, _)) => part(&file('b'), "ETag: \"v2\"\r\n", from),
            None => reply("200 OK", "ETag: \"v2\"\r\n", &file('b')),
        },
        |asked, _| match asked_range(asked) {
            Some(_) => part(&file('b'), ETAG, 10),
            None => reply("200 OK", "", &file('b')),
        },
        |asked, _| match asked_range(asked) {
            Some(_) => reply("416 Range Not Satisfiable", "Content-Range: bytes */300\r\n", ""),
            None => reply("200 OK", "", &file('b')),
        },
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        let (url, _) = server(ETAG, answer);
        let place = Place::new();
        place.get(&url).expect_err("the line broke");
        assert_eq!(place.get(&url).expect("anew"), Downloaded { size: 1000, resumed: false }, "answer {at}");
        assert_eq!(place.held(), file('b'), "answer {at}");
    }
    let (url, _) = server(ETAG, |_, _| part(&file('b'), "", 10));
    let place = Place::new();
    place.get(&url).expect_err("the line broke");
    assert!(place.get(&url).expect_err("a mad server").message.contains("other parts than it is asked for"));
}

#[test]
fn what_was_whole_already_is_not_fetched_again_and_what_is_not_known_to_be_on_the_disk_is() {
    let (url, seen) = server(ETAG, |asked, _| match asked_range(asked) {
        Some((1000, _)) => reply("416 Range Not Satisfiable", "Content-Range: bytes */1000\r\n", ""),
        Some((from, _)) => part(&file('a'), ETAG, from),
        None => reply("200 OK", ETAG, &file('a')),
    });
    let place = Place::new();
    place.get(&url).expect_err("the line broke");
    for _ in 0..2 {
        assert_eq!(place.get(&url).expect("whole"), Downloaded { size: 1000, resumed: true });
    }
    // A power cut took the end of the file, or what was known of it.
    place.host.write(PARTIAL, &file('a').as_bytes()[..100], Attributes::own(0o600)).expect("cut");
    assert_eq!(place.get(&url).expect("anew"), Downloaded { size: 1000, resumed: false });
    place.host.write(&format!("{PARTIAL}{KNOWN}"), b"{\"synced\":", Attributes::own(0o600)).expect("damage");
    assert_eq!(place.get(&url).expect("anew"), Downloaded { size: 1000, resumed: false });
    assert_eq!(place.held(), file('a'));
    assert_eq!(seen.lock().expect("seen").iter().filter(|asked| asked_range(asked).is_some()).count(), 2);
    place.host.discard_download(PARTIAL).expect("removed");
    assert!(place.host.list("/state/downloads").expect("list").is_empty());
}

#[test]
fn servers_that_are_busy_or_lead_in_circles_are_told_apart_and_a_range_survives_a_redirect() {
    let (url, seen) = server(ETAG, |asked, number| match number {
        2 => reply("503 Busy", "Retry-After: 7\r\n", "later"),
        3 => reply("302 Found", "Location: /elsewhere\r\n", ""),
        _ => part(&file('a'), ETAG, asked_range(asked).map_or(0, |(from, _)| from)),
    });
    let place = Place::new();
    place.get(&url).expect_err("the line broke");
    let busy = place.get(&url).expect_err("busy");
    assert_eq!((busy.kind, busy.transient, busy.retry_after), (Kind::Network, true, Some(7)));
    assert_eq!(place.held().len(), 400, "what was there stays");
    assert_eq!(place.get(&url).expect("the rest"), Downloaded { size: 1000, resumed: true });
    assert_eq!(place.held(), file('a'));
    assert!(seen.lock().expect("seen")[3].line.contains("/elsewhere"));
    let circle = loopback::server(|_| reply("301 Moved", "Location: /\r\n", ""));
    let failure = Place::new().get(&circle).expect_err("endless");
    assert_eq!((failure.kind, failure.transient), (Kind::Network, false), "{failure}");
    let gone = loopback::server(|_| reply("404 Not Found", "", ""));
    assert_eq!(Place::new().get(&gone).expect_err("none").kind, Kind::NotFound);
}

/// Sends a byte and then the next, with pauses.
fn slow_server(pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{ETAG}Content-Length: 1000\r\n\r\n").as_bytes());
            for byte in file('a').bytes() {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(pause);
            }
        }
    });
    format!("http://{address}/")
}

#[test]
fn a_byte_a_second_is_ended_by_the_deadline_and_what_has_come_is_kept() {
    let place = Place::new();
    let url = slow_server(Duration::from_secs(1));
    let start = Instant::now();
    let failure = place.get_within(&url, Duration::from_secs(3)).expect_err("too slow");
    assert_eq!((failure.kind, failure.transient), (Kind::Timeout, true), "{failure}");
    assert!(start.elapsed() < Duration::from_secs(60));
    let held = place.held();
    assert!(!held.is_empty() && file('a').starts_with(&held), "{held:?}");
}

#[test]
fn what_does_not_fit_on_the_disk_is_not_begun() {
    let place = Place::new();
    let url = loopback::server(|_| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nx", 1_u64 << 60));
    let failure = place.get(&url).expect_err("too large");
    assert_eq!(failure.kind, Kind::Disk, "{failure}");
    assert!(failure.message.contains("needs 2305843009213693952 bytes in /state/downloads"), "room for both copies: {failure}");
    assert!(place.held().is_empty());
}

#[test]
fn what_belongs_to_no_download_is_swept() {
    let place = Place::new();
    place.host.make_directories("/state/downloads", Attributes::own(0o700)).expect("directory");
    for name in ["kept", "kept.json", "old", "old.json", ".landfall-tmp-1"] {
        place.host.write(&format!("/state/downloads/{name}"), b"x", Attributes::own(0o600)).expect("write");
    }
    place.host.sweep_downloads("/state/downloads", &["kept".into()]).expect("swept");
    assert_eq!(place.host.list("/state/downloads").expect("list"), ["kept", "kept.json"]);
    place.host.sweep_downloads("/state/none", &[]).expect("nothing to do");
}

#[test]
fn content_ranges_are_read() {
    for (text, range) in [
        ("bytes 10-19/20", (Some(10), Some(20))),
        ("bytes */20", (None, Some(20))),
        ("bytes 0-1/*", (Some(0), None)),
        ("lines 1-2/3", (None, None)),
        ("", (None, None)),
    ] {
        assert_eq!(content_range(text), range, "{text}");
    }
}
