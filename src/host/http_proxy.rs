//! `http:` through a proxy: as RFC 9112, section 3.2.2 has it, the proxy is asked for the whole address. (The client's own way, a
//! tunnel by CONNECT, is for `https:`; most proxies refuse it to any port but 443.)

use base64::Engine as _;
use ureq::http::Uri;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Error, Proxy};

/// Makes requests over connections that go to a proxy requests to a proxy.
#[derive(Debug)]
pub(super) struct AskProxy {
    /// `Proxy-Authorization`; nothing where requests go straight to their server, or through a tunnel.
    authorization: Option<Option<String>>,
}

impl AskProxy {
    /// For requests that `proxy` is asked for; `None` for all others.
    pub(super) fn of(proxy: Option<&Proxy>) -> Self {
        let authorization = |proxy: &Proxy| {
            let pair = format!("{}:{}", proxy.username()?, proxy.password().unwrap_or_default());
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        };
        Self { authorization: proxy.map(authorization) }
    }
}

impl Connector<Box<dyn Transport>> for AskProxy {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<Box<dyn Transport>>) -> Result<Option<Self::Out>, Error> {
        let Some(inner) = chained else { return Ok(None) };
        let Some(authorization) = &self.authorization else { return Ok(Some(inner)) };
        let added = authorization.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
        Ok(Some(Box::new(ToProxy { inner, origin: origin_of(details.uri), added, begun: false })))
    }
}

fn origin_of(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("http://{}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

/// A connection to a proxy, for one request.
#[derive(Debug)]
struct ToProxy {
    inner: Box<dyn Transport>,
    origin: String,
    added: String,
    /// The head of the request has been sent.
    begun: bool,
}

/// The beginning of a request with its path made a whole address, and `added` after its first line.
fn for_proxy(head: &[u8], origin: &str, added: &str) -> Option<Vec<u8>> {
    let line_end = head.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let path = head[..line_end].iter().position(|byte| *byte == b' ')? + 1;
    Some([&head[..path], origin.as_bytes(), &head[path..line_end], added.as_bytes(), &head[line_end..]].concat())
}

impl Transport for ToProxy {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.begun {
            return self.inner.transmit_output(amount, timeout);
        }
        self.begun = true;
        let head = for_proxy(&self.inner.buffers().output()[..amount], &self.origin, &self.added);
        let head = head.ok_or_else(|| Error::Io(std::io::Error::other("the head of a request is longer than a buffer")))?;
        let mut left = head.as_slice();
        while !left.is_empty() {
            let buffer = self.inner.buffers().output();
            let count = left.len().min(buffer.len());
            buffer[..count].copy_from_slice(&left[..count]);
            self.inner.transmit_output(count, timeout)?;
            left = &left[count..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        // Asked for before it is used for another request, which would have to be made one to the proxy too.
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_asked_for_the_whole_address() {
        let asked = |head: &str, added: &str| {
            for_proxy(head.as_bytes(), "http://a.example:81", added).map(|out| String::from_utf8(out).expect("text"))
        };
        assert_eq!(
            asked("GET /x?y HTTP/1.1\r\nhost: a\r\n\r\nbody", "P: 1\r\n").as_deref(),
            Some("GET http://a.example:81/x?y HTTP/1.1\r\nP: 1\r\nhost: a\r\n\r\nbody")
        );
        assert_eq!(asked("GET /x", ""), None);
        assert_eq!(origin_of(&"http://u:p@a.example/x".parse().expect("URL")), "http://a.example");
    }
}
