//! The steps of many partitions in a line for each kind, so that a hundred leaves do not drown a plan.

use super::super::human;
use crate::sql::ScriptStep;

/// Of so many partitions, every step is shown.
const SHOWN: usize = 4;

/// A step, or the same step of many partitions.
pub(super) struct Line<'a> {
    /// The number of the first of them in its migration, from 1.
    pub number: usize,
    /// The first of them.
    pub step: &'a ScriptStep,
    /// What is done, to how many.
    pub title: String,
}

/// The lines of a migration's steps.
pub(super) fn lines(steps: &[ScriptStep]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < steps.len() {
        let run = steps[at..].iter().take_while(|step| step.partition.is_some()).count();
        match run {
            0 => {
                lines.push(single(at, &steps[at]));
                at += 1;
            }
            _ => {
                lines.extend(of_partitions(at, &steps[at..at + run]));
                at += run;
            }
        }
    }
    lines
}

fn single(at: usize, step: &ScriptStep) -> Line<'_> {
    Line { number: at + 1, step, title: step.title.clone() }
}

/// Steps of partitions without one of the whole table between them, gathered by what they do.
fn of_partitions(at: usize, steps: &[ScriptStep]) -> Vec<Line<'_>> {
    let mut kinds: Vec<(String, usize, usize)> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        match kinds.iter_mut().find(|(kind, _, _)| *kind == self::kind(step)) {
            Some((_, _, count)) => *count += 1,
            None => kinds.push((kind(step), place, 1)),
        }
    }
    if kinds.iter().all(|(_, _, count)| *count <= SHOWN) {
        return steps.iter().enumerate().map(|(place, step)| single(at + place, step)).collect();
    }
    let line = |(_, place, count): &(String, usize, usize)| {
        let step = &steps[*place];
        Line { number: at + place + 1, step, title: title(step, *count) }
    };
    kinds.iter().map(line).collect()
}

/// What is the same of a step for every partition.
fn kind(step: &ScriptStep) -> String {
    let partition = step.partition.as_ref().map(ToString::to_string).unwrap_or_default();
    step.title.replacen(&partition, "", 1)
}

fn title(step: &ScriptStep, count: usize) -> String {
    let partition = step.partition.as_ref().map(ToString::to_string).unwrap_or_default();
    let many = human::counted(count, "partition", "partitions");
    step.title.replacen(&partition, &format!("each of {many}"), 1)
}
