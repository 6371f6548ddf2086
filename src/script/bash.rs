//! What only bash has, in text that Debian's `/bin/sh`, which is dash, is going to read.

use super::parse::{Command, Simple, Statement};
use crate::ordered::sort_by;

/// Commands that are bash's own.
const COMMANDS: [&str; 10] = ["[[", "source", "function", "pushd", "popd", "shopt", "declare", "typeset", "mapfile", "readarray"];

/// What of it a text uses, each once.
pub(super) fn of(statements: &[Statement]) -> Vec<&'static str> {
    let mut found = Vec::new();
    collect(statements, &mut found);
    sort_by(&mut found, Ord::cmp);
    found.dedup();
    found
}

fn collect(statements: &[Statement], found: &mut Vec<&'static str>) {
    let mut before: Option<&Statement> = None;
    for statement in statements {
        // dash reads `command &> file` as a command in the background, and an empty one whose file is made.
        let leads_nowhere = |command: &Command| matches!(command, Command::Simple(simple) if is_bare_redirect(simple));
        if before.is_some_and(|before| before.background) && statement.pipeline.first().is_some_and(leads_nowhere) {
            found.push("&>");
        }
        before = Some(statement);
    }
    for command in statements.iter().flat_map(|statement| &statement.pipeline) {
        match command {
            Command::Simple(simple) => {
                let name = simple.words.first().map(|word| word.value.as_str());
                found.extend(COMMANDS.iter().find(|only| name == Some(**only)));
                if sets_pipefail(simple) {
                    found.push("set -o pipefail");
                }
            }
            Command::Function { body, .. } => {
                if let Command::Compound { inside, .. } = &**body {
                    collect(inside, found);
                }
            }
            Command::Compound { inside, .. } => collect(inside, found),
        }
    }
}

/// As in `set -euo pipefail`.
fn sets_pipefail(simple: &Simple) -> bool {
    let words: Vec<&str> = simple.words.iter().map(|word| word.value.as_str()).take_while(|word| *word != "--").collect();
    words.first() == Some(&"set") && words.windows(2).any(|two| two[0].starts_with('-') && two[0].ends_with('o') && two[1] == "pipefail")
}

fn is_bare_redirect(simple: &Simple) -> bool {
    simple.words.is_empty() && simple.assignments.is_empty() && !simple.redirects.is_empty()
}
