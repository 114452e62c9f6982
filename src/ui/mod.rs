//! The conversation with the operator: progress while a run goes on, warnings, questions, failures; all on stderr.
//!
//! On a terminal a run is shown in live bars ([`bars`]), elsewhere in plain lines ([`lines`]) or as JSON, one object a
//! line ([`LogLine`]). Results are not spoken here: they go to stdout through `report`.

mod answer;
mod bars;
mod choose;
mod fill;
mod lines;
mod log;
mod panel;
mod progress;
mod words;

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

pub use answer::Answer;
use bars::Bars;
use lines::Lines;
pub use log::{LogLine, Message, What};

use crate::error::{Code, Failure};
use crate::event::{Event, Observer};
use crate::report::failure::ErrorObject;
use crate::report::human::printable;

/// How the conversation is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Progress, notes, warnings and failures.
    #[default]
    Normal,
    /// Warnings and failures.
    Quiet,
}

/// How often we look whether a step has been going on for so long that it is worth a word.
const BEAT: Duration = Duration::from_secs(1);

/// The operator's side of a run.
pub struct Ui {
    verbosity: Verbosity,
    clock: Clock,
    screen: Mutex<Screen>,
}

/// Where the words go; events come from the run's task, warnings from anywhere.
struct Screen {
    out: Box<dyn Write + Send>,
    view: View,
}

enum View {
    Bars(Box<Bars>),
    Lines(Box<Lines>),
    Json,
}

impl Ui {
    /// Speaks on stderr: live bars where it is a terminal that can redraw, plain lines where it is not. `NO_COLOR` is
    /// honoured.
    pub fn stderr(verbosity: Verbosity, format: LogFormat) -> Self {
        let redraws = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let out = Box::new(anstream::stderr());
        match format {
            LogFormat::Text if redraws && verbosity == Verbosity::Normal => {
                let clock = Clock::start();
                Ui::with(verbosity, clock, View::Bars(Box::new(Bars::new(clock))), out)
            }
            LogFormat::Text | LogFormat::Json => Ui::writer(verbosity, format, out),
        }
    }

    /// Speaks in lines into a writer, which strips colours if it does not want them.
    pub fn writer(verbosity: Verbosity, format: LogFormat, out: Box<dyn Write + Send>) -> Self {
        let view = match format {
            LogFormat::Text => View::Lines(Box::default()),
            LogFormat::Json => View::Json,
        };
        Ui::with(verbosity, Clock::start(), view, out)
    }

    fn with(verbosity: Verbosity, clock: Clock, view: View, out: Box<dyn Write + Send>) -> Self {
        Ui { verbosity, clock, screen: Mutex::new(Screen { out, view }) }
    }

    /// Says something that the operator may want to know; not when quiet.
    pub fn note(&self, text: &str) {
        if self.verbosity == Verbosity::Normal {
            self.say(Message::Note { text }, || format!("{text}\n"));
        }
    }

    /// Warns.
    pub fn warn(&self, text: &str) {
        let label = paint(AnsiColor::Yellow.on_default().bold(), "warning");
        self.say(Message::Warning { text }, || format!("{label}: {text}\n"));
    }

    /// Says what failed, why, and what to do now. Live bars end here.
    pub fn failure(&self, error: &anyhow::Error) {
        let object = ErrorObject::of(error);
        self.settle();
        self.say(Message::Failure { error: &object }, || failure_text(&object));
    }

    /// Whether events are drawn in place or read by a machine; else they are lines of a log.
    pub fn is_live(&self) -> bool {
        match self.screen().view {
            View::Bars(_) | View::Json => true,
            View::Lines(_) => false,
        }
    }

    /// Takes the live bars away, because the run is over.
    pub fn settle(&self) {
        if let View::Bars(bars) = &mut self.screen().view {
            bars.clear();
        }
    }

    /// Speaks now and then of a step that lasts, since no event tells of it; for as long as it is awaited.
    pub async fn beat(&self) -> Infallible {
        loop {
            tokio::time::sleep(BEAT).await;
            let mut screen = self.screen();
            let now = self.clock.elapsed();
            let line = match &mut screen.view {
                View::Lines(lines) if self.verbosity == Verbosity::Normal => lines.tick(now),
                View::Lines(_) | View::Bars(_) | View::Json => None,
            };
            if let Some(line) = line {
                screen.write(&self.dated(&line));
            }
        }
    }

