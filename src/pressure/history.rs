//! What one look does not tell: who was there when the run began, how long a replica has been behind or silent, how long
//! a slot has held a transaction.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::look::{Look, Replica, Sights, Slot, Trouble};
use super::{Reading, Readings, Seen, Signal};
use crate::catalog::LockHolder;
use crate::config::ThrottleLimits;

/// A replica reports at least every ten seconds by default. One that is silent for longer is behind by its silence.
const SILENCE: Duration = Duration::from_secs(15);
/// For how many looks it is remembered where the log was.
const POSITIONS: usize = 3600;
/// Of how many commits the median counts: one slow one is not a trend.
const COMMITS: usize = 3;
/// A slot is given up by the server at some size; this part of it is our limit.
const BEFORE_GIVEN_UP: f64 = 0.75;

/// What was seen so far. Times count from the first look.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// How many replicas of each name there were at the first look, and which slots that somebody read.
    first: Option<(BTreeMap<String, usize>, BTreeSet<String>)>,
    /// When the log was where.
    positions: VecDeque<(Duration, u64)>,
    /// When each replica's sender last heard of it, and what it heard.
    heard: BTreeMap<i32, (Option<String>, Duration)>,
    /// Since when each replica or slot holds which transaction.
    held: BTreeMap<String, (String, Duration)>,
    commits: VecDeque<f64>,
}

impl History {
    /// Takes a look in, and reads every signal that is on.
    pub fn read(&mut self, now: Duration, look: &Look, limits: &ThrottleLimits) -> Readings {
        if let Ok(sights) = &look.sights {
            self.remember(now, sights);
        }
        let on = Signal::ALL.into_iter().filter(|signal| signal.is_on(limits));
        on.filter_map(|signal| Some((signal, self.signal(signal, now, look, limits)?))).collect()
    }

    fn remember(&mut self, now: Duration, sights: &Sights) {
        if self.first.is_none() {
            // To drop a slot that nobody reads is to mend it.
            let read = sights.slots.iter().filter(|slot| slot.active && !slot.lost);
            let slots = read.map(|slot| slot.name.clone()).collect();
            self.first = Some((by_name(&sights.replicas), slots));
        }
        if self.positions.back().is_none_or(|(_, last)| *last < sights.position) {
            self.positions.push_back((now, sights.position));
        }
        if self.positions.len() > POSITIONS {
            self.positions.pop_front();
        }
        self.heard.retain(|pid, _| sights.replicas.iter().any(|replica| replica.pid == *pid));
        for replica in &sights.replicas {
            let heard = self.heard.entry(replica.pid).or_insert_with(|| (replica.reported.clone(), now));
            if heard.0 != replica.reported {
                *heard = (replica.reported.clone(), now);
            }
        }
        let holders: Vec<(String, &String)> = holders(sights).collect();
        self.held.retain(|whom, (what, _)| holders.iter().any(|(holder, held)| holder == whom && *held == what));
        for (whom, what) in holders {
            self.held.entry(whom).or_insert_with(|| (what.clone(), now));
        }
    }

