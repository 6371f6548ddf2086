//! A web server on loopback, for tests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `GET /path HTTP/1.1`.
    pub line: String,
    /// Header lines in lower case.
    pub headers: String,
    /// What was sent with it.
    pub body: String,
}

/// Answers requests by what `answer` makes of them; the address of the server.
pub fn server(answer: impl Fn(&Asked) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("clone"));
            let mut line = || {
                let mut text = String::new();
                reader.read_line(&mut text).unwrap_or(0);
                text.trim_end().to_owned()
            };
            let mut asked = Asked { line: line(), ..Asked::default() };
            let headers: Vec<String> = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty())).collect();
            asked.headers = headers.join("\n").to_lowercase();
            let length = asked.headers.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            asked.body = String::from_utf8_lossy(&body).into_owned();
            let _ = stream.write_all(answer(&asked).as_bytes());
        }
    });
    format!("http://{address}")
}

/// An answer.
pub fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
