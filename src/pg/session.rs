//! A session on the server: set explicitly against whatever the role inherits, and sending only what `sql` wrote.

use std::time::Duration;

use futures_util::future::{join, join_all};
use postgres_types::{ToSql, Type};

use super::connect::{self, Canceller, Ending, Opened};
use super::settings::Settings;
use super::{Refusal, Row};
use crate::catalog::{Activity, Catalog, Ident, Route};
use crate::config::LockLimits;
use crate::error::{Code, Failure};
use crate::pressure::Sights;
use crate::sql::{Query, Statement, bookkeeping};

/// A parameter and its type: statements have no names here, because behind a pooler a name may be another session's.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Whether a session may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every transaction is read-only; the server refuses anything else.
    Read,
    /// It may write.
    Write,
    /// As an application connects: the role's and the database's own settings.
    Application,
}

/// One connection, ready for work.
pub struct Session {
    opened: Opened,
    pid: i32,
    major: i32,
}

/// What every session of ours starts with. Nothing is left to the role's or the database's settings; `row_security = off`
/// turns fewer rows into an error.
const SETTINGS: &str = "SET search_path = pg_catalog; SET row_security = off; SET default_transaction_isolation = 'read \
                        committed'; SET statement_timeout = 0; SET lock_timeout = 0; SET standard_conforming_strings = on; \
                        SET check_function_bodies = on; SET client_min_messages = warning; SET \
                        idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = on; SET \
                        session_replication_role = origin; SET TimeZone = 'UTC'; SET idle_session_timeout = 0";

/// What 17 added: it would end a CREATE INDEX CONCURRENTLY in the middle.
const SETTINGS_SINCE_17: &str = "; SET transaction_timeout = 0";

impl Session {
    /// Connects and prepares the session.
    ///
    /// # Errors
    /// What [`connect::open`] says, and [`Code::ServerReadOnly`] for [`Access::Write`] on a server that takes no writes.
    pub async fn open(settings: &Settings, access: Access) -> Result<Session, Failure> {
        let opened = connect::open(settings).await?;
        let mut session = Session { opened, pid: 0, major: 0 };
        let row = session.one(&Query::backend(), &[]).await?;
        (session.pid, session.major) = (super::get(&row, 0)?, super::get(&row, 1)?);
        match access {
            // A reader waits a little for a table that somebody holds, and then says so.
            Access::Read => session.set_up("SET default_transaction_read_only = on; SET lock_timeout = '2s'").await?,
            Access::Write => {
                session.refuse_read_only(settings).await?;
                session.set_up("SET default_transaction_read_only = off").await?;
                session.is_same_backend().await?;
            }
            Access::Application => {}
        }
        Ok(session)
    }

    /// Fails where another backend answers than at the beginning, or has other settings: a pooler gave this one to
    /// somebody else, and with it the session's locks.
    ///
    /// # Errors
    /// [`Code::PoolerBetween`].
    pub async fn is_same_backend(&self) -> Result<(), Failure> {
        if !self.route().await?.switches_backends {
            return Ok(());
        }
        Err(Failure::new(Code::PoolerBetween, "the server's process changed in the middle of the session")
            .hint("connect to PostgreSQL itself, or to a pooler in session mode; a transaction pooler loses locks and settings"))
    }

    /// How the statements get to the server. A transaction pooler may give one session the same backend many times, so
    /// this is asked again and again.
    async fn route(&self) -> Result<Route, Failure> {
        let row = self.one(&Query::route(), &[]).await?;
        let (pid, kept, reached): (i32, bool, Option<i32>) =
            (super::get(&row, 0)?, super::get(&row, 1)?, super::get(&row, 2)?);
        Ok(Route {
            switches_backends: pid != self.pid || !kept,
            dialled: self.opened.port,
            reached: reached.and_then(|port| u16::try_from(port).ok()),
        })
    }

    /// Reads what happens on the server right now: who holds locks on these tables (their oids), and all that is not
    /// about tables.
    ///
    /// # Errors
    /// The connection broke, or a question was refused.
    pub async fn activity(&self, tables: &[u32]) -> Result<Activity, Failure> {
        let mut route = self.route().await?;
        let activity = super::introspect::activity(self.client(), tables).await?;
        route.switches_backends |= self.route().await?.switches_backends;
        Ok(Activity { route, ..activity })
    }

    /// Looks at what a backfill may spoil; `tables` are the oids of those that are filled.
    ///
    /// # Errors
    /// The refusal.
    pub async fn sights(&self, tables: &[u32]) -> Result<Sights, Refusal> {
        super::look::sights(self.client(), tables).await
    }

    /// Counts the segments of log that wait for the archiver.
    ///
    /// # Errors
    /// The refusal.
    pub async fn archive_backlog(&self) -> Result<u64, Refusal> {
        super::look::archive_backlog(self.client()).await
    }

