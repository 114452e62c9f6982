//! A plan whose costs are measured: the copies are dropped however it ends.

use super::planning::Planned;
use super::signals;
use crate::error::{Code, Failure};
use crate::execute::Watch;
use crate::execute::calibrate::{calibrate, clear};
use crate::pg::settings::Settings;
use crate::pg::{Access, Session};
use crate::sql;

/// Measures on the live server, and counts the plan's costs anew.
///
/// # Errors
/// A run works on the database, the role may not write, or a signal came; nothing of it is left behind then, unless the
/// connection broke: what is left goes with the next calibration.
pub async fn calibrated(settings: &Settings, planned: Planned) -> Result<Planned, Failure> {
    // Nobody else may measure or run meanwhile: it would be in the numbers, and the copies are one's own to drop.
    let lock = settings.with_application_name("tenantctl lock");
    let watch = Watch::lock(Session::open(&lock, Access::Write).await?).await?;
    clear(watch.session()).await?;
    let mut worker = Session::open(&settings.with_application_name("tenantctl"), Access::Write).await?;
    let canceller = worker.canceller();
    let outcome = tokio::select! {
        outcome = calibrate(&mut worker, &planned.catalog, &planned.plan) => outcome,
        _ = signals::first() => Err(Failure::new(Code::Interrupted, "the calibration was interrupted; its copies are dropped")
            .hint("run the same command again")),
    };
    if outcome.is_err() {
        // Where it does not get through, the statement ends at its own time limit.
        canceller.cancel().await.ok();
    }
    drop(worker);
    let cleared = clear(watch.session()).await;
    let calibration = outcome?;
    cleared?;
    let Planned { catalog, owners, mut plan, .. } = planned;
    plan.notices.extend(calibration.notices);
    plan.calibrate(&catalog, calibration.samples);
    let script = sql::render(&plan);
    Ok(Planned { catalog, owners, plan, script })
}
