//! Limits on what one process of a guest, and all that it starts, may take: memory, or processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Host;

/// A control group with a limit. The keeper removes it with its host.
pub struct Limit {
    group: PathBuf,
    /// In a hierarchy of its own, as before cgroup2.
    old: bool,
}

impl Limit {
    /// So much memory for all: what exceeds it is killed by the kernel.
    pub fn memory(host: &Host, bytes: u32) -> Self {
        let limit = Self::of(host, "memory");
        fs::write(limit.group.join(if limit.old { "memory.limit_in_bytes" } else { "memory.max" }), bytes.to_string()).unwrap();
        limit
    }

    /// So many processes: what would be one more cannot be started.
    pub fn processes(host: &Host, count: u32) -> Self {
        let limit = Self::of(host, "pids");
        fs::write(limit.group.join("pids.max"), count.to_string()).unwrap();
        limit
    }

    fn of(host: &Host, controller: &str) -> Self {
        let group = host.group().parent().unwrap().to_owned();
        let limit = match old_hierarchy(controller) {
            Some(hierarchy) => Self { group: hierarchy.join(group.file_name().unwrap()), old: true },
            None => Self { group: group.join(controller), old: false },
        };
        if !limit.old {
            fs::write(limit.group.join("../cgroup.subtree_control"), format!("+{controller}")).expect("a kernel with this controller");
        }
        fs::create_dir(&limit.group).unwrap();
        limit
    }

    /// Takes in a process, numbered as this machine does.
    pub fn take(&self, pid: u32) {
        fs::write(self.group.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// How many processes the kernel has killed in it for want of memory.
    pub fn killed(&self) -> u32 {
        let file = self.group.join(if self.old { "memory.oom_control" } else { "memory.events" });
        let text = fs::read_to_string(file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap()
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        super::wait_until("the group with a limit to be empty", Duration::from_secs(10), || fs::remove_dir(&self.group).is_ok());
    }
}

/// Where the machine has the controller in a hierarchy of its own.
fn old_hierarchy(controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let of_controller = |line: &&str| {
        let mut words = line.split(' ').skip(2);
        words.next() == Some("cgroup") && words.next().is_some_and(|options| options.split(',').any(|option| option == controller))
    };
    mounts.lines().find(of_controller).and_then(|line| line.split(' ').nth(1)).map(|at| Path::new(at).to_owned())
}
