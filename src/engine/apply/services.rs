//! Services that have to be ready: ports, start, waiting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::units::{current, missing};
use super::{Checked, Context, Effect};
use crate::error::{Failure, Kind};
use crate::host::ports::Taken;
use crate::host::signals;
use crate::host::systemd::{Job, Unit};
use crate::plan::operation::{Readiness, Service, UnitAction};

/// How often a service is looked at.
const POLL: Duration = Duration::from_millis(200);
/// A connection to a port of this host.
const CONNECT: Duration = Duration::from_secs(1);
/// systemd calls a service of these types active before its program has done anything: it has to stay so for this long.
const SETTLE: Duration = Duration::from_secs(1);
const SAYS_NOTHING: [&str; 4] = ["simple", "exec", "forking", "idle"];

/// A service that is to be started runs and is ready. Where systemd does not run it starts at the next boot.
pub(super) fn check(context: &Context<'_>, service: &Service) -> Result<Checked, Failure> {
    if !context.host.runs_systemd() {
        return Ok(Checked::Satisfied);
    }
    if service.action != UnitAction::Start {
        return Ok(Checked::Needed);
    }
    let state = context.host.unit(&service.unit)?;
    Ok(Checked::satisfied_if(state.active == "active" && silent_port(context, service).is_none()))
}

/// Whether it is as the step left it.
pub fn is_ready(service: &Service, context: &Context<'_>) -> Result<bool, Failure> {
    if !context.host.runs_systemd() {
        return Ok(true);
    }
    let state = context.host.unit(&service.unit)?;
    Ok((state.active == "active" || has_finished(&state)) && silent_port(context, service).is_none())
}

/// Starts it, unless somebody else holds its ports, and waits until it is ready.
pub(super) fn apply(context: &Context<'_>, service: &Service) -> Result<Effect, Failure> {
    let (host, unit) = (context.host, service.unit.as_str());
    if !host.runs_systemd() {
        return Ok(Effect { detail: Some("systemd does not run here; it starts at the next boot".into()), ..Effect::default() });
    }
    let start = Instant::now();
    let own = Duration::from_secs(service.timeout_seconds);
    let limit = context.deadline.left().map_or(own, |deadline| deadline.min(own));
    let state = current(context, unit)?.ok_or_else(|| missing(unit))?;
    refuse_taken_ports(context, service, &state)?;
    // What runs is told apart from the order of the boot.
    let now = state.is_active() && service.action != UnitAction::Start;
    match host.unit_job_within(service.action.verb(), unit, now, Some(limit))? {
        Job::Queued => {
            let warning = format!("{unit} starts when its turn in the boot comes; whether it gets ready is not known");
            Ok(Effect { warnings: vec![warning], ..Effect::default() })
        }
        Job::Done => wait(context, service, start, limit),
    }
}

/// Ports are for the service itself, or for the socket units that start it.
fn refuse_taken_ports(context: &Context<'_>, service: &Service, state: &Unit) -> Result<(), Failure> {
    let is_own = |unit: &str| unit == service.unit || state.triggered_by.iter().any(|socket| socket == unit);
    let taken = context.host.taken(&service.ports);
    let others: Vec<&Taken> = taken.iter().filter(|taken| !taken.unit.as_deref().is_some_and(is_own)).collect();
    let Some(first) = others.first() else { return Ok(()) };
    let told: Vec<String> = others.iter().map(ToString::to_string).collect();
    let way = match (&first.unit, &first.process) {
        (Some(unit), _) if unit.ends_with(".service") || unit.ends_with(".socket") => format!("stop it (`systemctl disable --now {unit}`)"),
        (_, Some(process)) => format!("end it (`kill {}`)", process.pid),
        _ => "find it with `ss -ltnp`".to_owned(),
    };
    let message = format!("{} is not started: {}", service.unit, told.join("; "));
    Err(Failure::new(Kind::Config, message).hint(format!("{way}, or give one of the two another port; then `landfall resume`")))
}

