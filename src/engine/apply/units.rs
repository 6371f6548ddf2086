//! systemd units.

use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::systemd::{Job, Unit};
use crate::plan::operation::UnitAction;

pub(super) fn missing(unit: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("the unit {unit} does not exist"))
        .hint(format!("check the name, or install the package that brings {unit}; then `landfall resume`"))
}

/// The unit is as the action would leave it. Where systemd does not run, units are only enabled: they start at the next boot.
pub(super) fn check(context: &Context<'_>, unit: &str, action: UnitAction, optional: bool) -> Result<Checked, Failure> {
    let host = context.host;
    if matches!(action, UnitAction::Enable | UnitAction::Disable) {
        return match host.unit_enablement(unit)?.as_deref() {
            None => Ok(Checked::satisfied_if(optional)),
            Some(word) if action == UnitAction::Disable => Ok(Checked::satisfied_if(!matches!(word, "enabled" | "enabled-runtime"))),
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
        UnitAction::Stop => matches!(state.active.as_str(), "inactive" | "failed"),
        UnitAction::TryRestart | UnitAction::TryReload => !state.is_active(),
        UnitAction::Restart | UnitAction::Reload | UnitAction::Enable | UnitAction::Disable => false,
    }))
}

/// Whether the unit is enabled and runs, where the action is one that can be undone.
pub(super) fn prior(context: &Context<'_>, unit: &str, action: UnitAction) -> Result<Prior, Failure> {
    let down = matches!(action, UnitAction::Disable | UnitAction::Stop);
    if !down && !matches!(action, UnitAction::Enable | UnitAction::Start) {
        return Ok(Prior::None);
    }
    let (enabled, active) = now(context, unit)?;
    Ok(Prior::Unit { unit: unit.to_owned(), enabled, active, down })
}

/// Whether it is enabled, and whether it runs.
fn now(context: &Context<'_>, unit: &str) -> Result<(bool, bool), Failure> {
    let host = context.host;
    let enabled = host.unit_enablement(unit)?.is_some_and(|word| word == "enabled");
    Ok((enabled, host.runs_systemd() && host.unit(unit)?.is_active()))
}

/// A unit as it was before a step; `down` where the step takes it down.
pub(super) struct Before<'p> {
    pub unit: &'p str,
    pub enabled: bool,
    pub active: bool,
    pub down: bool,
}

/// Stops what did not run and disables what was not enabled, or, after a step that takes down, the other way round; what is gone
/// by now needs neither.
pub(super) fn undo(context: &Context<'_>, before: &Before<'_>) -> Result<(), Failure> {
    let (host, unit) = (context.host, before.unit);
    let (is_enabled, is_active) = now(context, unit)?;
    if before.down {
        if before.enabled && !is_enabled {
            host.enable_unit(unit)?;
        }
        if before.active && !is_active {
            host.unit_job("start", unit, false)?;
        }
        return Ok(());
    }
    if is_active && !before.active {
        host.unit_job("stop", unit, true)?;
    }
    if is_enabled && !before.enabled {
        host.disable_unit(unit)?;
    }
    Ok(())
}

/// Nothing is left of what the step did to it.
pub(super) fn is_undone(context: &Context<'_>, before: &Before<'_>) -> Result<bool, Failure> {
    let (is_enabled, is_active) = now(context, before.unit)?;
    Ok(if before.down {
        (!before.enabled || is_enabled) && (!before.active || is_active || !context.host.runs_systemd())
    } else {
        (before.enabled || !is_enabled) && (before.active || !is_active)
    })
}

/// What systemd knows of a unit, its file as it is now read; `None` where there is no such unit.
pub(super) fn current(context: &Context<'_>, unit: &str) -> Result<Option<Unit>, Failure> {
    let mut state = context.host.unit(unit)?;
    if state.needs_reload {
        context.host.reload_systemd()?;
        state = context.host.unit(unit)?;
    }
    Ok(state.exists().then_some(state))
}

/// Does it.
pub(super) fn apply(context: &Context<'_>, unit: &str, action: UnitAction, optional: bool) -> Result<Effect, Failure> {
    let host = context.host;
    if matches!(action, UnitAction::Enable | UnitAction::Disable) {
        if host.unit_enablement(unit)?.is_none() {
            return if optional { Ok(Effect::default()) } else { Err(missing(unit)) };
        }
        if action == UnitAction::Enable {
            host.enable_unit(unit)?;
        } else {
            host.disable_unit(unit)?;
        }
        return Ok(Effect::default());
    }
    if !host.runs_systemd() {
        return Ok(Effect { detail: Some("systemd does not run here; it starts at the next boot".into()), ..Effect::default() });
    }
    let Some(state) = current(context, unit)? else {
        return if optional { Ok(Effect::default()) } else { Err(missing(unit)) };
    };
    let active = state.is_active();
    let job = match action {
        UnitAction::TryRestart | UnitAction::TryReload if !active => {
            return Ok(Effect { detail: Some(format!("{unit} does not run")), ..Effect::default() });
        }
        UnitAction::TryReload => host.unit_job("reload-or-restart", unit, true)?,
        UnitAction::Reload | UnitAction::TryRestart | UnitAction::Restart => host.unit_job(action.verb(), unit, active)?,
        UnitAction::Stop => host.unit_job("stop", unit, true)?,
        UnitAction::Start | UnitAction::Enable | UnitAction::Disable => host.unit_job("start", unit, false)?,
    };
    let detail = (job == Job::Queued).then(|| format!("{unit} starts when its turn in the boot comes"));
    Ok(Effect { detail, ..Effect::default() })
}

/// It is enabled, or runs, or its turn is still to come.
pub(super) fn verify(context: &Context<'_>, unit: &str, action: UnitAction, optional: bool) -> Result<(), Failure> {
    let so = match action {
        UnitAction::Enable | UnitAction::Disable | UnitAction::Stop => check(context, unit, action, optional)? == Checked::Satisfied,
        _ if !context.host.runs_systemd() => true,
        _ => context.host.unit(unit)?.active != "failed",
    };
    if so {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("it was done, but {unit} is not as it should be")))
    }
}
