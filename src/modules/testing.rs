//! What the tables of the modules' tests are written with.

use super::{plan, PlanInput, UserParts, UserScript, Way};
use crate::config::node::Node;
use crate::config::problem::Report;
use crate::config::typed::CloudConfig;
use crate::facts::{Account, Facts};
use crate::plan::{Frequency, Plan, Stage, Weight};

/// The document that `text` is.
pub fn document(text: &str) -> Node {
    crate::yaml::parse("user-data", text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// A Debian 13 host as it first boots.
pub fn debian() -> Facts {
    let account = |uid: u32, home: &str| Account { uid, gid: uid, home: home.into(), shell: "/bin/bash".into(), has_password: false };
    Facts {
        distro: "debian".into(),
        codename: "trixie".into(),
        version_id: "13".into(),
        arch: "amd64".into(),
        hostname: "localhost".into(),
        users: [("root".into(), account(0, "/root"))].into(),
        groups: ["root", "adm", "sudo", "users", "audio", "cdrom", "dialout", "dip", "floppy", "plugdev", "video"].map(String::from).into(),
        sshd_includes_dropins: true,
        sudoers_includes_dropins: true,
        memory: Some(2 << 30),
        virtualization: Some("kvm".into()),
        programs: ["locale-gen", "update-ca-certificates", "sudo", "sshd", "ssh-keygen", "debconf-set-selections"].map(String::from).into(),
        lang: Some("C.UTF-8".into()),
        instance_id: "i-1".into(),
        datasource: "nocloud".into(),
        ..Facts::default()
    }
}

/// What is planned and what is found wrong, given by hand on that host.
pub fn applied(text: &str) -> Plan {
    planned(text, &debian(), &[], Way::Applied)
}

/// The same at first boot, with the peer's defaults.
pub fn first_boot(text: &str) -> Plan {
    planned(text, &debian(), &[], Way::FirstBoot)
}

/// The same with everything given.
pub fn planned(text: &str, facts: &Facts, scripts: &[UserScript], way: Way) -> Plan {
    let mut report = Report::new();
    let document = document(text);
    let read = if way == Way::Hosted { CloudConfig::read_section } else { CloudConfig::read };
    let config = read(&document, &mut report).expect("a mapping").with_digest_of(&document);
    let user = UserParts { scripts, hooks: &[] };
    plan(PlanInput { config: &config, facts, user, way, report: &mut report })
}

/// The steps, each as `id: what it does` with what sets it apart: `@network`, `[boot]`, `<- needs`, `~` where a failure only
/// degrades.
pub fn steps(plan: &Plan) -> Vec<String> {
    let one = |step: &crate::plan::Step| {
        let mut out = format!("{}: {}", step.id, step.operation.describe());
        match step.stage {
            Stage::Local => {}
            stage => out.push_str(&format!(" @{}", stage.name())),
        }
        match step.frequency {
            Frequency::Instance => {}
            Frequency::Boot => out.push_str(" [boot]"),
            Frequency::Once => out.push_str(" [once]"),
        }
        if step.weight == Weight::Degraded {
            out.push_str(" ~");
        }
        if !step.needs.is_empty() {
            out.push_str(&format!(" <- {}", step.needs.join(" ")));
        }
        out
    };
    plan.steps.iter().map(one).collect()
}

/// The problems, each with its weight: `failed: ...`, `degraded: ...`, `note: ...`; places are left out.
pub fn problems(plan: &Plan) -> Vec<String> {
    let one = |problem: &crate::plan::Problem| {
        let weight = match problem.weight {
            Some(Weight::Failed) => "failed",
            Some(Weight::Degraded) => "degraded",
            None => "note",
        };
        let place = problem.message.find(": ").filter(|at| problem.message[..*at].matches(':').count() == 2);
        format!("{weight}: {}", place.map_or(problem.message.as_str(), |at| &problem.message[at + 2..]))
    };
    plan.problems.iter().map(one).collect()
}

/// The text of the file that the step `id` writes.
pub fn written(plan: &Plan, id: &str) -> String {
    use crate::plan::Operation;
    let step = plan.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no step {id} in {:#?}", steps(plan)));
    match &step.operation {
        Operation::WriteFile(file) | Operation::AppendFile(file) => String::from_utf8_lossy(&file.content.expose().0).into_owned(),
        Operation::EditFile { change: crate::plan::operation::Edit::EnsureBlock { block, .. }, .. } => block.expose().clone(),
        other => panic!("{id} writes no file: {other:?}"),
    }
}

/// Compares a plan's steps with a table and shows both where they differ.
pub fn assert_steps(plan: &Plan, expected: &[&str]) {
    let found = steps(plan);
    assert_eq!(found, expected, "\nfound:\n  {}\nproblems:\n  {}\n", found.join("\n  "), problems(plan).join("\n  "));
}

/// Compares a plan's problems with a table.
pub fn assert_problems(plan: &Plan, expected: &[&str]) {
    let found = problems(plan);
    assert_eq!(found, expected, "\nfound:\n  {}\n", found.join("\n  "));
}
