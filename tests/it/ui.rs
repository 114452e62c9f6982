//! What the operator reads on stderr.

mod log;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tenantctl::error::{Code, Failure};
use tenantctl::event::{Event, Observer, Start};
use tenantctl::plan::{LockLevel, Phase};
use tenantctl::ui::{LogFormat, Ui, Verbosity};

/// A writer that the test reads afterwards.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn read(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }
}

fn spoken(verbosity: Verbosity, format: LogFormat, talk: impl FnOnce(&Ui)) -> String {
    let page = Page::default();
    talk(&Ui::writer(verbosity, format, Box::new(page.clone())));
    page.read()
}

/// A run of one migration with two steps, one of them done before.
fn run(ui: &Ui) {
    let id = |step: &str| format!("expand/public.orders/{step}");
    let title = "add tenant_id to public.orders".to_owned();
    let elapsed = Duration::from_millis(120);
    for event in [
        Event::RunStarted {
            run: 3,
            start: Start::Resumed,
            fingerprint: "sha256:ab".to_owned(),
            migrations: 1,
            rows_expected: None,
            expected: None,
        },
        Event::MigrationStarted { version: 2, name: "expand_orders".to_owned(), phase: Phase::Expand, steps: 2 },
        Event::StepStarted { id: id("add"), title, lock: LockLevel::AccessExclusive, expected: elapsed },
        Event::StepDone { id: id("add"), elapsed },
        Event::StepSkipped { id: id("pass"), expected: elapsed },
        Event::Stopping,
        Event::MigrationDone { version: 2 },
        Event::RunFinished { run: 3, migrations: 1 },
    ] {
        ui.observe(&event);
    }
}

#[test]
fn a_run_in_a_log_is_one_dated_line_for_each_step_that_is_done() {
    let text = spoken(Verbosity::Normal, LogFormat::Text, run);
    let undated: Vec<&str> = text.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
    insta::assert_snapshot!(undated.join("\n"), @r#"
    run 3 goes on: 1 migration, sha256:ab
    phase expand
    [1/1] add tenant_id to public.orders: 120 ms
    [1/1] expand/public.orders/pass: found done
    stopping: what was in flight is finished
    run 3 is done: 1 migration applied
    "#);
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn with_json_every_event_warning_and_failure_is_one_object_on_a_line() {
    let text = spoken(Verbosity::Normal, LogFormat::Json, |ui| {
        run(ui);
        ui.warn("careful");
        ui.failure(&Failure::new(Code::LockNotAcquired, "no lock").into());
    });
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(objects.iter().all(|object| object["at"].as_str().unwrap().ends_with('Z')));
    assert_eq!(objects[3]["event"], "step-done");
    assert_eq!(objects[3]["elapsed_seconds"], 0.12);
    assert_eq!(objects[8]["text"], "careful");
    assert_eq!(objects[9]["error"]["code"], "lock-not-acquired");
    assert_eq!(objects.len(), 10);
}

#[test]
fn quiet_leaves_warnings_and_failures() {
    let text = spoken(Verbosity::Quiet, LogFormat::Text, |ui| {
        run(ui);
        ui.note("by the way");
        ui.warn("careful");
        ui.failure(&Failure::new(Code::Declined, "the operator said no").into());
    });
    assert_eq!(text, "warning: careful\nerror[declined]: the operator said no\n");
}

#[test]
fn a_failure_says_what_was_done_why_it_failed_and_what_to_do() {
    let failure = Failure::new(Code::ConfigInvalid, "tenantctl.toml:3: one\ntenantctl.toml:9: two").hint("mend both");
    let error = Err::<(), _>(failure).context("could not plan shop").unwrap_err();
    insta::assert_snapshot!(spoken(Verbosity::Normal, LogFormat::Text, |ui| ui.failure(&error)), @r#"
    error[config-invalid]: could not plan shop
      because: tenantctl.toml:3: one
      tenantctl.toml:9: two
    hint: mend both
    "#);
}

#[test]
fn an_error_that_is_no_failure_has_no_code() {
    let error = anyhow::anyhow!("something odd");
    assert_eq!(spoken(Verbosity::Quiet, LogFormat::Text, |ui| ui.failure(&error)), "error: something odd\n");
}
