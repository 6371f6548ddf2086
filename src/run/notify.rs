//! `notify`: tells how a run and its phases ended, once, after the run's result was published: nothing waits for a listener.
//!
//! Whether it is still to be told stands in the instance's journal: the message is due while a step has ended after the last note
//! about it. Failing to tell changes nothing but that note. An address is tried again while the failure may pass; a command is not.

use std::time::{Duration, Instant};

use serde_json::json;
use tracing::Level;

use crate::engine::journal::Event;
use crate::engine::ledger::Ledger;
use crate::engine::retry::Policy;
use crate::engine::summary::{PhaseSummary, State, Summary};
use crate::error::{Failure, Kind};
use crate::host::process::Spec;
use crate::host::{net, signals, Host};
use crate::plan::notify::{Listener, Message, OAuth, Target};
use crate::plan::{Frequency, PhaseOutcome, Plan};
use crate::redact::{self, Redactor};
use crate::secret::Secret;
use crate::telemetry::{self, Place};

/// What the note begins with.
const NOTE: &str = "notify: ";
/// For all listeners together.
const TOTAL: Duration = Duration::from_secs(60);
/// For one request.
const ONE: Duration = Duration::from_secs(15);
/// An answer is not looked at.
const ANSWER: u64 = 1 << 20;

fn is_note(event: &Event) -> bool {
    matches!(event, Event::Notice { message, .. } if message.starts_with(NOTE))
}

/// The phases of which a step has ended since the last note.
pub fn ended_phases(plan: &Plan, ledger: &Ledger) -> Vec<String> {
    let records = ledger.records(Frequency::Instance);
    let told = records.iter().rposition(|record| is_note(&record.event)).map_or(0, |at| at + 1);
    let ended = |id: &str| records[told..].iter().any(|record| matches!(&record.event, Event::Outcome(outcome) if outcome.step == id));
    let phases = plan.phases.iter().filter(|phase| plan.steps.iter().any(|step| phase.holds(step) && ended(&step.id)));
    phases.map(|phase| phase.name.clone()).collect()
}

/// Whether somebody is to be told of what the journal has recorded. Who builds an image is not.
pub fn is_due(host: &Host, plan: &Plan, ledger: &Ledger) -> bool {
    let counts = |event: &Event| match event {
        note if is_note(note) => Some(false),
        Event::Outcome(_) | Event::End => Some(true),
        _ => None,
    };
    let mut records = ledger.records(Frequency::Instance).iter().rev();
    host.is_live() && !plan.notify.is_empty() && records.find_map(|record| counts(&record.event)) == Some(true)
}

/// The phase that a listener listens to; `None` where that is the whole run.
fn phase_of<'s>(listener: &Listener, summary: &'s Summary) -> Option<&'s PhaseSummary> {
    let name = listener.phase.as_ref()?;
    summary.phases.iter().find(|phase| phase.name == *name)
}

/// How what a listener listens to has ended; `None` where that is nothing to be told.
fn success(listener: &Listener, ended: &[String], summary: &Summary) -> Option<bool> {
    let Some(name) = &listener.phase else { return Some(matches!(summary.state, State::Done | State::Degraded)) };
    match phase_of(listener, summary).filter(|_| ended.contains(name))?.outcome? {
        PhaseOutcome::Done | PhaseOutcome::Degraded => Some(true),
        PhaseOutcome::Failed => Some(false),
        PhaseOutcome::Skipped => None,
    }
}

/// What has ended, in words, and how.
fn end_of(listener: &Listener, summary: &Summary) -> String {
    match phase_of(listener, summary) {
        Some(phase) => format!("phase {} has ended ({})", phase.name, phase.outcome.map_or("open", PhaseOutcome::name)),
        None => format!("the run has ended ({})", summary.state.name()),
    }
}

