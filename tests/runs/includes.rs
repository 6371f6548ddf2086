//! User-data that includes what only the network has: what is done before, without, and after it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::*;

/// A web server on loopback that can be out of order.
struct Web {
    url: String,
    pages: Arc<Mutex<BTreeMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let web = Self { url: format!("http://{}", listener.local_addr().expect("address")), pages: Arc::default(), asked: Arc::default() };
        let (pages, asked) = (web.pages.clone(), web.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("connection");
                let mut lines = BufReader::new(stream.try_clone().expect("stream")).lines();
                let path = lines.next().and_then(Result::ok).unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
                while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
                asked.lock().expect("log").push(path.clone());
                let answer = match pages.lock().expect("pages").get(&path) {
                    Some(page) if page == "busy" => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    Some(page) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len()),
                    None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        web
    }

    fn page(&self, path: &str, text: &str) {
        self.pages.lock().expect("pages").insert(path.to_owned(), text.to_owned());
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("log"))
    }
}

/// User-data of two parts: what is known at once, and a list of addresses.
fn user_data(own: &str, list: &str) -> String {
    format!(
        "Content-Type: multipart/mixed; boundary=\"==\"\nMIME-Version: 1.0\n\n--==\nContent-Type: text/cloud-config\n\n{own}\n--==\n\
         Content-Type: text/plain\n\n{list}\n--==--\n"
    )
}

/// A file, and a message that ends the run.
fn own() -> String {
    files(&[("/etc/one", "1")]) + "final_message: the end of it\n"
}

const MERGED: &str = "#cloud-config\nmerge_how: list(append)+dict(recurse_array)+str()\nwrite_files: [{path: /etc/two, content: '2'}]\n";

fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    machine.write("etc/landfall/landfall.yaml", "landfall: {retry: 1}\n");
    Some(machine)
}

fn stage(machine: &Machine, stage: Stage) -> Summary {
    summary(run::run(&machine.host, &Request::Boot(Some(stage))).expect("runs"))
}

fn plan(machine: &Machine) -> serde_json::Value {
    serde_json::from_str(&machine.read("var/lib/landfall/instances/i-1/plan.json").expect("a plan")).expect("JSON")
}

/// How often the journals of the instance and of this boot say that a step has ended.
fn ended(machine: &Machine, step: &str) -> usize {
    let read = |path| machine.read(path).unwrap_or_default();
    let journal = read("var/lib/landfall/instances/i-1/journal") + &read("run/landfall/boot-journal");
    journal.lines().filter(|line| line.contains("outcome") && line.contains(&format!("\"{step}\""))).count()
}

#[test]
fn what_is_known_is_done_before_the_network_and_the_rest_when_it_is_fetched() {
    let Some(machine) = machine() else { return };
    let web = Web::new();
    web.page("/a", MERGED);
    machine.seed("i-1", &user_data(&own(), &format!("#include\n{}/a", web.url)));
    stage(&machine, Stage::Local);
    assert_eq!((machine.read("etc/one").as_deref(), machine.read("etc/two")), (Some("1"), None));
    assert_eq!(web.asked(), [""; 0], "nobody is asked before the network is there");
    assert!(!machine.path("run/landfall/instance-settled").exists(), "the network stage has work to do");
    let text = plan(&machine).to_string();
    assert!(text.contains("waits_for") && !text.contains("the end of it"), "what ends a run waits: {text}");
    stage(&machine, Stage::Network);
    assert_eq!(machine.read("etc/two").as_deref(), Some("2"));
    let last = stage(&machine, Stage::Final);
    assert_eq!(last.state, State::Done, "{:?}", last.told);
    assert_eq!(web.asked(), ["/a"]);
    assert_eq!((ended(&machine, "write_files/etc/one"), ended(&machine, "final_message")), (1, 1));
    assert!(!machine.path("var/lib/landfall/instances/i-1/source.json").exists(), "what the datasource gave is kept no longer");
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert_eq!(web.asked(), [""; 0], "a plan that is whole is not made again");
}

