//! apt's sources, read from its files (sources.list(5)): where each has its Release file, and through which proxy.

use super::process::Spec;
use super::Host;

/// Where a configured source has what says what it holds: the directory of its Release file, with a slash at the end.
pub type ReleaseUrl = String;

/// The directories of Release files that a text of sources names, those that are fetched over the network; in either format.
/// `list` gives the text of a mirror list (apt-transport-mirror(1)) at its path.
pub fn release_urls(text: &str, is_deb822: bool, list: &dyn Fn(&str) -> String) -> Vec<ReleaseUrl> {
    let found = if is_deb822 { of_stanzas(text) } else { text.lines().flat_map(of_line).collect() };
    let mut urls: Vec<ReleaseUrl> = Vec::new();
    for (uri, suite) in found {
        let mirrors = match uri.strip_prefix("mirror+file:") {
            Some(path) => mirrors_of(&list(path.trim_start_matches("//"))),
            None => vec![uri],
        };
        for url in mirrors.iter().map(|uri| joined(uri, &suite)) {
            if ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) && !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls
}

/// The addresses of a mirror list; what follows each says when it is taken.
fn mirrors_of(list: &str) -> Vec<String> {
    list.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next()).map(str::to_owned).collect()
}

/// `deb [options] URI suite components`.
fn of_line(line: &str) -> Option<(String, String)> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb"))?;
    let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// Stanzas of `URIs` and `Suites`.
fn of_stanzas(text: &str) -> Vec<(String, String)> {
    let mut urls = Vec::new();
    let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in plain.split(|line| line.trim().is_empty()) {
        let values = |name: &str| -> Vec<String> {
            let is_key = |line: &&&str| line.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name));
            let Some(at) = stanza.iter().position(|line| is_key(&line)) else { return Vec::new() };
            let first = stanza[at].split_once(':').map_or("", |(_, value)| value);
            let more = stanza[at + 1..].iter().take_while(|line| line.starts_with(char::is_whitespace)).copied();
            std::iter::once(first).chain(more).flat_map(str::split_whitespace).map(str::to_owned).collect()
        };
        if values("Enabled").first().is_some_and(|word| ["no", "false", "0"].contains(&word.to_ascii_lowercase().as_str())) {
            continue;
        }
        for uri in values("URIs") {
            urls.extend(values("Suites").into_iter().map(|suite| (uri.clone(), suite)));
        }
    }
    urls
}

/// A suite that ends with a slash is a directory itself.
fn joined(uri: &str, suite: &str) -> ReleaseUrl {
    let base = uri.trim_end_matches('/');
    match suite.strip_suffix('/') {
        Some(directory) => {
            let directory = directory.trim_start_matches("./").trim_matches('.').trim_matches('/');
            if directory.is_empty() {
                format!("{base}/")
            } else {
                format!("{base}/{directory}/")
            }
        }
        None => format!("{base}/dists/{suite}/"),
    }
}

impl Host {
    /// The directories of the Release files of the configured sources.
    pub fn release_urls(&self) -> Vec<ReleaseUrl> {
        let mut found: Vec<ReleaseUrl> = Vec::new();
        for pattern in ["/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"] {
            for path in self.matching(pattern).unwrap_or_default() {
                let text = self.read_text(&path).ok().flatten().unwrap_or_default();
                let list = |path: &str| self.read_text(path).ok().flatten().unwrap_or_default();
                for url in release_urls(&text, path.ends_with(".sources"), &list) {
                    if !found.contains(&url) {
                        found.push(url);
                    }
                }
            }
        }
        found
    }

    /// The proxies that apt is configured to use.
    pub fn apt_proxies(&self) -> AptProxies {
        let ended = self.run(&Spec::new(["apt-config", "dump"]).deadline(std::time::Duration::from_secs(10)));
        AptProxies::of(&ended.map(|ended| ended.stdout).unwrap_or_default())
    }
}

/// What `apt-config dump` says of proxies: names below `Acquire` with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AptProxies(Vec<(String, String)>);

