//! PostgreSQL's table locks, and which of them wait for each other.

use serde::{Deserialize, Serialize};

/// The mode of a lock on a table, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LockMode {
    /// What SELECT takes.
    #[serde(rename = "AccessShareLock")]
    AccessShare,
    /// What SELECT FOR UPDATE and foreign keys' checks take.
    #[serde(rename = "RowShareLock")]
    RowShare,
    /// What INSERT, UPDATE and DELETE take.
    #[serde(rename = "RowExclusiveLock")]
    RowExclusive,
    /// What VACUUM, ANALYZE, VALIDATE and CREATE INDEX CONCURRENTLY take.
    #[serde(rename = "ShareUpdateExclusiveLock")]
    ShareUpdateExclusive,
    /// What CREATE INDEX takes.
    #[serde(rename = "ShareLock")]
    Share,
    /// What CREATE TRIGGER and ADD FOREIGN KEY take.
    #[serde(rename = "ShareRowExclusiveLock")]
    ShareRowExclusive,
    /// What REFRESH MATERIALIZED VIEW CONCURRENTLY takes.
    #[serde(rename = "ExclusiveLock")]
    Exclusive,
    /// What most of ALTER TABLE takes.
    #[serde(rename = "AccessExclusiveLock")]
    AccessExclusive,
}

impl LockMode {
    /// Whether one of the two waits while somebody else holds the other (docs, table 13.2).
    pub fn conflicts_with(self, other: LockMode) -> bool {
        use LockMode::*;
        let weakest = match self {
            AccessShare => AccessExclusive,
            RowShare => Exclusive,
            RowExclusive => Share,
            // SHARE locks bear each other, though they conflict with what is weaker and stronger.
            Share => return matches!(other, RowExclusive | ShareUpdateExclusive) || other >= ShareRowExclusive,
            ShareUpdateExclusive => ShareUpdateExclusive,
            ShareRowExclusive => RowExclusive,
            Exclusive => RowShare,
            AccessExclusive => AccessShare,
        };
        other >= weakest
    }
}

#[cfg(test)]
mod tests {
    use super::LockMode::*;

    #[test]
    fn modes_conflict_as_in_the_table_of_the_documentation() {
        let modes = [
            AccessShare,
            RowShare,
            RowExclusive,
            ShareUpdateExclusive,
            Share,
            ShareRowExclusive,
            Exclusive,
            AccessExclusive,
        ];
        let table = modes.map(|held| {
            modes.map(|wanted| if wanted.conflicts_with(held) { 'X' } else { '.' }).iter().collect::<String>()
        });
        assert_eq!(
            table,
            [".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"]
        );
    }
}
