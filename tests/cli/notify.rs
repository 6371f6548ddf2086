//! `landfall.notify`: who is told how a run ended, by a server on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::state::on_host;

/// A server that answers with `status` and `answer`: its address, and the bodies of what was posted.
pub(super) fn server(status: &'static str, answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("address");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().expect("clone"));
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                let lower = line.to_lowercase();
                length = lower.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().expect("a length"));
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            log.lock().expect("log").push(String::from_utf8(body).expect("text"));
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            let _ = stream.write_all((head + answer).as_bytes());
        }
    });
    (format!("http://{address}"), heard)
}

/// Applies user-data that fails and says who is told; then `script`.
fn applied(notify: &str, script: &str) -> Option<super::Ran> {
    let text = format!(
        "#cloud-config\nwrite_files: [{{path: /run/made, content: x}}]\nruncmd: [\"echo said-by-the-item; exit 3\"]\nlandfall:\n  notify: {notify}\n"
    );
    let apply = format!("mount -t tmpfs t /var/log; cat >/run/u.yaml <<'END'\n{text}END\nlandfall apply /run/u.yaml; echo \"exit $?\"; ");
    on_host("done", &format!("{apply}{script}"))
}

#[test]
fn the_end_is_told_once_with_the_state_and_without_outputs() {
    let (url, heard) = server("200 OK", "");
    let notify = format!("[{{url: '{url}/services/path-token-123', on: failure}}, {{url: '{url}/never', on: [success]}}]");
    let again = "landfall run; landfall status --long; cat /var/log/landfall.log /run/landfall/*.json";
    let Some(ran) = applied(&notify, again) else { return };
    assert!(ran.stdout.contains("exit 1\n"), "{}\n{}", ran.stdout, ran.stderr);
    let told = format!("{url} was told that the run has ended (failed)");
    assert!(ran.stdout.contains(&format!("note: notify: {told}")), "{}", ran.stdout);
    assert!(!(ran.stdout.clone() + &ran.stderr).contains("path-token-123"), "{}\n{}", ran.stdout, ran.stderr);
    let heard = heard.lock().expect("log");
    assert_eq!(heard.len(), 1, "{heard:?}");
    let body: serde_json::Value = serde_json::from_str(&heard[0]).expect("JSON");
    assert_eq!((body["event"].as_str(), body["state"].as_str()), (Some("run-ended"), Some("failed")));
    assert!(body["steps"].as_array().is_some_and(|steps| steps.iter().any(|step| step["id"] == "runcmd/1")), "{body}");
    assert!(!heard[0].contains("said-by-the-item"), "{}", heard[0]);
}

#[test]
fn who_refuses_to_be_told_changes_nothing_but_a_note() {
    let (url, heard) = server("403 No", "");
    let Some(ran) = applied(&format!("{{url: '{url}/path-token-123'}}"), "landfall status --long; cat /run/landfall/result.json") else {
        return;
    };
    assert!(ran.stdout.contains("exit 1\n") && ran.stdout.contains("could not be told: E_PERMISSION"), "{}", ran.stdout);
    assert!(ran.stderr.contains(&format!("{url} could not be told")) && !ran.stderr.contains("path-token-123"), "{}", ran.stderr);
    assert_eq!(heard.lock().expect("log").len(), 1);
}

#[test]
fn a_command_reads_the_message() {
    let Some(ran) = applied("{command: [sh, -c, 'cat >/run/message']}", "cat /run/message") else { return };
    let message = ran.stdout.split("exit 1\n").nth(1).expect("a message");
    let message: serde_json::Value = serde_json::from_str(message).expect("JSON");
    assert_eq!(message["state"], "failed");
}
