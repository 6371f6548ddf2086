//! The static binary on a host whose nsswitch.conf names modules: they are of another glibc version, and loading one kills it.

use std::time::Duration;

use crate::built::deb;
use crate::lab::{BootOptions, Disk, Lab, Release};

/// Answers every request with one line.
const SERVER: &str = r#"use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line eq "\r\n" }
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nresolved";
    close $client;
}
"#;

/// Users and groups to look up, and a name that only these modules resolve.
const USER_DATA: &str = "#cloud-config
users:
  - name: ada
    groups: [adm]
write_files:
  - path: /root/fetched
    source: {uri: 'http://web.localhost:8080/'}
  - path: /home/ada/note
    owner: ada:ada
    defer: true
    content: hers
";

#[test]
fn names_are_resolved_where_nss_modules_are_configured() {
    let (Some(lab), Some(deb)) = (Lab::require(), deb()) else { return };
    let host = lab.host(Release::TrixieNss, Disk::Directory);
    let hosts = host.files().read("/etc/nsswitch.conf");
    assert!(hosts.contains("resolve") && hosts.contains("myhostname") && hosts.contains("mymachines"), "{hosts}");
    host.install_deb(&deb);
    host.files().write("/root/server.pl", SERVER, 0o644);
    host.files().write("/root/user-data", USER_DATA, 0o600);
    let booted = host.boot(BootOptions { timeout: Duration::from_secs(120), ..BootOptions::default() });
    booted.wait_running();
    booted.sh("setsid perl /root/server.pl >/dev/null 2>&1 &").expect_ok();
    booted.exec(&["getent", "ahosts", "web.localhost"]).expect_ok();
    let applied = booted.exec(&["landfall", "apply", "/root/user-data"]);
    assert!(applied.ok(), "{applied:?}");
    assert_eq!(host.files().read("/root/fetched"), "resolved");
    assert_eq!(booted.exec(&["stat", "-c", "%U:%G", "/home/ada/note"]).stdout.trim(), "ada:ada");
}
