//! Who is at work right now and would hold the run up, or the room that it leaves.

use std::time::Duration;

use super::{Found, Kind, Surroundings};

pub(super) fn examine(around: &Surroundings<'_>, found: &mut Found) {
    let activity = around.activity;
    for transaction in &activity.transactions {
        if transaction.session.open_for >= around.config.server.long_transaction {
            let waits = match transaction.snapshot {
                true => {
                    "DDL on its tables and every CREATE INDEX CONCURRENTLY wait for it, and VACUUM frees nothing \
                         that it may still see"
                }
                false => "DDL on its tables waits for it",
            };
            found.tell(
                Kind::LongTransaction,
                None,
                format!("a long transaction: {}; {waits}", transaction.session.describe()),
            );
        }
    }
    for prepared in &activity.prepared {
        let text = format!(
            "a prepared transaction {:?} has been there for {}: DDL on its tables and CREATE INDEX CONCURRENTLY wait until \
             somebody commits it or rolls it back",
            prepared.name,
            humantime::format_duration(Duration::from_secs(prepared.open_for.as_secs()))
        );
        found.tell(Kind::PreparedTransaction, None, text);
    }
    for vacuum in &activity.vacuums {
        match (vacuum.automatic, vacuum.wraparound) {
            (_, true) => found.tell(
                Kind::WraparoundVacuum,
                Some(&vacuum.table),
                "an autovacuum against wraparound works on it right now, which does not let go for DDL",
            ),
            (true, false) => found.tell(
                Kind::VacuumRunning,
                Some(&vacuum.table),
                "autovacuum works on it right now and lets go as soon as a step waits for it",
            ),
            (false, false) => found.tell(
                Kind::VacuumRunning,
                Some(&vacuum.table),
                "somebody's VACUUM works on it right now; every step that changes it waits for its end",
            ),
        }
    }
    for table in &activity.aged {
        let text = "its next autovacuum is one against wraparound, which does not let go for DDL";
        found.tell(Kind::WraparoundVacuum, Some(table), text);
    }
}