    /// Nothing where it was not asked for.
    fn signal(&mut self, signal: Signal, now: Duration, look: &Look, limits: &ThrottleLimits) -> Option<Reading> {
        let asked = |answer: &Option<Result<f64, Trouble>>| answer.clone();
        match signal {
            Signal::CommitLatency => {
                let latency = asked(&look.commit)?.map(|latency| self.median(latency));
                return Some(answered(signal, latency, ""));
            }
            Signal::Probe => return Some(answered(signal, asked(&look.probe)?, "")),
            _ => {}
        }
        let sights = match &look.sights {
            Ok(sights) => sights,
            Err(trouble) => return Some(troubled(signal, trouble)),
        };
        let grant = || Reading::Forbidden { grant: format!("GRANT pg_monitor TO {}", sights.role) };
        Some(match signal {
            Signal::ReplicaLag | Signal::ReplicaBytes if sights.hidden_replicas => grant(),
            Signal::ReplicaLag | Signal::ReplicaBytes => self.replicas(signal, now, sights),
            Signal::SlotWal => self.slots(&sights.slots, signal.limit(limits)?),
            Signal::ArchiveBacklog if !sights.archives => Reading::Absent,
            Signal::ArchiveBacklog if !sights.lists_archive => grant(),
            Signal::ArchiveBacklog => {
                #[expect(clippy::cast_precision_loss, reason = "there are not that many files")]
                let backlog = look.backlog.clone()?.map(|segments| segments as f64);
                answered(signal, backlog, "")
            }
            Signal::LockWaiters => {
                let first = sights.waiters.first.as_ref();
                let whom = first.map(|first| format!("pid {} ({})", first.pid, first.application));
                Seen::of(number(sights.waiters.count), whom.unwrap_or_default())
            }
            Signal::ActiveSessions | Signal::Autovacuum | Signal::Snapshot if !sights.sees_all => grant(),
            Signal::ActiveSessions => Seen::of(number(sights.active_sessions), ""),
            Signal::Autovacuum => match sights.vacuums.first() {
                None => Seen::of(0.0, ""),
                Some(vacuum) if vacuum.automatic => Seen::of(1.0, format!("autovacuum works on {}", vacuum.table)),
                Some(vacuum) => Seen::of(1.0, format!("pid {} vacuums {}", vacuum.pid, vacuum.table)),
            },
            Signal::Snapshot => self.snapshot(now, sights),
            Signal::CommitLatency | Signal::Probe => return None,
        })
    }

    /// The replica that is furthest behind, unless one is missing.
    fn replicas(&self, signal: Signal, now: Duration, sights: &Sights) -> Reading {
        let there = by_name(&sights.replicas);
        let first = self.first.as_ref().map(|(replicas, _)| replicas);
        let gone = first.into_iter().flatten().find(|(name, count)| there.get(*name).unwrap_or(&0) < count);
        if let Some((name, _)) = gone {
            return Reading::Failing { why: format!("replica {name:?} was there when the run began and is gone") };
        }
        let behind = |replica: &Replica| match signal {
            // One that has not said anything yet has only just come.
            Signal::ReplicaBytes => number(replica.position.map_or(0, |here| sights.position.saturating_sub(here))),
            _ => self.lag(now, sights, replica),
        };
        let values = sights.replicas.iter().map(|replica| (behind(replica), &replica.name));
        match values.max_by(|one, other| one.0.total_cmp(&other.0)) {
            Some((value, name)) => Seen::of(value, format!("replica {name:?}")),
            None => Reading::Absent,
        }
    }

    /// How long ago the log passed the point that the replica is at. The server's own word is stale while the replica is
    /// silent, and forgets in between; but it knows what was before the first look.
    fn lag(&self, now: Duration, sights: &Sights, replica: &Replica) -> f64 {
        let position = replica.position.unwrap_or(sights.position);
        if position >= sights.position {
            return 0.0;
        }
        let heard = self.heard.get(&replica.pid).map_or(now, |(_, when)| *when);
        let until = if now.saturating_sub(heard) > SILENCE { now } else { heard };
        let passed = self.positions.iter().find(|(_, log)| *log > position);
        let by_log = passed.map_or(0.0, |(when, _)| until.saturating_sub(*when).as_secs_f64());
        by_log.max(replica.lag_seconds.unwrap_or(0.0))
    }

    /// The slot that is nearest to its limit, unless one is missing.
    fn slots(&self, slots: &[Slot], limit: f64) -> Reading {
        let kept = |name: &String| slots.iter().any(|slot| slot.name == *name && !slot.lost);
        let first = self.first.as_ref().map(|(_, slots)| slots);
        if let Some(name) = first.into_iter().flatten().find(|name| !kept(name)) {
            let lost = slots.iter().any(|slot| slot.name == *name);
            let what =
                if lost { "was given up by the server since the run began" } else { "is gone since the run began" };
            return Reading::Failing { why: format!("slot {name:?} {what}") };
        }
        let seen = |slot: &Slot| {
            let unread = if slot.active { "" } else { ", which nobody reads," };
            Some(Seen {
                value: number(slot.retained?),
                whom: format!("slot {:?}{unread}", slot.name),
                closer_limit: slot.given_up_at.map(|bytes| number(bytes) * BEFORE_GIVEN_UP),
            })
        };
        let near = |seen: &Seen| seen.value / seen.closer_limit.map_or(limit, |closer| closer.min(limit));
        let worst = slots.iter().filter_map(seen).max_by(|one, other| near(one).total_cmp(&near(other)));
        worst.map_or(Reading::Absent, Reading::Value)
    }