/// Tells everybody who wants to hear of this end, of the run and of these phases. Gives back the note about it; `None` where a stop
/// came in between.
pub fn tell(host: &Host, plan: &Plan, ended: &[String], summary: &Summary) -> Option<String> {
    let redactor = Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
    let message = |listener: &Listener| match &listener.target {
        Target::Url { message: Message::Peers, .. } => Secret::new(peers_event(host, summary)),
        _ => Secret::new(redactor.apply_to_json(&message(host, plan, listener, summary))),
    };
    let hears = |listener: &&Listener| success(listener, ended, summary).is_some_and(|success| listener.hears(success));
    let listeners: Vec<&Listener> = plan.notify.iter().filter(hears).collect();
    let results = tell_all(host, &listeners, &message, summary, TOTAL)?;
    let mut said = Vec::new();
    for (listener, result) in listeners.iter().zip(results) {
        let (level, text) = match result {
            Ok(()) => (Level::INFO, format!("{} was told that {}", listener.name(), end_of(listener, summary))),
            Err(failure) => (Level::WARN, redactor.quoted(&format!("{} could not be told: {}", listener.name(), why(listener, &failure)))),
        };
        telemetry::say(level, Place { run: Some(&summary.run), ..Place::default() }, &text);
        said.push(text);
    }
    if said.is_empty() {
        said.push("nobody is to be told of this end".to_owned());
    }
    Some(format!("{NOTE}{}", said.join("; ")))
}

/// What is sent: what everybody on the host can read of the run.
fn message(host: &Host, plan: &Plan, listener: &Listener, summary: &Summary) -> String {
    let mut message = json!(super::view::public(plan, summary));
    message["event"] = json!(if listener.phase.is_some() { "phase-ended" } else { "run-ended" });
    if let Some(name) = &listener.phase {
        message["phase"] = json!(name);
        message["outcome"] = json!(phase_of(listener, summary).and_then(|phase| phase.outcome));
    }
    message["hostname"] = json!(host.running_hostname().unwrap_or_default());
    message.to_string()
}

/// The end of the last stage as cloud-init's webhooks tell it (`cloudinit/reporting/events.py`: the keys of a finish event).
fn peers_event(host: &Host, summary: &Summary) -> String {
    let result = match summary.state {
        State::Done => "SUCCESS",
        State::Degraded => "WARN",
        _ => "FAIL",
    };
    let timestamp = summary.finished.unwrap_or_else(|| host.now());
    json!({ "name": "modules-final", "description": "running modules for final", "event_type": "finish", "origin": "cloudinit",
        "timestamp": timestamp, "result": result })
    .to_string()
}

/// Turn by turn, so that one that is dead takes no time from the others. `None` where a stop was asked for.
fn tell_all(
    host: &Host,
    listeners: &[&Listener],
    message: &dyn Fn(&Listener) -> Secret<String>,
    summary: &Summary,
    total: Duration,
) -> Option<Vec<Result<(), Failure>>> {
    let start = Instant::now();
    let policy = Policy::of_messages(total);
    let mut results: Vec<Option<Result<(), Failure>>> = listeners.iter().map(|_| None).collect();
    let mut is_open = vec![true; listeners.len()];
    for next in 2.. {
        let mut wait: Option<Duration> = None;
        for ((listener, result), is_open) in listeners.iter().zip(&mut results).zip(&mut is_open) {
            let left = total.saturating_sub(start.elapsed());
            if !*is_open || left.is_zero() {
                continue;
            }
            let told = tell_one(host, listener, message, summary, left);
            let pause = told.as_ref().err().and_then(|failure| policy.pause(next, start.elapsed(), failure, host.noise()));
            *is_open = pause.is_some();
            wait = wait.max(pause);
            *result = Some(told);
        }
        if signals::stop_requested().is_some() {
            return None;
        }
        let Some(wait) = wait else { break };
        if !signals::sleep(wait) {
            return None;
        }
    }
    let late = || Err(Failure::new(Kind::Timeout, "there was no time left"));
    Some(results.into_iter().map(|result| result.unwrap_or_else(late)).collect())
}

