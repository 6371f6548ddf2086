//! systemd units.

use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::systemd::Job;
use crate::plan::operation::UnitAction;

fn missing(unit: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("the unit {unit} does not exist"))
        .hint(format!("check the name, or install the package that brings {unit}; then `landfall resume`"))
}

/// The unit is as the action would leave it. Where systemd does not run, units are only enabled: they start at the next boot.
pub(super) fn check(context: &Context<'_>, unit: &str, action: UnitAction, optional: bool) -> Result<Checked, Failure> {
    let host = context.host;
    if action == UnitAction::Enable {
        return match host.unit_enablement(unit)?.as_deref() {
            None => Ok(Checked::satisfied_if(optional)),
            Some(word) => Ok(Checked::satisfied_if(matches!(word, "enabled" | "static" | "alias" | "generated"))),
        };
    }
    if !host.runs_systemd() {
        return Ok(Checked::Satisfied);
    }
    let state = host.unit(unit)?;
    if !state.exists() {
        return Ok(Checked::satisfied_if(optional));
    }
    Ok(Checked::satisfied_if(match action {
        UnitAction::Start => state.active == "active",
        UnitAction::TryRestart | UnitAction::TryReload => !state.is_active(),
        UnitAction::Restart | UnitAction::Enable => false,
    }))
}

/// Whether the unit is enabled and runs, where the action is one that can be undone.
pub(super) fn prior(context: &Context<'_>, unit: &str, action: UnitAction) -> Result<Prior, Failure> {
    if !matches!(action, UnitAction::Enable | UnitAction::Start) {
        return Ok(Prior::None);
    }
    let (enabled, active) = now(context, unit)?;
    Ok(Prior::Unit { unit: unit.to_owned(), enabled, active })
}

/// Whether it is enabled, and whether it runs.
fn now(context: &Context<'_>, unit: &str) -> Result<(bool, bool), Failure> {
    let host = context.host;
    let enabled = host.unit_enablement(unit)?.is_some_and(|word| word == "enabled");
    Ok((enabled, host.runs_systemd() && host.unit(unit)?.is_active()))
}

/// Stops what did not run and disables what was not enabled; what is gone by now needs neither.
pub(super) fn undo(context: &Context<'_>, unit: &str, enabled: bool, active: bool) -> Result<(), Failure> {
    let (is_enabled, is_active) = now(context, unit)?;
    if is_active && !active {
        context.host.unit_job("stop", unit, true)?;
    }
    if is_enabled && !enabled {
        context.host.disable_unit(unit)?;
    }
    Ok(())
}

/// Nothing is left of the start or of its being enabled.
pub(super) fn is_undone(context: &Context<'_>, unit: &str, enabled: bool, active: bool) -> Result<bool, Failure> {
    let (is_enabled, is_active) = now(context, unit)?;
    Ok((enabled || !is_enabled) && (active || !is_active))
}

/// Does it.
pub(super) fn apply(context: &Context<'_>, unit: &str, action: UnitAction, optional: bool) -> Result<Effect, Failure> {
    let host = context.host;
    if action == UnitAction::Enable {
        if host.unit_enablement(unit)?.is_none() {
            return if optional { Ok(Effect::default()) } else { Err(missing(unit)) };
        }
        host.enable_unit(unit)?;
        return Ok(Effect::default());
    }
    if !host.runs_systemd() {
        return Ok(Effect { detail: Some("systemd does not run here; it starts at the next boot".into()), ..Effect::default() });
    }
    let mut state = host.unit(unit)?;
    if state.needs_reload {
        host.reload_systemd()?;
        state = host.unit(unit)?;
    }
    if !state.exists() {
        return if optional { Ok(Effect::default()) } else { Err(missing(unit)) };
    }
    let active = state.is_active();
    let job = match action {
        UnitAction::TryRestart | UnitAction::TryReload if !active => {
            return Ok(Effect { detail: Some(format!("{unit} does not run")), ..Effect::default() });
        }
        UnitAction::TryReload => host.unit_job("reload-or-restart", unit, true)?,
        UnitAction::TryRestart | UnitAction::Restart => host.unit_job("restart", unit, active)?,
        UnitAction::Start | UnitAction::Enable => host.unit_job("start", unit, false)?,
    };
    let detail = (job == Job::Queued).then(|| format!("{unit} starts when its turn in the boot comes"));
    Ok(Effect { detail, ..Effect::default() })
}

/// It is enabled, or runs, or its turn is still to come.
pub(super) fn verify(context: &Context<'_>, unit: &str, action: UnitAction, optional: bool) -> Result<(), Failure> {
    let so = match action {
        UnitAction::Enable => check(context, unit, action, optional)? == Checked::Satisfied,
        _ if !context.host.runs_systemd() => true,
        _ => context.host.unit(unit)?.active != "failed",
    };
    if so {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("it was done, but {unit} is not as it should be")))
    }
}
