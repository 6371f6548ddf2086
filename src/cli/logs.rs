//! `landfall logs`: landfall's own log, or what one step said.

use std::time::Duration;

use clap::Args;

use crate::error::exit;
use crate::host::log::LOG_FILE;
use crate::host::Host;

use super::{out, recorded, Answer, Refusal, TextOrJson};

/// `landfall logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The step whose output is shown; landfall's log where it is left out
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// The last N lines only
    #[arg(long, short = 'n', value_name = "N")]
    lines: Option<usize>,
    /// Go on as it grows
    #[arg(long, short, conflicts_with_all = ["step", "format"])]
    follow: bool,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

impl LogsArgs {
    fn print(&self, text: &str) -> Answer {
        let text = last(text, self.lines);
        match self.format {
            TextOrJson::Text => {
                out::print(text);
                Ok(exit::OK)
            }
            TextOrJson::Json => out::json(&serde_json::json!({ "lines": text.lines().collect::<Vec<_>>() })),
        }
    }
}

/// Shows them.
pub fn logs(args: &LogsArgs, host: &Host) -> Answer {
    match &args.step {
        Some(step) => show_step(step, args, host),
        None => show_log(args, host),
    }
}

fn show_step(id: &str, args: &LogsArgs, host: &Host) -> Answer {
    super::refusal::require_root(&format!("logs {id}"))?;
    let recorded = recorded::load(host)?;
    let step = recorded.step(id)?;
    args.print(&recorded.output(step, host).unwrap_or_default())
}

fn show_log(args: &LogsArgs, host: &Host) -> Answer {
    let read = || host.read_text(LOG_FILE).map_err(|error| unreadable(&error));
    let Some(text) = read()? else {
        if !args.follow {
            return Err(Refusal::new(exit::FAILED, format!("{LOG_FILE} does not exist: landfall has not run on this host")));
        }
        return follow(String::new(), &read);
    };
    let printed = args.print(&text)?;
    if args.follow {
        follow(text, &read)
    } else {
        Ok(printed)
    }
}

/// Prints what is added, for ever. A log that became shorter was rotated and is begun anew.
fn follow(mut seen: String, read: &dyn Fn() -> Result<Option<String>, Refusal>) -> Answer {
    loop {
        std::thread::sleep(Duration::from_millis(250));
        let Some(text) = read()? else { continue };
        if text.len() != seen.len() {
            let added = text.strip_prefix(seen.as_str()).unwrap_or(&text);
            if !out::print_or_gone(added) {
                return Ok(exit::OK);
            }
            seen = text;
        }
    }
}

fn last(text: &str, lines: Option<usize>) -> &str {
    let Some(lines) = lines else { return text };
    let body = text.strip_suffix('\n').unwrap_or(text);
    let start = body.rmatch_indices('\n').nth(lines.saturating_sub(1)).map_or(0, |(at, _)| at + 1);
    if lines == 0 {
        ""
    } else {
        &text[start..]
    }
}

fn unreadable(error: &std::io::Error) -> Refusal {
    let exit = if error.kind() == std::io::ErrorKind::PermissionDenied { exit::NEEDS_ROOT } else { exit::FAILED };
    Refusal::new(exit, format!("{LOG_FILE}: {error}")).help("root and the group adm may read it")
}

#[cfg(test)]
mod tests {
    use super::last;

    #[test]
    fn the_last_lines_are_whole_lines() {
        for (text, lines, expected) in [
            ("a\nb\nc\n", Some(2), "b\nc\n"),
            ("a\nb\nc", Some(1), "c"),
            ("a\nb\n", Some(9), "a\nb\n"),
            ("a\nb\n", Some(0), ""),
            ("", Some(3), ""),
            ("a\nb\n", None, "a\nb\n"),
        ] {
            assert_eq!(last(text, lines), expected, "{text:?} {lines:?}");
        }
    }
}
