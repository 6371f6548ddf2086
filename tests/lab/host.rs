//! A throwaway host: its disk, its identity, and the keeper process that cleans up after it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::groups::renew_group;
use super::identity::Dmi;
use super::{run, scripts, BootOptions, Booted, Changes, Files, Lab, Output, Release};

/// What the changes of a host are stored on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// An overlay on this machine's disk. The fastest; it knows no power cut.
    Directory,
    /// An overlay whose upper layer is a loop-mounted ext4. A file of the root that a test replaces has no older version on that
    /// ext4, so its replace-by-rename heuristic (`auto_da_alloc`) does not help: unsynced data is lost more readily than on a real disk.
    Ext4Upper,
    /// The whole root on a loop-mounted ext4, no overlay: in every respect as on a real disk, and half a second slower to make.
    Ext4Whole,
}

impl Disk {
    fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Ext4Upper => "ext4-upper",
            Self::Ext4Whole => "ext4-whole",
        }
    }
}

/// A throwaway host. Clones are handles to the same host; it is removed with the last of them.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    lab: Lab,
    release: Release,
    disk: Disk,
    dmi: Mutex<Dmi>,
    running: AtomicBool,
    last_cpu_time: Mutex<Duration>,
    base: PathBuf,
    name: String,
    keeper: Mutex<Child>,
    keeper_pid: u32,
    // Closing it is what tells the keeper to clean up.
    lifeline: Mutex<Option<ChildStdin>>,
}

impl Host {
    pub(super) fn new(lab: Lab, release: Release, disk: Disk) -> Self {
        let host = Self::empty(lab, release, disk, Dmi::random());
        match disk {
            Disk::Directory => {}
            Disk::Ext4Upper => host.tool(Command::new("bash").arg(scripts().join("image.sh")).arg("empty").arg(host.image())),
            Disk::Ext4Whole => {
                let image = lab.root(release).with_extension("ext4");
                host.tool(
                    Command::new("bash").arg(scripts().join("image.sh")).arg("whole").arg(host.image()).arg(lab.root(release)).arg(image),
                );
            }
        }
        host.disk("mount");
        host
    }

