//! `landfall analyze`: what the recorded run took, step by step: time, processor, memory, bytes written, attempts.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::amount::size;
use crate::clock;
use crate::engine::summary::{State, StepResult, StepSummary, Summary};
use crate::error::exit;
use crate::host::usage::Tightest;
use crate::host::Host;
use crate::plan::Stage;

use super::status::result_word;
use super::{out, recorded, Answer, TextOrJson};
use crate::ordered::{sort_by, sort_by_key};

/// `landfall analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// In the order of the run, where it is left out
    #[arg(value_name = "HOW", value_enum)]
    how: Option<How>,
    /// How it is printed; the plot is SVG unless JSON is asked for
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// The longest step first
    Blame,
    /// As an SVG picture
    Plot,
}

/// What was taken, for people and programs both.
#[derive(Debug, Serialize)]
struct Analysis {
    state: State,
    /// Steps without a result yet.
    open: usize,
    stages: Vec<Sum>,
    total: Sum,
    steps: Vec<Row>,
}

/// Steps taken together.
#[derive(Clone, Debug, Default, Serialize)]
struct Sum {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    steps: usize,
    elapsed_ms: u64,
    cpu_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_kib: Option<u64>,
    written_bytes: u64,
    #[serde(flatten)]
    host: Tightest,
    attempts: u32,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
struct Row {
    id: String,
    stage: Stage,
    description: String,
    result: StepResult,
    unchanged: bool,
    /// The boot it ended in, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<usize>,
    /// Seconds between that boot and its begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_at: Option<f64>,
    elapsed_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_bytes: Option<u64>,
    #[serde(flatten)]
    host: Tightest,
    attempts: u32,
}

/// Shows it.
pub fn analyze(args: &AnalyzeArgs, host: &Host) -> Answer {
    let recorded = recorded::load(host)?;
    let mut analysis = Analysis::of(&recorded.summary);
    if args.how == Some(How::Blame) {
        sort_by_key(&mut analysis.steps, |row| std::cmp::Reverse(row.elapsed_ms));
    }
    match (args.format, args.how) {
        (TextOrJson::Json, _) => return out::json(&analysis),
        (TextOrJson::Text, Some(How::Plot)) => out::print(&plot(&analysis.steps)),
        (TextOrJson::Text, how) => out::print(&analysis.render(how.is_none())),
    }
    Ok(exit::OK)
}

impl Analysis {
    fn of(summary: &Summary) -> Self {
        let mut boots: Vec<&str> = Vec::new();
        let has_result = |step: &&StepSummary| !matches!(step.result, StepResult::Pending | StepResult::Running | StepResult::Interrupted);
        let mut ended: Vec<&StepSummary> = summary.steps.iter().filter(has_result).collect();
        let time = |step: &StepSummary| step.ended.as_ref().map_or(0.0, |ended| ended.time);
        let mut by_time = ended.clone();
        sort_by(&mut by_time, |a, b| time(a).total_cmp(&time(b)));
        for ended in by_time.iter().filter_map(|step| step.ended.as_ref()) {
            if !boots.contains(&ended.boot.as_str()) {
                boots.push(&ended.boot);
            }
        }
        sort_by_key(&mut ended, |step| step.stage);
        let steps: Vec<Row> = ended.iter().map(|step| Row::of(step, &boots)).collect();
        let stages = [Stage::Local, Stage::Network, Stage::Final].into_iter().filter_map(|stage| {
            let sum = Sum::of(steps.iter().filter(|row| row.stage == stage));
            (sum.steps > 0).then_some(Sum { stage: Some(stage), ..sum })
        });
        Self {
            state: summary.state,
            open: summary.steps.len() - steps.len(),
            stages: stages.collect(),
            total: Sum::of(steps.iter()),
            steps,
        }
    }

