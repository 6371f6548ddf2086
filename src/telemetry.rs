//! What landfall says while it works: to stderr, its log file, journald and the console, through one seam that redacts.
//!
//! Code says things with `tracing`'s macros, or with [`say`] where a person watching the boot should see them. Events carry
//! their place as the fields `landfall.run`, `landfall.phase`, `landfall.step`, `landfall.attempt` and `landfall.error`, which journald shows as
//! `LANDFALL_RUN` and so on. Other fields are for stderr and the log file.
//!
//! The log file gets `info` and above, but only once [`keep_log`] says that this process changes something that lasts, or
//! something went wrong: a boot with nothing to do writes nothing to the disk. Until then its lines wait in memory.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use tracing::field::{Field, Value, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::host::log::LogFile;
use crate::host::Host;
use crate::redact::Redactor;

/// Where lines for a person go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lines {
    /// Nowhere: the command prints its own answer.
    #[default]
    Nowhere,
    /// The console: a unit runs, a person may watch the boot.
    Console,
    /// stderr: a person started the run.
    Stderr,
}

/// What to set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// -1 for `-q`, 0, then one for each `-v`.
    pub verbosity: i8,
    /// Log file and journald too: the command acts on the host.
    pub records: bool,
    /// Where [`say`] puts its lines.
    pub lines: Lines,
}

/// Which part of a run an event is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// Run id.
    pub run: Option<&'a str>,
    /// Phase.
    pub phase: Option<&'a str>,
    /// Step id.
    pub step: Option<&'a str>,
    /// Which attempt at the step, from 1.
    pub attempt: Option<u64>,
    /// Failure kind, as in `E_NETWORK`.
    pub error: Option<&'a str>,
}

struct Shared {
    host: Host,
    lines: Lines,
    redactor: RwLock<Redactor>,
    log: Option<Mutex<Log>>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
/// Target of what [`say`] has already shown on stderr.
const SAID: &str = "landfall::said";

/// Starts telemetry. The first call counts; journald that is not there is fine.
pub fn start(setup: &Setup, host: &Host) {
    let log = setup.records.then(|| Mutex::new(Log::Waiting(String::new())));
    let shared = Shared { host: host.clone(), lines: setup.lines, redactor: RwLock::default(), log };
    if SHARED.set(shared).is_err() {
        return;
    }
    let journald = setup.records.then(journald_layer).flatten();
    let heard_by_journald = journald.is_some() && std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal();
    let variable = |name: &str| std::env::var(name).ok();
    let sinks = Sinks {
        stderr: (!heard_by_journald).then(|| stderr_filter(setup.verbosity, variable("RUST_LOG").as_deref())),
        journald: journald.map(|layer| (layer, record_filter(variable("LANDFALL_LOG_JOURNAL").as_deref()))),
        file: setup.records.then(|| record_filter(variable("LANDFALL_LOG_FILE").as_deref())),
    };
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(sinks));
}

/// From here on these values are masked too, wherever landfall says something.
pub fn redact(redactor: Redactor) {
    if let Some(shared) = SHARED.get() {
        *shared.redactor.write().unwrap_or_else(PoisonError::into_inner) = redactor;
    }
}

/// This process changes something that lasts: its log is written from here on, what has waited first.
pub fn keep_log() {
    if let Some(shared) = SHARED.get() {
        shared.write_log("", true);
    }
}

impl Shared {
    /// Adds a line to the log file, or to what waits for it.
    fn write_log(&self, line: &str, keep: bool) {
        let Some(log) = &self.log else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = match &mut *log {
            Log::Waiting(lines) if !keep => {
                lines.push_str(line);
                return;
            }
            Log::Waiting(lines) => {
                let lines = std::mem::take(lines);
                *log = self.host.open_log_file().map_or(Log::Unusable, Log::Open);
                lines
            }
            _ => String::new(),
        };
        let lines = waited + line;
        if let (Log::Open(file), false) = (&mut *log, lines.is_empty()) {
            // A full disk must not stop the run; journald has the line.
            let _ = file.append(&lines);
        }
    }
}

