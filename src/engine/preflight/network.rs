//! What only others can say: the way out, names, the hosts that the plan asks, apt's sources, the time that they have.

use std::time::{Duration, Instant};

use super::{Check, Findings, Grade, Question};
use crate::amount::size;
use crate::clock;
use crate::error::{Failure, Kind};
use crate::host::apt_sources::AptProxies;
use crate::host::net::{Reached, Request, Response};
use crate::redact::url as shown;

/// One source or host may take so long.
const LIMIT: Duration = Duration::from_secs(20);
/// A Release file is smaller.
const RELEASE: u64 = 8 << 20;
/// What a bandwidth is measured with, at most.
const SAMPLE: u64 = 8 << 20;
/// An answer that took longer is worth a word.
const SLOW: Duration = Duration::from_secs(5);
/// A clock that differs more from a server's: a word, or certificates and lists that do not hold.
const OFF: i64 = 300;
const FAR_OFF: i64 = 86_400;

/// What is asked for beyond the needs of the plan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// Fetch a larger file from a source and time it.
    pub bandwidth: bool,
}

/// Looks at the route, the resolver, every host and source. Where nothing of the plan needs a network, at nothing.
pub fn network(question: &Question<'_>, asked: Network) -> Findings {
    let mut findings = Findings::default();
    let needs = question.needs;
    let origins = origins(question);
    if !needs.apt && needs.peers.is_empty() {
        return findings;
    }
    if !question.host.is_live() {
        findings.unchecked.push("the network: this is no running system".into());
        return findings;
    }
    if needs.apt && origins.is_empty() {
        findings.checks.push(Check::new("sources", Grade::Pass, "no source of packages is fetched over the network"));
    }
    if !needs.peers.is_empty() || !origins.is_empty() {
        findings.checks.push(route(question));
        findings.checks.push(resolver(question));
    }
    for peer in &needs.peers {
        findings.checks.push(of_peer(question, &peer.url, &peer.step));
    }
    let proxies = if origins.is_empty() { AptProxies::default() } else { question.host.apt_proxies() };
    let mut probed = Vec::new();
    for origin in &origins {
        let (check, response) = probe(question, origin, &proxies);
        probed.push((origin.as_str(), check.grade, response));
        findings.checks.push(check);
    }
    findings.checks.extend(compared(question, &probed));
    if asked.bandwidth {
        bandwidth(question, &probed, &proxies, &mut findings);
    }
    findings
}

fn origins(question: &Question<'_>) -> Vec<String> {
    if !question.needs.apt {
        return Vec::new();
    }
    let mut found = question.host.release_urls();
    found.extend(question.needs.new_origins.iter().filter(|url| !question.host.release_urls().contains(url)).cloned());
    found
}

fn route(question: &Question<'_>) -> Check {
    let routes = question.host.default_routes();
    if routes.is_empty() {
        let message = "there is no default route: only the host's own networks can be reached";
        return Check::new("route", Grade::Warn, message).hint("see `ip route`, `ip -6 route` and the network's configuration");
    }
    let named: Vec<String> = routes.iter().map(|route| format!("{} by {}", route.family, route.device)).collect();
    Check::new("route", Grade::Pass, named.join(", "))
}

fn resolver(question: &Question<'_>) -> Check {
    match question.host.name_servers() {
        Some(servers) if !servers.is_empty() => Check::new("resolver", Grade::Pass, servers.join(", ")),
        found => {
            let what = if found.is_some() { "/etc/resolv.conf names no server" } else { "there is no /etc/resolv.conf" };
            let message = format!("{what}: names that /etc/hosts does not have cannot be resolved");
            Check::new("resolver", Grade::Warn, message).hint("name a server in it, or give addresses instead of names")
        }
    }
}

/// What to do about a host, by what kept it from being reached.
fn advice(failure: &Failure) -> &'static str {
    match failure.kind {
        _ if failure.message.contains("cannot be resolved") => {
            "check the spelling and /etc/resolv.conf, or give an address instead of the name"
        }
        Kind::Timeout => "check the firewall and the route: nothing answers",
        Kind::NotFound => "check the address: the server has no such thing",
        _ => "check the route, the firewall and whether the service runs there",
    }
}

fn of_peer(question: &Question<'_>, url: &str, step: &str) -> Check {
    match question.host.reach(url, LIMIT) {
        Ok(Reached { address, via_proxy, elapsed }) => {
            let via = if via_proxy { " (the proxy)" } else { "" };
            let message = format!("{address}{via} answers after {} ms", elapsed.as_millis());
            Check::new("host", Grade::Pass, message).of(url).number("seconds", elapsed.as_secs_f64())
        }
        Err(failure) => {
            let message = format!("{} (needed by {step})", failure.message);
            Check::new("host", Grade::Fail, message).of(url).hint(advice(&failure))
        }
    }
}

