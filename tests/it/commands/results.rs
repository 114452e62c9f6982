//! What goes to which channel: results, progress, colours, and readers that leave.

use std::io::pipe;
use std::process::Stdio;

use serde_json::Value;

use super::{RIGHT, shop};
use crate::support::cli::{Cli, Ran};

#[tokio::test]
async fn a_plan_has_one_fingerprint_in_every_format() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let plan = cli.run("plan --format json").exits(0);
    let fingerprint = plan.json()["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(plan.stderr, "");
    let sql = cli.run("plan --format sql").exits(0).stdout;
    assert!(sql.starts_with("-- tenantctl ") && sql.contains(&format!("-- fingerprint {fingerprint}\n")), "{sql}");
    let text = cli.run("plan").exits(0).stdout;
    assert!(text.contains(&fingerprint) && !text.contains("ALTER TABLE"), "{text}");
    assert!(cli.run("plan --verbose").exits(0).stdout.contains("ALTER TABLE public.orders"));
}

#[tokio::test]
async fn status_tells_what_comes_next_before_during_and_after() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let before = cli.run("status").exits(0).stdout;
    assert!(before.contains("this database was never converted") && before.contains("tenantctl plan"), "{before}");
    let outcome = cli.run("migrate --yes --through expand").exits(0).stdout;
    assert!(outcome.starts_with("Done as far as asked: 3 migrations"), "{outcome}");
    assert!(outcome.ends_with("Next: `tenantctl migrate` goes on.\n"), "{outcome}");
    let during = cli.run("status").exits(0).stdout;
    assert!(during.contains("done:    3 of 7 migrations"), "{during}");
    assert!(during.contains("next:    stopped in phase backfill; `tenantctl migrate` goes on"), "{during}");
    assert!(cli.run("plan").exits(0).stderr.contains("run 1 is unfinished"));
    cli.run("migrate --yes --to 4").exits(0);
    cli.run("migrate --yes").exits(0);
    let after = cli.run("status --format json").exits(0).json();
    assert_eq!(after["run"]["migrations"].as_array().unwrap().len(), 7);
    assert!(after["run"]["finished_at"].is_string() && after["active"].is_null(), "{after}");
    assert!(cli.run("plan").exits(0).stdout.starts_with("Nothing to do"));
}

#[tokio::test]
async fn a_log_has_one_plain_line_for_each_step() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let plan = cli.run("plan --format json").json();
    let steps: usize =
        plan["migrations"].as_array().unwrap().iter().map(|m| m["steps"].as_array().unwrap().len()).sum();
    let Ran { stdout, stderr, .. } = cli.run("migrate --yes").exits(0);
    assert!(stdout.starts_with("Done: 7 migrations"), "{stdout}");
    assert!(!stderr.contains(|c: char| c.is_control() && c != '\n'), "{stderr:?}");
    let lines: Vec<&str> = stderr.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
    assert!(lines[0].starts_with("run 1 starts: 7 migrations, sha256:"), "{stderr}");
    assert_eq!(lines[1], "phase prepare");
    assert_eq!(lines.iter().filter(|line| line.starts_with('[')).count(), steps, "{stderr}");
    assert_eq!(lines.len(), 1 + 4 + steps + 1, "{stderr}");
    assert_eq!(lines.last(), Some(&"run 1 is done: 7 migrations applied"));
}

#[tokio::test]
async fn quiet_says_nothing_when_all_is_well_and_speaks_when_it_is_not() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let done = cli.run("migrate --yes --quiet").exits(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
    assert_eq!(cli.run("migrate --yes --quiet --format json").exits(0).json()["state"], "nothing-to-do");
    let refused = cli.run("migrate --yes --quiet --config nowhere.toml").exits(2);
    assert!(refused.stderr.starts_with("error[file-failed]: "), "{refused:?}");
}

#[tokio::test]
async fn with_a_json_log_every_line_of_standard_error_is_an_object() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let Ran { stderr, .. } = cli.run("migrate --yes --log-format json").exits(0);
    let events: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events[0]["start"]), (&"run-started".into(), &"fresh".into()));
    assert_eq!(events.last().unwrap()["event"], "run-finished");
    assert!(events.iter().all(|event| event["at"].as_str().unwrap().ends_with('Z')), "{stderr}");
    let Ran { stderr, .. } = cli.run("plan --config nowhere.toml --log-format json").exits(2);
    let failure: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(failure["error"]["code"], "file-failed");
}

#[test]
fn no_color_wins_over_a_wish_for_colours() {
    let colours = Cli::nowhere().variable("CLICOLOR_FORCE", "1");
    assert!(colours.run("plan").exits(2).stderr.contains('\u{1b}'));
    let none = colours.variable("NO_COLOR", "1");
    assert!(!none.run("plan").exits(2).stderr.contains('\u{1b}'));
}

/// Runs it with a reader of standard output that has left; answers its exit.
fn into_nowhere(cli: &Cli, arguments: &str) -> Ran {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let output = cli.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Ran { exit: output.status.code(), stdout: String::new(), stderr }
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_failure_and_hides_none() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    assert_eq!(into_nowhere(&cli, "plan").exits(0).stderr, "");
    assert_eq!(into_nowhere(&cli, "status").exits(0).stderr, "");
    assert_eq!(into_nowhere(&cli, "--help").exits(0).stderr, "");
    let blocked = Cli::to(&database.url()).config(&RIGHT.replace("\"system\"", "\"stop\""));
    assert_eq!(into_nowhere(&blocked, "plan").exits(1).stderr, "");
    into_nowhere(&blocked, "migrate --yes --format json").exits(1);
    into_nowhere(&cli, "migrate --yes").exits(0);
}

#[tokio::test]
async fn a_run_goes_on_when_nobody_reads_its_progress() {
    let database = shop().await;
    let cli = Cli::to(&database.url()).config(RIGHT);
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let output = cli.command("migrate --yes").stderr(writer).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"Done: 7 migrations"), "{output:?}");
}
