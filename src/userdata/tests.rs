//! Tests of unpacking and reading user-data.

use std::io::Write as _;

mod formats;

use super::*;
use crate::template::{self, Variables};

/// Calls `act` with what reading for an instance needs, nothing being fetched.
fn with_reading<R>(includes: &mut dyn Includes, launch_index: Option<i64>, act: impl FnOnce(&mut Reading<'_>) -> R) -> R {
    let data = serde_json::json!({"v1": {"instance_id": "i-1", "region": null}, "ds": {"meta_data": {"a-b": "x"}}});
    let render = |text: &str| template::render(text, &Variables::of(&data));
    act(&mut Reading { includes, render: &render, knows_instance: true, launch_index, has_handlers: false, keeps_message: false })
}

fn unpacked(bytes: &[u8]) -> (Vec<Part>, Report) {
    let mut report = Report::new();
    let found = with_reading(&mut NoIncludes, None, |reading| unpack("user-data", bytes, reading, &mut report));
    (found.parts, report)
}

fn kinds(bytes: &[u8]) -> Vec<PartKind> {
    unpacked(bytes).0.into_iter().map(|part| part.kind).collect()
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.problems.iter().map(|problem| problem.code).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("compressed")
}

/// A MIME message of parts, each with its headers and a blank line in front.
fn message(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = b"Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n".to_vec();
    for part in parts {
        out.extend_from_slice(b"--==B==\n");
        out.extend_from_slice(part);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"--==B==--\n");
    out
}

#[test]
fn the_first_characters_say_what_a_text_is() {
    use PartKind::*;
    let rows: &[(&str, PartKind)] = &[
        ("#cloud-config\na: 1", CloudConfig),
        ("#CLOUD-CONFIG\n", CloudConfig),
        ("  \n\t#cloud-config\n", CloudConfig),
        ("#cloud-configuration\n", CloudConfig),
        ("#cloud-config-jsonp\n[]", Jsonp),
        ("#cloud-boothook\nx", Boothook),
        ("#part-handler\n", PartHandler),
        ("## template: jinja\n#cloud-config\n", CloudConfig),
        ("## Template: JINJA\n#!/bin/sh\n", ShellScript),
        ("#!/bin/sh\n", ShellScript),
        ("hello", Unknown("text/x-not-multipart".into())),
    ];
    for (text, expected) in rows {
        assert_eq!(kinds(text.as_bytes()), std::slice::from_ref(expected), "{text}");
    }
}

#[test]
fn empty_user_data_has_no_parts() {
    for bytes in [&b""[..], b"  \n", "\u{feff}".as_bytes(), &gzip(b"")] {
        assert_eq!(kinds(bytes), []);
    }
}

#[test]
fn a_single_text_is_named_as_the_blob_and_stored_as_the_first_part() {
    let (parts, report) = unpacked(b"#!/bin/sh\r\necho \xff\r\n");
    assert_eq!((parts[0].name.as_str(), parts[0].file_name.as_str()), ("user-data", "part-001"));
    assert_eq!(parts[0].content, b"#!/bin/sh\r\necho \xff\r\n", "scripts stay byte for byte");
    assert!(report.problems.is_empty());
}

#[test]
fn declared_types_count_and_vague_ones_are_looked_into() {
    use PartKind::*;
    let rows: &[(&str, PartKind)] = &[
        ("Content-Type: text/cloud-config\n\na: 1", CloudConfig),
        ("Content-Type: TEXT/Cloud-Config; charset=us-ascii\n\na: 1", CloudConfig),
        ("Content-Type: text/cloud-config\n\n## template: jinja\n#cloud-config\n", CloudConfig),
        ("Content-Type: text/x-shellscript\n\n#!/bin/sh", ShellScript),
        ("Content-Type: text/x-shellscript\n\necho no interpreter", ShellScript),
        ("Content-Type: text/x-shellscript\n\n#cloud-config\n", CloudConfig),
        ("Content-Type: text/x-shellscript-per-boot\n\n#!/bin/sh", ShellScriptPerBoot),
        ("Content-Type: text/x-shellscript-per-instance\n\n#!/bin/sh", ShellScriptPerInstance),
        ("Content-Type: text/x-shellscript-per-once\n\n#!/bin/sh", ShellScriptPerOnce),
        ("Content-Type: text/plain\n\n#cloud-config\n", CloudConfig),
        ("\n#!/bin/sh", ShellScript),
        ("Content-Type: text/cloud-boothook\n\nx", Boothook),
        ("Content-Type: text/part-handler\n\nx", PartHandler),
        ("Content-Type: text/jinja2\n\n## template: jinja\n#!/bin/sh", ShellScript),
        ("Content-Type: text/cloud-config-jsonp\n\nx", Jsonp),
        ("Content-Type: text/html\n\n#cloud-config\n", Unknown("text/html".into())),
        ("Content-Type: text/plain\n\nnothing", Unknown("text/plain".into())),
    ];
    for (part, expected) in rows {
        assert_eq!(kinds(&message(&[part.as_bytes()])), std::slice::from_ref(expected), "{part}");
    }
}

#[test]
fn message_parts_come_in_order_with_their_names_and_headers() {
    let nested = message(&[b"Content-Type: text/x-shellscript\n\n#!/bin/sh\necho inner"]);
    let nested = String::from_utf8(nested).expect("text").replace("==B==", "==C==");
    let (parts, report) = unpacked(&message(&[
        b"Content-Type: text/cloud-config\nContent-Disposition: attachment; filename=\"my conf/a.yaml\"\nMerge-Type: list(append)\n\n#cloud-config\na: 1\n",
        nested.as_bytes(),
        b"Content-Type: text/cloud-config\nX-Merge-Type: dict()\nLaunch-Index: 3\nContent-Transfer-Encoding: base64\n\nI2Nsb3VkLWNv\nbmZpZwpiOiAyCg==",
        b"Content-Type: text/x-shellscript; charset=iso-8859-1; name=\"my conf/a.yaml\"\nContent-Transfer-Encoding: quoted-printable\n\n#!/bin/sh\necho =C3=A9 a=\nb",
    ]));
    let told: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.file_name.as_str())).collect();
    let expected =
        [("my conf/a.yaml", "myconf_a.yaml"), ("part-002", "part-002"), ("part-003", "part-003"), ("my conf/a.yaml (2)", "myconf_a.yaml")];
    assert_eq!(told, expected);
    assert_eq!(parts[0].content, b"#cloud-config\na: 1\n");
    assert_eq!(parts[1].content, b"#!/bin/sh\necho inner");
    assert_eq!(parts[2].content, b"#cloud-config\nb: 2\n");
    assert_eq!(parts[3].content, "#!/bin/sh\necho é ab".as_bytes());
    let merge_types: Vec<_> = parts.iter().map(|part| part.merge_type.as_deref()).collect();
    assert_eq!(merge_types, [Some("list(append)"), None, Some("dict()"), None]);
    assert_eq!(parts[2].launch_index, Some(3));
    assert!(report.problems.is_empty(), "{report:?}");
}

