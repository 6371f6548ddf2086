//! Downloads under the one retry policy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::*;
use crate::host::loopback::{self, reply};
use crate::plan::Backoff;

fn download(dir: &Path, url: &str, fallback: &str, attempts: u32) -> Step {
    let path = dir.join("file").to_string_lossy().into_owned();
    let file = WriteFile { path, content: content(fallback), mode: None, owner: None, own_parents: false };
    let operation = Operation::Download { url: url.into(), headers: BTreeMap::new(), file, append: false, checksum: None };
    let backoff = Backoff { delay_seconds: Some(0), ..Backoff::default() };
    Step { limits: Limits { attempts: Some(attempts), backoff, ..Limits::default() }, ..step("write_files/file", operation) }
}

/// Breaks off in the middle of the first answer, and counts.
fn breaking() -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let url = loopback::server(move |asked| match (seen.fetch_add(1, Ordering::SeqCst), asked.headers.contains("range: bytes=4-")) {
        (0, _) => "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 8\r\n\r\none\n".into(),
        (_, true) => reply("206 Partial Content", "Content-Range: bytes 4-7/8\r\n", "two\n"),
        _ => reply("200 OK", "", "whole\n"),
    });
    (url, count)
}

fn text(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("file")).unwrap_or_default()
}

#[test]
fn the_second_attempt_goes_on_where_the_first_broke_off_in_one_run_and_in_the_next_boot() {
    let dir = tempdir();
    let (url, count) = breaking();
    let (_, summary) = run(dir.path(), &plan(vec![download(dir.path(), &url, "", 2)]), "boot-1");
    assert_eq!((summary.state, text(dir.path()).as_str(), count.load(Ordering::SeqCst)), (State::Done, "one\ntwo\n", 2));

    let dir = tempdir();
    let (url, count) = breaking();
    let plan = plan(vec![download(dir.path(), &url, "", 1)]);
    let (_, summary) = run(dir.path(), &plan, "boot-1");
    assert_eq!((summary.state, count.load(Ordering::SeqCst)), (State::Failed, 1));
    assert_eq!(std::fs::read_dir(dir.path().join("downloads")).expect("state").count(), 2, "the part and what is known of it");
    let (_, summary) = run(dir.path(), &plan, "boot-2");
    assert_eq!((summary.state, text(dir.path()).as_str(), count.load(Ordering::SeqCst)), (State::Done, "one\ntwo\n", 2));
    assert_eq!(std::fs::read_dir(dir.path().join("downloads")).expect("state").count(), 0);
}

#[test]
fn the_content_beside_an_address_is_used_when_the_attempts_are_used_up_and_not_before() {
    for (answer, asked, fallback, state, written) in [
        ("503 Busy", 3, "own", State::Degraded, "own"),
        ("404 Not Found", 1, "own", State::Degraded, "own"),
        ("404 Not Found", 1, "", State::Failed, ""),
    ] {
        let dir = tempdir();
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let url = loopback::server(move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            reply(answer, "", "")
        });
        let (_, summary) = run(dir.path(), &plan(vec![download(dir.path(), &url, fallback, 3)]), "boot-1");
        assert_eq!((summary.state, count.load(Ordering::SeqCst)), (state, asked), "{answer}");
        assert_eq!(text(dir.path()), written, "{answer}");
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again_after_the_time_it_names() {
    let dir = tempdir();
    let count = AtomicUsize::new(0);
    let url = loopback::server(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => reply("503 Busy", "Retry-After: 1\r\n", ""),
        _ => reply("200 OK", "", "hello"),
    });
    let start = std::time::Instant::now();
    let (_, summary) = run(dir.path(), &plan(vec![download(dir.path(), &url, "own", 2)]), "boot-1");
    assert_eq!((summary.state, text(dir.path()).as_str()), (State::Done, "hello"));
    assert!(start.elapsed().as_millis() >= 1000);
}

#[test]
fn what_cuts_left_of_downloads_and_writes_is_swept_at_the_next_start() {
    let dir = tempdir();
    let (url, _) = breaking();
    run(dir.path(), &plan(vec![download(dir.path(), &url, "", 1)]), "boot-1");
    let written = dir.path().join("other").to_string_lossy().into_owned();
    let file = WriteFile { path: written.clone(), content: content("x"), mode: None, owner: None, own_parents: false };
    run(dir.path(), &plan(vec![step("write_files/other", Operation::WriteFile(file))]), "boot-1");
    assert_eq!(std::fs::read_dir(dir.path().join("downloads")).expect("state").count(), 0, "no step of this plan fetches it");
    // Cut while the file was written; the plan that follows knows nothing of it.
    cut_after_intent(dir.path(), "write_files/other", false);
    let temporary = format!("{}{}", crate::host::files::TEMPORARY_PREFIX, &crate::hash::sha256_hex(written.as_bytes())[..16]);
    std::fs::write(dir.path().join(&temporary), "half").expect("left");
    run(dir.path(), &plan(Vec::new()), "boot-2");
    assert!(!dir.path().join(&temporary).exists());
}

#[test]
fn a_form_is_sent_again_as_often_as_was_asked_for() {
    for (answer, tries, attempts, state) in [
        ("500 Busy", 2, 2, State::Degraded),
        ("403 No", 2, 2, State::Degraded),
        ("404 Not Found", 2, 2, State::Degraded),
        ("200 OK", 2, 1, State::Done),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let url = loopback::server(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            reply(answer, "", "")
        });
        let mut home = step("phone_home", Operation::PhoneHome { url, form: Vec::new(), tries });
        home.weight = Weight::Degraded;
        home.limits.backoff = Backoff { delay_seconds: Some(0), max_delay_seconds: Some(0), ..Backoff::default() };
        let dir = tempdir();
        let (_, summary) = run(dir.path(), &plan(vec![home]), "boot-1");
        assert_eq!((summary.state, asked.load(Ordering::SeqCst)), (state, attempts), "{answer}");
    }
}
