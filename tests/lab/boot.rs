//! A booted host: systemd running as PID 1 of its own namespaces.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::console::Console;
use super::identity::random_uuid;
use super::{run, scripts, wait_until, Files, Host, Output};

/// How a host is booted.
#[derive(Debug, Clone)]
pub struct BootOptions {
    /// An interface `eth0` that is up to nobody: the other end of its cable is in nothing.
    pub eth0: bool,
    /// What `/proc/cmdline` says.
    pub cmdline: String,
    /// The longest that the waiting functions wait.
    pub timeout: Duration,
}

impl Default for BootOptions {
    fn default() -> Self {
        Self { eth0: false, cmdline: "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 ro quiet".into(), timeout: Duration::from_secs(60) }
    }
}

/// How a boot came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The guest asked its kernel for a reboot: boot it again.
    Reboot,
    /// The guest asked for power off or halt.
    PowerOff,
    /// Its processes were killed, or the power was cut.
    Killed,
    /// PID 1 exited by itself.
    Exited,
}

/// A booted host. Dropping it kills it.
pub struct Booted {
    host: Host,
    options: BootOptions,
    console: Console,
    boot_id: String,
    init: u32,
    // `None` once the end was seen and the disk is down.
    child: Mutex<Option<Child>>,
    ended: Mutex<Option<Ended>>,
}

impl Booted {
    #[track_caller]
    pub(super) fn start(host: &Host, options: BootOptions) -> Self {
        let boot_id = random_uuid();
        prepare(host, &boot_id, &options);
        let console = Console::new();
        let errors = host.seen().join("boot/errors");
        let mut command = host.in_keeper(true);
        command
            .args(["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "--kill-child", "bash"])
            .arg(scripts().join("boot.sh"))
            .arg(host.directory())
            .env("CONSOLE", console.path())
            .env("ETH0", if options.eth0 { "1" } else { "0" })
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).unwrap())
            .process_group(0);
        let mut child = command.spawn().unwrap();

        let end = Instant::now() + Duration::from_secs(20);
        let init = loop {
            if let Some(pid) = taken_over(host) {
                break pid;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the host did not boot: {status}\n{}\n{}", fs::read_to_string(&errors).unwrap_or_default(), console.text());
            }
            assert!(Instant::now() < end, "systemd did not start\n{}", fs::read_to_string(&errors).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(2));
        };
        Self { host: host.clone(), options, console, boot_id, init, child: Mutex::new(Some(child)), ended: Mutex::new(None) }
    }

    /// Runs a command in the guest as root, in no unit, with an environment of its own, at most as long as the boot's timeout.
    #[track_caller]
    pub fn exec(&self, command: &[&str]) -> Output {
        self.exec_with(command, b"", self.options.timeout)
    }

    /// The same with standard input and a deadline.
    #[track_caller]
    pub fn exec_with(&self, command: &[&str], input: &[u8], deadline: Duration) -> Output {
        run(&mut self.command(command), input, deadline)
    }

    /// The command that [`Booted::exec`] runs, for a test that wants to start it and go on.
    pub fn command(&self, command: &[&str]) -> Command {
        let mut enter = Command::new("bash");
        let join = r#"echo $$ >"$1/lab/cgroup.procs" || exit 125; shift; exec nsenter -t "$@""#;
        enter.arg("-c").arg(join).arg("lab").arg(self.host.group()).arg(self.init.to_string());
        enter.args(["-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]);
        enter.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").args(command);
        enter
    }

    /// A command of this machine, with its files, in the guest's network namespace: a fake service for the guest to talk to.
    pub fn in_network(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.init.to_string(), "-n", "--", program]);
        command
    }