    /// What has kept dead rows for longest: a session, or a transaction that a replica or slot holds.
    fn snapshot(&self, now: Duration, sights: &Sights) -> Reading {
        let session = |holder: &LockHolder| {
            let whom = match holder.pid {
                0 => format!("the prepared transaction {:?}", holder.application),
                pid => format!("pid {pid} ({}, {})", holder.application, holder.state),
            };
            (holder.open_for.as_secs_f64(), whom)
        };
        let held = self.held.iter().map(|(whom, (_, since))| (now.saturating_sub(*since).as_secs_f64(), whom.clone()));
        let oldest = held.chain(sights.oldest.as_ref().map(session)).max_by(|one, other| one.0.total_cmp(&other.0));
        oldest.map_or_else(|| Seen::of(0.0, ""), |(age, whom)| Seen::of(age, whom))
    }

    fn median(&mut self, latency: f64) -> f64 {
        self.commits.push_back(latency);
        if self.commits.len() > COMMITS {
            self.commits.pop_front();
        }
        let mut sorted: Vec<f64> = self.commits.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        // Of two the smaller: the second may be the first of a bad minute, or the only one.
        sorted.get((sorted.len() - 1) / 2).copied().unwrap_or(latency)
    }
}

/// Who holds which transaction, replicas by their names.
fn holders(sights: &Sights) -> impl Iterator<Item = (String, &String)> {
    let replicas = sights.replicas.iter().map(|replica| (format!("replica {:?}", replica.name), &replica.holds));
    let slots = sights.slots.iter().map(|slot| (format!("slot {:?}", slot.name), &slot.holds));
    replicas.chain(slots).filter_map(|(whom, holds)| Some((whom, holds.as_ref()?)))
}

fn by_name(replicas: &[Replica]) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for replica in replicas {
        *names.entry(replica.name.clone()).or_insert(0) += 1;
    }
    names
}

fn answered(signal: Signal, answer: Result<f64, Trouble>, whom: &str) -> Reading {
    match answer {
        Ok(value) => Seen::of(value, whom),
        Err(trouble) => troubled(signal, &trouble),
    }
}

