//! The room that the plan needs, held against the room that there is.

use bytesize::ByteSize;

use super::{Found, Kind, list};
use crate::catalog::Activity;
use crate::config::Config;
use crate::plan::Cost;

/// What costs are judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Bytes of disk that are free, where somebody said it.
    pub free: Option<u64>,
    /// Bytes of log after which a checkpoint is asked for at the latest (`max_wal_size`).
    pub max_wal_bytes: Option<u64>,
}

impl Room {
    pub(in crate::plan) fn of(config: &Config, activity: &Activity) -> Room {
        // The setting is in MB.
        let limit = activity.number("max_wal_size").and_then(|limit| u64::try_from(limit).ok());
        Room { free: config.server.free_disk, max_wal_bytes: limit.map(|limit| limit << 20) }
    }
}

/// What depends on the costs: judged again when they are counted anew.
pub(super) const JUDGED: [Kind; 3] = [Kind::DiskShort, Kind::DiskUnknown, Kind::WalSmall];

pub(super) fn tablespaces(activity: &Activity, found: &mut Found) {
    if !activity.tablespaces.is_empty() {
        let names = list(&activity.tablespaces);
        let text = format!("tables or indexes live in the tablespaces {names}: their room counts apart");
        found.tell(Kind::Tablespaces, None, text);
    }
}

pub(super) fn examine(cost: &Cost, room: &Room, found: &mut Found) {
    // Log is written for as long as somebody keeps it: at most all of it.
    let needed = cost.disk_bytes() + cost.wal_bytes;
    let unknown = match cost.unknown {
        0 => String::new(),
        tables => format!(", without {tables} tables of unknown size"),
    };
    let what = format!(
        "{} (tables and indexes {}, write-ahead log at most {}{unknown})",
        size(needed),
        size(cost.disk_bytes()),
        size(cost.wal_bytes)
    );
    match room.free {
        Some(free) if needed > free => {
            let text = format!("the plan needs {what} of disk, and {} are free", size(free));
            found.block(Kind::DiskShort, None, text, "make room, then set server.free_disk to what is free");
        }
        None if needed > 0 || cost.unknown > 0 => {
            let text =
                format!("the plan needs {what} of disk; SQL cannot see what is free: say it in server.free_disk");
            found.tell(Kind::DiskUnknown, None, text);
        }
        Some(_) | None => {}
    }
    if let Some(limit) = room.max_wal_bytes
        && cost.wal_bytes > 10 * limit
    {
        let text = format!(
            "the run writes {} of write-ahead log, more than ten times max_wal_size ({}): checkpoints come often, and every \
             page is logged whole after each",
            size(cost.wal_bytes),
            size(limit)
        );
        found.tell(Kind::WalSmall, None, text);
    }
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn said(cost: &Cost, free: Option<u64>, max_wal_bytes: u64) -> Vec<String> {
        let mut found = Found::default();
        examine(cost, &Room { free, max_wal_bytes: Some(max_wal_bytes) }, &mut found);
        let blockers = found.blockers.into_iter().map(|blocker| format!("{} {}", blocker.kind, blocker.text));
        blockers.chain(found.notices.into_iter().map(|notice| format!("{} {}", notice.kind, notice.text))).collect()
    }

    #[test]
    fn the_plan_is_blocked_where_it_needs_more_than_is_free() {
        let cost = Cost { heap_bytes: GIB, index_bytes: 2 * GIB, wal_bytes: 4 * GIB, ..Cost::default() };
        let needs = "the plan needs 7.0 GiB (tables and indexes 3.0 GiB, write-ahead log at most 4.0 GiB) of disk";
        assert_eq!(said(&cost, Some(6 * GIB), GIB), [format!("disk-short {needs}, and 6.0 GiB are free")]);
        assert_eq!(said(&cost, Some(7 * GIB), GIB), [""; 0]);
        let unsaid = format!("disk-unknown {needs}; SQL cannot see what is free: say it in server.free_disk");
        assert_eq!(said(&cost, None, GIB), [unsaid]);
        assert_eq!(said(&Cost::default(), None, GIB), [""; 0], "nothing is needed");
    }

    #[test]
    fn much_more_log_than_between_two_checkpoints_is_said() {
        let cost = Cost { wal_bytes: 4 * GIB, ..Cost::default() };
        let said = said(&cost, Some(100 * GIB), 64 << 20).concat();
        assert!(said.starts_with("wal-small the run writes 4.0 GiB of write-ahead log"), "{said}");
    }
}
