//! Many writers at once under few parents: nobody fails, nobody waits for another one's count, and every row is counted.

use std::time::{Duration, Instant};

use super::{ADD, Target, applications, converted, counted};

const WRITERS: usize = 32;
const LASTS: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_are_counted_without_an_error() {
    let database = converted(Target::End).await;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let client = database.client(&format!("app {}", number % 4)).await;
        writers.push(tokio::spawn(async move {
            let (started, mut times) = (Instant::now(), Vec::new());
            while started.elapsed() < LASTS {
                let sent = Instant::now();
                client.batch_execute(ADD).await.unwrap();
                times.push(sent.elapsed());
            }
            times
        }));
    }
    let mut times = Vec::new();
    for writer in writers {
        times.extend(writer.await.unwrap());
    }
    assert_eq!(counted(&database).await, i64::try_from(times.len()).unwrap());
    assert_eq!(applications(&database).await, ["app 0", "app 1", "app 2", "app 3"]);
    let noted = database.number("SELECT count(*) FROM tenantctl.filled_for").await;
    assert!(noted <= 2 * i64::try_from(WRITERS).unwrap(), "{noted} names of four applications");
    times.sort();
    tell(&times);
}

#[expect(clippy::print_stderr, reason = "a measurement, not an assertion")]
fn tell(times: &[Duration]) {
    let at = |share: usize| times[times.len() * share / 100];
    eprintln!("counted crowd: {} rows, median {:?}, p95 {:?}", times.len(), at(50), at(95));
}

/// The same lock as a count's: a transaction that stays open holds up nobody.
#[tokio::test]
async fn a_transaction_that_stays_open_keeps_no_other_writer_waiting() {
    let database = converted(Target::End).await;
    let (open, other) = (database.client("same").await, database.client("same").await);
    open.batch_execute(&format!("BEGIN; {ADD}")).await.unwrap();
    other.batch_execute(&format!("SET statement_timeout = '5s'; {ADD}")).await.unwrap();
    open.batch_execute("COMMIT").await.unwrap();
    assert_eq!(counted(&database).await, 2);
}
