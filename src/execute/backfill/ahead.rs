//! The backfills after the one that the run is at: those that need not wait for it.

use super::job::Job;
use crate::error::Failure;
use crate::execute::run::Driver;
use crate::sql::bookkeeping::begin_cost;
use crate::sql::{Backfill, MigrationScript, Scan, ScriptStep, Work};

/// How many are looked at.
const AHEAD: usize = 4;

impl Driver<'_> {
    /// The migrations that fill further tables, as far as this run goes, and that find the database as it was planned. One
    /// that does not will be refused when its turn comes.
    pub(super) async fn ahead(&self, at: &MigrationScript) -> Vec<MigrationScript> {
        let mut ahead = Vec::new();
        for migration in self.later(at.version) {
            let can_begin = fills(migration).any(|(step, work)| self.may_begin_on(at, step, work));
            if ahead.len() < AHEAD && can_begin && self.compare(migration).await.is_ok() {
                ahead.push(migration.clone());
            }
        }
        ahead
    }

    /// Their backfills, made ready.
    pub(super) async fn jobs_ahead<'s>(
        &self,
        at: &'s MigrationScript,
        step: &ScriptStep,
        ahead: &'s [MigrationScript],
    ) -> Result<Vec<Job<'s>>, Failure> {
        let mut jobs = Vec::new();
        for migration in std::iter::once(at).chain(ahead) {
            for (later, work) in
                fills(migration).filter(|(later, work)| later.id != step.id && self.may_begin_on(at, later, work))
            {
                if jobs.len() < AHEAD {
                    self.record(&[begin_cost(self.run, &later.id, later.table(migration))]).await?;
                    jobs.push(self.job(later, work).await?);
                }
            }
        }
        Ok(jobs)
    }

    /// Whether a backfill is left whose rows need no owner that is still to come.
    fn may_begin_on(&self, at: &MigrationScript, step: &ScriptStep, work: &Backfill) -> bool {
        let fills_parent =
            |migration: &&MigrationScript| migration.table == work.after && fills(migration).next().is_some();
        let waits =
            work.after.is_some() && std::iter::once(at).chain(self.later(at.version)).any(|it| fills_parent(&it));
        work.scan != Scan::Keyset && !self.done.contains(&step.id) && !waits
    }
}

/// The steps that fill rows, with what they send.
fn fills(migration: &MigrationScript) -> impl Iterator<Item = (&ScriptStep, &Backfill)> {
    migration.steps.iter().filter_map(|step| match &step.work {
        Work::Backfill(work) if work.left.is_some() => Some((step, work.as_ref())),
        Work::Backfill(_) | Work::Statements(_) | Work::Condition(_) => None,
    })
}