/// `text` with secrets masked, as every sink gets it.
pub fn redacted(text: &str) -> String {
    match SHARED.get() {
        Some(shared) => shared.redactor.read().unwrap_or_else(PoisonError::into_inner).apply(text),
        None => crate::redact::patterns(text),
    }
}

/// Says something a person watching should see: on the console or stderr as [`Setup::lines`] has it, and as an event.
pub fn say(level: Level, place: Place<'_>, text: &str) {
    let text = redacted(text);
    if let Some(shared) = SHARED.get() {
        match shared.lines {
            Lines::Nowhere => {}
            Lines::Console => shared.host.console_line(&text),
            Lines::Stderr => to_stderr(&text),
        }
    }
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(
                target: SAID,
                $level,
                landfall.run = place.run,
                landfall.phase = place.phase,
                landfall.step = place.step,
                landfall.attempt = place.attempt,
                landfall.error = place.error,
                "{text}"
            )
        };
    }
    match level {
        Level::ERROR => event!(Level::ERROR),
        Level::WARN => event!(Level::WARN),
        Level::INFO => event!(Level::INFO),
        _ => event!(Level::DEBUG),
    }
}

fn journald_layer() -> Option<tracing_journald::Layer> {
    use tracing_journald::{Priority, PriorityMappings};
    let mappings = PriorityMappings { info: Priority::Informational, debug: Priority::Debug, ..PriorityMappings::new() };
    let layer = tracing_journald::layer().ok()?;
    Some(layer.with_field_prefix(None).with_syslog_identifier("landfall".into()).with_priority_mappings(mappings))
}

/// What journald and the log file get: `info` and above of landfall's own, or what a variable says in the form of `RUST_LOG`.
fn record_filter(said: Option<&str>) -> Targets {
    said.and_then(|text| text.parse().ok()).unwrap_or_else(|| Targets::new().with_target("landfall", LevelFilter::INFO))
}

