//! The script of a way back: what earlier runs did is taken back by what they kept for it, the newest version first.
//!
//! Each version that is taken back gets a migration of its own, with a version of its own. Nothing is planned here: the steps
//! are those that were rendered when the conversion was planned, by someone who saw the database as it was then.

use std::collections::BTreeSet;

use super::script::{FORMAT, MigrationScript, Script, ScriptStep, fingerprint};
use super::undo::is_proof;
use crate::config::LockLimits;
use crate::error::{Code, Failure};
use crate::plan::{Phase, TxnMode};

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything is taken back.
    Nothing,
    /// This version and those before it stay.
    Version(i32),
    /// This phase and those before it stay.
    Phase(Phase),
}

impl Keep {
    fn keeps(self, migration: &MigrationScript) -> bool {
        match self {
            Keep::Nothing => false,
            Keep::Version(version) => migration.version <= version,
            Keep::Phase(phase) => migration.phase <= phase,
        }
    }
}

/// What was done so far.
#[derive(Debug, Default)]
pub struct Past {
    /// The scripts of all runs, in order.
    pub scripts: Vec<Script>,
    /// The versions in the history.
    pub applied: BTreeSet<i32>,
    /// The steps that are recorded as done, with their versions.
    pub recorded: BTreeSet<(i32, String)>,
    /// The versions that were taken back.
    pub undone: BTreeSet<i32>,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How far back.
    pub keep: Keep,
    /// Owners that nothing else names may be forgotten.
    pub discard_ownership: bool,
    /// How strong locks are asked for.
    pub locks: &'a LockLimits,
    /// The server's major version.
    pub major: u32,
}

impl Past {
    /// The script that takes back what is not to be kept.
    ///
    /// # Errors
    /// [`Code::RollbackImpossible`] where a step of it has no way back.
    pub fn way_back(&self, wanted: &Wanted<'_>) -> Result<Script, Failure> {
        let Some(newest) = self.scripts.iter().rev().find(|script| !script.is_rollback()) else {
            return Err(Failure::new(Code::RunMissing, "there is nothing to take back: no run was ever begun")
                .hint("`tenantctl status` shows what was done"));
        };
        let mut back: Vec<(&MigrationScript, Vec<&ScriptStep>)> = self
            .scripts
            .iter()
            .filter(|script| !script.is_rollback())
            .flat_map(|script| script.migrations.iter().zip(self.begun(script)))
            .filter(|(migration, steps)| !steps.is_empty() && self.is_wanted(migration, wanted.keep))
            .collect();
        back.sort_by_key(|(migration, _)| std::cmp::Reverse(migration.version));
        refuse_impossible(&back)?;
        let versions = self.scripts.iter().flat_map(|script| &script.migrations).map(|migration| migration.version);
        let next = versions.max().unwrap_or(0) + 1;
        let migrations: Vec<MigrationScript> = (next..)
            .zip(back)
            .map(|(version, (migration, steps))| MigrationScript {
                version,
                name: format!("undo_V{}_{}", migration.version, migration.name),
                phase: migration.phase,
                table: migration.table.clone(),
                strategy: None,
                guard: None,
                steps: way_back(&steps, wanted.discard_ownership),
                undoes: Some(migration.version),
            })
            .collect();
        Ok(Script {
            format: FORMAT,
            major: wanted.major,
            fingerprint: fingerprint(&migrations),
            tenants: newest.tenants.clone(),
            tables: newest.tables.clone(),
            owner_columns: Vec::new(),
            migrations,
            notices: Vec::new(),
            blockers: Vec::new(),
            locks: wanted.locks.clone(),
            calibrated: Vec::new(),
        })
    }

    /// Whether a version is still there and is to go. One whose way back was begun has to go to its end.
    fn is_wanted(&self, migration: &MigrationScript, keep: Keep) -> bool {
        let begun = || {
            let mut backs = self.scripts.iter().flat_map(|script| &script.migrations);
            backs.any(|back| back.undoes == Some(migration.version) && self.is_begun(back))
        };
        !self.undone.contains(&migration.version) && (!keep.keeps(migration) || begun())
    }

    fn is_begun(&self, migration: &MigrationScript) -> bool {
        migration.steps.iter().any(|step| self.recorded.contains(&(migration.version, step.id.clone())))
    }

    /// The steps of each migration that were done or begun. Where a run stopped, a step that is not in a transaction may
    /// have been begun without a record of it.
    fn begun<'a>(&self, script: &'a Script) -> Vec<Vec<&'a ScriptStep>> {
        let mut stopped = false;
        let mut of = |migration: &'a MigrationScript| {
            if self.applied.contains(&migration.version) {
                return migration.steps.iter().collect();
            }
            let is_done = |step: &&ScriptStep| self.recorded.contains(&(migration.version, step.id.clone()));
            let done = migration.steps.iter().take_while(is_done).count();
            let next = migration.steps.get(done).filter(|next| !stopped && next.mode == TxnMode::Autocommit);
            stopped = true;
            migration.steps.iter().take(done + usize::from(next.is_some())).collect()
        };
        script.migrations.iter().map(&mut of).collect()
    }
}

/// The steps that take some steps back, the last one first.
fn way_back(steps: &[&ScriptStep], discard_ownership: bool) -> Vec<ScriptStep> {
    let back = steps.iter().rev().flat_map(|step| step.undo.iter().flatten());
    back.filter(|step| !discard_ownership || !is_proof(step)).cloned().collect()
}

fn refuse_impossible(back: &[(&MigrationScript, Vec<&ScriptStep>)]) -> Result<(), Failure> {
    let without = |steps: &[&ScriptStep]| steps.iter().filter(|step| step.undo.is_none()).count();
    let counts = back.iter().map(|(migration, steps)| (migration.file_name(), without(steps)));
    let lines: Vec<String> = counts
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("- {name}: {number} {}", if number == 1 { "step" } else { "steps" }))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let message = format!("an earlier tenantctl did these and kept no way back:\n{}", lines.join("\n"));
    Err(Failure::new(Code::RollbackImpossible, message)
        .hint("go back by hand, as docs/runbook.md tells in section 4; or name a later version by --to"))
}

impl Script {
    /// Whether it takes earlier versions back.
    pub fn is_rollback(&self) -> bool {
        self.migrations.iter().any(|migration| migration.undoes.is_some())
    }
}
