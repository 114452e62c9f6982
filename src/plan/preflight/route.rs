//! What stands between us and a primary that takes writes: poolers, standbys, a read-only server.

use super::{Found, Kind, Surroundings};

pub(super) fn examine(around: &Surroundings<'_>, found: &mut Found) {
    let activity = around.activity;
    let route = activity.route;
    if route.switches_backends {
        let text = "a transaction pooler stands between: another backend answered in the middle of the session, or it had \
                    forgotten its settings; migrate refuses that, since it would lose its lock too";
        found.tell(Kind::Pooler, None, text);
    } else if let Some(dialled) = route.dialled
        && route.reached != Some(dialled)
        && activity.was_read()
    {
        let reached = route.reached.map_or_else(|| "a Unix socket".to_owned(), |port| format!("port {port}"));
        let text = format!(
            "port {dialled} was dialled, and the server was reached at {reached}: something stands between; if it is a \
             pooler, it must be in session mode"
        );
        found.tell(Kind::PoolerSuspected, None, text);
    }
    if activity.in_recovery {
        found.tell(Kind::Standby, None, "the server is a standby: migrate needs the primary");
    } else if activity.settings.get("default_transaction_read_only").is_some_and(|value| value == "on") {
        let text = "default_transaction_read_only is on: where the server itself says so (a full disk, on managed \
                    servers), migrate refuses";
        found.tell(Kind::ReadOnly, None, text);
    }
}
