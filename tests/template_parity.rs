//! Stored results of cloud-init's own template handler: a template over the data of the first line, and what it became.
//!
//! `tests/data/jinja_cases.jsonl` was made by cloud-init 25.1 with jinja2 3.1. A template that it leaves out has `null` for its
//! text, and a line where it cannot be read at all.

use landfall::template::{render, Variables};
use serde_json::Value;

const CASES: &str = include_str!("data/jinja_cases.jsonl");

#[test]
fn templates_become_what_cloud_init_makes_of_them() {
    let mut cases = CASES.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case"));
    let variables = Variables::of(&cases.next().expect("the data")["data"]);
    let mut wrong = Vec::new();
    let mut refused = 0;
    for case in cases {
        let template = case["template"].as_str().expect("a template");
        let ours = render(&format!("## template: jinja\n{template}"), &variables);
        let is_same = match (&ours, case["text"].as_str()) {
            (Ok(rendered), Some(text)) => rendered.text == text,
            (Err(error), None) => case["line"].as_u64().is_none_or(|line| u64::from(error.line) == line),
            _ => false,
        };
        refused += u32::from(case["text"].is_null());
        if !is_same {
            wrong.push(format!("{case}\n  here: {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 5, "the cases cover refusals too");
}
