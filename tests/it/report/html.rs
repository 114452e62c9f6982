//! The plan as a page, read as a browser reads it.

use std::collections::BTreeSet;
use std::time::Duration;

use scraper::{ElementRef, Html, Selector};
use tenantctl::catalog::LockHolder;
use tenantctl::plan::{Cost, Facts};
use tenantctl::report::Format;
use tenantctl::report::plan::Detail;
use tenantctl::sql::Script;

use super::{blocked, converted, written};
use crate::support::plan::{self, With, catalog, name, table};

fn html(script: &Script) -> String {
    written(script, Format::Html, Detail::Brief)
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    all(page, selector).iter().map(|element| element.text().collect::<String>().trim().to_owned()).collect()
}

/// Tables whose names would be tags, attributes and entities, if they were let.
fn tags() -> Script {
    let config = r#"
        [tables]
        "\"<script>alert(1)</script>\"" = { scope = "tenant" }
        "\"\"\"&'><img src=x>&lt;\"" = { scope = "tenant" }
    "#;
    let tables = vec![
        (name("public", "<script>alert(1)</script>"), table(1, Some(7), &["id bigint!", "</pre><script> text"])),
        (name("public", "\"&'><img src=x>&lt;"), table(2, None, &["id bigint!"])),
    ];
    plan::script(config, &catalog(tables), &Facts::default())
}

/// A tree of `tables` tables: a third hangs from the System Tenant, the others from one of the first twenty.
fn forest(tables: usize) -> Script {
    let word = |number: usize| format!("table_{number:03}");
    let mut config = "[tables]\n".to_owned();
    let mut made = Vec::new();
    for number in 0..tables {
        let (key, mut here) = (word(number), table(number as u32 + 1, Some(10), &["id bigint!", "up bigint!"]));
        config += &match number % 3 {
            0 => format!("{key} = {{ scope = \"tenant\" }}\n"),
            _ => {
                let parent = word((number * 7) % number.min(20));
                here = here.child(&["up"], &name("public", &parent), &["id"]);
                format!("{key} = {{ scope = \"tenant\", source = \"parent\", parent = \"{parent}\" }}\n")
            }
        };
        made.push((name("public", &key), here));
    }
    plan::script(&config, &catalog(made), &Facts::default())
}

#[test]
fn every_step_is_on_the_page_once_with_everything_that_it_sends() {
    for script in [plan::small(), plan::hostile(), tags()] {
        let page = Html::parse_document(&html(&script));
        let sent = script.steps().map(|step| step.texts().map(|text| format!("{text};\n")).collect::<String>());
        let shown: Vec<String> = all(&page, "details.step pre").iter().map(|pre| pre.text().collect()).collect();
        assert_eq!(shown, sent.collect::<Vec<String>>());
        let titles: Vec<&str> = script.steps().map(|step| step.title.as_str()).collect();
        assert_eq!(texts(&page, "details.step .title"), titles);
    }
}

#[test]
fn a_name_is_text_and_never_a_tag() {
    let text = html(&tags());
    let page = Html::parse_document(&text);
    assert_eq!((all(&page, "script").len(), all(&page, "img").len()), (1, 0));
    let names = texts(&page, "#tables tbody th");
    assert!(names.iter().any(|name| name.contains("<script>alert(1)</script>")), "{names:?}");
}

#[test]
fn the_page_needs_nothing_from_anywhere() {
    let text = html(&blocked());
    let page = Html::parse_document(&text);
    for element in all(&page, "*") {
        for (attribute, value) in element.value().attrs() {
            let elsewhere = ["src", "srcset", "action", "data", "poster"].contains(&attribute)
                || (attribute == "href" && !value.starts_with('#'))
                || value.contains("://");
            assert!(!elsewhere, "{attribute}={value}");
        }
    }
    assert!(all(&page, "link, iframe, object, embed, img, base, form").is_empty());
    for style in texts(&page, "style").iter().chain(&texts(&page, "script")) {
        assert!(["url(", "@import", "fetch", "://", "http"].iter().all(|word| !style.contains(word)));
    }
    let policy = all(&page, "meta[http-equiv='Content-Security-Policy']");
    assert!(policy[0].attr("content").unwrap().starts_with("default-src 'none';"));
}

