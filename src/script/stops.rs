//! Whether an item stops the machine: in command position, also behind `sudo` and its like, inside `sh -c`, `eval`, substitutions
//! and here-documents for a shell.

use super::lex::Word;
use super::parse::{parse, Command, Simple, Statement};
use crate::plan::operation::StopsMachine;

/// Deepest nesting of `sh -c` and its like that is followed.
const DEEPEST: usize = 6;

fn in_text(text: &str, depth: usize) -> Option<StopsMachine> {
    if depth > DEEPEST {
        return None;
    }
    match parse(text) {
        Ok(statements) => in_statements(&statements, depth),
        Err(_) => by_words(text),
    }
}

/// The more violent of two findings.
fn worse(a: Option<StopsMachine>, b: Option<StopsMachine>) -> Option<StopsMachine> {
    match (a, b) {
        (Some(StopsMachine::Forced), _) | (_, Some(StopsMachine::Forced)) => Some(StopsMachine::Forced),
        (a, b) => a.or(b),
    }
}

pub(super) fn in_statements(statements: &[Statement], depth: usize) -> Option<StopsMachine> {
    statements.iter().fold(None, |found, statement| worse(found, in_pipeline(&statement.pipeline, depth)))
}

fn in_pipeline(pipeline: &[Command], depth: usize) -> Option<StopsMachine> {
    let mut found = pipeline.iter().fold(None, |found, command| worse(found, in_command(command, depth)));
    // `echo b | sudo tee /proc/sysrq-trigger`
    let writes = pipeline.iter().any(|command| matches!(command, Command::Simple(simple) if simple.words.iter().any(is_sysrq)));
    if writes && pipeline.iter().any(says_stop) {
        found = Some(StopsMachine::Forced);
    }
    found
}

fn in_command(command: &Command, depth: usize) -> Option<StopsMachine> {
    match command {
        Command::Function { body, .. } => in_command(body, depth),
        Command::Compound { inside, redirects, .. } => {
            let sysrq = redirects.iter().any(|redirect| is_sysrq(&redirect.target)).then_some(StopsMachine::Forced);
            worse(sysrq, in_statements(inside, depth))
        }
        Command::Simple(simple) => in_simple(simple, depth),
    }
}

fn is_sysrq(word: &Word) -> bool {
    word.value.ends_with("/sysrq-trigger")
}

/// Letters that make sysrq reboot, power off or crash.
fn says_stop(command: &Command) -> bool {
    let Command::Simple(simple) = command else { return false };
    simple.words.iter().skip(1).any(|word| ["b", "o", "c", "b\\n"].contains(&word.value.as_str()))
}

fn in_simple(simple: &Simple, depth: usize) -> Option<StopsMachine> {
    let mut found = None;
    for text in simple.words.iter().chain(&simple.assignments).flat_map(|word| &word.commands) {
        found = worse(found, in_text(text, depth + 1));
    }
    if simple.redirects.iter().any(|redirect| is_sysrq(&redirect.target)) && says_stop(&Command::Simple(simple.clone())) {
        found = Some(StopsMachine::Forced);
    }
    let words: Vec<&str> = simple.words.iter().map(|word| word.value.as_str()).collect();
    let here_document = simple.redirects.iter().find_map(|redirect| redirect.body.as_deref());
    worse(found, in_words(&words, here_document, depth))
}

/// Judges name and arguments, after taking off what only runs another command.
fn in_words(words: &[&str], here_document: Option<&str>, depth: usize) -> Option<StopsMachine> {
    let [name, arguments @ ..] = words else { return None };
    let name = name.rsplit('/').next().unwrap_or(name);
    if depth > DEEPEST {
        return None;
    }
    match name {
        "sudo" | "doas" | "nohup" | "exec" | "command" | "env" | "nice" | "ionice" | "setsid" | "timeout" | "time" | "busybox"
        | "systemd-run" | "chronic" | "stdbuf" | "unbuffer" => behind(arguments, here_document, depth),
        "sh" | "dash" | "bash" | "ash" | "su" => {
            let given = arguments.iter().position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'));
            match given.and_then(|at| arguments.get(at + 1)) {
                Some(text) => in_text(text, depth + 1),
                None => here_document.and_then(|text| in_text(text, depth + 1)),
            }
        }
        "eval" => in_text(&arguments.join(" "), depth + 1),
        "reboot" | "poweroff" | "halt" => halting(arguments),
        "shutdown" => (!has_flag(arguments, 'c', "--help") && !has_flag(arguments, 'k', "--show")).then_some(StopsMachine::Orderly),
        "init" | "telinit" => arguments.iter().any(|word| ["0", "6"].contains(word)).then_some(StopsMachine::Orderly),
        "systemctl" | "loginctl" => by_systemd(arguments),
        "kexec" => has_flag(arguments, 'e', "--exec").then_some(StopsMachine::Forced),
        _ => None,
    }
}

