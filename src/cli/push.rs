//! `landfall push`: apply user-data on other machines over ssh, a few at a time.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use serde_json::json;

use crate::clock;
use crate::error::exit;
use crate::push::{self, Job, Pushed};

use super::{out, Answer, Refusal, TextOrJson};

/// `landfall push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Machines, as ssh takes them: `web1`, `admin@web1`, an alias of ~/.ssh/config
    #[arg(value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// User-data: a path, an http(s) address, or - for stdin
    #[arg(short, long, value_name = "FILE")]
    file: String,
    /// Users to try, in this order; without it ssh's own choice, then root, debian, ubuntu, admin
    #[arg(short, long, value_name = "USER", value_delimiter = ',')]
    user: Vec<String>,
    /// How many machines at once
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Install this package where the machine has not its version; without it landfall is copied to machines that have none
    #[arg(long, value_name = "FILE")]
    deb: Option<String>,
    /// An option for ssh, as its -o takes it
    #[arg(short = 'o', long, value_name = "OPTION")]
    ssh_option: Vec<String>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// Pushes.
pub fn push(args: &PushArgs, quiet: bool) -> Answer {
    let mut hosts: Vec<&str> = Vec::new();
    for host in &args.hosts {
        if host.starts_with('-') || host.is_empty() {
            return Err(Refusal::new(exit::USAGE, format!("`{host}` is no machine")));
        }
        if !hosts.contains(&host.as_str()) {
            hosts.push(host);
        }
    }
    let user_data = super::input::read(&args.file)?;
    let package = args.deb.as_deref().map(super::input::read).transpose()?;
    let job = Job { user_data: &user_data, users: &args.user, options: &args.ssh_option, package: package.as_deref() };
    let board = Board::new(&hosts, quiet);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Pushed>>> = Mutex::new(vec![None; hosts.len()]);
    std::thread::scope(|scope| {
        for _ in 0..hosts.len().min(usize::from(args.jobs)) {
            scope.spawn(|| loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(host) = hosts.get(at) else { break };
                let pushed = push::push(host, &job, &mut |line| board.hears(at, line));
                board.hears(at, pushed.end.name());
                results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(pushed);
            });
        }
    });
    board.ends();
    let results: Vec<Pushed> = results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect();
    match args.format {
        TextOrJson::Json => drop(out::json(&json!({ "hosts": results.iter().map(as_json).collect::<Vec<_>>() }))?),
        TextOrJson::Text => out::print(&table(&results)),
    }
    Ok(if results.iter().all(|pushed| pushed.end.is_good()) { exit::OK } else { exit::FAILED })
}

fn as_json(pushed: &Pushed) -> serde_json::Value {
    json!({
        "host": pushed.host, "user": pushed.user, "state": pushed.end.name(), "exit": pushed.exit, "seconds": pushed.seconds,
        "message": pushed.message, "status": pushed.status,
    })
}

fn table(results: &[Pushed]) -> String {
    let width = results.iter().map(|pushed| pushed.host.len()).max().unwrap_or(0).max("HOST".len());
    let mut text = format!("{:width$}  {:11}  {:>10}  {}\n", "HOST", "STATE", "TIME", "");
    for pushed in results {
        let time = clock::span(pushed.seconds as f64);
        let _ = write!(text, "{:width$}  {:11}  {time:>10}  {}", pushed.host, pushed.end.name(), pushed.message);
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let good = results.iter().filter(|pushed| pushed.end.is_good()).count();
    let _ = writeln!(text, "{good} of {} are as the user-data says", results.len());
    text
}

/// What goes on, a line for each machine: drawn anew on a terminal, one after the other elsewhere.
struct Board<'h> {
    hosts: &'h [&'h str],
    width: usize,
    live: bool,
    quiet: bool,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    last: Vec<String>,
    drawn: bool,
}

impl<'h> Board<'h> {
    fn new(hosts: &'h [&'h str], quiet: bool) -> Self {
        let width = hosts.iter().map(|host| host.len()).max().unwrap_or(0);
        let lines = Mutex::new(Lines { last: vec![String::new(); hosts.len()], drawn: false });
        // More lines than a terminal shows cannot be drawn over.
        Self { hosts, width, live: std::io::stderr().is_terminal() && hosts.len() <= 20, quiet, lines }
    }

    fn hears(&self, at: usize, line: &str) {
        let line = line.strip_prefix("landfall: ").unwrap_or(line).trim_end();
        if self.quiet || line.trim().is_empty() {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        line.clone_into(&mut lines.last[at]);
        let row = |at: usize, line: &str| format!("{:width$}  {line}\n", self.hosts[at], width = self.width);
        if !self.live {
            out::complain(&row(at, line));
            return;
        }
        let mut text = if lines.drawn { format!("\x1b[{}A", self.hosts.len()) } else { String::new() };
        for (at, line) in lines.last.iter().enumerate() {
            let short: String = row(at, line).trim_end().chars().take(79).collect();
            let _ = writeln!(text, "\x1b[2K{short}");
        }
        lines.drawn = true;
        out::complain(&text);
    }

    /// The table that follows says more.
    fn ends(&self) {
        if self.lines.lock().unwrap_or_else(PoisonError::into_inner).drawn {
            out::complain(&format!("\x1b[{}A\x1b[J", self.hosts.len()));
        }
    }
}