#[test]
fn a_message_with_crlf_or_of_one_part_is_read_too() {
    let crlf = message(&[b"Content-Type: text/cloud-config\n\n#cloud-config\na: 1"]);
    let crlf = String::from_utf8(crlf).expect("text").replace('\n', "\r\n");
    for text in ["MIME-Version: 1.0\nContent-Type: text/cloud-config\n\n#cloud-config\na: 1", &crlf, &format!("\n{crlf}")] {
        let (parts, report) = unpacked(text.as_bytes());
        assert_eq!(
            (&parts[0].kind, parts[0].text(&mut Report::new()).map(str::lines).map(Iterator::count)),
            (&PartKind::CloudConfig, Some(2)),
            "{text:?}"
        );
        assert!(report.problems.is_empty());
    }
}

#[test]
fn a_text_that_mentions_the_mime_header_is_still_a_text() {
    let text = b"#cloud-config\n# MIME-Version: 1.0\na: 1\n";
    assert_eq!(unpacked(text).0[0].content, text);
}

#[test]
fn gzip_is_unwound_once_for_the_blob_and_for_its_parts() {
    assert_eq!(kinds(&gzip(b"#cloud-config\n")), [PartKind::CloudConfig]);
    assert_eq!(kinds(&gzip(&message(&[b"Content-Type: text/plain\n\n#!/bin/sh"]))), [PartKind::ShellScript]);
    for declared in ["application/gzip", "application/x-gzip", "text/plain"] {
        let headers = format!("Content-Type: {declared}\nContent-Transfer-Encoding: base64\n\n");
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, gzip(b"#cloud-config\n"));
        assert_eq!(kinds(&message(&[(headers + &encoded).as_bytes()])), [PartKind::CloudConfig], "{declared}");
    }
    let (parts, report) = unpacked(&gzip(&gzip(b"#cloud-config\n")));
    assert!(matches!(parts[0].kind, PartKind::Unknown(_)));
    assert!(report.problems[0].message.contains("compressed twice"));
}

