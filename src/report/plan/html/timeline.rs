//! The steps in their order, each as high as its lock is strong. Widths say how long a lock is held, in kind and not in
//! seconds: those are the bill's.

use super::super::super::human;
use crate::plan::{Cost, Held, LockLevel, Phase};
use crate::sql::{Script, ScriptStep};

/// Room for the names of the locks.
const LEFT: f64 = 200.0;
/// Room for the names of the phases.
const TOP: f64 = 44.0;
const RUNG: f64 = 34.0;
/// What the drawing fills where the steps let it.
const PAGE: f64 = 1080.0;
/// A phase of few steps is wide enough for its name.
const NARROWEST_PHASE: f64 = 132.0;

const LEVELS: [LockLevel; 5] = [
    LockLevel::AccessExclusive,
    LockLevel::ShareRowExclusive,
    LockLevel::ShareUpdateExclusive,
    LockLevel::RowExclusive,
    LockLevel::None,
];

/// A drawing of the phases and their locks.
pub(super) struct Timeline {
    pub width: String,
    pub height: String,
    pub bottom: String,
    pub phases: Vec<Band>,
    pub rungs: Vec<Rung>,
    pub bars: Vec<Bar>,
}

/// A phase.
pub(super) struct Band {
    pub x: String,
    pub width: String,
    pub name: &'static str,
    pub note: String,
}

/// A lock level.
pub(super) struct Rung {
    pub y: String,
    pub name: String,
    pub blocks: &'static str,
}

/// A step.
pub(super) struct Bar {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    pub lock: String,
    pub held: &'static str,
    /// Its number in the whole plan.
    pub step: usize,
    pub title: String,
}

/// Draws a script's steps; nothing where it has none.
pub(super) fn timeline(script: &Script) -> Option<Timeline> {
    let phases: Vec<(Phase, Vec<(usize, &ScriptStep)>)> = Phase::ALL
        .into_iter()
        .map(|phase| (phase, steps(script, phase)))
        .filter(|(_, steps)| !steps.is_empty())
        .collect();
    let units: f64 = phases.iter().flat_map(|(_, steps)| steps).map(|(_, step)| weight(step)).sum();
    if units == 0.0 {
        return None;
    }
    let unit = ((PAGE - LEFT) / units).clamp(4.0, 30.0);
    let bottom = TOP + RUNG * LEVELS.len() as f64;
    let mut timeline = Timeline {
        width: String::new(),
        height: pixels(bottom + 8.0),
        bottom: pixels(bottom),
        phases: Vec::new(),
        rungs: LEVELS.iter().enumerate().map(rung).collect(),
        bars: Vec::new(),
    };
    let mut x = LEFT;
    for (phase, steps) in phases {
        let start = x;
        for (number, step) in &steps {
            let width = weight(step) * unit;
            timeline.bars.push(bar(*number, step, x, width, bottom));
            x += width;
        }
        x = x.max(start + NARROWEST_PHASE);
        let cost: Cost = steps.iter().map(|(_, step)| &step.cost).sum();
        let mut note = human::counted(steps.len(), "step", "steps");
        if !cost.duration.is_zero() {
            note += &format!(", ~{}", human::duration(cost.duration));
        }
        timeline.phases.push(Band { x: pixels(start), width: pixels(x - start), name: phase.as_str(), note });
        x += 6.0;
    }
    timeline.width = pixels(x);
    Some(timeline)
}

/// The steps of a phase with their numbers in the whole plan.
fn steps(script: &Script, phase: Phase) -> Vec<(usize, &ScriptStep)> {
    let phases = script.migrations.iter().flat_map(|migration| migration.steps.iter().map(|_| migration.phase));
    let numbered = script.steps().zip(phases).enumerate();
    numbered.filter(|(_, (_, of))| *of == phase).map(|(number, (step, _))| (number + 1, step)).collect()
}

fn weight(step: &ScriptStep) -> f64 {
    match step.held {
        Held::CatalogOnly => 1.0,
        Held::Scan => 2.0,
        Held::Batch => 3.0,
    }
}

fn rung((place, level): (usize, &LockLevel)) -> Rung {
    let name = if *level == LockLevel::None { "no lock".to_owned() } else { level.to_string() };
    Rung { y: pixels(TOP + RUNG * place as f64), name, blocks: level.blocks() }
}

fn bar(number: usize, step: &ScriptStep, x: f64, width: f64, bottom: f64) -> Bar {
    let rungs = LEVELS.iter().rev().take_while(|level| **level < step.lock).count();
    let height = if step.lock == LockLevel::None { 5.0 } else { RUNG * (rungs as f64 + 0.62) };
    let lock = match step.lock {
        LockLevel::None => "no lock on the application's tables".to_owned(),
        lock => format!("{lock} for {}, blocks {}", step.held, lock.blocks()),
    };
    Bar {
        x: pixels(x + 0.5),
        y: pixels(bottom - height),
        width: pixels((width - 1.0).max(2.0)),
        height: pixels(height),
        lock: super::lock_class(step.lock),
        held: super::held_class(step.held),
        step: number,
        title: format!("{number}. {}: {lock}", step.title),
    }
}

fn pixels(length: f64) -> String {
    format!("{length:.1}")
}