/// The first of the ports to wait for that nothing answers on.
fn silent_port(context: &Context<'_>, service: &Service) -> Option<u16> {
    let Readiness::Answers { address, ports } = &service.ready else { return None };
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let addresses = address.as_ref().map_or(loopback.as_slice(), std::slice::from_ref);
    let answers = |port: u16| addresses.iter().any(|address| context.host.answers(SocketAddr::new(*address, port), CONNECT));
    ports.iter().copied().find(|port| !answers(*port))
}

/// A service whose program does its work and ends.
fn has_finished(state: &Unit) -> bool {
    state.kind == "oneshot" && state.active == "inactive" && state.result == "success" && state.job.is_none()
}

fn wait(context: &Context<'_>, service: &Service, start: Instant, limit: Duration) -> Result<Effect, Failure> {
    let (host, unit) = (context.host, service.unit.as_str());
    let mut up: Option<(String, Instant)> = None;
    loop {
        let state = host.unit(unit)?;
        let ended = state.job.is_none() && !state.is_active();
        if has_finished(&state) && service.ready == Readiness::Active {
            return Ok(Effect::default());
        }
        if ended && state.active != "deactivating" {
            return Err(broken_down(context, unit, &state));
        }
        if state.active == "active" && state.job.is_none() {
            let (_, since) = match up.take().filter(|(invocation, _)| *invocation == state.invocation) {
                Some(known) => up.insert(known),
                None => up.insert((state.invocation.clone(), Instant::now())),
            };
            let settled = !SAYS_NOTHING.contains(&state.kind.as_str()) || since.elapsed() >= SETTLE;
            if settled && silent_port(context, service).is_none() {
                return Ok(Effect { detail: Some(ready_after(context, unit, start)), ..Effect::default() });
            }
        } else {
            up = None;
        }
        if start.elapsed() >= limit {
            return Err(not_ready(context, service, &state, limit));
        }
        if !signals::sleep(POLL) {
            return Err(Failure::new(Kind::Interrupted, format!("stopped while it waited for {unit}")));
        }
    }
}

/// How long it took, and which ports it has bound.
fn ready_after(context: &Context<'_>, unit: &str, start: Instant) -> String {
    const SHOWN: usize = 8;
    let ready = format!("ready after {:.1} s", start.elapsed().as_secs_f64());
    let bound = context.host.bound_by(unit);
    if bound.is_empty() {
        return ready;
    }
    let shown: Vec<String> = bound.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if bound.len() > SHOWN { format!(" and {} more", bound.len() - SHOWN) } else { String::new() };
    format!("{ready}; listens at {}{more}", shown.join(", "))
}

/// It was started, and has ended since.
fn broken_down(context: &Context<'_>, unit: &str, state: &Unit) -> Failure {
    let why = match (state.result.as_str(), state.exit) {
        ("success" | "", _) => "by itself".to_owned(),
        (result, Some(code)) if code != 0 => format!("{result}, status {code}"),
        (result, _) => result.to_owned(),
    };
    let mut failure = context.host.unit_failure(Kind::Exec, format!("{unit} was started and ended before it was ready ({why})"), unit);
    failure.exit = state.exit.filter(|code| *code != 0);
    failure
}

fn not_ready(context: &Context<'_>, service: &Service, state: &Unit, limit: Duration) -> Failure {
    let unit = &service.unit;
    let mut message = format!("{unit} is not ready after {} s: ", limit.as_secs());
    match silent_port(context, service).filter(|_| state.active == "active") {
        None => message.push_str(&format!("it is {}", state.active)),
        Some(port) => {
            message.push_str(&format!("port {port} does not answer"));
            let elsewhere: Vec<String> = context.host.taken(&[port]).iter().map(|taken| taken.socket.address.to_string()).collect();
            if !elsewhere.is_empty() {
                message.push_str(&format!(", although something listens at {}: is another `address` meant?", elsewhere.join(", ")));
            }
        }
    }
    context.host.unit_failure(Kind::Timeout, message, unit)
}