#[test]
fn a_decompression_bomb_is_refused() {
    const LIMIT: usize = 1 << 20;
    let within = |bytes: &[u8]| {
        let mut report = Report::new();
        let found = with_reading(&mut NoIncludes, None, |reading| unpack_within(LIMIT, "user-data", bytes, reading, &mut report));
        (found.parts.len(), report)
    };
    let bomb = gzip(&vec![b' '; LIMIT + 1]);
    assert!(bomb.len() < LIMIT / 50);
    let (parts, report) = within(&bomb);
    assert_eq!((parts, report.problems[0].message.as_str()), (0, "user-data: longer than 64 MiB when decompressed"));
    assert_eq!(codes(&within(&[b'#'; LIMIT + 1]).1), ["user-data"]);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, gzip(&vec![b' '; LIMIT / 2 + 1]));
    let part = format!("Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n{encoded}");
    let (parts, report) = within(&message(&[part.as_bytes(), part.as_bytes()]));
    assert_eq!((parts, codes(&report)), (1, vec!["part-damaged", "unknown-part"]), "the bound is on all parts together");
}

#[test]
fn damaged_data_is_an_error_and_damaged_parts_do_not_hide_the_others() {
    let whole = gzip(b"#cloud-config\na: 1\n");
    let (parts, report) = unpacked(&whole[..whole.len() - 4]);
    assert_eq!((parts.len(), codes(&report)), (0, vec!["user-data"]));
    let (parts, report) = unpacked(&message(&[
        b"Content-Type: application/gzip\n\nnot gzip",
        b"Content-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\n!!!!",
        b"Content-Type: text/cloud-config\n\na: 1",
    ]));
    assert_eq!((parts.len(), parts[0].name.as_str()), (1, "part-003"));
    assert_eq!(codes(&report), ["part-damaged", "part-damaged"]);
    let (parts, report) = unpacked(b"MIME-Version: 1.0\nContent-Type: multipart/mixed\n\nno boundary\n");
    assert_eq!((parts.len(), codes(&report)), (0, vec!["mime"]));
}

#[test]
fn a_mail_header_within_a_text_that_says_what_it_is_makes_it_no_message() {
    let (parts, report) = unpacked(b"#cloud-config\nwrite_files:\n- content: |\n    mime-version: 1.0\n");
    assert_eq!((&parts[0].kind, codes(&report)), (&PartKind::CloudConfig, Vec::<&str>::new()));
}

#[test]
fn a_byte_order_mark_is_accepted_and_noted() {
    let (parts, report) = unpacked("\u{feff}#cloud-config\r\na: 1\r\n".as_bytes());
    assert_eq!((&parts[0].kind, codes(&report)), (&PartKind::CloudConfig, vec!["byte-order-mark"]));
    assert_eq!(parts[0].content, b"#cloud-config\r\na: 1\r\n");
}

#[test]
fn nothing_is_dropped_silently() {
    let (_, report) = unpacked(&message(&[b"Content-Type: text/html\nContent-Disposition: attachment; filename=x.html\n\n<p>"]));
    assert_eq!(codes(&report), ["unknown-part"]);
    assert!(report.problems[0].message.contains("x.html") && report.problems[0].message.contains("text/html"), "{report:?}");
}

