//! `ansible`.

use super::reader::{nearest, FromNode, Reader, Shape};
use super::scalars::{Address, OneOrMany, Text, Word};
use super::users::UserName;
use crate::config::node::{Node, Value};
use crate::secret::Secret;

crate::record! {
    /// `ansible`.
    pub struct Ansible {
        /// Where Ansible comes from; the distribution, by default.
        optional install_method: InstallMethod,
        /// The package that brings it.
        optional package_name: Word,
        /// Who runs it; root, by default.
        optional run_user: UserName,
        /// Its configuration file.
        optional ansible_config: Text,
        /// Collections and roles.
        optional galaxy: Galaxy,
        /// Playbooks of repositories.
        default pull: OneOrMany<WithOptions<Pull>>,
        /// What makes this host one that configures others.
        optional setup_controller: Controller,
    }
}

/// Where Ansible comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallMethod {
    /// The distribution's package.
    Distro,
    /// pip.
    Pip,
}

impl FromNode for InstallMethod {
    const SHAPE: Shape = Shape::Words(&["distro", "pip"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Distro, Self::Pip][reader.word(node, Self::SHAPE, "is none")?])
    }
}

/// What a tool of Ansible is told: the keys that have a type here, and any other, which is an option of the tool as it stands.
#[derive(Clone, Debug)]
pub struct WithOptions<T> {
    /// What has a type.
    pub known: T,
    /// The other options.
    pub others: Vec<String>,
}

/// Whose options they are.
pub trait Tool: FromNode {
    /// The program.
    const PROGRAM: &'static str;
    /// The keys that have a type.
    const TYPED: &'static [&'static str];
}

impl Tool for Pull {
    const PROGRAM: &'static str = "ansible-pull";
    const TYPED: &'static [&'static str] = Self::KEYS;
}

impl Tool for Playbook {
    const PROGRAM: &'static str = "ansible-playbook";
    const TYPED: &'static [&'static str] = Self::KEYS;
}

impl<T: Tool> FromNode for WithOptions<T> {
    const SHAPE: Shape = T::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let (typed, rest): (Vec<_>, Vec<_>) =
            entries.iter().cloned().partition(|entry| T::TYPED.contains(&entry.key.source_text().as_str()));
        let mut others = Vec::new();
        for entry in rest {
            let key = entry.key.source_text();
            let option = key.replace('_', "-");
            match &entry.value.value {
                Value::Bool(false) => {}
                Value::Bool(true) => others.push(format!("--{option}")),
                _ => {
                    let value = reader.within(&key, |reader| Text::from_node(&entry.value, reader))?;
                    others.push(format!("--{option}={}", value.0));
                }
            }
            let message = format!("`{key}` in {} is not checked: {} is given `--{option}`", reader.path(), T::PROGRAM);
            let near = nearest(&key, T::TYPED);
            let problem = reader.report.note("option", message).at(&entry.key.origin);
            if let Some(near) = near {
                problem.help(format!("did you mean `{near}`?"));
            }
        }
        let known = T::from_node(&Node::new(Value::Map(typed), node.origin.clone()), reader)?;
        Some(Self { known, others })
    }
}

crate::record! {
    /// `ansible.galaxy`.
    pub struct Galaxy {
        /// Commands, each a list of words.
        required actions: Vec<Vec<Text>>,
    }
}

crate::record! {
    /// One entry of `ansible.pull`; but for the playbooks everything is an option of ansible-pull(1).
    pub struct Pull {
        /// The repository.
        required url: Address,
        /// Playbooks in it.
        required playbook_names ["playbook_name"]: OneOrMany<Text>,
        /// Take the host's key as it comes.
        default accept_host_key: bool,
        /// Undo changes in the working copy.
        default clean: bool,
        /// The whole history.
        default full: bool,
        /// Show what changes.
        default diff: bool,
        /// Check the signature.
        default verify_commit: bool,
        /// Variables.
        optional extra_vars: Secret<String>,
        /// Branch, tag or commit.
        optional checkout: Text,
        /// How hosts are reached.
        optional connection: Text,
        /// Inventory.
        optional inventory: Text,
        /// Module that fetches.
        optional module_name: Text,
        /// Where modules are looked for.
        optional module_path: Text,
        /// Key for ssh.
        optional private_key: Text,
        /// Arguments for scp.
        optional scp_extra_args: Text,
        /// Arguments for sftp.
        optional sftp_extra_args: Text,
        /// Tags to leave out.
        optional skip_tags: Text,
        /// Seconds to wait, at random, before.
        optional sleep: Text,
        /// Arguments for ssh and its like.
        optional ssh_common_args: Text,
        /// Tags to run.
        optional tags: Text,
        /// Seconds for a connection.
        optional timeout: Text,
        /// Vault.
        optional vault_id: Text,
        /// File of its password.
        optional vault_password_file: Text,
    }
}

