//! Downloads: what is written, what is checked, and what stays.

use super::*;
use crate::hash::sha256_hex;
use crate::host::loopback::{self, reply};
use crate::plan::operation::{content, Checksum, WriteFile};

fn download(url: &str, checksum: Option<Checksum>, append: bool) -> Operation {
    let file = WriteFile { path: "/srv/file".into(), content: content(*b"own\n"), mode: Some(0o640), owner: None, own_parents: false };
    Operation::Download { url: url.to_owned(), headers: BTreeMap::new(), file, append, checksum }
}

fn sum(text: &str) -> Option<Checksum> {
    Some(Checksum::Sha256(sha256_hex(text.as_bytes())))
}

#[test]
fn a_downloaded_file_stands_there_whole_and_nothing_of_it_is_left_in_the_state() {
    let url = loopback::server(|_| reply("200 OK", "", "hello\n"));
    let root = Root::new();
    root.put("/srv/file", "before\n");
    let operation = download(&url, sum("hello\n"), false);
    let before = root.done(&operation);
    assert_eq!((root.text("/srv/file").as_str(), root.mode("/srv/file")), ("hello\n", 0o640));
    assert!(root.host.list("/state/downloads").expect("list").is_empty());
    root.satisfied(&operation);
    undo(&before, None, &root.context()).expect("undone");
    assert_eq!(root.text("/srv/file"), "before\n");
    let unchecked = download(&url, None, true);
    root.done(&unchecked);
    assert_eq!(root.text("/srv/file"), "before\nhello\n");
    assert_eq!(check(&unchecked, &root.context()).expect("check"), Checked::Needed, "what stands there is not known");
}

#[test]
fn a_file_with_another_checksum_is_not_written_and_not_kept() {
    let url = loopback::server(|_| reply("200 OK", "", "evil\n"));
    let root = Root::new();
    root.put("/srv/local", "evil\n");
    for url in [url.as_str(), "file:///srv/local"] {
        for checksum in [sum("good\n"), Some(Checksum::Sha512("0".repeat(128)))] {
            let failure = root.refused(&download(url, checksum, false));
            assert_eq!((failure.kind, failure.transient), (Kind::PackageCorrupt, false), "{failure}");
            assert!(failure.message.contains("/srv/file is not written"), "{failure}");
            assert!(!root.host.exists("/srv/file") && root.host.list("/state/downloads").expect("list").is_empty());
        }
    }
    assert_eq!(root.text("/srv/local"), "evil\n", "what is not landfall's stays");
    root.done(&download("file:///srv/local", sum("evil\n"), false));
    let sha512 =
        "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";
    root.put("/srv/local", "hello");
    root.done(&download("/srv/local", Some(Checksum::Sha512(sha512.into())), false));
}

#[test]
fn what_was_put_together_from_two_answers_and_is_wrong_is_tried_again_whole() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let url = loopback::server(move |asked| match asked.headers.contains("range: bytes=2-") {
        _ if first.swap(false, std::sync::atomic::Ordering::SeqCst) => {
            "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 6\r\n\r\nhe".into()
        }
        true => reply("206 Partial Content", "Content-Range: bytes 2-5/6\r\n", "XXXX"),
        false => reply("200 OK", "", "hello\n"),
    });
    let root = Root::new();
    let operation = download(&url, sum("hello\n"), false);
    assert_eq!(root.refused(&operation).kind, Kind::Network);
    let wrong = root.refused(&operation);
    assert_eq!((wrong.kind, wrong.transient), (Kind::PackageCorrupt, true), "{wrong}");
    root.done(&operation);
    assert_eq!(root.text("/srv/file"), "hello\n");
}

#[test]
fn where_all_was_in_vain_the_content_beside_the_address_is_written_with_a_warning() {
    let root = Root::new();
    let operation = download("file:///none", None, false);
    let failure = root.refused(&operation);
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(!root.host.exists("/srv/file") && has_fallback(&operation));
    let effect = fall_back(&operation, &failure, None, &root.context()).expect("written");
    assert_eq!((root.text("/srv/file").as_str(), effect.warnings.len()), ("own\n", 1));
    assert!(effect.warnings[0].contains("/none does not exist; the content given"), "{effect:?}");
}
