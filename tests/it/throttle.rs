//! Backfills that give way: every signal on a real server, made bad, told with its reason, and made good again.

mod probe;
mod replica;
mod rights;
mod signals;
mod standby;

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tenantctl::config::{self, Config};
use tenantctl::event::Event;

use crate::support::run::{Outcome, Run};
use crate::support::{Database, Server, now};

/// Parents, and children of theirs in enough blocks that a backfill of them takes some dozens of batches.
const SHOP: &str = "
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers, note text NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 50) AS i;
INSERT INTO orders SELECT i, 1 + i % 50, repeat('x', 400) FROM generate_series(1, 1500) AS i;";

const STEP: &str = "backfill/public.orders/backfill";

/// A server of one's own, on which nothing else makes a signal move.
fn server(settings: &[(&str, &str)]) -> Server {
    let ours =
        [("shared_buffers", "32MB"), ("autovacuum", "off"), ("max_connections", "60"), ("log_line_prefix", "%a|")];
    Server::with(&[&ours[..], settings].concat())
}

async fn shop(server: &Server) -> Database<'_> {
    let database = server.database().await;
    database.run(SHOP).await;
    database
}

/// Only these signals, looked at often; batches of one block.
fn config(signals: &str) -> Config {
    let mut config = config::parse(
        &format!(
            "
[throttle]
every = \"100ms\"
max_pause = \"60s\"
{signals}
[tables.customers]
scope = \"tenant\"
[tables.orders]
scope = \"tenant\"
source = \"parent\"
parent = \"customers\"
backfill = \"ranges\"
"
        ),
        "t.toml",
    )
    .unwrap();
    let (wanted, all) = (config.throttle.clone(), config.throttle.without_signals());
    let named = |signal: &str| signals.contains(&format!("{signal} ="));
    config.throttle = all;
    let throttle = &mut config.throttle;
    throttle.replica_lag = wanted.replica_lag.filter(|_| named("replica_lag"));
    throttle.replica_bytes = wanted.replica_bytes.filter(|_| named("replica_bytes"));
    throttle.slot_wal = wanted.slot_wal.filter(|_| named("slot_wal"));
    throttle.archive_backlog = wanted.archive_backlog.filter(|_| named("archive_backlog"));
    throttle.lock_waiters = wanted.lock_waiters.filter(|_| named("lock_waiters"));
    throttle.active_sessions = wanted.active_sessions;
    throttle.autovacuum = wanted.autovacuum.filter(|_| named("autovacuum"));
    throttle.snapshot = wanted.snapshot.filter(|_| named("snapshot"));
    throttle.commit_latency = wanted.commit_latency.filter(|_| named("commit_latency"));
    throttle.probe = wanted.probe;
    (config.backfill.min_blocks, config.backfill.max_blocks) = (1, 1);
    config
}

/// Runs to the end; at the first pause whose reason has these words, something makes it good again.
async fn relieved(database: &Database<'_>, config: &Config, words: &str, relief: impl Fn() + Send + Sync) -> Outcome {
    let (once, slow) = (Once::new(), Slow::until(1.0));
    let run = Run::reacting(|_, event, _| {
        slow.down(event);
        if is_pause(event, words) {
            once.call_once(&relief);
        }
    });
    let outcome = run.on(database, config).await;
    assert!(outcome.is_finished(), "{:?}\n{:#?}", outcome.done, pressures(&outcome));
    assert!(once.is_completed(), "no pause for {words:?}: {:#?}", pressures(&outcome));
    assert_eq!(unowned(database).await, 0);
    outcome
}

/// Holds a run back a little after every batch until a level of pressure was told, so that it is not over before.
struct Slow {
    until: f64,
    reached: AtomicBool,
}

impl Slow {
    fn until(level: f64) -> Self {
        Slow { until: level, reached: AtomicBool::new(false) }
    }

    fn down(&self, event: &Event) {
        match event {
            Event::Pressure { level, .. } if *level >= self.until => self.reached.store(true, Ordering::Relaxed),
            Event::BatchDone { .. } if !self.reached.load(Ordering::Relaxed) => {
                now(tokio::time::sleep(Duration::from_millis(200)));
            }
            _ => {}
        }
    }
}

/// Whether everything stands still, for a reason with these words.
fn is_pause(event: &Event, words: &str) -> bool {
    matches!(event, Event::Pressure { level, reason: Some(reason), .. } if *level >= 1.0 && reason.contains(words))
}

/// Every reason that was told, with its level.
fn pressures(outcome: &Outcome) -> Vec<String> {
    let told = |event: &Event| match event {
        Event::Pressure { level, reason, .. } => Some(format!("{level:.2} {}", reason.as_deref().unwrap_or("-"))),
        _ => None,
    };
    outcome.events.iter().filter_map(told).collect()
}

/// How many batches were done between the first pause and its end.
fn batches_in_the_pause(outcome: &Outcome) -> usize {
    let paused = outcome.events.iter().skip_while(|event| !is_pause(event, "")).skip(1);
    let until = paused.take_while(|event| !matches!(event, Event::Pressure { level, .. } if *level < 1.0));
    until.filter(|event| matches!(event, Event::BatchDone { .. })).count()
}

async fn unowned(database: &Database<'_>) -> i64 {
    database.number("SELECT count(*) FROM orders WHERE tenant_id IS NULL").await
}

/// Some time in which a backfill that does not stand still would do a few batches.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}