    /// Asks a question that only the operator can answer.
    ///
    /// # Errors
    /// `usage-invalid` where nobody sits at standard input, or where a machine reads the log.
    pub fn confirm(&self, question: &str) -> Result<Answer, Failure> {
        let stdin = io::stdin();
        if self.is_read_by_machine() {
            let message = format!("nobody can answer {question:?}: the log is written for a machine");
            return Err(
                Failure::new(Code::UsageInvalid, message).hint("answer with --yes, or leave out --log-format json")
            );
        }
        if !stdin.is_terminal() {
            let message = format!("nobody can answer {question:?}: standard input is not a terminal");
            return Err(Failure::new(Code::UsageInvalid, message).hint("run it in a terminal, or answer with --yes"));
        }
        self.screen().write(&format!("{question} [y/N] "));
        Answer::read(&mut stdin.lock())
    }

    /// Asks a question with several answers, the first of which is the proposal; gives the number of the one picked.
    ///
    /// # Errors
    /// As [`Ui::refuse_without_operator`]; `declined` where the operator leaves the question.
    pub fn choose(&self, question: &str, answers: &[String]) -> Result<usize, Failure> {
        self.refuse_without_operator()?;
        let answers: Vec<String> = answers.iter().map(|answer| printable(answer)).collect();
        choose::choose(&printable(question), &answers)
    }

    /// Refuses to ask where nobody sits at a terminal, or where a machine reads the log.
    ///
    /// # Errors
    /// `usage-invalid`.
    pub fn refuse_without_operator(&self) -> Result<(), Failure> {
        if self.is_read_by_machine() {
            let message = "nobody can answer questions: the log is written for a machine";
            return Err(Failure::new(Code::UsageInvalid, message).hint("leave out --interactive or --log-format json"));
        }
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            return Ok(());
        }
        let message = "nobody can answer questions: standard input and standard error are not a terminal";
        Err(Failure::new(Code::UsageInvalid, message).hint("run it in a terminal, or without --interactive"))
    }

    fn is_read_by_machine(&self) -> bool {
        matches!(self.screen().view, View::Json)
    }

    fn say(&self, message: Message<'_>, text: impl FnOnce() -> String) {
        let mut screen = self.screen();
        match &screen.view {
            View::Json => screen.write(&self.clock.stamp(What::Message(message))),
            View::Bars(_) | View::Lines(_) => screen.write(&text()),
        }
    }

    fn dated(&self, line: &str) -> String {
        format!("{} {line}\n", self.clock.now())
    }

    /// A thread that panicked while it held the screen left at worst half a line.
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Ui {
    fn observe(&self, event: &Event) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let mut screen = self.screen();
        let now = self.clock.elapsed();
        let line = match &mut screen.view {
            View::Bars(bars) => bars.observe(event).map(|line| line + "\n"),
            View::Lines(lines) => lines.line(event, now).map(|line| self.dated(&line)),
            View::Json => Some(self.clock.stamp(What::Event(event))),
        };
        if let Some(line) = line {
            screen.write(&line);
        }
    }
}

impl Screen {
    /// Where stderr is gone there is nobody left to tell, so a failing write is not an error; the run goes on.
    fn write(&mut self, text: &str) {
        let out = &mut self.out;
        let mut write = || {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        match &self.view {
            View::Bars(bars) => bars.suspend(write),
            View::Lines(_) | View::Json => write(),
        }
    }
}

/// Wall-clock time that never jumps while a run goes on.
#[derive(Clone, Copy)]
struct Clock {
    wall: SystemTime,
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        Clock { wall: SystemTime::now(), started: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn now(&self) -> String {
        humantime::format_rfc3339_seconds(self.wall + self.elapsed()).to_string()
    }

    /// One line of JSON with its time.
    fn stamp(&self, what: What<'_>) -> String {
        let since_start = self.elapsed();
        let at = humantime::format_rfc3339_millis(self.wall + since_start).to_string();
        // Only a map with keys that are no text cannot be written, and there is none in an event.
        serde_json::to_string(&LogLine { at, since_start, what }).unwrap_or_default() + "\n"
    }
}

/// `error[code]: message`, then the causes, then the hint.
fn failure_text(object: &ErrorObject) -> String {
    let code = object.code.map(|code| format!("[{code}]")).unwrap_or_default();
    let label = paint(AnsiColor::Red.on_default().bold(), &format!("error{code}"));
    // A message of several lines (one a problem of the configuration) hangs under the first.
    let mut text = format!("{label}: {}\n", object.message.replace('\n', "\n  "));
    for cause in &object.causes {
        text += &format!("  because: {}\n", cause.replace('\n', "\n  "));
    }
    if let Some(hint) = &object.hint {
        text += &format!("{}: {hint}\n", paint(AnsiColor::Cyan.on_default().bold(), "hint"));
    }
    text
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
