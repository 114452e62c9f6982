//! The room that the plan needs, held against the room that there is.

use bytesize::ByteSize;

use super::{Found, Kind, list};
use crate::catalog::Activity;
use crate::plan::Cost;

pub(super) fn examine(cost: &Cost, free: Option<u64>, activity: &Activity, found: &mut Found) {
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
    match free {
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
    if !activity.tablespaces.is_empty() {
        let names = list(&activity.tablespaces);
        found.tell(
            Kind::Tablespaces,
            None,
            format!("tables or indexes live in the tablespaces {names}: their room counts apart"),
        );
    }
    // The setting is in MB.
    if let Some(limit) = activity.number("max_wal_size").and_then(|limit| u64::try_from(limit).ok())
        && cost.wal_bytes > 10 * (limit << 20)
    {
        let text = format!(
            "the run writes {} of write-ahead log, more than ten times max_wal_size ({}): checkpoints come often, and every \
             page is logged whole after each",
            size(cost.wal_bytes),
            size(limit << 20)
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

    fn said(cost: &Cost, free: Option<u64>, max_wal_size: &str) -> Vec<String> {
        let settings = [("max_wal_size".to_owned(), max_wal_size.to_owned())].into();
        let mut found = Found::default();
        examine(cost, free, &Activity { settings, ..Activity::default() }, &mut found);
        let blockers = found.blockers.into_iter().map(|blocker| format!("{} {}", blocker.kind, blocker.text));
        blockers.chain(found.notices.into_iter().map(|notice| format!("{} {}", notice.kind, notice.text))).collect()
    }

    #[test]
    fn the_plan_is_blocked_where_it_needs_more_than_is_free() {
        let cost = Cost { heap_bytes: GIB, index_bytes: 2 * GIB, wal_bytes: 4 * GIB, ..Cost::default() };
        let needs = "the plan needs 7.0 GiB (tables and indexes 3.0 GiB, write-ahead log at most 4.0 GiB) of disk";
        assert_eq!(said(&cost, Some(6 * GIB), "1024"), [format!("disk-short {needs}, and 6.0 GiB are free")]);
        assert_eq!(said(&cost, Some(7 * GIB), "1024"), [""; 0]);
        let unsaid = format!("disk-unknown {needs}; SQL cannot see what is free: say it in server.free_disk");
        assert_eq!(said(&cost, None, "1024"), [unsaid]);
        assert_eq!(said(&Cost::default(), None, "1024"), [""; 0], "nothing is needed");
    }

    #[test]
    fn much_more_log_than_between_two_checkpoints_is_said() {
        let cost = Cost { wal_bytes: 4 * GIB, ..Cost::default() };
        let said = said(&cost, Some(100 * GIB), "64").concat();
        assert!(said.starts_with("wal-small the run writes 4.0 GiB of write-ahead log"), "{said}");
    }
}
