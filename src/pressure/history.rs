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
        on.filter_map(|signal| Some((signal, self.signal(signal, now, look)?))).collect()
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
    fn signal(&mut self, signal: Signal, now: Duration, look: &Look) -> Option<Reading> {
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
            Signal::SlotWal => self.slots(&sights.slots),
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
    fn slots(&self, slots: &[Slot]) -> Reading {
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
        let near = |seen: &Seen| seen.value / seen.closer_limit.unwrap_or(f64::MAX);
        let worst = slots
            .iter()
            .filter_map(seen)
            .max_by(|one, other| near(one).total_cmp(&near(other)).then(one.value.total_cmp(&other.value)));
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
