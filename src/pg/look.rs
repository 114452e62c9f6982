//! Looks at the server for the throttle, with questions that are cheap enough for every second.

use postgres_types::Type;
use tokio_postgres::Client;

use super::Refusal;
use crate::pressure::Sights;

const SIGHTS: &str = include_str!("queries/throttle.sql");
const BACKLOG: &str = include_str!("queries/archive_backlog.sql");

pub(super) async fn sights(client: &Client, tables: &[u32]) -> Result<Sights, Refusal> {
    let row = client.query_typed_one(SIGHTS, &[(&tables, Type::OID_ARRAY)]).await.map_err(Refusal::new)?;
    let text: &str = row.try_get("item").map_err(Refusal::new)?;
    serde_json::from_str(text).map_err(|error| Refusal::unexpected(&format!("what it should have ({error})")))
}

pub(super) async fn archive_backlog(client: &Client) -> Result<u64, Refusal> {
    let row = client.query_typed_one(BACKLOG, &[]).await.map_err(Refusal::new)?;
    row.try_get::<_, i64>("segments").map(i64::unsigned_abs).map_err(Refusal::new)
}
