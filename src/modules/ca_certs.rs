//! `ca_certs`.

use super::{Module, Scope, Steps};
use crate::plan::operation::{content, Command, Edit, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

/// Certificates to trust.
pub const CA_CERTS: Module =
    Module { name: "ca_certs", stage: Stage::Local, frequency: Frequency::Instance, keys: &["ca_certs"], implied: false, plan };

const LOCAL: &str = "/usr/local/share/ca-certificates";
const CONFIG: &str = "/etc/ca-certificates.conf";
const PROGRAM: &str = "update-ca-certificates";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(certs) = &scope.keys.ca_certs else { return };
    if certs.remove_defaults {
        let change = Edit::PrefixLines { prefix: "!".into() };
        let operation = Operation::EditFile { path: CONFIG.into(), change, mode: 0o644, force_mode: false };
        if scope.facts.has(PROGRAM) {
            steps.add("remove-defaults", operation).at(&certs.origin);
        }
        let selections = Secret::new("ca-certificates ca-certificates/trust_new_crts select no\n".to_owned());
        steps.add("trust-no-new", Operation::Debconf { selections }).at(&certs.origin);
    }
    for (at, certificate) in certs.trusted.0.iter().enumerate() {
        let Some(certificate) = certificate else { continue };
        let file = WriteFile {
            path: format!("{LOCAL}/cloud-init-ca-cert-{}.crt", at + 1),
            content: content(certificate.value.as_str()),
            mode: Some(0o644),
            owner: Some(Owner::root()),
            own_parents: false,
        };
        steps.add(&(at + 1).to_string(), Operation::WriteFile(file)).at(&certificate.origin);
    }
    if scope.facts.has(PROGRAM) {
        let command = Command {
            argv: vec![PROGRAM.into()],
            accept: vec![0],
            idempotent: true,
            purpose: "update the certificate store".into(),
            ..Command::default()
        };
        steps.add("update", Operation::Command(command)).at(&certs.origin);
    } else {
        // The package takes up the local certificates as it is installed.
        steps.want_package("ca-certificates", &certs.origin);
    }
}