    async fn set_up(&self, own: &str) -> Result<(), Failure> {
        // The role may set this only as a superuser or by grant; where it may not, it cannot inherit another value either.
        let settings = match self.may_set_replication_role().await? {
            true => SETTINGS.to_owned(),
            false => SETTINGS.replace("SET session_replication_role = origin; ", ""),
        };
        let newer = if self.major >= 17 { SETTINGS_SINCE_17 } else { "" };
        self.simple(&format!("{settings}{newer}; {own}"))
            .await
            .map_err(|refusal| refusal.failure("setting up the session"))
    }

    async fn may_set_replication_role(&self) -> Result<bool, Failure> {
        let row = self.one(&Query::is_superuser(), &[]).await?;
        super::get(&row, 0)
    }

    async fn refuse_read_only(&self, settings: &Settings) -> Result<(), Failure> {
        let row = self.one(&bookkeeping::writability(), &[]).await?;
        let (recovering, read_only, source): (bool, bool, String) =
            (super::get(&row, 0)?, super::get(&row, 1)?, super::get(&row, 2)?);
        // What the role or this client asked for is ours to override; the server's own word is not.
        let ours = matches!(source.as_str(), "user" | "client" | "session");
        let (why, hint) = match (recovering, read_only && !ours) {
            (true, _) => ("it is a standby", "connect to the primary (target_session_attrs=read-write finds it)"),
            (false, true) => (
                "default_transaction_read_only is on for it",
                "find out who made it read-only and why; on managed servers a full disk does",
            ),
            (false, false) => return Ok(()),
        };
        Err(Failure::new(Code::ServerReadOnly, format!("{} takes no writes: {why}", settings.describe())).hint(hint))
    }

    /// The backend's process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Cancels what the session does, from another task.
    pub fn canceller(&self) -> Canceller {
        self.opened.canceller.clone()
    }

    /// Tells when the connection ends.
    pub fn ending(&self) -> Ending {
        self.opened.ending.clone()
    }

    /// The raw client, for the introspection in this folder.
    pub(super) fn client(&self) -> &tokio_postgres::Client {
        &self.opened.client
    }

    /// Reads the catalog of these schemas.
    ///
    /// # Errors
    /// As [`introspect`](super::introspect::introspect).
    pub async fn catalog(&self, schemas: &[Ident]) -> Result<Catalog, Failure> {
        super::introspect::introspect(self.client(), schemas).await
    }

    /// The users' schemas that hold tables.
    ///
    /// # Errors
    /// As [`schemas`](super::introspect::schemas).
    pub async fn schemas(&self) -> Result<Vec<Ident>, Failure> {
        super::introspect::schemas(self.client()).await
    }

