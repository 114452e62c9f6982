//! Family Z: the state that the database is left in.

use super::{Case, Check, Contract, Cost, Question, Severity, counted};
use crate::catalog::Catalog;
use crate::sql::{BOOKKEEPING_SCHEMA, Query};

pub(super) const CHECKS: &[Check] = &[Check {
    id: "post-unfinished-run",
    severity: Severity::Error,
    cost: Cost::Rows,
    promise: "no run of `tenantctl migrate` or `rollback` is unfinished",
    harm: "the conversion stands half way: fillers are at work, and what is not enforced yet is not protected",
    remedy: "`tenantctl status` shows where it stands; `tenantctl migrate` or `tenantctl rollback` goes on from there",
    violation: "INSERT INTO tenantctl.run (tool_version, fingerprint, script, system_identifier, started_by)\n\
                VALUES ('0.1.0', 'sha256:0', '{}', '0', 'example');",
    judge: unfinished_run,
}];

fn unfinished_run(_: &Contract, _: &Catalog) -> Vec<Case> {
    let runs = format!("{BOOKKEEPING_SCHEMA}.run");
    let question = Question {
        given: Some(Query::new(format!("SELECT count(to_regclass('{runs}'))"))),
        query: Query::new(format!("SELECT count(*) FROM {runs} WHERE finished_at IS NULL AND abandoned_at IS NULL")),
        judge: |runs| (runs > 0).then(|| counted(runs, "run is", "runs are") + " unfinished"),
    };
    vec![Case::ask(runs, question)]
}
