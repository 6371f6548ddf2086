//! Differential test: the same texts through landfall's reader and through the real PyYAML, values compared.
//!
//! `LANDFALL_PARITY_COUNT` sets how many texts of each kind (default 10,000), `LANDFALL_PARITY_SEED` the first seed. PyYAML is
//! that of the cached Debian 13; where there is no such root, that of this machine. Without either the test is skipped, unless
//! `CI=true`.

// Tests run real programs; the ban on doing so outside src/host is for the product.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use landfall::config::node::{Node, Origin, Value};
use landfall::yaml;

mod lab;
#[path = "validate/random.rs"]
mod random;

use lab::{Lab, Release};
use random::Random;

const PYTHON: &str = "/usr/bin/python3";

/// The peer's python: in its root, or this machine's.
fn python() -> Command {
    // Without CI=true, which asks for the lab, this machine's will do.
    let Some(lab) = Lab::require() else { return Command::new(PYTHON) };
    let mut command = Command::new("chroot");
    command.arg(lab.root(Release::TrixieCloudInit)).arg(PYTHON).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Reads length-prefixed texts, writes one line for each: the value in the notation of [`canonical`], or `E`.
const PEER: &str = r#"
import sys, datetime, json, yaml
def show(v):
    if v is None: return "n"
    if isinstance(v, bool): return "b%d" % v
    if isinstance(v, int): return "i%d" % v
    if isinstance(v, float): return "f" + repr(v)
    if isinstance(v, str): return "s" + v.encode("utf-8", "surrogatepass").hex()
    if isinstance(v, bytes): return "y" + v.hex()
    if isinstance(v, (datetime.date, datetime.datetime)): return "t" + str(v)
    if isinstance(v, (list, tuple)): return "[" + " ".join(map(show, v)) + "]"
    if isinstance(v, set): return "<" + " ".join(sorted(map(show, v))) + ">"
    return "{" + " ".join(show(k) + ":" + show(x) for k, x in v.items()) + "}"
data = sys.stdin.buffer
while True:
    size = data.readline()
    if not size: break
    text = data.read(int(size)).decode()
    try: line = show(yaml.load(text, Loader=yaml.SafeLoader))
    except RecursionError: line = "E recursive"
    except Exception as e: line = "E " + " ".join(str(e).split())[:200].encode("ascii", "replace").decode()
    print(line)
"#;

fn canonical(node: &Node) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
    };
    let joined = |items: &[Node]| items.iter().map(canonical).collect::<Vec<_>>();
    match &node.value {
        Value::Null => "n".into(),
        Value::Bool(value) => format!("b{}", i32::from(*value)),
        Value::Int(_) | Value::BigInt(_) => format!("i{}", node.python_str()),
        Value::Float(_) => format!("f{}", node.python_str()),
        Value::Str(text) => format!("s{}", hex(text.as_bytes())),
        Value::Bytes(bytes) => format!("y{}", hex(bytes)),
        Value::Timestamp(text) => format!("t{text}"),
        Value::Seq(items) => format!("[{}]", joined(items).join(" ")),
        Value::Set(items) => {
            let mut items = joined(items);
            items.sort();
            format!("<{}>", items.join(" "))
        }
        Value::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|e| format!("{}:{}", canonical(&e.key), canonical(&e.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

fn peer_is_here() -> bool {
    let here = python().args(["-c", "import yaml"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !here {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "python3-yaml is missing");
        eprintln!("skipped: {PYTHON} has no yaml module");
    }
    here
}

fn peer(texts: &[String]) -> Vec<String> {
    let mut child = python().args(["-c", PEER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    let mut input = child.stdin.take().expect("a pipe");
    let bytes: Vec<u8> = texts.iter().flat_map(|t| [format!("{}\n", t.len()).into_bytes(), t.clone().into_bytes()].concat()).collect();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("python ends");
    writer.join().expect("the writer ends").expect("python reads");
    String::from_utf8(output.stdout).expect("ASCII").lines().map(String::from).collect()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

const BASES: &[&str] = &[
    "#cloud-config\nhostname: web\nusers:\n  - default\n  - name: bob\n    sudo: ALL=(ALL) NOPASSWD:ALL\n    groups: [sudo, \"adm\"]\n    ssh_authorized_keys:\n      - ssh-ed25519 AAAA bob@x\n",
    "write_files:\n- path: /etc/x\n  permissions: '0644'\n  content: |\n    a: b\n      c\n    # d\n- {path: /etc/y, content: \"x y\"}\npackages: [nginx, [git, 1.0], {a: b}]\n",
    "runcmd:\n - [ls, -l, /]\n - echo \"a: b\" > c\n - >-\n   folded\n   text\n\n   more\n - 'it''s'\n",
    "ntp:\n  enabled: yes\n  servers: &s\n    - a.b.c\n    - x\n  again: *s\nmounts:\n - [ swap, none, \"sw\", null ]\nfinal: \"x\\ty\n  z\"\n",
    "base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\nlist: [\n  a,\n  b\n]\nmap: {\n  a: 1,\n}\n",
    "a: |\n  one\n   two\n\n  three\nb: >\n  one\n  two\n\n  three\n   four\nc: |-\n  x\nd: |+\n  y\n\ne: plain\n  more\n",
    "? a\n: b\n? [c]\n: d\n\"q\": 'r'\n!!str 1: !!int \"2\"\n!!binary aGk=: !!set {a, b}\nz: !!omap [a: 1]\n",
];

const PIECES: &[&str] = &[
    "\t",
    " ",
    "  ",
    "\n",
    "\n  ",
    "\n- ",
    ": ",
    ":",
    "- ",
    "-",
    "[",
    "]",
    "{",
    "}",
    ",",
    ", ",
    "#",
    " #",
    "'",
    "\"",
    "|",
    "|-\n",
    ">",
    "?",
    "? ",
    "!",
    "!!str ",
    "&a ",
    "*a",
    "%",
    "@",
    "`",
    "a",
    "b: c",
    "0",
    "\\",
    "~",
    "=",
    "<<",
    "|2\n",
    "...",
    "---",
    "\n---\n",
    "\r\n",
    "é",
    "yes",
    "0644",
    "1:30",
    "1e3",
    ".5",
    "2024-01-02",
];

fn mutated(random: &mut Random) -> String {
    let base = random.pick(BASES);
    let lines: Vec<&str> = base.split_inclusive('\n').collect();
    let from = random.below(lines.len());
    let to = from + 1 + random.below(lines.len() - from);
    let mut text: Vec<char> = lines[from..to].concat().chars().collect();
    for _ in 0..random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 | 1 => drop(text.splice(at..at, random.pick(PIECES).chars())),
            2 => drop(text.drain(at..(at + 1 + random.below(3)).min(text.len()).max(at))),
            3 => {
                let copy: Vec<char> = text[at..(at + random.below(12)).min(text.len())].to_vec();
                let to = random.below(text.len() + 1);
                text.splice(to..to, copy);
            }
            _ => {
                let start = text[..at].iter().rposition(|c| *c == '\n').map_or(0, |at| at + 1);
                let blank = text[start..].iter().take_while(|c| **c == ' ').count();
                text.splice(start..start + blank, std::iter::repeat_n(' ', random.below(6)));
            }
        }
    }
    text.into_iter().collect()
}

/// A plain scalar made of what numbers, dates and booleans are made of.
fn scalar(random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        "0", "1", "7", "8", "59", "60", "12", "2024", "-", "+", "_", ".", ":", "e", "E", "x", "b", "o", "0x", "0b", "0o", "f", "T", "Z",
        " ", "-01", "-1", "-13", ":30", ":05", ".5", "inf", ".inf", "nan", ".nan", "yes", "No", "TRUE", "oFF", "null", "~", "<<", "=",
        "+05:30", "-5", "é", "1_0",
    ];
    const WHOLE: &[&str] = &[
        "2024-01-02",
        "2024-1-2",
        "2024-02-30",
        "2024-01-02T03:04:05",
        "2024-01-02 03:04:05.5 +01:00",
        "22:22",
        "0644",
        "1.0e+3",
        "52:54:00:12:34:56",
        "0x1F",
        "0b101",
        "99999999999999999999999999999999999999999999",
        "1:30.5",
        "190:20:30.15",
        "6.02e-23",
        "0.1",
        "123456.789e+15",
        "1e22.",
    ];
    let mut text = if random.below(3) == 0 { random.pick(WHOLE).to_string() } else { String::new() };
    for _ in 0..random.below(6) {
        text.push_str(random.pick(PIECES));
    }
    text
}

fn scalar_text(random: &mut Random) -> String {
    const TAGS: &[&str] = &["!!int ", "!!float ", "!!bool ", "!!str ", "!!timestamp ", "!!binary ", "!!null ", "! "];
    let scalar = scalar(random);
    match random.below(6) {
        0 => format!("k: {}'{scalar}'\n", random.pick(TAGS)),
        1 => format!("{{{scalar}: {scalar}}}\n"),
        2 => format!("{scalar}: 1\n1: 2\ntrue: 3\n"),
        _ => format!("k: {scalar}\n"),
    }
}

/// A well-formed document in one of many styles.
fn document(random: &mut Random) -> String {
    let mut text = String::from(random.pick(&["", "#cloud-config\n", "---\n", "%YAML 1.1\n---\n"]));
    node(random, &mut text, 0, 3);
    text
}

fn node(random: &mut Random, out: &mut String, indent: usize, depth: usize) {
    let pad = " ".repeat(indent);
    let kind = if depth == 0 { 2 } else { random.below(3) };
    for entry in 0..1 + random.below(3) {
        let comment = random.pick(&["", "", " # é: comment", "   "]);
        match kind {
            0 => {
                let _ = writeln!(out, "{pad}key{entry}:{comment}");
                let deeper = indent + 1 + random.below(3);
                node(random, out, deeper, depth - 1);
            }
            1 => {
                let _ = writeln!(out, "{pad}-{comment}");
                let deeper = indent + 1 + random.below(3);
                node(random, out, deeper, depth - 1);
            }
            _ => {
                let _ = write!(out, "{pad}k{entry}: ");
                leaf(random, out, indent);
                let _ = writeln!(out, "{}", random.pick(&["", "", "\n", "\n# note"]));
            }
        }
    }
}

fn leaf(random: &mut Random, out: &mut String, indent: usize) {
    let pad = " ".repeat(indent);
    let word = random.pick(&["word", "two words", "it's", "a:b", "a#b", "http://x/y?z=1&q", "-x", "é", "50%", "a, b", "x\\n"]);
    let number = scalar(random).replace([' ', '<', '=', '~', ':', '-'], "");
    let value = match random.below(10) {
        0 => format!("'{}'", word.replace('\'', "''")),
        1 => format!("\"{word} \\u00e9\\x41\\t\\\n  \\ {number}\""),
        2 => format!("|{}\n{pad} {word}\n\n{pad}   {number}\n{pad} \tend\n", random.pick(&["", "-", "+", "1", "1-"])),
        3 => format!(">{}\n{pad} {word}\n{pad} more\n\n{pad}   {number}\n{pad} end\n\n", random.pick(&["", "-", "+", "1+"])),
        4 => format!("[a, '{number}', {{b: c, \"d\":e}}, [x y],]"),
        5 => format!("[\n{number}x,\n   -, 'a\n\tb',# c\n{{k: v,\nl: m}}\n]"),
        6 => format!("{word}\n{pad}  continued\n\n{pad}  here"),
        7 => format!("\"{number}\n{word}\""),
        8 => format!("&anchor{} {word}", random.below(10_000)),
        _ => number,
    };
    out.push_str(&value);
}

/// A document whose parts refer to each other: anchors, aliases, merge keys, keys given twice.
fn referring(random: &mut Random) -> String {
    let mut text = String::new();
    for number in 0..1 + random.below(4) {
        let _ = writeln!(text, "a{number}: &a{number} {}", entries(random, number));
    }
    let count = random.below(4);
    for at in 0..count {
        let _ = writeln!(text, "b{at}: {}", reference(random));
    }
    let _ =
        writeln!(text, "block:\n  <<: {}\n  x: {}\n  {}: 5", reference(random), random.below(3), random.pick(&["x", "y", "<<", "'<<'"]));
    text
}

fn entries(random: &mut Random, known: usize) -> String {
    let mut all: Vec<String> =
        (0..random.below(4)).map(|_| format!("{}: {}", random.pick(&["x", "y", "z", "\"x\"", "1"]), random.below(9))).collect();
    if known > 0 && random.below(2) == 0 {
        let at = random.below(all.len() + 1);
        all.insert(at, format!("<<: *a{}", random.below(known)));
    }
    format!("{{{}}}", all.join(", "))
}

fn reference(random: &mut Random) -> String {
    let one = |random: &mut Random| format!("*a{}", random.below(4));
    match random.below(6) {
        0 => format!("[{}, {}]", one(random), one(random)),
        1 => format!("{{<<: {}, x: 7}}", one(random)),
        2 => format!("{{<<: [{}, {}], y: *a0}}", one(random), one(random)),
        3 => random.pick(&["{x: 1}", "5", "[{x: 1}, {y: 2}]", "[1]", "null"]).to_owned(),
        _ => one(random),
    }
}

/// Whether the reader's documentation names what this text has and PyYAML reads.
fn is_documented(text: &str, error: &yaml::YamlError) -> bool {
    let header = |line: &str| line.trim_start().starts_with(['|', '>']);
    error.message.contains("because of its `?`")
        || text.ends_with('?')
        || text.lines().any(header)
        || [":[", ":{"].iter().any(|glued| text.contains(glued))
        || error.message.contains("name is made of letters")
        || error.message.contains("does not fit its tag")
        || (error.message.contains("alias has no anchor") && text.contains(':'))
}

fn compare(kind: &str, generate: fn(&mut Random) -> String) {
    if !peer_is_here() {
        return;
    }
    let (count, seed) = (setting("LANDFALL_PARITY_COUNT", 10_000), setting("LANDFALL_PARITY_SEED", 1));
    let mut random = Random(seed);
    let texts: Vec<String> = (0..count).map(|_| generate(&mut random)).collect();
    let (mut same, mut both_refuse, mut documented) = (0, 0, 0);
    let answers = peer(&texts);
    assert_eq!(answers.len(), texts.len(), "python answered all");
    // Older pythons than that of Debian 13 have another mind about padding.
    let knows_padding = Lab::require().is_some();
    for (text, theirs) in texts.iter().zip(answers) {
        if text.contains("!!binary") && !knows_padding {
            documented += 1;
            continue;
        }
        let peer_refuses = theirs.starts_with('E');
        match yaml::parse("user-data", text) {
            Ok(ours) if canonical(&ours) == theirs => same += 1,
            // A text that is a single scalar is no configuration anyway.
            Ok(ours) if peer_refuses && ours.is_scalar() => documented += 1,
            Ok(ours) => panic!("{kind}, seed {seed}: {text:?}\n  PyYAML:   {theirs}\n  landfall: {}", canonical(&ours)),
            Err(_) if peer_refuses => both_refuse += 1,
            Err(error) if is_documented(text, &error) => documented += 1,
            Err(error) => {
                panic!("{kind}, seed {seed}: {text:?}\n  PyYAML:   {theirs}\n  landfall: {error}")
            }
        }
    }
    println!("yaml parity, {kind}: {count} texts, seed {seed}: {same} same, {both_refuse} refused by both, {documented} documented differences, 0 others");
    assert!(!knows_padding || documented * 100 <= count, "documented differences are rare");
    assert!(same * 10 > count, "the generator makes texts worth comparing");
}

#[test]
fn scalars_mean_what_pyyaml_makes_of_them() {
    compare("scalars", scalar_text);
}

#[test]
fn documents_are_read_as_pyyaml_reads_them() {
    compare("documents", document);
}

#[test]
fn damaged_documents_are_read_or_refused_as_pyyaml_does() {
    compare("damaged documents", mutated);
}

#[test]
fn references_and_merges_mean_what_pyyaml_makes_of_them() {
    compare("referring documents", referring);
}

/// A string as users have them: what looks like something else, and what is hard to write.
fn any_string(random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        "\n", "  ", "\t", "'", "\"", "#", ": ", "- ", "\\", "é", "\u{1b}", "\u{2028}", "%", "@", "word", "|", ">", "{", "]", ",", "&", "*",
        "!", "\r",
    ];
    let mut text = scalar(random);
    for _ in 0..random.below(5) {
        text.push_str(random.pick(PIECES));
    }
    text
}

#[test]
fn what_landfall_writes_means_the_same_to_pyyaml() {
    if !peer_is_here() {
        return;
    }
    let mut random = Random(setting("LANDFALL_PARITY_SEED", 1));
    let nodes: Vec<Node> = (0..setting("LANDFALL_PARITY_COUNT", 10_000))
        .map(|_| {
            let json = serde_json::json!({ any_string(&mut random): [any_string(&mut random), random.below(3), null, { "k": any_string(&mut random) }] });
            Node::from_json(&json, &Origin::new("p", 1, 1))
        })
        .collect();
    let texts: Vec<String> = nodes.iter().map(|node| yaml::to_string(node).expect("YAML")).collect();
    for ((node, text), theirs) in nodes.iter().zip(&texts).zip(peer(&texts)) {
        assert_eq!(theirs, canonical(node), "PyYAML reads {text:?}");
        let ours = yaml::parse("p", text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(&ours, node, "landfall reads {text:?}");
    }
}
