//! Stored results of cloud-init's own mergers: parts in, merged document and the parts it left out.
//!
//! `tests/data/merge_cases.jsonl` has one case a line. The first five are the table of the reference; the others were drawn at
//! random and run through the mergers of cloud-init 22.4.

use landfall::config::merge::{merge_parts, ConfigPart};
use landfall::config::node::Node;
use landfall::config::problem::Report;
use landfall::yaml;

const CASES: &str = include_str!("data/merge_cases.jsonl");

fn items(case: &Node, key: &str) -> Vec<Node> {
    case.get(key).and_then(Node::as_seq).expect("a list").to_vec()
}

#[test]
fn parts_merge_as_cloud_init_merges_them() {
    let mut left_out = 0;
    for (number, line) in CASES.lines().enumerate() {
        // JSON is YAML, and this reader keeps the order of keys.
        let case = yaml::parse("case", line).expect("a case");
        let part = |part: Node| ConfigPart {
            name: "part".into(),
            root: part.get("document").expect("a document").clone(),
            merge_type: part.get("header").and_then(Node::as_str).map(String::from),
            is_patch: false,
        };
        let mut report = Report::new();
        let merged = merge_parts(items(&case, "parts").into_iter().map(part).collect(), &mut report);
        let expected = case.get("merged").expect("the result");
        assert_eq!(merged.python_str(), expected.python_str(), "line {}: {line}", number + 1);
        let dropped = report.problems.iter().filter(|p| p.code == "part-left-out").count();
        assert_eq!(dropped, items(&case, "left_out").len(), "line {}: {report:?}", number + 1);
        left_out += dropped;
    }
    assert!(CASES.lines().count() > 300 && left_out > 20, "the cases cover refusals too");
}
