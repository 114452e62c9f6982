//! What is printed: findings as text and JSON, the listing, an explanation. No server is needed.

use insta::assert_snapshot;
use tenantctl::report::checks::{explain, list};
use tenantctl::report::findings::{Detail, json, text};
use tenantctl::verify::{Outcome, Report, Verdict, named};

fn verdict(check: &str, object: &str, outcome: Outcome) -> Verdict {
    Verdict { check: named(check).unwrap(), object: object.to_owned(), outcome }
}

fn broken(what: &str, count: Option<u64>) -> Outcome {
    Outcome::Broken { what: what.to_owned(), count }
}

/// A run with everything that can happen in it; a warning comes before the errors.
fn report() -> Report {
    let reason = "reading from the server: permission denied for table rules (SQLSTATE 42501)".to_owned();
    let verdicts = vec![
        verdict("cov-stale", "tables.gone", broken("tenantctl.toml:30: no table has that name", None)),
        verdict("own-not-null", "public.orders", broken("tenant_id may be NULL", None)),
        verdict("own-not-null", "public.lines", Outcome::Catalog),
        verdict("own-null-rows", "public.orders", broken("12 rows have no owner", Some(12))),
        verdict("own-null-rows", "public.\"Old Lines\"", broken("1 row has no owner", Some(1))),
        verdict("own-null-rows", "public.lines", Outcome::Proved { by: "NOT NULL".to_owned() }),
        verdict("own-system-tenant", "public.tenants", Outcome::Checked),
        verdict("xref-rows", "public.rules.rules_workflow_fkey", Outcome::Unverified { reason }),
    ];
    Report { checks: 16, tables: 4, verdicts }
}

fn written(write: impl Fn(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn findings_as_text() {
    assert_snapshot!(written(|out| text(&report(), Detail::Findings, out)));
}

#[test]
fn findings_as_text_with_all_evidence() {
    let (brief, full) =
        (written(|out| text(&report(), Detail::Findings, out)), written(|out| text(&report(), Detail::Evidence, out)));
    assert_snapshot!(full.strip_suffix(&brief).unwrap());
}

#[test]
fn findings_as_json() {
    assert_snapshot!(written(|out| json(&report(), out)));
}

#[test]
fn a_run_without_findings_is_one_line() {
    let verdicts = vec![verdict("own-system-tenant", "public.tenants", Outcome::Checked)];
    let report = Report { checks: 1, tables: 1, verdicts };
    assert_eq!(
        written(|out| text(&report, Detail::Findings, out)),
        "1 check on 1 table: no findings; 0 proved, 1 checked, 0 from the catalog\n"
    );
}

#[test]
fn the_listing_of_all_checks() {
    assert_snapshot!(written(list));
}

#[test]
fn the_explanation_of_one_check() {
    assert_snapshot!(written(|out| explain(named("own-null-rows").unwrap(), out)));
}