fn troubled(signal: Signal, trouble: &Trouble) -> Reading {
    match trouble {
        Trouble::Forbidden(grant) => Reading::Forbidden { grant: grant.clone() },
        Trouble::Failing(why) => Reading::Failing { why: format!("{signal} cannot be read: {why}") },
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of log may be off by one beyond petabytes")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config;

    const MIB: u64 = 1 << 20;

    /// What every signal reads from looks at these seconds; nothing is off.
    fn read(looks: Vec<(u64, Sights)>, signal: Signal) -> Vec<String> {
        let text = "[throttle]\nactive_sessions = 10\n[throttle.probe]\nsql = \"SELECT 1\"\nlimit = 1";
        let limits = config::parse(text, "t.toml").unwrap().throttle;
        let mut history = History::default();
        let read = |(second, sights)| {
            let look = Look { sights: Ok(sights), backlog: Some(Ok(3)), commit: None, probe: Some(Ok(0.5)) };
            match history.read(Duration::from_secs(second), &look, &limits).remove(&signal) {
                Some(Reading::Value(seen)) => format!("{} {}", seen.value, seen.whom).trim().to_owned(),
                Some(Reading::Failing { why }) => why,
                Some(Reading::Forbidden { grant }) => grant,
                Some(Reading::Absent) => "absent".to_owned(),
                None => "off".to_owned(),
            }
        };
        looks.into_iter().map(read).collect()
    }

    fn sights(position: u64, replicas: Vec<Replica>, slots: Vec<Slot>) -> Sights {
        Sights {
            sees_all: true,
            lists_archive: true,
            role: "app".into(),
            position,
            replicas,
            slots,
            ..Sights::default()
        }
    }

    fn replica(name: &str, position: u64, reported: &str) -> Replica {
        Replica {
            pid: 7,
            name: name.to_owned(),
            position: Some(position),
            lag_seconds: None,
            reported: Some(reported.to_owned()),
            holds: None,
        }
    }

    fn slot(name: &str, retained: u64) -> Slot {
        Slot {
            name: name.to_owned(),
            active: true,
            retained: Some(retained),
            given_up_at: None,
            lost: false,
            holds: None,
        }
    }

    #[test]
    fn a_replica_is_behind_since_the_log_passed_it() {
        let at = |log, replica_at, reported| sights(log, vec![replica("a", replica_at, reported)], vec![]);
        let looks = vec![
            (0, at(100, 100, "0")),
            (10, at(200, 100, "10")),
            // It is paused at 100, and reports that it is.
            (14, at(300, 100, "14")),
            // It passed 200 and not 300.
            (15, at(300, 250, "15")),
            (16, at(300, 300, "16")),
            // The log goes on, and nothing is heard any more: that is no lag at first.
            (17, at(400, 300, "16")),
            (20, at(400, 300, "16")),
            (40, at(400, 300, "16")),
        ];
        let lags = ["0", "0", "4", "1", "0", "0", "0", "23"].map(|lag| format!("{lag} replica \"a\""));
        assert_eq!(read(looks, Signal::ReplicaLag), lags);
    }

    #[test]
    fn what_the_server_knows_of_the_time_before_counts() {
        let behind = Replica { lag_seconds: Some(95.0), ..replica("a", 50, "0") };
        let caught_up = Replica { position: Some(100), ..behind.clone() };
        let looks = vec![(0, sights(100, vec![behind], vec![])), (1, sights(100, vec![caught_up], vec![]))];
        assert_eq!(read(looks, Signal::ReplicaLag), ["95 replica \"a\"", "0 replica \"a\""]);
    }

    #[test]
    fn the_replica_with_most_left_counts_and_one_that_has_not_said_anything_does_not() {
        let new = Replica { position: None, ..replica("new", 0, "0") };
        let both = vec![replica("near", 90, "0"), replica("far", 10, "0"), new];
        assert_eq!(read(vec![(0, sights(100, both, vec![]))], Signal::ReplicaBytes), ["90 replica \"far\""]);
    }

    #[test]
    fn a_replica_or_slot_that_was_there_and_is_gone_fails_and_one_that_never_was_does_not() {
        let none = || sights(1, vec![], vec![]);
        let twice = || vec![replica("a", 1, "0"), replica("a", 1, "0")];
        let gone = "replica \"a\" was there when the run began and is gone";
        let one = sights(1, vec![replica("a", 1, "0")], vec![]);
        let looks = vec![(0, sights(1, twice(), vec![])), (1, one), (2, sights(1, twice(), vec![])), (3, none())];
        assert_eq!(read(looks, Signal::ReplicaLag), ["0 replica \"a\"", gone, "0 replica \"a\"", gone]);
        let looks = vec![(0, none()), (1, sights(1, vec![replica("a", 1, "0")], vec![])), (2, none())];
        assert_eq!(read(looks, Signal::ReplicaLag), ["absent", "0 replica \"a\"", "absent"]);

        let unread = Slot { active: false, ..slot("unread", 5) };
        let lost = Slot { lost: true, retained: None, ..slot("s", 0) };
        let with = |slots| sights(1, vec![], slots);
        let looks = vec![
            (0, with(vec![slot("s", 9), unread])),
            (1, with(vec![slot("s", 9)])),
            (2, with(vec![lost])),
            (3, none()),
        ];
        let read = read(looks, Signal::SlotWal);
        assert_eq!(read[..2], ["9 slot \"s\"", "9 slot \"s\""]);
        assert_eq!(read[2], "slot \"s\" was given up by the server since the run began");
        assert_eq!(read[3], "slot \"s\" is gone since the run began");
    }

    #[test]
    fn the_slot_that_is_nearest_to_its_own_end_counts() {
        let near = Slot { given_up_at: Some(40 * MIB), ..slot("near", 30 * MIB) };
        let looks = vec![(0, sights(1, vec![], vec![slot("far", 999 * MIB), near]))];
        assert_eq!(read(looks, Signal::SlotWal), [format!("{} slot \"near\"", 30 * MIB)]);
    }

    #[test]
    fn a_transaction_that_a_slot_or_replica_holds_is_as_old_as_we_have_seen_it() {
        let held = |by: Option<&str>| Slot { holds: by.map(str::to_owned), ..slot("s", 1) };
        let at = |by| sights(1, vec![], vec![held(by)]);
        let looks = vec![(0, at(Some("700"))), (60, at(Some("700"))), (61, at(Some("701"))), (70, at(None))];
        assert_eq!(read(looks, Signal::Snapshot), ["0 slot \"s\"", "60 slot \"s\"", "0 slot \"s\"", "0"]);
        let session = |pid, application: &str| LockHolder {
            pid,
            application: application.to_owned(),
            state: "active".to_owned(),
            open_for: Duration::from_secs(30),
        };
        let with = |oldest| vec![(0, Sights { oldest: Some(oldest), ..at(None) })];
        assert_eq!(read(with(session(4711, "pg_dump")), Signal::Snapshot), ["30 pid 4711 (pg_dump, active)"]);
        assert_eq!(read(with(session(0, "left")), Signal::Snapshot), ["30 the prepared transaction \"left\""]);
    }

    #[test]
    fn what_the_role_may_not_see_is_forbidden_only_where_it_is_there() {
        let blind = Sights { sees_all: false, lists_archive: false, archives: true, ..sights(1, vec![], vec![]) };
        let signal = |signal| read(vec![(0, blind.clone())], signal).concat();
        let grant = "GRANT pg_monitor TO app";
        for forbidden in [Signal::ArchiveBacklog, Signal::ActiveSessions, Signal::Autovacuum, Signal::Snapshot] {
            assert_eq!(signal(forbidden), grant, "{forbidden}");
        }
        assert_eq!(signal(Signal::ReplicaLag), "absent");
        assert_eq!(signal(Signal::LockWaiters), "0");
        assert_eq!(signal(Signal::CommitLatency), "off", "nobody asked");
        let hidden = Sights { hidden_replicas: true, ..blind.clone() };
        assert_eq!(read(vec![(0, hidden)], Signal::ReplicaBytes), [grant]);
        assert_eq!(read(vec![(0, Sights { archives: false, ..blind.clone() })], Signal::ArchiveBacklog), ["absent"]);
    }

    #[test]
    fn one_slow_commit_is_no_trend() {
        let mut history = History::default();
        assert_eq!(
            [0.9, 0.01, 0.9, 0.9, 0.01, 0.01].map(|took| history.median(took)),
            [0.9, 0.01, 0.9, 0.9, 0.9, 0.01]
        );
    }

    #[test]
    fn while_nobody_can_look_every_signal_fails() {
        let limits = config::parse("", "t.toml").unwrap().throttle;
        let broken = || Trouble::Failing("the connection broke".to_owned());
        let look = Look { sights: Err(broken()), backlog: None, commit: Some(Err(broken())), probe: None };
        let readings = History::default().read(Duration::ZERO, &look, &limits);
        assert_eq!(readings.len(), 8);
        let why = Reading::Failing { why: "snapshot cannot be read: the connection broke".to_owned() };
        assert_eq!(readings[&Signal::Snapshot], why);
        assert!(readings.values().all(|reading| matches!(reading, Reading::Failing { .. })));
    }
}
