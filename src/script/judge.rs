//! What an item leaves behind in the shell.

use super::lex::Word;
use super::parse::{parse, Command, Simple, Statement};

/// Whether they are all definitions, and there is one.
pub(super) fn are_definitions(statements: &[Statement]) -> bool {
    !statements.is_empty() && statements.iter().all(defines)
}

fn defines(statement: &Statement) -> bool {
    let [command] = statement.pipeline.as_slice() else { return false };
    if statement.background || statement.conditional {
        return false;
    }
    match command {
        Command::Function { .. } => true,
        Command::Compound { .. } => false,
        Command::Simple(simple) => defines_simply(simple),
    }
}

fn defines_simply(simple: &Simple) -> bool {
    let [name, arguments @ ..] = simple.words.as_slice() else { return false };
    let targets = simple.redirects.iter().map(|redirect| &redirect.target);
    let fixed = |word: &Word| !word.expands && word.commands.is_empty();
    if !simple.assignments.is_empty() || name.quoted || !simple.words.iter().chain(targets).all(fixed) {
        return false;
    }
    match name.value.as_str() {
        "exec" => {
            let plain = simple.redirects.iter().all(|redirect| redirect.body.is_none());
            arguments.is_empty() && !simple.redirects.is_empty() && plain
        }
        "alias" => simple.redirects.is_empty() && !arguments.is_empty() && arguments.iter().all(|word| word.value.contains('=')),
        "set" | "trap" | "ulimit" => simple.redirects.is_empty() && !arguments.is_empty(),
        _ => false,
    }
}

/// What of their effects on the shell a resumed run could not bring back, in words.
pub(super) fn lost_state(statements: &[Statement]) -> Vec<String> {
    let mut lost = Vec::new();
    collect(statements, &mut lost, 0);
    let mut seen = std::collections::BTreeSet::new();
    lost.retain(|state| seen.insert(state.clone()));
    lost
}

/// Deepest nesting of `eval` that is followed.
const DEEPEST: usize = 4;

fn collect(statements: &[Statement], lost: &mut Vec<String>, depth: usize) {
    for statement in statements {
        if statement.background {
            lost.push("background job".to_owned());
            continue;
        }
        // The commands of a pipeline run in shells of their own: they leave nothing behind.
        let [command] = statement.pipeline.as_slice() else { continue };
        match command {
            Command::Function { name, .. } => lost.push(format!("function {name}")),
            Command::Compound { subshell: true, .. } => {}
            Command::Compound { inside, .. } => collect(inside, lost, depth),
            Command::Simple(simple) => collect_simple(simple, lost, depth),
        }
    }
}

fn collect_simple(simple: &Simple, lost: &mut Vec<String>, depth: usize) {
    let [name, arguments @ ..] = simple.words.as_slice() else { return };
    match name.value.as_str() {
        "alias" => {
            let names = arguments.iter().filter_map(|word| word.value.split_once('='));
            lost.extend(names.map(|(name, _)| format!("alias {name}")));
        }
        "trap" if arguments.len() > 1 && arguments[0].value != "-" => {
            lost.extend(arguments[1..].iter().map(|signal| format!("trap on {}", signal.value)));
        }
        "exec" if arguments.is_empty() && !simple.redirects.is_empty() => lost.push("redirection by exec".to_owned()),
        "ulimit" if !arguments.is_empty() => lost.push("ulimit".to_owned()),
        "." => lost.extend(arguments.first().map(|file| format!("functions of {}", file.value))),
        "eval" if depth < DEEPEST => {
            let text: Vec<&str> = arguments.iter().map(|word| word.value.as_str()).collect();
            if let Ok(statements) = parse(&text.join(" ")) {
                collect(&statements, lost, depth + 1);
            }
        }
        _ => {}
    }
}
