//! The live lines at the bottom of a terminal, as text: pure, with the time and the width as arguments.
//!
//! Two lines for the whole run, up to three for a step, and one for what holds the backfills back. Where several steps are
//! in flight each has one line, and beyond [`SHOWN`] they are only counted.

use std::time::Duration;

use super::fill::Fill;
use super::progress::{Progress, Step};
use super::words;
use crate::report::human::{counted, duration};

/// So many steps in flight have a line.
const SHOWN: usize = 4;
/// So many lines may a wait or a hold take.
const WRAPPED: usize = 3;
/// A picture of the spinner lasts so long.
const TURN: Duration = Duration::from_millis(120);

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The lines now; none before a run began.
pub(super) fn lines(progress: &Progress, now: Duration, width: usize) -> Vec<String> {
    if progress.migrations == 0 {
        return Vec::new();
    }
    // The last column stays free: some terminals go to the next line when it is written.
    let page = Page { progress, now, width: width.saturating_sub(1).max(20) };
    let mut lines = page.overall();
    match progress.steps.as_slice() {
        [step] if progress.early(now).next().is_none() => lines.extend(page.alone(step)),
        steps => lines.extend(page.together(steps)),
    }
    let hold = words::hold(&progress.hold, now);
    lines.extend(hold.into_iter().flat_map(|words| page.wrapped(&words)));
    lines
}

struct Page<'a> {
    progress: &'a Progress,
    now: Duration,
    width: usize,
}

impl Page<'_> {
    /// The whole run: its migrations, and where the plan knows them its rows and its time.
    fn overall(&self) -> Vec<String> {
        let Progress { migration, migrations, name, since, .. } = self.progress;
        let bar = bar(self.progress.share(self.now), (self.width / 5).clamp(6, 24));
        let place = format!("migration {migration} of {migrations}");
        let named = format!("{place}: {name}");
        let fits = wide(&bar) + wide(&named) + 10 <= self.width;
        let at = self.row(&format!("{bar} "), &[if fits { named } else { place }], &self.clock(*since));
        let whole = words::whole(self.progress, self.now);
        if whole.is_empty() { vec![at] } else { vec![at, self.row("  ", &whole, "")] }
    }

    /// The only step in flight.
    fn alone(&self, step: &Step) -> Vec<String> {
        let title = std::slice::from_ref(&step.title);
        let mut lines = vec![self.row(&format!("{} ", self.spinner()), title, &self.clock(step.since))];
        match (&step.wait, &step.fill) {
            (Some(wait), _) => lines.extend(self.wrapped(&words::wait(wait))),
            (None, Some(fill)) => {
                let bar = bar(fill.share(), (self.width / 7).clamp(6, 16));
                let percent = percent(fill);
                let how_far = words::how_far(fill, &self.progress.hold, self.now);
                lines.push(self.row(&format!("  {bar} {percent:>4} "), &how_far, ""));
                lines.push(self.row("  ", &words::what_it_costs(fill, self.now), ""));
            }
            (None, None) => {}
        }
        lines
    }

    /// Several steps in flight, those that are helped on before their turn included, or none.
    fn together(&self, steps: &[Step]) -> Vec<String> {
        let begun = steps.iter().map(|step| self.one_of(step));
        let early = self.progress.early(self.now).map(|(subject, fill)| self.filling(&subject, fill));
        let mut lines: Vec<String> = begun.chain(early).collect();
        if let more @ 1.. = lines.len().saturating_sub(SHOWN) {
            lines.truncate(SHOWN);
            lines.push(cut(&format!("  and {}", counted(more, "more", "more")), self.width));
        }
        lines
    }

    fn one_of(&self, step: &Step) -> String {
        match (&step.wait, &step.fill) {
            (None, Some(fill)) => self.filling(&step.subject(), fill),
            (Some(wait), _) => self.named("", &step.subject(), &[words::wait(wait)]),
            (None, None) => self.named("", &step.subject(), std::slice::from_ref(&step.title)),
        }
    }

    fn filling(&self, subject: &str, fill: &Fill) -> String {
        let mut parts = words::how_far(fill, &self.progress.hold, self.now);
        // Of several, how long each still takes is worth more than its rows.
        parts.rotate_left(1);
        self.named(&percent(fill), subject, &[parts, words::what_it_costs(fill, self.now)].concat())
    }

    fn named(&self, percent: &str, subject: &str, parts: &[String]) -> String {
        self.row(&format!("{} {percent:>4} {subject}: ", self.spinner()), parts, "")
    }

    /// The parts that there is room for, the first ones first, between a start and what stands at the right end.
    fn row(&self, start: &str, parts: &[String], end: &str) -> String {
        let room = self.width.saturating_sub(wide(start) + if end.is_empty() { 0 } else { wide(end) + 1 });
        let mut said = String::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            let comma = if said.is_empty() { "" } else { ", " };
            if wide(&said) + comma.len() + wide(part) <= room {
                said = said + comma + part;
            }
        }
        if said.is_empty()
            && let Some(first) = parts.first()
        {
            said = cut(first, room);
        }
        let gap = if end.is_empty() { 0 } else { (room + 1).saturating_sub(wide(&said)) };
        let row = format!("{start}{said}{}{end}", " ".repeat(gap));
        cut(row.trim_end(), self.width)
    }

    /// A text in a few lines.
    fn wrapped(&self, text: &str) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let last = lines.len() - 1;
            let is_full = !lines[last].is_empty() && 3 + wide(&lines[last]) + wide(word) > self.width;
            if is_full && lines.len() < WRAPPED {
                lines.push(word.to_owned());
            } else {
                let space = if lines[last].is_empty() { "" } else { " " };
                lines[last] += &format!("{space}{word}");
            }
        }
        lines.iter().map(|line| cut(&format!("  {line}"), self.width)).collect()
    }

    fn spinner(&self) -> &'static str {
        let turns = (self.now.as_millis() / TURN.as_millis()) as usize;
        SPINNER[turns % SPINNER.len()]
    }

    /// The time since then, second by second.
    fn clock(&self, since: Duration) -> String {
        match self.now.saturating_sub(since).as_secs() {
            seconds @ 0..60 => format!("{seconds} s"),
            seconds => duration(Duration::from_secs(seconds)),
        }
    }
}

