//! Who reads the write-ahead log, how far behind, and what is kept for whom.

use std::time::Duration;

use bytesize::ByteSize;

use super::{Found, Kind};
use crate::catalog::{Activity, Replica};

/// A replica that is further behind than this before the run will hardly keep up with it.
const LAG: Duration = Duration::from_secs(10);
/// The same in bytes of write-ahead log: four segments.
const LAG_BYTES: u64 = 64 << 20;

pub(super) fn examine(activity: &Activity, found: &mut Found) {
    slots(activity, found);
    for replica in activity.replicas.iter().filter(|replica| replica.lag > LAG || replica.lag_bytes > LAG_BYTES) {
        found.tell(Kind::ReplicaLags, None, lagging(replica));
    }
    for replica in activity.replicas.iter().filter(|replica| replica.holds_rows) {
        let text =
            format!("hot_standby_feedback of the replica {:?} holds dead rows back from VACUUM here", replica.name);
        found.tell(Kind::HorizonHeld, None, text);
    }
    if activity.archiver_failing {
        let text = "the archiver fails: write-ahead log piles up until its command works again";
        found.tell(Kind::ArchiverFailing, None, text);
    }
}

fn slots(activity: &Activity, found: &mut Found) {
    for slot in activity.slots.iter().filter(|slot| !slot.active) {
        let kept = ByteSize::b(slot.retained_bytes).display().iec();
        let what = if slot.logical { "logical slot" } else { "slot" };
        let text = format!(
            "nobody reads the {what} {:?}: it keeps {kept} of write-ahead log, and all that the run writes",
            slot.name
        );
        found.tell(Kind::SlotInactive, None, text);
    }
    // -1 is without limit.
    if !activity.slots.is_empty() && activity.number("max_slot_wal_keep_size").is_some_and(|limit| limit < 0) {
        let text =
            "max_slot_wal_keep_size is not set: a slot whose reader stops keeps write-ahead log until the disk is full";
        found.tell(Kind::SlotUnlimited, None, text);
    }
    for slot in activity.slots.iter().filter(|slot| slot.holds_rows && !slot.active) {
        let text = format!("the slot {:?} holds dead rows back from VACUUM", slot.name);
        found.tell(Kind::HorizonHeld, None, text);
    }
}

fn lagging(replica: &Replica) -> String {
    let waits = if replica.synchronous { "; commits wait for it" } else { "" };
    format!(
        "the replica {:?} is {} and {} behind already{waits}",
        replica.name,
        humantime::format_duration(Duration::from_secs(replica.lag.as_secs())),
        ByteSize::b(replica.lag_bytes).display().iec()
    )
}
