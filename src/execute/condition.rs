//! A condition: asked before the steps that need it, and again by every run that comes to it.

use super::run::Driver;
use crate::error::Failure;
use crate::pg::{Row, get};
use crate::sql::{Condition, Query, ScriptStep};

impl Driver<'_> {
    /// Goes on where no row is as the condition describes.
    pub(super) async fn condition(&mut self, step: &ScriptStep, condition: &Condition) -> Result<(), Failure> {
        let count: i64 = match self.asked(step, &condition.count).await?.first() {
            Some(row) => get(row, 0)?,
            None => 0,
        };
        if count == 0 {
            return Ok(());
        }
        let rows = self.asked(step, &condition.sample).await?;
        let names: Vec<String> = rows.iter().map(|row| get(row, 0)).collect::<Result<_, _>>()?;
        let what = format!("{}: {count} {}: {}", step.id, condition.found, some(&names, count));
        Err(Failure::new(condition.kind.code(), what).hint(condition.remedy.clone()))
    }

    async fn asked(&self, step: &ScriptStep, query: &Query) -> Result<Vec<Row>, Failure> {
        self.may_begin().await?;
        let (rows, _) = self.wait(step, &self.worker).on(self.worker.ask(query, &[])).await;
        rows.map_err(|refusal| self.stopped(step, &refusal))
    }
}

fn some(names: &[String], count: i64) -> String {
    let more = if names.len() < usize::try_from(count).unwrap_or(usize::MAX) { "; ..." } else { "" };
    names.join("; ") + more
}
