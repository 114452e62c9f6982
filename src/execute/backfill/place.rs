//! Where a table's blocks are, so that a position in it means something.

use crate::error::Failure;
use crate::pg::{Session, get};
use crate::sql::Backfill;
use crate::sql::bookkeeping::timeline;

/// VACUUM FULL, CLUSTER, a restore or a failover make another place of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The table's oid.
    pub(super) table_oid: i64,
    /// Its file.
    pub(super) file_node: i64,
    /// The timeline that the server writes on.
    pub(super) timeline: String,
}

impl Place {
    /// Where the table is now, and how many blocks it has; read after the filler was committed, so rows beyond that end
    /// have an owner.
    pub(super) async fn of(session: &Session, work: &Backfill) -> Result<(Place, i64), Failure> {
        let row = session.one(&work.extent, &[]).await?;
        let timeline: String = get(&session.one(&timeline(), &[]).await?, 0)?;
        Ok((Place { table_oid: get(&row, 0)?, file_node: get(&row, 1)?, timeline }, get(&row, 2)?))
    }
}
