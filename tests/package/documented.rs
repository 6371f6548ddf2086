//! What is said about the program beside the program: versions, man page, completions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::built::{binary, tool};
use crate::lab::run;

/// A file of the tree.
pub fn tree(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_place_that_names_the_version_names_the_same() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(tree("debian/changelog").starts_with(&format!("landfall ({version}) ")));
    let newest = tree("CHANGELOG.md").lines().find(|line| line.starts_with("## ")).unwrap().to_owned();
    assert!(newest.starts_with(&format!("## [{version}]")), "{newest}");
    assert!(tree("packaging/landfall.1").contains(&format!("\"landfall {version}\"")));
}

/// Names at the beginning of the lines of one section of a help text.
fn section<'a>(help: &'a str, title: &str) -> Vec<&'a str> {
    help.lines()
        .skip_while(|line| *line != title)
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

fn long_options(help: &str) -> BTreeSet<String> {
    let options = help.lines().skip_while(|line| *line != "Options:").skip(1);
    let is_option = |word: &&str| word.starts_with("--");
    options.filter_map(|line| line.split_whitespace().take(2).find(is_option)).map(|word| word.trim_end_matches("...").to_owned()).collect()
}

/// What a shell's `case` does for a command: every branch whose pattern names it.
fn branch(script: &str, command: &str) -> String {
    let names_it =
        |line: &str| line.trim().split_once(')').is_some_and(|(pattern, _)| pattern.split('|').any(|word| word.trim() == command));
    let starts = script.match_indices('\n').map(|(at, _)| &script[at + 1..]).filter(|rest| names_it(rest.lines().next().unwrap_or("")));
    starts.map(|rest| rest.split_once(";;").map_or(rest, |(branch, _)| branch)).collect()
}

#[test]
fn the_man_page_and_the_completions_know_every_command_and_option_and_no_other() {
    let Some(binary) = binary() else { return };
    let help = |arguments: &[&str]| tool(binary.to_str().unwrap(), arguments);
    let top = help(&["--help"]);
    let commands = section(&top, "Commands:");
    assert!(commands.contains(&"run") && commands.contains(&"status"), "{top}");
    let common = long_options(&top);
    let man = tree("packaging/landfall.1").replace("\\-", "-");
    let bash = tree("packaging/completions/landfall.bash");
    let zsh = tree("packaging/completions/landfall.zsh");
    let fish = tree("packaging/completions/landfall.fish");
    let word = |text: &str, option: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == option);
    let mut missing = Vec::new();
    for option in &common {
        let places = [
            ("man", word(&man, option)),
            ("bash", word(&bash, option)),
            ("zsh", word(&zsh, option)),
            ("fish", fish.contains(&format!("-l {} ", &option[2..]))),
        ];
        missing.extend(places.iter().filter(|(_, found)| !found).map(|(place, _)| format!("{place}: {option}")));
    }
    for command in &commands {
        let of_man: Vec<&str> =
            man.lines().filter(|line| line.starts_with(".B") && line.split_whitespace().nth(1) == Some(command)).collect();
        let of_man = of_man.join(" ");
        let (of_bash, of_zsh) = (branch(&bash, command), branch(&zsh, command));
        let named = [
            ("man", !of_man.is_empty()),
            ("bash", bash.contains(&format!("{command} ")) || bash.contains(&format!("{command}\""))),
            ("zsh", zsh.contains(&format!("'{command}:")) && !of_zsh.is_empty()),
            ("fish", fish.contains(&format!("-a {command} "))),
        ];
        missing.extend(named.iter().filter(|(_, found)| !found).map(|(place, _)| format!("{place}: {command}")));
        let own = long_options(&help(&[command, "--help"]));
        for option in own.iter().filter(|option| !common.contains(*option)) {
            let of_fish = fish.lines().any(|line| {
                let commands = line.split('\'').nth(1).unwrap_or("");
                commands.split(' ').any(|word| word == *command) && line.contains(&format!("-l {} ", &option[2..]))
            });
            let places =
                [("man", word(&of_man, option)), ("bash", word(&of_bash, option)), ("zsh", word(&of_zsh, option)), ("fish", of_fish)];
            missing.extend(places.iter().filter(|(_, found)| !found).map(|(place, _)| format!("{place}: {command} {option}")));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    let named =
        fish.lines().filter_map(|line| line.split_once(" -a ")?.1.split(' ').next()).filter(|word| word.starts_with(char::is_alphabetic));
    let unknown: Vec<_> = named.filter(|word| !commands.contains(word)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}

#[test]
fn the_settings_that_the_installed_configuration_shows_are_valid() {
    let Some(binary) = binary() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("landfall.yaml");
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let settings: String = tree("packaging/landfall.yaml").lines().filter(is_setting).map(|line| format!("{}\n", &line[1..])).collect();
    assert!(settings.starts_with("landfall:\n"), "{settings}");
    fs::write(&path, format!("#cloud-config\n{settings}")).unwrap();
    let checked = run(Command::new(&binary).arg("validate").arg(&path), b"", Duration::from_secs(10));
    let said = format!("{}{}", checked.stdout, checked.stderr);
    assert!(checked.ok() && !said.contains("unknown") && !said.contains("invalid"), "{said}\n{settings}");
}

#[test]
fn every_test_that_the_requirements_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut open = vec![root.join("src"), root.join("tests")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let requirements = tree("tests/REQUIREMENTS.md");
    let cells = |line: &'_ str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let rows: Vec<Vec<String>> = requirements.lines().filter(|line| line.starts_with("| ")).map(cells).skip(1).collect();
    let numbers: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(numbers, (1..=41).map(|number| number.to_string()).collect::<Vec<_>>(), "each row once and in order");
    for row in &rows {
        let named: Vec<&str> = row[3].split('`').skip(1).step_by(2).collect();
        for name in &named {
            assert!(
                sources.contains(&format!("#[test]\nfn {name}()")) || sources.contains(&format!("#[test]\n    fn {name}()")),
                "row {}: there is no test {name}",
                row[0]
            );
        }
        assert!(!named.is_empty() || !row[4].is_empty(), "row {} has neither a test nor a word on what is missing", row[0]);
    }
}
