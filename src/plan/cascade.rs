//! The passes of a cascade: which rows of a page are written in which short transaction.
//!
//! The first pass moves a few rows of every page elsewhere. Once nobody can see their old versions any more, the scan of
//! the next pass removes them on its way in, and its rows find room in their own page: a HOT update, without an index
//! entry (PostgreSQL source, `access/heap/README.HOT`). Each pass makes the room for the next.

/// Bytes of a page that rows and their pointers may fill.
const USABLE: f64 = 8168.0;
/// Bytes of a row's pointer. A HOT update takes another one: the old one leads to it.
const POINTER: f64 = 4.0;
/// What a row costs that leaves its page, in units of a pass over a page: entries in every index, and their log. (Measured
/// with four indexes: 17 us of 2.5 us; the log and the growth count twice.)
const COLD_ROW: f64 = 12.0;
/// The most passes that are worth their scans.
const MOST_PASSES: usize = 64;
/// Line pointers are told apart by their low byte.
const LINES: usize = 256;

/// Which line of a page belongs to which pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cascade {
    /// How many rows of a page each pass takes.
    shares: Vec<u16>,
    /// How many rows of a page that are among all.
    rows: u16,
}

impl Cascade {
    /// The most blocks of a range that is gone over in several passes. Over fewer, a batch's record and round trip are a
    /// large part of it; and while a batch lasts, what others leave behind cannot be removed.
    pub const BLOCKS: u32 = 4096;

    /// The passes for pages of so many rows, each of which grows by so many bytes. `spare` is the free room of a page in
    /// rows, and may be negative where pages turned out to be fuller.
    pub fn new(rows: f64, growth: f64, spare: f64) -> Cascade {
        let rows = rows.clamp(1.0, 255.0);
        let page = Page { rows: rows.ceil(), row: USABLE / rows, growth: growth + POINTER, spare };
        let most = (page.rows / 2.0).max(1.0) as u16;
        let best = (1..=most).map(|first| page.passes(f64::from(first))).min_by(|a, b| a.cost.total_cmp(&b.cost));
        let shares = best.map_or_else(|| vec![page.rows as u16], |passes| passes.shares);
        Cascade { rows: shares.iter().sum(), shares }
    }

    /// One pass that takes every row.
    pub fn single() -> Cascade {
        Cascade { shares: vec![1], rows: 1 }
    }

    /// How many passes there are.
    pub fn passes(&self) -> usize {
        self.shares.len()
    }

    /// The share of the rows that the first pass moves to other pages.
    pub fn cold_share(&self) -> f64 {
        f64::from(self.shares[0]) / f64::from(self.rows)
    }

    /// For each low byte of a line number the pass that its row belongs to, for the pass that is to come. The last one
    /// takes whatever is left.
    pub fn lines(&self, pass: usize) -> Vec<u8> {
        if pass + 1 >= self.passes() {
            return vec![low(pass); LINES];
        }
        let of_row: Vec<u8> =
            self.shares.iter().enumerate().flat_map(|(pass, share)| vec![low(pass); usize::from(*share)]).collect();
        // Line numbers begin at 1.
        (0..LINES).map(|line| of_row[(line + of_row.len() - 1) % of_row.len()]).collect()
    }
}

fn low(pass: usize) -> u8 {
    u8::try_from(pass).unwrap_or(u8::MAX)
}

/// A page as the model sees it.
struct Page {
    rows: f64,
    row: f64,
    growth: f64,
    spare: f64,
}

/// What the model makes of it.
struct Passes {
    shares: Vec<u16>,
    cost: f64,
}

impl Page {
    /// The passes that follow when the first one takes so many rows: each as many as find room, at least one.
    fn passes(&self, first: f64) -> Passes {
        // A row on average half fits at the end of a page. A moved row leaves its pointer.
        let mut room = self.row * (0.5 + self.spare) + first * (self.row - POINTER);
        let (mut left, mut shares, mut cold) = (self.rows - first, vec![first as u16], first);
        while left > 0.0 {
            let fitting = (room / (self.row + self.growth)).floor();
            let share = fitting.clamp(1.0, left);
            cold += (share - fitting).max(0.0);
            room -= share.min(fitting.max(0.0)) * self.growth;
            left -= share;
            shares.push(share as u16);
            if shares.len() == MOST_PASSES && left > 0.0 {
                shares.push(left as u16);
                cold += left;
                left = 0.0;
            }
        }
        let cost = cold * COLD_ROW + shares.len() as f64;
        Passes { shares, cost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(cascade: &Cascade, rows: usize) -> Vec<usize> {
        let lines = cascade.lines(0);
        (0..cascade.passes()).map(|pass| (1..=rows).filter(|line| usize::from(lines[*line]) == pass).count()).collect()
    }

    #[test]
    fn every_line_has_one_pass_and_the_last_pass_takes_what_is_left() {
        for rows in [1.0, 2.0, 7.5, 41.0, 185.0, 255.0] {
            let cascade = Cascade::new(rows, 8.0, 0.0);
            assert!(cascade.lines(0).iter().all(|pass| usize::from(*pass) < cascade.passes()), "{rows}");
            let last = cascade.passes() - 1;
            assert!(cascade.lines(last).iter().all(|pass| usize::from(*pass) == last), "{rows}");
        }
    }

    #[test]
    fn the_first_pass_makes_room_for_all_later_ones() {
        let cascade = Cascade::new(41.0, 8.0, 0.0);
        let taken = taken(&cascade, 41);
        assert_eq!(taken.iter().sum::<usize>(), 41);
        assert_eq!(taken, [3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn pages_that_are_fuller_than_they_seem_get_a_larger_first_pass() {
        let (fuller, roomier) = (Cascade::new(41.0, 8.0, -1.0), Cascade::new(41.0, 8.0, 3.0));
        assert!(fuller.cold_share() > roomier.cold_share());
    }
}