impl AptProxies {
    /// From what `apt-config dump` prints.
    pub fn of(dump: &str) -> Self {
        let setting = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            let name = name.to_ascii_lowercase();
            let value = value.trim().trim_end_matches(';').trim_matches('"');
            let name = name.strip_prefix("acquire::")?;
            name.contains("::proxy").then(|| (name.to_owned(), value.to_owned()))
        };
        Self(dump.lines().filter_map(setting).filter(|(name, _)| !name.contains("proxy-auto")).collect())
    }

    /// The proxy for an address: `None` where apt has no word on it, empty for a direct connection. That of the host wins, and
    /// `https` falls back on what is said of `http` (apt-transport-https(1)).
    pub fn for_url(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', ':']).next().unwrap_or("").to_ascii_lowercase();
        let schemes: &[&str] = if scheme == "https" { &["https", "http"] } else { &["http"] };
        let said = |name: &str| self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let of = |scheme: &&str| said(&format!("{scheme}::proxy::{host}")).or_else(|| said(&format!("{scheme}::proxy")));
        let value = schemes.iter().find_map(of).filter(|value| !value.is_empty())?;
        Some(if value.eq_ignore_ascii_case("direct") || value == "false" { String::new() } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_release_files_are_found_in_either_format() {
        let lines = "# deb http://old.example/ x main\ndeb [signed-by=/a arch=amd64] http://deb.example.org/debian/ trixie main\n\
            deb-src http://deb.example.org/debian trixie main\ndeb https://flat.example.org/repo ./\ndeb http://f.example/r sub/\n\
            deb file:/srv/repo ./\ndebug x\ndeb http://alone\n";
        assert_eq!(
            release_urls(lines, false, &|_| String::new()),
            ["http://deb.example.org/debian/dists/trixie/", "https://flat.example.org/repo/", "http://f.example/r/sub/"]
        );
        let stanzas =
            "Types: deb\nURIs: http://a.example/debian\nSuites: trixie trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n\n\
            # a remark\nTypes: deb\nEnabled: no\nURIs: http://b.example\nSuites: x\n\nTypes: deb\nURIs:\n https://c.example/u\nSuites: /\n";
        assert_eq!(
            release_urls(stanzas, true, &|_| String::new()),
            ["http://a.example/debian/dists/trixie/", "http://a.example/debian/dists/trixie-updates/", "https://c.example/u/"]
        );
    }

    #[test]
    fn the_mirrors_of_a_list_are_sources_too() {
        let list = |path: &str| {
            assert_eq!(path, "/etc/apt/mirrors/debian.list");
            "# nearest first\nhttps://a.example/debian\tpriority:1\n\nhttp://b.example/debian/ priority:2\n".to_owned()
        };
        let expected = ["https://a.example/debian/dists/trixie/", "http://b.example/debian/dists/trixie/"];
        assert_eq!(release_urls("deb mirror+file:/etc/apt/mirrors/debian.list trixie main\n", false, &list), expected);
        let stanza = "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\n";
        assert_eq!(release_urls(stanza, true, &list), expected);
    }

    #[test]
    fn the_proxy_of_a_host_wins_over_that_of_its_scheme() {
        let dump = "Acquire::http::Proxy \"http://proxy:3128\";\nAcquire::http::Proxy::near.example \"DIRECT\";\n\
            Acquire::http::Proxy-Auto-Detect \"/usr/bin/x\";\nAPT::Architecture \"amd64\";\n";
        let proxies = AptProxies::of(dump);
        for (url, expected) in [
            ("http://deb.example.org/debian", Some("http://proxy:3128")),
            ("https://deb.example.org:8443/debian", Some("http://proxy:3128")),
            ("http://near.example/x", Some("")),
        ] {
            assert_eq!(proxies.for_url(url).as_deref(), expected, "{url}");
        }
        assert_eq!(AptProxies::of("").for_url("http://x/"), None);
    }
}
