//! The Packer template and the Terraform module, as far as their own tools can be had: Debian 12 has Packer, and no release Terraform.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::run;

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging");

fn packer(home: &Path) -> Option<Command> {
    let mut command = Command::new("packer");
    command
        .env("HOME", home)
        .env("PACKER_CONFIG_DIR", home)
        .env("CHECKPOINT_DISABLE", "1")
        .current_dir(Path::new(PACKAGING).join("packer"));
    if Command::new("packer").arg("version").env("HOME", home).output().is_err() {
        println!("there is no packer on this machine, and Debian of this release has none");
        return None;
    }
    Some(command)
}

#[test]
fn packer_accepts_the_template_and_refuses_a_broken_one() {
    let home = tempfile::tempdir().unwrap();
    let Some(mut validate) = packer(home.path()) else { return };
    let key = home.path().join("key");
    run(Command::new("ssh-keygen").args(["-q", "-N", "", "-f"]).arg(&key), b"", Duration::from_secs(30)).expect_ok();
    let (package, key) = (format!("package={}", key.display()), format!("ssh_private_key_file={}", key.display()));
    let arguments = ["validate", "-var", &package, "-var", "image=x.qcow2", "-var", &key];
    let said = run(validate.args(arguments).arg("landfall.pkr.hcl"), b"", Duration::from_secs(60));
    assert!(said.ok(), "{said:?}");
    let broken = std::fs::read_to_string(Path::new(PACKAGING).join("packer/landfall.pkr.hcl")).unwrap().replace("iso_url ", "iso_urll ");
    std::fs::write(home.path().join("broken.pkr.hcl"), broken).unwrap();
    let said = run(packer(home.path()).unwrap().args(arguments).arg(home.path().join("broken.pkr.hcl")), b"", Duration::from_secs(60));
    assert!(!said.ok(), "{said:?}");
}

#[test]
fn template_and_module_are_formatted_as_their_language_wants_it() {
    let home = tempfile::tempdir().unwrap();
    for (file, name) in
        [("packer/landfall.pkr.hcl", "a.pkr.hcl"), ("packer/plugins.pkr.hcl", "b.pkr.hcl"), ("terraform/main.tf", "c.pkr.hcl")]
    {
        let copy = home.path().join(name);
        std::fs::copy(Path::new(PACKAGING).join(file), &copy).unwrap();
        let Some(mut format) = packer(home.path()) else { return };
        let said = run(format.args(["fmt", "-check", "-diff"]).arg(&copy), b"", Duration::from_secs(60));
        assert!(said.ok(), "{file}: {said:?}");
    }
}

/// `terraform` in a copy of the module, if this machine has it: it keeps what it makes beside the module.
fn terraform(module: &Path, arguments: &[&str]) -> Option<crate::lab::Output> {
    let mut command = Command::new("terraform");
    command.current_dir(module).args(arguments).env("HOME", module).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
    if Command::new("terraform").arg("version").env("HOME", module).env("CHECKPOINT_DISABLE", "1").output().is_err() {
        println!("there is no terraform on this machine, and Debian has none");
        return None;
    }
    Some(run(&mut command, b"", Duration::from_secs(60)))
}

/// What the module makes is user-data that landfall finds nothing wrong with, in both ways to use it.
#[test]
fn terraform_accepts_the_module_and_what_it_makes_is_valid_user_data() {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("module");
    std::fs::create_dir(&module).unwrap();
    std::fs::copy(Path::new(PACKAGING).join("terraform/main.tf"), module.join("main.tf")).unwrap();
    let bootstrap = Path::new(PACKAGING).parent().unwrap().join("cloud-config/bootstrap.yaml");
    let uses =
        [("a", format!("bootstrap = {:?}", bootstrap.display().to_string())), ("b", "baked     = true".to_owned())].map(|(name, how)| {
            let phases = r#"phases    = [{ name = "web", packages = ["nginx"], runcmd = ["true"] }]"#;
            format!(
                "module \"{name}\" {{\n  source    = \"./module\"\n  {how}\n  {phases}\n}}\n\n\
             output \"{name}\" {{\n  value     = module.{name}.user_data\n  sensitive = true\n}}\n"
            )
        });
    std::fs::write(directory.path().join("use.tf"), uses.join("\n")).unwrap();
    for arguments in
        [["fmt", "-check", "module"].as_slice(), &["init", "-input=false"], &["validate"], &["apply", "-auto-approve", "-input=false"]]
    {
        let Some(said) = terraform(directory.path(), arguments) else { return };
        assert!(said.ok(), "{arguments:?}: {said:?}");
    }
    for output in ["a", "b"] {
        let text = terraform(directory.path(), &["output", "-raw", output]).unwrap().expect_ok();
        assert!(text.starts_with("#cloud-config") && text.contains("nginx"), "{text}");
        let file = directory.path().join(format!("{output}.yaml"));
        std::fs::write(&file, text).unwrap();
        let said = run(Command::new(env!("CARGO_BIN_EXE_landfall")).arg("validate").arg(&file), b"", Duration::from_secs(30));
        assert!(said.ok(), "{said:?}");
    }
}