    /// Asks a question.
    ///
    /// # Errors
    /// What the server says, as a refusal whose code can be looked at.
    pub async fn ask(&self, query: &Query, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Refusal> {
        self.client().query_typed(query.text(), parameters).await.map_err(Refusal::new)
    }

    /// Asks a question whose failure stops the run.
    ///
    /// # Errors
    /// The refusal as a [`Failure`].
    pub async fn rows(&self, query: &Query) -> Result<Vec<Row>, Failure> {
        self.ask(query, &[]).await.map_err(|refusal| refusal.failure("reading from the server"))
    }

    /// Asks a question that has one row for an answer.
    ///
    /// # Errors
    /// As [`Session::rows`]; an answer without a row is [`Code::StatementFailed`].
    pub async fn one(&self, query: &Query, parameters: &[Parameter<'_>]) -> Result<Row, Failure> {
        let rows = self.ask(query, parameters).await.map_err(|refusal| refusal.failure("reading from the server"))?;
        rows.into_iter().next().ok_or_else(|| Failure::new(Code::StatementFailed, "the server answered with no row"))
    }

    /// Sends one statement, on its own.
    ///
    /// # Errors
    /// The refusal.
    pub async fn send(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Refusal> {
        self.client().query_typed(statement.text(), parameters).await.map_err(Refusal::new)
    }

    /// Sends statements that PostgreSQL refuses in a transaction, one by one. Nothing limits them: an index built
    /// CONCURRENTLY waits for old transactions through locks that would obey `lock_timeout` too.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn autocommit(&self, statements: &[Statement]) -> Result<(), Refusal> {
        for statement in statements {
            self.simple(statement.text()).await?;
        }
        Ok(())
    }

    /// Sends statements as one transaction in one round trip; it holds its locks for no network's sake.
    ///
    /// # Errors
    /// The refusal; nothing of it has happened then.
    pub async fn transaction(
        &self,
        limits: &Limits,
        statements: impl IntoIterator<Item = &Statement>,
    ) -> Result<(), Refusal> {
        let mut text = format!("BEGIN; {}", limits.text(self.major));
        for statement in statements {
            text.push_str(statement.text());
            text.push_str(";\n");
        }
        text.push_str("COMMIT");
        let outcome = self.simple(&text).await;
        if outcome.is_err() {
            self.rollback().await;
        }
        outcome
    }

    /// Begins a transaction of several round trips. One that is dropped before its commit is rolled back.
    ///
    /// # Errors
    /// The refusal.
    pub async fn begin(&mut self, limits: &Limits, settings: &[Statement]) -> Result<Transaction<'_>, Refusal> {
        let major = self.major;
        let inner = self.opened.client.transaction().await.map_err(Refusal::new)?;
        let text: String = settings.iter().map(|statement| format!("{statement};")).collect();
        inner.batch_execute(&(limits.text(major) + &text)).await.map_err(Refusal::new)?;
        Ok(Transaction { inner })
    }

    /// Sends a whole transaction at once, and then waits for the answers: a batch costs one round trip, and its transaction
    /// is open for no network's sake. `opening` goes first, as one text.
    ///
    /// # Errors
    /// The first refusal; nothing of it has happened then. Where the connection broke, whether it happened is unknown.
    pub async fn batch(
        &self,
        limits: &Limits,
        opening: impl IntoIterator<Item = &Statement>,
        statements: &[(&Statement, &[Parameter<'_>])],
    ) -> Result<Vec<Vec<Row>>, Refusal> {
        let mut text = format!("BEGIN; {}", limits.text(self.major));
        for statement in opening {
            text.push_str(statement.text());
            text.push_str(";\n");
        }
        // Each future sends when it is first polled, and these are polled in their order. After a refusal the server
        // refuses what follows, and takes COMMIT as ROLLBACK.
        let opened = self.simple(&text);
        let sent = join_all(statements.iter().map(|(statement, parameters)| self.send(statement, parameters)));
        let committed = self.simple("COMMIT");
        let (opened, (answers, committed)) = join(opened, join(sent, committed)).await;
        opened?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        committed.map(|()| answers)
    }

    /// Runs a file of plain SQL, such as a fixture: several statements, no parameters.
    ///
    /// # Errors
    /// The refusal.
    pub async fn run_file(&self, text: &str) -> Result<(), Refusal> {
        self.simple(text).await
    }

    /// Ends a transaction that failed; a broken connection ends it by itself.
    async fn rollback(&self) {
        // A refusal here means that the connection is gone, which the caller's own error says already.
        self.simple("ROLLBACK").await.ok();
    }

    async fn simple(&self, text: &str) -> Result<(), Refusal> {
        self.client().batch_execute(text).await.map_err(Refusal::new)
    }
}

/// A transaction of several round trips.
pub struct Transaction<'a> {
    inner: tokio_postgres::Transaction<'a>,
}

impl Transaction<'_> {
    /// Sends one statement.
    ///
    /// # Errors
    /// The refusal.
    pub async fn send(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Refusal> {
        self.inner.query_typed(statement.text(), parameters).await.map_err(Refusal::new)
    }

    /// Asks a question.
    ///
    /// # Errors
    /// The refusal.
    pub async fn ask(&self, query: &Query, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Refusal> {
        self.inner.query_typed(query.text(), parameters).await.map_err(Refusal::new)
    }

    /// Sends one statement and counts the rows it changed.
    ///
    /// # Errors
    /// The refusal.
    pub async fn change(&self, statement: &Statement, parameters: &[Parameter<'_>]) -> Result<u64, Refusal> {
        self.inner.execute_typed(statement.text(), parameters).await.map_err(Refusal::new)
    }

    /// Makes it permanent.
    ///
    /// # Errors
    /// The refusal; whether it happened is then unknown if the connection broke.
    pub async fn commit(self) -> Result<(), Refusal> {
        self.inner.commit().await.map_err(Refusal::new)
    }
}

/// How long a transaction may wait and work.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    lock: Duration,
    statement: Duration,
    /// From 17 on; the session ends with the transaction then.
    whole: Duration,
}

impl Limits {
    /// For a change that holds a strong lock: it gives up soon, so that nobody queues behind it for long.
    pub fn strong(locks: &LockLimits) -> Self {
        Limits { lock: locks.timeout, statement: locks.statement_timeout, whole: locks.statement_timeout }
    }

    /// For work that blocks nobody and takes its time; only the wait for its lock is limited.
    pub fn patient(locks: &LockLimits) -> Self {
        Limits { lock: locks.timeout, statement: Duration::ZERO, whole: Duration::ZERO }
    }

    /// For a question that may take so long, and ends without its session.
    pub fn within(time: Duration) -> Self {
        Limits { lock: time, statement: time, whole: 2 * time }
    }

    /// `statement_timeout` counts anew for every statement; from 17 on `transaction_timeout` bounds them all.
    fn text(&self, major: i32) -> String {
        let [lock, statement, whole] = [self.lock, self.statement, self.whole].map(|limit| limit.as_millis());
        let whole = match major {
            ..17 => String::new(),
            _ => format!("SET LOCAL transaction_timeout = '{whole}ms'; "),
        };
        format!("{whole}SET LOCAL lock_timeout = '{lock}ms'; SET LOCAL statement_timeout = '{statement}ms';\n")
    }
}
