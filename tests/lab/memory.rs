//! A limit on the memory of one process of a guest: what exceeds it is killed by the kernel, for want of memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Host;

/// A control group with a limit. The keeper removes it with its host.
pub struct MemoryLimit {
    group: PathBuf,
    old: bool,
}

impl MemoryLimit {
    /// A group that has room for nothing more than what its processes bring with them.
    pub fn new(host: &Host) -> Self {
        let group = host.group().parent().unwrap().to_owned();
        let limit = match old_hierarchy() {
            Some(hierarchy) => Self { group: hierarchy.join(group.file_name().unwrap()), old: true },
            None => Self { group: group.join("short"), old: false },
        };
        if !limit.old {
            fs::write(limit.group.join("../cgroup.subtree_control"), "+memory").expect("a kernel with memory control groups");
        }
        fs::create_dir(&limit.group).unwrap();
        fs::write(limit.group.join(if limit.old { "memory.limit_in_bytes" } else { "memory.max" }), "4096").unwrap();
        limit
    }

    /// Takes in a process, numbered as this machine does.
    pub fn take(&self, pid: u32) {
        fs::write(self.group.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    /// How many processes the kernel has killed in it.
    pub fn killed(&self) -> u32 {
        let file = self.group.join(if self.old { "memory.oom_control" } else { "memory.events" });
        let text = fs::read_to_string(file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap()
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        super::wait_until("the short group to be empty", Duration::from_secs(10), || fs::remove_dir(&self.group).is_ok());
    }
}

/// Where the machine has memory in a hierarchy of its own, as before cgroup2.
fn old_hierarchy() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let of_memory = |line: &&str| {
        let mut words = line.split(' ').skip(2);
        words.next() == Some("cgroup") && words.next().is_some_and(|options| options.split(',').any(|option| option == "memory"))
    };
    mounts.lines().find(of_memory).and_then(|line| line.split(' ').nth(1)).map(|at| Path::new(at).to_owned())
}
