//! Stored results of cloud-init's own mergers: parts in, merged document and the parts it left out.
//!
//! `tests/data/merge_cases.jsonl` has one case a line. The first five are the table of the reference; the others were drawn at
//! random and run through the mergers of cloud-init 22.4. Ten thousand more are drawn at each run and put to cloud-init 25.1
//! (`LANDFALL_PARITY_COUNT`, `LANDFALL_PARITY_SEED`).

// Tests run real programs; the ban on doing so outside src/host is for the product.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod lab;
#[path = "validate/peer.rs"]
mod peer;
#[path = "validate/random.rs"]
mod random;

use lab::{Lab, Release};
use landfall::config::merge::{merge_parts, ConfigPart};
use landfall::config::node::Node;
use landfall::config::problem::Report;
use landfall::yaml;
use random::Random;

const CASES: &str = include_str!("data/merge_cases.jsonl");

fn items(case: &Node, key: &str) -> Vec<Node> {
    case.get(key).and_then(Node::as_seq).expect("a list").to_vec()
}

/// The merged document in Python's notation, and how many parts were left out.
fn merged(case: &Node) -> (String, usize) {
    let part = |part: Node| ConfigPart {
        name: "part".into(),
        root: part.get("document").expect("a document").clone(),
        merge_type: part.get("header").and_then(Node::as_str).map(String::from),
        is_patch: false,
    };
    let mut report = Report::new();
    let merged = merge_parts(items(case, "parts").into_iter().map(part).collect(), &mut report);
    (merged.python_str(), report.problems.iter().filter(|p| p.code == "part-left-out").count())
}

#[test]
fn parts_merge_as_cloud_init_merges_them() {
    let mut left_out = 0;
    for (number, line) in CASES.lines().enumerate() {
        let case = yaml::parse("case", line).expect("a case");
        let (merged, dropped) = merged(&case);
        let expected = case.get("merged").expect("the result");
        assert_eq!(merged, expected.python_str(), "line {}: {line}", number + 1);
        assert_eq!(dropped, items(&case, "left_out").len(), "line {}: {line}", number + 1);
        left_out += dropped;
    }
    assert!(CASES.lines().count() > 300 && left_out > 20, "the cases cover refusals too");
}

/// Reads one case a line, gives its parts to the real handler, and prints what that has merged and how many parts it left out.
const PEER: &str = r#"
import sys, json, logging
logging.disable(logging.CRITICAL)
from cloudinit import handlers
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
class Paths:
    def get_ipath(self, name): return None
for line in sys.stdin:
    parts = json.loads(line)["parts"]
    handler = CloudConfigPartHandler(Paths())
    handler.handle_part(None, handlers.CONTENT_START, "", "", "", {})
    for part in parts:
        headers = {"Merge-Type": part["header"]} if "header" in part else {}
        handler.handle_part(None, "text/cloud-config", "part", json.dumps(part["document"]), "", headers)
    print(json.dumps([str(handler.cloud_buf), len(parts) - len(handler.file_names)]))
"#;

