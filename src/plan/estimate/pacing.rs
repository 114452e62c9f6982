//! How many batches a backfill takes.

use crate::config::BackfillLimits;

/// Blocks of the first batch, and how much larger the next may be (see `execute::pace`).
const FIRST: f64 = 64.0;
const GROWTH: f64 = 1.5;

/// Batches grow from small ones to the length that is wanted of them, and stay there.
pub(super) fn batches(pages: f64, seconds: f64, limits: &BackfillLimits) -> u64 {
    let (least, most) = (f64::from(limits.min_blocks), f64::from(limits.max_blocks));
    let per_second = if seconds > 0.0 { pages / seconds } else { f64::INFINITY };
    let wanted = (per_second * limits.batch.as_secs_f64()).clamp(least, most);
    let (mut left, mut size, mut batches) = (pages, FIRST.clamp(least, most), 0);
    while left > 0.0 && size < wanted {
        left -= size;
        size = (size * GROWTH).min(wanted);
        batches += 1;
    }
    batches + super::whole((left.max(0.0) / size.min(wanted)).ceil())
}