    fn empty(lab: Lab, release: Release, disk: Disk, dmi: Dmi) -> Self {
        let base = lab.root(release).join("../../hosts");
        fs::create_dir_all(&base).unwrap();
        let base = base.canonicalize().unwrap();
        let mut keeper = Command::new("unshare")
            .args(["--mount", "bash"])
            .arg(scripts().join("keeper.sh"))
            .arg(&base)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut name = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut name).unwrap();
        assert!(!name.is_empty(), "the keeper did not start");
        let (lifeline, keeper_pid) = (keeper.stdin.take(), keeper.id());
        Self(Arc::new(Inner {
            lab,
            release,
            disk,
            dmi: Mutex::new(dmi),
            running: AtomicBool::new(false),
            last_cpu_time: Mutex::default(),
            base,
            name: name.trim().to_owned(),
            keeper: Mutex::new(keeper),
            keeper_pid,
            lifeline: Mutex::new(lifeline),
        }))
    }

    /// The files on its disk. While the host is booted this is the same tree without the guest's own mounts (`/run`, `/proc`, ...).
    pub fn files(&self) -> Files {
        Files::at(self.seen().join("merged"))
    }

    /// Runs a command in the tree without booting, as an image build does: `/proc`, a bare `/dev`, no init, no network, a tmpfs on `/run`.
    #[track_caller]
    pub fn chroot(&self, command: &[&str]) -> Output {
        assert!(!self.is_booted(), "the host is booted: use Booted::exec");
        let unshare = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "--kill-child", "bash"];
        let mut chroot = self.in_keeper(true);
        chroot.args(unshare).arg(scripts().join("chroot.sh")).arg(self.directory()).args(command);
        run(&mut chroot, b"", Duration::from_secs(120))
    }

    /// Installs a .deb from this machine with `dpkg -i` in the chroot.
    #[track_caller]
    pub fn install_deb(&self, deb: &Path) {
        let name = format!("/var/tmp/{}", deb.file_name().unwrap().to_string_lossy());
        self.files().write(&name, fs::read(deb).unwrap_or_else(|error| panic!("{}: {error}", deb.display())), 0o644);
        self.chroot(&["dpkg", "-i", &name]).expect_ok();
        self.files().remove(&name);
    }

    /// Boots the host: systemd starts as PID 1 of fresh namespaces. Returns when systemd has taken over; see [`Booted::wait_running`].
    /// What was changed from outside before counts as durable.
    #[track_caller]
    pub fn boot(&self, options: BootOptions) -> Booted {
        assert!(!self.0.running.swap(true, Ordering::SeqCst), "the host is already booted");
        self.disk("sync");
        Booted::start(self, options)
    }

    /// What differs from the release's root, by path. Needs an overlay: not for [`Disk::Ext4Whole`].
    pub fn changes(&self) -> Changes {
        let upper = match self.0.disk {
            Disk::Directory => "upper",
            Disk::Ext4Upper => "disk/upper",
            Disk::Ext4Whole => panic!("a whole ext4 has no layer of changes: use Host::tree"),
        };
        Changes::of_layer(&self.seen().join(upper))
    }

    /// Everything in the tree as it is on the disk, by path.
    pub fn tree(&self) -> Changes {
        Changes::of_layer(&self.seen().join("merged"))
    }

    /// A second host with a copy of this one's disk and another DMI identity: a cloned machine.
    #[track_caller]
    pub fn duplicate(&self) -> Self {
        assert!(!self.is_booted(), "only the disk of a host that is down can be copied");
        let copy = Self::empty(self.0.lab, self.0.release, self.0.disk, Dmi::random());
        self.disk("unmount");
        let source = self.seen();
        for part in ["upper", "disk.img"] {
            if source.join(part).exists() {
                self.tool(Command::new("cp").args(["-a", "--sparse=always", "--reflink=auto"]).arg(source.join(part)).arg(copy.seen()));
            }
        }
        self.disk("mount");
        copy.disk("mount");
        copy
    }

    /// What the host's firmware says.
    pub fn dmi(&self) -> Dmi {
        self.0.dmi.lock().unwrap().clone()
    }

    /// Changes what the firmware says from the next boot on.
    pub fn set_dmi(&self, dmi: Dmi) {
        *self.0.dmi.lock().unwrap() = dmi;
    }

    /// The release it was made of.
    pub fn release(&self) -> Release {
        self.0.release
    }

    /// True between a boot and its end.
    pub fn is_booted(&self) -> bool {
        self.0.running.load(Ordering::SeqCst)
    }

    /// CPU time that everything in the host has used in the current boot, or in the last one: the guest's processes with
    /// systemd, and what the test ran in it.
    pub fn cpu_time(&self) -> Duration {
        if !self.is_booted() {
            return *self.0.last_cpu_time.lock().unwrap();
        }
        let stat = fs::read_to_string(self.group().join("cpu.stat")).unwrap();
        let usec = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")).unwrap();
        Duration::from_micros(usec.parse().unwrap())
    }

    /// The name that everything of this host carries on this machine: its directory, its control group, its image.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// For the lab's own tests: what happens to a host when even its keeper dies by SIGKILL. It is of no use afterwards.
    pub fn kill_keeper(&self) {
        self.0.lifeline.lock().unwrap().take();
        let mut keeper = self.0.keeper.lock().unwrap();
        keeper.kill().unwrap();
        keeper.wait().unwrap();
    }

    fn is_kept(&self) -> bool {
        self.0.keeper.lock().unwrap().try_wait().is_ok_and(|status| status.is_none())
    }

    pub(super) fn ended(&self) {
        if self.is_kept() {
            *self.0.last_cpu_time.lock().unwrap() = self.cpu_time();
            renew_group(&self.group());
            if self.0.disk != Disk::Directory {
                // Also after a mere crash: a real host mounts its disk anew at every boot.
                self.disk("remount");
            }
        }
        self.0.running.store(false, Ordering::SeqCst);
    }

    pub(super) fn cut(&self) {
        assert_ne!(self.0.disk, Disk::Directory, "a power cut needs a disk of its own: Disk::Ext4Upper or Ext4Whole");
        self.disk("cut");
    }

    pub(super) fn fail_disk(&self) {
        assert_ne!(self.0.disk, Disk::Directory, "a disk that fails has to be one of its own: Disk::Ext4Upper or Ext4Whole");
        self.disk("fail");
    }

    /// The host's directory as this process sees it, with the keeper's mounts.
    pub(super) fn seen(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.0.keeper_pid, self.directory().display()))
    }

    /// The host's directory as its keeper sees it.
    pub(super) fn directory(&self) -> PathBuf {
        self.0.base.join(&self.0.name)
    }

    /// The control group that holds all processes of the guest: the root of the hierarchy that the guest sees.
    pub(super) fn group(&self) -> PathBuf {
        let base = self.0.base.display();
        PathBuf::from(format!("/proc/{}/root{base}/.groups/landfall-lab.{}/guest", self.0.keeper_pid, self.0.name))
    }

    /// A command in the keeper's mount namespace, and, if it is `inside`, in the host's control group, so that it dies with it.
    pub(super) fn in_keeper(&self, inside: bool) -> Command {
        let mut command = Command::new("bash");
        let join = if inside { r#"echo $$ >"$1/lab/cgroup.procs" || exit 125"# } else { ":" };
        command.arg("-c").arg(format!(r#"{join}; shift; exec nsenter -t "$@""#)).arg("lab").arg(self.group());
        command.arg(self.0.keeper_pid.to_string()).args(["-m", "--"]);
        command
    }

    #[track_caller]
    pub(super) fn disk(&self, verb: &str) {
        let mut command = self.in_keeper(false);
        command.arg("bash").arg(scripts().join("disk.sh")).arg(verb).arg(self.directory());
        command.env("DISK", self.0.disk.name()).env("LOWER", self.0.lab.root(self.0.release));
        command.env("REPO", self.0.lab.repo()).env("MIRROR", self.0.lab.mirror());
        self.tool(&mut command);
    }

    /// Whether somebody runs on the disk.
    pub(super) fn claim(&self) -> &AtomicBool {
        &self.0.running
    }

    pub(super) fn disk_kind(&self) -> Disk {
        self.0.disk
    }

    pub(super) fn image(&self) -> PathBuf {
        self.directory().join("disk.img")
    }

    #[track_caller]
    fn tool(&self, command: &mut Command) {
        run(command, b"", Duration::from_secs(120)).expect_ok();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.lifeline.lock().unwrap().take());
        // Not forever: a test that fails must end, and the next lab sweeps what is left.
        let _ = super::run::wait(&mut self.keeper.lock().unwrap(), Duration::from_secs(30));
    }
}