fn value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => random.pick(&["null", "true", "false"]).to_owned(),
        1 => random.below(4).to_string(),
        2..=4 => format!("{:?}", random.pick(&["s", "tt", "u", ""])),
        5 => random.pick(&["[]", "{}"]).to_owned(),
        6 => {
            let items: Vec<String> = (0..random.below(4)).map(|_| value(random, depth - 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => mapping(random, &["a", "b", "c"], depth - 1),
    }
}

fn mapping(random: &mut Random, names: &[&str], depth: usize) -> String {
    let mut names = names.to_vec();
    let count = random.below(names.len() + 1);
    let entries: Vec<String> =
        (0..count).map(|_| format!("{:?}:{}", names.swap_remove(random.below(names.len())), value(random, depth))).collect();
    format!("{{{}}}", entries.join(","))
}

const OPTIONS: &[&str] = &[
    "append",
    "prepend",
    "replace",
    "no_replace",
    "no-replace",
    "allow_delete",
    "recurse_array",
    "recurse-list",
    "recurse_dict",
    "recurse_str",
    "junk",
    "",
];

/// Mergers as a text, as a header may have them too.
fn words(random: &mut Random) -> String {
    let one = |random: &mut Random| {
        let options: Vec<&str> = (0..random.below(4)).map(|_| random.pick(OPTIONS)).collect();
        let name =
            if random.below(40) == 0 { random.pick(&["tree", "", "m_"]) } else { random.pick(&["dict", "list", "str", "DICT", "m_list"]) };
        format!("{name}({})", options.join(random.pick(&[",", ", "])))
    };
    let all: Vec<String> = (0..1 + random.below(3)).map(|_| one(random)).collect();
    let text = all.join(random.pick(&["+", " + "]));
    if random.below(25) == 0 {
        format!("{text}{}", random.pick(&["x", "(", ")", "++", "dict"]))
    } else {
        text
    }
}

/// Mergers in one of the forms of `merge_how`.
fn how(random: &mut Random) -> String {
    let options = |random: &mut Random| (0..random.below(4)).map(|_| format!("{:?}", random.pick(OPTIONS))).collect::<Vec<_>>();
    match random.below(8) {
        0..=3 => format!("{:?}", words(random)),
        4 | 5 => {
            let one = |random: &mut Random| {
                let settings = options(random).join(",");
                format!("{{\"name\":{:?},\"settings\":[{settings}]}}", random.pick(&["dict", "list", "str"]))
            };
            format!("[{}]", (0..1 + random.below(3)).map(|_| one(random)).collect::<Vec<_>>().join(","))
        }
        6 => {
            let one = |random: &mut Random| {
                let mut words = vec![format!("{:?}", random.pick(&["dict", "list", "str"]))];
                words.extend(options(random));
                format!("[{}]", words.join(","))
            };
            format!("[{}]", (0..1 + random.below(3)).map(|_| one(random)).collect::<Vec<_>>().join(","))
        }
        _ => random.pick(&["null", "[]", "5", "[null]", "[{\"name\":\"list\"}]", "\"\"", "{}"]).to_owned(),
    }
}

fn part(random: &mut Random) -> String {
    let mut document = mapping(random, &["k", "l", "m", "s", "d"], 3);
    if random.below(3) > 0 {
        let key = random.pick(&["merge_how", "merge_how", "merge_type"]);
        let comma = if document == "{}" { "" } else { "," };
        document = format!("{{{:?}:{}{comma}{}", key, how(random), &document[1..]);
    }
    let header = if random.below(6) == 0 { format!(",\"header\":{:?}", words(random)) } else { String::new() };
    format!("{{\"document\":{document}{header}}}")
}

#[test]
fn generated_parts_merge_as_cloud_init_merges_them() {
    let Some(lab) = Lab::require() else { return };
    let setting = |name: &str, usual: u64| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual);
    let (count, seed) = (setting("LANDFALL_PARITY_COUNT", 10_000), setting("LANDFALL_PARITY_SEED", 1));
    let mut random = Random(seed);
    let cases: Vec<String> = (0..count)
        .map(|_| {
            let parts: Vec<String> = (0..2 + random.below(2)).map(|_| part(&mut random)).collect();
            format!("{{\"parts\":[{}]}}", parts.join(","))
        })
        .collect();
    let answers = peer::python(lab.root(Release::TrixieCloudInit), PEER, (cases.join("\n") + "\n").as_bytes());
    let (mut answered, mut left_out, mut differing) = (0, 0, Vec::new());
    for (line, answer) in cases.iter().zip(answers.lines()) {
        let theirs: (String, usize) = serde_json::from_str(answer).unwrap();
        let ours = merged(&yaml::parse("case", line).expect("a case"));
        if ours != theirs {
            differing.push(format!("{line}\n  cloud-init: {theirs:?}\n  landfall:   {ours:?}"));
        }
        answered += 1;
        left_out += theirs.1;
    }
    differing.sort_by_key(String::len);
    assert!(
        differing.is_empty(),
        "seed {seed}: {} differ; the shortest:\n{}",
        differing.len(),
        differing[..differing.len().min(8)].join("\n")
    );
    println!("merge parity: {answered} cases, seed {seed}, {left_out} parts left out by both, 0 differences");
    assert!(answered == count && left_out as u64 > count / 50, "{answered} {left_out}");
}
