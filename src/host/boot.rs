//! Which boot this is, and what time.

use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;

use super::files::read_kernel;
use super::Host;

impl Host {
    /// The kernel's id of this boot.
    pub fn boot_id(&self) -> String {
        static ID: OnceLock<String> = OnceLock::new();
        let read = || read_kernel("/proc/sys/kernel/random/boot_id").map_or_else(|_| "unknown".into(), |text| text.trim().to_owned());
        ID.get_or_init(read).clone()
    }

    /// Whether this boot gave the system its machine id (machine-id(5)): it is the first one of what was an image.
    pub fn got_its_machine_id(&self) -> bool {
        let Ok(found) = fs_err::metadata(self.real_path("/etc/machine-id")) else { return false };
        #[allow(clippy::cast_precision_loss)]
        let changed = found.ctime() as f64;
        self.is_live() && changed > self.now() - self.uptime_seconds()
    }

    /// The kernel command line.
    pub fn kernel_command_line(&self) -> String {
        read_kernel("/proc/cmdline").unwrap_or_default().trim().to_owned()
    }

    /// A variable that this system was started with. Its first process has those that a container's manager gives it, and they are
    /// root's to read; this one has those that systemd gives to all its units.
    pub fn boot_variable(&self, name: &str) -> Option<String> {
        if !self.is_live() {
            return None;
        }
        let of_the_first = read_kernel("/proc/1/environ").ok().and_then(|environment| variable(&environment, name));
        of_the_first.or_else(|| self.environment(name))
    }

    /// A variable of this process, on the host itself.
    pub fn environment(&self, name: &str) -> Option<String> {
        if self.is_live() {
            std::env::var(name).ok()
        } else {
            None
        }
    }

    /// Seconds since boot.
    pub fn uptime_seconds(&self) -> f64 {
        let since = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
        // In hundredths, as /proc/uptime has it.
        since.map_or(0.0, |since| (since.as_secs_f64() * 100.0).floor() / 100.0)
    }

    /// Seconds since 1970, as the host's clock has it.
    pub fn now(&self) -> f64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    /// A number in 0..1 that no other host has at this moment, to spread retries.
    pub fn noise(&self) -> f64 {
        use std::io::Read as _;
        let mut bytes = [0_u8; 4];
        let read = fs_err::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        if read.is_ok() {
            f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
        } else {
            0.5
        }
    }
}

/// The value of a variable in a process's environment, as `/proc/PID/environ` has it.
fn variable(environment: &str, name: &str) -> Option<String> {
    environment.split('\0').find_map(|entry| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_another_process_is_found_by_its_whole_name() {
        let environment = "container=lxc\0XKERNEL_CMDLINE=a\0KERNEL_CMDLINE_B=b\0KERNEL_CMDLINE=cloud-init=disabled\0";
        assert_eq!(variable(environment, "KERNEL_CMDLINE").as_deref(), Some("cloud-init=disabled"));
        assert_eq!(variable(environment, "container").as_deref(), Some("lxc"));
        assert_eq!(variable(environment, "KERNEL"), None);
        assert_eq!(variable("", "KERNEL_CMDLINE"), None);
    }
}
