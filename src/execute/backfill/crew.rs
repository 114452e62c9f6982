//! The workers of a backfill, and what they do while its last ranges are under way: the tables after it.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::job::Job;
use super::turn::Turn;
use crate::error::Failure;
use crate::event::Event;
use crate::execute::run::Driver;

/// Backfills whose workers help each other out. The first one is what the run waits for.
pub(super) struct Crew<'c, 's>(pub(super) &'c [Job<'s>]);

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// It found nothing more to do, or was one too many.
    Left,
    /// It could not connect.
    Missing,
}

impl<'c, 's> Crew<'c, 's> {
    /// The next turn, of the first backfill if it has one. The others are only helped while it is still under way.
    pub(super) fn turn(&self) -> Option<(&'c Job<'s>, Turn)> {
        let (first, later) = self.0.split_first()?;
        if let Some(turn) = first.turn() {
            return Some((first, turn));
        }
        let later = if first.is_under_way() { later } else { &[] };
        later.iter().find_map(|job| Some((job, job.turn()?)))
    }

    /// How many workers find something to do, at least one.
    fn room(&self, wanted: u32) -> u32 {
        self.0.iter().map(Job::room).fold(0, u32::saturating_add).clamp(1, wanted.max(1))
    }

    /// Whether the first backfill has ranges that nobody took.
    fn has_more(&self) -> bool {
        self.0.first().is_some_and(Job::has_more)
    }

    /// Nothing is handed out any more.
    pub(super) fn close(&self) {
        self.0.iter().for_each(Job::close);
    }

    /// How many workers the script wants.
    pub(super) fn configured(&self) -> u32 {
        self.0.first().map_or(1, |job| job.work.pace.workers)
    }
}

impl Driver<'_> {
    /// Lets as many workers as are wanted and find something to do work until nothing is left; more or fewer, when that
    /// changes. Each has a session of its own; the first one has the run's.
    pub(super) async fn crew(&self, crew: &Crew<'_, '_>) -> Result<(), Failure> {
        let mut wishes = self.hold.wishes();
        let mut outcome = Ok(());
        let mut at_work = FuturesUnordered::new();
        let mut numbers = BTreeSet::new();
        let mut hiring = true;
        loop {
            if hiring {
                let wanted = crew.room(self.hold.workers(crew.configured()));
                let missing = (0..wanted).filter(|number| numbers.insert(*number)).collect::<Vec<_>>();
                at_work
                    .extend(missing.into_iter().map(|number| async move { (number, self.worker(crew, number).await) }));
            }
            tokio::select! {
                ended = at_work.next() => match ended {
                    Some((number, ended)) => {
                        numbers.remove(&number);
                        // One that was sent away may be wanted again by now; one that never came is asked for no more.
                        hiring = matches!(ended, Ok(Worker::Left)) && outcome.is_ok() && crew.has_more();
                        outcome = outcome.and(ended.map(|_| ()));
                    }
                    None => return outcome,
                },
                changed = wishes.changed() => hiring = changed.is_ok() && outcome.is_ok() && crew.has_more(),
            }
        }
    }

    /// One worker, from its first turn to its last.
    async fn worker(&self, crew: &Crew<'_, '_>, number: u32) -> Result<Worker, Failure> {
        if number == 0 {
            self.work(crew, &self.worker, number).await?;
            return Ok(Worker::Left);
        }
        match self.hire().await {
            Ok(session) => self.work(crew, &session, number).await.map(|()| Worker::Left),
            // The others do its part.
            Err(failure) => {
                self.observer.observe(&Event::WorkerMissing { worker: number, reason: failure.to_string() });
                Ok(Worker::Missing)
            }
        }
    }
}
