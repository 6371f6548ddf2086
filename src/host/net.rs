//! HTTP, the one client.
//!
//! Names are resolved by the host's own `getent`: getaddrinfo in a static binary loads the host's NSS modules, which kills it.
//! Every request has deadlines, ends when a stop is asked for, and its failure says whether trying again may help.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustls::CertificateError;
use ureq::http::Uri;
use ureq::tls::{parse_pem, Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector as _, DefaultConnector, NextTimeout};
use ureq::{Agent, Error, Proxy, ProxyProtocol, Timeout};

use super::http_proxy::AskProxy;
use super::process::Spec;
use super::{signals, tls, Host};
use crate::clock;
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
    /// What is sent: with it the request is a POST.
    pub body: Option<Body>,
    /// More bytes than this are refused.
    pub limit: u64,
    /// Time for everything.
    pub deadline: Duration,
    /// The proxy: that of the environment where it is not said, none where it is empty.
    pub proxy: Option<String>,
    /// Only what is missing is asked for.
    pub resume: Option<Resume>,
}

/// The rest of a file of which the beginning is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// First byte that is missing.
    pub from: u64,
    /// `ETag` or `Last-Modified` of the beginning: where it is another now, all of it is asked for.
    pub validator: String,
}

/// Whether it is an address that can be asked, in either case of its scheme; no path is one.
pub fn is_address(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

impl Request {
    /// A request with the usual deadlines.
    pub fn new(url: impl Into<String>, limit: u64) -> Self {
        Self { url: url.into(), headers: BTreeMap::new(), body: None, limit, deadline: TOTAL, resume: None, proxy: None }
    }
}

/// What is sent with a request.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its media type.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: Secret<Vec<u8>>,
}

/// What the server said.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Seconds it asked to be left alone.
    pub retry_after: Option<u64>,
    /// Seconds since 1970 that its clock shows.
    pub date: Option<i64>,
    /// Body.
    pub bytes: Vec<u8>,
}

impl Host {
    /// Fetches a URL; an answer other than success is a failure.
    pub fn fetch(&self, request: &Request) -> Result<Vec<u8>, Failure> {
        let response = self.request(request)?;
        match response.status {
            200..=299 => Ok(response.bytes),
            status => Err(refused_as(&request.url, status, response.retry_after)),
        }
    }

    /// Asks for a URL and gives back whatever the server says.
    pub fn request(&self, request: &Request) -> Result<Response, Failure> {
        let asked = request.clone();
        let roots = self.certificates();
        in_background(&request.url, move || follow(&Client::new(roots), asked))
    }

    /// The host's own roots of trust, so that `ca_certs` counts; none where it has no such file.
    pub(super) fn certificates(&self) -> Vec<Certificate<'static>> {
        let bytes = Self::default().read(CERTIFICATES).ok().flatten().unwrap_or_default();
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        };
        parse_pem(&bytes).filter_map(certificate).collect()
    }
}

/// Does `work` in a thread of its own, which is not waited for any longer once a stop is asked for.
pub(super) fn in_background<T: Send + 'static>(
    url: &str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = sync_channel(1);
    let work = move || {
        let _ = sender.send(work());
    };
    let started = std::thread::Builder::new().name("http".into()).stack_size(STACK).spawn(work);
    started.map_err(|error| Failure::io("start of a request", &error))?;
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if signals::stop_requested().is_some() => {
                return Err(Failure::new(Kind::Interrupted, format!("the request to {} was stopped", shown(url))));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(Kind::Unknown, format!("the request to {} broke off", shown(url))));
            }
        }
    }
}

/// An address of this machine or of its own link is never behind a proxy.
fn is_near(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(|host| host.trim_matches(['[', ']']).to_owned())).unwrap_or_default();
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => host == "localhost",
    }
}

