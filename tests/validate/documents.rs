//! Documents with something wrong in them, each with all that `landfall validate` has to say of it.
//!
//! In `documents/*.txt` every case is `=== name`, the document, and lines `==> PLACE SEVERITY[CODE]: MESSAGE (HELP)`. A line
//! `==> planned: STEP` says that a plan of the document has this step all the same. `UPDATE=1` writes what is said anew; look at
//! the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::plain_debian::plain_debian;
use crate::run::landfall_reading;

/// One document.
#[derive(Default)]
struct Case {
    name: String,
    text: String,
    said: Vec<String>,
    planned: Vec<String>,
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validate/documents");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn cases(path: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a name comes first");
        match line.strip_prefix("==> ") {
            Some(said) => match said.strip_prefix("planned: ") {
                Some(step) => case.planned.push(step.to_owned()),
                None => case.said.push(said.to_owned()),
            },
            None => {
                assert!(case.said.is_empty() && case.planned.is_empty(), "{}: the document comes first", case.name);
                writeln!(case.text, "{line}").unwrap();
            }
        }
    }
    cases
}

fn sentence(problem: &serde_json::Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default().replace('\n', " ");
    let place = match problem["part"].as_str() {
        Some(part) => format!("{}:{}:{}", part, problem["line"], problem["column"]),
        None => "nowhere".into(),
    };
    let help = if text("help").is_empty() { String::new() } else { format!(" ({})", text("help")) };
    format!("{place} {}[{}]: {}{help}", text("severity"), text("code"), text("message"))
}

#[test]
fn every_bad_document_is_refused_with_all_that_is_wrong_where_it_is_wrong() {
    let update = std::env::var_os("UPDATE").is_some();
    let (mut refused, mut wrong) = (0, Vec::new());
    for path in files() {
        let mut written = String::new();
        for case in cases(&path) {
            let ran = landfall_reading(&["validate", "--strict", "--format", "json", "-"], case.text.as_bytes());
            assert_eq!(ran.code, 65, "{}: {}", case.name, ran.stdout);
            let problems = ran.json()["files"][0]["problems"].as_array().unwrap().clone();
            let said: Vec<String> = problems.iter().map(sentence).collect();
            let located =
                |severity: &str| problems.iter().any(|problem| problem["severity"] == severity && problem["line"].as_u64() > Some(0));
            let has_error = problems.iter().any(|problem| problem["severity"] == "error");
            assert!(located(if has_error { "error" } else { "warning" }), "{} is told without its place: {said:?}", case.name);
            let code = landfall_reading(&["validate", "-"], case.text.as_bytes()).code;
            assert_eq!(code, if has_error { 65 } else { 0 }, "{}", case.name);
            refused += usize::from(has_error);
            if said != case.said {
                wrong.push(format!("{}:\n  expected {:#?}\n  said {said:#?}", case.name, case.said));
            }
            writeln!(written, "=== {}\n{}{}{}", case.name, case.text, lines("", &said), lines("planned: ", &case.planned)).unwrap();
        }
        if update {
            std::fs::write(&path, written.replace("\n\n=== ", "\n=== ").trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(update || wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused >= 100, "{refused} documents have an error");
}

fn lines(before: &str, all: &[String]) -> String {
    all.iter().fold(String::new(), |mut out, one| {
        let _ = writeln!(out, "==> {before}{one}");
        out
    })
}

#[test]
fn what_does_not_hang_on_the_fault_is_planned_all_the_same() {
    let root = plain_debian();
    let (mut checked, mut missing) = (0, Vec::new());
    for case in files().iter().flat_map(|path| cases(path)).filter(|case| !case.planned.is_empty()) {
        let ran = landfall_reading(&["plan", "--root", &root.path().to_string_lossy(), "--format", "json", "-"], case.text.as_bytes());
        let plan = ran.json();
        let steps: Vec<&str> = plan["steps"].as_array().unwrap().iter().filter_map(|step| step["id"].as_str()).collect();
        for step in case.planned.iter().filter(|step| !steps.contains(&step.as_str())) {
            missing.push(format!("{}: {step} is not among {steps:?}", case.name));
        }
        checked += 1;
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(checked >= 15, "{checked} documents are planned");
}
