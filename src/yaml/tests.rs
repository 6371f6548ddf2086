//! Tests of the reader against the table of cloud-init's behaviour, every row of which was observed with PyYAML 6.

use super::*;
use crate::config::node::Value;

fn value(text: &str) -> Node {
    let document = parse("user-data", &format!("k: {text}\n")).unwrap_or_else(|error| panic!("{text}: {error}"));
    document.get("k").cloned().unwrap_or_else(|| panic!("{text}: no value"))
}

fn json(text: &str) -> serde_json::Value {
    parse("user-data", text).unwrap_or_else(|error| panic!("{text}: {error}")).to_json()
}

fn refused(text: &str) -> YamlError {
    match parse("user-data", text) {
        Err(error) => error,
        Ok(node) => panic!("{text:?} was read as {}", node.python_str()),
    }
}

fn string(text: &str) -> Value {
    Value::Str(text.into())
}

#[test]
fn plain_scalars_mean_what_pyyaml_makes_of_them() {
    let rows: &[(&str, Value)] = &[
        ("yes", Value::Bool(true)),
        ("Off", Value::Bool(false)),
        ("y", string("y")),
        ("tRUE", string("tRUE")),
        ("nULL", string("nULL")),
        ("~", Value::Null),
        ("", Value::Null),
        ("0o644", string("0o644")),
        ("0644", Value::Int(420)),
        ("644", Value::Int(644)),
        ("08", string("08")),
        ("0800", string("0800")),
        ("0888", string("0888")),
        ("010", Value::Int(8)),
        ("0x1F", Value::Int(31)),
        ("0b101", Value::Int(5)),
        ("1_000", Value::Int(1000)),
        ("-0644", Value::Int(-420)),
        ("22:22", Value::Int(1342)),
        ("12:30:45", Value::Int(45045)),
        ("60:00", Value::Int(3600)),
        ("08:30", string("08:30")),
        ("59:60", string("59:60")),
        ("0:0", string("0:0")),
        ("52:54:00:12:34:56", Value::Int(41_135_085_296)),
        ("00:11:22:33:44:55", string("00:11:22:33:44:55")),
        ("1.10", Value::Float(1.1)),
        ("24.04", Value::Float(24.04)),
        ("1.2.3", string("1.2.3")),
        ("192.168.1.1", string("192.168.1.1")),
        ("::1", string("::1")),
        ("1e3", string("1e3")),
        ("1.0e3", string("1.0e3")),
        ("1e+3", string("1e+3")),
        ("1.0e+3", Value::Float(1000.0)),
        (".5", Value::Float(0.5)),
        ("5.", Value::Float(5.0)),
        (".inf", Value::Float(f64::INFINITY)),
        (".nan", Value::Float(f64::NAN)),
        ("-.5", string("-.5")),
        ("2024-01-02", Value::Timestamp("2024-01-02".into())),
        ("2024-1-2", string("2024-1-2")),
        ("2024-01-02 03:04:05", Value::Timestamp("2024-01-02 03:04:05".into())),
        ("2024-01-02 03:04:05Z", Value::Timestamp("2024-01-02 03:04:05+00:00".into())),
        ("a:b", string("a:b")),
        ("50%", string("50%")),
    ];
    for (text, expected) in rows {
        assert_eq!(value(text).value, *expected, "{text}");
    }
}

#[test]
fn quotes_and_block_scalars_keep_text() {
    for text in ["'yes'", "\"yes\"", "|-\n  yes", ">-\n  yes", "!!str yes"] {
        assert_eq!(value(text).value, string("yes"), "{text}");
    }
}

#[test]
fn tags_convert() {
    let rows: &[(&str, Value)] = &[
        ("!!binary aGk=", Value::Bytes(b"hi".to_vec())),
        ("!!str 123", string("123")),
        ("!!int '0x1F'", Value::Int(31)),
        ("!!float 3", Value::Float(3.0)),
        ("!!bool 'YES'", Value::Bool(true)),
        ("!!null x", Value::Null),
        ("!!timestamp 2024-1-2", Value::Timestamp("2024-01-02".into())),
        ("! 1", Value::Int(1)),
        ("! '1'", Value::Int(1)),
        ("!<tag:yaml.org,2002:int> 1", Value::Int(1)),
        ("!!str", string("")),
        ("!!float '1e3'", Value::Float(1000.0)),
    ];
    for (text, expected) in rows {
        assert_eq!(value(text).value, *expected, "{text}");
    }
    assert!(matches!(&value("!!set {a, b, a}").value, Value::Set(items) if items.len() == 2));
    assert_eq!(value("!!omap [a: 1, b: 2]").to_json(), serde_json::json!([["a", 1], ["b", 2]]));
    assert_eq!(value("!!pairs [a: 1, a: 2]").to_json(), serde_json::json!([["a", 1], ["a", 2]]));
}