/// The proxy for an address: what is said, or else what the environment says.
fn proxy_for(url: &str, said: Option<&str>) -> Option<Proxy> {
    match said {
        _ if is_near(url) => None,
        Some("") => None,
        Some(proxy) => Proxy::new(proxy).ok(),
        None => {
            let uri = url.parse::<Uri>().ok();
            Proxy::try_from_env().filter(|proxy| !uri.is_some_and(|uri| proxy.is_no_proxy(&uri)))
        }
    }
}

/// How a host was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The address that took the connection.
    pub address: SocketAddr,
    /// It is that of the proxy.
    pub via_proxy: bool,
    /// Time for resolving and connecting.
    pub elapsed: Duration,
}

/// The port that a scheme has where none is named.
fn port_of(scheme: &str) -> u16 {
    match scheme {
        "https" | "hkps" => 443,
        "hkp" => 11_371,
        _ => 80,
    }
}

impl Host {
    /// Opens a connection to the host of an address, or to the proxy that is in between, and closes it. That a name cannot be
    /// resolved and that nobody can be connected to are different failures.
    pub fn reach(&self, url: &str, limit: Duration) -> Result<Reached, Failure> {
        let start = Instant::now();
        let proxy = proxy_for(url, None);
        let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
        let (name, port) = match &proxy {
            Some(proxy) => (proxy.host().to_owned(), proxy.port()),
            None => {
                let host = host_of(url).ok_or_else(|| Failure::new(Kind::Input, format!("{}: this names no host", shown(url))))?;
                let split = host.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
                let port = split.and_then(|(_, port)| port.parse().ok()).unwrap_or_else(|| port_of(scheme));
                (split.map_or(host.as_str(), |(name, _)| name).trim_matches(['[', ']']).to_owned(), port)
            }
        };
        let addresses = match name.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.addresses(&name, limit.min(RESOLVE))?,
        };
        let mut last = None;
        for address in addresses.into_iter().take(4) {
            let address = SocketAddr::new(address, port);
            let left = limit.saturating_sub(start.elapsed()).clamp(Duration::from_millis(100), CONNECT);
            match TcpStream::connect_timeout(&address, left) {
                Ok(_) => return Ok(Reached { address, via_proxy: proxy.is_some(), elapsed: start.elapsed() }),
                Err(error) => last = Some(unconnected(&name, address, &error)),
            }
        }
        Err(last.unwrap_or_else(|| Failure::new(Kind::Network, format!("the name {name} cannot be resolved"))))
    }
}

fn unconnected(name: &str, address: SocketAddr, error: &std::io::Error) -> Failure {
    let shown = if address.ip().to_string() == name { address.to_string() } else { format!("{name} ({address})") };
    match Kind::of_io(error) {
        Kind::Timeout => Failure::new(Kind::Timeout, format!("{shown} cannot be connected to: no answer")).transient(true),
        _ => Failure::new(Kind::Network, format!("{shown} cannot be connected to: {error}")),
    }
}

/// Makes the requests of one call, redirects included.
pub(super) struct Client {
    roots: RootCerts,
}

impl Client {
    pub(super) fn new(certificates: Vec<Certificate<'static>>) -> Self {
        Self { roots: if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::Specific(certificates.into()) } }
    }

    /// For one request: where one leads to another, that may go another way.
    fn agent(&self, request: &Request) -> Agent {
        let proxy = proxy_for(&request.url, request.proxy.as_deref());
        let is_asked = |proxy: &Proxy| proxy.protocol() == ProxyProtocol::Http && request.url.starts_with("http:");
        let (asked, tunnel) = match proxy {
            Some(proxy) if is_asked(&proxy) => (Some(proxy), None),
            proxy => (None, proxy),
        };
        let config = ureq::config::Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(self.roots.clone()).unversioned_rustls_crypto_provider(tls::provider()).build())
            .proxy(tunnel)
            .timeout_global(Some(request.deadline))
            .timeout_resolve(Some(RESOLVE))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(READ))
            .build();
        let connector = DefaultConnector::default().chain(AskProxy::of(asked.as_ref()));
        Agent::with_parts(config, connector, Getent { instead: asked.map(|proxy| (proxy.host().to_owned(), proxy.port())) })
    }
}