#[test]
fn a_part_of_a_type_that_is_not_handled_is_told_its_type_and_not_its_first_line() {
    for (part, help, is_error) in [
        ("Content-Type: text/yaml\n\n#cloud-config\na: 1", "declare it `text/cloud-config`", true),
        ("Content-Type: text/yaml\n\nhostname: a", "declare it `text/cloud-config`", true),
        ("Content-Type: application/octet-stream\n\n#!/bin/sh", "declare it `text/x-shellscript`", true),
        ("Content-Type: text/upstart-job\n\nstart on x", "a configuration is `text/cloud-config`", false),
        ("Content-Type: foo/wark\n\n#include http://x", "declare it `text/x-include-url`", true),
        ("Content-Type: text/cloud-config\n\n## template: jinja\n#cloud-config\n", "declare it `text/jinja2`", false),
        ("Content-Type: text/plain\n\n# cloud-config\na: 1", "make `#cloud-config` the first line", true),
    ] {
        let (_, report) = unpacked(&message(&[part.as_bytes()]));
        let problem = &report.problems[0];
        assert!(problem.help.as_deref().is_some_and(|found| found.starts_with(help)), "{part}: {problem:?}");
        assert_eq!((report.problems.len(), report.has_errors()), (1, is_error), "{part}: {report:?}");
    }
    let (_, report) = unpacked(b"#cloud-config-archive\n- type: plain/text\n  content: |\n    #cloud-config\n    a: 1\n");
    let told = "part-001: this is of the type `plain/text`, which is not one that is handled: nothing is done with it";
    assert_eq!((report.problems[0].message.as_str(), report.problems.len()), (told, 1));
}

#[test]
fn a_header_that_is_almost_right_is_an_error_with_the_fix() {
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "#cloud-config\nhostname: a\n");
    let rows: &[(&str, u32, &str)] = &[
        ("# cloud-config\na: 1\n", 1, "make `#cloud-config` the first line"),
        ("#cloud_config\na: 1\n", 1, "make `#cloud-config` the first line"),
        ("#clodu-config\na: 1\n", 1, "make `#cloud-config` the first line"),
        ("cloud-config\na: 1\n", 1, "make `#cloud-config` the first line"),
        ("##cloud-config\na: 1\n", 1, "make `#cloud-config` the first line"),
        ("hostname: a\npackages: [b]\n", 1, "make `#cloud-config` the first line"),
        ("# my server\n\n---\nhostname:\r\n", 4, "make `#cloud-config` the first line"),
        ("# my server\n#cloud-config\na: 1\n", 2, "make it the first line"),
        ("---\n#cloud-config\na: 1\n", 2, "make it the first line"),
        ("# comment\n#!/bin/sh\n", 2, "make it the first line"),
        ("## template:jinja\n#cloud-config\n", 1, "a space after the colon"),
        ("hello", 1, "first line says"),
        (&base64, 1, "decode it first"),
    ];
    for (text, line, help) in rows {
        let (_, report) = unpacked(text.as_bytes());
        let problem = &report.problems[0];
        assert_eq!(report.problems.len(), 1, "{text}");
        assert!(problem.help.as_deref().unwrap_or_default().contains(help), "{text}: {problem:?}");
        assert_eq!(problem.origin.as_ref().map(|origin| origin.line), Some(*line), "{text}");
        assert!(report.has_errors(), "{text}");
    }
    let (_, report) = unpacked(b"\xff\xfe#\0c\0");
    assert!(report.problems[0].message.contains("UTF-16"), "{report:?}");
}

#[test]
fn a_header_that_cloud_init_takes_is_taken_with_a_warning() {
    for text in ["#cloud-config:\na: 1\n", "#cloud-configuration\na: 1\n"] {
        let (parts, report) = unpacked(text.as_bytes());
        assert_eq!(parts[0].kind, PartKind::CloudConfig);
        assert_eq!((codes(&report), report.has_errors()), (vec!["user-data-header"], false), "{text}");
    }
    assert!(unpacked(b"#cloud-config # mine\na: 1\n").1.problems.is_empty());
}

#[test]
fn a_template_header_that_is_not_the_first_line_is_told() {
    for text in ["#cloud-config\n## template: jinja\na: 1\n", "#!/bin/sh\n# mine\n\n## template: jinja\necho\n"] {
        let problems = unpacked(text.as_bytes()).1.problems;
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].help.as_deref(), Some("the template header must be the first line"));
    }
    for text in [
        "#cloud-config\na: |\n  ## template: jinja\n  b\n",
        "#cloud-config\n# a\n  ## template: jinja\n",
        "#cloud-config\na: 1\n## template: jinja\n",
    ] {
        assert!(unpacked(text.as_bytes()).1.problems.is_empty(), "{text}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_an_error_with_its_place() {
    let (parts, _) = unpacked(b"#cloud-config\nbad: \xff\n");
    let mut report = Report::new();
    assert_eq!(parts[0].text(&mut report), None);
    assert_eq!(report.problems[0].origin, Some(Origin::new("user-data", 2, 6)));
}
