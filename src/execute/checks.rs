//! Runs the checks of `verify`: sends the questions that no constraint answers, in one read-only transaction.
//!
//! The catalog is read before and given here, so that most verdicts need no question at all. A question that the server
//! refuses leaves its object unverified and the others unharmed; only a lost connection stops the run. It sets no time
//! limit for a question: the session does. While the transaction is open it holds back the server's clean-up (its oldest
//! snapshot), so `verify` on rows belongs where it may take its time; a table emptied by TRUNCATE meanwhile looks empty.

use crate::catalog::Catalog;
use crate::error::{Code, Failure};
use crate::pg::{Session, get};
use crate::sql::{Query, snapshot};
use crate::verify::{self, Case, Contract, Outcome, Question, Report, State, Verdict};

/// Asks every check.
///
/// The session must be in no transaction; if the future is dropped before its end, the session is left in one and should
/// be closed.
///
/// # Errors
/// The connection broke, or the transaction could not be begun or gone on with. What a single question met is in the report.
pub async fn run(session: &Session, contract: &Contract, catalog: &Catalog) -> Result<Report, Failure> {
    for query in &snapshot::open() {
        session.rows(query).await?;
    }
    let verdicts = verdicts(session, contract, catalog).await;
    let closed = session.rows(&snapshot::close()).await;
    let verdicts = verdicts?;
    closed?;
    Ok(Report { checks: verify::all().count(), tables: catalog.tables.len(), verdicts })
}

async fn verdicts(session: &Session, contract: &Contract, catalog: &Catalog) -> Result<Vec<Verdict>, Failure> {
    let mut verdicts = Vec::new();
    for check in verify::all() {
        for Case { object, state } in (check.judge)(contract, catalog) {
            let outcome = match state {
                State::Settled(outcome) => outcome,
                State::Ask(question) => ask(session, &question).await?,
            };
            verdicts.push(Verdict { check, object, outcome });
        }
    }
    Ok(verdicts)
}

/// Asks one question and goes back to where the transaction was, answered or not.
async fn ask(session: &Session, question: &Question) -> Result<Outcome, Failure> {
    session.rows(&snapshot::mark()).await?;
    let answer = outcome(session, question).await;
    if let Err(failure) = &answer
        && failure.code == Code::ConnectionLost
    {
        return Err(failure.clone());
    }
    session.rows(&snapshot::back()).await?;
    Ok(answer.unwrap_or_else(|failure| Outcome::Unverified { reason: failure.message }))
}

async fn outcome(session: &Session, question: &Question) -> Result<Outcome, Failure> {
    if let Some(given) = &question.given
        && number(session, given).await? == 0
    {
        return Ok(Outcome::Catalog);
    }
    let count = number(session, &question.query).await?;
    let broken = (question.judge)(count).map(|what| Outcome::Broken { what, count: Some(count) });
    Ok(broken.unwrap_or(Outcome::Checked))
}

async fn number(session: &Session, query: &Query) -> Result<u64, Failure> {
    let rows = session.rows(query).await?;
    let row = rows.first().ok_or_else(|| Failure::new(Code::StatementFailed, "the server answered with no row"))?;
    // A count is never negative.
    Ok(get::<i64>(row, 0)?.unsigned_abs())
}
