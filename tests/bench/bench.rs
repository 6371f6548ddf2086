//! `make bench`: landfall and cloud-init 25.1 side by side on one root, as a table.
//!
//! Each round boots fresh copies of the same hosts, one after the other, so that a busy machine is busy for all of them; a
//! figure is the median over the rounds. LANDFALL_NO_BOOTS leaves the boots out. Exit status 1 only if something could not be measured: a target that is missed is said.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../lab/mod.rs"]
mod lab;

mod hosts;
mod measure;
mod micro;
mod table;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hosts::{Boot, Provisioner, Template};
use lab::Lab;
use table::{markdown, median, Row, Target};

const TRIVIAL: &str = "#cloud-config\nhostname: bench\nssh_deletekeys: false\n";

/// What a web host's first boot asks for; its packages do next to nothing, so that it is not apt that is measured.
const TYPICAL: &str = include_str!("typical.yaml");

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == "measure") {
        let Some(file) = arguments.next() else { return ExitCode::from(64) };
        return measure::wrap(Path::new(&file), &arguments.collect::<Vec<_>>());
    }
    let Some(lab) = Lab::require() else { return ExitCode::FAILURE };
    let Some(deb) = std::env::var_os("LANDFALL_DEB").map(PathBuf::from) else {
        eprintln!("LANDFALL_DEB names no package: `make bench` sets it");
        return ExitCode::FAILURE;
    };
    let rounds = std::env::var("LANDFALL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let mut rows = if std::env::var_os("LANDFALL_NO_BOOTS").is_some() { Vec::new() } else { Measured::take(lab, &deb, rounds).rows() };
    rows.extend(validate::rows(lab, &deb, rounds));
    rows.extend(sizes(&deb));
    rows.extend(micro::rows());
    println!("{}", markdown(&rows));
    println!("Medians of {rounds}. {}", notes());
    for row in &rows {
        if let Some(passes) = row.passes() {
            println!("{} {}", if passes { "PASS" } else { "MISS" }, row.name);
        }
    }
    ExitCode::SUCCESS
}

fn notes() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "Debian 13 root with systemd as PID 1 in namespaces, {cpus} CPUs, Linux {}; host keys are in the image, so that neither \
         generates any. Own CPU: the program's processes, the commands they run aside.",
        kernel.trim()
    )
}

/// All boots of all rounds.
#[derive(Default)]
struct Measured {
    bare: Vec<(Boot, Boot)>,
    peer: Boots,
    ours: Boots,
}

/// Those of one provisioner.
#[derive(Default)]
struct Boots {
    plain: Vec<(Boot, Boot)>,
    wrapped: Vec<(Boot, Boot)>,
    typical: Vec<Boot>,
}

impl Measured {
    fn take(lab: Lab, deb: &Path, rounds: usize) -> Self {
        let templates = |provisioner| {
            [(TRIVIAL, false), (TRIVIAL, true), (TYPICAL, true)]
                .map(|(user_data, wrapped)| Template::new(lab, provisioner, deb, user_data, wrapped))
        };
        let bare = Template::new(lab, Provisioner::None, deb, TRIVIAL, false);
        let (peer, ours) = (templates(Provisioner::CloudInit), templates(Provisioner::Landfall));
        let mut measured = Self::default();
        for round in 1..=rounds {
            eprintln!("round {round} of {rounds}");
            measured.bare.push(bare.first_and_second());
            for (boots, [plain, wrapped, typical]) in [(&mut measured.peer, &peer), (&mut measured.ours, &ours)] {
                boots.plain.push(plain.first_and_second());
                boots.wrapped.push(wrapped.first_and_second());
                boots.typical.push(typical.first());
            }
        }
        measured
    }

    fn rows(&self) -> Vec<Row> {
        const MS: (usize, &str) = (1, "ms");
        const MIB: (usize, &str) = (1, "MiB");
        let both = |name, unit, target, figure: &dyn Fn(&Boots) -> f64| Row {
            name,
            unit,
            peer: Some(figure(&self.peer)),
            ours: figure(&self.ours),
            target,
        };
        let without = median(self.bare.iter().map(|(_, second)| second.end));
        let bare_host = median(self.bare.iter().map(|(_, second)| second.host));
        vec![
            both("first boot, trivial user-data: own CPU", MS, Target::PartOf(30.0), &|boots| {
                1e3 * median(boots.wrapped.iter().map(|(first, _)| first.own))
            }),
            both("the same with the commands it runs", MS, Target::None, &|boots| {
                1e3 * median(boots.plain.iter().map(|(first, _)| first.units))
            }),
            both("first boot: peak of resident memory", MIB, Target::AtMost(8.0), &|boots| {
                median(boots.wrapped.iter().map(|(first, _)| first.peak as f64)) / 1024.0
            }),
            both("first boot, typical user-data: own CPU", MS, Target::PartOf(30.0), &|boots| {
                1e3 * median(boots.typical.iter().map(|first| first.own))
            }),
            both("the same: peak of resident memory", MIB, Target::AtMost(8.0), &|boots| {
                median(boots.typical.iter().map(|first| first.peak as f64)) / 1024.0
            }),
            both("second boot: own CPU", MS, Target::PartOf(80.0), &|boots| {
                1e3 * median(boots.wrapped.iter().map(|(_, second)| second.own))
            }),
            both("the same with the commands it runs", MS, Target::None, &|boots| {
                1e3 * median(boots.plain.iter().map(|(_, second)| second.units))
            }),
            both("second boot: CPU of the whole host, more than without", MS, Target::None, &|boots| {
                1e3 * (median(boots.plain.iter().map(|(_, second)| second.host)) - bare_host)
            }),
            both("second boot ends later than without by", MS, Target::AtMost(20.0), &|boots| {
                1e3 * (median(boots.plain.iter().map(|(_, second)| second.end)) - without)
            }),
        ]
    }
}

/// The package, and the binary in it.
fn sizes(deb: &Path) -> Vec<Row> {
    const MIB: (usize, &str) = (2, "MiB");
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let tree = tempfile::tempdir().unwrap();
    let mut unpack = std::process::Command::new("dpkg-deb");
    lab::run(unpack.arg("-x").arg(deb).arg(tree.path()), b"", std::time::Duration::from_secs(60)).expect_ok();
    let size = |path: &Path| mib(std::fs::metadata(path).unwrap().len());
    let row = |name, ours, target| Row { name, unit: MIB, peer: None, ours, target };
    vec![row("binary, static", size(&tree.path().join("usr/bin/landfall")), Target::AtMost(6.0)), row("package", size(deb), Target::None)]
}