/// The command that `sudo -u root NAME=value reboot` and its like run: which options take a value is not known for all of
/// these programs, so each place after the first is tried.
fn behind(arguments: &[&str], here_document: Option<&str>, depth: usize) -> Option<StopsMachine> {
    const PLACES: usize = 8;
    let plain = |word: &str| !word.starts_with('-') && !word.contains('=');
    let starts = (0..arguments.len()).filter(|at| plain(arguments[*at])).take(PLACES);
    starts.fold(None, |found, at| match found {
        None => {
            // Only options, values and assignments may stand before it; an argument of another command does not count.
            let options_before = arguments[..at].iter().enumerate().all(|(i, word)| !plain(word) || value_of_option(arguments, i));
            if options_before {
                in_words(&arguments[at..], here_document, depth + 1)
            } else {
                None
            }
        }
        found => found,
    })
}

fn value_of_option(arguments: &[&str], at: usize) -> bool {
    let duration = arguments[at].starts_with(|c: char| c.is_ascii_digit());
    duration || (at > 0 && arguments[at - 1].starts_with('-') && !arguments[at - 1].contains('='))
}

fn has_flag(arguments: &[&str], short: char, long: &str) -> bool {
    arguments.iter().any(|word| *word == long || (word.starts_with('-') && !word.starts_with("--") && word.contains(short)))
}

/// halt(8): once `--force` is enough for no unit to be stopped.
fn halting(arguments: &[&str]) -> Option<StopsMachine> {
    if has_flag(arguments, 'w', "--wtmp-only") || arguments.contains(&"--help") || arguments.contains(&"--version") {
        None
    } else if has_flag(arguments, 'f', "--force") {
        Some(StopsMachine::Forced)
    } else {
        Some(StopsMachine::Orderly)
    }
}

fn by_systemd(arguments: &[&str]) -> Option<StopsMachine> {
    const VERBS: [&str; 5] = ["reboot", "poweroff", "halt", "kexec", "soft-reboot"];
    const TARGETS: [&str; 4] = ["reboot.target", "poweroff.target", "halt.target", "shutdown.target"];
    let elsewhere = has_flag(arguments, 'H', "--host") || arguments.iter().any(|word| word.starts_with("--host="));
    let verb = arguments.iter().find(|word| !word.starts_with('-'))?;
    let direct = VERBS.contains(verb);
    let by_target = ["start", "isolate"].contains(verb) && arguments.iter().any(|word| TARGETS.contains(word));
    if elsewhere || !(direct || by_target) {
        None
    } else if direct && has_flag(arguments, 'f', "--force") {
        Some(StopsMachine::Forced)
    } else {
        Some(StopsMachine::Orderly)
    }
}

/// Text that is not understood: the words alone.
pub(super) fn by_words(text: &str) -> Option<StopsMachine> {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || ";&|()`'\"{}<>".contains(c)).filter(|word| !word.is_empty()).collect();
    if words.iter().any(|word| word.ends_with("/sysrq-trigger")) {
        return Some(StopsMachine::Forced);
    }
    (0..words.len()).fold(None, |found, at| {
        let name = words[at].rsplit('/').next().unwrap_or(words[at]);
        match name {
            "reboot" | "poweroff" | "halt" | "shutdown" | "systemctl" => {
                worse(found, in_words(&words[at..words.len().min(at + 5)], None, DEEPEST))
            }
            _ => found,
        }
    })
}
