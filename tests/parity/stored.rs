//! The peer's recorded results. `peer/BASE.json` holds every fact of the case `nothing`; `peer/NAME.json` those facts of another case
//! that are not the same there. One fact a line, sorted, so that a change shows in a diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::case::{directory_of_suite, Case};
use crate::content::hex;
use crate::provision::Outcome;
use crate::state::Facts;

/// The case whose facts the others are told against.
const BASE: &str = "nothing";

/// A result of the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What the peer said of itself.
    pub status: String,
    pub facts: Facts,
}

/// A result as the file has it.
#[derive(Deserialize)]
struct File {
    /// Of what the case was when it was recorded.
    input: String,
    /// Of the facts of the base when it was recorded; none in the base itself.
    base: Option<String>,
    status: String,
    facts: BTreeMap<String, Value>,
}

impl From<Outcome> for Stored {
    fn from(outcome: Outcome) -> Self {
        Self { status: outcome.status, facts: outcome.facts }
    }
}

impl Stored {
    /// What was recorded for a case; an error if that was nothing, or if the case or the base was another one then.
    pub fn read(case: &Case) -> Result<Self, String> {
        let file = File::read(&path(&case.name))?;
        if file.input != case.digest() {
            return Err("the case has changed since the peer's result was recorded: run `make parity-record`".into());
        }
        let mut facts = Facts::new();
        if case.name != BASE {
            let base = File::read(&path(BASE))?;
            facts = base.facts.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
            if file.base != Some(digest_of(&facts)) {
                return Err("the base has changed since the peer's result was recorded: run `make parity-record`".into());
            }
        }
        for (name, value) in &file.facts {
            match text(value) {
                Some(text) => facts.insert(name.clone(), text),
                None => facts.remove(name),
            };
        }
        Ok(Self { status: file.status, facts })
    }

    /// Records it. The base must have been written before.
    pub fn write(&self, case: &Case) {
        let mut facts: BTreeMap<&str, Value> = self.facts.iter().map(|(name, value)| (name.as_str(), value_of(value))).collect();
        let mut head = format!("  \"input\": \"{}\",\n", case.digest());
        let base = Case::all().into_iter().find(|case| case.name == BASE).unwrap();
        let base = if case.name == BASE { Facts::new() } else { Self::read(&base).unwrap().facts };
        for (name, value) in &base {
            if self.facts.get(name) == Some(value) {
                facts.remove(name.as_str());
            } else if !self.facts.contains_key(name) {
                facts.insert(name, Value::Null);
            }
        }
        if case.name != BASE {
            head += &format!("  \"base\": \"{}\",\n", digest_of(&base));
        }
        head += &format!("  \"status\": {},\n", Value::from(self.status.as_str()));
        let facts: Vec<_> = facts.iter().map(|(name, value)| line(name, value)).collect();
        let text = format!("{{\n{head}  \"facts\": {{\n{}\n  }}\n}}\n", facts.join(",\n"));
        let path = path(&case.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// The base is recorded first.
pub fn is_base(case: &Case) -> bool {
    case.name == BASE
}

fn path(name: &str) -> PathBuf {
    let name = if name == BASE { "BASE" } else { name };
    directory_of_suite().join(format!("peer/{name}.json"))
}

fn digest_of(facts: &Facts) -> String {
    let mut hash = Sha256::new();
    for (name, value) in facts {
        hash.update(format!("{name}\0{value}\0"));
    }
    hex(&hash.finalize())[..16].to_owned()
}

/// A value of several lines is a list of them; null says that a fact of the base is not there.
fn value_of(text: &str) -> Value {
    if text.contains('\n') {
        Value::Array(text.split('\n').map(Value::from).collect())
    } else {
        Value::from(text)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(lines) => {
            let lines: Vec<_> = lines.iter().map(|line| line.as_str().unwrap_or("")).collect();
            Some(lines.join("\n"))
        }
        other => other.as_str().map(str::to_owned),
    }
}

fn line(name: &str, value: &Value) -> String {
    let value = match value {
        Value::Array(lines) => {
            let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            format!("[\n      {}\n    ]", lines.join(",\n      "))
        }
        other => other.to_string(),
    };
    format!("    {}: {value}", Value::from(name))
}