fn tell_one(
    host: &Host,
    listener: &Listener,
    message: &dyn Fn(&Listener) -> Secret<String>,
    summary: &Summary,
    left: Duration,
) -> Result<(), Failure> {
    match &listener.target {
        Target::Url { url, headers, oauth, .. } => {
            let body = net::Body { kind: "application/json", bytes: Secret::new(message(listener).expose().clone().into_bytes()) };
            let mut request = net::Request { body: Some(body), ..net::Request::new(url.expose(), ANSWER) };
            request.headers.clone_from(headers);
            if let Some(oauth) = oauth {
                request.headers.insert("Authorization".to_owned(), signature(host, oauth));
            }
            request.deadline = ONE.min(left);
            host.fetch(&request).map(|_| ())
        }
        Target::Command { argv } => {
            let spec = Spec::new(argv.iter().cloned()).stdin(message(listener)).deadline(left);
            let spec = spec.env("LANDFALL_RUN", &summary.run).env("INSTANCE_ID", &summary.instance);
            let spec = spec.env("LANDFALL_PHASE", listener.phase.as_deref().unwrap_or_default());
            let ended = host.run(&spec)?;
            if ended.success() {
                return Ok(());
            }
            Err(ended.failure(&listener.name()).transient(false))
        }
    }
}

/// The header of a request that is signed by OAuth 1.0, method PLAINTEXT (RFC 5849, sections 3.4.4 and 3.5.1).
fn signature(host: &Host, oauth: &OAuth) -> Secret<String> {
    let encoded = |secret: &Secret<String>| net::percent_encoded(secret.expose());
    let signature = net::percent_encoded(&format!("{}&{}", encoded(&oauth.consumer_secret), encoded(&oauth.token_secret)));
    // A server that has seen a nonce refuses it; what it is made of does not matter.
    let nonce: String = (0..20).map(|_| char::from(b'0' + u8::try_from(host.random_below(10).unwrap_or(0)).unwrap_or(0))).collect();
    let time = host.now().max(0.0) as u64;
    Secret::new(format!(
        "OAuth oauth_nonce=\"{nonce}\", oauth_timestamp=\"{time}\", oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", \
         oauth_consumer_key=\"{}\", oauth_token=\"{}\", oauth_signature=\"{signature}\"",
        encoded(&oauth.consumer_key),
        encoded(&oauth.token_key),
    ))
}

