//! What the backfills give way to, and what of it the role may not look at.

use std::collections::BTreeSet;

use super::{Found, Kind, Preflight};
use crate::plan::Op;
use crate::pressure::{Reading, overview};

pub(super) fn examine(preflight: &Preflight<'_>, found: &mut Found) {
    let (limits, Some(readings)) = (&preflight.around.config.throttle, &preflight.facts.readings) else { return };
    let fills = |op: &Op| matches!(op, Op::Backfill(_) | Op::Reconcile(_));
    if !preflight.plan.steps().any(|step| fills(&step.op)) {
        return;
    }
    let mut grants = BTreeSet::new();
    let mut names = Vec::new();
    for (signal, reading) in readings {
        if let Reading::Forbidden { grant } = reading {
            grants.insert(grant.as_str());
            names.push(signal.as_str());
        }
    }
    if !names.is_empty() {
        let grants = grants.into_iter().collect::<Vec<_>>().join("; ");
        let names = names.join(", ");
        let text = format!(
            "migrate needs the right to look at {names} while it fills tables: {grants}; or set them to \"off\" in the section throttle"
        );
        found.tell(Kind::SignalForbidden, None, text);
    }
    found.tell(Kind::ThrottleWatches, None, overview(readings, limits));
}
