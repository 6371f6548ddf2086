use std::io::Write as _;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("write");
    encoder.finish().expect("finish")
}

fn kinds(bytes: &[u8]) -> (Vec<(String, PartKind)>, Vec<String>) {
    let mut report = Report::new();
    let parts = unpack("user-data", bytes, &mut report);
    let problems = report.problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect();
    (parts.into_iter().map(|part| (part.name, part.kind)).collect(), problems)
}

#[test]
fn single_parts_are_told_by_their_first_bytes() {
    for (text, kind) in [
        ("#cloud-config\na: 1\n", PartKind::CloudConfig),
        ("  #Cloud-Config\r\na: 1\r\n", PartKind::CloudConfig),
        ("#cloud-configuration\n", PartKind::CloudConfig),
        ("#!/bin/sh\necho\n", PartKind::Script),
        ("#include\nhttp://127.0.0.1/\n", PartKind::NotYet("#include")),
        ("#include-once\n", PartKind::NotYet("#include-once")),
        ("#cloud-config-archive\n", PartKind::NotYet("#cloud-config-archive")),
        ("## template: jinja\n#cloud-config\n", PartKind::NotYet("## template: jinja")),
    ] {
        assert_eq!(kinds(text.as_bytes()).0, [("user-data".to_owned(), kind)], "{text}");
    }
    assert_eq!(kinds(b""), (vec![], vec![]));
    assert_eq!(kinds(b" \n\n"), (vec![], vec![]));
}

#[test]
fn headers_that_are_nearly_right_are_errors_with_a_fix() {
    for text in ["# cloud-config\na: 1\n", "cloud-config\n", "packages:\n - x\n", "---\npackages: []\n", "hello"] {
        let mut report = Report::new();
        let parts = unpack("user-data", text.as_bytes(), &mut report);
        assert_eq!(parts[0].kind, PartKind::Reported, "{text}");
        assert!(report.has_errors() && report.problems[0].help.as_deref().is_some_and(|help| help.contains("#cloud-config")), "{text}");
    }
}

#[test]
fn marks_line_ends_and_gzip_are_taken_off() {
    let (parts, problems) = kinds(b"\xEF\xBB\xBF#cloud-config\na: 1\n");
    assert_eq!((parts[0].1, problems.len()), (PartKind::CloudConfig, 1));
    let mut report = Report::new();
    let parts = unpack("user-data", &gzip(b"#!/bin/sh\r\necho\r\n"), &mut report);
    assert_eq!(parts[0].content, b"#!/bin/sh\necho\n");
    let mut broken = gzip(b"#cloud-config\n");
    broken.truncate(12);
    assert!(kinds(&broken).1[0].contains("gzip"));
}

#[test]
fn a_gzip_bomb_is_refused() {
    let (parts, problems) = kinds(&gzip(&vec![b'a'; (UNPACKED_LIMIT + 10) as usize]));
    assert!(parts.is_empty() && problems[0].contains("64 MiB"), "{problems:?}");
}

#[test]
fn a_mime_document_is_taken_apart_in_order() {
    let inner = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, gzip(b"#cloud-config\nb: 2\n"));
    let text = format!(
        "Content-Type: multipart/mixed; boundary=\"XX\"\nMIME-Version: 1.0\n\n\
         --XX\nContent-Type: text/cloud-config; charset=\"utf-8\"\nMerge-Type: list(append)+dict(recurse_array)+str()\n\
         Content-Disposition: attachment; filename=\"a/one.yaml\"\n\n#cloud-config\na: 1\n\
         --XX\nContent-Type: text/x-shellscript; name=run.sh\n\n#!/bin/sh\necho\n\
         --XX\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n{inner}\n\
         --XX\nContent-Type: multipart/mixed; boundary=\"YY\"\n\n--YY\nContent-Type: text/x-shellscript-per-boot\n\n#!/bin/sh\n\n--YY--\n\
         --XX\nContent-Type: image/png\n\nxx\n\
         --XX--\n"
    );
    let mut report = Report::new();
    let parts = unpack("user-data", text.as_bytes(), &mut report);
    let seen: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.kind)).collect();
    assert_eq!(
        seen,
        [
            ("a_one.yaml", PartKind::CloudConfig),
            ("run.sh", PartKind::Script),
            ("part-003", PartKind::CloudConfig),
            ("part-004", PartKind::ScriptPerBoot),
            ("part-005", PartKind::Unknown),
        ]
    );
    assert_eq!(parts[0].merge_type.as_deref(), Some("list(append)+dict(recurse_array)+str()"));
    assert_eq!(parts[0].text().trim_end(), "#cloud-config\na: 1");
    assert_eq!(parts[2].text(), "#cloud-config\nb: 2\n");
}