/// What a server said, with a body that is still to be read.
pub(super) struct Answer {
    pub status: u16,
    /// Seconds it asked to be left alone.
    pub retry_after: Option<u64>,
    headers: ureq::http::HeaderMap,
    pub body: ureq::Body,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }
}

fn follow(client: &Client, request: Request) -> Result<Response, Failure> {
    let (url, limit) = (request.url.clone(), request.limit);
    let answer = open_answer(client, request)?;
    let date = answer.header("date").as_deref().and_then(clock::parse_http_date);
    let mut bytes = Vec::new();
    let mut body = answer.body.into_with_config().limit(u64::MAX).reader().take(limit.saturating_add(1));
    body.read_to_end(&mut bytes).map_err(|error| failure(&url, &Error::from(error)))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new(Kind::Input, format!("{} is larger than {limit} bytes", shown(&url))));
    }
    Ok(Response { status: answer.status, retry_after: answer.retry_after, date, bytes })
}

/// Follows redirects: the headers may hold a token, which only the host that was asked may see.
pub(super) fn open_answer(client: &Client, mut request: Request) -> Result<Answer, Failure> {
    let first = request.url.clone();
    for _ in 0..=REDIRECTS {
        let answer = send(&client.agent(&request), &request).map_err(|error| {
            let failure = failure(&request.url, &error);
            match proxy_for(&request.url, request.proxy.as_deref()) {
                Some(proxy) => Failure { message: format!("{} (by way of the proxy {})", failure.message, proxy.host()), ..failure },
                None => failure,
            }
        })?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, header("location")) {
            let next = joined(&request.url, &location);
            if origin(&next) != origin(&request.url) {
                request.headers.clear();
            }
            if status == 303 {
                // See other: what was sent has arrived.
                request.body = None;
            }
            request.url = next;
            continue;
        }
        let retry_after = header("retry-after").and_then(|text| pause_asked_for(&text, header("date").as_deref()));
        let headers = answer.headers().clone();
        return Ok(Answer { status, retry_after, headers, body: answer.into_body() });
    }
    Err(Failure::new(Kind::Network, format!("{} leads through more than {REDIRECTS} redirects", shown(&first))).transient(false))
}

/// The seconds of a Retry-After. Where it is a date it is compared with the server's own clock: ours may be wrong.
fn pause_asked_for(text: &str, date: Option<&str>) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (until, now) = (clock::parse_http_date(text)?, clock::parse_http_date(date?)?);
    Some(u64::try_from(until - now).unwrap_or(0))
}

/// Host and port of an address, without credentials.
pub fn host_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn send(agent: &Agent, request: &Request) -> Result<ureq::http::Response<ureq::Body>, Error> {
    match &request.body {
        None => {
            let mut call = agent.get(&request.url);
            if let Some(resume) = &request.resume {
                call = call.header("Range", format!("bytes={}-", resume.from)).header("If-Range", &resume.validator);
            }
            request.headers.iter().fold(call, |call, (name, value)| call.header(name, value.expose())).call()
        }
        Some(body) => {
            let call = agent.post(&request.url).header("Content-Type", body.kind);
            let headers = request.headers.iter();
            headers.fold(call, |call, (name, value)| call.header(name, value.expose())).send(body.bytes.expose().as_slice())
        }
    }
}

/// Everything but letters, digits, `-`, `.`, `_` and `~` as `%XX` (RFC 3986, section 2).
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
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

