//! How much a batch takes: it grows slowly and shrinks at once, towards a batch of the configured length.

use std::time::Duration;

use crate::config::BackfillLimits;

/// A batch that had to give up a lock starts again with this part of its blocks.
const AFTER_CONTENTION: u32 = 2;

/// Where a backfill begins, in heap blocks: half a megabyte.
pub(super) const FIRST: u32 = 64;

/// The size of the next batch, in heap blocks.
#[derive(Debug, Clone)]
pub struct Pace {
    blocks: u32,
    limits: BackfillLimits,
}

impl Pace {
    /// Starts with so many blocks.
    pub fn new(limits: &BackfillLimits, first: u32) -> Self {
        Pace { blocks: first.clamp(limits.min_blocks, limits.max_blocks), limits: limits.clone() }
    }

    /// How many blocks the next batch takes.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Aims at batches of this length from now on.
    pub fn aim(&mut self, batch: Duration) {
        self.limits.batch = batch;
    }

    /// Learns from a batch: too slow, and the next is as much smaller; fast, and it is at most half as large again.
    pub fn learn(&mut self, took: Duration) {
        let (took, wanted) = (took.as_secs_f64(), self.limits.batch.as_secs_f64());
        let factor = if took > 0.0 { (wanted / took).min(1.5) } else { 1.5 };
        // A little too fast is near enough.
        if !(1.0..1.2).contains(&factor) {
            self.resize((f64::from(self.blocks) * factor).ceil());
        }
    }

    /// Learns that somebody held rows of the batch.
    pub fn contended(&mut self) {
        self.resize(f64::from(self.blocks / AFTER_CONTENTION));
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to two u32 before the cast")]
    fn resize(&mut self, blocks: f64) {
        self.blocks = blocks.clamp(f64::from(self.limits.min_blocks), f64::from(self.limits.max_blocks)) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WalCompression;

    fn limits() -> BackfillLimits {
        BackfillLimits {
            batch: Duration::from_millis(250),
            min_blocks: 8,
            max_blocks: 4096,
            pause: Duration::ZERO,
            workers: 1,
            synchronous_commit: false,
            wal_compression: WalCompression::Off,
        }
    }

    #[test]
    fn a_fast_batch_grows_by_half_and_a_slow_one_shrinks_at_once() {
        let mut pace = Pace::new(&limits(), FIRST);
        pace.learn(Duration::from_millis(10));
        assert_eq!(pace.blocks(), 96);
        pace.learn(Duration::from_millis(2500));
        assert_eq!(pace.blocks(), 10);
    }

    #[test]
    fn another_aim_counts_from_the_next_batch_on() {
        let mut pace = Pace::new(&limits(), FIRST);
        pace.aim(Duration::from_millis(25));
        pace.learn(Duration::from_millis(100));
        assert_eq!(pace.blocks(), 16);
        pace.aim(Duration::from_millis(250));
        pace.learn(Duration::from_millis(25));
        assert_eq!(pace.blocks(), 24);
    }

    #[test]
    fn it_stays_between_floor_and_ceiling() {
        let mut pace = Pace::new(&limits(), FIRST);
        (0..40).for_each(|_| pace.learn(Duration::from_millis(1)));
        assert_eq!(pace.blocks(), 4096);
        (0..40).for_each(|_| pace.contended());
        assert_eq!(pace.blocks(), 8);
    }
}