/// Why it failed, without the address: its path may be a token.
fn why(listener: &Listener, failure: &Failure) -> String {
    match &listener.target {
        Target::Url { url, .. } => failure.to_string().replace(&redact::url(url.expose()), "it"),
        Target::Command { .. } => failure.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::example;
    use crate::host::loopback::{reply, server, Asked};
    use crate::plan::notify::Occasion;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    fn listener(on: Occasion, url: &str) -> Listener {
        let headers = BTreeMap::from([("X-Token".to_owned(), Secret::new("t0ken".to_owned()))]);
        Listener {
            on: vec![on],
            phase: None,
            target: Target::Url { url: Secret::new(url.to_owned()), headers, oauth: None, message: Message::State },
        }
    }

    fn plan(notify: Vec<Listener>) -> Plan {
        let text = json!({"format": 1, "version": "0", "instance": "i-1", "datasource": "file", "config_digest": "", "steps": [],
            "secrets": ["geheim-1234"]});
        Plan { notify, ..serde_json::from_value(text).expect("a plan") }
    }

    /// A server that answers with these in turn, the last for ever, and what it was asked.
    fn answering(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<Asked>>>) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        let url = server(move |asked| {
            let mut heard = log.lock().expect("log");
            heard.push(asked.clone());
            reply(answers[(heard.len() - 1).min(answers.len() - 1)], "", "")
        });
        (url, heard)
    }

    #[test]
    fn who_wants_to_hear_of_this_end_is_told_without_outputs_and_secrets() {
        let (url, heard) = answering(&["503 Busy", "200 OK"]);
        let (other, unheard) = answering(&["200 OK"]);
        let mut summary = example(State::Failed);
        summary.told[0].message = "unknown key `geheim-1234`".into();
        let plan = plan(vec![listener(Occasion::Failure, &format!("{url}/services/T0/path-token")), listener(Occasion::Success, &other)]);
        let note = tell(&Host::default(), &plan, &[], &summary).expect("not stopped");
        assert_eq!(note, format!("notify: {url} was told that the run has ended (failed)"));
        let heard = heard.lock().expect("log");
        assert_eq!(heard.len(), 2, "tried again after a 503");
        assert!(heard[1].line.starts_with("POST /services/T0/path-token ") && heard[1].headers.contains("x-token: t0ken"));
        let body: serde_json::Value = serde_json::from_str(&heard[1].body).expect("JSON");
        assert_eq!((body["event"].as_str(), body["state"].as_str()), (Some("run-ended"), Some("failed")));
        assert!(!heard[1].body.contains("geheim-1234"), "{}", heard[1].body);
        assert!(unheard.lock().expect("log").is_empty());
    }

    #[test]
    fn who_listens_to_a_phase_is_told_how_that_ended_if_it_has_since_the_last_time() {
        let (url, heard) = answering(&["200 OK"]);
        let mut summary = example(State::Failed);
        let phase = |name: &str, outcome| PhaseSummary { name: name.into(), outcome: Some(outcome), why: None, after_failure_of: None };
        summary.phases = vec![phase("web", PhaseOutcome::Done), phase("db", PhaseOutcome::Failed), phase("mend", PhaseOutcome::Skipped)];
        let of = |on, name: &str| Listener { phase: Some(name.into()), ..listener(on, &format!("{url}/{name}")) };
        let listeners = ["web", "db", "mend"].map(|name| of(Occasion::Always, name)).into_iter();
        let plan = plan(listeners.chain([of(Occasion::Failure, "web"), of(Occasion::Success, "db")]).collect());
        let ended = ["web", "db", "mend"].map(str::to_owned);
        let note = tell(&Host::default(), &plan, &ended, &summary).expect("not stopped");
        let told = [("web", "done"), ("db", "failed")].map(|(name, how)| format!("{url} was told that phase {name} has ended ({how})"));
        assert_eq!(note, format!("notify: {}", told.join("; ")));
        for (asked, (name, how)) in std::mem::take(&mut *heard.lock().expect("log")).iter().zip([("web", "done"), ("db", "failed")]) {
            let body: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
            assert_eq!((&body["event"], &body["phase"], &body["outcome"]), (&json!("phase-ended"), &json!(name), &json!(how)));
        }
        tell(&Host::default(), &plan, &ended[..1], &summary).expect("not stopped");
        assert_eq!(heard.lock().expect("log").len(), 1, "the other has ended before");
    }

    #[test]
    fn who_refuses_or_is_away_is_named_without_the_address() {
        let (url, heard) = answering(&["403 No"]);
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("listen").local_addr().expect("address");
        let listeners =
            [listener(Occasion::Always, &format!("{url}/path-token")), listener(Occasion::Always, &format!("http://{free}/path-token"))];
        let summary = example(State::Done);
        let message = |_: &Listener| Secret::new("{}".to_owned());
        let all: Vec<&Listener> = listeners.iter().collect();
        let start = Instant::now();
        let results = tell_all(&Host::default(), &all, &message, &summary, Duration::from_secs(3)).expect("not stopped");
        assert!(start.elapsed() < Duration::from_secs(60), "there is an end to it");
        assert_eq!(heard.lock().expect("log").len(), 1, "a refusal is not asked about again");
        for (listener, result) in listeners.iter().zip(results) {
            let said = why(listener, &result.expect_err("failure"));
            assert!(!said.contains("path-token"), "{said}");
        }
    }

    #[test]
    fn a_message_is_due_until_the_note_about_it_and_again_when_more_was_done() {
        use crate::engine::journal::{Journal, Stamp};
        use crate::host::append_log::AppendLog;
        struct Fixed;
        impl Stamp for Fixed {
            fn stamp(&self) -> (f64, f64, String, String) {
                (1.0, 2.0, "run".into(), "boot".into())
            }
        }
        let dir = tempfile::tempdir().expect("dir");
        let open = |name: &str| Journal::open(AppendLog::new(dir.path().join(name), false)).expect("journal");
        let mut ledger = Ledger::new(open("instance"), open("once"), open("boot"), crate::plan::Stage::Final);
        let plan = plan(vec![listener(Occasion::Always, "http://x")]);
        let notice = |message: &str| Event::Notice { weight: None, message: message.into() };
        let host = Host::default();
        assert!(!is_due(&host, &plan, &ledger), "nothing was done");
        for (scope, event, due) in [
            (Frequency::Boot, Event::End, false),
            (Frequency::Instance, notice("hello"), false),
            (Frequency::Instance, Event::End, true),
            (Frequency::Instance, notice("hello"), true),
            (Frequency::Instance, notice("notify: told"), false),
            (Frequency::Instance, notice("hello"), false),
            (Frequency::Instance, Event::End, true),
        ] {
            ledger.record(&Fixed, scope, event.clone(), false).expect("journal works");
            assert_eq!(is_due(&host, &plan, &ledger), due, "{event:?}");
        }
        assert!(!is_due(&Host::rooted(dir.path()), &plan, &ledger), "an image that is built tells nobody");
        assert!(!is_due(&host, &Plan { notify: Vec::new(), ..plan }, &ledger));
    }

    #[test]
    fn a_webhook_of_the_peers_gets_the_peers_event() {
        let (url, heard) = answering(&["200 OK"]);
        let secret = |text: &str| Secret::new(text.to_owned());
        let oauth =
            Some(OAuth { consumer_key: secret("c k"), consumer_secret: secret(""), token_key: secret("tk"), token_secret: secret("t&s") });
        let target = Target::Url { url: Secret::new(url), headers: BTreeMap::new(), oauth, message: Message::Peers };
        let plan = plan(vec![Listener { on: vec![Occasion::Always], phase: None, target }]);
        for (state, result) in [(State::Done, "SUCCESS"), (State::Degraded, "WARN"), (State::Failed, "FAIL")] {
            tell(&Host::default(), &plan, &[], &example(state)).expect("not stopped");
            let asked = heard.lock().expect("log").pop().expect("told");
            // The header is in lower case here.
            let signed =
                "oauth_signature_method=\"plaintext\", oauth_consumer_key=\"c%20k\", oauth_token=\"tk\", oauth_signature=\"%26t%2526s\"";
            assert!(asked.headers.contains(signed) && asked.headers.contains("authorization: oauth oauth_nonce=\""), "{}", asked.headers);
            let body: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
            assert_eq!((body["name"].as_str(), body["event_type"].as_str()), (Some("modules-final"), Some("finish")));
            assert_eq!((body["result"].as_str(), body["origin"].as_str()), (Some(result), Some("cloudinit")));
            assert!(body["timestamp"].is_f64());
        }
    }

    #[test]
    fn a_command_reads_the_message_and_its_failure_is_a_note() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("message");
        let command = |text: String| Listener {
            on: vec![Occasion::Always],
            phase: None,
            target: Target::Command { argv: vec!["sh".into(), "-c".into(), text] },
        };
        let plan = plan(vec![command(format!("cat >{}", file.display())), command("exit 3".into())]);
        let note = tell(&Host::default(), &plan, &[], &example(State::Done)).expect("not stopped");
        let body: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).expect("told")).expect("JSON");
        assert_eq!(body["state"], "done");
        assert!(note.contains("sh could not be told: E_EXEC"), "{note}");
        let nobody = Plan { notify: vec![listener(Occasion::Failure, "http://x")], ..plan };
        assert_eq!(
            tell(&Host::default(), &nobody, &[], &example(State::Done)).as_deref(),
            Some("notify: nobody is to be told of this end")
        );
    }
}
