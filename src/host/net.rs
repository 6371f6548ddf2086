//! HTTP, the one client.
//!
//! Names are resolved by the host's own `getent`: getaddrinfo in a static binary loads the host's NSS modules, which kills it.
//! Every request has deadlines, ends when a stop is asked for, and its failure says whether trying again may help.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{parse_pem, Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use super::process::Spec;
use super::{signals, Host};
use crate::error::{system_cause, Failure, Kind};
use crate::redact::url as shown;
use crate::secret::Secret;

const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
const REDIRECTS: u32 = 10;
const RESOLVE: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(30);
const READ: Duration = Duration::from_secs(30);
const TOTAL: Duration = Duration::from_secs(30 * 60);
/// TLS needs more than a small stack.
const STACK: usize = 512 << 10;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// `http:` or `https:` URL.
    pub url: String,
    /// Headers. They are not sent on to another host when redirected.
    pub headers: BTreeMap<String, Secret<String>>,
    /// More bytes than this are refused.
    pub limit: u64,
    /// Time for everything.
    pub deadline: Duration,
}

impl Request {
    /// A request with the usual deadlines.
    pub fn new(url: impl Into<String>, limit: u64) -> Self {
        Self { url: url.into(), headers: BTreeMap::new(), limit, deadline: TOTAL }
    }
}

/// What the server said.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Seconds it asked to be left alone.
    pub retry_after: Option<u64>,
    /// Body.
    pub bytes: Vec<u8>,
}

impl Host {
    /// Fetches a URL; an answer other than success is a failure.
    pub fn fetch(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let response = self.request(request)?;
        match response.status {
            200..=299 => Ok(response.bytes),
            _ => Err(refused(&request.url, &response)),
        }
    }

    /// Asks for a URL and gives back whatever the server says.
    pub fn request(&self, request: &Request) -> Result<Response, Failure> {
        let (sender, receiver) = sync_channel(1);
        let asked = request.clone();
        let roots = self.certificates();
        let work = move || {
            let _ = sender.send(follow(&agent(roots, &asked), asked));
        };
        let started = std::thread::Builder::new().name("http".into()).stack_size(STACK).spawn(work);
        started.map_err(|error| Failure::io("start of a request", &error))?;
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) if signals::stop_requested().is_some() => {
                    return Err(Failure::new(Kind::Interrupted, format!("the request to {} was stopped", shown(&request.url))));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(Kind::Unknown, format!("the request to {} broke off", shown(&request.url))));
                }
            }
        }
    }

    /// The host's own roots of trust, so that `ca_certs` counts; none where it has no such file.
    fn certificates(&self) -> Vec<Certificate<'static>> {
        let bytes = Self::default().read(CERTIFICATES).ok().flatten().unwrap_or_default();
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        parse_pem(&bytes).filter_map(certificate).collect()
    }
}

/// An address of this machine or of its own link is never behind a proxy.
fn is_near(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(|host| host.trim_matches(['[', ']']).to_owned())).unwrap_or_default();
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => host == "localhost",
    }
}

fn agent(certificates: Vec<Certificate<'static>>, request: &Request) -> Agent {
    let proxy = if is_near(&request.url) { None } else { ureq::Proxy::try_from_env() };
    let roots = if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::Specific(certificates.into()) };
    let config = ureq::config::Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .proxy(proxy)
        .timeout_global(Some(request.deadline))
        .timeout_resolve(Some(RESOLVE))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(READ))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Getent)
}

/// Follows redirects: the headers may hold a token, which only the host that was asked may see.
fn follow(agent: &Agent, mut request: Request) -> Result<Response, Failure> {
    let first = request.url.clone();
    for _ in 0..=REDIRECTS {
        let mut call = agent.get(&request.url);
        for (name, value) in &request.headers {
            call = call.header(name, value.expose());
        }
        let answer = call.call().map_err(|error| failure(&request.url, &error))?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, header("location")) {
            let next = joined(&request.url, &location);
            if origin(&next) != origin(&request.url) {
                request.headers.clear();
            }
            request.url = next;
            continue;
        }
        let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok());
        let mut bytes = Vec::new();
        let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader().take(request.limit.saturating_add(1));
        body.read_to_end(&mut bytes).map_err(|error| failure(&request.url, &Error::from(error)))?;
        if bytes.len() as u64 > request.limit {
            return Err(Failure::new(Kind::Input, format!("{} is larger than {} bytes", shown(&first), request.limit)));
        }
        return Ok(Response { status, retry_after, bytes });
    }
    Err(Failure::new(Kind::Network, format!("{} leads through more than {REDIRECTS} redirects", shown(&first))).transient(false))
}

