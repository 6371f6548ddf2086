//! A machine that qemu emulates, without KVM: one that has it is not assumed.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lab::{run, Host, Lab, LentDisk, Release};
use crate::volume::{Bus, Volume};

/// An emulated boot takes about a minute on an idle machine, and this long on one that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(1200);

/// A machine with power. Dropping it pulls the plug and gives the disk back.
pub struct Machine {
    // Before the disk: fields are dropped in this order.
    qemu: Mutex<Qemu>,
    serial: tempfile::TempDir,
    _disk: LentDisk,
    _larger: Option<tempfile::TempDir>,
}

struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Boots the host's disk with the root's own kernel and initrd; the volume is attached, there is no network.
    pub fn boot(lab: Lab, host: &Host, volume: &Volume) -> Self {
        Self::boot_in(lab, host, volume, "utc")
    }

    /// The same with a clock that says something else, as `2045-01-01`.
    pub fn boot_in(lab: Lab, host: &Host, volume: &Volume, clock: &str) -> Self {
        let disk = host.lend_disk();
        let image = disk.image();
        Self::start(lab, (disk, None), &image, "/dev/vda", volume, clock)
    }

    /// Boots a copy of the host's disk that is the first partition of a disk with a gibibyte behind it, as a cloud gives an image.
    pub fn boot_on_larger_disk(lab: Lab, host: &Host, volume: &Volume) -> Self {
        let disk = host.lend_disk();
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let image = directory.path().join("disk.img");
        let size = fs::metadata(disk.image()).unwrap().len();
        let mut copy = Command::new("dd");
        copy.arg(format!("if={}", disk.image().display())).arg(format!("of={}", image.display()));
        copy.args(["bs=1M", "seek=1", "conv=sparse", "status=none"]);
        run(&mut copy, b"", Duration::from_secs(120)).expect_ok();
        let larger = fs::OpenOptions::new().write(true).open(&image).unwrap();
        larger.set_len(size + (1025 << 20)).unwrap();
        // A master boot record with one partition of Linux.
        let mut entry = [0_u8; 16];
        entry[4] = 0x83;
        entry[8..12].copy_from_slice(&2048_u32.to_le_bytes());
        entry[12..].copy_from_slice(&u32::try_from(size / 512).unwrap().to_le_bytes());
        larger.write_all_at(&entry, 446).unwrap();
        larger.write_all_at(&[0x55, 0xaa], 510).unwrap();
        Self::start(lab, (disk, Some(directory)), &image, "/dev/vda1", volume, "utc")
    }

    fn start(lab: Lab, held: (LentDisk, Option<tempfile::TempDir>), image: &Path, root: &str, volume: &Volume, clock: &str) -> Self {
        let boot = lab.root(Release::TrixieVm).join("boot");
        let mut command = Command::new("setpriv");
        // A machine does not outlive the test that dies.
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(["-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"]);
        // Time goes by in the guest as instructions do, so that no timeout of systemd knows how busy this machine is. Without AVX,
        // which glibc would use and whose emulation is slow.
        command.args(["-machine", "q35", "-accel", "tcg", "-icount", "shift=2", "-cpu", "Nehalem,+rdrand", "-smp", "2", "-m", "768"]);
        command.args(["-rtc", &format!("base={clock}")]);
        command.arg("-kernel").arg(only(&boot, "vmlinuz-")).arg("-initrd").arg(only(&boot, "initrd.img-"));
        command.arg("-append").arg(format!("root={root} rw console=ttyS0 quiet fastboot mitigations=off"));
        command.arg("-drive").arg(drive(image, "root", ""));
        command.args(["-device", "virtio-blk-pci,drive=root"]);
        match volume.bus {
            Bus::Cd => {
                command.arg("-drive").arg(drive(&volume.image(), "volume", ",readonly=on"));
                command.args(["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=volume"]);
            }
            Bus::Disk => {
                command.arg("-drive").arg(drive(&volume.image(), "volume", ""));
                command.args(["-device", "virtio-blk-pci,drive=volume"]);
            }
        }
        let serial = tempfile::tempdir().unwrap();
        command.arg("-serial").arg(format!("file:{}", serial.path().join("console").display()));
        let qemu = command.stdin(Stdio::null()).spawn().unwrap();
        Self { qemu: Mutex::new(Qemu(qemu)), serial, _disk: held.0, _larger: held.1 }
    }

    /// Everything that came over the serial line so far, without the terminal's carriage returns.
    pub fn console(&self) -> String {
        let bytes = fs::read(self.serial.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Waits until the text was on the serial console.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait(text, || self.console().contains(text));
    }

    /// Waits until the guest has switched itself off.
    #[track_caller]
    pub fn wait_power_off(&self) {
        self.wait("the machine to switch itself off", || !self.is_on());
    }

    /// Pulls the plug.
    pub fn power_cut(&self) {
        let mut qemu = self.qemu.lock().unwrap();
        qemu.0.kill().unwrap();
        qemu.0.wait().unwrap();
    }

    fn is_on(&self) -> bool {
        self.qemu.lock().unwrap().0.try_wait().unwrap().is_none()
    }

    #[track_caller]
    fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            // In this order: what it said last before it went off counts.
            let on = self.is_on();
            if condition() {
                return;
            }
            assert!(on && Instant::now() < end, "waited in vain for: {what}\n--- serial console\n{}", self.console());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn drive(image: &Path, id: &str, more: &str) -> String {
    // Writes reach the file when the guest says so; what it holds back is what a cut loses.
    format!("file={},id={id},if=none,format=raw,cache=writeback{more}", image.display())
}

/// The one file whose name begins so.
fn only(directory: &Path, prefix: &str) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)));
    assert_eq!(found.len(), 1, "{prefix} in {}", directory.display());
    found.remove(0)
}
