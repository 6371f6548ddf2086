//! A form sent to where hosts report themselves.

use std::time::Duration;

use super::{Context, Effect};
use crate::error::Failure;
use crate::host::net;
use crate::plan::operation::{FormField, FormValue};
use crate::redact;
use crate::secret::Secret;

/// What is sent for what is not there, as the peer.
const ABSENT: &str = "N/A";
/// One attempt.
const LIMIT: Duration = Duration::from_secs(30);
/// An answer is not looked at.
const ANSWER: u64 = 1 << 20;

/// Sends it.
pub(super) fn phone_home(context: &Context<'_>, url: &str, form: &[FormField]) -> Result<Effect, Failure> {
    let mut pairs = Vec::new();
    for field in form {
        let value = match &field.value {
            FormValue::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            FormValue::File(path) => context.host.read_text(path).map_err(|error| Failure::io(path, &error))?,
        };
        pairs.push(format!("{}={}", encoded(&field.name), encoded(value.as_deref().unwrap_or(ABSENT))));
    }
    let body = net::Body { kind: "application/x-www-form-urlencoded", bytes: Secret::new(pairs.join("&").into_bytes()) };
    let mut request = net::Request { body: Some(body), ..net::Request::new(url, ANSWER) };
    request.deadline = context.deadline.left().unwrap_or(LIMIT);
    // Its path may be what lets in, so it is told nowhere.
    let hidden = |failure: Failure| Failure { message: failure.message.replace(&redact::url(url), &redact::origin(url)), ..failure };
    context.host.fetch(&request).map(|_| Effect::default()).map_err(hidden)
}

/// As HTML forms are sent (application/x-www-form-urlencoded).
fn encoded(text: &str) -> String {
    net::percent_encoded(text).replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::engine::apply::tests::Root;
    use crate::error::Kind;
    use crate::host::loopback::{reply, server};
    use crate::plan::Operation;
    use std::sync::{Arc, Mutex};

    #[test]
    fn what_is_there_is_sent_and_what_is_not_is_named() {
        let root = Root::new();
        root.put("/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AA+ root@web\n");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let url = server(move |asked| {
            log.lock().expect("log").push((asked.line.clone(), asked.headers.clone(), asked.body.clone()));
            reply("200 OK", "", "thanks")
        });
        let field = |name: &str, value| FormField { name: name.into(), value };
        let file = |kind: &str| FormValue::File(format!("/etc/ssh/ssh_host_{kind}_key.pub"));
        let form = vec![
            field("pub_key_rsa", file("rsa")),
            field("pub_key_ed25519", file("ed25519")),
            field("hostname", FormValue::Text("web".into())),
        ];
        let operation = Operation::PhoneHome { url: format!("{url}/i-1/?a=b"), form, tries: 2 };
        root.done(&operation);
        let heard = heard.lock().expect("log");
        let (line, headers, body) = &heard[0];
        assert!(line.starts_with("POST /i-1/?a=b ") && headers.contains("content-type: application/x-www-form-urlencoded"), "{line}");
        assert_eq!(body, "pub_key_rsa=ssh-rsa+AA%2B+root%40web%0A&pub_key_ed25519=N%2FA&hostname=web");
    }

    #[test]
    fn where_nobody_answers_it_fails_and_its_credentials_are_not_shown() {
        let root = Root::new();
        let url = server(|_| reply("403 No", "", "")).replace("//", "//bob:geheim@") + "/hooks/geheim";
        let failure = root.refused(&Operation::PhoneHome { url, form: Vec::new(), tries: 1 });
        assert_eq!(failure.kind, Kind::Permission);
        assert!(!failure.to_string().contains("geheim"), "{failure}");
    }

    #[test]
    fn a_form_is_encoded_as_browsers_do() {
        assert_eq!(encoded("ssh-rsa A+/= root@h\n"), "ssh-rsa+A%2B%2F%3D+root%40h%0A");
        assert_eq!(encoded("ü_~"), "%C3%BC_~");
    }
}