/// Scheme and authority.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    &url[..url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at)]
}

/// A redirect's target as an absolute URL (RFC 3986, section 5, as far as servers use it).
fn joined(base: &str, location: &str) -> String {
    let scheme = base.split_once(':').map_or("http", |(scheme, _)| scheme);
    if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{}{location}", origin(base))
    } else {
        let path = base.split(['?', '#']).next().unwrap_or(base);
        let directory = path.rfind('/').filter(|at| *at >= origin(base).len()).map_or(path.len(), |at| at);
        format!("{}/{location}", &path[..directory])
    }
}

fn failure(url: &str, error: &Error) -> Failure {
    let (kind, transient) = match error {
        Error::Timeout(_) => (Kind::Timeout, true),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => (Kind::Timeout, true),
        Error::Http(_) | Error::BadUri(_) | Error::InvalidProxyUrl => (Kind::Input, false),
        _ => (Kind::Network, true),
    };
    let why = match error {
        Error::HostNotFound => "the name cannot be resolved".to_owned(),
        Error::Io(error) => system_cause(error).to_string(),
        error => error.to_string(),
    };
    let failure = Failure::new(kind, format!("{}: {why}", shown(url))).transient(transient);
    match error {
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) => {
            failure.hint("check the host's clock and the certificates it trusts (ca_certs); then `landfall resume`")
        }
        _ => failure,
    }
}

fn refused(url: &str, response: &Response) -> Failure {
    let (kind, transient) = match response.status {
        404 | 410 => (Kind::NotFound, false),
        401 | 403 | 407 => (Kind::Permission, false),
        408 | 425 | 429 | 500..=599 => (Kind::Network, true),
        _ => (Kind::Network, false),
    };
    let mut failure = Failure::new(kind, format!("{} answered {}", shown(url), response.status)).transient(transient);
    failure.retry_after = response.retry_after;
    failure.hint("check the address and whether it needs a header or password; then `landfall resume`")
}

/// Resolves names by `getent ahosts`.
#[derive(Debug)]
struct Getent;

impl Resolver for Getent {
    fn resolve(&self, uri: &Uri, _: &ureq::config::Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or_else(|| Error::BadUri(uri.to_string()))?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses = self.empty();
        let found = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => Host::default().addresses(bare, (*timeout.after).min(RESOLVE)).map_err(|failure| match failure.kind {
                Kind::NotFound | Kind::Network => Error::HostNotFound,
                _ => Error::Io(std::io::Error::other(failure.message)),
            })?,
        };
        for address in found.into_iter().take(16) {
            addresses.push(SocketAddr::new(address, port));
        }
        if addresses.is_empty() {
            return Err(Error::HostNotFound);
        }
        Ok(addresses)
    }
}

