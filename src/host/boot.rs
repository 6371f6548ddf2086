//! Which boot this is, and what time.

use std::os::unix::fs::MetadataExt as _;

use super::files::read_kernel;
use super::Host;

impl Host {
    /// The kernel's id of this boot.
    pub fn boot_id(&self) -> String {
        read_kernel("/proc/sys/kernel/random/boot_id").map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
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
