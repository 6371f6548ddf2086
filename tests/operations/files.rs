//! Files from elsewhere, and the facts of a host.

use std::collections::BTreeMap;

use landfall::error::Kind;
use landfall::plan::operation::{content, Operation, WriteFile};
use landfall::secret::Secret;

use crate::driver::{done, run, run_beside};
use crate::lab::{Disk, Lab, Release};

fn download(url: &str, fallback: &str) -> Operation {
    Operation::Download {
        url: url.into(),
        headers: BTreeMap::from([("X-Token".to_owned(), Secret::new("t0ken".to_owned()))]),
        file: WriteFile { path: "/srv/got".into(), content: content(fallback), mode: Some(0o600), owner: None, own_parents: false },
        append: false,
        checksum: None,
    }
}

/// An HTTPS server on loopback, whose certificate is signed by an authority of its own in /srv/ca.pem.
const SERVER: &str = r#"
cd /srv && echo served >page
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "$@" 2>/dev/null; }
new -x509 -keyout ca.key -out ca.pem -subj /CN=lab -days 2
new -keyout key.pem -out request.pem -subj /CN=localhost
printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >extensions
dates='-days 2'
[ ! -e expired ] || dates='-not_before 20200101000000Z -not_after 20210101000000Z'
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial $dates -extfile extensions -out cert.pem 2>/dev/null
[ ! -e trust ] || cp ca.pem /etc/ssl/certs/ca-certificates.crt
openssl s_server -quiet -accept 4433 -cert cert.pem -key key.pem -WWW >/dev/null 2>&1 &
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; ss -ltn | grep -q :4433 && break; done
echo ready; wait
"#;

#[test]
fn a_file_comes_over_tls_from_a_host_that_is_trusted_and_a_clock_that_keeps_it_from_that_is_told() {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        let host = lab.host(release, Disk::Directory);
        let page = || run_beside(&host, SERVER, &[download("https://localhost:4433/page", "")]).pop().unwrap();
        let outcome = page();
        let failed = outcome.failed();
        assert!(failed.kind == Kind::Network && failed.hint.as_deref().is_some_and(|hint| hint.contains("ca_certs")), "{failed:?}");
        host.files().write("/srv/trust", "", 0o644);
        page().done();
        if release == Release::Trixie {
            // openssl of Debian 12 cannot make one.
            host.files().write("/srv/expired", "", 0o644);
            let outcome = page();
            let told = outcome.failed();
            assert!(told.message.contains("no longer valid at the time that this host has (20"), "{told:?}");
            assert!(told.transient && told.hint.as_deref().is_some_and(|hint| hint.contains("set the clock")), "{told:?}");
        }
        assert_eq!(host.files().read("/srv/got"), "served\n");
    }
}

#[test]
fn a_file_of_the_host_is_copied_and_a_fallback_is_used_with_a_warning() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Directory);
    done(&host, download("file:///etc/debian_version", ""));
    assert_eq!(host.files().read("/srv/got"), host.files().read("/etc/debian_version"));
    let missing = run(&host, &[download("/no/such/file", "")]).pop().unwrap();
    assert_eq!(missing.failed().kind, Kind::NotFound);
    let fallback = done(&host, download("file:///no/such/file", "instead\n"));
    assert_eq!((host.files().read("/srv/got").as_str(), fallback.done().warnings.len()), ("instead\n", 1));
    let unknown = run(&host, &[download("http://no-such-host.invalid/x", "")]).pop().unwrap();
    assert!(unknown.failed().kind == Kind::Network && unknown.failed().transient, "{:?}", unknown.result);
    assert_eq!(run(&host, &[download("ftp://host/x", "")]).pop().unwrap().failed().kind, Kind::Input);
}
