//! The commands of cloud-init, for scripts that call them: the package landfall-cloud-init makes `/usr/bin/cloud-init`,
//! `/usr/bin/cloud-id` and `/usr/bin/cloud-init-per` links to landfall, which looks at the name it is called by.
//!
//! They read what landfall keeps and have no truth of their own. What they print has cloud-init 25.1's shape, and they end as it
//! ends (its "CLI commands" documentation, and what it was seen to do): 0, 1, and 2 for a degraded run and for a command line that
//! cannot be read. Sentences are landfall's own.
//!
//! Not covered: most of `devel`; log files as the input of `analyze`.

mod analyze;
mod collect;
mod devel;
mod per;
mod schema;
mod shapes;
mod status;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::clean::{self, CleanArgs};
use super::query::{self, QueryArgs};
use super::run::{self, RerunArgs};
use super::{out, recorded, Answer, Refusal, TextOrJson};
use crate::compat;
use crate::engine::summary::StepResult;
use crate::error::exit;
use crate::host::process::Spec;
use crate::host::Host;
use crate::telemetry::{self, Lines, Setup};
use crate::template::Rendered;
use words::Words;

/// The release whose commands these are.
const RELEASE: &str = "25.1";

/// A command.
struct Command {
    name: &'static str,
    /// Its options, as [`Words::read`] takes them.
    options: &'static str,
    /// How many other words it takes.
    words: usize,
    about: &'static str,
    execute: fn(&Words, &Host) -> Answer,
}

const COMMANDS: [Command; 10] = [
    Command {
        name: "status",
        options: "l/long w/wait format=",
        words: 0,
        about: "the state of landfall's run: tabular, json or yaml; --wait waits for its end",
        execute: status::status,
    },
    Command {
        name: "query",
        options: "a/all l/list-keys f/format= i/instance-data= u/user-data= v/vendor-data= d/debug",
        words: 1,
        about: "what is known of the instance: a name such as v1.instance_id, or a template",
        execute: query,
    },
    Command {
        name: "schema",
        options: "c/config-file= t/schema-type= i/instance-data= system annotate",
        words: 0,
        about: "what `landfall validate` finds in a file, or in what this instance was given",
        execute: schema::schema,
    },
    Command {
        name: "clean",
        options: "l/logs s/seed r/reboot machine-id c/configs=",
        words: 3,
        about: "forget the run, so that the next boot provisions this host anew",
        execute: clean,
    },
    Command {
        name: "analyze",
        options: "i/infile= o/outfile= f/format=",
        words: 1,
        about: "what the steps of the run took: show, blame, dump or boot",
        execute: analyze::analyze,
    },
    Command {
        name: "single",
        options: "n/name= frequency= report f/file=",
        words: usize::MAX,
        about: "run the steps of one module again, with --frequency always; one of them: landfall rerun STEP",
        execute: single,
    },
    Command { name: "init", options: "l/local f/file=", words: 0, about: "nothing: a unit does it", execute: init },
    Command { name: "modules", options: "m/mode= f/file=", words: 0, about: "nothing: a unit does it", execute: modules },
    Command {
        name: "collect-logs",
        options: "t/tarfile= r/redact-sensitive u/include-userdata v/verbose",
        words: 0,
        about: "logs and state as one archive",
        execute: collect::collect_logs,
    },
    Command { name: "features", options: "", words: 0, about: "what a script may count on", execute: features },
];