/// `43%`; all of it only at the end.
fn percent(fill: &Fill) -> String {
    format!("{:.0}%", (fill.share() * 100.0).floor())
}

/// `[====>     ]`.
fn bar(share: f64, width: usize) -> String {
    let filled = ((share * width as f64) as usize).min(width);
    let head = if filled > 0 && filled < width { ">" } else { "" };
    let bar = "=".repeat(filled - head.len()) + head;
    format!("[{bar:<width$}]")
}

fn wide(text: &str) -> usize {
    text.chars().count()
}

/// A text of at most so many characters.
fn cut(text: &str, width: usize) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Start};
    use crate::plan::{LockLevel, Phase};

    const SECOND: Duration = Duration::from_secs(1);

    /// The seventh of twelve migrations, after half a minute of the run.
    fn run() -> Progress {
        let mut progress = Progress::default();
        let fingerprint = "sha256:ab".to_owned();
        let (rows_expected, expected) = (Some(40_100_000), Some(800 * SECOND));
        let run =
            Event::RunStarted { run: 1, start: Start::Fresh, fingerprint, migrations: 12, rows_expected, expected };
        progress.note(&run, Duration::ZERO);
        for version in 1..=7 {
            let name = "backfill_orders".to_owned();
            let event = Event::MigrationStarted { version, name, phase: Phase::Backfill, steps: 1 };
            progress.note(&event, Duration::ZERO);
        }
        progress
    }

    fn start(progress: &mut Progress, table: &str) {
        let title = format!("give every row of public.{table} its owner");
        let id = format!("backfill/public.{table}/backfill");
        let event = Event::StepStarted { id, title, lock: LockLevel::RowExclusive, expected: 200 * SECOND };
        progress.note(&event, 30 * SECOND);
    }

    /// Batches of two workers, up to the half of a table.
    fn fill(progress: &mut Progress, table: &str) {
        for number in 1..=50_u64 {
            let event = Event::BatchDone {
                id: format!("backfill/public.{table}/backfill"),
                rows: 100_000,
                rows_seen: 100_000,
                rows_total: number * 100_000,
                rows_expected: Some(10_000_000),
                hot_rows: 89_400,
                wal_bytes: 48 << 20,
                worker: (number % 2) as u32,
                block: number * 3_000,
                blocks: 300_000,
                heap_blocks: Some(336_000),
                elapsed: 2 * SECOND,
            };
            progress.note(&event, (30 + number as u32) * SECOND);
        }
    }

    /// What is on the screen at two widths.
    fn drawn(progress: &Progress) -> String {
        let at = |width: usize| {
            let lines = lines(progress, 80 * SECOND, width);
            let fits = lines.iter().all(|line| wide(line) < width);
            assert!(fits, "{lines:#?}");
            format!("{width} columns\n{}\n", lines.join("\n"))
        };
        at(80) + "\n" + &at(40)
    }

    #[test]
    fn one_backfill_tells_how_far_it_is_and_what_it_costs() {
        let mut progress = run();
        start(&mut progress, "orders");
        fill(&mut progress, "orders");
        insta::assert_snapshot!(drawn(&progress), @r#"
        80 columns
        [>              ] migration 7 of 12: V7__backfill_orders                 1m 20s
          5,000,000 of ~40,100,000 rows, about 9m 33s left
        ⠦ give every row of public.orders its owner                                50 s
          [====>      ]  50% 5,000,000 of ~10,000,000 rows, 94.1k rows/s, 50 s left
          HOT 89 %, 2.34 GiB of WAL, heap 1.12x, 2 workers

        40 columns
        [       ] migration 7 of 12      1m 20s
          5,000,000 of ~40,100,000 rows
        ⠦ give every row of public.orders… 50 s
          [==>   ]  50% 94.1k rows/s, 50 s left
          HOT 89 %, 2.34 GiB of WAL, heap 1.12x
        "#);
    }

    #[test]
    fn what_holds_it_back_is_said_with_its_reason_instead_of_a_rate() {
        let mut progress = run();
        start(&mut progress, "orders");
        fill(&mut progress, "orders");
        let reason = Some("replica standby1 is 14 s behind (limit 10 s)".to_owned());
        progress.note(&Event::Pressure { level: 1.0, reason, resting: SECOND }, 68 * SECOND);
        insta::assert_snapshot!(drawn(&progress), @r#"
        80 columns
        [>              ] migration 7 of 12: V7__backfill_orders                 1m 20s
          5,000,000 of ~40,100,000 rows
        ⠦ give every row of public.orders its owner                                50 s
          [====>      ]  50% 5,000,000 of ~10,000,000 rows
          HOT 89 %, 2.34 GiB of WAL, heap 1.12x, 2 workers
          held for 12 s: replica standby1 is 14 s behind (limit 10 s)

        40 columns
        [       ] migration 7 of 12      1m 20s
          5,000,000 of ~40,100,000 rows
        ⠦ give every row of public.orders… 50 s
          [==>   ]  50% 5,000,000 of ~10,000,0…
          HOT 89 %, 2.34 GiB of WAL, heap 1.12x
          held for 12 s: replica standby1 is 14
          s behind (limit 10 s)
        "#);
    }

    #[test]
    fn of_several_each_has_a_line_and_the_fifth_is_counted() {
        let mut progress = run();
        for table in ["orders", "order_items", "audit_log_of_everything", "customers", "sessions"] {
            start(&mut progress, table);
        }
        for table in ["orders", "audit_log_of_everything", "sessions"] {
            fill(&mut progress, table);
        }
        let holders = Vec::new();
        let id = "backfill/public.order_items/backfill".to_owned();
        progress.note(&Event::LockWaited { id, attempt: 2, attempts: 60, holders, rest: SECOND }, 70 * SECOND);
        let by = "ann@10.0.0.5".to_owned();
        progress.note(
            &Event::Controlled { paused_by: None, workers: Some(4), batch: None, max_lag: None, by },
            71 * SECOND,
        );
        let reason = Some("replica standby1 is 7 s behind (limit 10 s)".to_owned());
        progress.note(&Event::Pressure { level: 0.4, reason, resting: SECOND }, 72 * SECOND);
        insta::assert_snapshot!(drawn(&progress), @r#"
        80 columns
        [======>        ] migration 7 of 12: V7__backfill_orders                 1m 20s
          15,000,000 of ~40,100,000 rows, about 1m 28s left
        ⠦  50% public.orders: 94.1k rows/s, 50 s left, 5,000,000 of ~10,000,000 rows
        ⠦      public.order_items: waiting for a lock: its holder has just gone, attem…
        ⠦  50% public.audit_log_of_everything: 94.1k rows/s, 50 s left, HOT 89 %
        ⠦      public.customers: give every row of public.customers its owner
          and 1 more
          slowed by 40 %: replica standby1 is 7 s behind (limit 10 s)

        40 columns
        [==>    ] migration 7 of 12      1m 20s
          15,000,000 of ~40,100,000 rows
        ⠦  50% public.orders: 94.1k rows/s
        ⠦      public.order_items: waiting for…
        ⠦  50% public.audit_log_of_everything:…
        ⠦      public.customers: give every ro…
          and 1 more
          slowed by 40 %: replica standby1 is 7
          s behind (limit 10 s)
        "#);
    }

    #[test]
    fn a_table_that_is_helped_on_before_its_turn_has_a_line_while_that_lasts_and_keeps_what_it_did() {
        let mut progress = run();
        start(&mut progress, "orders");
        fill(&mut progress, "orders");
        fill(&mut progress, "customers");
        let shown = lines(&progress, 81 * SECOND, 80);
        assert!(shown.iter().any(|line| line.contains("  50% public.customers: ")), "{shown:#?}");
        assert_eq!((shown.len(), lines(&progress, 90 * SECOND, 80).len()), (4, 5), "both, and then the one alone");
        start(&mut progress, "customers");
        assert_eq!(progress.rows(), 10_000_000);
        let (id, elapsed) = ("backfill/public.customers/backfill".to_owned(), SECOND);
        let over = progress.note(&Event::StepDone { id, elapsed }, 91 * SECOND);
        assert!(over.is_some_and(|step| step.is_early && step.fill.is_some_and(|fill| fill.rows_total == 5_000_000)));
    }

    #[test]
    fn before_a_run_there_is_nothing_and_a_step_without_batches_has_one_line() {
        assert!(lines(&Progress::default(), SECOND, 80).is_empty());
        let mut progress = run();
        assert_eq!(lines(&progress, SECOND, 80).len(), 2);
        start(&mut progress, "orders");
        assert_eq!(lines(&progress, 31 * SECOND, 80).len(), 3);
        assert_eq!(lines(&progress, 31 * SECOND, 1).len(), 3, "a terminal as narrow as none");
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        let bars = [0.0, 0.1, 0.99, 1.0].map(|share| bar(share, 6));
        assert_eq!(bars, ["[      ]", "[      ]", "[====> ]", "[======]"]);
    }
}
