//! A failure for machines, and the table of exit codes for the README.

use std::fmt::Write as _;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Code, Exit, Failure, Resumable};

/// A failure as JSON shows it; the same fields wherever a failure appears.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorObject {
    /// The stable code; null where something failed that has none.
    pub code: Option<Code>,
    /// What was being done, and what went wrong.
    pub message: String,
    /// Why, from the outermost cause to the innermost.
    pub causes: Vec<String>,
    /// What to do now.
    pub hint: Option<String>,
    /// The same command, run again, goes on.
    pub resumable: bool,
    /// The exit status.
    pub exit: i32,
}

impl ErrorObject {
    /// What the chain of an error says, with the code, hint and exit of the [`Failure`] in it.
    pub fn of(error: &anyhow::Error) -> Self {
        let failure = error.downcast_ref::<Failure>();
        let mut words = error.chain().map(ToString::to_string);
        let message = words.next().unwrap_or_default();
        ErrorObject { message, causes: words.collect(), ..failure.map_or_else(ErrorObject::unknown, ErrorObject::from) }
    }

    fn unknown() -> Self {
        ErrorObject {
            code: None,
            message: String::new(),
            causes: Vec::new(),
            hint: None,
            resumable: false,
            exit: Exit::Stopped as i32,
        }
    }
}

impl From<&Failure> for ErrorObject {
    fn from(failure: &Failure) -> Self {
        ErrorObject {
            code: Some(failure.code),
            message: failure.message.clone(),
            causes: Vec::new(),
            hint: failure.hint.clone(),
            resumable: failure.code.resumable() == Resumable::Yes,
            exit: failure.code.exit() as i32,
        }
    }
}

/// Writes `{"error": {...}}`, for `--format json`.
///
/// # Errors
/// Those of the writer.
pub fn json(error: &anyhow::Error, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "error": ErrorObject::of(error) }))?;
    writeln!(out)
}

/// The README's table of exit codes, in Markdown; a test compares the two.
pub fn exit_table() -> String {
    let mut table = "| exit | code | what happened | the same command again |\n| ---: | --- | --- | --- |\n".to_owned();
    let mut row = |exit: &str, code: &str, what: &str, again: &str| {
        let line = [exit, code, what, again].map(|cell| if cell.is_empty() { " ".into() } else { format!(" {cell} ") });
        // Writing into a String cannot fail.
        let _ = writeln!(table, "|{}|", line.join("|"));
    };
    for exit in Exit::ALL {
        row(&format!("**{}**", exit as i32), "", exit.meaning(), "");
        for code in Code::ALL.iter().filter(|code| code.exit() == exit) {
            let again = match code.resumable() {
                Resumable::Yes => "goes on",
                Resumable::No => "after the cause is mended",
            };
            row(&(exit as i32).to_string(), &format!("`{code}`"), code.meaning(), again);
        }
    }
    table
}