/// Runs the command line of a program that is called by one of cloud-init's names; `None` for any other.
pub fn main(args: &[OsString]) -> Option<u8> {
    let program = Path::new(args.first()?);
    let words: Vec<String> = args[1..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let host = Host::default();
    let answer = match program.file_name()?.to_str()? {
        "cloud-init" => cloud_init(&words, &host),
        "cloud-init-per" => per::per(&words, &host),
        "cloud-id" => Words::read("j/json l/long i/instance-data=", &words).map_err(usage).and_then(|words| cloud_id(&words, &host)),
        _ => return None,
    };
    Some(answer.unwrap_or_else(|refusal| {
        refusal.show();
        // The peer knows no others.
        if refusal.exit == exit::DEGRADED {
            refusal.exit
        } else {
            exit::FAILED
        }
    }))
}

/// A command line that cannot be read ends with 2, as the peer's.
fn usage(what: impl Into<String>) -> Refusal {
    Refusal::new(exit::DEGRADED, what.into()).help("`cloud-init --help` shows what there is")
}

fn cloud_init(words: &[String], host: &Host) -> Answer {
    // Switches of the whole program stand before the command.
    let at = words.iter().position(|word| !word.starts_with('-')).unwrap_or(words.len());
    let global = Words::read("v/version d/debug force all-stages", &words[..at]).map_err(usage)?;
    if global.has("version") {
        out::print(&format!("/usr/bin/cloud-init {RELEASE} (landfall {})\n", env!("CARGO_PKG_VERSION")));
        return Ok(exit::OK);
    }
    if global.has("help") {
        out::print(&help());
        return Ok(exit::OK);
    }
    if global.has("all-stages") {
        return instead("landfall-local.service, landfall-network.service and landfall.service");
    }
    let Some(name) = words.get(at) else { return Err(usage("a subcommand is required")) };
    if name == "devel" {
        return devel::devel(&words[at + 1..], host);
    }
    let command = COMMANDS.iter().find(|command| command.name == name);
    let command = command.ok_or_else(|| usage(format!("argument subcommand: invalid choice: '{name}'")))?;
    let words = Words::read(command.options, &words[at + 1..]).map_err(usage)?;
    if words.has("help") {
        let options: String = command.options.split_whitespace().chain(["h/help"]).map(|option| format!("  {}\n", shown(option))).collect();
        out::print(&format!("usage: cloud-init {name}: {}\n{options}", command.about));
        return Ok(exit::OK);
    }
    if let Some(extra) = words.rest.get(command.words) {
        return Err(usage(format!("unrecognized arguments: {extra}")));
    }
    let records = name == "single";
    telemetry::start(&Setup { verbosity: 0, records, lines: if records { Lines::Stderr } else { Lines::Nowhere } }, host);
    (command.execute)(&words, host)
}

fn help() -> String {
    let commands: String = COMMANDS.iter().map(|command| format!("  {:<13} {}\n", command.name, command.about)).collect();
    format!("usage: cloud-init [--version] COMMAND\n\nlandfall's stand-in for the commands of cloud-init {RELEASE}; see landfall(1)\n\n{commands}  {:<13} render a template, make one user-data of several files\n", "devel")
}

/// Names what a template asked for and the instance's data lack.
fn tell_missing(rendered: &Rendered) {
    for (name, _) in &rendered.missing {
        out::complain(&format!("landfall: there is no variable `{name}`\n"));
    }
}

/// An option as it is written: `-f, --format VALUE`.
fn shown(option: &str) -> String {
    let (short, long) = option.split_once('/').map_or((String::new(), option), |(short, long)| (format!("-{short}, "), long));
    let value = if long.ends_with('=') { " VALUE" } else { "" };
    format!("{short}--{}{value}", long.trim_end_matches('='))
}

fn query(words: &Words, host: &Host) -> Answer {
    let path = |name: &str| words.value(name).map(PathBuf::from);
    let args = QueryArgs {
        name: words.rest.first().cloned(),
        all: words.has("all"),
        list_keys: words.has("list-keys"),
        format: words.value("format").map(str::to_owned),
        instance_data: path("instance-data"),
        user_data: path("user-data"),
        vendor_data: path("vendor-data"),
    };
    query::query(&args, host)
}

/// What is generated, by the words of `--configs`.
const CONFIGS: [(&str, &str); 4] = [
    ("network", "/etc/netplan/50-cloud-init.yaml"),
    ("network", "/etc/network/interfaces.d/50-cloud-init"),
    ("network", "/etc/systemd/network/10-cloud-init-*"),
    ("ssh_config", "/etc/ssh/sshd_config.d/50-cloud-init.conf"),
];

fn clean(words: &Words, host: &Host) -> Answer {
    let failed = |error: std::io::Error| Refusal::new(exit::FAILED, error.to_string());
    // Its option takes all words that follow.
    let configs: Vec<&str> = words.value("configs").into_iter().chain(words.rest.iter().map(String::as_str)).collect();
    if let Some(unknown) = configs.iter().find(|word| !words.has("configs") || !["all", "network", "ssh_config"].contains(word)) {
        return Err(usage(format!("argument --configs: invalid choice: '{unknown}' (choose from all, ssh_config, network)")));
    }
    let (logs, seed, machine_id) = (words.has("logs"), words.has("seed"), words.has("machine-id"));
    clean::forget(&CleanArgs { logs, seed, machine_id, format: TextOrJson::Text }, host)?;
    for (_, pattern) in CONFIGS.iter().filter(|(kind, _)| configs.contains(kind) || configs.contains(&"all")) {
        for path in host.matching(pattern).map_err(failed)? {
            host.remove(&path).map_err(failed)?;
        }
    }
    // Where other packages have put what they want forgotten with it.
    for hook in host.list("/etc/cloud/clean.d").map_err(failed)? {
        let path = format!("/etc/cloud/clean.d/{hook}");
        if host.status(&path).map_err(failed)?.is_some_and(|status| status.attributes.mode & 0o111 != 0) {
            host.run_ok(&Spec::new([path]))?;
        }
    }
    if words.has("reboot") {
        host.run_ok(&Spec::new(["systemctl", "reboot"]))?;
    }
    Ok(exit::OK)
}

/// The steps of a module; without `--frequency always` what is done is not repeated, as under the peer.
fn single(words: &Words, host: &Host) -> Answer {
    super::refusal::require_root("single")?;
    let name = words.value("name").ok_or_else(|| usage("the following arguments are required: --name/-n"))?;
    let module = name.strip_prefix("cc_").unwrap_or(name).replace('-', "_");
    let not_done = words.has("file").then_some("--file").or(words.has("report").then_some("--report"));
    if let Some(what) = not_done.or(words.rest.first().map(String::as_str)) {
        let refusal = Refusal::new(exit::FAILED, format!("`single` cannot take `{what}` here: it runs recorded steps again, as they are"));
        return Err(refusal.help("`landfall apply FILE` does what a file says"));
    }
    let always = words.choice("frequency", &["instance", "always", "once"]).map_err(usage)? == "always";
    let steps = recorded::load(host)?.summary.steps;
    let of_module: Vec<_> = steps.into_iter().filter(|step| step.phase.replace('-', "_") == module).collect();
    if of_module.is_empty() {
        let refusal = Refusal::new(exit::FAILED, format!("the recorded run has no step of a module `{name}`"));
        return Err(refusal.help("`landfall status --long` lists the steps; a file is applied by `landfall apply FILE`"));
    }
    let mut code = exit::OK;
    for step in of_module.into_iter().filter(|step| always || step.result != StepResult::Done) {
        code = code.max(run::rerun(&RerunArgs { step: step.id, format: TextOrJson::Text }, host)?.min(exit::FAILED));
    }
    Ok(code)
}

fn init(words: &Words, _host: &Host) -> Answer {
    instead(if words.has("local") { "landfall-local.service" } else { "landfall-network.service" })
}

fn modules(words: &Words, _host: &Host) -> Answer {
    let mode = words.choice("mode", &["config", "init", "final"]).map_err(usage)?;
    instead(if mode == "init" { "landfall-network.service" } else { "landfall.service" })
}

/// What does this instead. Not an error: scripts call it in the boot, in which the unit does the work.
fn instead(units: &str) -> Answer {
    out::print(&format!("nothing is run: {units} does this in each boot, and `landfall run` does it now\n"));
    Ok(exit::OK)
}

fn features(_words: &Words, _host: &Host) -> Answer {
    out::print("NETWORK_CONFIG_V1\nNETWORK_CONFIG_V2\n");
    Ok(exit::OK)
}

/// Exit codes 2 and 3 are for a host that is switched off, and one on which nothing has run.
fn cloud_id(words: &Words, host: &Host) -> Answer {
    if words.has("help") {
        out::print("usage: cloud-id [-j, --json] [-l, --long] [-i, --instance-data FILE]: the datasource's name\n");
        return Ok(exit::OK);
    }
    if let Some(extra) = words.rest.first() {
        return Err(usage(format!("unrecognized arguments: {extra}")));
    }
    let running = status::Seen::now(host)?.running;
    let code = match running {
        status::DISABLED => 2,
        status::NOT_STARTED => 3,
        _ => exit::OK,
    };
    if code != exit::OK {
        out::print(&format!("{running}\n"));
        return Ok(code);
    }
    let path = words.value("instance-data").unwrap_or("/run/cloud-init/instance-data.json");
    let refused = |why: String| Refusal::new(exit::FAILED, format!("{path}: {why}"));
    let bytes = host.read(path).map_err(|error| refused(error.to_string()))?.ok_or_else(|| refused("there is no such file".into()))?;
    let data: Json = serde_json::from_slice(&bytes).map_err(|error| refused(format!("this is no instance data: {error}")))?;
    let v1 = &data["v1"];
    // As Python prints a value.
    let text = |name: &str| v1[name].as_str().unwrap_or("None").to_owned();
    if words.has("json") {
        out::complain("cloud-id: `cloud-init query v1` prints the same\n");
        let pretty = compat::pretty(v1).map_err(|error| refused(error.to_string()))?;
        out::print(&String::from_utf8_lossy(&pretty));
    } else if words.has("long") {
        out::print(&format!("{}\t{}\n", text("cloud_id"), text("region")));
    } else {
        out::print(&format!("{}\n", text("cloud_id")));
    }
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(words: &[&str]) -> Option<u8> {
        main(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_cloud_inits_names_are_answered_to() {
        for (words, expected) in [
            (&["landfall", "status"][..], None),
            (&["/usr/bin/landfall"], None),
            (&["/usr/bin/cloud-init", "--version"], Some(0)),
            (&["cloud-init", "-d", "features"], Some(0)),
            (&["cloud-init", "status", "--help"], Some(0)),
            (&["cloud-init"], Some(2)),
            (&["cloud-init", "bogus"], Some(2)),
            (&["cloud-init", "--bogus", "status"], Some(2)),
            (&["cloud-init", "status", "--bogus"], Some(2)),
            (&["cloud-init", "status", "x"], Some(2)),
            (&["cloud-init", "status", "--format", "xml"], Some(2)),
            (&["cloud-init", "clean", "-c", "fstab"], Some(2)),
            (&["cloud-init", "clean", "all"], Some(2)),
            (&["cloud-init", "analyze"], Some(2)),
            (&["cloud-init", "analyze", "blame", "-f", "%n"], Some(2)),
            (&["cloud-init", "modules", "--mode=final"], Some(0)),
            (&["cloud-init", "init", "-l"], Some(0)),
            (&["cloud-init", "devel", "net-convert"], Some(1)),
            (&["cloud-id", "x"], Some(2)),
        ] {
            assert_eq!(ended(words), expected, "{words:?}");
        }
    }

    #[test]
    fn options_are_shown_as_they_are_written() {
        assert_eq!((shown("f/format=").as_str(), shown("system").as_str()), ("-f, --format VALUE", "--system"));
    }
}
