//! Includes, archives, templates, part handlers, launch indexes.

use std::collections::BTreeMap;

use super::*;
use crate::error::{Failure, Kind};

/// Contents by address, and what was asked for.
#[derive(Default)]
struct Web {
    contents: BTreeMap<&'static str, Vec<u8>>,
    asked: Vec<String>,
}

impl Web {
    fn of(contents: &[(&'static str, &[u8])]) -> Self {
        Self { contents: contents.iter().map(|(url, content)| (*url, content.to_vec())).collect(), asked: Vec::new() }
    }
}

impl Includes for Web {
    fn get(&mut self, include: &Include<'_>) -> Got {
        let once = if include.once { "once " } else { "" };
        self.asked.push(format!("{once}{} at {}", include.url, include.place));
        match self.contents.get(include.url) {
            Some(content) => Got::Content(content.clone()),
            None if include.url.contains("later") => Got::Later,
            None => Got::Failed(Failure::new(Kind::Network, format!("{}: nobody is there", include.url))),
        }
    }
}

fn included(bytes: &[u8], contents: &[(&'static str, &[u8])]) -> (Unpacked, Report, Vec<String>) {
    let mut web = Web::of(contents);
    let mut report = Report::new();
    let found = with_reading(&mut web, None, |reading| unpack("user-data", bytes, reading, &mut report));
    (found, report, web.asked)
}

fn told(report: &Report) -> Vec<String> {
    report.problems.iter().map(|problem| format!("{}: {}", problem.severity.name(), problem.sentence())).collect()
}

fn names(found: &Unpacked) -> Vec<(&str, &str, &str)> {
    found.parts.iter().map(|part| (part.name.as_str(), part.file_name.as_str(), part.kind.mime_type())).collect()
}

#[test]
fn what_is_included_stands_in_its_place_and_is_unpacked_in_its_turn() {
    let packed = gzip(b"#!/bin/sh\nb");
    let mime = message(&[b"Content-Type: text/cloud-config\nContent-Disposition: attachment; filename=own.cfg\n\n#cloud-config\n"]);
    let (found, report, asked) = included(
        &message(&[
            b"Content-Type: text/x-shellscript\n\n#!/bin/sh\na",
            b"Content-Type: text/plain\n\n#include\n# a comment\nhttp://u:pw@h/1?token=x\n\n  http://h/2  \n",
            b"Content-Type: text/x-shellscript\n\n#!/bin/sh\nz",
        ]),
        &[
            ("http://u:pw@h/1?token=x", &packed),
            ("http://h/2", b"#include http://h/3\n#include-once http://h/4\nhttp://h/5\n"),
            ("http://h/3", &mime),
            ("http://h/4", b"#cloud-config\na: 1"),
            ("http://h/5", b"#!/bin/sh\n5"),
        ],
    );
    assert_eq!(
        names(&found),
        [
            ("part-001", "part-001", "text/x-shellscript"),
            ("http://***@h/1?***", "part-002", "text/x-shellscript"),
            ("own.cfg", "own.cfg", "text/cloud-config"),
            ("http://h/4", "part-004", "text/cloud-config"),
            ("http://h/5", "part-005", "text/x-shellscript"),
            ("part-006", "part-006", "text/x-shellscript"),
        ]
    );
    assert_eq!(
        asked,
        [
            "http://u:pw@h/1?token=x at part-002:3:1",
            "http://h/2 at part-002:5:3",
            "http://h/3 at http://h/2:1:10",
            "once http://h/4 at http://h/2:2:15",
            "once http://h/5 at http://h/2:3:1",
        ]
    );
    assert_eq!(told(&report), [""; 0]);
    assert_eq!(found.parts[1].content, b"#!/bin/sh\nb");
}

#[test]
fn an_include_that_fails_is_located_and_the_others_go_on() {
    let list = b"#include\nhttp://h/gone\nhttp://h/later\nhttp://h/there\n";
    let (found, report, _) = included(list, &[("http://h/there", b"#cloud-config\na: 1")]);
    assert_eq!(names(&found), [("http://h/there", "part-001", "text/cloud-config")]);
    assert_eq!(
        told(&report),
        [
            "error: user-data:2:1: http://h/gone is not included: nobody is there (the next boot tries again, and so does `landfall resume`)",
            "note: user-data:3:1: http://h/later is included once the network is there",
        ]
    );
    assert_eq!(found.others, [("user-data".to_owned(), String::from_utf8_lossy(list).into_owned())], "messages can quote it");
}

#[test]
fn includes_that_lead_in_a_circle_or_too_far_come_to_an_end() {
    let (found, report, asked) = included(
        b"#include http://h/a",
        &[("http://h/a", b"#include http://h/b"), ("http://h/b", b"#include\nhttp://h/a\nhttp://h/c"), ("http://h/c", b"#!x")],
    );
    assert_eq!((found.parts.len(), asked.len()), (1, 3));
    assert_eq!(
        told(&report),
        ["error: http://h/b:2:1: http://h/a includes itself: http://h/a -> http://h/b -> http://h/a (take it out of the list)"]
    );
    let urls: Vec<String> = (0..40).map(|number| format!("http://h/{number}")).collect();
    struct Endless(usize);
    impl Includes for Endless {
        fn get(&mut self, _: &Include<'_>) -> Got {
            self.0 += 1;
            Got::Content(format!("#include\nhttp://h/next-{}\nhttp://h/side-{}", self.0, self.0).into_bytes())
        }
    }
    let mut endless = Endless(0);
    let mut report = Report::new();
    with_reading(&mut endless, None, |reading| {
        unpack("user-data", format!("#include\n{}", urls.join("\n")).as_bytes(), reading, &mut report)
    });
    assert_eq!(endless.0, 100, "wide and deep together are bounded");
    assert!(told(&report).iter().all(|line| line.contains("no more than 100 addresses, 10 deep")));
}

#[test]
fn what_is_included_counts_towards_the_bound() {
    const LIMIT: usize = 1_000;
    struct Large;
    impl Includes for Large {
        fn get(&mut self, _: &Include<'_>) -> Got {
            Got::Content([b"#!/bin/sh\n".as_slice(), &[b'x'; 390]].concat())
        }
    }
    let mut report = Report::new();
    let found = with_reading(&mut Large, None, |reading| {
        unpack_within(LIMIT, "user-data", b"#include\nhttp://h/1\nhttp://h/2\nhttp://h/3\n", reading, &mut report)
    });
    assert_eq!(found.parts.len(), 2);
    assert_eq!(told(&report), ["error: user-data:4:1: http://h/3 is not included: longer than 64 MiB"]);
}

#[test]
fn an_archive_is_taken_apart_and_its_numbers_go_on() {
    let archive = "#cloud-config-archive\n\
        - |\n  #cloud-config\n  a: 1\n\
        - type: text/x-shellscript\n  filename: my/script\n  content: |\n    #!/bin/sh\n    b\n  Merge-Type: list(append)\n  X-Other: 5\n  launch-index: 3\n\
        - content: 'b: 2'\n\
        - {content: !!binary AAEC}\n\
        - {type: text/cloud-boothook, content: x}\n\
        - '## template: jinja\n\n    #cloud-config\n\n    c: {{ instance_id }}\n\n    '\n\
        - {type: TEXT/X-Own, content: y}\n";
    let (parts, report) = unpacked(archive.as_bytes());
    let found: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.file_name.as_str(), part.kind.mime_type())).collect();
    assert_eq!(
        found,
        [
            ("part-001", "part-001", "text/cloud-config"),
            ("my/script", "my_script", "text/x-shellscript"),
            ("part-003", "part-003", "text/cloud-config"),
            ("part-004", "part-004", "application/octet-stream"),
            ("part-005", "part-005", "text/cloud-boothook"),
            ("part-006 (rendered)", "part-006", "text/cloud-config"),
            ("part-007", "part-007", "text/x-own"),
        ]
    );
    assert_eq!((parts[1].merge_type.as_deref(), parts[1].launch_index), (Some("list(append)"), Some(3)));
    assert_eq!(parts[1].headers, [("Merge-Type".to_owned(), "list(append)".to_owned()), ("X-Other".to_owned(), "5".to_owned())]);
    assert_eq!(codes(&report), ["unknown-part", "unknown-part"], "{report:?}");
}

proptest::proptest! {
    /// Whatever texts an archive holds, each is a part of its own, in its place, byte for byte.
    #[test]
    fn an_archive_gives_back_the_texts_it_was_made_of(texts in proptest::collection::vec("#!/bin/[a-z]{1,3}\n[ -~]{0,20}(\n[ -~é]{0,9}){0,3}", 0..6)) {
        let entries: Vec<serde_json::Value> = texts.iter().map(|text| serde_json::json!({"content": text, "filename": "same"})).collect();
        let archive = format!("#cloud-config-archive\n{}\n", serde_json::Value::from(entries));
        let (parts, report) = unpacked(archive.as_bytes());
        let found: Vec<String> = parts.iter().map(|part| String::from_utf8_lossy(&part.content).into_owned()).collect();
        proptest::prop_assert_eq!(found, texts, "{:?}", report);
    }
}

#[test]
fn what_is_wrong_in_an_archive_is_located_and_loses_only_itself() {
    let archive = "#cloud-config-archive\n- 5\n- {content: {a: 1}}\n- {type: yaml, content: x}\n- |\n  #include\n  http://h/x\n\
        - |\n  #cloud-config-archive\n  - x\n- |\n  #!/bin/sh\n";
    let (parts, report) = unpacked(archive.as_bytes());
    let handled: Vec<_> = parts.iter().filter(|part| part.kind.is_handled()).map(|part| part.file_name.as_str()).collect();
    assert_eq!(handled, ["part-006"], "numbers count what is left out");
    let help = " (write `- content: |` with the text below it, or `- |`)";
    let beside = " (put it beside the archive, as a part of a MIME message)";
    assert_eq!(
        told(&report),
        [
            format!("error: user-data:2:3: a part of an archive is a text or a mapping, not an integer{help}"),
            format!("error: user-data:3:13: `content` is the text of the part, not a mapping{help}"),
            format!("error: user-data:4:3: `yaml` is no type: it should be like `text/cloud-config`{help}"),
            format!("error: part-004:1:1: part-004: nothing inside an archive is unpacked again, so nothing is done with this text/x-include-url{beside}"),
            format!("error: part-005:1:1: part-005: nothing inside an archive is unpacked again, so nothing is done with this text/cloud-config-archive{beside}"),
        ]
    );
    let (_, report) = unpacked(b"#cloud-config-archive\na: 1\n");
    assert_eq!(told(&report), ["error: user-data:2:1: an archive is a list of parts, not a mapping (begin each part with `- `)"]);
    let (_, report) = unpacked(b"#cloud-config-archive\n- [\n");
    assert_eq!(codes(&report), ["yaml"]);
    assert!(unpacked(b"#cloud-config-archive\n").1.problems.is_empty(), "an empty one is none");
}

#[test]
fn a_template_becomes_what_its_text_says() {
    let rows: &[(&str, &str, &str)] = &[
        ("#cloud-config\nhostname: {{ v1.instance_id }}-{{ ds.meta_data.a_b }}\n", "text/cloud-config", "#cloud-config\nhostname: i-1-x\n"),
        ("#!/bin/sh\necho {{ instance_id }}", "text/x-shellscript", "#!/bin/sh\necho i-1"),
        ("#cloud-boothook\n{% if region %}a{% else %}b{% endif %}", "text/cloud-boothook", "#cloud-boothook\nb"),
        ("{% if true %}\n#!/bin/sh\n{% endif %}\n", "text/x-shellscript", "#!/bin/sh\n\n"),
    ];
    for (body, kind, text) in rows {
        let (parts, report) = unpacked(format!("## template: jinja\n{body}").as_bytes());
        assert_eq!((parts[0].kind.mime_type(), String::from_utf8_lossy(&parts[0].content).as_ref()), (*kind, *text));
        assert_eq!(told(&report), [""; 0], "{body}");
        assert_eq!((parts[0].name.as_str(), parts[0].file_name.as_str()), ("user-data (rendered)", "part-001"));
    }
}

#[test]
fn a_template_that_cannot_be_used_says_why_and_where() {
    for (body, expected) in [
        ("#cloud-config\na: {{ b\n", "error: user-data:3:1: the template cannot be rendered: syntax error: unexpected end of input, expected end of variable block"),
        ("#cloud-config\n{{ x.y }}\n", "error: user-data:3:1: the template cannot be rendered: undefined value: `x` is not defined, so there is no `y` in it"),
        ("#cloud-config\na: {{ v1.instance-id }}\n", "error: user-data:3:1: the template cannot be rendered: `v1.instance-id` takes away what is behind the `-` from what is before it, and these are no numbers; a name with `-` is written with `_` here, or quoted: `ds['a-b']`"),
        ("#cloud-config-jsonp\n[]\n", "error: user-data:1:1: the template has become text/cloud-config-jsonp: nothing is done with it (a template may become a `#cloud-config`, a script or a `#cloud-boothook`; its second line says which)"),
        ("plain\n", "error: user-data:1:1: the template has become a text without a header: nothing is done with it (a template may become a `#cloud-config`, a script or a `#cloud-boothook`; its second line says which)"),
        ("", "note: user-data:1:1: this template has become nothing"),
        ("{% if instance_id == 'x' %}\n#!/bin/sh\n{% endif %}\n", "note: user-data:1:1: this template has become nothing"),
        ("#cloud-config\n{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "error: user-data:3:1: the template cannot be rendered: it does not come to an end"),
    ] {
        let (parts, report) = unpacked(format!("## template: jinja\n{body}").as_bytes());
        assert_eq!(parts.len(), 0, "{body}");
        assert_eq!(told(&report), [expected], "{body}");
    }
}

#[test]
fn a_variable_that_is_missing_is_marked_as_the_peer_marks_it_and_told() {
    let (parts, report) = unpacked(b"## template: jinja\n#cloud-config\na: {{ ds.meta_data.none }}\nb: {{ nothing }} {{ nothing }}\n");
    let text = "#cloud-config\na: CI_MISSING_JINJA_VAR/none\nb: CI_MISSING_JINJA_VAR/nothing CI_MISSING_JINJA_VAR/nothing\n";
    assert_eq!(String::from_utf8_lossy(&parts[0].content), text);
    let help = "(`landfall query --list-keys` shows which there are)";
    assert_eq!(
        told(&report),
        [
            format!("warning: user-data:3:20: there is no variable `none`: `CI_MISSING_JINJA_VAR/none` stands in its place {help}"),
            format!("warning: user-data:4:7: there is no variable `nothing`: `CI_MISSING_JINJA_VAR/nothing` stands in its place {help}"),
        ]
    );
}

#[test]
fn parts_behind_a_handler_are_its_own() {
    let parts: [&[u8]; 4] = [
        b"Content-Type: text/x-early\n\nnobody's",
        b"Content-Type: text/part-handler\n\n#part-handler\n",
        b"Content-Type: text/x-mine\nContent-Disposition: attachment; filename=\"m e.txt\"\nX-Own: 1\n\nmine",
        b"Content-Type: text/plain\n\nplain text: of a type that a handler may take",
    ];
    let (found, report) = unpacked(&message(&parts));
    assert_eq!(codes(&report), ["unknown-part"]);
    assert_eq!(report.problems[0].origin.as_ref().map(|origin| origin.part.to_string()).as_deref(), Some("part-001"));
    assert!(found[2].headers.contains(&("X-Own".to_owned(), "1".to_owned())), "{:?}", found[2].headers);
    let mut report = Report::new();
    let data = serde_json::json!({});
    let render = |text: &str| template::render(text, &Variables::of(&data));
    let mut reading = Reading {
        includes: &mut NoIncludes,
        render: &render,
        knows_instance: true,
        launch_index: None,
        has_handlers: true,
        keeps_message: false,
    };
    unpack("user-data", &message(&parts[..1]), &mut reading, &mut report);
    assert_eq!(codes(&report), [""; 0], "handlers of the image come before all parts");
}

#[test]
fn parts_for_other_instances_are_left_out() {
    let user_data = message(&[
        b"Content-Type: text/cloud-config\nLaunch-Index: 0\n\n#cloud-config\na: 0\n",
        b"Content-Type: text/cloud-config\n\n#cloud-config\nlaunch-index: 1\n",
        b"Content-Type: text/cloud-config\nLaunch-Index: 1\n\n#cloud-config\nlaunch-index: 0\n",
        b"Content-Type: text/x-shellscript\n\n#!/bin/sh\n",
        b"Content-Type: text/x-shellscript\nLaunch-Index: x\n\n#!/bin/sh\n",
    ]);
    for (index, expected) in [(None, vec![1, 2, 3, 4, 5]), (Some(1), vec![2, 3, 4, 5]), (Some(0), vec![1, 4, 5])] {
        let mut report = Report::new();
        let found = with_reading(&mut NoIncludes, index, |reading| unpack("user-data", &user_data, reading, &mut report));
        let names: Vec<String> = expected.iter().map(|number| format!("part-{number:03}")).collect();
        assert_eq!(found.parts.iter().map(|part| part.file_name.clone()).collect::<Vec<_>>(), names, "{index:?}");
        assert_eq!(codes(&report).len(), 5 - expected.len());
    }
}

#[test]
fn what_was_taken_apart_is_one_message_again() {
    let mime =
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/cloud-config; charset=x\nMerge-Type: \
                dict(replace)\n\na: é\n--B\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n/w==\n--B--\n";
    let (parts, _) = unpacked(mime.as_bytes());
    let message = crate::userdata::message(&parts);
    let (again, _) = unpacked(&message);
    let shown =
        |parts: &[Part]| parts.iter().map(|part| (part.kind.clone(), part.content.clone(), part.merge_type.clone())).collect::<Vec<_>>();
    assert_eq!(shown(&again), shown(&parts));
    assert_eq!(message, crate::userdata::message(&parts), "the boundary depends on the content alone");
    let text = String::from_utf8(message).expect("text");
    assert!(
        text.contains("\nContent-Type: text/cloud-config; charset=x\nMerge-Type: dict(replace)\nContent-Disposition: attachment"),
        "{text}"
    );
    let (none, _) = unpacked(&crate::userdata::message(&[]));
    assert!(none.is_empty() || none[0].content.is_empty());
}
