//! The whole comparison, run by run.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::meter::{Cost, Reading};
use super::options::{Options, Part};
use super::proof;
use super::results::{Outcome, Run};
use super::rivals::{Place, Rival, Span};
use super::scenario::Scenario;
use super::server::Server;
use super::writer::Writer;

/// The least time that an application is watched: percentiles of a few transactions say nothing.
const SHORTEST: Duration = Duration::from_secs(2);

/// Everything that a run needs.
pub struct Session<'a> {
    /// What the operator wants.
    pub options: &'a Options,
    /// The server.
    pub server: &'a Server,
    /// The ways.
    pub rivals: &'a [Rival],
}

impl Session<'_> {
    /// Measures one scenario; `tell` hears of every run.
    ///
    /// # Errors
    /// The tables could not be made. A way that fails is an outcome, not an error.
    pub async fn measure(&self, scenario: &Scenario, mut tell: impl FnMut(Run)) -> anyhow::Result<()> {
        self.server.fill(scenario).await.with_context(|| format!("making the tables of {}", scenario.name))?;
        let mut order: Vec<&Rival> = self.rivals.iter().collect();
        for part in [Part::Idle, Part::Writer, Part::Memory] {
            for round in 1..=self.rounds(part) {
                fastrand::shuffle(&mut order);
                if part == Part::Writer {
                    let outcome = self.baseline(scenario).await.unwrap_or_else(failed);
                    tell(Run {
                        scenario: scenario.clone(),
                        rival: None,
                        title: "the application alone",
                        round,
                        outcome,
                    });
                }
                for rival in &order {
                    if let Some(outcome) = self.one(scenario, rival, part).await.unwrap_or_else(|why| Some(failed(why)))
                    {
                        let (rival, title) = (Some(rival.name()), rival.title());
                        tell(Run { scenario: scenario.clone(), rival, title, round, outcome });
                    }
                }
            }
        }
        Ok(())
    }

    fn rounds(&self, part: Part) -> u32 {
        match part {
            _ if !self.options.wants(part) => 0,
            Part::Idle => self.options.rounds,
            Part::Writer => self.options.writer_rounds,
            Part::Memory => 1,
        }
    }

    /// One run on a fresh copy; nothing where this part does not concern this way.
    async fn one(&self, scenario: &Scenario, rival: &Rival, part: Part) -> anyhow::Result<Option<Outcome>> {
        let concerned = match part {
            Part::Idle => true,
            Part::Writer => rival.is_online(),
            Part::Memory => rival.is_program(),
        };
        if !concerned {
            return Ok(None);
        }
        let database = self.server.copy(scenario).await?;
        let place = Place { database: &database, scenario, backfill: &self.options.backfill };
        let run = async {
            match part {
                Part::Idle => self.idle(&place, rival).await,
                Part::Writer => self.beside_a_writer(&place, rival).await,
                Part::Memory => self.memory(&place, rival).await,
            }
        };
        let patience = self.options.patience;
        let outcome = tokio::time::timeout(patience, run).await;
        outcome.with_context(|| format!("given up after {}", humantime::format_duration(patience)))?.map(Some)
    }

    async fn idle(&self, place: &Place<'_>, rival: &Rival) -> anyhow::Result<Outcome> {
        rival.prepare(place).await?;
        place.database.settle().await?;
        let client = place.database.client().await?;
        place.database.wait_alone(&client).await?;
        let before = Reading::take(&client).await?;
        let span = rival.fill(place).await?;
        place.database.wait_alone(&client).await?;
        let after = Reading::take(&client).await?;
        rival.finish(place).await?;
        proof::check(place.database, place.scenario, rival).await?;
        Ok(Outcome::Idle { seconds: span.duration().as_secs_f64(), cost: Cost::between(before, after) })
    }

    async fn beside_a_writer(&self, place: &Place<'_>, rival: &Rival) -> anyhow::Result<Outcome> {
        rival.prepare(place).await?;
        place.database.settle().await?;
        let writer = Writer::start(place.database, place.scenario, self.options.writer_rate).await?;
        let span = rival.fill(place).await?;
        // What was over at once is still felt by whoever waited behind it.
        let felt = Span { ended: span.ended.max(span.began + SHORTEST), ..span };
        tokio::time::sleep_until(felt.ended.into()).await;
        let latency = writer.stop(felt).await?.context("it was over before the application began")?;
        rival.finish(place).await?;
        proof::check(place.database, place.scenario, rival).await?;
        Ok(Outcome::Writer { seconds: span.duration().as_secs_f64(), latency })
    }

    /// The application alone.
    async fn baseline(&self, scenario: &Scenario) -> anyhow::Result<Outcome> {
        let database = self.server.copy(scenario).await?;
        database.settle().await?;
        let writer = Writer::start(&database, scenario, self.options.writer_rate).await?;
        let began = Instant::now();
        tokio::time::sleep(self.options.baseline).await;
        let span = Span { began, ended: Instant::now() };
        let latency = writer.stop(span).await?.context("the application did nothing")?;
        Ok(Outcome::Writer { seconds: span.duration().as_secs_f64(), latency })
    }

    async fn memory(&self, place: &Place<'_>, rival: &Rival) -> anyhow::Result<Outcome> {
        place.database.settle().await?;
        let bytes = rival.peak_memory(place).await?;
        rival.finish(place).await?;
        proof::check(place.database, place.scenario, rival).await?;
        Ok(Outcome::Memory { bytes })
    }
}

fn failed(why: anyhow::Error) -> Outcome {
    Outcome::Failed { why: format!("{why:#}") }
}