pub(super) fn failure(url: &str, error: &Error) -> Failure {
    let (kind, transient) = match error {
        Error::Timeout(_) => (Kind::Timeout, true),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => (Kind::Timeout, true),
        Error::Http(_) | Error::BadUri(_) | Error::InvalidProxyUrl => (Kind::Input, false),
        _ => (Kind::Network, true),
    };
    let why = match error {
        Error::HostNotFound => "the name cannot be resolved".to_owned(),
        Error::Timeout(Timeout::Resolve) => format!("the name cannot be resolved: no answer within {} s", RESOLVE.as_secs()),
        Error::Timeout(Timeout::Connect) => format!("cannot be connected to: no answer within {} s", CONNECT.as_secs()),
        Error::ConnectionFailed => "cannot be connected to".to_owned(),
        Error::Io(error) if is_unconnected(error) => format!("cannot be connected to: {}", system_cause(error)),
        Error::Io(error) => system_cause(error).to_string(),
        error => error.to_string(),
    };
    let failure = Failure::new(kind, format!("{}: {why}", shown(url))).transient(transient);
    match (error, certificate_error(error)) {
        (Error::HostNotFound | Error::Timeout(Timeout::Resolve), _) => failure.hint(UNRESOLVED),
        (_, Some(certificate)) => distrusted(failure, url, certificate),
        (Error::Tls(_) | Error::Rustls(_) | Error::Pem(_), _) => failure.hint(UNTRUSTED),
        _ => failure,
    }
}

const UNTRUSTED: &str = "check the certificates that the host trusts (ca_certs) and its clock; then `landfall resume`";

