//! What can go wrong, said the same way everywhere.
//!
//! A [`Failure`] says what was being done, to which object, and what to do now. Its [`Code`] is stable: scripts may
//! match it, and it alone decides the [`Exit`] status. The shell wraps failures with `anyhow` context; `main` finds the
//! `Failure` in the chain again.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// How the process ends; documented in the README, where a test compares the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// We looked and found something: findings, blockers of a plan, tables that no rule names, or the operator said no.
    Findings = 1,
    /// The command line or the configuration is wrong; nothing was touched.
    Usage = 2,
    /// The server stopped us: connection, rights, version, a lock, a statement.
    Stopped = 3,
    /// Interrupted by a signal; `migrate` goes on from here when it is run again.
    Interrupted = 130,
}

impl Exit {
    /// All of them.
    pub const ALL: [Exit; 5] = [Exit::Done, Exit::Findings, Exit::Usage, Exit::Stopped, Exit::Interrupted];

    /// What it tells, as a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "Everything asked for is done.",
            Exit::Findings => {
                "We looked and found something: findings, blockers of a plan, tables that no rule names, or the operator said no."
            }
            Exit::Usage => "The command line or the configuration is wrong; nothing was touched.",
            Exit::Stopped => "The server stopped us: connection, rights, version, a lock, a statement.",
            Exit::Interrupted => "Interrupted by a signal; `migrate` goes on from here when it is run again.",
        }
    }
}

/// Whether running the same command again continues the work, or something has to change first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumable {
    /// Run the same command again.
    Yes,
    /// Mend the cause first.
    No,
}

macro_rules! codes {
    ($(#[doc = $doc:literal] $name:ident = $text:literal, $exit:ident, $resumable:ident;)*) => {
        /// The stable name of a kind of failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $doc] $name,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The code as it is printed: kebab-case, never reused.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// What it tells, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $doc.trim_ascii(),)* }
            }

            /// The exit status that this kind of failure leads to.
            pub fn exit(self) -> Exit {
                match self { $(Code::$name => Exit::$exit,)* }
            }

            /// Whether the same command, run again, goes on.
            pub fn resumable(self) -> Resumable {
                match self { $(Code::$name => Resumable::$resumable,)* }
            }
        }
    };
}

codes! {
    /// The configuration does not parse, or names something that is not there.
    ConfigInvalid = "config-invalid", Usage, No;
    /// An argument makes no sense, alone or with another.
    UsageInvalid = "usage-invalid", Usage, No;
    /// A file could not be read or written.
    FileFailed = "file-failed", Usage, No;
    /// A schema file holds no table that could be loaded and planned for.
    SchemaUnloadable = "schema-unloadable", Usage, No;
    /// The plan found something that must be mended before anything runs.
    PlanBlocked = "plan-blocked", Findings, No;
    /// The plan is not the one that was reviewed.
    PlanChanged = "plan-changed", Findings, No;
    /// The operator answered no.
    Declined = "declined", Findings, No;
    /// Rows cannot be filled: a constraint or a trigger refuses them.
    RowsRefused = "rows-refused", Findings, Yes;
    /// Rows contradict a constraint that is to come.
    RowsDisagree = "rows-disagree", Findings, Yes;
    /// A way back would forget who owns some rows, which nothing else tells.
    OwnershipLost = "ownership-lost", Findings, No;
    /// What was done cannot be taken back: an earlier tenantctl did it and kept no way back.
    RollbackImpossible = "rollback-impossible", Findings, No;
    /// No connection could be made.
    ConnectionFailed = "connection-failed", Stopped, No;
    /// The server refused the login.
    LoginRefused = "login-refused", Stopped, No;
    /// Encryption could not be agreed on, or the certificate is not trusted.
    TlsFailed = "tls-failed", Stopped, No;
    /// The server is older than PostgreSQL 14.
    VersionUnsupported = "version-unsupported", Stopped, No;
    /// The role may not do what is needed.
    RightsMissing = "rights-missing", Stopped, No;
    /// A transaction pooler stands between us and the server.
    PoolerBetween = "pooler-between", Stopped, No;
    /// The server does not accept writes.
    ServerReadOnly = "server-read-only", Stopped, No;
    /// Another run of tenantctl works on this database.
    RunActive = "run-active", Stopped, No;
    /// A run of the other kind, forth or back, has to be finished first.
    RunUnfinished = "run-unfinished", Stopped, No;
    /// There is no run that could be steered or taken back.
    RunMissing = "run-missing", Stopped, No;
    /// Another run took over; this one stopped before its next commit.
    RunFenced = "run-fenced", Stopped, No;
    /// The history of applied migrations does not fit what this run holds.
    HistoryDivergent = "history-divergent", Stopped, No;
    /// The database changed since the plan was made.
    SchemaDrifted = "schema-drifted", Stopped, No;
    /// A lock was not to be had within the configured attempts.
    LockNotAcquired = "lock-not-acquired", Stopped, Yes;
    /// A statement of the plan failed.
    StatementFailed = "statement-failed", Stopped, Yes;
    /// Rows are left that have no owner.
    RowsUnowned = "rows-unowned", Stopped, Yes;
    /// The server was under pressure, or could not be looked at, for longer than throttle.max_pause.
    ThrottledTooLong = "throttled-too-long", Stopped, Yes;
    /// The connection broke while we worked.
    ConnectionLost = "connection-lost", Stopped, Yes;
    /// What the bookkeeping schema says cannot be read.
    BookkeepingUnreadable = "bookkeeping-unreadable", Stopped, No;
    /// No PostgreSQL installation was found for the embedded server.
    PostgresMissing = "postgres-missing", Stopped, No;
    /// The embedded server did not start or stop as it should.
    EmbeddedFailed = "embedded-failed", Stopped, No;
    /// A signal asked us to stop.
    Interrupted = "interrupted", Interrupted, Yes;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// As it is written: the names of all codes.
impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let of = |code: &Code| json_schema!({ "const": code.as_str(), "description": code.meaning() });
        let codes: Vec<Schema> = Code::ALL.iter().map(of).collect();
        json_schema!({ "description": "The stable name of a kind of failure.", "oneOf": codes })
    }
}

/// One failure: what we were doing to which object, what went wrong, and what to do now.
///
/// The message is a lower-case fragment without a final stop, holds no password and no value of a row, but for the primary
/// key of a row that has to be mended ([`Code::RowsRefused`]).
#[derive(Debug, Clone)]
pub struct Failure {
    /// The stable kind.
    pub code: Code,
    /// What was being done, to which object, and what went wrong.
    pub message: String,
    /// What the operator can do now.
    pub hint: Option<String>,
}

impl Failure {
    /// Makes a failure without advice.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), hint: None }
    }

    /// Adds what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
