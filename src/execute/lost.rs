//! What a way back would lose, counted before anything is taken back.

use super::bookkeeping;
use crate::error::{Code, Failure};
use crate::pg::{Session, get};
use crate::sql::{Condition, Script, ScriptStep, StepState, Work};

/// Refuses a script whose conditions are not met now, with a line for each.
///
/// # Errors
/// [`Code::OwnershipLost`] with the counts; a question failed.
pub async fn refuse(session: &Session, script: &Script) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut hint = None;
    for step in script.steps() {
        if let Work::Condition(condition) = &step.work
            && let Some(count) = unmet(session, step, condition).await?
        {
            lines.push(format!("- {count} {}", condition.found));
            hint.get_or_insert(condition.remedy.clone());
        }
    }
    let Some(hint) = hint else { return Ok(()) };
    let message = format!("nobody could tell any more whose these are:\n{}", lines.join("\n"));
    Err(Failure::new(Code::OwnershipLost, message).hint(hint))
}

async fn unmet(session: &Session, step: &ScriptStep, condition: &Condition) -> Result<Option<i64>, Failure> {
    let asks = format!("{} ({})", step.title, step.id);
    if let Some(probe) = &step.probe {
        let word: String = get(&session.one(probe, &[]).await?, 0)?;
        if StepState::from_word(&word) == Some(StepState::Done) {
            return Ok(None);
        }
    }
    let rows = session.ask(&condition.count, &[]).await.map_err(|refusal| refusal.failure(&asks))?;
    let count: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok((count > 0).then_some(count))
}

/// The unfinished run, where it goes the other way.
///
/// # Errors
/// [`Code::RunUnfinished`] where there is one that has to be finished first; a question failed.
pub async fn refuse_half_way_back(session: &Session) -> Result<(), Failure> {
    match bookkeeping::open_run(session).await? {
        Some(run) if run.kind == bookkeeping::RunKind::Rollback => {
            let what = format!("run {} goes back and is unfinished", run.id);
            Err(Failure::new(Code::RunUnfinished, what).hint(
                "`tenantctl rollback` finishes it, and `tenantctl rollback --to VERSION` takes back no more than it must; then \
                 run `tenantctl migrate`",
            ))
        }
        Some(_) | None => Ok(()),
    }
}