/// What is wrong with a server's certificate, where that is what kept a connection from coming about.
fn certificate_error(error: &Error) -> Option<&CertificateError> {
    let tls = match error {
        Error::Rustls(error) => Some(error),
        Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    match tls? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

/// A certificate is of a time: where it does not hold now, it is oftener the host's clock that is wrong.
fn distrusted(failure: Failure, url: &str, error: &CertificateError) -> Failure {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let when = match error {
        Expired | ExpiredContext { .. } => "no longer valid",
        NotValidYet | NotValidYetContext { .. } => "not valid yet",
        _ => return failure.hint(UNTRUSTED),
    };
    let now = clock::rfc3339(Host::default().now());
    let message = format!("{}: its certificate is {when} at the time that this host has ({now})", shown(url));
    Failure { message, ..failure }.hint(
        "if that is not the time, set the clock (`timedatectl set-ntp true`); else it is the server's certificate; then `landfall resume`",
    )
}

/// What to do about a name that cannot be resolved.
pub(super) const UNRESOLVED: &str =
    "check the spelling of the name and the servers in /etc/resolv.conf, or give an address instead; then `landfall resume`";

/// No connection came about, in contrast to one that broke.
fn is_unconnected(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(system_cause(error).kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable)
}

/// The failure that an answer other than success is.
pub(super) fn refused_as(url: &str, status: u16, retry_after: Option<u64>) -> Failure {
    let (kind, transient) = match status {
        404 | 410 => (Kind::NotFound, false),
        401 | 403 | 407 => (Kind::Permission, false),
        408 | 425 | 429 | 500..=599 => (Kind::Network, true),
        _ => (Kind::Network, false),
    };
    let mut failure = Failure::new(kind, format!("{} answered {status}", shown(url))).transient(transient);
    failure.retry_after = retry_after;
    failure.hint("check the address and whether it needs a header or password; then `landfall resume`")
}

/// Resolves names by `getent ahosts`.
#[derive(Debug)]
struct Getent {
    /// The proxy that is asked for everything.
    instead: Option<(String, u16)>,
}

impl Resolver for Getent {
    fn resolve(&self, uri: &Uri, _: &ureq::config::Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let (host, port) = match &self.instead {
            Some((host, port)) => (host.as_str(), *port),
            None => {
                let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
                (uri.host().ok_or_else(|| Error::BadUri(uri.to_string()))?, uri.port_u16().unwrap_or(default))
            }
        };
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
        let unknown = || Failure::new(Kind::Network, format!("the name {name} cannot be resolved")).hint(UNRESOLVED);
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
    use super::super::loopback::{self, reply};
    use super::*;
    use std::net::TcpListener;

    fn server(answer: impl Fn(&str, &str) -> String + Send + 'static) -> String {
        loopback::server(move |asked| answer(&asked.line, &asked.headers))
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
            "/until" => reply("503 Busy", "Date: Sat, 01 Aug 2026 12:30:45 GMT\r\nRetry-After: Sat, 01 Aug 2026 12:32:15 GMT\r\n", ""),
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
        assert_eq!((failed("/busy").retry_after, failed("/until").retry_after), (Some(7), Some(90)));
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
    fn what_is_sent_arrives_also_after_a_redirect_but_not_where_it_has_arrived_already() {
        let url = loopback::server(|asked| {
            let path = asked.line.split(' ').nth(1).unwrap_or("");
            let got =
                format!("{} {} {}", asked.line.split(' ').next().unwrap_or(""), asked.body, asked.headers.contains("content-type: text/x"));
            match path {
                "/moved" => reply("301 Moved", "Location: /\r\n", ""),
                "/again" => reply("307 Again", "Location: /\r\n", ""),
                "/other" => reply("303 See Other", "Location: /\r\n", ""),
                _ => reply("200 OK", "", &got),
            }
        });
        let host = Host::default();
        let body = Some(Body { kind: "text/x", bytes: Secret::new(b"a=1".to_vec()) });
        let post = |path: &str| host.fetch(&Request { body: body.clone(), ..request(format!("{url}{path}")) }).expect("answer");
        for (path, answer) in [("/", "POST a=1 true"), ("/moved", "POST a=1 true"), ("/again", "POST a=1 true"), ("/other", "GET  false")] {
            assert_eq!(String::from_utf8_lossy(&post(path)), answer, "{path}");
        }
        assert!(!format!("{:?}", Request { body, ..request(url) }).contains("97, 61, 49"), "what is sent is not shown");
    }

    #[test]
    fn what_cannot_be_reached_is_a_network_failure_that_names_the_address() {
        let free = TcpListener::bind("127.0.0.1:0").expect("listen").local_addr().expect("address");
        let host = Host::default();
        let failure = host.fetch(&request(format!("http://user:pw@{free}/x?token=1"))).expect_err("refused");
        assert_eq!((failure.kind, failure.transient), (Kind::Network, true));
        assert!(failure.message.contains(&free.to_string()) && !failure.message.contains("pw"), "{failure}");
        assert!(failure.message.contains("cannot be connected to: Connection refused"), "{failure}");
        let failure = host.fetch(&request("http://no-such-name.invalid/".into())).expect_err("unknown");
        assert!(failure.transient && failure.message.contains("cannot be resolved"), "{failure}");
        assert!(failure.next_action().contains("resolv.conf"), "{failure:?}");
        let unreached = |url: &str| host.reach(url, Duration::from_secs(10)).expect_err("unreached").message;
        assert_eq!(unreached("https://no-such-name.invalid:8443/x"), "the name no-such-name.invalid cannot be resolved");
        assert!(unreached(&format!("http://{free}/x")).starts_with(&format!("{free} cannot be connected to: ")));
        let there = server(|_, _| reply("200 OK", "", ""));
        assert!(host.reach(&there, Duration::from_secs(10)).is_ok_and(|reached| there.ends_with(&reached.address.to_string())));
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

    #[test]
    fn the_host_of_an_address_has_no_credentials() {
        for (url, host) in [
            ("https://u:p@Example.org:8080/x?y", Some("example.org:8080")),
            ("http://[::1]/x", Some("[::1]")),
            ("keys.example.org", None),
            ("file:///x", None),
        ] {
            assert_eq!(host_of(url).as_deref(), host, "{url}");
        }
    }
}
