//! What a way of filling costs the server, besides time.

use serde::Serialize;
use tokio_postgres::Client;

/// The counters of the server at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    wal: f64,
    heap: i64,
    indexes: i64,
    updated: i64,
    hot: i64,
}

impl Reading {
    /// Reads them; whoever wrote must be gone.
    pub async fn take(client: &Client) -> anyhow::Result<Self> {
        let row = client
            .query_one(
                "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8, pg_relation_size('task'), pg_indexes_size('task'),
                    n_tup_upd, n_tup_hot_upd
                FROM pg_stat_user_tables WHERE relid = 'task'::regclass",
                &[],
            )
            .await?;
        Ok(Reading {
            wal: row.try_get(0)?,
            heap: row.try_get(1)?,
            indexes: row.try_get(2)?,
            updated: row.try_get(3)?,
            hot: row.try_get(4)?,
        })
    }
}

/// The difference between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Bytes of write-ahead log.
    pub wal_bytes: f64,
    /// Bytes of the heap, before and after.
    pub heap_bytes: [i64; 2],
    /// Bytes of all its indexes, before and after.
    pub index_bytes: [i64; 2],
    /// Row versions written by updates.
    pub updated: i64,
    /// Those of them that needed no index entry.
    pub hot: i64,
}

impl Cost {
    /// What happened between two readings.
    pub fn between(before: Reading, after: Reading) -> Self {
        Cost {
            wal_bytes: after.wal - before.wal,
            heap_bytes: [before.heap, after.heap],
            index_bytes: [before.indexes, after.indexes],
            updated: after.updated - before.updated,
            hot: after.hot - before.hot,
        }
    }

    /// How much the heap has grown, as after / before.
    pub fn heap_growth(&self) -> f64 {
        growth(self.heap_bytes)
    }

    /// How much the indexes have grown, as after / before.
    pub fn index_growth(&self) -> f64 {
        growth(self.index_bytes)
    }

    /// The share of updates that needed no index entry; nothing where nothing was updated.
    #[expect(clippy::cast_precision_loss, reason = "rows")]
    pub fn hot_share(&self) -> Option<f64> {
        (self.updated > 0).then(|| self.hot as f64 / self.updated as f64)
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a table")]
fn growth([before, after]: [i64; 2]) -> f64 {
    after as f64 / before as f64
}
