//! `make demo`: a throwaway Debian 13 is provisioned from `cloud-config/web-server.yaml`, its power is cut while dpkg unpacks,
//! and it boots again. Shown is what its console says, `landfall status --long`, and whether it ended right.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../lab/mod.rs"]
mod lab;

mod screen;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lab::{BootOptions, Booted, Disk, Host, Lab, Release};
use screen::Screen;

const USER_DATA: &str = "cloud-config/web-server.yaml";

fn main() -> ExitCode {
    let Some(lab) = Lab::require() else { return ExitCode::FAILURE };
    let Some(deb) = std::env::var_os("LANDFALL_DEB").map(PathBuf::from) else {
        eprintln!("LANDFALL_DEB names no package: `make demo` sets it");
        return ExitCode::FAILURE;
    };
    let screen = Screen::of_stdout();
    screen.title("a throwaway Debian 13, with the package installed and user-data in its seed directory");
    let host = image(lab, &deb, &screen);

    screen.title("the first boot");
    let booted = host.boot(options());
    follow(&booted, &screen, || dpkg_unpacks(&host));
    booted.power_cut();
    screen.cut("the power is cut while dpkg unpacks nginx: all processes are gone, and what was not synced");

    screen.title("the next boot");
    let booted = host.boot(options());
    follow(&booted, &screen, || booted.files().exists("/run/landfall/result.json"));
    booted.wait_running();

    screen.title("landfall status --long");
    let status = booted.exec(&["landfall", "status", "--wait", "--long"]);
    screen.block(&status.stdout);

    screen.title("did it end right?");
    let wrong = check(&booted, &screen);
    booted.shutdown();
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{wrong} checks failed");
        ExitCode::FAILURE
    }
}

fn options() -> BootOptions {
    BootOptions { timeout: Duration::from_secs(300), ..BootOptions::default() }
}

/// As an image build does it.
fn image(lab: Lab, deb: &Path, screen: &Screen) -> Host {
    let host = lab.host(Release::Trixie, Disk::Ext4Upper);
    host.install_deb(deb);
    for package in std::fs::read_dir(lab.demo_repo()).unwrap() {
        let package = package.unwrap();
        let name = package.file_name().into_string().unwrap();
        host.files().write(&format!("/opt/repo/{name}"), std::fs::read(package.path()).unwrap(), 0o644);
    }
    host.files().write("/etc/apt/sources.list", "deb [trusted=yes] file:/opt/repo ./\n", 0o644);
    let user_data = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(USER_DATA)).unwrap();
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
    host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: web-1\n", 0o644);
    let size = |path: &Path| std::fs::metadata(path).unwrap().len() as f64 / f64::from(1 << 20);
    screen.block(&format!(
        "{}: {:.1} MiB\n{USER_DATA} -> /var/lib/cloud/seed/nocloud/user-data",
        deb.file_name().unwrap_or_default().to_string_lossy(),
        size(deb)
    ));
    host
}

/// Shows what landfall says on the console until `end`.
fn follow(booted: &Booted, screen: &Screen, end: impl Fn() -> bool) {
    let start = Instant::now();
    let mut shown = 0;
    let show = |shown: &mut usize| {
        let console = booted.console();
        // Whole lines only.
        let whole = console.rfind('\n').map_or(0, |at| at + 1);
        for line in console[*shown..whole].lines() {
            // A login prompt may stand before it.
            if let Some((_, said)) = line.split_once("landfall: ") {
                screen.console(start.elapsed(), said);
            }
        }
        *shown = whole.max(*shown);
    };
    booted.wait_until("the run to come that far", || {
        show(&mut shown);
        end()
    });
    std::thread::sleep(Duration::from_millis(50));
    show(&mut shown);
}

fn dpkg_unpacks(host: &Host) -> bool {
    host.files().exists("/usr/share/doc/nginx")
}

/// Says of each thing whether it is as the user-data asked; counts those that are not.
fn check(booted: &Booted, screen: &Screen) -> usize {
    let said = |script: &str| booted.exec(&["bash", "-c", script]).stdout;
    let status: serde_json::Value = serde_json::from_str(&said("landfall status --format json")).unwrap_or_default();
    let steps = status["steps"].as_array().cloned().unwrap_or_default();
    let page = said(r#"exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n' >&3; cat <&3"#);
    let done = steps.iter().filter(|step| step["result"] == "done").count();
    let checks = [
        (format!("the run is done, in {} boots", status["boots"]), status["state"] == "done" && status["boots"] == 2),
        (format!("{done} of {} steps are done", steps.len()), done > 0 && done == steps.len()),
        ("nginx serves the site".into(), page.contains("200 OK") && page.contains("This site is being deployed")),
        ("nothing half-installed (dpkg --audit)".into(), said("dpkg --audit && echo fine").trim() == "fine"),
        ("no package's file is torn (debsums)".into(), said("debsums -s nginx nginx-common rsync && echo fine").trim() == "fine"),
        ("ada may log in by her key, and nobody by password".into(), said(ADA).trim() == "fine"),
        ("the next boot will have nothing to do".into(), said("landfall run && landfall status").contains("status: done")),
    ];
    for (what, holds) in &checks {
        screen.check(*holds, what);
    }
    checks.iter().filter(|(_, holds)| !holds).count()
}

const ADA: &str = "grep -q ada@example.com ~ada/.ssh/authorized_keys && id -nG ada | grep -qw sudo &&
    grep -q '^ada:[!*]' /etc/shadow && echo fine";
