//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Parser, ValueEnum};

use super::rivals::Rival;
use super::scenario::Scenario;

/// Compare ways to fill the owner column of a large table, on one server of its own
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench backfill --", max_term_width = 100)]
pub struct Options {
    /// Rows of the large table; several numbers, such as `100k,1M,10M`, show how the rate holds
    #[arg(long, value_delimiter = ',', default_value = "1M", value_parser = rows)]
    pub rows: Vec<u64>,
    /// Layouts: wide, narrow, bigint, uuid, scattered, together, 1-index to 6-indexes and lz4, joined with `+`
    #[arg(long, value_delimiter = ',', default_value = "wide")]
    scenario: Vec<String>,
    /// Ways to compare, by name; all but the one that takes hours, unless given
    #[arg(long, value_delimiter = ',')]
    rivals: Vec<String>,
    /// Rounds on an idle server; each runs every way once, in random order
    #[arg(long, default_value_t = 2)]
    pub rounds: u32,
    /// Rounds beside an application that writes
    #[arg(long, default_value_t = 1)]
    pub writer_rounds: u32,
    /// Transactions a second of that application
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub writer_rate: u32,
    /// How long that application is watched without a backfill, to compare with
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    pub baseline: Duration,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Idle, Part::Writer, Part::Memory])]
    pub parts: Vec<Part>,
    /// The longest that one way may take
    #[arg(long, default_value = "30m", value_parser = humantime::parse_duration)]
    pub patience: Duration,
    /// The program reshape; without it, it is looked for on the PATH
    #[arg(long, value_name = "FILE")]
    reshape: Option<PathBuf>,
    /// A setting of the server, such as `autovacuum=on`
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// A line for the section `[backfill]` of tenantctl's configuration, such as `batch = "100ms"`
    #[arg(long, value_name = "LINE")]
    pub backfill: Vec<String>,
    /// The directory for backfill.md, backfill.svg and backfill.json
    #[arg(long, default_value = "docs/benchmarks")]
    pub out: PathBuf,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Time, WAL, growth and HOT updates on an idle server.
    Idle,
    /// The latencies of an application beside.
    Writer,
    /// The memory of the program.
    Memory,
}

impl Options {
    /// The scenarios, each with each number of rows.
    ///
    /// # Errors
    /// An unknown word.
    pub fn scenarios(&self) -> anyhow::Result<Vec<Scenario>> {
        let each = |name: &String| self.rows.iter().map(move |rows| Scenario::parse(name, *rows)).collect::<Vec<_>>();
        self.scenario.iter().flat_map(each).collect()
    }

    /// The ways to compare, and a word on one that is left out.
    ///
    /// # Errors
    /// An unknown name.
    pub fn rivals(&self) -> anyhow::Result<(Vec<Rival>, Option<String>)> {
        let reshape = self.reshape.clone().or_else(|| on_path("reshape"));
        let absent = reshape.is_none().then(|| {
            "reshape is left out: it is not on the PATH (`cargo install reshape --version 0.11.2`)".to_owned()
        });
        let all = Rival::all(reshape);
        if self.rivals.is_empty() {
            return Ok((all.into_iter().filter(Rival::is_usual).collect(), absent));
        }
        if let Some(unknown) = self.rivals.iter().find(|name| all.iter().all(|rival| rival.name() != *name)) {
            let names: Vec<&str> = all.iter().map(Rival::name).collect();
            bail!("--rivals {unknown}: there are {}", names.join(", "));
        }
        Ok((all.into_iter().filter(|rival| self.rivals.iter().any(|name| name == rival.name())).collect(), None))
    }

    /// Whether a part is wanted.
    pub fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn rows(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k')) => (&text[..at], 1_000),
        Some((at, 'M')) => (&text[..at], 1_000_000),
        _ => (text, 1),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(rows @ 1_000..=100_000_000) => Ok(rows),
        _ => Err("between 1k and 100M, as a number or with k or M".to_owned()),
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