#[test]
fn what_pyyaml_fails_on_is_an_error_with_its_place() {
    let rows: &[(&str, (u32, u32))] = &[
        ("k: 2024-13-45", (1, 4)),
        ("k: !foo x", (1, 4)),
        ("k: !!python/name:os.system x", (1, 4)),
        ("k: =", (1, 4)),
        ("k: <<", (1, 4)),
        ("- <<", (1, 3)),
        ("? [a]\n: b", (1, 3)),
        ("{a: 1}: 2", (1, 1)),
        ("a: 1\n---\nb: 2", (2, 1)),
        ("a:\n\tb: 1", (2, 1)),
        ("a:\tb", (1, 3)),
        ("a: b\t", (1, 5)),
        ("-\ta", (1, 2)),
        ("a: b\tc", (1, 5)),
        ("a: |\t\n  b", (1, 5)),
        ("a: @b", (1, 4)),
        ("a: `b", (1, 4)),
        ("a: %b", (1, 4)),
        ("a: \u{0}", (1, 4)),
        ("a: \u{7}", (1, 4)),
        ("a: \u{7f}", (1, 4)),
        ("a: *undefined", (1, 4)),
        ("a: b: c", (1, 5)),
        ("a: !!int x", (1, 4)),
        ("a: !!bool maybe", (1, 4)),
        ("a: !!str [b]", (1, 4)),
        ("a: !!seq {b: c}", (1, 4)),
        ("a: !!binary aGk", (1, 4)),
        ("a: {<<: 1}", (1, 9)),
        ("a: [1, 2", (1, 4)),
        ("a: \"b", (1, 4)),
        ("a: {b\nc: d}", (1, 5)),
        (": a", (1, 1)),
        ("{: a}", (1, 2)),
        ("%YAML 2.0\n---\na: 1", (1, 1)),
        ("a: &x.y b", (1, 6)),
        ("a: &x 1\nb: &x 2", (2, 4)),
        ("[a?b]", (1, 2)),
        ("[::1]", (1, 2)),
        ("...", (1, 1)),
        ("a: {{ b }}", (1, 5)),
    ];
    let misplaced = rows.iter().filter_map(|(text, place)| {
        let error = refused(text);
        ((error.line, error.column) != *place).then(|| format!("{text:?}, not {place:?}: {error}"))
    });
    assert_eq!(misplaced.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_self_reference_is_refused_with_its_place() {
    for (text, place) in [("&a [*a]", (1, 5)), ("x: &a\n  b: [1, *a]", (2, 10)), ("&a {<<: *a}", (1, 9))] {
        let error = refused(text);
        assert_eq!((error.line, error.column), place, "{text}");
        assert!(error.message.contains("inside the value it names"), "{error}");
    }
}

#[test]
fn the_help_says_what_to_change() {
    let rows = [
        ("a:\n\tb: 1", "spaces"),
        ("a: @b", "quotes"),
        ("a: b: c", "the value of `a` in quotes"),
        ("a: {{ b }}", "template"),
        ("k: 2024-13-45", "'2024-13-45'"),
        ("a: [1, 2", "missing `]`"),
        ("a: \"b\nc: d", "missing `\"`"),
        ("k: =", "'='"),
        ("a: !foo", "quotes"),
        ("a: *x", "quotes"),
        ("a:\n  b: 1\n c: 2", "check the indentation"),
    ];
    for (text, expected) in rows {
        let error = refused(text);
        assert!(error.help.as_deref().unwrap_or_default().contains(expected), "{text:?}: {error:?}");
    }
}

#[test]
fn a_template_that_was_not_rendered_is_told_as_such() {
    for (text, line) in [
        ("a: 1\n%{ if x ~}\nb: 2\n%{ endif ~}\n", 2),
        ("a: 1\n{% if x %}\nb: 2\n{% endif %}\n", 2),
        ("hostname: {{ v1.instance_id }}-web\n", 1),
        ("users:\n  - name: {{ user }}\n", 2),
        ("keys:\n  - {{ key }}\n", 2),
        ("a:\n  %{~ for f in files ~}\n", 2),
        ("{# a comment #}\na: 1\n", 1),
        ("a: 1\n${KEYS}\nb: 2\n", 2),
        ("mounts:\n  - [ ${path}, /mnt ]\n", 2),
    ] {
        let error = refused(text);
        assert_eq!((error.message.as_str(), error.line), (crate::template::NOT_RENDERED.0, line), "{text:?}: {error:?}");
        assert!(error.help.is_some_and(|help| help.contains("make `## template: jinja` the first line")), "{text:?}");
    }
    assert_ne!(refused("a: 1\nb: %x").message, crate::template::NOT_RENDERED.0);
}

#[test]
fn blanks_and_quotes_that_only_look_like_those_of_yaml_are_named() {
    for (text, place, message) in [
        ("packages:\n\u{a0} - nginx\n", (2, 1), "a no-break space (U+00A0) stands in the indent"),
        ("a:\n  b: 1\n \u{3000}c: 2\nd: 3\n", (3, 2), "an ideographic space (U+3000) stands in the indent"),
        ("a: 1\nb:\u{a0}2\nc: 3\n", (2, 3), "a no-break space (U+00A0) stands behind the `:`"),
        ("a:\n  - b\n  -\u{a0}c: d: e\n", (3, 4), "a no-break space (U+00A0) stands behind the `-`"),
        ("a: “b: c”\n", (1, 6), "typographic quotes"),
    ] {
        let error = refused(text);
        assert!(error.message.starts_with(message), "{text:?}: {error:?}");
        assert_eq!((error.line, error.column), place, "{text:?}: {error:?}");
    }
    for (text, message) in [
        ("- name: x\n- \u{a0}groups: y", "a no-break space (U+00A0) stands in the indent"),
        ("a:\n  -\u{a0}nginx", "a no-break space (U+00A0) stands behind the `-`"),
        ("a:\n  - b:\u{202f}c", "a narrow no-break space (U+202F) stands behind the `:`"),
        ("a: b\u{200b}", "a zero-width space (U+200B) stands at the end"),
        ("mode: ‘0644’", "typographic quotes"),
        ("“mode”: x", "typographic quotes"),
    ] {
        let mut report = Report::new();
        parse_with_report("p", text, &mut report).unwrap();
        let [problem] = report.problems.as_slice() else { panic!("{text:?}: {report:?}") };
        assert!(problem.message.starts_with(message), "{text:?}: {problem:?}");
    }
    for text in ["a: b\u{a0}c", "a: ‘", "a: it’s ‘so’ here", "a: |\n  \u{a0}b\n", "a: '\u{a0}b'", "a: b‘c’", "a: http:\u{a0}"] {
        let mut report = Report::new();
        parse_with_report("p", text, &mut report).unwrap();
        let is_of_quotes = report.problems.iter().any(|problem| problem.code == "odd-quotes");
        assert!(report.problems.len() == usize::from(text.ends_with(":\u{a0}")) && !is_of_quotes, "{text:?}: {report:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_ends_the_program(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..24)) {
        let text = pieces.concat();
        let mut report = Report::new();
        match parse_with_report("p", &text, &mut report) {
            Ok(document) => drop(crate::config::typed::CloudConfig::read(&document, &mut report)),
            Err(error) => error.report("p", &mut report),
        }
        report.render(&|_| Some(&text), &str::to_owned);
    }
}

/// What cloud-config is made of, and characters of one to four bytes that may stand in place of any of it.
const PIECES: &[&str] = &[
    "packages:",
    "users:",
    "runcmd:",
    "write_files:",
    "name",
    "content: |",
    "sudo: ",
    "a: ",
    "b",
    ": ",
    ":",
    "- ",
    "-",
    " ",
    "  ",
    "\n",
    "\n  ",
    "\n- ",
    "\r\n",
    "\t",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    "\"",
    "#",
    " # ",
    "|\n",
    ">-\n",
    "&x ",
    "*x",
    "!!str ",
    "? ",
    "---\n",
    "%",
    "@",
    "\\",
    "{{ ",
    "\u{a0}",
    "\u{a0} - ",
    "\u{3000}",
    "\u{2009}",
    "\u{200b}",
    "\u{feff}",
    "\u{85}",
    "\u{7}",
    "\u{0}",
    "é",
    "‘",
    "”",
    "€",
    "😀",
];

/// The lines are those that PyYAML names.
#[test]
fn slips_of_indentation_are_told_plainly_at_their_line() {
    let files = "write_files:\n  - path: /a\n    content: |\n      one\n";
    for (text, place, message, help) in [
        (format!("{files}BOT_TOKEN=abc\n  - path: /b\n"), (5, 1), "this line is no `key: value`", "indent it as that is"),
        (format!("{files}BOT_TOKEN=abc\nWEBAPP=http://x:80\nHOST=1\n"), (5, 1), "this line is no `key: value`", "indent it"),
        (format!("{files}[Definition]\n\n# why\nfailregex = x\n"), (5, 1), "this line is no `key: value`", "indent it"),
        (format!("{files}EOF"), (5, 1), "this line is no `key: value`", "indent it"),
        ("a:\n    version: 1\n    ....\n\n".into(), (3, 5), "this line is no `key: value`", "indent it"),
        ("a: 1\nkey:value\nb: 2\n".into(), (2, 1), "this line is no `key: value`", "a blank behind the `:`"),
        ("a: 1\npackages\nb: 2\n".into(), (2, 1), "this line is no `key: value`", "is a `:` missing behind it?"),
        ("write_files\n- path: {x}/y\n".into(), (2, 7), "where no key can be", "is a `:` missing on the line above?"),
        ("a:\n  - b: 1\n    c: 2\n   - b: 3\n".into(), (4, 4), "should stand here, in the same column", "check the indentation"),
        ("a: $x\n- b: 1\n".into(), (2, 1), "an item of a list stands where the next key should", "below its key"),
        ("url: [https://x.org](https://x.org)\n".into(), (1, 21), "the list in brackets ends here", "link of Markdown"),
        ("a: 1\n  b: 2\n".into(), (2, 4), "where no key can be", "check the indentation"),
        ("a: {b: 1}c\n".into(), (1, 10), "the mapping in braces ends here", "in quotes"),
        ("a: 'b' c\n".into(), (1, 8), "the quoted string ends here", "in quotes"),
        ("a: |@@TEXT@@\nb: 1\n".into(), (1, 4), "something follows the `|`", "on the next line"),
        ("a: |\n\tb\n".into(), (2, 1), "a tab stands where spaces should", "spaces only"),
        ("a:\n- >- # c\n\tb\n".into(), (3, 1), "a tab stands where spaces should", "spaces only"),
        ("a: |\n  b\n\t  \nc:\n  - d\n e: 1\n".into(), (3, 1), "a tab stands where spaces should", "spaces only"),
    ] {
        let error = refused(&text);
        assert!(error.message.contains(message), "{text:?}: {error:?}");
        assert_eq!((error.line, error.column), place, "{text:?}: {error:?}");
        assert!(error.help.as_deref().unwrap_or_default().contains(help), "{text:?}: {error:?}");
    }
}

#[test]
fn mappings_behave_as_python_dicts() {
    let rows = [
        ("{a: 1, a: 2}", r#"{"a": 2}"#),
        ("yes: 1", r#"{"true": 1}"#),
        ("{1: a, true: b, 1.0: c}", r#"{"1": "c"}"#),
        ("b: &b {x: 1, y: 2}\nd: {<<: *b, y: 3}", r#"{"b": {"x": 1, "y": 2}, "d": {"x": 1, "y": 3}}"#),
        ("- &b {x: 1}\n- &d {x: 2, y: 2}\n- {<<: [*b, *d]}", r#"[{"x": 1}, {"x": 2, "y": 2}, {"x": 1, "y": 2}]"#),
        ("- &b {x: 1}\n- &d {x: 2}\n- {<<: *b, <<: *d}", r#"[{"x": 1}, {"x": 2}, {"x": 2}]"#),
        ("{a:1}", r#"{"a:1": null}"#),
        ("{=: 1}", r#"{"=": 1}"#),
        ("{'<<': 1}", r#"{"<<": 1}"#),
        ("- echo foo: bar", r#"[{"echo foo": "bar"}]"#),
        ("{\"a\":1}", r#"{"a": 1}"#),
        ("? a\n? b", r#"{"a": null, "b": null}"#),
        ("? |\n  a\n: 1", r#"{"a\n": 1}"#),
    ];
    for (text, expected) in rows {
        assert_eq!(json(text), serde_json::from_str::<serde_json::Value>(expected).unwrap(), "{text}");
    }
    let merged = parse("p", "- &b {x: 1, y: 2}\n- {z: 0, <<: *b, y: 3}").unwrap();
    assert_eq!(merged.as_seq().unwrap()[1].python_str(), "{'x': 1, 'y': 3, 'z': 0}");
}

#[test]
fn yaml_1_1_layout_is_read() {
    let list = serde_json::json!({"a": ["x", "y"]});
    for text in [
        "a: [\nx,\ny\n]",
        "a: [\"x\",\n'y'\n]# c",
        "a: [ x,# c\n y ]",
        "a:\n- x\n- y",
        "a: [x, y,]",
        "a: [x,\r\ny]\r\n",
        "\u{feff}a: [x, y]",
        "%YAML 1.2\n---\na: [x, y]\n...\n",
        "--- {a: [x, y]}",
        "? a\n: - x\n  - y",
        "{a: [\nx, y\n]\n}",
    ] {
        assert_eq!(json(text), list, "{text:?}");
    }
    let rows = [
        ("a: \"x\ny\"", serde_json::json!({"a": "x y"})),
        ("a:\n  - b: 'x\n\ty'", serde_json::json!({"a": [{"b": "x y"}]})),
        ("a: [tar, -xf, -]", serde_json::json!({"a": ["tar", "-xf", "-"]})),
        ("[-, {a: -}, \"-]\"]", serde_json::json!(["-", {"a": "-"}, "-]"])),
        ("a: \"x\"# c", serde_json::json!({"a": "x"})),
        ("a: |\n  x", serde_json::json!({"a": "x"})),
        ("a: !!str |\n  x\n  ", serde_json::json!({"a": "x\n"})),
        ("a: |\n  x\n", serde_json::json!({"a": "x\n"})),
        ("", serde_json::json!(null)),
        ("# only a comment", serde_json::json!(null)),
    ];
    for (text, expected) in rows {
        assert_eq!(json(text), expected, "{text:?}");
    }
}

#[test]
fn every_value_knows_its_place() {
    let document = parse("part-002", "a: 1\nb:\r\n  - 'x'\n  - {c: é, d: &q yes}\ne: [\nf,\n\"g\"\n]\nh: *q\n").unwrap();
    let place = |node: &Node| (node.origin.line, node.origin.column);
    let list = document.get("b").unwrap().as_seq().unwrap();
    assert_eq!(&*document.origin.part, "part-002");
    assert_eq!(place(&document.entry("b").unwrap().key), (2, 1));
    assert_eq!(place(&list[0]), (3, 5));
    assert_eq!(place(list[1].get("d").unwrap()), (4, 15));
    assert_eq!(document.get("e").unwrap().as_seq().unwrap().iter().map(place).collect::<Vec<_>>(), [(6, 1), (7, 1)]);
    assert_eq!(place(document.get("h").unwrap()), (9, 4), "an alias stands where it is used");
}

#[test]
fn the_users_spelling_is_kept() {
    let rows = [
        ("0644", "0644"),
        ("yes", "yes"),
        ("1.10", "1.10"),
        ("~", "~"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("644", "644"),
        ("a", "a"),
    ];
    for (text, expected) in rows {
        assert_eq!(value(text).source_text(), expected);
    }
    assert_eq!(value("0644").python_str(), "420");
    assert!(value("644").raw.is_none(), "nothing is stored twice");
}

#[test]
fn what_is_probably_not_meant_is_reported() {
    let mut report = Report::new();
    parse_with_report("user-data", "mac: 52:54:00:12:34:56\na: 1\nb: {a: 3}\na: 2\n", &mut report).unwrap();
    let found: Vec<_> = report.problems.iter().map(|p| (p.code, p.origin.clone().unwrap().line)).collect();
    assert_eq!(found, [("base-60", 1), ("duplicate-key", 4)]);
    assert!(report.problems[1].message.contains("line 2"), "{:?}", report.problems[1]);
    assert!(!report.has_errors());
}

#[test]
fn an_alias_bomb_is_refused_quickly() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refused(&text).message.contains("hundred times"));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(", "));
    assert!(refused(&long).message.contains("hundred times"));
}

#[test]
fn deep_nesting_is_refused_without_using_the_stack() {
    let deep = |open: &str, close: &str, levels: usize| format!("{}x{}", open.repeat(levels), close.repeat(levels));
    assert!(parse("p", &deep("[", "]", MAX_DEPTH)).is_ok());
    for levels in [MAX_DEPTH + 1, 100_000] {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
            refused(&deep(open, close, levels));
        }
    }
    let chain: String = (1..300).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    assert!(refused(&format!("a0: &a0 x\n{chain}")).message.contains("deeper"));
}

#[test]
fn a_text_that_needs_smoothing_everywhere_ends_in_bounded_time() {
    let text = "- \"a\nb\"\n".repeat(300);
    assert_eq!(parse("p", &text).unwrap().as_seq().unwrap().len(), 300);
    let _ = parse("p", &"- \"a\nb\"\n".repeat(100_000));
}

#[test]
fn a_document_that_is_too_long_is_refused() {
    assert!(refused(&" ".repeat(MAX_BYTES + 1)).message.contains("16 MiB"));
}