impl Pull {
    /// Options of ansible-pull(1).
    pub fn options(&self) -> Vec<String> {
        let mut options = vec![format!("--url={}", self.url.0)];
        options.extend(switches(&[
            ("accept-host-key", self.accept_host_key),
            ("clean", self.clean),
            ("full", self.full),
            ("diff", self.diff),
            ("verify-commit", self.verify_commit),
        ]));
        options.extend(values(&[
            ("checkout", &self.checkout),
            ("connection", &self.connection),
            ("inventory", &self.inventory),
            ("module-name", &self.module_name),
            ("module-path", &self.module_path),
            ("private-key", &self.private_key),
            ("scp-extra-args", &self.scp_extra_args),
            ("sftp-extra-args", &self.sftp_extra_args),
            ("skip-tags", &self.skip_tags),
            ("sleep", &self.sleep),
            ("ssh-common-args", &self.ssh_common_args),
            ("tags", &self.tags),
            ("timeout", &self.timeout),
            ("vault-id", &self.vault_id),
            ("vault-password-file", &self.vault_password_file),
        ]));
        options.extend(extra_vars(&self.extra_vars));
        options
    }
}

crate::record! {
    /// `ansible.setup_controller`.
    pub struct Controller {
        /// What is cloned.
        default repositories: Vec<Repository>,
        /// Playbooks that are run.
        default run_ansible: Vec<WithOptions<Playbook>>,
    }
}

crate::record! {
    /// A repository and where it goes.
    pub struct Repository {
        /// Its address.
        required source: Address,
        /// Where it goes.
        required path: Text,
    }
}

crate::record! {
    /// A playbook; but for its place everything is an option of ansible-playbook(1).
    pub struct Playbook {
        /// Its name.
        required playbook_name: Text,
        /// The directory it is run in.
        required playbook_dir: Text,
        /// Change nothing.
        default check: bool,
        /// Show what changes.
        default diff: bool,
        /// Only list hosts.
        default list_hosts: bool,
        /// Only read the playbook.
        default syntax_check: bool,
        /// Arguments of a module.
        optional args: Text,
        /// Seconds in the background.
        optional background: Text,
        /// The user that is become.
        optional become_user: Text,
        /// File of that user's password.
        optional become_password_file: Text,
        /// How hosts are reached.
        optional connection: Text,
        /// File of the password for it.
        optional connection_password_file: Text,
        /// Variables.
        optional extra_vars: Secret<String>,
        /// Hosts at a time.
        optional forks: Text,
        /// Inventory.
        optional inventory: Text,
        /// Module.
        optional module_name: Text,
        /// Where modules are looked for.
        optional module_path: Text,
        /// Seconds between looks.
        optional poll: Text,
        /// Key for ssh.
        optional private_key: Text,
        /// Arguments for scp.
        optional scp_extra_args: Text,
        /// Arguments for sftp.
        optional sftp_extra_args: Text,
        /// Tags to leave out.
        optional skip_tags: Text,
        /// Seconds to wait before.
        optional sleep: Text,
        /// Tags to run.
        optional tags: Text,
        /// Seconds for a connection.
        optional timeout: Text,
        /// Vault.
        optional vault_id: Text,
        /// File of its password.
        optional vault_password_file: Text,
    }
}

impl Playbook {
    /// Options of ansible-playbook(1).
    pub fn options(&self) -> Vec<String> {
        let mut options =
            switches(&[("check", self.check), ("diff", self.diff), ("list-hosts", self.list_hosts), ("syntax-check", self.syntax_check)]);
        options.extend(values(&[
            ("args", &self.args),
            ("background", &self.background),
            ("become-user", &self.become_user),
            ("become-password-file", &self.become_password_file),
            ("connection", &self.connection),
            ("connection-password-file", &self.connection_password_file),
            ("forks", &self.forks),
            ("inventory", &self.inventory),
            ("module-name", &self.module_name),
            ("module-path", &self.module_path),
            ("poll", &self.poll),
            ("private-key", &self.private_key),
            ("scp-extra-args", &self.scp_extra_args),
            ("sftp-extra-args", &self.sftp_extra_args),
            ("skip-tags", &self.skip_tags),
            ("sleep", &self.sleep),
            ("tags", &self.tags),
            ("timeout", &self.timeout),
            ("vault-id", &self.vault_id),
            ("vault-password-file", &self.vault_password_file),
        ]));
        options.extend(extra_vars(&self.extra_vars));
        options
    }
}

fn extra_vars(vars: &Option<Secret<String>>) -> Option<String> {
    vars.as_ref().map(|vars| format!("--extra-vars={}", vars.expose()))
}

fn switches(all: &[(&str, bool)]) -> Vec<String> {
    all.iter().filter(|(_, on)| *on).map(|(name, _)| format!("--{name}")).collect()
}

fn values(all: &[(&str, &Option<Text>)]) -> Vec<String> {
    all.iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?.0))).collect()
}
