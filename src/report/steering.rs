//! What became of `pause`, `resume` or `tune`: who works on the run, what will happen, and whether it answered.

use std::io::{self, Write};

use serde::Serialize;

use super::Shape;
use super::human::printable;
use super::status::tuned;
use crate::execute::control::{Control, Mark, Wish};
use crate::execute::pulse::{Sign, State};
use crate::execute::status::ActiveSession;

/// The format's number; it changes when a field changes its meaning.
const FORMAT: u32 = 1;

/// A wish that was written.
#[derive(Debug, Clone)]
pub struct Steered {
    /// The unfinished run.
    pub run: i64,
    /// What was asked for.
    pub wish: Wish,
    /// Who had paused it before.
    pub paused_before: Option<Mark>,
    /// What is wanted now.
    pub control: Control,
    /// Who works on it.
    pub active: Option<ActiveSession>,
    /// The sign with which the run answered; nothing where nobody works, or no answer came in time.
    pub answer: Option<Sign>,
}

#[derive(Serialize)]
struct SteeredObject<'a> {
    format: u32,
    run: i64,
    asked: &'static str,
    control: &'a Control,
    active: Option<&'a ActiveSession>,
    /// The run knows it.
    acknowledged: bool,
    /// What the run was doing when it answered.
    state: Option<State>,
    step: Option<&'a str>,
}

/// Writes it.
///
/// # Errors
/// The writer's.
pub fn write(steered: &Steered, shape: Shape, out: &mut impl Write) -> io::Result<()> {
    match shape {
        Shape::Text => lines(steered).iter().try_for_each(|line| writeln!(out, "{line}")),
        Shape::Json => {
            let object = SteeredObject {
                format: FORMAT,
                run: steered.run,
                asked: match steered.wish {
                    Wish::Pause => "pause",
                    Wish::Resume => "resume",
                    Wish::Tune(_) => "tune",
                },
                control: &steered.control,
                active: steered.active.as_ref(),
                acknowledged: steered.answer.is_some(),
                state: steered.answer.as_ref().map(|sign| sign.state),
                step: steered.answer.as_ref().and_then(|sign| sign.step.as_deref()),
            };
            serde_json::to_writer_pretty(&mut *out, &object)?;
            writeln!(out)
        }
    }
}

fn lines(steered: &Steered) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mark) = &steered.paused_before
        && steered.wish == Wish::Pause
    {
        lines.push(format!("It was paused already, by {} since {}.", printable(&mark.by), mark.at));
    }
    lines.push(what_happens(steered));
    if steered.active.is_some() {
        lines.push(answer(steered));
    }
    lines.extend(match (&steered.control.paused, steered.wish) {
        (Some(_), Wish::Pause) => Some("`tenantctl resume` lets it go on.".to_owned()),
        (Some(mark), Wish::Tune(_)) => Some(format!("It stays paused, by {} since {}.", printable(&mark.by), mark.at)),
        (Some(_) | None, _) => None,
    });
    lines
}

fn what_happens(steered: &Steered) -> String {
    let run = steered.run;
    let who = steered.active.as_ref().map(|active| printable(&active.describe()));
    match (steered.wish, who) {
        (Wish::Pause, Some(who)) => format!("Run {run}: {who} pauses after the batch or step in flight."),
        (Wish::Pause, None) => format!(
            "Run {run}: nobody works on it now. Whoever goes on with it (`tenantctl migrate`) waits before the next batch or step."
        ),
        (Wish::Resume, _) if steered.paused_before.is_none() => format!("Run {run} was not paused."),
        (Wish::Resume, Some(who)) => format!("Run {run}: {who} goes on."),
        (Wish::Resume, None) => {
            format!("Run {run} is paused no more. Nobody works on it now; `tenantctl migrate` goes on with it.")
        }
        (Wish::Tune(_), who) => {
            let who = who.unwrap_or_else(|| "nobody works on it now; whoever goes on with it".to_owned());
            let tuned = match tuned(&steered.control) {
                words if words.is_empty() => "everything as configured".to_owned(),
                words => words.join(", "),
            };
            format!("Run {run}: {who} works with {tuned}.")
        }
    }
}

fn answer(steered: &Steered) -> String {
    let Some(sign) = &steered.answer else {
        return "It has not answered yet: `tenantctl status` shows whether it lives.".to_owned();
    };
    let at = sign.step.as_ref().map(|step| format!(", in {step}")).unwrap_or_default();
    match sign.state {
        State::Paused => format!("It has paused{at}."),
        State::Pausing => format!("It has answered, and finishes what is in flight first{at}."),
        State::Working | State::Ended => "It has answered.".to_owned(),
    }
}