    /// Runs a shell script in the guest.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Output {
        self.exec(&["sh", "-c", script])
    }

    /// Waits until the boot is complete; gives `running` or `degraded`.
    #[track_caller]
    pub fn wait_running(&self) -> String {
        let mut state = String::new();
        self.wait_until("the boot to complete", || {
            state = self.exec(&["systemctl", "is-system-running", "--wait"]).stdout.trim().to_owned();
            matches!(state.as_str(), "running" | "degraded")
        });
        state
    }

    /// Waits until a unit was started and came to rest; gives `active`, `failed`, or `inactive` if its conditions did not hold.
    #[track_caller]
    pub fn wait_unit(&self, unit: &str) -> String {
        let mut state = String::new();
        self.wait_until(&format!("{unit} to come to rest"), || {
            let shown = self.exec(&["systemctl", "show", "-p", "ActiveState,ConditionResult,ConditionTimestampMonotonic", unit]).stdout;
            let of = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            state = of("ActiveState=");
            let left_out = of("ConditionResult=") == "no" && of("ConditionTimestampMonotonic=") != "0";
            matches!(state.as_str(), "active" | "failed") || (state == "inactive" && left_out)
        });
        state
    }

    /// Repeats `condition` until it holds, at most as long as the boot's timeout; a failure shows the console.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let end = Instant::now() + self.options.timeout;
        while !condition() {
            if let Some(ended) = self.try_end() {
                panic!("the host ended ({ended:?}) while the test waited for: {what}\n--- console\n{}", self.console());
            }
            assert!(Instant::now() < end, "waited {:?} in vain for: {what}\n--- console\n{}", self.options.timeout, self.console());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How this machine numbers a process of the guest.
    pub fn machine_pid(&self, pid: &str) -> u32 {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let guests = namespace(self.init);
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let is_it = |at: &u32| {
            let status = fs::read_to_string(format!("/proc/{at}/status")).unwrap_or_default();
            let inner = status.lines().find_map(|line| line.strip_prefix("NSpid:")?.split_whitespace().last());
            inner == Some(pid) && namespace(*at) == guests
        };
        fs::read_dir("/proc").unwrap().flatten().filter_map(number).find(is_it).expect("the process runs")
    }

    /// Everything that was written to the console in this boot.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// Types at the console.
    pub fn type_in(&self, text: &str) {
        self.console.type_in(text);
    }

    /// `journalctl` of this boot with more arguments, such as `-u UNIT` or `-o json`.
    #[track_caller]
    pub fn journal(&self, arguments: &[&str]) -> String {
        let mut command = vec!["journalctl", "--no-pager", "-q", "-b"];
        command.extend(arguments);
        self.exec(&command).expect_ok()
    }

    /// The tree as the guest's processes see it, `/run` and `/proc` included.
    pub fn files(&self) -> Files {
        Files::at(format!("/proc/{}/root", self.init).into())
    }

    /// The boot id that the guest sees, with dashes.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// The host that is booted.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// PID 1 of the guest as this machine numbers it.
    pub fn init_pid(&self) -> u32 {
        self.init
    }

    /// Shuts down in good order, and waits for it.
    #[track_caller]
    pub fn shutdown(&self) {
        // What systemd documents for "poweroff.target, now".
        run(Command::new("kill").args(["-s", "RTMIN+4", &self.init.to_string()]), b"", Duration::from_secs(10)).expect_ok();
        assert_eq!(self.wait_end(), Ended::PowerOff);
    }

    /// A crash: all processes are killed at once; what they wrote stays, synced or not.
    pub fn kill(&self) {
        let _ = fs::write(self.host.group().join("cgroup.kill"), "1");
        self.wait_end();
    }

    /// The disk is gone: from now on whatever reads or writes gets an I/O error. The guest goes on; what is in memory is still there.
    pub fn fail_disk(&self) {
        self.host.fail_disk();
    }

    /// Pulls the plug: what was not synced is lost. The disk is mounted again (its journal replayed) before this returns.
    pub fn power_cut(&self) {
        self.host.cut();
        self.wait_end();
    }

    /// Waits until the guest is down, at most as long as the boot's timeout.
    #[track_caller]
    pub fn wait_end(&self) -> Ended {
        let mut ended = None;
        wait_until("the host to go down", self.options.timeout, || {
            ended = self.try_end();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// How the boot ended, if it has.
    pub fn try_end(&self) -> Option<Ended> {
        let mut child = self.child.lock().unwrap();
        if let Some(running) = child.as_mut() {
            let status = running.try_wait().unwrap()?;
            *self.ended.lock().unwrap() = Some(how(status));
            *child = None;
            self.host.ended();
        }
        *self.ended.lock().unwrap()
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- console of the host\n{}", self.console());
        }
        let child = self.child.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(mut child) = child.take() {
            let _ = fs::write(self.host.group().join("cgroup.kill"), "1");
            let _ = super::run::wait(&mut child, Duration::from_secs(10));
            self.host.ended();
        }
    }
}

/// reboot(2) in a pid namespace: the kernel ends its init by SIGHUP for a restart, by SIGINT for halt and power off. unshare passes it on.
fn how(status: ExitStatus) -> Ended {
    match status.signal() {
        Some(1) => Ended::Reboot,
        Some(2) => Ended::PowerOff,
        Some(_) => Ended::Killed,
        None => Ended::Exited,
    }
}

/// The pid of the guest's init once it is systemd; before that it is still the script that prepares the namespaces.
fn taken_over(host: &Host) -> Option<u32> {
    let pid = fs::read_to_string(host.seen().join("boot/init.pid")).ok()?.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "systemd").then_some(pid)
}

/// Files that boot.sh puts over those of the machine.
fn prepare(host: &Host, boot_id: &str, options: &BootOptions) {
    let boot = host.seen().join("boot");
    let dmi = boot.join("class/dmi/id");
    let _ = fs::remove_file(boot.join("init.pid"));
    fs::create_dir_all(&dmi).unwrap();
    fs::write(boot.join("boot_id"), format!("{boot_id}\n")).unwrap();
    fs::write(boot.join("cmdline"), format!("{}\n", options.cmdline)).unwrap();
    let firmware = host.dmi();
    for (name, value) in [
        ("sys_vendor", &firmware.sys_vendor),
        ("product_name", &firmware.product_name),
        ("product_serial", &firmware.product_serial),
        ("product_uuid", &firmware.product_uuid),
        ("chassis_asset_tag", &firmware.chassis_asset_tag),
    ] {
        fs::write(dmi.join(name), format!("{value}\n")).unwrap();
    }
}
