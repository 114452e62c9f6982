//! What a worker does about pressure.

use std::time::Duration;

/// No rest is longer, so that a worker is never far from looking again.
const LONGEST: Duration = Duration::from_secs(5);

/// How long a worker rests that was busy for so long: at level 0.5 as long as it was busy, at 0.8 four times that. At level
/// 1 it does not rest, it waits.
pub fn rest(level: f64, busy: Duration) -> Duration {
    let level = level.clamp(0.0, 1.0);
    if level >= 1.0 {
        return LONGEST;
    }
    let rest = busy.as_secs_f64() * level / (1.0 - level);
    Duration::try_from_secs_f64(rest).map_or(LONGEST, |rest| rest.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_leaves_the_part_of_the_time_that_the_level_leaves() {
        let busy = Duration::from_millis(100);
        let rests = [0.0, 0.2, 0.5, 0.8, 0.999, 1.0].map(|level| rest(level, busy).as_millis());
        assert_eq!(rests, [0, 25, 100, 400, 5000, 5000]);
        assert_eq!(rest(0.5, Duration::ZERO), Duration::ZERO);
    }
}