#[test]
fn an_outage_is_a_located_failure_and_the_next_boot_finishes() {
    let Some(machine) = machine() else { return };
    let web = Web::new();
    web.page("/a", "busy");
    web.page("/b", "#include-once\n/etc/part\n");
    machine.write(
        "etc/part",
        "#cloud-config\nmerge_how: list(append)+dict(recurse_array)+str()\nwrite_files: [{path: /etc/three, content: '3'}]\n",
    );
    machine.seed("i-1", &user_data(&own(), &format!("#include {0}/a\n#include-once {0}/b", web.url)));
    let first = summary(machine.boot());
    assert_eq!(first.state, State::Failed);
    let told: Vec<&str> = first.told.iter().map(|told| told.message.as_str()).collect();
    let expected = format!("part-002:1:10: {0}/a is not included: {0}/a answered 503", web.url);
    assert!(told.iter().any(|told| told.starts_with(&expected)), "{told:?}");
    assert!(told.iter().any(|told| told.ends_with("final_message")), "{told:?}");
    assert_eq!((machine.read("etc/one").as_deref(), machine.read("etc/three").as_deref()), (Some("1"), Some("3")), "what is known is done");
    let result = machine.read("run/cloud-init/result.json").expect("a result");
    assert!(result.contains("/a is not included"), "{result}");
    assert_eq!(web.asked(), ["/a", "/b", "/a"], "each stage asks again for what is missing, and for nothing that was fetched once");

    web.page("/a", MERGED);
    machine.seed("i-1", "#cloud-config\nwrite_files: [{path: /etc/other, content: x}]\n");
    let second = summary(machine.boot());
    assert_eq!((second.state, machine.read("etc/two").as_deref()), (State::Done, Some("2")));
    assert_eq!(machine.read("etc/other"), None, "the instance's own user-data counts");
    assert_eq!((ended(&machine, "write_files/etc/one"), ended(&machine, "final_message")), (1, 1));
    assert_eq!(web.asked(), ["/a"]);
}

#[test]
fn an_instance_whose_datasource_is_out_is_completed_from_what_it_gave() {
    let Some(machine) = machine() else { return };
    let web = Web::new();
    web.page("/a", "busy");
    machine.seed("i-1", &user_data(&own(), &format!("#include {}/a", web.url)));
    assert_eq!(summary(machine.boot()).state, State::Failed);
    web.page("/a", MERGED);
    fs::remove_dir_all(machine.path("var/lib/cloud/seed")).expect("the seed is gone");
    let resumed = run::run(&machine.host, &Request::Resume).expect("runs");
    assert_eq!((summary(resumed).state, machine.read("etc/two").as_deref()), (State::Done, Some("2")));
}

#[test]
fn an_address_that_is_wrong_is_told_and_everything_else_is_done() {
    let Some(machine) = machine() else { return };
    let web = Web::new();
    machine.seed("i-1", &user_data(&own(), &format!("#include\n{}/none\n/etc/none\nftp://h/x", web.url)));
    let first = summary(machine.boot());
    assert_eq!(first.state, State::Failed);
    for place in ["part-002:2:1: ", "part-002:3:1: /etc/none is not included", "part-002:4:1: "] {
        assert!(first.told.iter().any(|told| told.message.starts_with(place)), "{place}: {:?}", first.told);
    }
    assert_eq!(ended(&machine, "final_message"), 1, "nothing waits for what will never come");
    assert!(plan(&machine).get("waits_for").is_none());
}

#[test]
fn a_file_that_is_applied_by_hand_is_applied_whole_or_not_at_all() {
    let Some(machine) = machine() else { return };
    let web = Web::new();
    web.page("/a", "busy");
    let text = user_data(&own(), &format!("#include {}/a", web.url));
    let apply = || {
        let source = Source::File { name: "x".into(), bytes: text.clone().into(), first_boot: false };
        run::run(&machine.host, &Request::Apply(source))
    };
    let refused = apply().expect_err("a part is missing");
    assert_eq!(refused.kind, Kind::Network);
    assert!(refused.message.ends_with("nothing was changed") && refused.message.contains("/a is not included"), "{refused}");
    assert_eq!(machine.read("etc/one"), None);
    web.page("/a", MERGED);
    assert_eq!(summary(apply().expect("runs")).state, State::Done);
    assert_eq!((machine.read("etc/one").as_deref(), machine.read("etc/two").as_deref()), (Some("1"), Some("2")));
}

#[test]
fn addresses_of_user_data_show_no_credentials_in_what_everybody_reads() {
    let Some(machine) = machine() else { return };
    let web = Web::new();
    web.page("/a?token=t0k3n", "busy");
    let url = web.url.replace("http://", "http://bob:geheim@");
    machine.seed("i-1", &user_data(&own(), &format!("#include {url}/a?token=t0k3n")));
    assert_eq!(summary(machine.boot()).state, State::Failed);
    for file in ["run/landfall/status.json", "run/landfall/result.json", "run/cloud-init/status.json", "run/cloud-init/instance-data.json"]
    {
        let text = machine.read(file).unwrap_or_else(|| panic!("{file} is missing"));
        assert!(!text.contains("geheim") && !text.contains("t0k3n"), "{file}: {text}");
    }
}