impl Host {
    /// Addresses of a name, in the order the host's resolver prefers.
    pub fn addresses(&self, name: &str, limit: Duration) -> Result<Vec<IpAddr>, Failure> {
        let unknown = || Failure::new(Kind::Network, format!("the name {name} cannot be resolved"));
        if name.is_empty() || name.starts_with('-') {
            return Err(unknown().transient(false));
        }
        let ended = self.run(&Spec::new(["getent", "ahosts", name]).deadline(limit))?;
        match ended.code {
            0 => {
                let mut seen = BTreeSet::new();
                let address = |line: &str| line.split_whitespace().next()?.split('%').next()?.parse::<IpAddr>().ok();
                Ok(ended.stdout.lines().filter_map(address).filter(|address| seen.insert(*address)).collect())
            }
            _ if ended.cut.is_none() => Err(unknown()),
            _ => Err(ended.failure(&format!("resolving {name}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    /// Answers requests on loopback by what `answer` makes of request line and headers.
    fn server(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("address");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut lines = BufReader::new(stream.try_clone().expect("clone")).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let _ = stream.write_all(answer(&first, &headers.join("\n").to_lowercase()).as_bytes());
            }
        });
        format!("http://{address}")
    }

    fn reply(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    fn request(url: String) -> Request {
        Request { deadline: Duration::from_secs(10), ..Request::new(url, 100) }
    }

    #[test]
    fn a_body_comes_back_and_answers_are_told_apart() {
        let url = server(|line, _| match line.split(' ').nth(1).unwrap_or("") {
            "/ok" => reply("200 OK", "", "hello"),
            "/large" => reply("200 OK", "", &"x".repeat(101)),
            "/busy" => reply("503 Busy", "Retry-After: 7\r\n", ""),
            "/secret" => reply("403 No", "", ""),
            "/half" => "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf".into(),
            _ => reply("404 Not Found", "", "none"),
        });
        let host = Host::default();
        assert_eq!(host.fetch(&request(format!("{url}/ok"))).expect("body"), b"hello");
        assert_eq!(host.request(&request(format!("{url}/none"))).expect("answer").status, 404);
        let failed = |path: &str| host.fetch(&request(format!("{url}{path}"))).expect_err("failure");
        for (path, kind, transient) in [
            ("/none", Kind::NotFound, false),
            ("/secret", Kind::Permission, false),
            ("/busy", Kind::Network, true),
            ("/large", Kind::Input, false),
            ("/half", Kind::Network, true),
        ] {
            let failure = failed(path);
            assert_eq!((failure.kind, failure.transient), (kind, transient), "{path}: {failure}");
        }
        assert_eq!(failed("/busy").retry_after, Some(7));
    }

    #[test]
    fn a_token_is_not_sent_on_to_another_host() {
        let other = server(|_, headers| reply("200 OK", "", if headers.contains("x-token") { "leaked" } else { "clean" }));
        let target = other.clone();
        let url = server(move |line, headers| match line.split(' ').nth(1).unwrap_or("") {
            "/away" => reply("302 Found", &format!("Location: {target}/\r\n"), ""),
            "/near" => reply("307 Found", "Location: here?x\r\n", ""),
            "/loop" => reply("301 Moved", "Location: /loop\r\n", ""),
            _ => reply("200 OK", "", if headers.contains("x-token: t") { "token" } else { "none" }),
        });
        let host = Host::default();
        let headers = BTreeMap::from([("X-Token".to_owned(), Secret::new("t".to_owned()))]);
        let get = |path: &str| host.fetch(&Request { headers: headers.clone(), ..request(format!("{url}{path}")) });
        assert_eq!(get("/near").expect("body"), b"token");
        assert_eq!(get("/away").expect("body"), b"clean");
        assert!(!get("/loop").expect_err("endless").transient);
    }

    #[test]
    fn what_cannot_be_reached_is_a_network_failure_that_names_the_address() {
        let free = TcpListener::bind("127.0.0.1:0").expect("listen").local_addr().expect("address");
        let host = Host::default();
        let failure = host.fetch(&request(format!("http://user:pw@{free}/x?token=1"))).expect_err("refused");
        assert_eq!((failure.kind, failure.transient), (Kind::Network, true));
        assert!(failure.message.contains(&free.to_string()) && !failure.message.contains("pw"), "{failure}");
        let failure = host.fetch(&request("http://no-such-name.invalid/".into())).expect_err("unknown");
        assert!(failure.transient && failure.message.contains("cannot be resolved"), "{failure}");
        assert_eq!(host.fetch(&request("ftp:/x".into())).expect_err("bad").kind, Kind::Input);
        assert!(host.addresses("localhost", RESOLVE).expect("localhost").iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn redirects_are_joined_to_their_base() {
        for (base, location, url) in [
            ("http://a/b/c?d", "e", "http://a/b/e"),
            ("http://a", "e", "http://a/e"),
            ("https://a:1/b", "/e?f", "https://a:1/e?f"),
            ("https://a/b", "//c/d", "https://c/d"),
            ("https://a/b", "http://c/", "http://c/"),
        ] {
            assert_eq!(joined(base, location), url);
        }
    }
}