    fn render(&self, by_stage: bool) -> String {
        if self.steps.is_empty() {
            return format!("status: {}\nno step has ended yet\n", self.state.name());
        }
        let mut text = format!("{HEAD}\n");
        let several = self.steps.iter().any(|row| row.boot.is_some_and(|boot| boot > 1));
        let mut stage = None;
        // Writing to a String cannot fail.
        for row in &self.steps {
            if by_stage && stage != Some(row.stage) {
                stage = Some(row.stage);
                let _ = writeln!(text, "stage {}", row.stage.name());
            }
            let boot = row.boot.filter(|_| several).map_or_else(String::new, |boot| format!(" (boot {boot})"));
            let begun = row.begun_at.map_or_else(|| "-".into(), |at| format!("+{at:.1} s"));
            let word = if row.unchanged { "was so" } else { result_word(row.result) };
            let id = format!("{}{boot}  {}", row.id, row.description);
            let _ = writeln!(text, "{begun:>10}{} {word:>8}  {id}", row.columns());
        }
        let sums = if by_stage { self.stages.as_slice() } else { &[] };
        for sum in sums.iter().chain([&self.total]) {
            let what = sum.stage.map_or_else(|| "in all".to_owned(), |stage| format!("stage {}", stage.name()));
            let steps = if sum.steps == 1 { "1 step".to_owned() } else { format!("{} steps", sum.steps) };
            let _ = writeln!(text, "{:>10}{} {:>8}  {what}, {steps}", "", sum.columns(), "");
        }
        text.push_str(&self.tightest());
        if self.open > 0 {
            let _ = writeln!(text, "{} still to be done", self.open);
        }
        text
    }
}

impl Analysis {
    /// How little the host had left, and while which step.
    fn tightest(&self) -> String {
        let Tightest { least_disk_bytes: disk, least_memory_kib: memory, peak_load_percent: load } = self.total.host;
        let during = |is_it: &dyn Fn(&Tightest) -> bool| self.steps.iter().find(|row| is_it(&row.host)).map_or("", |row| row.id.as_str());
        let disk = disk.map(|free| format!("disk {} ({})", size(free), during(&|seen| seen.least_disk_bytes == Some(free))));
        let memory = memory.map(|kib| format!("memory {} ({})", size(kib * 1024), during(&|seen| seen.least_memory_kib == Some(kib))));
        let load =
            load.map(|load| format!("highest load {:.1} ({})", load as f64 / 100.0, during(&|seen| seen.peak_load_percent == Some(load))));
        let parts: Vec<String> = disk.into_iter().chain(memory).chain(load).collect();
        if parts.is_empty() {
            return String::new();
        }
        format!("least that the host had left: {}\n", parts.join(", "))
    }
}

const HEAD: &str = "   begun at      took       cpu    memory   written tries   result  step";

impl Row {
    fn of(step: &StepSummary, boots: &[&str]) -> Self {
        let usage = step.usage;
        let boot_of = |boot: &str| boots.iter().position(|known| *known == boot).map(|at| at + 1);
        Self {
            id: step.id.clone(),
            stage: step.stage,
            description: step.description.clone(),
            result: step.result,
            unchanged: step.unchanged,
            boot: step.ended.as_ref().and_then(|ended| boot_of(&ended.boot)),
            begun_at: step.ended.as_ref().map(|ended| (ended.uptime - step.elapsed_ms as f64 / 1000.0).max(0.0)),
            elapsed_ms: step.elapsed_ms,
            cpu_ms: usage.map(|usage| usage.cpu_ms),
            peak_rss_kib: usage.and_then(|usage| usage.peak_rss_kib),
            written_bytes: usage.and_then(|usage| usage.written_bytes),
            host: usage.map(|usage| usage.host).unwrap_or_default(),
            attempts: step.attempts,
        }
    }

    fn columns(&self) -> String {
        columns(self.elapsed_ms, self.cpu_ms, self.peak_rss_kib, self.written_bytes, self.attempts)
    }
}

impl Sum {
    fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> Self {
        let mut sum = Self::default();
        for row in rows {
            sum.steps += 1;
            sum.elapsed_ms += row.elapsed_ms;
            sum.cpu_ms += row.cpu_ms.unwrap_or(0);
            sum.peak_rss_kib = sum.peak_rss_kib.max(row.peak_rss_kib);
            sum.written_bytes += row.written_bytes.unwrap_or(0);
            sum.host = sum.host.with(row.host);
            sum.attempts += row.attempts;
        }
        sum
    }

    fn columns(&self) -> String {
        columns(self.elapsed_ms, Some(self.cpu_ms), self.peak_rss_kib, Some(self.written_bytes), self.attempts)
    }
}

fn columns(elapsed: u64, cpu: Option<u64>, memory: Option<u64>, written: Option<u64>, attempts: u32) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    format!(
        "{:>11}{:>10}{:>10}{:>10}{attempts:>6}",
        milliseconds(elapsed),
        or_dash(cpu.map(milliseconds)),
        or_dash(memory.map(|kib| size(kib * 1024))),
        or_dash(written.map(size)),
    )
}

fn milliseconds(ms: u64) -> String {
    if ms < 1000 {
        format!("{ms} ms")
    } else {
        clock::span(ms as f64 / 1000.0)
    }
}