/// Asks a source for its Release file.
fn probe(question: &Question<'_>, origin: &str, proxies: &AptProxies) -> (Check, Option<Timed>) {
    let mut timed = ask(question, &format!("{origin}InRelease"), proxies);
    if matches!(&timed, Ok(timed) if matches!(timed.response.status, 403 | 404 | 410)) {
        timed = ask(question, &format!("{origin}Release"), proxies);
    }
    match timed {
        Ok(timed) if timed.response.status == 200 => {
            let seconds = timed.elapsed.as_secs_f64();
            let message = format!("answered after {} ms ({})", timed.elapsed.as_millis(), size(timed.response.bytes.len() as u64));
            let slow = timed.elapsed > SLOW;
            let check = Check::new("source", if slow { Grade::Warn } else { Grade::Pass }, message).of(shown(origin));
            let check = check.number("seconds", seconds).number("bytes", timed.response.bytes.len() as f64);
            (if slow { check.hint("it is slow: a mirror that is nearer may do better") } else { check }, Some(timed))
        }
        Ok(timed) if matches!(timed.response.status, 401 | 407) => {
            let message = format!("answered after {} ms, and asks for a password", timed.elapsed.as_millis());
            let hint = "apt needs one in /etc/apt/auth.conf.d, which the preflight does not use";
            (Check::new("source", Grade::Warn, message).of(shown(origin)).hint(hint), Some(timed))
        }
        Ok(timed) => {
            let message = format!("it answered {} to the question for its Release file", timed.response.status);
            let hint = "check the address and the suite in apt's sources, and whether it asks for a password";
            (Check::new("source", Grade::Fail, message).of(shown(origin)).hint(hint), Some(timed))
        }
        Err(failure) => {
            let message = failure.message.clone();
            (Check::new("source", Grade::Fail, message).of(shown(origin)).hint(advice(&failure)), None)
        }
    }
}

struct Timed {
    response: Response,
    elapsed: Duration,
}

fn ask(question: &Question<'_>, url: &str, proxies: &AptProxies) -> Result<Timed, Failure> {
    let request = Request { deadline: LIMIT, proxy: proxies.for_url(url), ..Request::new(url, RELEASE) };
    let start = Instant::now();
    question.host.request(&request).map(|response| Timed { response, elapsed: start.elapsed() })
}

/// The clock beside those of the servers that answered.
fn compared(question: &Question<'_>, probed: &[(&str, Grade, Option<Timed>)]) -> Option<Check> {
    let (origin, theirs) = probed.iter().find_map(|(origin, _, timed)| Some((*origin, timed.as_ref()?.response.date?)))?;
    let off = question.host.now() as i64 - theirs;
    let span = clock::span(off.unsigned_abs() as f64);
    let grade = match off.abs() {
        0..=OFF => Grade::Pass,
        _ if off.abs() < FAR_OFF => Grade::Warn,
        _ => Grade::Fail,
    };
    let way = if off < 0 { "behind" } else { "ahead of" };
    let message = format!("{span} {way} that of {}", shown(origin));
    let check = Check::new("clock", grade, message).of("against a server").number("seconds", off as f64);
    Some(if grade == Grade::Pass {
        check
    } else {
        check.hint("set the clock (`timedatectl set-ntp true`): certificates and lists may not hold")
    })
}

/// The largest index of a source that is no larger than a sample, by its Release file.
fn sample_of(release: &str) -> Option<(u64, &str)> {
    let section = release.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1).take_while(|line| line.starts_with(' '));
    let index = |line| {
        let mut words = str::split_whitespace(line).skip(1);
        Some((words.next()?.parse::<u64>().ok()?, words.next()?))
    };
    let packed = |path: &str| [".xz", ".gz", ".zst"].iter().any(|end| path.ends_with(end));
    section.filter_map(index).filter(|(size, path)| *size <= SAMPLE && packed(path)).max()
}