#[test]
fn every_link_leads_to_something_on_the_page_and_no_name_is_given_twice() {
    let page = Html::parse_document(&html(&with_costs(blocked())));
    let ids: Vec<&str> = all(&page, "[id]").iter().filter_map(|element| element.attr("id")).collect();
    let known: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(known.len(), ids.len(), "{ids:?}");
    let links: Vec<&str> = all(&page, "[href]").iter().filter_map(|element| element.attr("href")).collect();
    assert!(links.len() > 30, "{links:?}");
    for link in links {
        assert!(known.contains(&link[1..]), "{link}");
    }
}

#[test]
fn what_blocks_and_what_is_in_the_way_is_said() {
    let mut script = blocked();
    let holder = LockHolder {
        pid: 4711,
        application: "nightly <report>".to_owned(),
        state: "idle in transaction".to_owned(),
        open_for: Duration::from_secs(70),
    };
    script.migrations[1].steps[0].blocked_by.push(holder);
    let page = Html::parse_document(&html(&script));
    let blockers = texts(&page, "#blockers li").join("\n");
    assert!(blockers.contains("12 rows have no owner") && blockers.contains("Fix give them an owner"), "{blockers}");
    assert_eq!(texts(&page, "p.wait"), ["In its way now: pid 4711 (nightly <report>, idle in transaction for 1m 10s)"]);
    assert!(texts(&page, ".verdict")[0].contains("Blocked"));
    let page = Html::parse_document(&html(&converted()));
    assert!(texts(&page, ".verdict")[0].contains("Nothing to do"));
    assert!(all(&page, "#steps, #locks, #blockers").is_empty());
}

/// Costs for the steps that build an index.
fn without_costs(mut script: Script) -> Script {
    let steps = script.migrations.iter_mut().flat_map(|migration| &mut migration.steps);
    steps.for_each(|step| step.cost = Cost::default());
    script
}

fn with_costs(script: Script) -> Script {
    let mut script = without_costs(script);
    let steps = script.migrations.iter_mut().flat_map(|migration| &mut migration.steps);
    for (number, step) in steps.filter(|step| step.id.contains("/build-")).enumerate() {
        let grown = 1024 * (number as u64 + 1);
        step.cost = Cost { wal_bytes: grown, index_bytes: grown, ..Cost::default() };
    }
    script
}

#[test]
fn the_bill_lists_the_dearest_steps_first_and_is_not_there_where_nobody_estimated() {
    let page = Html::parse_document(&html(&with_costs(plan::small())));
    let steps = texts(&page, "#bill .sortable tbody th a");
    let titles = [
        "build the index on public.orders (tenant_id)",
        "build the index on public.invoices (tenant_id)",
        "build the unique index customers_tenant_id_id_key on public.customers, which leads with tenant_id",
    ];
    assert_eq!(steps, titles);
    assert!(texts(&page, "#bill tfoot td").contains(&"6.00 KiB".to_owned()));
    assert!(all(&Html::parse_document(&html(&without_costs(plan::small()))), "#bill").is_empty());
}

#[test]
fn every_tenant_table_stands_in_the_graph_once_and_on_no_other() {
    for tables in [1, 25, 300] {
        let page = Html::parse_document(&html(&forest(tables)));
        let nodes = all(&page, ".graph .node");
        assert_eq!(nodes.len(), tables + 1, "and the tenants table");
        let size = |selector: &str, attribute: &str| -> i64 {
            all(&page, selector)[0].attr(attribute).unwrap().parse().unwrap()
        };
        let (width, height) = (size(".graph .node .body", "width"), size(".graph .node .body", "height"));
        let (right, bottom) = (size(".graph svg", "width"), size(".graph svg", "height"));
        let places: Vec<(i64, i64)> = nodes.iter().map(|node| place(node.attr("transform").unwrap())).collect();
        for (number, (x, y)) in places.iter().enumerate() {
            assert!(*x >= 0 && *y >= 0 && x + width <= right && y + height <= bottom, "{x} {y}");
            let meets = |(a, b): &&(i64, i64)| (a - x).abs() < width && (b - y).abs() < height;
            assert_eq!(places[..number].iter().find(meets), None, "at {x} {y}");
        }
        assert!(bottom < 40 * tables as i64 + 200, "{tables} tables are {bottom} high");
    }
}

fn place(transform: &str) -> (i64, i64) {
    let (x, y) = transform.strip_prefix("translate(").unwrap().strip_suffix(')').unwrap().split_once(' ').unwrap();
    (x.parse().unwrap(), y.parse().unwrap())
}

#[test]
fn the_same_plan_is_the_same_page() {
    assert_eq!(html(&plan::hostile()), html(&plan::hostile()));
}