/// The steps as bars over time, SVG. Time is counted since boot, so that a clock that was set in the middle does not tear it; what
/// lies between two boots is left out.
fn plot(rows: &[Row]) -> String {
    const WIDTH: f64 = 900.0;
    const LINE: usize = 20;
    let mut bars: Vec<(usize, f64, &Row)> = rows.iter().filter_map(|row| Some((row.boot?, row.begun_at?, row))).collect();
    sort_by(&mut bars, |a, b| (a.0, a.1).partial_cmp(&(b.0, b.1)).unwrap_or(std::cmp::Ordering::Equal));
    let end_of = |at: f64, row: &Row| at + row.elapsed_ms as f64 / 1000.0;
    let mut offsets: Vec<(usize, f64)> = Vec::new();
    let mut length = 0.0_f64;
    for (boot, at, _) in &bars {
        if offsets.last().is_none_or(|(last, _)| last != boot) {
            let first = *at;
            offsets.push((*boot, length - first));
            let ends = bars.iter().filter(|bar| bar.0 == *boot).map(|bar| end_of(bar.1, bar.2));
            length += ends.fold(first, f64::max) - first;
        }
    }
    let scale = WIDTH / length.max(0.001);
    let height = (bars.len() + 2) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1500\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <text x=\"4\" y=\"14\">{} in {} steps</text>\n",
        clock::span(length),
        bars.len()
    );
    // Writing to a String cannot fail.
    for (boot, offset) in offsets.iter().skip(1) {
        let first = bars.iter().find(|bar| bar.0 == *boot).map_or(0.0, |bar| bar.1);
        let x = (first + offset) * scale;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{LINE}\" x2=\"{x:.1}\" y2=\"{height}\" stroke=\"#888\" stroke-dasharray=\"4\"/>\
             <text x=\"{x:.1}\" y=\"{}\">boot {boot}</text>",
            height - 4
        );
    }
    for (at, (boot, begun, row)) in bars.iter().enumerate() {
        let offset = offsets.iter().find(|(known, _)| known == boot).map_or(0.0, |(_, offset)| *offset);
        let (x, y) = ((begun + offset) * scale, (at + 1) * LINE);
        let width = (row.elapsed_ms as f64 / 1000.0 * scale).max(1.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{} ({}) {}</text>",
            LINE - 4,
            colour(row),
            x + width + 4.0,
            y + 12,
            escaped(&row.id),
            milliseconds(row.elapsed_ms),
            escaped(&row.description),
        );
    }
    svg + "</svg>\n"
}

fn colour(row: &Row) -> &'static str {
    match (row.result, row.stage) {
        (StepResult::Failed, _) => "#c0392b",
        (_, Stage::Local) => "#5b8c5a",
        (_, Stage::Network) => "#4a7ba6",
        (_, Stage::Final) => "#8e6ba6",
    }
}

fn escaped(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::recorded::example;
    use super::*;
    use crate::engine::ledger::Ended;
    use crate::host::usage::Usage;

    fn measured() -> Summary {
        let mut summary = example(State::Failed);
        let ended = |uptime: f64, boot: &str| Some(Ended { time: 1_785_587_445.0 + uptime, uptime, boot: boot.into() });
        summary.steps[0].ended = ended(12.5, "b1");
        let host = Tightest { least_disk_bytes: Some(3 << 30), least_memory_kib: Some(2048), peak_load_percent: Some(150) };
        summary.steps[0].usage = Some(Usage { cpu_ms: 40, peak_rss_kib: Some(2048), written_bytes: Some(4096), host });
        summary.steps[0].stage = Stage::Local;
        summary.steps[1].ended = ended(100.0, "b2");
        summary.steps[1].elapsed_ms = 90_000;
        summary.steps[1].attempts = 3;
        summary.steps[1].description = "runcmd item 1 of 2: a <b> & c".into();
        summary.steps[2].ended = ended(100.0, "b2");
        summary
    }

    #[test]
    fn the_table_shows_what_each_step_took_and_the_sums_of_the_stages() {
        let text = Analysis::of(&measured()).render(true);
        let words: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for expected in [
            "+12.2 s 300 ms 40 ms 2.0 MiB 4 KiB 1 done users_groups/alice (boot 1) create user alice",
            "+10.0 s 1 min 30 s - - - 3 failed runcmd/1 (boot 2) runcmd item 1 of 2: a <b> & c",
            "300 ms 40 ms 2.0 MiB 4 KiB 1 stage local, 1 step",
            "1 min 30 s 40 ms 2.0 MiB 4 KiB 5 in all, 3 steps",
            "least that the host had left: disk 3.0 GiB (users_groups/alice), memory 2.0 MiB (users_groups/alice), highest load 1.5 (users_groups/alice)",
        ] {
            assert!(words.iter().any(|line| line == expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn a_plot_is_well_formed_and_draws_every_step() {
        let svg = plot(&Analysis::of(&measured()).steps);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<rect ").count(), 3);
        assert!(svg.contains("a &lt;b&gt; &amp; c") && svg.contains(">boot 2</text>"), "{svg}");
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }

    #[test]
    fn nothing_to_analyse_is_said() {
        let mut summary = example(State::NotStarted);
        summary.steps.clear();
        assert_eq!(Analysis::of(&summary).render(true), "status: not-started\nno step has ended yet\n");
        assert!(plot(&[]).ends_with("</svg>\n"));
    }
}