fn bandwidth(question: &Question<'_>, probed: &[(&str, Grade, Option<Timed>)], proxies: &AptProxies, findings: &mut Findings) {
    let sound = |one: &&(&str, Grade, Option<Timed>)| one.1 != Grade::Fail;
    let found = probed.iter().filter(sound).find_map(|(origin, _, timed)| {
        let text = String::from_utf8_lossy(&timed.as_ref()?.response.bytes).into_owned();
        let (_, path) = sample_of(&text)?;
        Some((*origin, format!("{origin}{path}")))
    });
    let Some((origin, url)) = found else {
        findings.unchecked.push("bandwidth: no source has answered with something to measure it with".into());
        return;
    };
    match ask(question, &url, proxies) {
        Ok(timed) if timed.response.status == 200 => {
            let bytes = timed.response.bytes.len() as u64;
            let rate = bytes as f64 / timed.elapsed.as_secs_f64().max(0.001);
            let left = question.sizes.map(|sizes| sizes.download as f64 / rate).filter(|seconds| *seconds >= 1.0);
            let packages = left.map(|seconds| format!("; the packages take {}", clock::span(seconds))).unwrap_or_default();
            let message = format!("{}/s, measured with {}{packages}", size(rate as u64), size(bytes));
            let check = Check::new("bandwidth", Grade::Pass, message).of(shown(origin));
            findings.checks.push(check.number("bytes_per_second", rate).number("bytes", bytes as f64));
        }
        Ok(timed) => findings.unchecked.push(format!("bandwidth: {} answered {}", shown(&url), timed.response.status)),
        Err(failure) => findings.unchecked.push(format!("bandwidth: {}", failure.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::loopback::{reply, server};
    use crate::host::Host;
    use crate::plan::Resources;

    fn probed(origin: &str, proxies: &AptProxies) -> (Check, Option<Timed>) {
        let (host, needs) = (Host::default(), Default::default());
        let question = Question { host: &host, needs: &needs, resources: Resources::default(), sizes: None, is_root: true };
        probe(&question, origin, proxies)
    }

    #[test]
    fn a_source_is_asked_for_its_release_file_and_timed() {
        let url = server(|asked| match asked.line.split(' ').nth(1).unwrap_or("") {
            "/new/InRelease" | "/old/Release" => reply("200 OK", "Date: Sat, 01 Aug 2020 12:30:45 GMT\r\n", "Origin: x\n"),
            "/locked/InRelease" => reply("401 No", "", ""),
            "/broken/InRelease" => reply("500 Oh", "", ""),
            _ => reply("404 Not Found", "", ""),
        });
        for (path, grade, said) in [
            ("new", Grade::Pass, "(10 B)"),
            ("old", Grade::Pass, "(10 B)"),
            ("locked", Grade::Warn, "asks for a password"),
            ("broken", Grade::Fail, "answered 500"),
            ("gone", Grade::Fail, "answered 404"),
        ] {
            let (check, _) = probed(&format!("{url}/{path}/"), &AptProxies::default());
            assert!(check.grade == grade && check.message.contains(said), "{path}: {check:?}");
        }
    }

    #[test]
    fn a_clock_is_held_against_that_of_a_server() {
        let url = server(|_| reply("200 OK", "Date: Sat, 01 Aug 2020 12:30:45 GMT\r\n", "x"));
        let (check, timed) = probed(&format!("{url}/"), &AptProxies::default());
        let (host, needs) = (Host::default(), Default::default());
        let question = Question { host: &host, needs: &needs, resources: Resources::default(), sizes: None, is_root: true };
        let clock = compared(&question, &[(url.as_str(), check.grade, timed)]).expect("a date");
        assert!(clock.grade == Grade::Fail && clock.message.contains("ahead of"), "{clock:?}");
        assert!(clock.hint.is_some_and(|hint| hint.contains("certificates")));
    }

    #[test]
    fn a_source_is_asked_of_the_proxy_that_apt_asks_and_a_dead_proxy_is_named() {
        let proxy = server(|asked| match asked.line.as_str() {
            "GET http://deb.invalid/debian/dists/x/InRelease HTTP/1.1" => reply("200 OK", "", "Origin: x\n"),
            _ => reply("403 CONNECT to this port is refused", "", ""),
        });
        let at = |proxy: &str| AptProxies::of(&format!("Acquire::http::Proxy \"{proxy}\";\n"));
        let (check, _) = probed("http://deb.invalid/debian/dists/x/", &at(&proxy));
        assert_eq!(check.grade, Grade::Pass, "{check:?}");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("listen").local_addr().expect("address");
        let (check, _) = probed("http://deb.invalid/debian/dists/x/", &at(&format!("http://{free}")));
        assert!(check.grade == Grade::Fail && check.message.contains("by way of the proxy 127.0.0.1"), "{check:?}");
    }

    #[test]
    fn a_bandwidth_is_measured_with_the_largest_index_that_is_not_too_large() {
        let release = "Origin: x\nSHA256:\n aa 100 main/Packages.xz\n bb 5000 main/Packages\n cc 4000 main/Packages.gz\n dd 99999999 all.xz\nEnd: x\n";
        assert_eq!(sample_of(release), Some((4000, "main/Packages.gz")));
        assert_eq!(sample_of("SHA256:\n"), None);
    }

    #[test]
    fn what_to_do_is_another_thing_for_a_name_than_for_a_connection() {
        let unknown = Failure::new(Kind::Network, "the name x cannot be resolved");
        let refused = Failure::new(Kind::Network, "x (10.0.0.1:80) cannot be connected to: Connection refused");
        assert!(advice(&unknown).contains("resolv.conf") && !advice(&refused).contains("resolv.conf"));
    }
}
