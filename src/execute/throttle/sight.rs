//! Asks the questions of one look, each within a time: one that hangs has failed.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::config::ThrottleLimits;
use crate::pg::{Fault, Limits, Refusal, Session, get};
use crate::pressure::{Look, Readings, Sights, Trouble};
use crate::sql;

/// How long one question may take. The server ends those that it can; the second more is for a server that does not.
const WITHIN: Duration = Duration::from_secs(5);

/// A question that was not answered: whether the session is still of use, and the trouble.
pub(super) struct Unanswered {
    pub(super) lost: bool,
    pub(super) trouble: Trouble,
}

impl Unanswered {
    fn of(refusal: Refusal) -> Self {
        let lost = refusal.fault == Fault::Lost;
        let state = refusal.sqlstate.map(|state| format!(" (SQLSTATE {state})")).unwrap_or_default();
        Unanswered { lost, trouble: Trouble::Failing(refusal.message + &state) }
    }

    fn odd(why: &str) -> Self {
        Unanswered { lost: false, trouble: Trouble::Failing(why.to_owned()) }
    }
}

/// What a plan tells of the signals, with its own session: a commit is not tried, and the operator's question not asked.
pub async fn first_look(session: &Session, limits: &ThrottleLimits) -> Readings {
    let sights = sights(session, &[]).await.map_err(|unanswered| unanswered.trouble);
    super::readings_of(&Look { sights, backlog: None, commit: None, probe: None }, limits)
}

/// What the catalogs show.
pub(super) async fn sights(session: &Session, tables: &[u32]) -> Result<Sights, Unanswered> {
    within(session, async { session.sights(tables).await.map_err(Unanswered::of) }).await
}

/// How many segments wait for the archiver.
pub(super) async fn backlog(session: &Session) -> Result<u64, Unanswered> {
    within(session, async { session.archive_backlog().await.map_err(Unanswered::of) }).await
}

/// How many seconds a small commit takes, without the way there and back.
pub(super) async fn commit(session: &Session) -> Result<f64, Unanswered> {
    let statement = sql::throttle::probe_commit();
    within(session, async {
        let began = Instant::now();
        session.ask(&sql::Query::backend(), &[]).await.map_err(Unanswered::of)?;
        let way = began.elapsed();
        let began = Instant::now();
        session.transaction(&Limits::within(WITHIN), [&statement]).await.map_err(Unanswered::of)?;
        Ok(began.elapsed().saturating_sub(way).as_secs_f64())
    })
    .await
}

/// The operator's number, in a transaction that can only read.
pub(super) async fn operators(session: &mut Session, sql: &str) -> Result<f64, Unanswered> {
    let canceller = session.canceller();
    let query = sql::throttle::operators(sql);
    let asked = async {
        let settings = [sql::throttle::read_only()];
        let transaction = session.begin(&Limits::within(WITHIN), &settings).await.map_err(Unanswered::of)?;
        let rows = transaction.ask(&query, &[]).await.map_err(Unanswered::of)?;
        let [row] = rows.as_slice() else {
            return Err(Unanswered::odd(if rows.is_empty() { "it answers no row" } else { "it answers several rows" }));
        };
        match get::<Option<f64>>(row, 0) {
            Ok(Some(number)) if number.is_finite() => Ok(number),
            Ok(Some(_)) => Err(Unanswered::odd("it answers no finite number")),
            Ok(None) => Err(Unanswered::odd("it answers NULL")),
            Err(_) => Err(Unanswered::odd("it answers no number")),
        }
    };
    let answer = tokio::time::timeout(WITHIN + Duration::from_secs(1), asked).await;
    match answer {
        Ok(answer) => answer,
        Err(_) => Err(hangs(&canceller).await),
    }
}

async fn within<T>(session: &Session, question: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
    match tokio::time::timeout(WITHIN + Duration::from_secs(1), question).await {
        Ok(answer) => answer,
        Err(_) => Err(hangs(&session.canceller()).await),
    }
}

/// The session is given up: the answer may still come, and would be taken for the next one's.
async fn hangs(canceller: &crate::pg::connect::Canceller) -> Unanswered {
    // A server that does not answer hears no cancel either.
    drop(tokio::time::timeout(Duration::from_secs(1), canceller.cancel()).await);
    let why = format!("no answer within {}", humantime::format_duration(WITHIN));
    Unanswered { lost: true, trouble: Trouble::Failing(why) }
}
