//! Who would keep which step waiting, if the plan ran now.

use std::io::{self, Write};

use super::super::human;
use super::super::layout::hang_within;
use crate::catalog::LockHolder;
use crate::sql::Script;

/// How many of a session's steps are named before they are only counted.
const NAMED: usize = 3;

/// Writes each session that stands in the way, with the steps that would wait for it.
pub(super) fn write(script: &Script, width: usize, out: &mut impl Write) -> io::Result<()> {
    let mut sessions: Vec<(&LockHolder, Vec<&str>)> = Vec::new();
    for step in script.steps() {
        for holder in &step.blocked_by {
            match sessions.iter_mut().find(|(known, _)| *known == holder) {
                Some((_, steps)) => steps.push(&step.id),
                None => sessions.push((holder, vec![&step.id])),
            }
        }
    }
    if sessions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nRight now these would be waited for")?;
    for (holder, steps) in sessions {
        let more = match steps.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {} more", human::counted(more, "step", "steps")),
        };
        let named = steps.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        write!(out, "{}", hang_within(width, "- ", &format!("{}: {named}{more}", holder.describe()), 2))?;
    }
    Ok(())
}