/// `RUST_LOG` decides where it is set and can be read, the switches otherwise.
fn stderr_filter(verbosity: i8, rust_log: Option<&str>) -> Targets {
    let level = match verbosity {
        i8::MIN..=-1 => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    rust_log.and_then(|text| text.parse().ok()).unwrap_or_else(|| Targets::new().with_target("landfall", level))
}

fn to_stderr(text: &str) {
    // A closed stderr is nobody's concern.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

enum Log {
    /// Lines that may still turn out not to be worth a write.
    Waiting(String),
    Open(LogFile),
    Unusable,
}

/// The one layer: every event is redacted here, then given to each sink.
struct Sinks {
    stderr: Option<Targets>,
    journald: Option<(tracing_journald::Layer, Targets)>,
    file: Option<Targets>,
}

fn passes(filter: &Targets, metadata: &Metadata<'_>) -> bool {
    filter.would_enable(metadata.target(), metadata.level())
}

impl Sinks {
    fn in_journal(&self, metadata: &Metadata<'_>) -> Option<&tracing_journald::Layer> {
        self.journald.as_ref().filter(|(_, filter)| passes(filter, metadata)).map(|(layer, _)| layer)
    }

    fn in_file(&self, metadata: &Metadata<'_>) -> bool {
        self.file.as_ref().is_some_and(|filter| passes(filter, metadata))
    }

    fn on_stderr(&self, metadata: &Metadata<'_>) -> bool {
        let said = metadata.target() == SAID && SHARED.get().is_some_and(|shared| shared.lines == Lines::Stderr);
        !said && self.stderr.as_ref().is_some_and(|filter| passes(filter, metadata))
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Sinks {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.in_file(metadata) || self.in_journal(metadata).is_some() || self.on_stderr(metadata)
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let is_said = metadata.target() == SAID;
        for (field, text) in &mut fields.values {
            // What is said comes masked.
            if !(is_said && field.name() == "message") {
                *text = redacted(text);
            }
        }
        if self.on_stderr(metadata) {
            let level = metadata.level().as_str().to_ascii_lowercase();
            to_stderr(&format!("{level}: {}", fields.line(false)));
        }
        if let Some(shared) = SHARED.get().filter(|_| self.in_file(metadata)) {
            let now = clock::rfc3339(Host::default().now());
            let line = format!("{now} {:5} {}\n", metadata.level(), fields.line(true));
            shared.write_log(&line, *metadata.level() == Level::ERROR);
        }
        if let Some(journald) = self.in_journal(metadata) {
            fields.replay(metadata, |event| journald.on_event(event, context.clone()));
        }
    }
}

/// An event's fields as text.
#[derive(Default)]
struct Fields {
    values: Vec<(Field, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.values.push((field.clone(), value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.push((field.clone(), value.to_string()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.values.push((field.clone(), format!("{value:?}")));
    }
}

impl Fields {
    /// The message, then the other fields as `name=value`; landfall's own only with `places`.
    fn line(&self, places: bool) -> String {
        let mut line = String::new();
        for (field, value) in &self.values {
            if field.name() == "message" {
                line.insert_str(0, value);
            } else if places || !field.name().starts_with("landfall.") {
                let name = field.name().trim_start_matches("landfall.");
                let _ = write!(line, " {name}={value}");
            }
        }
        line.replace('\n', "\n    ")
    }

    /// The same event again with these values.
    fn replay(&self, metadata: &'static Metadata<'static>, then: impl FnOnce(&Event<'_>)) {
        const MOST: usize = 12;
        let Some((first, _)) = self.values.first() else { return };
        let mut array: [(&Field, Option<&dyn Value>); MOST] = [(first, None); MOST];
        for (slot, (field, value)) in array.iter_mut().zip(&self.values) {
            *slot = (field, Some(value as &dyn Value));
        }
        then(&Event::new(metadata, &metadata.fields().value_set(&array)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_decides_before_the_switches_and_each_record_has_its_own() {
        let shown = |verbosity, rust_log, level: Level| stderr_filter(verbosity, rust_log).would_enable("landfall::engine", &level);
        assert!(shown(0, None, Level::WARN) && !shown(0, None, Level::INFO));
        assert!(!shown(-1, None, Level::WARN) && shown(2, None, Level::DEBUG));
        let recorded = |said, level: Level| record_filter(said).would_enable("landfall::engine", &level);
        assert!(recorded(None, Level::INFO) && !recorded(None, Level::DEBUG));
        assert!(recorded(Some("debug"), Level::DEBUG) && !recorded(Some("off"), Level::ERROR));
        assert!(shown(0, Some("landfall::engine=trace"), Level::TRACE) && !shown(2, Some("off"), Level::ERROR));
    }

    #[test]
    fn the_log_is_written_once_there_is_something_to_keep() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("var/log")).expect("mkdir");
        std::fs::write(dir.path().join("var/log/landfall.log"), "").expect("log");
        let log = Some(Mutex::new(Log::Waiting(String::new())));
        let shared = Shared { host: Host::rooted(dir.path()), lines: Lines::Nowhere, redactor: RwLock::default(), log };
        let text = || std::fs::read_to_string(dir.path().join("var/log/landfall.log")).expect("read");
        shared.write_log("one\n", false);
        assert_eq!(text(), "");
        shared.write_log("", true);
        assert_eq!(text(), "one\n");
        shared.write_log("two\n", false);
        assert_eq!(text(), "one\ntwo\n");
    }

    #[test]
    fn an_event_reaches_a_sink_with_its_secrets_masked_and_its_fields_named() {
        use std::sync::Arc;

        #[derive(Default, Clone)]
        struct Seen(Arc<Mutex<Vec<String>>>);
        struct Replaying(Seen);
        impl<S: Subscriber> Layer<S> for Replaying {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                let mut fields = Fields::default();
                event.record(&mut fields);
                for (_, text) in &mut fields.values {
                    *text = redacted(text);
                }
                fields.replay(event.metadata(), |event| {
                    let mut again = Fields::default();
                    event.record(&mut again);
                    self.0 .0.lock().expect("lock").push(again.line(true));
                });
            }
        }
        let seen = Seen::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Replaying(seen.clone())), || {
            say(Level::INFO, Place { step: Some("runcmd/1"), ..Place::default() }, "runs --password=hunter2");
        });
        assert_eq!(*seen.0.lock().expect("lock"), ["runs --password=*** step=runcmd/1"]);
    }
}
